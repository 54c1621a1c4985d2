"""The description of a network: what Keras's models are made of, read once for all."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest
from cnnlab.network import KINDS, MERGING, RESTING, describe, settings
from keras import layers
from networks import Random


def branching():
    """Two branches, a model inside the model, a layer used twice, dropout, a frozen layer."""
    image = keras.Input((12, 10, 3), name="photo")
    part = keras.Input((12, 10, 4))
    inner = keras.Model(part, layers.ReLU(name="act")(layers.Conv2D(4, 3, name="conv")(part)))
    inner.name = "inner"
    first = layers.Conv2D(4, 1, name="first")
    first.trainable = False
    x = first(image)
    left = inner(layers.Dropout(0.3, name="rest")(x))
    right = inner(x)
    joined = layers.Concatenate(name="join")([left, right])
    return keras.Model(image, joined + 1.0, name="both")


def test_layers_stand_in_running_order_with_what_they_are_called_on():
    network = describe(branching())
    told = [(layer.name, layer.kind, layer.inputs) for layer in network.layers]
    assert (network.name, network.shape) == ("both", (12, 10, 3))
    assert told == [
        ("first", "Conv2D", (-1,)),
        ("rest", "Dropout", (0,)),
        ("inner/conv", "Conv2D", (1,)),
        ("inner/act", "ReLU", (2,)),
        ("inner/conv", "Conv2D", (0,)),
        ("inner/act", "ReLU", (4,)),
        ("join", "Concatenate", (3, 5)),
        (network.layers[-1].name, "Add", (6,)),
    ]
    assert network.outputs == (7,)


def test_shapes_parameters_and_what_rests_freezes_or_is_shared():
    layers_ = describe(branching()).layers
    assert [layer.shape for layer in layers_[:3]] == [(12, 10, 4), (12, 10, 4), (10, 8, 4)]
    assert layers_[6].input_shapes == ((10, 8, 4), (10, 8, 4)) and layers_[7].shape == (10, 8, 8)
    assert [(layer.trainable, layer.frozen) for layer in layers_[:3]] == [(0, 16), (0, 0), (148, 0)]
    assert [layer.rests for layer in layers_] == [False, True] + 6 * [False]
    assert [layer.shares for layer in layers_] == [None, None, None, None, 2, 3, None, None]
    assert (layers_[4].trainable, layers_[4].frozen) == (0, 0)  # counted once


def test_weights_are_given_when_asked_for():
    model = branching()
    assert all(layer.weights == () for layer in describe(model).layers)
    network = describe(model, weights=True)
    for index, name in ((0, "first"), (2, "inner/conv"), (4, "inner/conv")):
        layer = model.get_layer("first") if name == "first" else model.get_layer("inner").layers[1]
        for ours, keras_ in zip(network.layers[index].weights, layer.get_weights(), strict=True):
            assert ours.dtype == np.float32
            np.testing.assert_array_equal(ours, keras_)


def test_descriptions_can_be_compared_and_printed_with_their_weights():
    model = branching()
    first, second = describe(model, weights=True), describe(model, weights=True)
    assert first == second and "array" not in repr(first)


def test_a_description_is_json_and_says_the_settings():
    told = json.loads(json.dumps(describe(branching()).plain()))
    assert told["input"] == [12, 10, 3]
    assert told["layers"][0] == {
        **{"kind": "Conv2D", "name": "first", "filters": 4, "kernel_size": [1, 1]},
        **{"strides": [1, 1], "padding": "valid", "dilation_rate": [1, 1], "use_bias": True},
        **{"activation": "linear", "groups": 1, "inputs": [-1], "shape": [12, 10, 4]},
        "trainable": False,
    }
    assert told["layers"][1]["rests"] and told["layers"][4]["shares"] == 2
    for seed in range(60):
        json.dumps(describe(Random(seed).model()).plain())


def small(*stack, shape=(8, 8, 3)):
    return keras.Sequential([keras.Input(shape), *stack])


def square(x):
    return x * x


def relu(x):
    return -x


@pytest.mark.parametrize(
    ("activation", "told"),
    [
        (None, "linear"),
        ("relu", "relu"),
        (keras.activations.tanh, "tanh"),
        (square, "your own square"),
        (relu, "your own relu"),
        (layers.LeakyReLU(), "your own LeakyReLU"),
        (lambda x: x, "your own <lambda>"),
    ],
)
def test_activations_are_called_by_keras_names_or_said_to_be_the_readers(activation, told):
    image = keras.Input((4,))
    for model in (
        small(layers.Dense(2, activation=activation), shape=(4,)),
        keras.Model(image, layers.Dense(2, activation=activation)(image)),
    ):
        assert describe(model).layers[0].settings["activation"] == told


def test_precision_is_the_policy_of_each_layer():
    model = small(layers.Conv2D(2, 3, dtype="mixed_bfloat16"), layers.Flatten(dtype="float64"))
    network = describe(model)
    assert [layer.dtype for layer in network.layers] == ["mixed_bfloat16", "float64"]
    assert [layer.get("dtype") for layer in network.plain()["layers"]] == [
        "mixed_bfloat16",
        "float64",
    ]


_NEEDS = {
    "GaussianNoise": {"stddev": 0.3},
    "RandomElasticTransform": {"factor": 1.0},
    "RandomErasing": {"factor": 1.0},
    "RandomGrayscale": {"factor": 1.0},
    "RandomZoom": {"height_factor": 0.3},
    "RandomTranslation": {"height_factor": 0.3, "width_factor": 0.3},
    "RandomPosterization": {"factor": 2},
    "RandomColorJitter": {"brightness_factor": 0.5},
}


@pytest.mark.parametrize("kind", RESTING)
def test_what_is_said_to_rest_changes_nothing_when_a_network_runs(kind):
    make = getattr(layers, kind)
    names = make.__init__.__code__.co_varnames[: make.__init__.__code__.co_argcount]
    options = _NEEDS.get(kind, {name: 0.5 for name in ("factor", "rate") if name in names})
    layer = make(**options)
    shape = (8, 3) if kind.endswith("1D") else (8, 8, 3)
    x = np.random.default_rng(0).random((2, *shape), "float32")
    np.testing.assert_array_equal(small(layer, shape=shape)(x, training=False), x)
    [told] = describe(small(layer, shape=shape)).layers
    assert told.rests and told.shape == shape and told.trainable == told.frozen == 0


def test_what_is_called_for_training_rests_when_the_model_predicts():
    """Keras overrules `training=True` there."""
    model = functional(lambda x: layers.Dropout(0.5)(x, training=True))
    image = np.ones((1, 8, 8, 2), "float32")
    np.testing.assert_array_equal(model.predict(image, verbose=0), image)
    assert describe(model).layers[0].rests


def test_settings_are_those_of_keras_for_every_kind():
    dense = layers.Dense(3, use_bias=False)
    assert settings(dense) == {"units": 3, "use_bias": False, "activation": "linear"}
    assert settings(layers.ZeroPadding2D(((1, 2), (3, 4)))) == {"padding": [[1, 2], [3, 4]]}
    assert settings(layers.Rescaling([0.5, 2.0]))["scale"] == [0.5, 2.0]
    for kind in (*KINDS, *MERGING):
        assert hasattr(layers, kind)


def test_models_may_be_written_in_many_ways():
    """Sequential, grown, called, functional, derived, one inside the other: the same layers."""

    def stack():
        return [layers.Conv2D(2, 3), layers.MaxPooling2D(), layers.Flatten(), layers.Dense(3)]

    grown, called = keras.Sequential([keras.Input((8, 8, 3))]), keras.Sequential(stack())
    for layer in stack():
        grown.add(layer)
    called(np.zeros((1, 8, 8, 3), "float32"))
    image = x = keras.Input((8, 8, 3))
    for layer in stack():
        x = layer(x)

    class Own(keras.Model):
        def __init__(self):
            super().__init__(image, x)

        def get_config(self):
            return {}

    nested = small(keras.Sequential(stack()))
    expected = None
    for model in (small(*stack()), grown, called, keras.Model(image, x), Own(), nested):
        network = describe(model)
        told = [(one.kind, one.settings, one.inputs, one.shape) for one in network.layers]
        expected = expected or told
        assert told == expected and len(told) == 4
        assert network.outputs == (3,)


def test_a_part_of_a_model_and_several_outputs():
    model = small(layers.Conv2D(2, 3), layers.ReLU(), layers.Flatten(), layers.Dense(3))
    middle = keras.Model(model.inputs, model.layers[1].output)
    assert [one.kind for one in describe(middle).layers] == ["Conv2D", "ReLU"]
    rest = keras.Model(model.layers[1].output, model.outputs)
    assert [one.kind for one in describe(rest).layers] == ["Flatten", "Dense"]
    both = keras.Model(model.inputs, [model.layers[1].output, model.outputs[0]])
    assert describe(both).outputs == (1, 3)
    image = keras.Input((4, 4, 1))
    assert describe(keras.Model(image, image)).outputs == (-1,)


def test_reading_leaves_the_model_as_it_was():
    model = branching()
    before = [(layer.name, layer.output.shape) for layer in model.layers[1:3]]
    weights = model.get_weights()
    describe(model)
    assert [(layer.name, layer.output.shape) for layer in model.layers[1:3]] == before
    for was, now in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(was, now)


class Regularizer:
    """Keras cannot save it."""

    def __call__(self, weights):
        return 0.0


class Training:
    model = "here"


class Shifted(keras.Sequential):
    """Says it is a stack of layers, and does something else."""

    def call(self, x, training=None, mask=None):
        return super().call(keras.ops.roll(x, 1, 1))


class Hoarder(keras.Model):
    """Holds a layer that it does not run."""

    def __init__(self):
        image = keras.Input((8,))
        super().__init__(image, layers.Dense(2)(image))
        self.head = layers.Dense(3)
        self.head.build((None, 8))


class Pretender(keras.Model):
    def __init__(self, inputs):
        super().__init__()
        self.inputs = inputs

    def call(self, x):
        return x


def functional(make, shape=(8, 8, 2)):
    image = keras.Input(shape)
    return keras.Model(image, make(image))


def by_name():
    a, b = keras.Input((8, 8, 1), name="a"), keras.Input((4, 4, 1), name="b")
    inner = keras.Model({"a": a, "b": b}, [layers.Flatten()(a), layers.Flatten()(b)], name="inner")
    image = keras.Input((8, 8, 1))
    return keras.Model(image, inner({"b": layers.MaxPooling2D()(image), "a": image}))


def quantized(mode):
    model = small(layers.Dense(4, use_bias=False, name="culprit"), shape=(8,))
    model.quantize(mode)
    return model


ONES = np.ones((1, 8, 8, 2), "float32")
REFUSED = {
    "cannot be saved": (
        lambda: functional(
            lambda x: layers.Dense(2, kernel_regularizer=Regularizer())(x), shape=(4,)
        ),
        "are joined.*Regularizer",
    ),
    "no model": (Training, r"got Training\. Its \.model may be what you mean"),
    "lambda": (
        lambda: small(layers.Lambda(square, name="mine")),
        "'mine' is of an unknown kind, Lambda",
    ),
    "lambda inside": (
        lambda: small(keras.Sequential([layers.Lambda(square)], name="in")),
        "'in/lambda.*' is of an unknown kind",
    ),
    "own call": (lambda: Shifted([keras.Input((8, 8, 2)), layers.ReLU()]), "Shifted.*own"),
    "own call inside": (
        lambda: small(Shifted([keras.Input((8, 8, 3)), layers.ReLU()], name="in")),
        "model 'in' inside.*Shifted",
    ),
    "more than it runs": (Hoarder, "holds 45 parameters.*runs 18"),
    "pretender": (lambda: Pretender(5), "Pretender"),
    "another pretender": (lambda: Pretender([keras.Input((8,))]), "Pretender"),
    "input of nothing": (lambda: small(layers.Dense(2), shape=(8, 0)), r"nothing: \(8, 0\)"),
    "arguments by name": (by_name, "'inner' is called with an array or a dictionary"),
    "array": (
        lambda: functional(lambda x: keras.ops.add(x, ONES)),
        "'add.*' is called with an array",
    ),
    "array into a layer": (
        lambda: functional(lambda x: layers.Concatenate(name="join")([x, ONES])),
        "'join' is called with an array",
    ),
    "mask": (
        lambda: functional(
            lambda x: layers.Softmax(name="soft")(x, mask=layers.Dense(8)(x)), shape=(8,)
        ),
        "'soft' is called with a second input, such as a mask",
    ),
    "average over an axis": (
        lambda: functional(lambda x: keras.ops.average(x, axis=1)),
        "operation 'average.*' is of an unknown kind",
    ),
    "unequal axes": (
        lambda: functional(lambda x: x + layers.GlobalAveragePooling2D()(x)),
        "'add.*' joins tensors with different numbers of axes",
    ),
    "activation that mixes": (
        lambda: small(layers.Conv2D(2, 1, activation=layers.Softmax(axis=1), name="culprit")),
        "'culprit' has a layer as its activation, Softmax",
    ),
    "glu": (lambda: small(layers.Dense(4, activation="glu", name="culprit")), "'culprit'.*glu"),
    "int8": (lambda: quantized("int8"), "'culprit' computes in 'int8.*nothing quantized"),
    "int4": (lambda: quantized("int4"), "'culprit' computes in 'int4.*nothing quantized"),
    "truth values": (
        lambda: small(layers.Flatten(dtype="bool", name="culprit")),
        "'culprit' computes in 'bool'",
    ),
}


@pytest.mark.parametrize(("make", "words"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_described_is_said_in_words(make, words):
    model = make()
    with pytest.raises(ValueError, match=words):
        describe(model)


def test_reading_loads_keras_only_when_there_is_a_model():
    script = "import sys, cnnlab.ledger; print({'keras', 'tensorflow'} & set(sys.modules))"
    said = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == "set()" and said.stderr == ""
