"""Counting: against Keras's layers, TensorFlow's profiler, gradients, and published numbers."""

from contextlib import contextmanager
from math import prod

import keras
import numpy as np
import pytest
import tensorflow as tf
from bs4 import BeautifulSoup
from cnnlab.ledger import ledger
from cnnlab.windows import output_size, pair
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from keras import layers
from numpy.testing import assert_array_equal

V1 = tf.compat.v1.profiler
MERGES = ["add", "concatenate", "broadcast"]
LINEAR = ["conv", "depthwise", "separable", "average", "norm", "pad", *MERGES]
ALL = [*LINEAR, "gate", "max", "dropout", "activation", "rescale", "dense", "reshape"]
HEADS = ["none", "flatten", "global average", "global max", "reshape"]


def counted(model):
    """The layers of the model that the ledger has rows for."""
    return [layer for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)]


def same_as_keras(model):
    """Assert that names, kinds, shapes and parameters agree layer by layer."""
    rows, truth = ledger(model).rows, counted(model)
    assert [row.name for row in rows] == [layer.name for layer in truth]
    assert [row.kind for row in rows] == [type(layer).__name__ for layer in truth]
    for row, layer in zip(rows, truth, strict=True):
        assert row.output_shape == layer.output.shape[1:], row
        assert row.parameters == layer.count_params(), row
        assert row.activation_bytes == 4 * prod(layer.output.shape[1:]), row
    assert ledger(model).parameters == model.count_params()


class Builder:
    """Draws layers that fit what is there so far."""

    def __init__(self, draw, kinds, dilated):
        self.draw, self.kinds, self.dilated = draw, kinds, dilated

    def window(self, x, limit=4):
        """Kernel, strides, padding and dilation of a window that fits into x."""
        draw = self.draw
        padding = draw(st.sampled_from(["valid", "same"]))
        rates, sizes = [], []
        for n in x.shape[1:3]:
            most = n if padding == "valid" else limit
            size = draw(st.integers(1, min(limit, most)))
            rate = draw(st.integers(1, 3)) if self.dilated else 1
            sizes.append(size)
            rates.append(rate if padding == "same" or (size - 1) * rate < n else 1)
        strides = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
        if max(rates) > 1:
            strides = (1, 1)
        return tuple(sizes), strides, padding, tuple(rates)

    def convolution(self, x, filters=None, window=None, groups=1):
        size, strides, padding, rates = window or self.window(x)
        return layers.Conv2D(
            filters or groups * self.draw(st.integers(1, 2)),
            size,
            strides=strides,
            padding=padding,
            dilation_rate=rates,
            groups=groups,
            use_bias=self.draw(st.booleans()),
        )(x)

    def block(self, x):
        draw, channels = self.draw, x.shape[-1]
        kind = draw(st.sampled_from(self.kinds))
        bias = dict(use_bias=draw(st.booleans()))
        if kind == "conv":
            return self.convolution(x)
        if kind == "grouped":
            return self.convolution(x, groups=channels)
        if kind in ("depthwise", "separable"):
            size, (stride, _), padding, rates = self.window(x)
            stride = stride if max(rates) == 1 else 1
            options = dict(strides=stride, padding=padding, dilation_rate=rates, **bias)
            multiplier = dict(depth_multiplier=draw(st.integers(1, 2)))
            if kind == "depthwise":
                return layers.DepthwiseConv2D(size, **options, **multiplier)(x)
            return layers.SeparableConv2D(draw(st.integers(1, 3)), size, **options, **multiplier)(x)
        if kind in ("average", "max"):
            size, strides, padding, _ = self.window(x)
            pooling = layers.AveragePooling2D if kind == "average" else layers.MaxPooling2D
            strides = draw(st.sampled_from([None, strides]))
            return pooling(size, strides=strides, padding=padding)(x)
        if kind == "norm":
            return layers.BatchNormalization(scale=draw(st.booleans()), center=bias["use_bias"])(x)
        if kind == "pad":
            amounts = st.integers(0, 2)
            return layers.ZeroPadding2D(
                (draw(st.tuples(amounts, amounts)), draw(st.tuples(amounts, amounts)))
            )(x)
        if kind in ("add", "concatenate"):
            _, strides, _, _ = self.window(x)
            branches = [
                self.convolution(x, 2, (self.window(x)[0], strides, "same", (1, 1)))
                for _ in range(2)
            ]
            merge = layers.Concatenate if kind == "concatenate" else layers.Add
            return merge()(branches)
        if kind in ("gate", "broadcast"):  # one value for each channel, before or after the image
            gate = layers.GlobalAveragePooling2D(keepdims=draw(st.booleans()))(x)
            both = [x, layers.Dense(channels)(gate)]
            merge = layers.Multiply if kind == "gate" else layers.Add
            return merge()(both[:: draw(st.sampled_from([1, -1]))])
        simple = dict(
            dropout=layers.Dropout(0.5),
            activation=layers.Activation("relu"),
            rescale=layers.Rescaling(1 / 255),
            dense=layers.Dense(3, **bias),
            reshape=layers.Reshape((*x.shape[1:3], -1)),
        )
        return simple[kind](x)

    def head(self, x, kinds):
        kind = self.draw(st.sampled_from(kinds))
        if kind == "none":
            return x
        flat = {
            "flatten": layers.Flatten(),
            "global average": layers.GlobalAveragePooling2D(),
            "global max": layers.GlobalMaxPooling2D(),
            "reshape": layers.Reshape((-1,)),
        }[kind](x)
        return layers.Dense(self.draw(st.integers(1, 5)))(flat)


def network(data, kinds=ALL, heads=HEADS, dilated=True):
    """A small network, drawn by Hypothesis."""
    build = Builder(data.draw, kinds, dilated)
    shape = [data.draw(st.integers(6, 13)) for _ in range(2)] + [data.draw(st.integers(1, 2))]
    x = inputs = keras.Input(shape)
    for _ in range(data.draw(st.integers(1, 5))):
        x = build.block(x)
    return keras.Model(inputs, build.head(x, heads))


@settings(max_examples=200)
@given(
    st.integers(1, 40),
    st.integers(1, 7),
    st.integers(1, 4),
    st.sampled_from(["valid", "same"]),
    st.integers(1, 3),
)
def test_output_size_is_that_of_a_keras_layer(n, kernel, strides, padding, dilation):
    settings_ = dict(strides=strides, padding=padding)
    if padding == "valid" and (kernel - 1) * dilation + 1 > n:
        with pytest.raises(ValueError, match=rf"{(kernel - 1) * dilation + 1} pixels.*into {n}"):
            output_size(n, kernel, dilation=dilation, **settings_)
        return
    ours = output_size(n, kernel, dilation=dilation, **settings_)
    assert type(ours) is int
    if strides > 1:  # which Keras forbids together with dilation
        kernel, dilation = (kernel - 1) * dilation + 1, 1
    layer = layers.Conv2D(
        1, (kernel, 1), strides=(strides, 1), padding=padding, dilation_rate=(dilation, 1)
    )
    assert ours == layer.compute_output_shape((None, n, 1, 1))[1]


@settings(max_examples=120)
@given(st.data())
def test_random_networks_agree_with_keras(data):
    same_as_keras(network(data))


@settings(max_examples=30)
@given(st.data())
def test_grouped_convolutions_agree_with_keras(data):
    same_as_keras(network(data, kinds=["grouped", "conv", "dropout"]))


def profiled(model):
    """Multiply-adds of convolutions and matrix products, counted by TensorFlow on the graph."""
    call = tf.function(lambda x: model(x, training=False))
    spec = tf.TensorSpec((1, *model.input_shape[1:]))
    options = V1.ProfileOptionBuilder(V1.ProfileOptionBuilder.float_operation())
    graph = call.get_concrete_function(spec).graph
    node = V1.profile(graph, cmd="op", options=options.with_empty_output().build())
    flops = {}
    while node:  # one operation kind below the other
        flops[node.name] = node.float_ops
        node = node.children[0] if node.children else None
    kinds = "Conv2D", "DepthwiseConv2dNative", "MatMul"
    return tuple(flops.get(kind, 0) // 2 for kind in kinds)


def ours_by_kind(model):
    """The same three numbers from the ledger; a separable convolution has two parts."""
    totals = dict.fromkeys(("Conv2D", "DepthwiseConv2D", "Dense"), 0)
    for row, layer in zip(ledger(model).rows, counted(model), strict=True):
        if row.kind in totals:
            totals[row.kind] += row.multiply_adds
        if row.kind == "SeparableConv2D":
            pointwise = prod(row.output_shape[:2]) * prod(layer.pointwise_kernel.shape)
            totals["Conv2D"] += pointwise
            totals["DepthwiseConv2D"] += row.multiply_adds - pointwise
    return tuple(totals.values())


@settings(max_examples=30)
@given(st.data())
def test_random_networks_agree_with_the_profiler(data):
    model = network(data, dilated=False)  # TensorFlow counts a dilated kernel's own way
    assert ours_by_kind(model) == profiled(model)


def test_multiply_adds_of_groups_dilation_and_normalization_by_hand():
    model = keras.Sequential(
        [
            keras.Input((9, 8, 4)),
            layers.Conv2D(6, (3, 2), groups=2),  # 7 x 7 places, 6 filters over 2 channels
            layers.Conv2D(5, 3, dilation_rate=2),  # 3 x 3 places
            layers.DepthwiseConv2D(2, depth_multiplier=3, dilation_rate=2),  # 1 x 1 place
            layers.BatchNormalization(),
            layers.Dropout(0.5),
            layers.Rescaling(2.0),
            layers.Normalization(),
            layers.Dense(7),
        ]
    )
    truth = [49 * 6 * (3 * 2 * 2), 9 * 5 * (9 * 6), 15 * 4, 15, 0, 15, 15, 15 * 7]
    assert [row.multiply_adds for row in ledger(model).rows] == truth
    same_as_keras(model)


PUBLISHED = {  # parameters as keras.io/api/applications tells them, in millions
    "VGG16": 138.4,
    "ResNet50": 25.6,
    "MobileNetV2": 3.5,
}


@pytest.fixture(scope="module", params=PUBLISHED)
def application(request):
    return getattr(keras.applications, request.param)(weights=None)


def test_well_known_networks_agree_with_keras(application):
    same_as_keras(application)


def test_well_known_networks_agree_with_the_profiler(application):
    assert ours_by_kind(application) == profiled(application)


def test_well_known_networks_have_their_published_size(application, request):
    millions = PUBLISHED[request.node.callspec.params["application"]]
    assert round(ledger(application).parameters / 1e6, 1) == millions


def convolution(filters, size, padding="valid"):
    return layers.Conv2D(filters, size, padding=padding, activation="relu")


KNOWN = {
    "Lee's network (S2)": (
        (28, 28, 1),
        lambda: [
            layers.Conv2D(25, 3),
            layers.MaxPooling2D(),
            layers.Conv2D(50, 3),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(100, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ],
        [250, 0, 11_300, 0, 0, 125_100, 1_010],
        137_660,
        26 * 26 * 25 * 9 + 11 * 11 * 50 * 225 + 1_250 * 100 + 100 * 10,
    ),
    "LeNet as TFK has it (S3)": (
        (28, 28, 1),
        lambda: [
            convolution(32, 4, "same"),
            layers.MaxPooling2D(padding="same"),
            convolution(64, 4, "same"),
            layers.MaxPooling2D(padding="same"),
            layers.Flatten(),
            layers.Dense(1024, activation="relu"),
            layers.Dense(10),
        ],
        [544, 0, 32_832, 0, 0, 3_212_288, 10_250],
        3_255_914,
        401_408 + 6_422_528 + 3_211_264 + 10_240,
    ),
    "network with batch norm (S14)": (
        (28, 28, 1),
        lambda: [
            layers.Conv2D(16, 3, padding="same"),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.MaxPooling2D(),
            layers.Conv2D(32, 3, padding="same"),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(128),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Dense(10),
        ],
        [160, 64, 0, 0, 4_640, 128, 0, 0, 0, 200_832, 512, 0, 1_290],
        207_626,
        784 * 16 * (9 + 1) + 196 * 32 * (144 + 1) + 1_568 * 128 + 128 + 1_280,
    ),
    "LeNet-5 (S15)": (
        (32, 32, 1),
        lambda: [
            layers.Conv2D(6, 5, activation="tanh"),
            layers.AveragePooling2D(2),
            layers.Conv2D(16, 5, activation="tanh"),
            layers.AveragePooling2D(2),
            layers.Flatten(),
            layers.Dense(120),
            layers.Dense(84),
            layers.Dense(10),
        ],
        [156, 0, 2_416, 0, 0, 48_120, 10_164, 850],
        61_706,
        784 * 6 * 25 + 100 * 16 * 150 + 48_000 + 120 * 84 + 840,
    ),
}


@pytest.mark.parametrize("name", KNOWN)
def test_networks_of_the_sources(name):
    shape, build, parameters, total, multiply_adds = KNOWN[name]
    counts = ledger(keras.Sequential([keras.Input(shape), *build()]))
    assert [row.parameters for row in counts.rows] == parameters
    assert counts.parameters == total
    assert counts.multiply_adds == multiply_adds


@pytest.mark.parametrize("name", KNOWN)
def test_a_model_may_grow_layer_by_layer(name):
    """`model.add` and a first call must give what the list of layers gives."""
    shape, build, _, _, _ = KNOWN[name]

    def numbers(model):
        return [
            (row.kind, row.output_shape, row.parameters, row.multiply_adds, row.receptive_field)
            for row in ledger(model).rows
        ]

    added, called = keras.Sequential([keras.Input(shape)]), keras.Sequential(build())
    for layer in build():
        added.add(layer)
    called(np.zeros((1, *shape), np.float32))
    at_once = numbers(keras.Sequential([keras.Input(shape), *build()]))
    assert numbers(added) == numbers(called) == at_once


def test_part_of_a_model_is_a_model():
    """As a feature extractor cuts it: from the input to a middle layer, and onward from there."""
    shape, build, _, _, _ = KNOWN["LeNet-5 (S15)"]
    model = keras.Sequential([keras.Input(shape), *build()])
    first = keras.Model(model.inputs, model.layers[3].output)
    assert ledger(first).rows == ledger(model).rows[:4]
    rest = keras.Model(model.layers[3].output, model.outputs)
    same_as_keras_in_total = sum(row.parameters for row in ledger(model).rows[4:])
    assert ledger(rest).parameters == same_as_keras_in_total
    assert ledger(rest).rows[0].receptive_field == (5, 5)


@contextmanager
def double_precision():
    """TensorFlow's float32 convolutions go wrong in a corner: see `keras_conv` in test_conv.py."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float64")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def measured_field(model):
    """How many rows and columns of the input reach an output value, told by gradients.

    All weights are 1 and nothing cancels: where the gradient is zero, nothing gets through.
    """
    for weight in model.trainable_weights:
        weight.assign(tf.ones(weight.shape, weight.dtype))
    places = prod(model.output_shape[1:-1])
    # One copy of the image for each output place.
    x = tf.ones((places, *model.input_shape[1:]), model.compute_dtype)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.reshape(model(x, training=False), (places, places, -1))
        each = tf.linalg.trace(tf.transpose(y, (2, 0, 1)))
    reached = np.abs(tape.gradient(each, x)).sum(axis=-1) > 0

    def widest(seen):  # (place, pixel)
        pixels = [np.flatnonzero(line) for line in seen]
        return max((p[-1] - p[0] + 1 for p in pixels if len(p)), default=0)

    return widest(reached.any(axis=2)), widest(reached.any(axis=1))


@settings(max_examples=120)
@given(st.data())
def test_receptive_fields_are_those_that_gradients_measure(data):
    with double_precision():
        model = network(data, kinds=LINEAR, heads=["none", "none", "flatten", "global average"])
        truth = measured_field(model)
    assume(truth != (0, 0))  # nothing but padding
    assert ledger(model).rows[-1].receptive_field == truth


def test_padding_does_not_widen_what_is_seen():
    """Two places see pixels 0-1 and 3-4 of 7; windows over both see five, not seven."""
    model = keras.Sequential(
        [
            keras.Input((7, 7, 1)),
            layers.Conv2D(1, 2, strides=3),
            layers.Conv2D(1, 3, padding="same"),
        ]
    )
    assert measured_field(model) == (5, 5)
    assert ledger(model).rows[-1].receptive_field == (5, 5)


def alexnet():
    return keras.Sequential(
        [
            keras.Input((224, 224, 3)),
            layers.Conv2D(8, 11, strides=4),
            layers.MaxPooling2D(3, strides=2),
            layers.Conv2D(8, 5, padding="same"),
            layers.MaxPooling2D(3, strides=2),
            *(layers.Conv2D(8, 3, padding="same") for _ in range(3)),
            layers.MaxPooling2D(3, strides=2),
        ]
    )


def vgg16():
    blocks = [keras.Input((256, 256, 3))]
    for depth in (2, 2, 3, 3, 3):
        blocks += [layers.Conv2D(4, 3, padding="same") for _ in range(depth)]
        blocks.append(layers.MaxPooling2D())
    return keras.Sequential(blocks)


@pytest.mark.parametrize(("build", "published"), [(alexnet, 195), (vgg16, 212)])
def test_published_receptive_fields(build, published):
    """Araujo, Norris, Sim, "Computing receptive fields of CNNs", Distill, 2019."""
    assert ledger(build()).rows[-1].receptive_field == (published, published)


def test_a_vector_may_become_an_image():
    model = keras.Sequential(
        [
            keras.Input((36,)),
            layers.Dropout(0.1),
            layers.Reshape((6, 6, 1)),
            layers.Conv2D(2, 3),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(3),
        ]
    )
    same_as_keras(model)
    fields = [row.receptive_field for row in ledger(model).rows]
    assert fields == [(1,), (1, 1), (3, 3), (4, 4), (6, 6), (6, 6)]


def test_what_comes_after_a_dense_layer_sees_all():
    model = keras.Sequential(
        [
            keras.Input((5,)),
            layers.Dense(16),
            layers.Reshape((4, 4, 1)),
            layers.ZeroPadding2D(),
            layers.Conv2D(2, 3),
        ]
    )
    same_as_keras(model)
    assert [row.receptive_field for row in ledger(model).rows] == [(5,)] * 4


def test_normalization_in_all_its_forms():
    for settings_ in ({}, {"axis": None}, {"axis": (1, -1)}, {"mean": 0.5, "variance": 2.0}):
        same_as_keras(keras.Sequential([keras.Input((5, 6, 3)), layers.Normalization(**settings_)]))


def test_every_shape_keeping_layer_is_known():
    model = keras.Sequential(
        [
            keras.Input((6, 5, 3)),
            layers.Activation("tanh"),
            layers.ELU(),
            layers.GaussianNoise(0.1),
            layers.LeakyReLU(),
            layers.ReLU(),
            layers.Softmax(),
            layers.SpatialDropout2D(0.2),
            layers.BatchNormalization(axis=1),
        ]
    )
    same_as_keras(model)
    assert {row.receptive_field for row in ledger(model).rows} == {(1, 1)}


@pytest.mark.parametrize(
    ("merge", "shapes", "options"),
    [
        ("Average", [(4, 5, 2)] * 3, {}),
        ("Maximum", [(4, 5, 2)] * 2, {}),
        ("Subtract", [(4, 5, 2)] * 2, {}),
        ("Multiply", [(1, 1, 2), (4, 5, 1)], {}),
        ("Add", [(2,), (4, 5, 2)], {}),
        ("Concatenate", [(4, 5, 2), (4, 5, 3)], {}),
        ("Concatenate", [(4, 5, 2), (3, 5, 2)], {"axis": 1}),
        ("Concatenate", [(4, 5, 2), (4, 2, 2)], {"axis": -2}),
        ("Concatenate", [(4,), (3,)], {}),
    ],
)
def test_merging_layers_agree_with_keras(merge, shapes, options):
    """Each branch is made from the same image, so that it has the shape asked for."""
    image = keras.Input((4, 5, 2))
    branches = [
        layers.Reshape(shape)(layers.Dense(prod(shape))(layers.Flatten()(image)))
        for shape in shapes
    ]
    same_as_keras(keras.Model(image, getattr(layers, merge)(**options)(branches)))


def test_half_precision_takes_half_the_bytes():
    for policy, size in (("mixed_bfloat16", 2), ("float16", 2), ("float32", 4), ("float64", 8)):
        model = keras.Sequential([keras.Input((5, 5, 1)), layers.Conv2D(3, 2, dtype=policy)])
        assert ledger(model).rows[0].activation_bytes == 4 * 4 * 3 * size
        assert ledger(model).activation_bytes == 4 * 4 * 3 * size


def test_counting_leaves_the_model_as_it_was():
    model = keras.Sequential([keras.Input((5, 5, 1)), layers.Conv2D(3, 2)])
    before = [w.copy() for w in model.get_weights()]
    assert ledger(model).rows == ledger(model).rows
    for was, now in zip(before, model.get_weights(), strict=True):
        assert_array_equal(was, now)


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(2)

    def call(self, x):
        return self.dense(x)


def subclassed():
    model = Subclassed()
    model(np.zeros((1, 3)))
    return model


def of_layers(shape, *stack):
    return lambda: keras.Sequential([keras.Input(shape), *stack])


def used_twice():
    image, layer = keras.Input((8, 8, 1)), layers.Conv2D(1, 3, name="shared")
    return keras.Model(image, layer(layer(image)))


def nested():
    return keras.Sequential([keras.Input((8, 8, 1)), used_twice()])


def with_operation():
    image = keras.Input((8, 8, 1))
    return keras.Model(image, layers.Conv2D(1, 3)(keras.ops.sin(image)))


CHANNELS_FIRST = dict(data_format="channels_first", name="culprit")
UNKNOWN = {
    "unknown kind": (
        of_layers((8, 8, 1), layers.Conv2DTranspose(2, 3, name="culprit")),
        "no rule.*'culprit'.*Conv2DTranspose.*Known kinds.*Conv2D",
    ),
    "model inside a model": (nested, "no rule.*Functional"),
    "operation that is no layer": (with_operation, "no rule.*'sin'"),
    "layer used twice": (used_twice, "'shared'.*twice"),
    "channels-first convolution": (
        of_layers((1, 8, 8), layers.Conv2D(2, 3, **CHANNELS_FIRST)),
        "'culprit'.*channels-first",
    ),
    "channels-first pooling": (
        of_layers((1, 8, 8), layers.MaxPooling2D(**CHANNELS_FIRST)),
        "'culprit'.*channels-first",
    ),
    "size not fixed": (
        of_layers((None, None, 3), layers.Conv2D(2, 3)),
        r"not fixed.*\(None, None, 3\)",
    ),
    "not built": (lambda: keras.Sequential([layers.Dense(3)]), "Sequential.*keras.Input"),
    "subclass, not built": (Subclassed, "Subclassed.*keras.Input"),
    "subclass, built": (subclassed, "Subclassed.*keras.Input"),
    "no model at all": (lambda: 3, "int"),
}


@pytest.mark.parametrize(("build", "words"), UNKNOWN.values(), ids=UNKNOWN)
def test_what_cannot_be_counted_is_named(build, words):
    model = build()
    with pytest.raises(ValueError, match=words):
        ledger(model)


@pytest.mark.parametrize("name", ["n", "kernel", "strides", "dilation"])
@pytest.mark.parametrize("value", [0, -1, 1.0, "3", None, True])
def test_output_size_names_the_wrong_setting(name, value):
    with pytest.raises(ValueError, match=f"{name} must be a positive integer, got {value!r}"):
        output_size(**(dict(n=9, kernel=3) | {name: value}))


def test_output_size_names_the_wrong_padding():
    with pytest.raises(ValueError, match=r"padding.*'full'"):
        output_size(9, 3, padding="full")


def test_numbers_from_numpy_are_numbers():
    assert output_size(np.int64(9), np.uint8(3), strides=np.int32(2)) == 4
    assert pair(np.array([2, 3])) == (2, 3)
    assert [type(n) for n in pair(np.int64(2))] == [int, int]


@pytest.fixture
def table_of():
    shape, build, *_ = KNOWN["LeNet-5 (S15)"]
    stack = build()
    stack.insert(0, layers.ReLU(name="<b>&bold"))
    return ledger(keras.Sequential([keras.Input(shape), *stack]))


def test_the_html_table_holds_every_row_and_the_totals(table_of):
    table = BeautifulSoup(table_of._repr_html_(), "html.parser").table
    lines = [[cell.text for cell in line.find_all("td")] for line in table.tbody.find_all("tr")]
    assert lines == [
        [
            row.name,
            row.kind,
            " × ".join(map(str, row.output_shape)),
            f"{row.parameters:,}",
            f"{row.multiply_adds:,}",
            f"{row.activation_bytes:,}",
            " × ".join(map(str, row.receptive_field)),
        ]
        for row in table_of.rows
    ]
    assert lines[0][0] == "<b>&bold"
    width = len(table.thead.find_all("th"))
    assert {len(line) for line in lines} == {width}
    totals = [cell.text for cell in table.tfoot.find_all("td")]
    sums = [
        f"{sum(getattr(row, name) for row in table_of.rows):,}"
        for name in ("parameters", "multiply_adds", "activation_bytes")
    ]
    assert totals == ["total", "", "", *sums, ""] and sums[0] == "61,706"


def test_the_printed_table_holds_every_row_and_the_totals(table_of):
    head, *lines, totals = str(table_of).splitlines()
    assert len(lines) == len(table_of.rows)
    assert "parameters" in head and "61,706" in totals
    for line, row in zip(lines, table_of.rows, strict=True):
        assert row.name in line and f"{row.parameters:,}" in line
