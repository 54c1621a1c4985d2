"""Training with Keras: on whatever device there is, with progress and from a fixed seed."""

import os
import time
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache

import numpy as np

__all__ = ["Device", "Run", "device", "fit"]


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
        def on_train_begin(self, logs=None):
            self.start = self.shown = time.perf_counter()
            self.epoch, self.line = 0, _Line()

        def on_epoch_begin(self, epoch, logs=None):
            self.epoch = epoch

        def on_train_batch_end(self, batch, logs=None):
            now = time.perf_counter()
            if now - self.shown > 0.5:
                self.shown = now
                done = (self.epoch * steps + batch + 1) / (epochs * steps)
                left = (now - self.start) * (1 - done) / done
                self.show(logs, f"{done:.0%}, about {left:.0f} s left")

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
