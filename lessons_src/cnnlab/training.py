"""Training with Keras: on whatever device there is, with progress and from a fixed seed.

`python -m cnnlab.training S3 S7 --seeds 3` trains systems of the sources by their own recipes.
"""

import argparse
import os
import sys
import time
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np

from cnnlab import data, records
from cnnlab.models import SYSTEMS, VARIANTS

__all__ = ["Device", "Run", "device", "fit", "reproduce"]


@dataclass(frozen=True)
class Device:
    """Where training runs.

    `name` in words; `gpus`, how many; `policy`, the Keras precision policy; `speedup`, how many
    times faster mixed precision was than float32 in the measurement that chose it.
    """

    name: str
    gpus: int
    policy: str
    speedup: float

    def __str__(self):
        verdict = "so we use it" if self.policy != "float32" else "so we stay with float32"
        return (
            f"Training runs on {self.name}; mixed precision measured {self.speedup:.1f} times as "
            f"fast as float32, {verdict}."
        )

    @contextmanager
    def scope(self):
        """Build models inside: they get this precision and, on several GPUs, a copy on each."""
        import keras
        import tensorflow as tf

        strategy = tf.distribute.MirroredStrategy().scope() if self.gpus > 1 else nullcontext()
        before = keras.config.dtype_policy()
        keras.config.set_dtype_policy(self.policy)
        try:
            with strategy:
                yield
        finally:
            keras.config.set_dtype_policy(before)


@cache
def device():
    """Find the GPU, the GPUs, or the CPU, and measure whether mixed precision pays there.

    The measurement trains two convolutional layers for a few steps in both precisions; it
    takes a few seconds, once a session. Mixed precision is chosen if it is at least 1.2 times as
    fast: mixed_float16 on GPUs, mixed_bfloat16 on CPUs.

    Returns:
        Device; `print(device())` says in one line what was found and chosen.
    """
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        names = [
            tf.config.experimental.get_device_details(gpu).get("device_name", "GPU") for gpu in gpus
        ]
        name = names[0] if len(gpus) == 1 else f"{len(gpus)} GPUs ({', '.join(names)})"
        mixed = "mixed_float16"
    else:
        cores = os.cpu_count()
        name = f"the CPU ({cores} core{'s' if cores != 1 else ''}, no GPU found)"
        mixed = "mixed_bfloat16"
    speedup = _step_seconds("float32") / _step_seconds(mixed)
    return Device(name, len(gpus), mixed if speedup >= 1.2 else "float32", speedup)


def _step_seconds(policy):
    """Seconds for one training step of two convolutional layers, the best of several."""
    import keras

    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(32, 4, padding="same", activation="relu", dtype=policy),
            layers.MaxPooling2D(2, dtype=policy),
            layers.Conv2D(64, 4, padding="same", activation="relu", dtype=policy),
            layers.GlobalAveragePooling2D(dtype=policy),
            layers.Dense(10, dtype="float32"),
        ]
    )
    model.compile(
        optimizer="sgd", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    x, y = np.zeros((256, 28, 28, 1), "float32"), np.zeros(256, "int32")
    model.train_on_batch(x, y)
    seconds = []
    for _ in range(6):
        start = time.perf_counter()
        model.train_on_batch(x, y)
        seconds.append(time.perf_counter() - start)
    return min(seconds)


@dataclass(frozen=True)
class Run:
    """A finished training: the `model`, its `history` ({metric: [value of each epoch]}), the
    `seed`, the wall time in `seconds` and the `device` it ran on."""

    model: object
    history: dict
    seed: int
    seconds: float
    device: Device


def fit(build, x, y, *, epochs, batch_size=100, seed=0, validation=None, label=""):
    """Build a model and train it, with progress, on the device that `device()` finds.

    Args:
        build: function without arguments that returns a compiled Keras model. It is a function,
            not a model, so that the seed decides the first weights too.
        x: training inputs, float array of shape (N, ...).
        y: training labels, shape (N,) or as the model's loss wants them.
        epochs: passes through the data, at least 1.
        batch_size: examples in a step.
        seed: decides first weights, order and dropout. On several threads or GPUs, rounding still
            differs from run to run.
        validation: (x, y) to evaluate after each epoch, or None.
        label: shown with the progress.

    Returns:
        Run.

    Raises:
        ValueError: if build is not a function that gives a compiled model, x and y differ in
            length, epochs is less than 1, or the loss or a weight stops being a number.
    """
    import keras

    if isinstance(build, keras.Model) or not callable(build):
        raise ValueError(
            "fit needs the function that builds your model, not the model: write "
            "`def build(): ...; return model` and pass `build`, without brackets."
        )
    if len(x) != len(y) or len(x) == 0:
        raise ValueError(f"x and y must be equally long and not empty, got {len(x)} and {len(y)}.")
    if epochs < 1:
        raise ValueError(f"epochs must be at least 1, got {epochs}.")
    where = device()
    keras.utils.set_random_seed(seed)
    with where.scope():
        model = build()
    if not isinstance(model, keras.Model) or not model.compiled:
        raise ValueError(
            "build must return a compiled Keras model: call model.compile(...) in it, then "
            "`return model`."
        )
    progress = _progress(epochs, -(-len(x) // batch_size), label)
    start = time.perf_counter()
    history = model.fit(
        x,
        y,
        batch_size=batch_size,
        epochs=epochs,
        validation_data=validation,
        callbacks=[progress, keras.callbacks.TerminateOnNaN()],
        verbose=0,
    ).history
    seconds = time.perf_counter() - start
    # ReLU turns what is not a number into 0, so that the loss alone would not tell.
    if not (np.isfinite(history["loss"]).all() and all(map(_is_finite, model.get_weights()))):
        raise ValueError(
            "The loss or a weight is no longer a number: training diverged. Try a smaller "
            "learning rate, and see that x holds numbers only."
        )
    history = {name: [float(value) for value in values] for name, values in history.items()}
    return Run(model, history, seed, seconds, where)


def _is_finite(weights):
    return np.isfinite(weights.astype("float32")).all()


def _progress(epochs, steps, label):
    """A Keras callback that keeps one line up to date, in a notebook or a terminal."""
    import keras

    class Progress(keras.callbacks.Callback):
        first = None  # the epoch that this run began with

        def on_train_begin(self, logs=None):
            self.line = _Line()

        def on_epoch_begin(self, epoch, logs=None):
            self.epoch = epoch
            if self.first is None:
                self.first, self.start = epoch, time.perf_counter()
                self.shown = self.start

        def on_train_batch_end(self, batch, logs=None):
            now = time.perf_counter()
            if now - self.shown > 0.5:
                self.shown = now
                done = (self.epoch - self.first + (batch + 1) / steps) / (epochs - self.first)
                left = (now - self.start) * (1 - done) / done
                left = f"{left:.0f} s" if left < 100 else f"{left / 60:.0f} min"
                self.show(logs, f"{done:.0%}, about {left} left")

        def on_epoch_end(self, epoch, logs=None):
            self.show(logs, f"{time.perf_counter() - self.start:.0f} s")

        def show(self, logs, when):
            metrics = ", ".join(f"{k.replace('_', ' ')} {v:.3f}" for k, v in (logs or {}).items())
            head = f"{label}: " if label else ""
            self.line.write(f"{head}epoch {self.epoch + 1} of {epochs} ({when}): {metrics}")

        def on_train_end(self, logs=None):
            self.line.close()

    return Progress()


class _Line:
    """One line of output that is written over."""

    def __init__(self):
        from IPython import get_ipython

        self.handle, self.width = None, 0
        self.notebook = get_ipython() is not None and hasattr(get_ipython(), "kernel")

    def write(self, text):
        if not self.notebook:
            print("\r" + text.ljust(self.width), end="", flush=True)
            self.width = len(text)
            return
        from IPython.display import display

        data = {"text/plain": text}
        if self.handle is None:
            self.handle = display(data, raw=True, display_id=True)
        else:
            self.handle.update(data, raw=True)

    def close(self):
        if not self.notebook:
            print()


def reproduce(key, *, seed=0, epochs=None, precision=None, keep=False, folder=records.RESULTS):
    """Train a system of the sources by its recipe on the full data, and write a record of it.

    After each epoch everything is saved under `folder/unfinished`. A run that was stopped, by
    whatever, goes on from there when it is called again, and loses only the epoch it was in. The
    order of the images depends on the seed and the epoch alone.

    Args:
        key: a name in `cnnlab.models.SYSTEMS` or `VARIANTS` that learns from images.
        seed: decides first weights, order and dropout.
        epochs: how many; by default as many as the recipe says.
        precision: a Keras precision policy, such as "float32"; by default what `device` chooses.
            An unfinished run keeps the one it began with.
        keep: also keep the trained weights beside the record, as `KEY-seedN.weights.h5`.
        folder: where the record goes, as `KEY-seedN.json`.

    Returns:
        The record, a dict as `cnnlab.records.records` describes it. If it is already there with
        as many epochs, nothing is trained.

    Raises:
        ValueError: for an unknown system, or one that does not learn from images.
        RecordMismatch: if a record or an unfinished run of this name was made with other data,
            another recipe or other versions.
        DataUnavailable: if the full data cannot be had (and `CNNLAB_TIER` is not "sample").
        OSError: if the record cannot be written; what was saved before stays.
    """
    import keras

    if key not in _learners():
        raise ValueError(f"{key!r} is not a system that learns from images: {list(_learners())}.")
    system = _learners()[key]
    recipe = {**system.recipe, **system.assumed}
    epochs = epochs or recipe["epochs"]
    images = data.load(recipe["data"], os.environ.get("CNNLAB_TIER") or "full")
    total = min(len(images.x_train), recipe["images"] or len(images.x_train))
    last = total - int(total * (recipe["validation"] or 0))
    x, y = images.x_train[:last], images.y_train[:last]
    validation = (images.x_train[last:total], images.y_train[last:total])
    folder = Path(folder)
    (folder / "unfinished").mkdir(parents=True, exist_ok=True)
    final, weights, draft, saved = (
        folder / f"{key}-seed{seed}.json",
        folder / f"{key}-seed{seed}.weights.h5",
        folder / "unfinished" / f"{key}-seed{seed}.json",
        folder / "unfinished" / f"{key}-seed{seed}.keras",
    )
    where = device()
    where = replace(where, policy=precision or where.policy)
    record = {
        "system": key,
        "seed": seed,
        "recipe": recipe,
        "parameters": system.build().count_params(),
        "source": images.source,
        "data": {
            "train": len(x),
            "validation": total - last,
            "test": len(images.x_test),
            "digest": records.digest(x, y, *validation, images.x_test, images.y_test),
        },
        "versions": records.versions(),
        "precision": where.policy,
        "device": where.name,
        "processor": records.processor(),
        "epochs": [],
    }
    for path in (final, draft):
        if path.exists():
            found = records.read(path)
            advice = f"{path} was made in another way; move it, or give another folder"
            records.check_same(record, found, advice)
            there = path == final and (weights.exists() or not keep)
            if there and len(found["epochs"]) >= epochs:
                return found
    with where.scope():
        if draft.exists() and saved.exists():
            model = _load(saved)
            record = found  # the draft was read last
        else:
            keras.utils.set_random_seed(seed)
            model = system.build()
            rate = {"learning_rate": recipe["learning_rate"]} if recipe["learning_rate"] else {}
            model.compile(
                optimizer=getattr(keras.optimizers, recipe["optimizer"])(**rate),
                loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
                metrics=["accuracy"],
                jit_compile=False,
            )
    steps = -(-len(x) // recipe["batch_size"])
    # The draft is written before the weights, so that it may be one epoch ahead of them.
    done = int(model.optimizer.iterations) // steps
    record["epochs"] = record["epochs"][:done]
    progress = _progress(epochs, steps, f"{key}, seed {seed}")
    for epoch in range(done, epochs):
        start = time.perf_counter()
        order = np.random.default_rng([seed, epoch]).permutation(len(x))
        history = model.fit(
            x[order],
            y[order],
            batch_size=recipe["batch_size"],
            initial_epoch=epoch,
            epochs=epoch + 1,
            shuffle=False,
            callbacks=[progress],
            verbose=0,
        ).history
        row = {name: float(values[0]) for name, values in history.items()}
        if len(validation[0]):
            row |= _scores(model, *validation, "validation_")
        row |= _scores(model, images.x_test, images.y_test, "test_", halves=True)
        row["seconds"] = round(time.perf_counter() - start, 2)
        if not np.isfinite(row["loss"]):
            raise ValueError(f"{key}, seed {seed}: the loss is not a number in epoch {epoch + 1}.")
        record["epochs"].append(row)
        with _writing(draft, epoch):
            records.write(draft, record)
            part = saved.with_suffix(".part.keras")
            model.save(part)
            part.replace(saved)
    record["train"] = _scores(model, x, y)
    with _writing(final, epochs - 1):
        records.write(final, record)
        if keep:
            model.save_weights(weights)
    if epochs >= (recipe["epochs"] or epochs):
        draft.unlink()
        saved.unlink()
    return record


def _learners():
    """The systems that learn from images."""
    systems = {**SYSTEMS, **VARIANTS}
    return {key: each for key, each in systems.items() if each.recipe["data"] in data.NAMES}


def _scores(model, x, y, prefix="", halves=False):
    """Loss and accuracy of a model that gives logits; on request the accuracy of each half too."""
    logits = model.predict(x, batch_size=500, verbose=0).astype(np.float64)
    logits -= logits.max(axis=1, keepdims=True)
    losses = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(y)), y]
    right = logits.argmax(axis=1) == y
    scores = {f"{prefix}loss": float(losses.mean()), f"{prefix}accuracy": float(right.mean())}
    if halves:
        middle = len(y) // 2
        scores[f"{prefix}accuracy_halves"] = [
            float(right[:middle].mean()),
            float(right[middle:].mean()),
        ]
    return scores


def _load(path):
    import keras

    try:
        return keras.models.load_model(path)
    except Exception as problem:  # Keras raises whatever the damage leads to
        raise ValueError(
            f"The saved model {path} cannot be read ({type(problem).__name__}). Delete it, and "
            "the run starts from its beginning."
        ) from None


@contextmanager
def _writing(path, epoch):
    try:
        yield
    except OSError as problem:
        raise OSError(
            f"Epoch {epoch + 1} could not be saved in {path.parent}: {problem}. What was saved "
            "before is still there: make room, and start again."
        ) from None


def main():
    parser = argparse.ArgumentParser(
        prog="make reproduce", description="Train systems of the sources by their own recipes."
    )
    able = list(_learners())
    parser.add_argument("systems", nargs="*", default=able, help=f"of {', '.join(able)}")
    parser.add_argument("--seeds", type=int, default=1, help="how many seeds, from 0 on")
    parser.add_argument("--epochs", type=int, help="instead of what the recipe says")
    parser.add_argument("--precision", help="a Keras policy, instead of the faster one here")
    parser.add_argument("--keep", action="store_true", help="also keep the trained weights")
    parser.add_argument("--results", type=Path, default=records.RESULTS, help="folder of records")
    options = parser.parse_args()
    try:
        print(device())
        for key in options.systems:
            for seed in range(options.seeds):
                record = reproduce(
                    key,
                    seed=seed,
                    epochs=options.epochs,
                    precision=options.precision,
                    keep=options.keep,
                    folder=options.results,
                )
                rows = record["epochs"]
                print(
                    f"{key}, seed {seed}: test accuracy {rows[-1]['test_accuracy']:.2%} after "
                    f"{len(rows)} epochs of {np.mean([row['seconds'] for row in rows]):.1f} s"
                )
    except KeyboardInterrupt:
        sys.exit("\nStopped. Start again to go on from the last whole epoch.")
    except (ValueError, OSError, data.DataUnavailable) as problem:
        sys.exit(f"\n{problem}")


if __name__ == "__main__":
    main()
