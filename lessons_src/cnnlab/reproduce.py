"""Long runs: the systems of the sources, trained by their own recipes, a record kept of each.

`python -m cnnlab.reproduce S3 S7 --seeds 3` trains two systems three times each.
"""

import argparse
import sys
import time
from contextlib import contextmanager
from itertools import chain, product
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from cnnlab import data, drawings, records
from cnnlab.files import InUse, alone, written_whole
from cnnlab.models import SYSTEMS, VARIANTS
from cnnlab.training import LAST_SEED, device_at, diverged, progress, whole

__all__ = ["reproduce"]

STEPS_AT_ONCE = 25  # in one call of TensorFlow; no number changes, and small networks are faster


def reproduce(key, *, seed=0, epochs=None, precision="float32", keep=False, folder=records.RESULTS):
    """Train a system of the sources by its recipe on the full data, and write a record of it.

    A recipe with `variations` shows each training image twice in an epoch: as it is, and drawn
    anew in another hand (`cnnlab.drawings.varied`); the record then also holds the accuracy on the
    test images in other hands. One with `decay` lowers its learning rate on a line to 0.

    After each epoch everything is saved under `folder/unfinished`. A run that was stopped, by
    whatever, goes on from there when it is called again, and loses only the epoch it was in. The
    order of the images depends on the seed and the epoch alone.

    Args:
        key: a name in `cnnlab.models.SYSTEMS` or `VARIANTS` that learns from images.
        seed: decides first weights, order and dropout; from 0 to 2**32 - 1.
        epochs: how many, at least 1; by default as many as the recipe says.
        precision: a Keras precision policy; by default "float32", as in the sources.
        keep: also keep the trained weights beside the record, as `KEY-seedN.weights.h5`; a
            record without them is made again. They go when another record takes its place.
        folder: where the record goes, as `KEY-seedN.json`.

    Returns:
        The record, a dict as `cnnlab.records.records` describes it. If it is already there with
        as many epochs or more, nothing is trained.

    Raises:
        ValueError: for an unknown system, one that does not learn from images, or a seed or a
            number of epochs that cannot be one; if the training diverges.
        RecordMismatch: if a record or an unfinished run of this name was made with other data,
            another recipe or other versions.
        DataUnavailable: if the full data cannot be had (and `CNNLAB_TIER` is not "sample").
        OSError: if the record cannot be written; what was saved before stays.
        InUse: an OSError, if another process trains the same in this folder.
    """
    system = _learner(key)
    recipe = {**system.recipe, **system.assumed}
    seed = whole(seed, "seed", 0, LAST_SEED)
    epochs = recipe["epochs"] if epochs is None else whole(epochs, "epochs", 1)
    images, source = _images(recipe)
    where = device_at(precision)
    new = {
        "system": key,
        "seed": seed,
        "recipe": recipe,
        "parameters": system.build().count_params(),
        "source": source,
        "data": {name: len(labels) for name, (_, labels) in images.items()}
        | {"digest": records.digest(*chain(*images.values()))},
        "versions": records.versions(),
        "precision": where.policy,
        "device": where.name,
        "processor": records.processor(),
        "epochs": [],
    }
    path = Path(folder) / f"{key}-seed{seed}.json"
    draft = path.parent / "unfinished" / path.name
    saved = draft.with_suffix(".keras")
    with alone(draft, f"{key}, seed {seed}"):
        if path.exists():
            record = _earlier(path, new)
            epochs = max(epochs, len(record["epochs"]))
            if len(record["epochs"]) == epochs and (not keep or records.kept_weights(path)):
                return record
        with where.scope():
            if draft.exists() and saved.exists():
                record, model = _earlier(draft, new), _load(saved)
            else:
                saved.unlink(missing_ok=True)  # or it would lie beside the draft of another run
                record, model = new, _untrained(system, recipe, seed)
        _train(model, record, images, epochs, draft, saved)
        record["train"] = _scores(model, *images["train"])
        _finish(path, record, model if keep else None)
        if len(record["epochs"]) >= recipe["epochs"]:
            for left in draft.parent.glob(f"*{draft.stem}.*"):  # what a killed run left, too
                if left.suffix != ".lock":  # not yet
                    left.unlink()
    return record


def runs(keys, seeds, job=None):
    """All pairs of a key and a seed, in order; or only the one with the number `job`, from 0 on."""
    pairs = list(product(keys, range(whole(seeds, "--seeds", 1))))
    return pairs if job is None else [pairs[whole(job, "--job", 0, len(pairs) - 1)]]


def _learners():
    """The systems that learn from images."""
    systems = {**SYSTEMS, **VARIANTS}
    return {key: each for key, each in systems.items() if each.recipe["data"] in data.NAMES}


def _learner(key):
    learners = _learners()
    if key not in list(learners):  # a list, since a key may be anything
        raise ValueError(f"{key!r} is not a system that learns from images: {list(learners)}.")
    return learners[key]


def _images(recipe):
    """{"train", "validation", "test": (images, labels)}, divided by the recipe; their source."""
    full = data.load(recipe["data"], data.setting("CNNLAB_TIER") or "full")
    x, y = full.x_train, full.y_train
    # A built-in sample may be smaller than what is left out.
    first = min(recipe.get("skip", 0), len(x) // 2)
    end = min(len(x), first + (recipe["images"] or len(x)))
    last = end - int((end - first) * (recipe["validation"] or 0))
    parts = {
        "train": (x[first:last], y[first:last]),
        "validation": (x[last:end], y[last:end]),
        "test": (full.x_test, full.y_test),
    }
    return parts, full.source


def _earlier(path, new):
    """The record that an earlier run left; RecordMismatch if the new run is of another kind."""
    record = records.read(path)
    advice = f"{path} was made in another way; move it, or give another folder"
    records.check_same(new, record, advice)
    return record


def _load(path):
    try:
        return keras.models.load_model(path)
    except Exception as problem:  # Keras raises whatever the damage leads to
        raise ValueError(
            f"The saved model {path} cannot be read ({type(problem).__name__}). Delete it, and "
            "the run starts from its beginning."
        ) from None


def _untrained(system, recipe, seed):
    keras.utils.set_random_seed(seed)
    model = system.build()
    rate = {"learning_rate": recipe["learning_rate"]} if recipe["learning_rate"] else {}
    model.compile(
        optimizer=getattr(keras.optimizers, recipe["optimizer"])(**rate),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        steps_per_execution=STEPS_AT_ONCE,
        jit_compile=False,
    )
    return model


def _train(model, record, images, epochs, draft, saved):
    """Train on until so many epochs are done; give the record a row for each, and save both."""
    name, seed = f"{record['system']}, seed {record['seed']}", record["seed"]
    recipe, variations = record["recipe"], record["recipe"].get("variations")
    shown = _epoch(*images["train"], variations)
    if variations:
        x, y = images["test"]
        hands = drawings.varied(drawings.lines(x), y, np.random.default_rng(0), **variations)
        images = {**images, "varied": (hands, y)}
    batch_size = recipe["batch_size"]
    steps = -(-len(images["train"][0]) * (2 if variations else 1) // batch_size)
    # The draft is written before the model, so that it may be one epoch ahead of it.
    done = int(model.optimizer.iterations) // steps
    if len(record["epochs"]) < done:
        raise ValueError(
            f"{draft} tells of {len(record['epochs'])} epochs, and {saved.name} beside it of "
            f"{done}. Delete both, and the run starts from its beginning."
        )
    del record["epochs"][done:]
    with progress(epochs, steps, name, done) as line:
        for epoch in range(done, epochs):
            start = time.perf_counter()
            if recipe.get("decay"):
                left = 1 - epoch / recipe["epochs"]
                model.optimizer.learning_rate = recipe["learning_rate"] * left
            x, y = shown(np.random.default_rng([seed, epoch]))
            history = model.fit(
                _batches(x, y, batch_size),
                initial_epoch=epoch,
                epochs=epoch + 1,
                callbacks=[line],
                verbose=0,
            ).history
            if diverged(history["loss"], model):
                raise ValueError(
                    f"{name}: in epoch {epoch + 1} the loss or a weight is no longer a number."
                )
            row = {metric: float(values[0]) for metric, values in history.items()}
            if len(images["validation"][0]):
                row |= _scores(model, *images["validation"], "validation_")
            row |= _scores(model, *images["test"], "test_", halves=True)
            if variations:
                row |= _scores(model, *images["varied"], "varied_")
            row["seconds"] = round(time.perf_counter() - start, 2)
            record["epochs"].append(row)
            with _saving(f"Epoch {epoch + 1}", draft):
                records.write(draft, record)
                with written_whole(saved) as part:
                    model.save(part)


def _epoch(x, y, variations):
    """A function that gives the images and labels of an epoch, in its order, to a generator."""
    digits = drawings.lines(x) if variations else None

    def shown(rng):
        images, labels = x, y
        if variations:
            images = np.concatenate([x, drawings.varied(digits, y, rng, **variations)])
            labels = np.concatenate([y, y])
        order = rng.permutation(len(images))
        return images[order], labels[order]

    return shown


def _batches(x, y, batch_size):
    """The examples as they lie, in batches, as a `tf.data.Dataset`."""
    options = tf.data.Options()
    # With it, an epoch on a busy CPU ended late, by up to as long as it took (TensorFlow 2.21).
    options.autotune.enabled = False
    return tf.data.Dataset.from_tensor_slices((x, y)).batch(batch_size).with_options(options)


def _scores(model, x, y, prefix="", halves=False):
    """Loss and accuracy of a model that gives logits; on request the accuracy of each half too."""
    logits = model.predict(x, batch_size=500, verbose=0).astype(np.float64)
    logits -= logits.max(axis=1, keepdims=True)
    losses = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(y)), y]
    right = logits.argmax(axis=1) == y
    scores = {f"{prefix}loss": float(losses.mean()), f"{prefix}accuracy": float(right.mean())}
    if halves:
        both = np.split(right, [len(y) // 2])
        scores[f"{prefix}accuracy_halves"] = [float(half.mean()) for half in both]
    return scores


def _finish(path, record, model=None):
    """Write the record, and the weights of a model that is to be kept."""
    weights = path.with_suffix(".weights.h5")
    with _saving("The record", path):
        if model is None:
            record["weights"] = None
            records.write(path, record)
            weights.unlink(missing_ok=True)  # they belonged to the record before
            return
        with written_whole(weights) as part:
            model.save_weights(part)
            record["weights"] = records.file_digest(part)
            records.write(path, record)


@contextmanager
def _saving(what, path):
    try:
        yield
    except OSError as problem:
        raise OSError(
            f"{what} could not be saved in {path.parent}: {problem}. What was saved before is "
            "still there: make room, and start again."
        ) from None


def main():
    parser = argparse.ArgumentParser(
        prog="make reproduce", description="Train systems of the sources by their own recipes."
    )
    able = list(_learners())
    parser.add_argument("systems", nargs="*", default=able, help=f"of {', '.join(able)}")
    parser.add_argument("--seeds", type=int, default=1, help="how many seeds, from 0 on")
    parser.add_argument(
        "--job", type=int, help="only one of these trainings, by its number, from 0 on"
    )
    parser.add_argument("--epochs", type=int, help="instead of what the recipe says")
    parser.add_argument(
        "--precision", default="float32", help="a Keras policy, such as mixed_bfloat16"
    )
    parser.add_argument("--keep", action="store_true", help="also keep the trained weights")
    parser.add_argument(
        "--results", dest="folder", default=records.RESULTS, help="folder of records"
    )
    options = vars(parser.parse_args())
    systems, seeds, job = (options.pop(name) for name in ("systems", "seeds", "job"))
    try:
        for key in systems:
            _learner(key)  # an unknown one is named before the first has taken hours
        for key, seed in runs(systems, seeds, job):
            try:
                rows = reproduce(key, seed=seed, **options)["epochs"]
            except InUse as taken:  # two that are started alike share the work
                print(taken)
                continue
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
