"""Windows that slide over an image: how many places they take, and what lies under them.

The ground floor of convolution, pooling and counting. Sizes and padding follow Dumoulin and Visin,
"A guide to convolution arithmetic for deep learning", 2016, arXiv:1603.07285.
"""

from collections.abc import Iterable

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

__all__ = ["output_shape", "output_size", "pad", "pair", "same_padding", "windows"]


def pair(value, name="the setting"):
    """(rows, columns) of a setting that may be one positive integer or two."""
    both = tuple(value) if isinstance(value, Iterable) else (value, value)
    if len(both) != 2 or not all(_is_whole(v) and v >= 1 for v in both):
        raise ValueError(
            f"{name} must be a positive integer or two of them (rows, columns), got {value!r}."
        )
    return int(both[0]), int(both[1])


def output_size(n, kernel, *, strides=1, padding="valid", dilation=1):
    """How many places a window of `kernel` pixels takes along an axis of `n` pixels.

    Args:
        n: pixels along the axis, at least 1.
        kernel: pixels of the window, at least 1.
        strides: pixels from one place to the next, at least 1.
        padding: "valid" gives floor((n - reach) / strides) + 1, where reach is
            (kernel - 1) * dilation + 1; "same" gives ceil(n / strides).
        dilation: pixels between neighbouring kernel weights, at least 1.

    Raises:
        ValueError: if a setting is not a positive integer, the padding is unknown, or a "valid"
            window does not fit.
    """
    for name, value in dict(n=n, kernel=kernel, strides=strides, dilation=dilation).items():
        if not _is_whole(value) or value < 1:
            raise ValueError(f"{name} must be a positive integer, got {value!r}.")
    if padding == "same":
        return -(-n // strides)
    if padding != "valid":
        raise ValueError(f'padding must be "valid" or "same", got {padding!r}.')
    reach = (kernel - 1) * dilation + 1
    if reach > n:
        raise ValueError(
            f"A window that reaches over {reach} pixels does not fit into {n}. "
            'Use a smaller kernel or dilation, a larger image, or padding="same".'
        )
    return (n - reach) // strides + 1


def output_shape(shape, size, strides, padding, dilation):
    strides, dilation = pair(strides, "strides"), pair(dilation, "dilation")
    steps = zip(shape[-3:-1], size, strides, dilation, strict=True)
    return tuple(output_size(n, k, strides=s, padding=padding, dilation=d) for n, k, s, d in steps)


def same_padding(n, kernel, *, strides=1, dilation=1):
    """How many zeros "same" padding puts (before, after) an axis of n pixels."""
    out = output_size(n, kernel, strides=strides, padding="same", dilation=dilation)
    total = max(0, (out - 1) * strides + (kernel - 1) * dilation + 1 - n)
    return total // 2, total - total // 2


def pad(images, size, strides, padding, dilation, fill):
    output_shape(images.shape, size, strides, padding, dilation)  # raises if nothing fits
    if padding == "valid":
        return images
    *leading, height, width, channels = images.shape
    steps = zip((height, width), size, pair(strides), pair(dilation), strict=True)
    (top, bottom), (left, right) = (
        same_padding(n, k, strides=s, dilation=d) for n, k, s, d in steps
    )
    shape = (*leading, top + height + bottom, left + width + right, channels)
    padded = np.full(shape, fill, images.dtype)
    padded[..., top : top + height, left : left + width, :] = images
    return padded


def windows(images, size, *, strides=1, padding="valid", dilation=1, fill=0):
    """Every window of the images, as a view where possible.

    Args:
        images: array of shape (..., height, width, channels).
        size: (rows, columns) of the window.
        strides, padding, dilation: as in `conv2d`.
        fill: the value that "same" padding puts around the image.

    Returns:
        Array of shape (..., height_out, width_out, rows, columns, channels).

    Raises:
        ValueError: if the window does not fit.
    """
    row_step, column_step = pair(strides, "strides")
    row_gap, column_gap = pair(dilation, "dilation")
    padded = pad(images, size, strides, padding, dilation, fill)
    reach = ((size[0] - 1) * row_gap + 1, (size[1] - 1) * column_gap + 1)
    view = sliding_window_view(padded, reach, axis=(-3, -2))
    view = view[..., ::row_step, ::column_step, :, ::row_gap, ::column_gap]
    return np.moveaxis(view, -3, -1)


def _is_whole(value):
    return hasattr(value, "__index__") and not isinstance(value, bool)
