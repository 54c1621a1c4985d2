"""The systems of the five source documents, S1 to S15, each as a Keras model to build and train.

The models are not compiled. Where there are classes, the last layer gives ten logits in float32:
the softmax that the sources put there belongs to the loss (`from_logits=True`). Networks for
images take them as `cnnlab.data.load` gives them, (28, 28, 1) or (32, 32, 3). What the sources say
of their systems stands in `systems.toml`.
"""

import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from keras import Input, Sequential, layers
from keras.initializers import RandomNormal
from keras.layers import BatchNormalization, Conv2D, Dense, Dropout, Flatten, MaxPooling2D, ReLU

__all__ = ["SYSTEMS", "VARIANTS", "System", "polynomial"]


@dataclass(frozen=True)
class System:
    """A system of the sources.

    `id`: "S1" to "S15"; `name`: what it is, in a few words.
    `source`: key of the document in the bibliography.
    `build`: function without arguments that returns a new, uncompiled Keras model.
    `recipe`: how the source trains it. `data` is a name for `cnnlab.data.load`, or words where no
        images are meant; `images` how many of the training images (None: all), after the first
        `skip` (where that is there); `validation` the fraction of them held out. None in other
        places: the source does not say.
    `parameters`: weights and biases, batch norm's running averages included; None if the source
        does not say what the network is.
    `printed`: the total that the source prints, or None if it prints none.
    `reported`: the results that the source gives; accuracies between 0 and 1. Losses and
        accuracies on training images are means over the epoch, but those of "lee". `second_…` are
        those of another run, in the program that the source names; `text_…` what its text says
        against its own log.
    `note`: what differs from the source, and why.
    `assumed`: entries of the recipe that the source leaves open, as `reproduce` fills them in.
    """

    id: str
    name: str
    source: str
    build: Callable
    recipe: dict
    parameters: int | None = None
    printed: int | None = None
    reported: dict = field(default_factory=dict)
    note: str = ""
    assumed: dict = field(default_factory=dict)


DIGITS, PHOTOGRAPHS = (28, 28, 1), (32, 32, 3)


def network(image_shape, *stages, **start):
    """Stages, each a list of layers, and ten logits; `start` is how the last layer begins."""
    stack = [layer for stage in stages for layer in stage]
    return Sequential([Input(image_shape), *stack, Dense(10, dtype="float32", **start)])


def dropout_of(rate):
    return [Dropout(rate)] if rate else []


def mlp(*widths, dropout=0):
    dense = [Dense(width, activation="relu") for width in widths]
    return network(DIGITS, [Flatten(), *dense, *dropout_of(dropout)])


def lee_cnn(between=()):
    return network(
        DIGITS,
        [Conv2D(25, 3), *between, MaxPooling2D(2)],  # no activation
        [Conv2D(50, 3), MaxPooling2D(2)],
        [Flatten(), Dense(100, activation="relu")],
    )


def lee_cnn_as_printed():
    """Its first convolution puts the maps first; the layers after it read the maps last."""
    return lee_cnn([layers.Permute((3, 1, 2))])


def tfk_lenet(image_shape, dropout=0, start=dict):
    """What the source calls LeNet; `start()` tells how a layer begins."""

    def conv(kernels):
        return Conv2D(kernels, 4, padding="same", activation="relu", **start())

    return network(
        image_shape,
        [conv(32), MaxPooling2D(2), *dropout_of(dropout)],
        [conv(64), MaxPooling2D(2), *dropout_of(dropout)],
        [Flatten(), Dense(1024, activation="relu", **start()), *dropout_of(dropout)],
        **start(),
    )


def normal(deviation):
    """Weights from N(0, deviation²) and biases from N(0, 1), as the source's low-level code has."""
    weights, biases = RandomNormal(0, deviation), RandomNormal(0, 1.0)
    return dict(kernel_initializer=weights, bias_initializer=biases)


def dlp_cnn():
    return network(
        DIGITS,
        [Conv2D(32, 3, activation="relu"), MaxPooling2D(2)],
        [Conv2D(64, 3, activation="relu"), MaxPooling2D(2)],
        [Conv2D(64, 3, activation="relu")],
        [Flatten(), Dense(64, activation="relu")],
    )


def habr_cnn(image_shape, small=0.25, large=0.5):
    """`small` and `large` are rates of dropout."""

    def conv(kernels):
        return Conv2D(kernels, 3, padding="same", activation="relu")

    return network(
        image_shape,
        [conv(32), conv(32), MaxPooling2D(2), *dropout_of(small)],
        [conv(64), conv(64), MaxPooling2D(2), *dropout_of(small)],
        [Flatten(), Dense(512, activation="relu"), *dropout_of(large)],
    )


def polynomial(degree=3):
    """a + b·x + c·x² + …; the input is the vector (x, x², …, x to the degree)."""
    return Sequential([Input((degree,)), Dense(1)])


def tf2_cnn():
    return network(
        DIGITS,
        [Conv2D(16, 3, padding="same"), BatchNormalization(), ReLU(), MaxPooling2D(2)],
        [Conv2D(32, 3, padding="same"), BatchNormalization(), ReLU(), MaxPooling2D(2)],
        [Flatten(), Dense(128), BatchNormalization(), ReLU()],
    )


def lenet5(image_shape=DIGITS):
    return network(
        image_shape,
        [layers.ZeroPadding2D(2)] if image_shape == DIGITS else [],  # to 32 × 32
        [Conv2D(6, 5, activation="tanh"), layers.AveragePooling2D(2)],
        [Conv2D(16, 5, activation="tanh"), layers.AveragePooling2D(2)],
        [Flatten(), Dense(120, activation="tanh"), Dense(84, activation="tanh")],
    )


def challenge():
    """Ours: small kernels, batch norm, and images that are flipped and shifted.

    `model(x)` flips and shifts too, as Keras's layers do unless told `training=False`.
    """

    def stage(kernels, *pooling):
        conv = Conv2D(kernels, 3, padding="same", use_bias=False)
        norm = BatchNormalization(momentum=0.8)  # the weights still move fast
        return [conv, *pooling, norm, ReLU()]

    shift = dict(fill_mode="constant", interpolation="nearest")
    return network(
        PHOTOGRAPHS,  # the next two rest in `predict` and `evaluate`
        [layers.RandomFlip("horizontal"), layers.RandomTranslation(0.1, 0.1, **shift)],
        stage(32, MaxPooling2D(2)),
        stage(64, MaxPooling2D(2)),
        stage(128),
        stage(128, MaxPooling2D(2)),
        stage(256),
        [layers.GlobalAveragePooling2D()],
    )


_BUILD = {
    "S1": partial(mlp, 500, 500, 500),
    "S2": lee_cnn,
    "S2-printed": lee_cnn_as_printed,
    "S3": partial(tfk_lenet, DIGITS, start=partial(normal, 0.1)),
    "S4": partial(tfk_lenet, DIGITS),
    "S5": partial(tfk_lenet, PHOTOGRAPHS, start=partial(normal, 0.01)),
    "S6": partial(tfk_lenet, PHOTOGRAPHS, dropout=0.2),
    "S7": dlp_cnn,
    "S8": partial(habr_cnn, PHOTOGRAPHS),
    "S9": polynomial,
    "S10": partial(habr_cnn, DIGITS),
    "S10-plain": partial(habr_cnn, DIGITS, 0, 0),
    "S11": partial(polynomial, 1),
    "S12": partial(mlp, 512, 256),
    "S13": partial(mlp, 128, dropout=0.2),
    "S14": tf2_cnn,
    "S15": lenet5,
    "MLP": partial(mlp, 512, 512),
    "S4-few": partial(tfk_lenet, DIGITS),
    "S15-few": lenet5,
    "S15-varied": lenet5,
    "S15-colour": partial(lenet5, PHOTOGRAPHS),
    "challenge": challenge,
    "challenge-faster": challenge,
    "challenge-fastest": challenge,
}
_ENTRIES = "data", "images", "optimizer", "learning_rate", "batch_size", "epochs", "validation"


def _systems(table):
    for key, entry in table.items():
        recipe = dict.fromkeys(_ENTRIES) | entry["recipe"]
        yield key, System(key, build=_BUILD[key], **entry | {"recipe": recipe})


_TABLES = tomllib.loads(Path(__file__).with_name("systems.toml").read_text(encoding="utf-8"))
SYSTEMS, VARIANTS = (dict(_systems(_TABLES[name])) for name in ("systems", "variants"))
