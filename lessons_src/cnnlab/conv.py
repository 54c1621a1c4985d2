"""Convolution as the course teaches it, in NumPy.

What deep learning calls convolution is cross-correlation: the kernel is laid on the image as it
is, not turned around (Goodfellow, Bengio, Courville, *Deep Learning*, 2016, section 9.1). Shapes,
padding and strides follow `keras.ops.conv` exactly.
"""

import numpy as np

from cnnlab.windows import output_shape, pad, pair, windows

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
        kernels and bias (float32 stays float32, integers become int64, so that none overflow).

    Raises:
        ValueError: if a shape or setting does not fit; the message says which.

    Source: the im2col method of Chellapilla, Puri and Simard, "High performance convolutional
    neural networks for document processing", 2006.
    """
    images, kernels, bias = _check(images, kernels, bias)
    kernel_height, kernel_width, _, channels_out = kernels.shape
    patches = windows(
        images, (kernel_height, kernel_width), strides=strides, padding=padding, dilation=dilation
    )
    *leading, height, width = patches.shape[:-3]
    patches = patches.reshape(-1, height, width, *patches.shape[-3:])
    matrix = kernels.reshape(-1, channels_out)
    output = np.empty((*patches.shape[:3], channels_out), matrix.dtype)

    bytes_per_image = max(1, height * width * matrix.shape[0] * matrix.itemsize)
    block = max(1, _BLOCK_BYTES // bytes_per_image)
    rows = np.empty((block, *patches.shape[1:]), matrix.dtype)
    for start in range(0, len(patches), block):
        part = patches[start : start + block]
        rows[: len(part)] = part
        np.matmul(
            rows[: len(part)].reshape(-1, len(matrix)),
            matrix,
            out=output[start : start + block].reshape(-1, channels_out),
        )
    if bias is not None:
        output += bias
    return output.reshape(*leading, height, width, channels_out)


def conv2d_loops(images, kernels, bias=None, *, strides=1, padding="valid", dilation=1):
    """Convolve images with kernels by the sliding window as taught: four plain loops.

    Takes, returns and raises exactly what `conv2d` does, hundreds of times more slowly.
    """
    images, kernels, bias = _check(images, kernels, bias)
    row_step, column_step = pair(strides, "strides")
    row_gap, column_gap = pair(dilation, "dilation")
    kernel_height, kernel_width, _, channels_out = kernels.shape
    padded = pad(images, (kernel_height, kernel_width), strides, padding, dilation, 0)
    height, width = output_shape(
        images.shape, (kernel_height, kernel_width), strides, padding, dilation
    )
    batch = padded.reshape(-1, *padded.shape[-3:])
    output = np.zeros((len(batch), height, width, channels_out), kernels.dtype)
    for n in range(len(batch)):
        for row in range(height):
            for column in range(width):
                top, left = row * row_step, column * column_step
                window = batch[
                    n,
                    top : top + (kernel_height - 1) * row_gap + 1 : row_gap,
                    left : left + (kernel_width - 1) * column_gap + 1 : column_gap,
                ]
                for k in range(channels_out):
                    output[n, row, column, k] = np.sum(window * kernels[:, :, :, k])
    if bias is not None:
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
    kernels = _check(np.empty(input_shape, bool), kernels, None)[1]
    return np.where(ties >= 0, kernels.ravel()[ties], kernels.dtype.type(0))


def dense_ties(kernels, input_shape, *, strides=1, padding="valid"):
    """Which kernel weight stands at each place of the dense matrix.

    Takes and raises what `dense_weights` does. Returns an integer matrix of the same shape: an
    index into `kernels.ravel()`, or -1 where the dense layer has no connection.
    """
    kernels = np.asarray(kernels)
    input_shape = tuple(input_shape)
    if len(input_shape) != 3:
        raise ValueError(
            f"input_shape must be (height, width, channels) of one image, got {input_shape}."
        )
    _check(np.empty(input_shape, bool), kernels, None)
    kernel_size, channels_out = kernels.shape[:2], kernels.shape[3]
    inputs = int(np.prod(input_shape))
    outputs = int(np.prod(output_shape(input_shape, kernel_size, strides, padding, 1)))
    if inputs * outputs * channels_out * 8 > 2 << 30:
        raise ValueError(
            f"The dense matrix would have {inputs:,} x {outputs * channels_out:,} entries, more "
            "than 2 GiB. That is the chapter's point; for a demonstration use a smaller image."
        )
    # Number the pixels, and let the windows say which pixel each product reads.
    pixels = np.arange(inputs).reshape(input_shape)
    read = windows(pixels, kernel_size, strides=strides, padding=padding, fill=-1)
    read = read.reshape(outputs, -1)  # (output place, kernel place)
    weight = np.arange(kernels.size).reshape(-1, channels_out)  # (kernel place, output channel)
    ties = np.full((inputs, outputs, channels_out), -1)
    for place, row in enumerate(read):
        inside = row >= 0
        ties[row[inside], place] = weight[inside]
    return ties.reshape(inputs, outputs * channels_out)


def _check(images, kernels, bias):
    """Arrays of one common type, or a ValueError that names what does not fit."""
    images, kernels = np.asarray(images), np.asarray(kernels)
    if images.ndim < 3:
        raise ValueError(
            "images must have shape (..., height, width, channels), got "
            f"{images.shape}. A grey image needs a channel axis: image[..., np.newaxis]."
        )
    if kernels.ndim != 4:
        raise ValueError(
            "kernels must have shape (kernel_height, kernel_width, channels_in, channels_out), "
            f"got {kernels.shape}. One grey kernel becomes kernel[:, :, np.newaxis, np.newaxis]."
        )
    if images.shape[-1] != kernels.shape[2]:
        raise ValueError(
            f"The images have {images.shape[-1]} channels, but each kernel covers "
            f"{kernels.shape[2]}: images {images.shape}, kernels {kernels.shape}."
        )
    if 0 in kernels.shape:
        raise ValueError(f"kernels must not be empty, got shape {kernels.shape}.")
    arrays = [images, kernels]
    if bias is not None:
        bias = np.asarray(bias)
        if bias.shape != kernels.shape[3:]:
            raise ValueError(
                f"bias must have one value for each of the {kernels.shape[3]} kernels, got "
                f"shape {bias.shape}."
            )
        arrays.append(bias)
    kind = np.result_type(*arrays)
    if kind.kind in "biu":  # small integers would overflow
        kind = np.dtype(np.int64)
    elif kind.kind != "f":
        raise ValueError(f"Images and kernels must hold real numbers, got type {kind}.")
    return (
        images.astype(kind, copy=False),
        kernels.astype(kind, copy=False),
        None if bias is None else bias.astype(kind, copy=False),
    )
