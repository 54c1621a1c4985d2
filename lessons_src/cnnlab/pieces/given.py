"""What the live pieces may be given, checked before a page shows it."""

import numpy as np

from cnnlab.windows import pair


def conv_stepper(
    *, image=None, kernel=None, layer=None, strides=1, padding="valid", dilation=1, bias=0.0
):
    """An image (H, W) or (H, W, C) of up to 12 pixels and 3 channels; a kernel (kh, kw) or
    (kh, kw, C); or a built Keras Conv2D as `layer`: its first kernel and its settings."""
    if layer is not None:
        weights = [np.asarray(w) for w in layer.get_weights()]
        if type(layer).__name__ != "Conv2D" or not weights:
            raise ValueError(
                f"layer must be a Conv2D that has seen an image, got {type(layer).__name__}."
            )
        kernel, bias = weights[0][..., 0], weights[1][0] if layer.use_bias else 0.0
        strides, padding, dilation = layer.strides, layer.padding, layer.dilation_rate
    given = {
        "strides": square(strides, "strides", 4),
        "dilation": square(dilation, "dilation", 3),
    }
    given["padding"] = one_of(padding, "padding", "valid", "same")
    given["bias"] = float(bias)
    if image is not None:
        given["image"] = pixels(image, "image", 12).tolist()
    if kernel is not None:
        given["kernel"] = pixels(kernel, "kernel", 7).tolist()
    channels = {name: len(given[name][0][0]) for name in ("image", "kernel") if name in given}
    if len(set(channels.values())) > 1:
        raise ValueError(
            f"The image has {channels['image']} channels and the kernel {channels['kernel']}; "
            "they must be equal."
        )
    if channels.get("kernel", 1) > 1 and image is None:
        raise ValueError(
            f"A kernel with {channels['kernel']} channels needs an image with as many."
        )
    return given


def pixels(values, name, most):
    """(rows, columns, channels) of numbers that a piece can show, rounded to 4 decimals."""
    values = np.asarray(values, dtype=float)
    values = values[..., None] if values.ndim == 2 else values
    if values.ndim != 3 or min(values.shape) < 1 or max(values.shape[:2]) > most:
        raise ValueError(
            f"{name} must have shape (rows, columns) or (rows, columns, channels) with at most "
            f"{most} rows and columns, got {values.shape}."
        )
    if values.shape[2] > 3:
        raise ValueError(f"{name} may have up to 3 channels, got {values.shape[2]}.")
    if not np.isfinite(values).all():
        raise ValueError(f"{name} must hold numbers only, found one that is not finite.")
    return values.round(4)


def pool_stepper(*, image=None, size=2, strides=None, padding="valid", mode="max"):
    """An image (H, W) of up to 12 pixels; window size and strides from 1 to 6 (strides=None: as
    large as the window); padding "valid" or "same"; mode "max" or "average"."""
    size = square(size, "size", 6)
    given = {"size": size, "strides": size if strides is None else square(strides, "strides", 6)}
    given["padding"] = one_of(padding, "padding", "valid", "same")
    given["mode"] = one_of(mode, "mode", "max", "average")
    if image is not None:
        given["image"] = one_channel(image, "image", 12)
    return given


def dense_to_conv(*, kernel=None, size=6, strides=1, padding="valid"):
    """A kernel (kh, kw) of up to 7 rows and columns; the image's size, one number or (height,
    width), up to 8; strides from 1 to 4; padding "valid" or "same"."""
    size = pair(size, "size")
    if max(size) > 8:
        raise ValueError(f"size must be at most 8, so that the matrix can be seen, got {size}.")
    given = {"size": size, "strides": square(strides, "strides", 4)}
    given["padding"] = one_of(padding, "padding", "valid", "same")
    if kernel is not None:
        given["kernel"] = one_channel(kernel, "kernel", 7)
    return given


def one_channel(values, name, most):
    """Rows of numbers, not rounded: rounding could make two pixels equal."""
    values = np.asarray(values, dtype=float)
    channels = int(np.prod(values.shape[2:]))
    if channels > 1:
        raise ValueError(
            f"{name} must have one channel here, for example {name}[:, :, 0], got shape "
            f"{values.shape}."
        )
    values = values.reshape(*values.shape[:2], 1) if values.ndim > 2 else values
    pixels(values, name, most)  # raises if it cannot be shown
    return values.reshape(values.shape[:2]).tolist()


def one_of(value, name, *options):
    if value not in options:
        *first, last = [f'"{option}"' for option in options]
        raise ValueError(f"{name} must be {', '.join(first)} or {last}, got {value!r}.")
    return value


def square(value, name, most):
    """One number for rows and columns, from 1 to `most`."""
    rows, columns = pair(value, name)
    if rows != columns:
        raise ValueError(
            f"{name} must be the same along rows and columns here, got {(rows, columns)}."
        )
    if rows > most:
        raise ValueError(f"{name} must be from 1 to {most} here, got {rows}.")
    return rows


def descent(*, x=None, y=None, rule="sgd", rate=0.015, start=(0.0, 0.0), steps=15):
    """Points `x`, `y` (up to 200) for the line w·x + b; a `rule`: "sgd", "momentum" or "adam", as
    chapter 6 writes them; a learning `rate`; the `start` (w, b); `steps` to begin with, up to
    1000."""
    given = {"rule": one_of(rule, "rule", "sgd", "momentum", "adam")}
    given["start"] = numbers(start, "start", 2, 2)
    [given["rate"]] = numbers([rate], "rate", 1, 1)
    if not 1e-12 <= given["rate"] <= 1000:
        raise ValueError(f"rate must be a learning rate from 1e-12 to 1000, got {rate!r}.")
    if steps not in range(1001):
        raise ValueError(f"steps must be a whole number from 0 to 1000, got {steps!r}.")
    return given | {"steps": int(steps)} | points(x, y, 200)


def curve_fit(*, x=None, y=None, degree=3, test_x=None, test_y=None):
    """Points `x`, `y` (up to 500) instead of the noisy sine; a `degree` from 0 to 14; with own
    points also `test_x`, `test_y`: without them there is no test error."""
    if degree not in range(15):
        raise ValueError(f"degree must be a whole number from 0 to 14, got {degree!r}.")
    given = {"degree": int(degree)} | points(x, y, 500)
    if (test_x is None) != (test_y is None):
        raise ValueError("test_x and test_y belong together; only one of them was given.")
    if test_x is not None:
        if x is None:
            raise ValueError("test_x and test_y need points of your own: give x and y as well.")
        given["test_x"] = numbers(test_x, "test_x", 1, 5000)
        given["test_y"] = numbers(test_y, "test_y", 1, 5000)
        if len(given["test_x"]) != len(given["test_y"]):
            raise ValueError(
                "test_x and test_y must be equally long, "
                f"got {len(given['test_x'])} and {len(given['test_y'])} numbers."
            )
    return given


def dropout_view(*, activations=None, rate=0.5, training=True):
    """`activations` (rows, columns) of a layer, up to 8 × 8; a `rate` from 0 to 0.9; whether it is
    in `training`, or at inference."""
    [share] = numbers([rate], "rate", 1, 1)
    if not 0 <= share <= 0.9:
        raise ValueError(f"rate must be from 0 to 0.9, the share that is dropped, got {rate!r}.")
    given = {"rate": share, "training": bool(training)}
    if activations is not None:
        values = np.asarray(activations, dtype=float)
        if values.ndim != 2 or not 1 <= min(values.shape) <= max(values.shape) <= 8:
            raise ValueError(
                "activations must have shape (rows, columns) with at most 8 of each, "
                f"got {values.shape}."
            )
        if not np.isfinite(values).all():
            raise ValueError("activations must hold numbers only, found one that is not finite.")
        given["activations"] = values.tolist()
    return given


def points(x, y, most):
    """{"x": …, "y": …} for at least 2 different places, or {} if there are none."""
    if x is None and y is None:
        return {}
    if x is None or y is None:
        raise ValueError("x and y belong together; only one of them was given.")
    given = {"x": numbers(x, "x", 2, most), "y": numbers(y, "y", 2, most)}
    if len(given["x"]) != len(given["y"]):
        raise ValueError(
            f"x and y must be equally long, got {len(given['x'])} and {len(given['y'])} numbers."
        )
    if min(given["x"]) == max(given["x"]):
        raise ValueError(f"x must hold at least 2 different places, got only {given['x'][0]:g}.")
    return given


def numbers(values, name, least, most):
    """A list of finite numbers, none of them huge."""
    values = np.asarray(values, dtype=float)
    if values.ndim != 1 or not least <= len(values) <= most:
        many = f"{least}" if least == most else f"{least} to {most}"
        raise ValueError(f"{name} must be {many} numbers in a row, got shape {values.shape}.")
    if not (np.abs(values) <= 1e6).all():
        raise ValueError(f"{name} must hold finite numbers, none beyond a million.")
    return values.tolist()
