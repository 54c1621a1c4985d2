"""Windows that slide over an image: how many places they take, and what lies under them.

The ground floor of convolution, pooling and counting. Sizes and padding follow Dumoulin and Visin,
"A guide to convolution arithmetic for deep learning", 2016, arXiv:1603.07285.
"""

from math import prod
from operator import index

import numpy as np


def pair(value, name="the setting"):
    """(rows, columns) of a setting, one positive integer or two of them; or a ValueError."""
    both = value.tolist() if isinstance(value, np.ndarray) else value
    both = both if isinstance(both, tuple | list) else (both, both)
    if len(both) != 2 or not all(map(_is_positive, both)):
        raise ValueError(
            f"{name} must be a positive integer or two of them (rows, columns), got {value!r}."
        )
    return index(both[0]), index(both[1])


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
    n, kernel, strides, dilation = _whole(n=n, kernel=kernel, strides=strides, dilation=dilation)
    if not isinstance(padding, str) or padding not in ("valid", "same"):
        raise ValueError(f'padding must be "valid" or "same", got {padding!r}.')
    if padding == "same":
        return -(-n // strides)
    reach = (kernel - 1) * dilation + 1
    if reach > n:
        raise ValueError(
            f"A window that reaches over {reach} pixels does not fit into {n}. "
            'Use a smaller kernel or dilation, a larger image, or padding="same".'
        )
    return (n - reach) // strides + 1


def output_shape(shape, size, *, strides=1, padding="valid", dilation=1):
    """(height_out, width_out) for images of this shape; other arguments as in `windows`."""
    axes = _axes(shape, size, strides, dilation)
    return tuple(output_size(n, k, strides=s, padding=padding, dilation=d) for n, k, s, d in axes)


def same_padding(n, kernel, *, strides=1, dilation=1):
    """How many pixels "same" padding puts (before, after) an axis of `n`; see `output_size`."""
    n, kernel, strides, dilation = _whole(n=n, kernel=kernel, strides=strides, dilation=dilation)
    last = (output_size(n, kernel, strides=strides, padding="same") - 1) * strides
    total = max(0, last + (kernel - 1) * dilation + 1 - n)
    return total // 2, total - total // 2


def pad(images, size, *, strides=1, padding="valid", dilation=1, fill=0):
    """The images, with `fill` around them if padding is "same"; arguments as in `windows`."""
    images = as_images(images)
    output_shape(images.shape, size, strides=strides, padding=padding, dilation=dilation)
    if padding == "valid":
        return images
    axes = _axes(images.shape, size, strides, dilation)
    (top, bottom), (left, right) = (
        same_padding(n, k, strides=s, dilation=d) for n, k, s, d in axes
    )
    *leading, height, width, channels = images.shape
    shape = (*leading, top + height + bottom, left + width + right, channels)
    if prod(shape[-3:]) > 2**28:
        raise ValueError(
            f"With its padding an image would have {prod(shape[-3:]):,} values, gigabytes of them. "
            "Use a smaller window or dilation."
        )
    padded = np.full(shape, fill, images.dtype)
    padded[..., top : top + height, left : left + width, :] = images
    return padded


def windows(images, size, *, strides=1, padding="valid", dilation=1, fill=0):
    """Every window of the images, as a view where possible.

    Args:
        images: array of shape (..., height, width, channels).
        size: the window in pixels; one integer, or (rows, columns).
        strides, padding, dilation: as in `output_size`; one integer, or (rows, columns).
        fill: the value that "same" padding puts around the image.

    Returns:
        Read-only array of shape (..., height_out, width_out, rows, columns, channels).

    Raises:
        ValueError: if a shape or setting does not fit, or padding would take gigabytes.
    """
    padded = pad(images, size, strides=strides, padding=padding, dilation=dilation, fill=fill)
    (row_step, column_step), (row_gap, column_gap) = pair(strides), pair(dilation)
    reach = [(k - 1) * d + 1 for k, d in zip(pair(size), pair(dilation), strict=True)]
    view = np.lib.stride_tricks.sliding_window_view(padded, reach, axis=(-3, -2))
    view = view[..., ::row_step, ::column_step, :, ::row_gap, ::column_gap]
    return np.moveaxis(view, -3, -1)


def as_numbers(values, name):
    """`values` as an array of real numbers, or a ValueError."""
    try:
        array = np.asarray(values)
    except ValueError:  # of lists that are not equally long
        if hasattr(values, "__array__"):  # else the object says itself what is wrong
            raise
        raise ValueError(
            f"{name} must have one shape: arrays of several sizes do not fit into one array."
        ) from None
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{name} must hold real numbers of a NumPy type, got {array.dtype}.")
    return array


def as_images(values):
    """`values` as an array of real numbers that can be images, or a ValueError."""
    images = as_numbers(values, "images")
    if images.ndim < 3 or 0 in images.shape[-3:-1]:
        raise ValueError(
            "images must have shape (..., height, width, channels) and at least one pixel, got "
            f"{images.shape}. A grey image needs a channel axis: image[..., np.newaxis]."
        )
    return images


def _axes(shape, size, strides, dilation):
    """(pixels, window, strides, dilation) along the rows, and along the columns."""
    settings = pair(size, "size"), pair(strides, "strides"), pair(dilation, "dilation")
    return zip(shape[-3:-1], *settings, strict=True)


def _whole(**settings):
    """The settings as Python's integers, which never overflow; a ValueError unless all are > 0."""
    for name, value in settings.items():
        if not _is_positive(value):
            raise ValueError(f"{name} must be a positive integer, got {value!r}.")
    return map(index, settings.values())


def _is_positive(value):
    try:
        return index(value) > 0 and not isinstance(value, bool)
    except TypeError:
        return False
