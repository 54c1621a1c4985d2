"""Convolution: against Keras, SciPy, a dense layer and plain loops.

Values are small whole numbers, whose sums are exact in every type: so results must be equal.
"""

import tracemalloc

import keras
import numpy as np
import pytest
from cnnlab.conv import conv2d, conv2d_loops, dense_ties, dense_weights
from examples import DIAGONAL, IMAGE
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import signal

pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))


def whole_numbers(shape, seed, dtype=np.float64):
    return np.random.default_rng(seed).integers(-9, 10, shape).astype(dtype)


@st.composite
def jobs(draw, leading=((), (1,), (3,), (2, 3)), strides=pairs, dilation=pairs, room=6):
    """Images, kernels, bias and settings that fit together."""
    size = draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    options = dict(
        strides=draw(strides),
        padding=draw(st.sampled_from(["valid", "same"])),
        dilation=draw(dilation),
    )
    smallest = [
        (k - 1) * d + 1 if options["padding"] == "valid" else 1
        for k, d in zip(size, options["dilation"], strict=True)
    ]
    height, width = (n + draw(st.integers(0, room)) for n in smallest)
    channels_in, channels_out = draw(st.integers(1, 3)), draw(st.integers(1, 4))
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    seed = draw(st.integers(0, 999))
    shape = (*draw(st.sampled_from(leading)), height, width, channels_in)
    images = whole_numbers(shape, seed, dtype)
    kernels = whole_numbers((*size, channels_in, channels_out), seed + 1, dtype)
    bias = whole_numbers(channels_out, seed + 2, dtype) if draw(st.booleans()) else None
    return images, kernels, bias, options


def keras_conv(images, kernels, bias, *, strides, padding, dilation):
    """`keras.ops.conv`, and where it forbids strides with dilation, kernels with zeros between.

    In float64: in float32, TensorFlow 2.21 with oneDNN returns uninitialised memory for one input
    channel, strides (1, 2) and an output of one column.
    """
    images, kernels = images.astype(np.float64), kernels.astype(np.float64)
    if max(strides) > 1 and max(dilation) > 1:
        rows, columns = dilation
        height, width, *channels = kernels.shape
        spread = np.zeros(
            ((height - 1) * rows + 1, (width - 1) * columns + 1, *channels), kernels.dtype
        )
        spread[::rows, ::columns] = kernels
        kernels, dilation = spread, (1, 1)
    batch = images.reshape(-1, *images.shape[-3:])
    result = keras.ops.conv(
        batch,
        kernels,
        strides=strides,
        padding=padding,
        dilation_rate=dilation,
        data_format="channels_last",
    )
    result = np.asarray(result) + (0 if bias is None else bias)
    return result.reshape(*images.shape[:-3], *result.shape[1:])


@settings(max_examples=200)
@given(jobs())
def test_agrees_with_keras(job):
    """Any shapes, kernels, strides, dilations, paddings, leading axes, and both float types."""
    images, kernels, bias, options = job
    ours = conv2d(images, kernels, bias, **options)
    assert ours.dtype == images.dtype
    assert_array_equal(ours, keras_conv(images, kernels, bias, **options))


@given(jobs(leading=((), (2,), (2, 1)), room=3))
def test_loops_equal_the_matrix_product(job):
    images, kernels, bias, options = job
    ours = conv2d_loops(images, kernels, bias, **options)
    assert ours.dtype == images.dtype
    assert_array_equal(ours, conv2d(images, kernels, bias, **options))


def test_numbers_that_are_not_whole_agree_with_keras():
    """Rounding too, over more images than one block of the matrix product holds."""
    rng = np.random.default_rng(0)
    images = rng.normal(size=(70, 14, 14, 32)).astype(np.float32)
    kernels = rng.normal(size=(4, 4, 32, 8)).astype(np.float32)
    ours = conv2d(images, kernels, padding="same")
    theirs = np.asarray(keras.ops.conv(images, kernels, padding="same"))
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


def test_one_integer_stands_for_rows_and_columns():
    images, kernels = whole_numbers((9, 9, 2), 0), whole_numbers((2, 2, 2, 3), 1)
    assert_array_equal(
        conv2d(images, kernels, strides=2, dilation=3),
        conv2d(images, kernels, strides=(2, 2), dilation=(3, 3)),
    )


@pytest.mark.parametrize("count", [1, 3])
def test_a_large_image_takes_little_more_memory_than_itself(count):
    """A photograph of a phone has 12 million pixels; all its windows at once would be gigabytes."""
    images = np.random.default_rng(0).random((count, 700, 500, 3), dtype="float32")
    kernels = np.random.default_rng(1).random((5, 5, 3, 2), dtype="float32")
    tracemalloc.start()
    try:
        found = conv2d(images, kernels, strides=(1, 2))
        assert tracemalloc.get_traced_memory()[1] < found.nbytes + 12e6
    finally:
        tracemalloc.stop()
    assert_allclose(found[:, 300:310], conv2d(images[:, 300:314], kernels, strides=(1, 2)), 1e-5)


def test_an_empty_batch_gives_an_empty_batch():
    images, kernels = np.zeros((0, 5, 5, 1)), np.ones((3, 3, 1, 2))
    assert conv2d(images, kernels).shape == conv2d_loops(images, kernels).shape == (0, 3, 3, 2)


def test_inputs_stay_as_they_were():
    images, kernels, bias = whole_numbers((2, 5, 5, 1), 0), whole_numbers((3, 3, 1, 2), 1), [1, 2]
    copies = images.copy(), kernels.copy()
    for convolve in (conv2d, conv2d_loops):
        convolve(images, kernels, bias, padding="same")
    assert_array_equal(images, copies[0])
    assert_array_equal(kernels, copies[1])


@given(jobs(leading=((),), strides=st.just((1, 1)), dilation=st.just((1, 1))))
def test_is_scipys_correlation_summed_over_channels(job):
    images, kernels, _, options = job
    ours = conv2d(images, kernels, **options)
    # SciPy's "full" result starts where only the kernel's last weight lies on the image.
    reach = [k - 1 for k in kernels.shape[:2]]
    same = options["padding"] == "same"
    top, left = (r - r // 2 if same else r for r in reach)
    for k in range(kernels.shape[3]):
        full = sum(
            signal.correlate2d(images[..., c], kernels[..., c, k]) for c in range(images.shape[2])
        )
        height, width = ours.shape[:2]
        assert_array_equal(ours[..., k], full[top : top + height, left : left + width])


@given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 99))
def test_is_true_convolution_with_the_kernel_turned_by_half_a_turn(rows, columns, seed):
    """The kernel is flipped along both axes, not transposed (mistake E14)."""
    image = whole_numbers((7, 8, 1), seed)
    kernel = whole_numbers((rows, columns, 1, 1), seed + 1)
    truth = signal.convolve2d(image[..., 0], kernel[..., 0, 0], mode="valid")
    assert_array_equal(conv2d(image, np.rot90(kernel, 2))[..., 0], truth)


def test_transposing_the_kernel_is_not_convolution():
    image, kernel = whole_numbers((6, 6, 1), 0), whole_numbers((3, 3, 1, 1), 1)
    truth = signal.convolve2d(image[..., 0], kernel[..., 0, 0], mode="valid")
    transposed = kernel.transpose(1, 0, 2, 3)
    assert not np.array_equal(conv2d(image, transposed)[..., 0], truth)


def test_worked_example_of_the_lecture():
    """Lee's 6x6 image and his first filter."""
    result = conv2d(IMAGE[..., None], DIAGONAL[..., None, None])[..., 0]
    truth = signal.correlate2d(IMAGE, DIAGONAL, mode="valid")
    assert_array_equal(result, truth)
    assert result[0, 0] == 3 and result[0, 1] == -1 and result[3, 0] == 3 and result.max() == 3


@settings(max_examples=120)
@given(jobs(leading=((4,),), dilation=st.just((1, 1)), room=4))
def test_a_dense_layer_with_these_weights_computes_the_convolution(job):
    images, kernels, _, options = job
    del options["dilation"]
    matrix = dense_weights(kernels, images.shape[1:], **options)
    assert matrix.dtype == images.dtype
    assert_array_equal(
        images.reshape(len(images), -1) @ matrix,
        conv2d(images, kernels, **options).reshape(len(images), -1),
    )


@given(jobs(leading=((),), dilation=st.just((1, 1)), room=4))
def test_ties_name_the_kernel_weight_at_each_place(job):
    images, kernels, _, options = job
    del options["dilation"]
    different = np.arange(1, kernels.size + 1).reshape(kernels.shape)  # no weight twice, none zero
    ties = dense_ties(different, images.shape, **options)
    assert_array_equal(dense_weights(different, images.shape, **options), ties + 1)
    assert_array_equal(ties, dense_ties(kernels, images.shape, **options))


def test_from_576_weights_to_144_to_9():
    """The worked example: a dense layer from 36 to 16, masked, then shared."""
    ties = dense_ties(DIAGONAL[..., None, None], (6, 6, 1))
    assert ties.shape == (36, 16) and ties.size == 576
    assert np.sum(ties >= 0) == 144
    assert sorted(np.unique(ties)) == [-1, *range(9)]
    first, second = (np.flatnonzero(ties[:, out] >= 0) + 1 for out in (0, 1))
    assert list(first) == [1, 2, 3, 7, 8, 9, 13, 14, 15]
    assert list(second) == [2, 3, 4, 8, 9, 10, 14, 15, 16]
    assert_array_equal(ties[first - 1, 0], ties[second - 1, 1])


@settings(max_examples=30)
@given(
    st.sampled_from([np.uint8, np.int8, np.int16, np.bool_]),
    st.sampled_from([np.int8, np.uint8, np.int64]),
    st.booleans(),
)
def test_integers_stay_integers_and_do_not_overflow(image_type, kernel_type, biased):
    def extreme(dtype, shape, seed):
        rng = np.random.default_rng(seed)
        if dtype == np.bool_:
            return rng.integers(0, 2, shape).astype(bool)
        limits = np.iinfo(np.int16 if dtype == np.int64 else dtype)
        return rng.choice([limits.min, limits.max], shape).astype(dtype)

    images = extreme(image_type, (2, 6, 6, 3), 0)
    kernels = extreme(kernel_type, (3, 3, 3, 2), 1)
    bias = np.array([100, -100], np.int8) if biased else None
    truth = keras_conv(
        images.astype(float),
        kernels.astype(float),
        bias,
        strides=(1, 1),
        padding="same",
        dilation=(1, 1),
    )
    for convolve in (conv2d, conv2d_loops):
        ours = convolve(images, kernels, bias, padding="same")
        assert ours.dtype.kind == "i"
        assert_array_equal(ours, truth)
    if bias is None:
        dense = images.reshape(2, -1) @ dense_weights(kernels, (6, 6, 3), padding="same")
        assert_array_equal(dense.reshape(truth.shape), truth)


def exact(images, kernels, bias=None):
    """A "valid" convolution in Python's integers, which never overflow."""
    images, kernels = np.asarray(images), np.asarray(kernels)
    rows, columns, _, channels_out = kernels.shape
    height, width = images.shape[0] - rows + 1, images.shape[1] - columns + 1
    output = np.zeros((height, width, channels_out), object)
    for row, column, k in np.ndindex(output.shape):
        window = images[row : row + rows, column : column + columns].astype(object)
        output[row, column, k] = (window * kernels[..., k].astype(object)).sum()
        output[row, column, k] += 0 if bias is None else int(bias[k])
    return output


LARGE = 2**63 - 1  # the largest int64


@pytest.mark.parametrize("convolve", [conv2d, conv2d_loops])
@pytest.mark.parametrize(
    ("images", "kernels", "bias"),
    [
        (np.full((2, 2, 1), LARGE), np.ones((1, 1, 1, 1), int), None),
        (np.full((2, 2, 1), LARGE, np.uint64), np.ones((1, 1, 1, 1), np.uint8), None),
        (np.full((2, 2, 1), 2**62 + 1, np.uint64), np.full((1, 1, 1, 2), -1), None),
        (np.full((2, 2, 1), LARGE // 4), np.ones((2, 2, 1, 1), int), [3]),
        (np.full((2, 2, 1), 2**31), np.full((1, 2, 1, 1), 2**31 - 1), [-9]),
        (np.full((2, 2, 1), 200, np.uint8), np.full((2, 2, 1, 1), 200, np.uint8), None),
        (np.full((2, 2, 1), 5), np.ones((1, 1, 1, 1), int), np.array([LARGE - 5], np.uint64)),
        (np.full((2, 2, 1), 5, np.uint8), np.ones((1, 1, 1, 1), bool), np.array([7], np.uint64)),
    ],
)
def test_large_integers_are_exact(convolve, images, kernels, bias):
    ours = convolve(images, kernels, bias)
    assert ours.dtype == np.int64
    assert_array_equal(ours.astype(object), exact(images, kernels, bias))


@pytest.mark.parametrize("convolve", [conv2d, conv2d_loops])
@pytest.mark.parametrize(
    ("images", "kernels", "bias"),
    [
        (np.full((2, 2, 1), 2**63, np.uint64), np.ones((1, 1, 1, 1), int), None),
        (np.full((2, 2, 1), 2**63, np.uint64), np.ones((1, 1, 1, 1), np.uint64), None),
        (np.full((2, 2, 1), 1, np.uint8), np.full((1, 1, 1, 1), 2**63, np.uint64), None),
        (np.full((2, 2, 1), 2**32), np.full((1, 1, 1, 1), 2**32), None),  # 0, if it wraps around
        (np.full((2, 2, 1), -(2**63)), np.full((1, 1, 1, 1), -1), None),
        (np.full((2, 2, 1), 2**62), np.ones((2, 1, 1, 1), int), None),
        (np.full((2, 2, 2), 2**61), np.ones((2, 1, 2, 1), int), None),
        (np.full((2, 2, 1), LARGE), np.ones((1, 1, 1, 1), int), [1]),
        (np.full((2, 2, 1), -LARGE), np.ones((1, 1, 1, 1), int), [-2]),
        (np.ones((2, 2, 1), int), np.ones((1, 1, 1, 1), int), np.array([2**63], np.uint64)),
    ],
)
def test_integers_whose_sums_might_not_fit_are_refused(convolve, images, kernels, bias):
    with pytest.raises(ValueError, match=r"\d{19}.*int64.*floats"):
        convolve(images, kernels, bias)


def test_weights_that_do_not_fit_int64_are_refused_in_the_dense_matrix():
    with pytest.raises(ValueError, match=r"9223372036854775808.*int64"):
        dense_weights(np.full((1, 1, 1, 1), 2**63, np.uint64), (2, 2, 1))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
def test_floats_keep_their_type(dtype):
    images = whole_numbers((2, 6, 6, 3), 0).astype(dtype)
    kernels, bias = whole_numbers((3, 3, 3, 2), 1).astype(dtype), np.ones(2, dtype)
    options = dict(strides=(1, 1), padding="same", dilation=(1, 1))
    truth = keras_conv(images, kernels, bias, **options)
    for convolve in (conv2d, conv2d_loops):
        ours = convolve(images, kernels, bias, **options)
        assert ours.dtype == dtype
        assert_array_equal(ours, truth)
    matrix = dense_weights(kernels, (6, 6, 3), padding="same")
    assert matrix.dtype == dtype


@pytest.mark.parametrize("convolve", [conv2d, conv2d_loops])
def test_float16_is_rounded_once_as_in_keras(convolve):
    """300 x 300 - 300 x 300 + 1: a float16 holds the result, though not each product."""
    images = np.array([300, 300, 1], np.float16).reshape(1, 1, 1, 3)
    kernels = np.array([300, -300, 1], np.float16).reshape(1, 1, 3, 1)
    ours = convolve(images, kernels)
    assert ours.dtype == np.float16 and ours.item() == 1
    assert_array_equal(ours, keras.ops.conv(images, kernels))


IMAGES, KERNELS = np.zeros((2, 6, 7, 3)), np.zeros((3, 3, 3, 4))
WRONG = {
    "grey image without a channel axis": (dict(images=np.zeros((6, 7))), r"\(6, 7\).*channel axis"),
    "images of two sizes": (
        dict(images=[np.zeros((6, 7, 3)), np.zeros((5, 7, 3))]),
        "images must have one shape",
    ),
    "kernel without channels": (dict(kernels=np.zeros((3, 3))), r"kernels.*\(3, 3\)"),
    "channels differ": (dict(kernels=np.zeros((3, 3, 1, 4))), r"3 channels.*1.*\(2, 6, 7, 3\)"),
    "no kernels": (dict(kernels=np.zeros((3, 3, 3, 0))), r"kernels must.*\(3, 3, 3, 0\)"),
    "bias too short": (dict(bias=np.zeros(3)), r"bias.*4.*\(3,\)"),
    "bias of two axes": (dict(bias=np.zeros((1, 4))), r"bias.*\(1, 4\)"),
    "window larger than the image": (dict(kernels=np.zeros((7, 1, 3, 4))), "7 pixels.*into 6"),
    "dilated window larger": (dict(dilation=(1, 4)), "9 pixels.*into 7"),
    "image without rows": (
        dict(images=np.zeros((0, 7, 3)), padding="same"),
        r"at least one pixel.*\(0, 7, 3\)",
    ),
}


@pytest.mark.parametrize("convolve", [conv2d, conv2d_loops])
@pytest.mark.parametrize(("change", "words"), WRONG.values(), ids=WRONG)
def test_bad_input_is_named(convolve, change, words):
    with pytest.raises(ValueError, match=words):
        convolve(**(dict(images=IMAGES, kernels=KERNELS) | change))


@pytest.mark.parametrize("make", [dense_weights, dense_ties])
@pytest.mark.parametrize(
    ("arguments", "options", "words"),
    [
        ((np.zeros((3, 3)), (6, 6, 1)), {}, r"kernels.*\(3, 3\)"),
        ((np.zeros((3, 3, 1, 1)), (6, 6)), {}, r"input_shape.*\(6, 6\)"),
        ((np.zeros((3, 3, 1, 1)), 6), {}, "input_shape.*6"),
        ((np.zeros((3, 3, 1, 1)), (6.0, 6, 1)), {}, r"input_shape.*\(6\.0, 6\)"),
        ((np.zeros((3, 3, 1, 1)), (6, -6, 1)), {}, r"input_shape.*\(6, -6\)"),
        ((np.zeros((3, 3, 1, 1)), (0, 6, 1)), dict(padding="same"), r"input_shape.*\(0, 6\)"),
        ((np.zeros((3, 3, 2, 1)), (6, 6, 1)), {}, "1 channels.*2"),
        ((np.zeros((7, 3, 1, 1)), (6, 6, 1)), {}, "7 pixels.*into 6"),
        ((np.zeros((3, 3, 3, 9)), (200, 200, 3)), dict(padding="same"), "120,000 x 360,000"),
        ((np.zeros((1, 1, 1, 1)), (2**32, 2**32, 1)), {}, "18,446,744,073,709,551,616 x"),
    ],
)
def test_bad_input_to_the_dense_matrix_is_named(make, arguments, options, words):
    with pytest.raises(ValueError, match=words):
        make(*arguments, **options)
