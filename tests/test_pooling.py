"""Pooling and its gradient: against Keras and TensorFlow."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from cnnlab.pooling import max_pool_gradient, pool2d
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

pairs = st.tuples(st.integers(1, 4), st.integers(1, 4))


@st.composite
def jobs(draw, leading=((), (1,), (3,), (2, 2)), values=9):
    """Images of whole numbers from -values to values, a window size and settings that fit."""
    size = draw(st.one_of(st.integers(1, 3), pairs))
    rows, columns = (size, size) if isinstance(size, int) else size
    options = dict(
        strides=draw(st.one_of(st.none(), st.integers(1, 3), pairs)),
        padding=draw(st.sampled_from(["valid", "same"])),
    )
    valid = options["padding"] == "valid"
    height = (rows if valid else 1) + draw(st.integers(0, 7))
    width = (columns if valid else 1) + draw(st.integers(0, 7))
    shape = (*draw(st.sampled_from(leading)), height, width, draw(st.integers(1, 3)))
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    return rng.integers(-values, values + 1, shape).astype(dtype), size, options


def keras_pool(function, images, size, *, strides=None, padding="valid"):
    batch = images.reshape(-1, *images.shape[-3:])
    result = np.asarray(
        function(batch, size, strides=strides, padding=padding, data_format="channels_last")
    )
    return result.reshape(*images.shape[:-3], *result.shape[1:])


@settings(max_examples=120)
@given(jobs())
def test_max_agrees_with_keras(job):
    images, size, options = job
    ours = pool2d(images, size, **options)
    assert ours.dtype == images.dtype
    assert_array_equal(ours, keras_pool(keras.ops.max_pool, images, size, **options))


@settings(max_examples=120)
@given(jobs())
def test_average_agrees_with_keras(job):
    images, size, options = job
    ours = pool2d(images, size, mode="average", **options)
    assert ours.dtype == images.dtype
    theirs = keras_pool(keras.ops.average_pool, images, size, **options)
    assert_allclose(ours, theirs, rtol=1e-6, atol=1e-6)


def test_windows_do_not_overlap_unless_asked_to():
    """The 3x3 image 1...9 of the sources, and the default stride."""
    image = np.arange(1, 10).reshape(3, 3, 1)
    assert_array_equal(pool2d(image, 2, strides=1)[..., 0], [[5, 6], [8, 9]])
    assert_array_equal(pool2d(image)[..., 0], [[5]])
    assert_array_equal(pool2d(image, mode="average")[..., 0], [[3]])


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int16, np.int64, bool])
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_integers(dtype, padding):
    """Maxima keep the type and survive its lowest value; averages become float64."""
    rng = np.random.default_rng(0)
    low, high = (0, 1) if dtype is bool else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    images = rng.choice([low, low, low, high], (2, 7, 5, 2)).astype(dtype)
    exact = images.astype(np.float64)
    largest = pool2d(images, 3, strides=2, padding=padding)
    assert largest.dtype.kind in "iu"
    if dtype is not bool:
        assert largest.dtype == dtype
    options = dict(strides=2, padding=padding)
    assert_array_equal(largest, keras_pool(keras.ops.max_pool, exact, 3, **options))
    mean = pool2d(images, 3, mode="average", **options)
    assert mean.dtype == np.float64
    assert_allclose(mean, keras_pool(keras.ops.average_pool, exact, 3, **options), rtol=1e-12)


def tensorflow_gradient(images, upstream, size, *, strides, padding):
    rows, columns = (size, size) if isinstance(size, int) else size
    x = tf.constant(images)
    with tf.GradientTape() as tape:
        tape.watch(x)
        pooled = tf.nn.max_pool2d(
            x, (rows, columns), (rows, columns) if strides is None else strides, padding.upper()
        )
    return tape.gradient(pooled, x, output_gradients=tf.constant(upstream)).numpy()


@settings(max_examples=150)
@given(jobs(leading=((1,), (3,)), values=2))
def test_gradient_agrees_with_tensorflow(job):
    """Overlapping windows, both paddings, and many ties: there are only five values."""
    images, size, options = job
    upstream = np.random.default_rng(0).integers(-9, 10, pool2d(images, size, **options).shape)
    upstream = upstream.astype(images.dtype)
    ours = max_pool_gradient(images, upstream, size, **options)
    assert_array_equal(ours, tensorflow_gradient(images, upstream, size, **options))


@pytest.mark.parametrize("padding", ["valid", "same"])
def test_where_all_pixels_tie_the_first_wins(padding):
    """Also against the padding: zero is the lowest value that a uint8 pixel can have."""
    images = np.zeros((1, 5, 5, 2), np.float32)
    upstream = np.ones(pool2d(images, 3, strides=2, padding=padding).shape, np.float32)
    truth = tensorflow_gradient(images, upstream, 3, strides=2, padding=padding)
    for lowest in (images, images.astype(np.uint8), images - np.inf, images.astype(bool)):
        ours = max_pool_gradient(lowest, upstream, 3, strides=2, padding=padding)
        assert_array_equal(ours, truth)


def test_gradient_of_images_with_other_leading_axes():
    images = np.random.default_rng(0).normal(size=(2, 3, 6, 6, 1))
    upstream = np.random.default_rng(1).normal(size=(2, 3, 3, 3, 1))
    flat = max_pool_gradient(images.reshape(6, 6, 6, 1), upstream.reshape(6, 3, 3, 1))
    assert_array_equal(max_pool_gradient(images, upstream), flat.reshape(images.shape))
    assert_array_equal(max_pool_gradient(images[0, 0], upstream[0, 0]), flat[0])


IMAGES = np.zeros((2, 4, 6, 3))
WRONG = {
    "grey image without a channel axis": (dict(images=np.zeros((6, 7))), r"\(6, 7\).*channel axis"),
    "window larger than the image": (dict(size=5), "5 pixels.*into 4"),
    "size 0": (dict(size=0), "size.*0"),
    "size broken": (dict(size=(2, 1.5)), r"size.*\(2, 1\.5\)"),
    "size None": (dict(size=None), "size.*None"),
    "stride 0": (dict(strides=0), "strides.*0"),
    "three strides": (dict(strides=(1, 1, 1)), r"strides.*\(1, 1, 1\)"),
    "unknown padding": (dict(padding="full"), "padding.*'full'"),
}


@pytest.mark.parametrize(("change", "words"), WRONG.values(), ids=WRONG)
def test_bad_input_is_named(change, words):
    for mode in ("max", "average"):
        with pytest.raises(ValueError, match=words):
            pool2d(**(dict(images=IMAGES, mode=mode) | change))
    with pytest.raises(ValueError, match=words):
        max_pool_gradient(**(dict(images=IMAGES, upstream=np.zeros((2, 2, 3, 3))) | change))


def test_unknown_mode_is_named():
    with pytest.raises(ValueError, match=r"mode.*'median'"):
        pool2d(IMAGES, mode="median")


def test_upstream_of_the_wrong_shape_is_named():
    with pytest.raises(ValueError, match=r"upstream.*\(2, 2, 3, 3\).*\(2, 4, 6, 3\)"):
        max_pool_gradient(IMAGES, IMAGES)
