"""Convolution as the course teaches it, in NumPy.

What deep learning calls convolution is cross-correlation: the kernel is laid on the image as it
is, not turned around (Goodfellow, Bengio, Courville, *Deep Learning*, 2016, section 9.1). Shapes,
padding and strides follow `keras.ops.conv` exactly.
"""

from itertools import product
from math import prod

import numpy as np

from cnnlab.windows import as_images, as_numbers, output_shape, pad, pair, windows

# Patches are multiplied a block at a time, so that a block stays in the processor's cache. With
# much smaller blocks the C library gives back and fetches memory at every call: 1.6 times slower.
_BLOCK_BYTES = 6_500_000


def conv2d(images, kernels, bias=None, *, strides=1, padding="valid", dilation=1):
    """Convolve images with kernels: every window of the image as a row, one matrix product.

    Args:
        images: array of shape (..., height, width, channels_in), any number of leading axes.
        kernels: array of shape (kernel_height, kernel_width, channels_in, channels_out).
        bias: array of shape (channels_out,), or None.
        strides: step of the window in pixels; one integer, or (rows, columns).
        padding: "valid" (windows lie inside the image) or "same" (zeros around it, so that the
            output has ceil(size / stride) rows and columns; an odd zero goes below and right).
        dilation: distance in pixels between neighbouring kernel weights; an integer or a pair.

    Returns:
        Array of shape (..., height_out, width_out, channels_out), in the common type of images,
        kernels and bias. Integers become int64; float16 is multiplied and summed in float32, and
        gets its bias when it is float16 again.

    Raises:
        ValueError: if a shape or setting does not fit, or sums of integers might not fit int64;
            the message says which.

    Source: the im2col method of Chellapilla, Puri and Simard, "High performance convolutional
    neural networks for document processing", 2006.
    """
    images, kernels, bias, result_type = _check(images, kernels, bias)
    *size, _, channels_out = kernels.shape
    batch, matrix = images.reshape(-1, *images.shape[-3:]), kernels.reshape(-1, channels_out)
    patches = windows(batch, size, strides=strides, padding=padding, dilation=dilation)
    output = np.empty((*patches.shape[:3], channels_out), result_type)

    row_bytes = prod(patches.shape[2:]) * matrix.itemsize
    high = max(1, min(patches.shape[1], _BLOCK_BYTES // row_bytes))  # of a large image, some rows
    block = max(1, _BLOCK_BYTES // (row_bytes * patches.shape[1]))
    rows = np.empty((block, high, *patches.shape[2:]), matrix.dtype)
    for start, top in product(range(0, len(patches), block), range(0, patches.shape[1], high)):
        part = patches[start : start + block, top : top + high]
        filled = rows[: len(part), : part.shape[1]]
        filled[:] = part
        products = output[start : start + block, top : top + high].reshape(-1, channels_out)
        np.matmul(filled.reshape(-1, len(matrix)), matrix, out=products)
        if bias.any():  # else a pass over the memory for nothing
            products += bias
    return output.reshape(*images.shape[:-3], *output.shape[1:])


def conv2d_loops(images, kernels, bias=None, *, strides=1, padding="valid", dilation=1):
    """Convolve images with kernels by the sliding window as taught: four plain loops.

    Takes, returns and raises exactly what `conv2d` does, hundreds of times more slowly.
    """
    images, kernels, bias, result_type = _check(images, kernels, bias)
    *size, _, channels_out = kernels.shape
    row_step, column_step = pair(strides, "strides")
    row_gap, column_gap = pair(dilation, "dilation")
    settings = dict(strides=strides, padding=padding, dilation=dilation)
    height, width = output_shape(images.shape, size, **settings)
    padded = pad(images, size, **settings)
    batch = padded.reshape(-1, *padded.shape[-3:])
    output = np.zeros((len(batch), height, width, channels_out), result_type)
    for n, image in enumerate(batch):
        for row in range(height):
            for column in range(width):
                window = image[row * row_step :: row_gap, column * column_step :: column_gap]
                window = window[: size[0], : size[1]]
                for k in range(channels_out):
                    output[n, row, column, k] = np.sum(window * kernels[:, :, :, k])
    output += bias
    return output.reshape(*images.shape[:-3], height, width, channels_out)


def dense_weights(kernels, input_shape, *, strides=1, padding="valid"):
    """The weights with which a dense layer computes exactly this convolution.

    `images.reshape(n, -1) @ dense_weights(...)` equals `conv2d(images, ...).reshape(n, -1)`.
    For one channel and stride 1 the matrix is doubly block Toeplitz.

    Args:
        kernels: array of shape (kernel_height, kernel_width, channels_in, channels_out).
        input_shape: (height, width, channels_in) of one image.
        strides, padding: as in `conv2d`.

    Returns:
        Matrix of shape (height * width * channels_in, height_out * width_out * channels_out).

    Raises:
        ValueError: if the shapes do not fit, or the matrix would take more than 2 GiB.
    """
    ties = dense_ties(kernels, input_shape, strides=strides, padding=padding)
    ones = np.ones((1, 1, np.shape(kernels)[2]), bool)
    _, kernels, _, result_type = _check(ones, kernels, None)
    return np.where(ties >= 0, kernels.ravel()[ties], 0).astype(result_type, copy=False)


def dense_ties(kernels, input_shape, *, strides=1, padding="valid"):
    """Which kernel weight stands at each place of the dense matrix.

    Takes and raises what `dense_weights` does. Returns an integer matrix of the same shape: an
    index into `kernels.ravel()`, or -1 where the dense layer has no connection.
    """
    try:
        height, width, channels = input_shape
    except (TypeError, ValueError):
        raise ValueError(
            f"input_shape must be (height, width, channels) of one image, got {input_shape!r}."
        ) from None
    kernels = _check_kernels(kernels, (height, width, channels))
    *size, channels_in, channels_out = kernels.shape
    input_shape = (*pair((height, width), "height and width in input_shape"), channels_in)
    inputs = prod(input_shape)
    outputs = prod(output_shape(input_shape, size, strides=strides, padding=padding))
    if inputs * outputs * channels_out * 8 > 2 << 30:
        raise ValueError(
            f"The dense matrix would have {inputs:,} x {outputs * channels_out:,} entries, more "
            "than 2 GiB. That is the chapter's point; for a demonstration use a smaller image."
        )
    # Number the pixels, and let the windows say which pixel each product reads. Padding is one
    # pixel more, whose row is cut off.
    pixels = np.arange(inputs).reshape(input_shape)
    read = windows(pixels, size, strides=strides, padding=padding, fill=inputs)
    read = read.reshape(outputs, -1)  # (output place, kernel place)
    weights = np.arange(kernels.size).reshape(-1, channels_out)  # (kernel place, output channel)
    ties = np.full((inputs + 1, outputs, channels_out), -1)
    ties[read, np.arange(outputs)[:, np.newaxis]] = weights
    return ties[:inputs].reshape(inputs, outputs * channels_out)


def _check(images, kernels, bias):
    """Images and kernels in the type to compute in, the bias and the type of the result."""
    images = as_images(images)
    kernels = _check_kernels(kernels, images.shape)
    bias = as_numbers(np.zeros(kernels.shape[3], bool) if bias is None else bias, "bias")
    if bias.shape != kernels.shape[3:]:
        raise ValueError(
            f"bias must have one value for each of the {kernels.shape[3]} kernels, got shape "
            f"{bias.shape}."
        )
    kind = np.result_type(images, kernels, bias)
    if all(array.dtype.kind in "biu" for array in (images, kernels, bias)):
        kind = np.dtype(np.int64)  # small integers would overflow; large ones still may
        pixel = max(abs(int(images.min(initial=0))), int(images.max(initial=0)))
        kernel_sums = abs(kernels.astype(object)).sum(axis=(0, 1, 2))  # of Python's integers
        largest = max(pixel * kernel_sums + abs(bias.astype(object)))
        if largest >= 2**63:
            raise ValueError(
                f"With these integers a sum might reach {largest}, which does not fit into int64. "
                "Use floats: .astype(float)."
            )
    wide = np.float32 if kind == np.float16 else kind  # float16 is rounded once, as in Keras
    images, kernels = images.astype(wide, copy=False), kernels.astype(wide, copy=False)
    return images, kernels, bias.astype(kind), kind


def _check_kernels(kernels, image_shape):
    kernels = as_numbers(kernels, "kernels")
    if kernels.ndim != 4 or 0 in kernels.shape:
        raise ValueError(
            "kernels must have shape (kernel_height, kernel_width, channels_in, channels_out), all "
            f"> 0, got {kernels.shape}. One grey kernel: kernel[:, :, np.newaxis, np.newaxis]."
        )
    if image_shape[-1] != kernels.shape[2]:
        raise ValueError(
            f"The images have {image_shape[-1]} channels, but each kernel covers "
            f"{kernels.shape[2]}: images {image_shape}, kernels {kernels.shape}."
        )
    return kernels
