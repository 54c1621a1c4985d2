"""Counting: against Keras's layers, TensorFlow's profiler, gradients, and published numbers."""

from contextlib import contextmanager
from math import prod

import keras
import numpy as np
import pytest
import tensorflow as tf
from bs4 import BeautifulSoup
from cnnlab.ledger import Ledger, ledger
from cnnlab.network import KINDS
from cnnlab.pieces import networks
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers
from networks import SMOOTH, Random
from numpy.testing import assert_array_equal

V1 = tf.compat.v1.profiler


def counted(model):
    """The layers that the ledger has rows for, with models inside the model taken apart."""
    rows = []
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            rows += counted(layer)
        elif not isinstance(layer, layers.InputLayer):
            rows.append(layer)
    return rows


def same_as_keras(model):
    """Assert that names, kinds, shapes and parameters agree layer by layer."""
    rows, truth = ledger(model).rows, counted(model)
    assert [row.name for row in rows] == [layer.name for layer in truth]
    assert [row.kind for row in rows] == [type(layer).__name__ for layer in truth]
    for row, layer in zip(rows, truth, strict=True):
        assert row.output_shape == layer.output.shape[1:], row
        assert row.parameters == layer.count_params(), row
        assert row.trainable == size(layer.trainable_weights), row
        assert row.activation_bytes == 4 * prod(layer.output.shape[1:]), row
    same_totals(model)


def same_totals(model):
    counts = ledger(model)
    assert counts.parameters == model.count_params()
    assert counts.trainable == size(model.trainable_weights)
    assert counts.rows[-1].output_shape == model.output_shape[1:]


def size(weights):
    return sum(prod(w.shape) for w in weights)


@pytest.mark.parametrize("start", range(0, 300, 50))
def test_random_networks_agree_with_keras(start):
    """Models inside models, shared and frozen layers, augmentation, in one and two dimensions."""
    for seed in range(start, start + 50):
        keras.utils.clear_session(free_memory=False)
        same_totals(Random(seed).model())


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


def test_random_networks_agree_with_the_profiler():
    """Without dilation: TensorFlow counts a dilated kernel in its own way."""
    kinds = (
        "conv",
        "depthwise",
        "separable",
        "average",
        "max",
        "pad",
        "rest",
        "add",
        "gate",
        "dense",
    )
    for seed in range(25):
        model = Random(seed, kinds, dilated=False).model(shape=(9, 8, 2))
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


PUBLISHED = {  # parameters as keras.io/api/applications tells them, in millions; receptive field
    "VGG16": (138.4, 212),  # of the last map as Araujo, Norris and Sim (2019) have it, if they do
    "VGG19": (143.7, None),
    "ResNet50": (25.6, 483),
    "ResNet101V2": (44.7, 1027),
    "MobileNetV2": (3.5, 491),
    "EfficientNetB0": (5.3, None),
    "DenseNet121": (8.1, None),
    "Xception": (22.9, None),
    "InceptionV3": (23.9, 1311),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_well_known_networks_agree_with_keras_and_what_is_published(name):
    keras.utils.clear_session()
    model = getattr(keras.applications, name)(weights=None)
    same_as_keras(model)
    if name != "Xception":  # whose separable convolutions TensorFlow does not count as two
        assert ours_by_kind(model) == profiled(model)
    counts, (millions, field) = ledger(model), PUBLISHED[name]
    assert round(counts.parameters / 1e6, 1) == millions
    if field:
        last = [row for row in counts.rows if len(row.output_shape) == 3][-1]
        assert last.unclipped == (field, field)
        assert last.receptive_field == tuple(min(field, n) for n in model.input_shape[1:3])


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
    assert ledger(rest).rows[0].receptive_field == (1, 1)  # Flatten hands on single values
    assert ledger(rest).rows[1].receptive_field == (5, 5)


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
    """How many rows and columns of the input change an output value, by changing each in turn."""
    rng = np.random.default_rng(0)
    for weight in model.weights:
        inputs = prod(weight.shape[:-1]) if len(weight.shape) > 1 else 1
        weight.assign(rng.uniform(0.5, 1.5, weight.shape) / inputs)
    shape = model.input_shape[1:]
    places = shape[:-1] if len(shape) > 2 else shape
    images = np.repeat(rng.uniform(0.5, 1.5, (1, *shape)), 1 + prod(places), axis=0)
    for number, place in enumerate(np.ndindex(places), 1):
        images[(number, *place)] += 1
    values = np.reshape(model(images, training=False), (len(images), -1))
    changed = np.abs(values[1:] - values[0]) > 1e-11 * np.abs(values[0]).max()
    changed = changed.reshape(*places, -1)

    def widest(axis):
        others = tuple(a for a in range(len(places)) if a != axis)
        seen = changed.any(axis=others)  # (pixel along the axis, value)
        pixels = [np.flatnonzero(value) for value in seen.T]
        return max((p[-1] - p[0] + 1 for p in pixels if len(p)), default=0)

    return tuple(widest(axis) for axis in range(len(places)))


# Softmax and the norms over a single value hide what they see: they have a test of their own.
_SHOWING = [kind for kind in SMOOTH if kind not in ("softmax", "layer norm", "group norm")]


@pytest.mark.parametrize("start", range(0, 160, 40))
def test_receptive_fields_are_those_that_changing_pixels_measures(start):
    fields = set()
    with double_precision():
        for seed in range(start, start + 40):
            model = Random(seed, _SHOWING).model((4, 8))
            field = ledger(model).rows[-1].receptive_field
            fields.add(field)
            if len(field) == len(model.input_shape) - 1 - (len(model.input_shape) > 3):
                assert field == measured_field(model), seed
    assert len(fields) > 10


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: layers.Softmax(axis=1), (8, 1)),
        (lambda: layers.Softmax(axis=2), (1, 8)),
        (lambda: layers.Softmax(), (1, 1)),
        (lambda: layers.Activation("softmax"), (1, 1)),
        (lambda: layers.LayerNormalization(axis=[1, 2]), (8, 8)),
        (lambda: layers.LayerNormalization(axis=2), (1, 8)),
        (lambda: layers.LayerNormalization(), (1, 1)),
        (lambda: layers.GroupNormalization(1), (8, 8)),
        (lambda: layers.BatchNormalization(axis=1), (1, 1)),
        (lambda: layers.Conv2DTranspose(2, 3, strides=2), (2, 2)),
        (lambda: layers.UpSampling2D(3, interpolation="bilinear"), (2, 2)),
        (lambda: layers.UpSampling2D(2, interpolation="bicubic"), (4, 4)),
        (lambda: layers.Resizing(4, 5), (2, 2)),
        (lambda: layers.Permute((2, 1, 3)), (1, 1)),
        (lambda: layers.Cropping2D(2), (1, 1)),
    ],
)
def test_what_single_layers_see(make, field):
    with double_precision():
        model = keras.Sequential([keras.Input((8, 8, 3)), make()])
        assert ledger(model).rows[0].receptive_field == field == measured_field(model)


@pytest.mark.parametrize("shared", [None, [1], [2], [1, 2], [-1], [0]])
def test_shared_slopes_are_counted_as_keras_does(shared):
    same_as_keras(keras.Sequential([keras.Input((4, 5, 3)), layers.PReLU(shared_axes=shared)]))


def test_a_dense_layer_with_softmax_on_rows_of_numbers():
    model = keras.Sequential([keras.Input((8, 8)), layers.Softmax(axis=1)])
    assert ledger(model).rows[0].receptive_field == (8, 1)
    model = keras.Sequential([keras.Input((8, 8)), layers.Activation("softmax")])
    assert ledger(model).rows[0].receptive_field == (1, 8)


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(st.integers(1, 5), st.integers(1, 3), st.integers(1, 3)), min_size=1, max_size=5
    ),
    st.integers(4, 12),
)
def test_unclipped_fields_are_those_of_a_large_image(stack, n):
    """Windows with padding: (size, stride, dilation) each, on a small image and on a large one."""

    def last(pixels):
        image = x = keras.Input((pixels, pixels, 1))
        for size_, stride, gap in stack:
            steps = dict(strides=stride) if gap == 1 else dict(dilation_rate=gap)
            x = layers.Conv2D(1, size_, padding="same", **steps)(x)
        return ledger(keras.Model(image, layers.Add()([x, x]))).rows[-1]

    small, large = last(n), last(2500)
    assert large.receptive_field == large.unclipped == small.unclipped
    assert small.receptive_field <= small.unclipped
    assert ("clipped from" in str(Ledger([small]))) == (small.receptive_field != small.unclipped)


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
    assert fields == [(1,), (1, 1), (3, 3), (4, 4), (4, 4), (6, 6)]  # Flatten mixes nothing


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


def test_every_kind_is_counted():
    """Each kind of layer that can be described, with Keras's shape and parameters."""
    first = dict(networks._FIRST)
    for kind in KINDS:
        options = first.get(kind, ())
        shape = (9, 8) if kind.endswith("1D") else (9, 8, 3)
        layer = getattr(layers, kind)(*options)
        same_as_keras(keras.Sequential([keras.Input(shape), layer]))


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
        x = layers.Conv2D(1, 2, dtype=policy)(image := keras.Input((5, 5, 1)))
        rows = ledger(keras.Model(image, x + layers.ReLU(dtype=policy)(x))).rows
        assert [row.activation_bytes for row in rows] == [4 * 4 * size] * 3


def test_counting_leaves_the_model_as_it_was():
    model = keras.Sequential([keras.Input((5, 5, 1)), layers.Conv2D(3, 2)])
    before = [w.copy() for w in model.get_weights()]
    assert ledger(model).rows == ledger(model).rows
    for was, now in zip(before, model.get_weights(), strict=True):
        assert_array_equal(was, now)


class Subclassed(keras.Model):
    def __init__(self, name=None):
        super().__init__(name=name)
        self.dense = layers.Dense(2)

    def call(self, x):
        return self.dense(x)


def subclassed():
    model = Subclassed()
    model(np.zeros((1, 3)))
    return model


def of_layers(shape, *stack):
    return lambda: keras.Sequential([keras.Input(shape), *stack])


def test_parts_that_are_used_again_are_counted_once():
    image = keras.Input((8, 8, 1))
    shared = layers.Conv2D(1, 3, padding="same", name="shared")
    twice = keras.Model(image, shared(shared(image)), name="twice")
    start = keras.Input((8, 8, 1))
    model = keras.Model(start, layers.Add(name="add")([twice(start), shared(start)]))
    counts = ledger(model)
    assert [row.name for row in counts.rows] == ["twice/shared", "twice/shared", "shared", "add"]
    assert [row.parameters for row in counts.rows] == [10, 0, 0, 0]
    assert [row.again for row in counts.rows] == [False, True, True, False]
    assert counts.multiply_adds == 3 * 64 * 9
    assert "Conv2D, again" in str(counts)
    same_totals(model)


def test_frozen_layers_and_running_averages_are_told_where_they_are():
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(4, 3),
            layers.BatchNormalization(),
            layers.Flatten(),
            layers.Dense(2),
        ]
    )
    model.layers[0].trainable = False
    same_as_keras(model)
    head = str(ledger(model)).splitlines()[0].split()
    assert "trainable" in head
    assert [row.trainable for row in ledger(model).rows] == [0, 8, 0, 290]
    plain = keras.Sequential([keras.Input((8,)), layers.Dense(2)])
    assert "trainable" not in str(ledger(plain)) and "trainable" not in ledger(plain)._repr_html_()


class Flatten(layers.Layer):
    """Keras has one of this name, too."""

    def build(self, shape):
        self.w = self.add_weight(shape=(5,))

    def call(self, x):
        return x


class Conv2D(layers.Conv2D):
    pass


def adapted(change):
    model = keras.Sequential([keras.Input((8,)), layers.Dense(4, name="culprit")])
    change(model.layers[0])
    return model


def dot():
    x = keras.Input((8, 3))
    return keras.Model(x, layers.Dot(axes=1, name="culprit")([x, x]))


def attention():
    x = keras.Input((8, 3))
    return keras.Model(x, layers.MultiHeadAttention(2, 2, name="culprit")(x, x))


def two_images():
    small, large = keras.Input((8, 8, 1), name="small"), keras.Input((20, 20, 1), name="large")
    flat = [layers.Flatten()(image) for image in (small, large)]
    return keras.Model([small, large], layers.Concatenate()(flat))


def with_operation():
    image = keras.Input((8, 8, 1))
    return keras.Model(image, layers.Conv2D(1, 3)(keras.ops.sin(image)))


def unbuilt_part():
    return keras.Sequential([keras.Input((3,)), Subclassed(name="culprit")])


CHANNELS_FIRST = dict(data_format="channels_first", name="culprit")
UNKNOWN = {
    "unknown kind": (
        of_layers((8, 8, 8, 1), layers.Conv3D(2, 3, name="culprit")),
        "'culprit'.*unknown kind, Conv3D.*Known are Keras's.*Conv2D",
    ),
    "Dot": (dot, "'culprit'.*unknown kind, Dot.*Known are Keras's"),
    "attention": (attention, "'culprit'.*unknown kind, MultiHeadAttention.*Known are Keras's"),
    "own Flatten": (
        of_layers((8, 8, 1), Flatten(name="culprit")),
        "'culprit'.*class of your own, Flatten.*Known are Keras's",
    ),
    "own Conv2D": (
        of_layers((8, 8, 1), Conv2D(2, 3, name="culprit")),
        "'culprit'.*class of your own, Conv2D.*Known are Keras's",
    ),
    "LoRA": (
        lambda: adapted(lambda layer: layer.enable_lora(2)),
        "'culprit' of kind Dense.*holds.*no LoRA",
    ),
    "scale that makes channels": (
        of_layers((8, 8, 1), layers.Rescaling([1.0, 2.0, 3.0], name="culprit")),
        r"'culprit' of kind Rescaling.*would give \(8, 8, 3\)",
    ),
    "the batch's axis": (
        of_layers((8, 8, 2), layers.Softmax(axis=0, name="culprit")),
        "'culprit' names the axis 0; its input has 1 to 3",
    ),
    "two images": (two_images, "one input.*has 2: 'small', 'large'"),
    "operation that is no layer": (with_operation, "operation 'sin'.*unknown kind, Sin"),
    "model inside the model, subclassed": (unbuilt_part, "model 'culprit' inside the model"),
    "channels-first convolution": (
        of_layers((1, 8, 8), layers.Conv2D(2, 3, **CHANNELS_FIRST)),
        "'culprit'.*channels-first",
    ),
    "channels-first pooling": (
        of_layers((1, 8, 8), layers.MaxPooling2D(**CHANNELS_FIRST)),
        "'culprit'.*channels-first",
    ),
    "resizing of no image": (
        of_layers((8, 8), layers.Resizing(4, 4, name="culprit")),
        r"'culprit' resizes \(8, 8\), which is no image",
    ),
    "nothing is left": (
        of_layers(
            (1, 1, 1),
            layers.Conv2DTranspose(
                1, 2, strides=2, padding="same", output_padding=0, name="culprit"
            ),
        ),
        r"'culprit' gives is not fixed, or nothing: \(0, 0, 1\)",
    ),
    "antialiased": (
        of_layers((8, 8, 1), layers.Resizing(4, 4, antialias=True, name="culprit")),
        "'culprit'.*antialiased",
    ),
    "aspect ratio": (
        of_layers((8, 9, 1), layers.Resizing(4, 4, crop_to_aspect_ratio=True, name="culprit")),
        "'culprit'.*aspect ratio",
    ),
    "size not fixed": (
        of_layers((None, None, 3), layers.Conv2D(2, 3)),
        r"not fixed.*\(None, None, 3\)",
    ),
    "not built": (lambda: keras.Sequential([layers.Dense(3)]), "Sequential.*keras.Input"),
    "subclass, not built": (Subclassed, "Subclassed.*keras.Input"),
    "subclass, built": (subclassed, "Subclassed.*keras.Input"),
    "no model at all": (lambda: 3, "int"),
    "a layer": (lambda: layers.Dense(3), "got Dense"),
}


@pytest.mark.parametrize(("build", "words"), UNKNOWN.values(), ids=UNKNOWN)
def test_what_cannot_be_counted_is_named(build, words):
    model = build()
    with pytest.raises(ValueError, match=words):
        ledger(model)


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
    assert repr(table_of) == str(table_of)
    head, *lines, totals = str(table_of).splitlines()
    assert len(lines) == len(table_of.rows)
    assert "parameters" in head and "61,706" in totals
    for line, row in zip(lines, table_of.rows, strict=True):
        assert row.name in line and f"{row.parameters:,}" in line
