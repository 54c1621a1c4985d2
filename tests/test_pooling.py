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


@settings(max_examples=120)
@given(jobs(leading=((1,), (3,))), st.integers(0, 99))
def test_infinite_values(job, seed):
    """TensorFlow's kernel calls a window of -inf alone the lowest finite number; we say -inf."""
    images, size, options = job
    rng = np.random.default_rng(seed)
    images = rng.choice(np.array([-np.inf, -1, 1, np.inf], images.dtype), images.shape)
    theirs = keras_pool(keras.ops.max_pool, images, size, **options)
    ours = pool2d(images, size, **options)
    assert_array_equal(ours, np.where(np.isfinite(theirs) & (np.abs(theirs) > 1), -np.inf, theirs))
    upstream = rng.integers(-9, 10, ours.shape).astype(images.dtype)
    assert_array_equal(
        max_pool_gradient(images, upstream, size, **options),
        tensorflow_gradient(images, upstream, size, **options),
    )


@pytest.mark.filterwarnings("ignore:invalid value")  # inf - inf
@settings(max_examples=120)
@given(jobs(), st.integers(0, 99))
def test_an_average_of_nan_and_infinite_values_is_that_of_keras(job, seed):
    images, size, options = job
    rng = np.random.default_rng(seed)
    odd = rng.choice(np.array([-np.inf, np.inf, np.nan], images.dtype), images.shape)
    images = np.where(rng.random(images.shape) < 0.1, odd, images)
    theirs = keras_pool(keras.ops.average_pool, images, size, **options)
    assert_allclose(pool2d(images, size, mode="average", **options), theirs, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
@pytest.mark.parametrize("place", [(0, 0, 0, 0), (0, 1, 1, 0), (1, 2, 3, 1), (1, 4, 4, 0)])
def test_a_maximum_of_nan_is_refused(place, dtype):
    """Keras skips it, and its gradient does not; XLA says -inf where TensorFlow says -3e38."""
    images = np.zeros((2, 5, 5, 2), dtype)
    images[place] = np.nan
    words = rf"nan, first at \[{', '.join(map(str, place))}\]"
    for padding, side in [("valid", 2), ("same", 3)]:
        with pytest.raises(ValueError, match=words):
            pool2d(images, padding=padding)
        with pytest.raises(ValueError, match=words):
            max_pool_gradient(images, np.zeros((2, side, side, 2)), padding=padding)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_large_windows_are_averaged_exactly(dtype):
    """Also more pixels than the type can count, windows that overlap, and the padding's share."""
    side = 90 if dtype == np.float16 else 1500
    images = np.full((side, side, 3), 0.1, dtype)
    for options in (dict(), dict(strides=side // 2, padding="same")):
        mean = pool2d(images, side, mode="average", **options)
        assert mean.dtype == dtype
        assert_array_equal(mean, np.full(mean.shape, 0.1, dtype))
    largest = np.full((4, 4, 2), np.finfo(dtype).max)
    assert_array_equal(pool2d(largest, 4, mode="average")[0, 0], largest[0, 0])


def test_more_ones_than_float32_can_count():
    assert_array_equal(pool2d(np.ones((1, 4200, 4200, 2), np.float32), 4200, mode="average"), 1)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
def test_floats_keep_their_type(dtype):
    images = np.random.default_rng(0).integers(-9, 10, (2, 7, 5, 3))
    upstream = np.random.default_rng(1).integers(-9, 10, (2, 4, 3, 3))
    options = dict(strides=2, padding="same")
    for ours, truth in [
        (pool2d(images.astype(dtype), 3, **options), pool2d(images, 3, **options)),
        (
            pool2d(images.astype(dtype), 3, mode="average", **options),
            pool2d(images, 3, mode="average", **options).astype(dtype),
        ),
        (
            max_pool_gradient(images, upstream.astype(dtype), 3, **options),
            max_pool_gradient(images, upstream, 3, **options),
        ),
    ]:
        assert ours.dtype == dtype
        assert_allclose(ours, truth, rtol=1e-7)


@pytest.mark.parametrize("dtype", [np.float16, np.uint8, np.int8, np.uint64, np.int64, bool])
def test_what_arrives_at_one_pixel_adds_up_without_loss(dtype):
    """One pixel wins in 50 x 50 windows: too often to count in float16 or uint8."""
    images = np.zeros((99, 99, 1))
    images[49, 49] = 1
    gradient = max_pool_gradient(images, np.ones((50, 50, 1), dtype), 50, strides=1)
    assert gradient.dtype == (np.float16 if dtype == np.float16 else np.float64)
    assert gradient[49, 49] == gradient.sum(dtype=float) == 2500


@pytest.mark.parametrize("shape", [(0, 5, 5, 3), (2, 5, 5, 0), (0, 5, 5, 0), (0, 2, 5, 5, 1)])
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_no_images_and_no_channels(shape, padding):
    images = np.zeros(shape, np.float32)
    side = 2 if padding == "valid" else 3
    for mode in ("max", "average"):
        ours = pool2d(images, padding=padding, mode=mode)
        assert ours.shape == (*shape[:-3], side, side, shape[-1])
    assert max_pool_gradient(images, ours, padding=padding).shape == shape


IMAGES = np.zeros((2, 4, 6, 3))
WRONG = {
    "grey image without a channel axis": (dict(images=np.zeros((6, 7))), r"\(6, 7\).*channel axis"),
    "window larger than the image": (dict(size=5), "5 pixels.*into 4"),
    "image without rows": (
        dict(images=np.zeros((1, 0, 6, 3)), padding="same"),
        r"at least one pixel.*\(1, 0, 6, 3\)",
    ),
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
