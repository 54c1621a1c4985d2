"""Pooling as the course teaches it, in NumPy, with the semantics of Keras's pooling layers."""

import numpy as np

from cnnlab.windows import pair, windows


def pool2d(images, size=2, *, strides=None, padding="valid", mode="max"):
    """Keep the maximum or the average of every window, in each channel by itself.

    Args:
        images: array of shape (..., height, width, channels).
        size: window size in pixels; one integer, or (rows, columns).
        strides: step of the window; None means `size`, so that windows do not overlap.
        padding: "valid", or "same" (the padding never wins a maximum and never enters an
            average).
        mode: "max" or "average".

    Returns:
        Array of shape (..., height_out, width_out, channels), of the images' type; averages of
        integers are float64.

    Raises:
        ValueError: if a shape or setting does not fit; the message says which.
    """
    images, size, strides = _check(images, size, strides)
    if mode == "max":
        lowest = np.iinfo(images.dtype).min if images.dtype.kind in "iu" else -np.inf
        view = windows(images, size, strides=strides, padding=padding, fill=lowest)
        return view.max(axis=(-3, -2))
    if mode == "average":
        if images.dtype.kind in "iu":
            images = images.astype(np.float64)
        total = windows(images, size, strides=strides, padding=padding).sum(axis=(-3, -2))
        real = np.ones((*images.shape[-3:-1], 1), images.dtype)  # 1 for a pixel, 0 for padding
        count = windows(real, size, strides=strides, padding=padding).sum(axis=(-3, -2))
        return total / count
    raise ValueError(f'mode must be "max" or "average", got {mode!r}.')


def max_pool_gradient(images, upstream, size=2, *, strides=None, padding="valid"):
    """The gradient of max pooling: what arrives at an output goes to the pixel that won.

    Args:
        images: the layer's input, shape (..., height, width, channels).
        upstream: gradient of the loss by the layer's output, of the output's shape.
        size, strides, padding: as in `pool2d`.

    Returns:
        Gradient by the images, of their shape. Where pixels tie, the first one in reading order
        receives everything, as in TensorFlow. Where windows overlap, what arrives adds up.

    Raises:
        ValueError: if upstream does not have the shape of the pooled images.
    """
    images, size, strides = _check(images, size, strides)
    upstream = np.asarray(upstream)
    lowest = np.iinfo(images.dtype).min if images.dtype.kind in "iu" else -np.inf
    view = windows(images, size, strides=strides, padding=padding, fill=lowest)
    *outer, rows, columns, channels = view.shape
    if upstream.shape != (*outer, channels):
        raise ValueError(
            f"upstream must have the shape of the pooled images, {(*outer, channels)}, got "
            f"{upstream.shape}."
        )
    view = view.reshape(*outer, rows * columns, channels)
    # Number the pixels; the same windows then tell which pixel each winner is.
    number = np.arange(images.size).reshape(images.shape)
    place = windows(number, size, strides=strides, padding=padding, fill=-1)
    place = place.reshape(*outer, rows * columns, channels)
    # Padding never wins, not even against a pixel as low as itself.
    winner = ((view == view.max(axis=-2, keepdims=True)) & (place >= 0)).argmax(axis=-2)
    target = np.take_along_axis(place, winner[..., np.newaxis, :], axis=-2)[..., 0, :]
    gradient = np.zeros(images.size, upstream.dtype)
    np.add.at(gradient, target.ravel(), upstream.ravel())
    return gradient.reshape(images.shape)


def _check(images, size, strides):
    images = np.asarray(images)
    if images.ndim < 3:
        raise ValueError(
            "images must have shape (..., height, width, channels), got "
            f"{images.shape}. A grey image needs a channel axis: image[..., np.newaxis]."
        )
    if images.dtype == bool:
        images = images.astype(np.int64)
    size = pair(size, "size")
    return images, size, size if strides is None else pair(strides, "strides")
