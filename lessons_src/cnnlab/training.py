"""Training with Keras: on whatever device there is, with progress and from a fixed seed."""

import os
import time
import timeit
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache, partial
from numbers import Integral

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from tqdm import tqdm

__all__ = ["Device", "Runs", "Training", "device", "each_seed", "fit"]

LAST_SEED = 2**32 - 1  # the largest that NumPy takes


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
    mixed = "mixed_float16" if _gpus() else "mixed_bfloat16"
    speedup = _step_seconds("float32") / _step_seconds(mixed)
    return device_at(mixed if speedup >= 1.2 else "float32", speedup)


def device_at(policy, speedup=1.0):
    """The device that is there, with this precision, which nothing has measured."""
    gpus = _gpus()
    return Device(_name(gpus), len(gpus), policy, speedup)


def _gpus():
    """The names of the GPUs."""
    details = tf.config.experimental.get_device_details
    return [details(g).get("device_name", "GPU") for g in tf.config.list_physical_devices("GPU")]


def _name(gpus):
    if len(gpus) > 1:
        return f"{len(gpus)} GPUs ({', '.join(gpus)})"
    cores = os.cpu_count()
    return gpus[0] if gpus else f"the CPU ({cores} core{'s' if cores != 1 else ''}, no GPU found)"


def _step_seconds(policy):
    """Seconds for one training step of two convolutional layers, the best of several."""
    with Device("here", 0, policy, 1.0).scope():
        model = keras.Sequential([
            keras.Input((28, 28, 1)),
            layers.Conv2D(32, 4, padding="same", activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(64, 4, padding="same", activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(10, dtype="float32"),
        ])  # fmt: skip
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    x, y = np.zeros((256, 28, 28, 1), "float32"), np.zeros(256, "int32")
    model.train_on_batch(x, y)  # the first step compiles
    return min(timeit.repeat(lambda: model.train_on_batch(x, y), number=1, repeat=6))


@dataclass(frozen=True)
class Training:
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
        batch_size: examples in a step, at least 1.
        seed: decides first weights, order and dropout; from 0 to 2**32 - 1. On several threads or
            GPUs, rounding still differs from run to run.
        validation: (x, y) to evaluate after each epoch, or None.
        label: shown with the progress.

    Returns:
        Training.

    Raises:
        ValueError: if build is not a function that gives a compiled model, x and y differ in
            length, a number is not one of those above, or the loss or a weight stops being a
            number.
    """
    if isinstance(build, keras.Model) or not callable(build):
        raise ValueError(
            "fit needs the function that builds your model, not the model: write "
            "`def build(): ...; return model` and pass `build`, without brackets."
        )
    if len(x) != len(y) or len(x) == 0:
        raise ValueError(f"x and y must be equally long and not empty, got {len(x)} and {len(y)}.")
    epochs = whole(epochs, "epochs", 1)
    batch_size = whole(batch_size, "batch_size", 1)
    seed = whole(seed, "seed", 0, LAST_SEED)
    where = device()
    keras.utils.set_random_seed(seed)
    with where.scope():
        model = build()
    if not isinstance(model, keras.Model) or not model.compiled:
        raise ValueError(
            "build must return a compiled Keras model: call model.compile(...) in it, then "
            "`return model`."
        )
    start = time.perf_counter()
    with progress(epochs, -(-len(x) // batch_size), label) as line:
        history = model.fit(
            x,
            y,
            batch_size=batch_size,
            epochs=epochs,
            validation_data=validation,
            callbacks=[line, keras.callbacks.TerminateOnNaN()],
            verbose=0,
        ).history
    seconds = time.perf_counter() - start
    if diverged(history["loss"], model):
        raise ValueError(
            "The loss or a weight is no longer a number: training diverged. Try a smaller "
            "learning rate, and see that x holds numbers only."
        )
    history = {name: [float(value) for value in values] for name, values in history.items()}
    return Training(model, history, seed, seconds, where)


@dataclass(frozen=True)
class Runs:
    """One network, trained once for each seed.

    `losses`: the mean training loss of each epoch, shape (seeds, epochs); `validation`: the
    accuracy on the validation data after each epoch, of the same shape, or None; `device`: what it
    ran on, in words.
    """

    losses: np.ndarray
    validation: np.ndarray | None
    device: str
    _model: object
    _answer: object
    _kept: list
    _train: object

    def more(self, seeds):
        """The same network with so many seeds in all. Those that are trained stay as they are.

        So a rate can be chosen with one seed, and judged with five.

        Raises:
            ValueError: if there are more already, or a loss stops being a number.
        """
        return self._train(whole(seeds, "seeds", len(self._kept)), self)

    def model(self, seed):
        """The Keras model as the seed trained it. (The next call changes the same model.)"""
        for variable, value in zip(self._model.variables, self._kept[seed], strict=True):
            variable.assign(value)
        return self._model

    def accuracy(self, x, y=None):
        """The share of right answers of each seed's network, shape (seeds,).

        `x` and `y` are inputs and integer labels, of shape (N,) or (N, 1); or `x` alone is a
        function that gives them for a seed, like a `lesson`.

        Raises:
            ValueError: if there is not one label for each input.
        """
        exam, shares = _for_seed(x if y is None else (x, y)), []
        for seed in range(len(self._kept)):
            data = exam(seed)  # before the weights are set, since it may use the same model
            self.model(seed)
            shares.append(_share(self._answer, *data))
        return np.array(shares)


def each_seed(
    build, lesson, *, seeds=5, epochs, batch_size=50, rate=0.001, optimizer=None, validation=None,
    loss=None, watch=None, label="",
):  # fmt: skip
    """Train the same network several times, so that it can be compared with another, seed by seed.

    The seed decides the first weights, the order of the examples and dropout. Two networks that
    are trained by this function on the same lesson see the same examples in the same order.
    It trains in float32.

    Args:
        build: function that returns a Keras model, not compiled, that gives logits.
        lesson: (x, y), inputs and labels; or a function that gives them for a seed, always as many.
        seeds: how many, at least 1: seeds 0, 1, 2, ...
        epochs, batch_size: passes through the data, and examples in a step. What does not fill the
            last batch is left out of that epoch.
        rate: learning rate of Adam. Or a list of learning rates, of whichever optimizer, to try
            one after another.
        optimizer: function that returns another Keras optimizer.
        validation: data as for `lesson`, to measure the accuracy on after each epoch, or None.
        loss: function of labels and outputs, in place of the cross-entropy of softmax.
        watch: function of a seed, an epoch (from 0 on) and the model as it is then, called after
            each epoch: to measure more, or to keep its weights.
        label: shown with the progress.

    Returns:
        Runs; of a list of rates {rate: Runs}, where runs that diverged are kept, too.

    Raises:
        ValueError: if build is a model or gives none, if x and y differ in length or do not fill a
            batch, or a loss stops being a number (unless there is a list of rates).
    """
    if isinstance(build, keras.Model) or not isinstance(model := build(), keras.Model):
        raise ValueError(
            "each_seed needs the function that builds your model: write "
            "`def build(): ...; return model` and pass `build`, without brackets."
        )
    seeds, epochs = whole(seeds, "seeds", 1), whole(epochs, "epochs", 1)
    batch_size = whole(batch_size, "batch_size", 1)
    rates = rate if isinstance(rate, list | tuple) else None
    optimizer = optimizer() if optimizer else keras.optimizers.Adam(rate if rates is None else 1.0)
    optimizer.build(model.trainable_variables)
    fresh = [variable.numpy() for variable in optimizer.variables]
    loss = loss or keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    lesson, exam = _for_seed(lesson), _for_seed(validation)

    # Both are traced by hand, once: TensorFlow warns of many short experiments.
    @tf.function
    def epoch(x, y, batches):
        total = 0.0
        for rows in batches:
            with tf.GradientTape() as tape:
                error = tf.reduce_mean(
                    loss(tf.gather(y, rows), model(tf.gather(x, rows), training=True))
                )
            optimizer.apply(tape.gradient(error, model.trainable_variables))
            total += error
        return total / tf.cast(len(batches), total.dtype)

    answer = tf.function(
        lambda x: tf.argmax(model(x, training=False), axis=-1)
    ).get_concrete_function(tf.TensorSpec(model.input_shape, model.inputs[0].dtype))

    @cache
    def begun(seed):
        """The first values of all variables, those that decide dropout, too."""
        keras.utils.set_random_seed(seed)
        return [variable.numpy() for variable in build().variables]

    traced = None

    def train(rate, seeds, before=None):
        nonlocal traced
        losses, shares, kept = [], [], []
        if before:
            losses, kept = [*before.losses], [*before._kept]
            shares = [] if validation is None else [*before.validation]
        for seed in range(len(kept), seeds):
            x, y = map(np.asarray, lesson(seed))
            if len(x) != len(y) or len(x) < batch_size:
                raise ValueError(
                    f"x and y must be equally long and fill a batch of {batch_size}, got {len(x)} "
                    f"and {len(y)}."
                )
            for variable, value in zip(model.variables, begun(seed), strict=True):
                variable.assign(value)
            for variable, value in zip(optimizer.variables, fresh, strict=True):
                variable.assign(value)
            if rates:
                optimizer.learning_rate = rate
            rng, whole_batches = np.random.default_rng(seed), len(x) // batch_size * batch_size
            x, y = tf.constant(x), tf.constant(y)
            losses.append(np.empty(epochs))
            shares.append(np.empty(epochs))
            for n in range(epochs):
                order = rng.permutation(len(x))[:whole_batches].reshape(-1, batch_size)
                batches = tf.constant(order)
                traced = traced or epoch.get_concrete_function(x, y, batches)
                losses[-1][n] = traced(x, y, batches)
                if (before or not rates) and diverged(losses[-1][n], model):
                    raise ValueError(
                        f"With seed {seed}, the loss or a weight is no longer a number: training "
                        "diverged. Try a smaller learning rate, and see that x holds numbers only."
                    )
                if validation is not None:
                    shares[-1][n] = _share(answer, *exam(seed))
                if watch:
                    watch(seed, n, model)
                bar.update()
            kept.append([variable.numpy() for variable in model.variables])
        watched = None if validation is None else np.array(shares)
        more = partial(train, rate)
        return Runs(np.array(losses), watched, _name(_gpus()), model, answer, kept, more)

    with tqdm(
        total=seeds * epochs * len(rates or [rate]),
        desc=label,
        bar_format="{desc} |{bar:10}| {elapsed}",
        leave=False,
    ) as bar:
        return {each: train(each, seeds) for each in rates} if rates else train(rate, seeds)


def _for_seed(data):
    """The data as a function of the seed."""
    return data if callable(data) else lambda seed: data


def _share(answer, x, y):
    """The share of right answers, counted in pieces that fit into memory."""
    y = np.asarray(y)
    y = y[:, 0] if y.shape == (len(x), 1) else y  # a column, as of `keras.datasets.cifar10`
    if y.shape != (len(x),) or not len(x):
        raise ValueError(
            f"Accuracy needs one whole number as a label for each of the {len(x)} inputs, got "
            f"labels of shape {y.shape}."
        )
    pieces = [x[start : start + 1000] for start in range(0, len(x), 1000)]
    parts = [answer(tf.cast(piece, tf.float32)) for piece in pieces]
    return float(np.mean(np.concatenate(parts) == y))


def whole(value, name, least, most=None):
    """The whole number as an int; ValueError if it is something else, or out of range."""
    fits = isinstance(value, Integral) and not isinstance(value, bool) and value >= least
    if not fits or (most is not None and value > most):
        to = "on" if most is None else f"to {most}"
        raise ValueError(f"{name} must be a whole number from {least} {to}, got {value!r}.")
    return int(value)


def diverged(losses, model):
    """Whether a loss or a weight is not a number. (ReLU makes zeros of such inputs, so that the
    loss alone would not tell.)"""
    arrays = [np.asarray(losses), *model.get_weights()]
    return not all(np.isfinite(array.astype("float32")).all() for array in arrays)


@contextmanager
def progress(epochs, steps, label="", done=0):
    """A Keras callback that keeps one line up to date: epoch, time passed and left, metrics.

    `epochs` is that of the whole training, `done` those that an earlier run has behind it. The
    line goes to stderr, since it is no result; and it is plain text, since a widget is seen in a
    running notebook only.
    """
    head = f"{label}: " if label else ""
    line = "{desc} |{bar:10}| {elapsed}, {remaining} left{postfix}"
    with tqdm(
        desc=head, total=epochs * steps, initial=done * steps, bar_format=line, mininterval=0.5
    ) as bar:

        def begin(epoch, logs):
            bar.set_description_str(f"{head}epoch {epoch + 1} of {epochs}", refresh=False)

        def step(batch, logs):
            bar.set_postfix(logs, refresh=False)
            # One call may take several steps, and count beyond the last.
            bar.update(min(batch + 1, steps) - bar.n % steps)

        def end(epoch, logs):
            bar.set_postfix(logs)  # those of the validation, too

        yield keras.callbacks.LambdaCallback(
            on_epoch_begin=begin, on_train_batch_end=step, on_epoch_end=end
        )
