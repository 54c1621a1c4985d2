"""The systems of the five source documents, S1 to S15, each as a Keras model to build and train.

The models are not compiled. Where there are classes, the last layer gives ten logits in float32:
the softmax that the sources put there belongs to the loss (`from_logits=True`). Networks for
images take them as `cnnlab.data.load` gives them, (28, 28, 1) or (32, 32, 3).
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import keras
from keras import Input, Sequential, layers

__all__ = ["SYSTEMS", "VARIANTS", "System"]


@dataclass(frozen=True)
class System:
    """A system of the sources.

    `id`: "S1" to "S15"; `name`: what it is, in a few words.
    `source`: key of the document in the bibliography.
    `build`: function without arguments that returns a new, uncompiled Keras model.
    `parameters`: weights and biases, batch norm's running averages included; None if the source
        does not say what the network is.
    `printed`: the total that the source prints, or None if it prints none.
    `recipe`: how the source trains it. `data` is a name for `cnnlab.data.load`, or words where no
        images are meant; `images` how many of the training images (None: all); `validation` the
        fraction of them held out. None in other places: the source does not say.
    `reported`: the results that the source gives; accuracies between 0 and 1.
    `note`: what differs from the source, and why.
    `assumed`: entries of the recipe that the source leaves open, as `reproduce` fills them in.
    """

    id: str
    name: str
    source: str
    build: Callable
    parameters: int | None
    printed: int | None
    recipe: dict
    reported: dict
    note: str = ""
    assumed: dict = field(default_factory=dict)


def logits():
    return layers.Dense(10, dtype="float32")


def lee_mlp():
    return Sequential([
        Input((28, 28, 1)),
        layers.Flatten(),
        layers.Dense(500, activation="relu"),
        layers.Dense(500, activation="relu"),
        layers.Dense(500, activation="relu"),
        logits(),
    ])  # fmt: skip


def lee_cnn(between=()):
    return Sequential([
        Input((28, 28, 1)),
        layers.Conv2D(25, 3),  # no activation
        *between,
        layers.MaxPooling2D(2),
        layers.Conv2D(50, 3),
        layers.MaxPooling2D(2),
        layers.Flatten(),
        layers.Dense(100, activation="relu"),
        logits(),
    ])  # fmt: skip


def lee_cnn_as_printed():
    """Its first convolution puts the maps first; the layers after it read the maps last."""
    return lee_cnn([layers.Permute((3, 1, 2))])


def normal():
    """Weights from N(0, 0.1²) and biases from N(0, 1), as in the source's low-level code."""
    weights, biases = (keras.initializers.RandomNormal(stddev=s) for s in (0.1, 1.0))
    return dict(kernel_initializer=weights, bias_initializer=biases)


def tfk_mnist_low_level():
    return Sequential([
        Input((28, 28, 1)),
        layers.Conv2D(32, 4, padding="same", activation="relu", **normal()),
        layers.MaxPooling2D(2),
        layers.Conv2D(64, 4, padding="same", activation="relu", **normal()),
        layers.MaxPooling2D(2),
        layers.Flatten(),
        layers.Dense(1024, activation="relu", **normal()),
        layers.Dense(10, dtype="float32", **normal()),
    ])  # fmt: skip


def tfk_mnist():
    return Sequential([
        Input((28, 28, 1)),
        layers.Conv2D(32, 4, padding="same", activation="relu"),
        layers.MaxPooling2D(2),
        layers.Conv2D(64, 4, padding="same", activation="relu"),
        layers.MaxPooling2D(2),
        layers.Flatten(),
        layers.Dense(1024, activation="relu"),
        logits(),
    ])  # fmt: skip


def tfk_cifar10_low_level():
    return Sequential([
        Input((32, 32, 3)),
        layers.Conv2D(32, 4, padding="same", activation="relu", **normal()),
        layers.MaxPooling2D(2),
        layers.Dropout(0.2),
        layers.Conv2D(64, 4, padding="same", activation="relu", **normal()),
        layers.MaxPooling2D(2),
        layers.Dropout(0.2),
        layers.Flatten(),
        layers.Dense(1024, activation="relu", **normal()),
        layers.Dropout(0.2),
        layers.Dense(10, dtype="float32", **normal()),
    ])  # fmt: skip


def tfk_cifar10():
    return Sequential([
        Input((32, 32, 3)),
        layers.Conv2D(32, 4, padding="same", activation="relu"),
        layers.MaxPooling2D(2),
        layers.Dropout(0.2),
        layers.Conv2D(64, 4, padding="same", activation="relu"),
        layers.MaxPooling2D(2),
        layers.Dropout(0.2),
        layers.Flatten(),
        layers.Dense(1024, activation="relu"),
        layers.Dropout(0.2),
        logits(),
    ])  # fmt: skip


def dlp_cnn():
    return Sequential([
        Input((28, 28, 1)),
        layers.Conv2D(32, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Conv2D(64, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Conv2D(64, 3, activation="relu"),
        layers.Flatten(),
        layers.Dense(64, activation="relu"),
        logits(),
    ])  # fmt: skip


def habr_cnn(image_shape=(32, 32, 3)):
    return Sequential([
        Input(image_shape),
        layers.Conv2D(32, 3, padding="same", activation="relu"),
        layers.Conv2D(32, 3, padding="same", activation="relu"),
        layers.MaxPooling2D(2),
        layers.Dropout(0.25),
        layers.Conv2D(64, 3, padding="same", activation="relu"),
        layers.Conv2D(64, 3, padding="same", activation="relu"),
        layers.MaxPooling2D(2),
        layers.Dropout(0.25),
        layers.Flatten(),
        layers.Dense(512, activation="relu"),
        layers.Dropout(0.5),
        logits(),
    ])  # fmt: skip


def habr_mnist():
    return habr_cnn((28, 28, 1))


def polynomial(degree=3):
    """a + b·x + c·x² + …; the input is the vector (x, x², …, x to the degree)."""
    return Sequential([Input((degree,)), layers.Dense(1)])


def line():
    return Sequential([Input((1,)), layers.Dense(1)])


def tf2_feed_forward():
    return Sequential([
        Input((28, 28, 1)),
        layers.Flatten(),
        layers.Dense(512, activation="relu"),
        layers.Dense(256, activation="relu"),
        logits(),
    ])  # fmt: skip


def tf2_mlp():
    return Sequential([
        Input((28, 28, 1)),
        layers.Flatten(),
        layers.Dense(128, activation="relu"),
        layers.Dropout(0.2),
        logits(),
    ])  # fmt: skip


def tf2_cnn():
    return Sequential([
        Input((28, 28, 1)),
        layers.Conv2D(16, 3, padding="same"),
        layers.BatchNormalization(),
        layers.ReLU(),
        layers.MaxPooling2D(2),
        layers.Conv2D(32, 3, padding="same"),
        layers.BatchNormalization(),
        layers.ReLU(),
        layers.MaxPooling2D(2),
        layers.Flatten(),
        layers.Dense(128),
        layers.BatchNormalization(),
        layers.ReLU(),
        logits(),
    ])  # fmt: skip


def lenet5():
    return Sequential([
        Input((28, 28, 1)),
        layers.ZeroPadding2D(2),  # to 32 × 32
        layers.Conv2D(6, 5, activation="tanh"),
        layers.AveragePooling2D(2),
        layers.Conv2D(16, 5, activation="tanh"),
        layers.AveragePooling2D(2),
        layers.Flatten(),
        layers.Dense(120, activation="tanh"),
        layers.Dense(84, activation="tanh"),
        logits(),
    ])  # fmt: skip


def challenge():
    """Ours: small kernels, batch norm, and images that are flipped and shifted.

    `model(x)` flips and shifts too, as Keras's layers do unless told `training=False`.
    """
    net = Sequential([
        Input((32, 32, 3)),
        layers.RandomFlip("horizontal"),  # these two rest in `predict` and `evaluate`
        layers.RandomTranslation(0.1, 0.1, fill_mode="constant", interpolation="nearest"),
    ])  # fmt: skip
    for kernels, shrink in (32, True), (64, True), (128, False), (128, True), (256, False):
        net.add(layers.Conv2D(kernels, 3, padding="same", use_bias=False))
        if shrink:
            net.add(layers.MaxPooling2D(2))
        net.add(layers.BatchNormalization(momentum=0.8))  # the weights still move fast
        net.add(layers.ReLU())
    net.add(layers.GlobalAveragePooling2D())
    net.add(logits())
    return net


def recipe(data, **given):
    """A recipe with all its entries; what the source leaves open is None."""
    entries = "images", "optimizer", "learning_rate", "batch_size", "epochs", "validation"
    unknown = set(given) - set(entries)
    if unknown:
        raise ValueError(f"A recipe has the entries {entries}, got also {unknown}.")
    return {"data": data, **{name: given.get(name) for name in entries}}


_LEE = recipe("mnist", images=10_000, optimizer="Adam", batch_size=100, epochs=20)
_TF2 = recipe("mnist", optimizer="Adam", learning_rate=1e-4, batch_size=32, epochs=100)

SYSTEMS = {
    system.id: system
    for system in [
        System(
            "S1",
            "MLP 784-500-500-500-10",
            "lee",
            lee_mlp,
            898_510,
            898_510,
            _LEE,
            dict(train_accuracy=1.0, test_accuracy=0.9661),
        ),
        System(
            "S2",
            "CNN with 25 and 50 kernels",
            "lee",
            lee_cnn,
            137_660,
            138_110,
            _LEE,
            dict(train_accuracy=1.0, test_accuracy=0.98),
            "As the source describes it. The network that its code builds, and that its results "
            "belong to, mixes up rows and channels; chapter 5 rebuilds it.",
        ),
        System(
            "S3",
            '"LeNet" in low-level TensorFlow, MNIST',
            "tfk",
            tfk_mnist_low_level,
            3_255_914,
            None,
            recipe(
                "mnist",
                images=55_000,
                optimizer="Adam",
                learning_rate=0.001,
                batch_size=100,
                epochs=10,
            ),
            dict(first_epoch_train_loss=1.418, train_loss=0.0103, test_accuracy=0.9884),
        ),
        System(
            "S4",
            '"LeNet" in Keras, MNIST',
            "tfk",
            tfk_mnist,
            3_255_914,
            3_255_914,
            recipe(
                "mnist",
                images=55_000,
                optimizer="SGD",
                learning_rate=0.01,
                batch_size=100,
                epochs=10,
            ),
            dict(test_loss=0.0629, test_accuracy=0.9785),
        ),
        System(
            "S5",
            '"LeNet" with dropout in low-level TensorFlow, CIFAR-10',
            "tfk",
            tfk_cifar10_low_level,
            4_239_978,
            None,
            recipe("cifar10", epochs=20),
            dict(first_epoch_train_loss=2.116, train_loss=0.126, test_accuracy=0.6361),
            "The source gives no rate of dropout. Ours is that of S6, in the same three places. "
            "Optimizer, learning rate and batch are those of S3, by the same author.",
            dict(optimizer="Adam", learning_rate=0.001, batch_size=100),
        ),
        System(
            "S6",
            '"LeNet" with dropout in Keras, CIFAR-10',
            "tfk",
            tfk_cifar10,
            4_239_978,
            4_239_978,
            recipe("cifar10", batch_size=100, epochs=10),
            dict(train_accuracy=0.8528, test_loss=0.850, test_accuracy=0.7414),
            "The source does not name the optimizer; we take Adam, as in S5.",
            dict(optimizer="Adam"),
        ),
        System(
            "S7",
            "CNN with 32, 64 and 64 kernels",
            "dlp",
            dlp_cnn,
            93_322,
            None,
            recipe("mnist", images=60_000, optimizer="RMSprop", batch_size=64, epochs=5),
            dict(test_accuracy=0.9918),
            "The source prints a total only before the dense layers: 55,744.",
        ),
        System(
            "S8",
            "Deep CNN with dropout, CIFAR-10",
            "habr",
            habr_cnn,
            2_168_362,
            None,
            recipe("cifar10", optimizer="Adam", batch_size=32, epochs=200, validation=0.1),
            dict(
                first_epoch_validation_accuracy=0.567,
                lowest_validation_loss=0.635,
                lowest_validation_loss_epoch=22,
                best_validation_accuracy=0.8092,
                best_validation_accuracy_epoch=85,
                train_accuracy=0.925,
                validation_accuracy=0.7966,
                validation_loss=0.921,
                test_loss=0.973,
                test_accuracy=0.7853,
            ),
        ),
        System(
            "S9",
            "Polynomials of degree 3 and 14 through 15 points",
            "habr",
            polynomial,
            4,
            None,
            recipe("15 noisy points of a sine", optimizer="least squares"),
            dict(picture="degree 3 follows the sine, degree 14 only the points"),
            "`build(degree=14)` gives the other one, with 15 parameters.",
        ),
        System(
            "S10",
            "CNN with dropout, MNIST",
            "habr",
            habr_mnist,
            None,
            None,
            recipe("mnist"),
            dict(test_accuracy=0.993),
            "The source gives a result and no architecture. Ours is S8's, on 28 × 28 × 1: an "
            "assumption. So are the optimizer and the batch, also S8's, and twelve epochs.",
            dict(optimizer="Adam", batch_size=32, epochs=12),
        ),
        System(
            "S11",
            "Linear regression",
            "tf2notes",
            line,
            2,
            None,
            recipe("points on a line", optimizer="gradient descent"),
            {},
            "The source gives formulas, and no run.",
        ),
        System(
            "S12",
            "MLP 784-512-256-10",
            "tf2notes",
            tf2_feed_forward,
            535_818,
            None,
            recipe("mnist"),
            {},
            "The source gives formulas, and no run. Its last layer has a ReLU, ours has not.",
            dict(optimizer="Adam", batch_size=100, epochs=10),
        ),
        System(
            "S13",
            "MLP 784-128-10 with dropout",
            "tf2notes",
            tf2_mlp,
            101_770,
            None,
            _TF2,
            dict(first_epoch_test_accuracy=0.912, best_test_accuracy=0.9806),
        ),
        System(
            "S14",
            "CNN with batch norm",
            "tf2notes",
            tf2_cnn,
            207_626,
            None,
            _TF2,
            dict(
                first_epoch_test_accuracy=0.9817,
                best_test_accuracy=0.9923,
                best_test_accuracy_epoch=53,
                test_accuracy=0.9896,
            ),
        ),
        System(
            "S15",
            "LeNet-5",
            "tfk",
            lenet5,
            61_706,
            None,
            recipe("mnist"),
            {},
            "Two sources, tfk and tf2notes, name it; neither builds it. Every kernel of the second "
            "convolution sees all six maps, and the output layer is dense: the form usual today.",
            dict(optimizer="Adam", batch_size=100, epochs=10),
        ),
    ]
}

# A network that a source built by mistake, and one that answers a source's challenge.
VARIANTS = {
    "S2-printed": System(
        "S2-printed",
        "CNN with 25 and 50 kernels, as its code was printed",
        "lee",
        lee_cnn_as_printed,
        138_110,
        138_110,
        _LEE,
        SYSTEMS["S2"].reported,
        "The network behind the source's result: its rows and channels are mixed up.",
    ),
    "challenge": System(
        "challenge",
        "CNN with batch norm and augmentation, CIFAR-10",
        "tfk",
        challenge,
        540_394,
        None,
        recipe("cifar10", optimizer="Adam", learning_rate=0.0003, batch_size=64, epochs=10),
        {},
        "The source asks its readers for a network better than S5 and S6. This one is ours.",
    ),
}
