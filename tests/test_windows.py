"""Sizes, padding and windows, and what convolution and pooling refuse alike."""

import itertools
import re
import subprocess
import sys

import numpy as np
import pytest
from cnnlab.conv import conv2d, conv2d_loops, dense_ties, dense_weights
from cnnlab.pooling import max_pool_gradient, pool2d
from cnnlab.windows import output_shape, output_size, pad, pair, same_padding, windows
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers
from numpy.testing import assert_array_equal

IMAGES = np.arange(2 * 6 * 7 * 3.0).reshape(2, 6, 7, 3)
KERNELS = np.ones((3, 3, 3, 4))


@pytest.mark.parametrize("module", ["windows", "conv", "pooling"])
def test_loads_numpy_and_nothing_else(module):
    code = (
        f"import sys; before = set(sys.modules); import cnnlab.{module}; "
        "new = {name.split('.')[0] for name in set(sys.modules) - before}; "
        "print(*sorted(new - set(sys.stdlib_module_names)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["cnnlab", "numpy"]


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


# Every place where a size is taken.
ONE = {
    "output_size n": lambda value: output_size(value, 2),
    "output_size kernel": lambda value: output_size(9, value),
    "output_size strides": lambda value: output_size(9, 3, strides=value),
    "output_size dilation": lambda value: output_size(9, 3, dilation=value),
    "same_padding n": lambda value: same_padding(value, 4),
    "same_padding kernel": lambda value: same_padding(9, value),
    "same_padding strides": lambda value: same_padding(9, 3, strides=value),
    "same_padding dilation": lambda value: same_padding(9, 3, dilation=value),
}
ONE_OR_TWO = {
    "pair setting": lambda value: pair(value),
    "output_shape size": lambda value: output_shape(IMAGES.shape, value),
    "pad size": lambda value: pad(IMAGES, value, padding="same"),
    "windows size": lambda value: windows(IMAGES, value),
    "windows strides": lambda value: windows(IMAGES, 3, strides=value, padding="same"),
    "windows dilation": lambda value: windows(IMAGES, 3, dilation=value, padding="same"),
    "conv2d strides": lambda value: conv2d(IMAGES, KERNELS, strides=value),
    "conv2d dilation": lambda value: conv2d(IMAGES, KERNELS, dilation=value, padding="same"),
    "conv2d_loops strides": lambda value: conv2d_loops(IMAGES, KERNELS, strides=value),
    "conv2d_loops dilation": lambda value: conv2d_loops(IMAGES, KERNELS, dilation=value),
    "dense_ties strides": lambda value: dense_ties(KERNELS, (6, 7, 3), strides=value),
    "pool2d size": lambda value: pool2d(IMAGES, value),
    "pool2d strides": lambda value: pool2d(IMAGES, 3, strides=value, mode="average"),
    "max_pool_gradient size": lambda value: max_pool_gradient(
        IMAGES, np.ones((2, 3, 3, 3)), value, strides=2
    ),
    "max_pool_gradient strides": lambda value: max_pool_gradient(
        IMAGES, np.ones((2, 3, 3, 3)), 2, strides=value
    ),
}


@pytest.mark.parametrize("two", [np.int64(2), np.uint8(2), np.array(2), np.array(2, np.uint8)])
@pytest.mark.parametrize("take", (ONE | ONE_OR_TWO).values(), ids=ONE | ONE_OR_TWO)
def test_a_number_of_numpy_is_a_number(take, two):
    assert_array_equal(take(two), take(2))


@pytest.mark.parametrize(
    "two", [[2, 2], np.array([2, 2]), np.array([2, 2], np.int8), (np.array(2), np.int64(2))]
)
@pytest.mark.parametrize("take", ONE_OR_TWO.values(), ids=ONE_OR_TWO)
def test_two_numbers_may_be_a_tuple_a_list_or_an_array(take, two):
    assert_array_equal(take(two), take((2, 2)))


NO_SIZES = {
    "0": 0,
    "negative": -1,
    "float": 2.0,
    "float of numpy": np.float64(2),
    "float array": np.array(2.0),
    "True": True,
    "True of numpy": np.True_,
    "True in an array": np.array(True),
    "words": "2",
    "bytes": b"23",
    "three": (1, 2, 3),
    "one": [2],
    "none": (),
    "array of one": np.array([2]),
    "array of one row": np.array([[2, 2]]),
    "nested": [[1], [2]],
    "two, one of them broken": (2, 2.5),
    "two, one of them True": np.array([2, True], object),
    "set": {2, 3},
    "generator": (n for n in (2, 2)),
    "endless": itertools.count(1),
    "nan": np.nan,
}


@pytest.mark.parametrize("value", NO_SIZES.values(), ids=NO_SIZES)
@pytest.mark.parametrize("name", ONE | ONE_OR_TWO)
def test_what_is_no_size_is_named(name, value):
    with pytest.raises(ValueError, match=rf"{name.split()[1]} must be a positive integer"):
        (ONE | ONE_OR_TWO)[name](value)


@pytest.mark.parametrize("name", [name for name in ONE | ONE_OR_TWO if name != "pool2d strides"])
def test_none_is_no_size(name):
    if name != "max_pool_gradient strides":  # there it means the window's own size
        with pytest.raises(ValueError, match=rf"{name.split()[1]} must be .*None"):
            (ONE | ONE_OR_TWO)[name](None)


def test_sizes_do_not_overflow():
    far = 10**30
    assert output_size(far, 3, strides=2) == (far - 3) // 2 + 1
    assert output_size(7, far, strides=far, padding="same", dilation=far) == 1
    assert same_padding(7, 2, dilation=far + 1) == (far // 2, far // 2 + 1)
    assert same_padding(np.uint8(200), np.uint8(100), dilation=np.uint8(7)) == (346, 347)
    assert [type(n) for n in same_padding(np.array(5), np.array(4))] == [int, int]
    assert type(output_size(np.array(5), np.array(3))) is int
    assert pair((2, far)) == (2, far)
    with pytest.raises(ValueError, match="does not fit into 5"):
        output_size(5, np.int64(5), dilation=np.int64(2**62))


def test_settings_far_beyond_the_image():
    """A stride leaves one place; a window or a dilation that needs endless padding is refused."""
    far = 10**30
    for padding in ("valid", "same"):
        for compute, array in [(windows, 3), (conv2d, KERNELS), (conv2d_loops, KERNELS)]:
            one = compute(IMAGES, array, strides=far, padding=padding)
            assert one.shape[1:3] == (1, 1)
            assert_array_equal(one, compute(IMAGES, array, strides=7, padding=padding))
    for size, options in [
        (far, {}),
        (10**9, {}),
        (2, dict(dilation=far)),
        (2, dict(dilation=10**9)),
    ]:
        with pytest.raises(ValueError, match="gigabytes"):
            windows(IMAGES, size, padding="same", **options)
        with pytest.raises(ValueError, match="does not fit"):
            windows(IMAGES, size, **options)


@pytest.mark.parametrize(
    "padding", ["SAME", "full", "", None, 1, True, b"same", ("same",), np.array(["same", "same"])]
)
def test_the_two_paddings_are_named(padding):
    for take in (
        lambda: output_size(9, 3, padding=padding),
        lambda: windows(IMAGES, 2, padding=padding),
        lambda: conv2d(IMAGES, KERNELS, padding=padding),
        lambda: conv2d_loops(IMAGES, KERNELS, padding=padding),
        lambda: dense_ties(KERNELS, (6, 7, 3), padding=padding),
        lambda: pool2d(IMAGES, padding=padding),
        lambda: pool2d(IMAGES, padding=padding, mode="average"),
        lambda: max_pool_gradient(IMAGES, np.ones((2, 3, 3, 3)), padding=padding),
    ):
        with pytest.raises(ValueError, match='padding must be "valid" or "same", got '):
            take()


@given(st.integers(1, 20), st.integers(1, 6), st.integers(1, 4), st.integers(1, 3))
def test_same_padding_is_just_enough(n, kernel, strides, dilation):
    """With the zeros it asks for, a "valid" convolution has the size that "same" promises."""
    before, after = same_padding(n, kernel, strides=strides, dilation=dilation)
    settings_ = dict(strides=strides, dilation=dilation)
    promised = output_size(n, kernel, padding="same", **settings_)
    assert promised == -(-n // strides)
    assert 0 <= before <= after <= before + 1
    total = n + before + after
    if total >= (kernel - 1) * dilation + 1:
        assert output_size(total, kernel, **settings_) == promised

    row = np.random.default_rng(n).integers(-9, 10, (1, n, 1))
    weights = np.random.default_rng(kernel).integers(-9, 10, (1, kernel, 1, 1))
    padded = np.pad(row, ((0, 0), (before, after), (0, 0)))
    assert_array_equal(pad(row, (1, kernel), padding="same", fill=0, **_rows(settings_)), padded)
    assert_array_equal(
        conv2d(row, weights, padding="same", **_rows(settings_)),
        conv2d(padded, weights, **_rows(settings_)),
    )


def _rows(settings_):
    return {name: (1, value) for name, value in settings_.items()}


def test_windows_show_every_place_and_the_fill():
    image = [[[1], [2]], [[3], [4]]]
    seen = windows(image, 2, padding="same", fill=-1)[..., 0]
    assert_array_equal(seen[0, 0], [[1, 2], [3, 4]])
    assert_array_equal(seen[1, 1], [[4, -1], [-1, -1]])
    with pytest.raises(ValueError, match="read-only"):  # neighbours share their pixels
        seen[0, 0] = 0


def test_windows_along_rows_and_columns():
    seen = windows(IMAGES, (2, 3), strides=(3, 1), dilation=(2, 1))
    assert seen.shape == (2, 2, 5, 2, 3, 3)
    assert_array_equal(seen[1, 1, 4], IMAGES[1, 3:6:2, 4:7])
    assert output_shape(IMAGES.shape, (2, 3), strides=(3, 1), dilation=(2, 1)) == (2, 5)


# Everything that takes numbers, by the name that the message should say.
NUMBERS = {
    "windows images": lambda given: windows(given, 2),
    "conv2d images": lambda given: conv2d(given, np.ones((2, 2, 1, 1))),
    "conv2d kernels": lambda given: conv2d(np.ones((4, 4, 1)), given),
    "conv2d bias": lambda given: conv2d(np.ones((4, 4, 1)), np.ones((2, 2, 1, 1)), given),
    "conv2d_loops images": lambda given: conv2d_loops(given, np.ones((2, 2, 1, 1))),
    "dense_weights kernels": lambda given: dense_weights(given, (4, 4, 1)),
    "pool2d images": lambda given: pool2d(given),
    "pool2d, average, images": lambda given: pool2d(given, mode="average"),
    "max_pool_gradient images": lambda given: max_pool_gradient(given, np.ones((2, 2, 1))),
    "max_pool_gradient upstream": lambda given: max_pool_gradient(np.ones((4, 4, 1)), given),
}
NO_NUMBERS = {
    "complex": np.ones((4, 4, 1), complex),
    "object": np.ones((4, 4, 1), object),
    "integers too large for numpy": [[[2**70]]],
    "words": np.full((4, 4, 1), "a"),
    "bytes": np.full((4, 4, 1), b"a"),
    "times": np.zeros((4, 4, 1), "datetime64[s]"),
    "spans of time": np.zeros((4, 4, 1), "timedelta64[s]"),
    "structured": np.zeros((4, 4, 1), [("grey", "f4")]),
}


@pytest.mark.parametrize("values", NO_NUMBERS.values(), ids=NO_NUMBERS)
@pytest.mark.parametrize("name", NUMBERS)
def test_what_holds_no_real_numbers_is_named(name, values):
    kind = re.escape(str(np.asarray(values).dtype))
    with pytest.raises(ValueError, match=f"{name.split()[-1]} must hold real numbers.*{kind}"):
        NUMBERS[name](values)


class Symbolic:
    def __array__(self, dtype=None, copy=None):
        raise ValueError("this has no values yet")


def test_what_says_itself_why_it_is_no_array_is_heard():
    """As Keras's symbolic tensors do."""
    with pytest.raises(ValueError, match=r"^this has no values yet"):
        windows(Symbolic(), 2)


class Picture(np.ndarray):
    pass


def layouts(array):
    """The same numbers, laid out differently."""
    spread = np.zeros([2 * n for n in array.shape], array.dtype)
    spread[(slice(None, None, 2),) * array.ndim] = array
    locked = array.copy()
    locked.flags.writeable = False
    return {
        "columns first": np.asfortranarray(array),
        "every second pixel": spread[(slice(None, None, 2),) * array.ndim],
        "backwards": array[..., ::-1].copy()[..., ::-1],
        "read-only": locked,
        "other byte order": array.astype(array.dtype.newbyteorder()),
        "subclass": array.view(Picture),
        "lists": array.tolist(),
    }


@pytest.mark.parametrize("layout", layouts(IMAGES))
def test_the_layout_in_memory_does_not_matter(layout):
    rng = np.random.default_rng(0)
    images = rng.integers(-9, 10, (2, 3, 6, 7, 2)).astype(np.float64)
    kernels = rng.integers(-9, 10, (3, 2, 2, 4)).astype(np.float64)
    upstream = rng.integers(-9, 10, (2, 3, 3, 4, 2)).astype(np.float64)
    options = dict(strides=2, padding="same")
    for compute, arrays in [
        (lambda x, k: conv2d(x, k, **options), (images, kernels)),
        (lambda x, k: conv2d_loops(x, k, **options), (images, kernels)),
        (lambda x: pool2d(x, 3, **options), (images,)),
        (lambda x: pool2d(x, 3, mode="average", **options), (images,)),
        (lambda x, u: max_pool_gradient(x, u, 3, **options), (images, upstream)),
        (lambda k: dense_weights(k, (6, 7, 2), **options), (kernels,)),
    ]:
        ours = compute(*(layouts(array)[layout] for array in arrays))
        assert type(ours) is np.ndarray
        assert_array_equal(ours, compute(*arrays))
