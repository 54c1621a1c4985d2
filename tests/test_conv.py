"""Convolution: against Keras, SciPy, a dense layer and plain loops.

Values are small whole numbers, whose sums are exact in every type: so results must be equal.
"""

import keras
import numpy as np
import pytest
from cnnlab.conv import conv2d, conv2d_loops, dense_ties, dense_weights
from cnnlab.windows import output_size, same_padding, windows
from examples import DIAGONAL, IMAGE
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
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

    row, weights = whole_numbers((1, n, 1), 0), whole_numbers((1, kernel, 1, 1), 1)
    padded = np.pad(row, ((0, 0), (before, after), (0, 0)))
    options = dict(strides=(1, strides), dilation=(1, dilation))
    assert_array_equal(
        conv2d(row, weights, padding="same", **options), conv2d(padded, weights, **options)
    )


def test_windows_show_every_place_and_the_fill():
    image = np.arange(1, 5).reshape(2, 2, 1)
    seen = windows(image, (2, 2), padding="same", fill=-1)[..., 0]
    assert_array_equal(seen[0, 0], [[1, 2], [3, 4]])
    assert_array_equal(seen[1, 1], [[4, -1], [-1, -1]])


IMAGES, KERNELS = np.zeros((2, 6, 7, 3)), np.zeros((3, 3, 3, 4))
WRONG = {
    "grey image without a channel axis": (dict(images=np.zeros((6, 7))), r"\(6, 7\).*channel axis"),
    "kernel without channels": (dict(kernels=np.zeros((3, 3))), r"kernels.*\(3, 3\)"),
    "channels differ": (dict(kernels=np.zeros((3, 3, 1, 4))), r"3 channels.*1.*\(2, 6, 7, 3\)"),
    "no kernels": (dict(kernels=np.zeros((3, 3, 3, 0))), r"kernels must not be empty.*0"),
    "bias too short": (dict(bias=np.zeros(3)), r"bias.*4.*\(3,\)"),
    "bias of two axes": (dict(bias=np.zeros((1, 4))), r"bias.*\(1, 4\)"),
    "complex images": (dict(images=IMAGES + 1j), "real numbers.*complex"),
    "words as images": (dict(images=np.full((6, 7, 3), "a")), "real numbers"),
    "window larger than the image": (dict(kernels=np.zeros((7, 1, 3, 4))), "7 pixels.*into 6"),
    "dilated window larger": (dict(dilation=(1, 4)), "9 pixels.*into 7"),
    "image without rows": (dict(images=np.zeros((0, 7, 3)), padding="same"), "n must be.*0"),
    "unknown padding": (dict(padding="full"), "padding.*'full'"),
    "padding in capitals": (dict(padding="SAME"), "padding.*'SAME'"),
    "stride 0": (dict(strides=0), "strides.*0"),
    "stride negative": (dict(strides=(1, -2)), r"strides.*\(1, -2\)"),
    "stride broken": (dict(strides=1.5), r"strides.*1\.5"),
    "stride None": (dict(strides=None), "strides.*None"),
    "stride True": (dict(strides=True), "strides.*True"),
    "three strides": (dict(strides=(1, 1, 1)), r"strides.*\(1, 1, 1\)"),
    "dilation 0": (dict(dilation=0), "dilation.*0"),
    "dilation in words": (dict(dilation="ab"), "dilation.*'ab'"),
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
        ((np.zeros((3, 3, 2, 1)), (6, 6, 1)), {}, "1 channels.*2"),
        ((np.zeros((7, 3, 1, 1)), (6, 6, 1)), {}, "7 pixels.*into 6"),
        ((np.zeros((3, 3, 1, 1)), (6, 6, 1)), dict(padding="full"), "padding.*'full'"),
        ((np.zeros((3, 3, 1, 1)), (6, 6, 1)), dict(strides=0), "strides.*0"),
        ((np.zeros((3, 3, 3, 9)), (200, 200, 3)), dict(padding="same"), "120,000 x 360,000"),
    ],
)
def test_bad_input_to_the_dense_matrix_is_named(make, arguments, options, words):
    with pytest.raises(ValueError, match=words):
        make(*arguments, **options)
