"""Pooling as the course teaches it, in NumPy, with the semantics of Keras's pooling layers."""

import numpy as np

from cnnlab.windows import as_images, as_numbers, windows


def pool2d(images, size=2, *, strides=None, padding="valid", mode="max"):
    """Keep the maximum or the average of every window, in each channel by itself.

    Args:
        images: array of shape (..., height, width, channels).
        size: window size in pixels; one integer, or (rows, columns).
        strides: step of the window; None means `size`, so that windows do not overlap.
        padding: "valid", or "same" (the padding never wins a maximum and never enters an
            average).
        mode: "max" or "average". An average that nan enters is nan.

    Returns:
        Array of shape (..., height_out, width_out, channels), of the images' type; averages of
        integers are float64, maxima of bool int64.

    Raises:
        ValueError: if a shape or setting does not fit, or a maximum is asked of nan, for which
            libraries, and even TensorFlow's own kernels, disagree; the message says which.
    """
    images = as_images(images)
    settings = dict(size=size, strides=size if strides is None else strides, padding=padding)
    if mode == "max":
        return _windows_for_max(images, settings).max(axis=(-3, -2))
    if mode != "average":
        raise ValueError(f'mode must be "max" or "average", got {mode!r}.')
    wide, result_type = _types(images)
    view = windows(images, **settings)
    count = view.shape[-3] * view.shape[-2]
    if padding == "same":  # fewer at the border: padding is False, a pixel True
        count = windows(np.ones((*images.shape[-3:-1], 1), bool), **settings).sum(axis=(-3, -2))
    return (view.sum(axis=(-3, -2), dtype=wide) / count).astype(result_type, copy=False)


def max_pool_gradient(images, upstream, size=2, *, strides=None, padding="valid"):
    """The gradient of max pooling: what arrives at an output goes to the pixel that won.

    Args:
        images: the layer's input, shape (..., height, width, channels).
        upstream: gradient of the loss by the layer's output, of the output's shape.
        size, strides, padding: as in `pool2d`.

    Returns:
        Gradient by the images, of their shape and of upstream's type; integers become float64.
        Where pixels tie, the first one in reading order receives everything, as in TensorFlow.
        Where windows overlap, what arrives adds up.

    Raises:
        ValueError: as in `pool2d`, or if upstream does not have the shape of the pooled images.
    """
    images, upstream = as_images(images), as_numbers(upstream, "upstream")
    settings = dict(size=size, strides=size if strides is None else strides, padding=padding)
    view = _windows_for_max(images, settings)
    *outer, rows, columns, channels = view.shape
    if upstream.shape != (*outer, channels):
        raise ValueError(
            f"upstream must have the shape of the pooled images, {(*outer, channels)}, got "
            f"{upstream.shape}."
        )
    view = view.reshape(*outer, rows * columns, channels)
    # Number the pixels; the same windows then tell which pixel each winner is.
    number = np.arange(images.size).reshape(images.shape)
    place = windows(number, **settings, fill=-1).reshape(*outer, rows * columns, channels)
    # Padding never wins, not even against a pixel as low as itself.
    winner = ((view == view.max(axis=-2, keepdims=True)) & (place >= 0)).argmax(axis=-2)
    target = np.take_along_axis(place, winner[..., np.newaxis, :], axis=-2)[..., 0, :]
    wide, result_type = _types(upstream)
    gradient = np.zeros(images.size, wide)
    np.add.at(gradient, target.ravel(), upstream.ravel().astype(wide))
    return gradient.reshape(images.shape).astype(result_type, copy=False)


def _windows_for_max(images, settings):
    """Every window, with padding that cannot win; a ValueError if the images hold nan."""
    if images.dtype == bool:
        images = images.astype(np.int64)
    nan = np.isnan(images)
    if nan.any():
        raise ValueError(
            f"images hold nan, first at {np.argwhere(nan)[0].tolist()}: no rule says whether it is "
            "a maximum. Replace it first, for example by np.where(np.isnan(images), 0, images)."
        )
    lowest = -np.inf if images.dtype.kind == "f" else np.iinfo(images.dtype).min
    return windows(images, **settings, fill=lowest)


def _types(array):
    """The type to add up in (float64 at least), and the result's: floats keep their own."""
    wide = np.result_type(array, np.float64)
    return wide, array.dtype if array.dtype.kind == "f" else wide
