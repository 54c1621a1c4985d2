"""What the live pieces may be given, checked before a page shows it."""

from operator import index
from reprlib import repr as brief

import numpy as np

from cnnlab.network import kind, settings
from cnnlab.windows import pair

MOST = 1e6  # of any number; grid.js refuses larger ones, too


# ---- The pieces


def conv_stepper(
    *, image=None, kernel=None, layer=None, strides=1, padding="valid", dilation=1, bias=0.0
):
    """An image (H, W) or (H, W, C) of up to 12 pixels and 3 channels; a kernel (kh, kw) or
    (kh, kw, C) and a bias; or a built Keras Conv2D with one group and no activation as
    `layer`: its first kernel and its settings."""
    of = ""
    if layer is not None:
        if kind(layer) != "Conv2D" or not layer.built:
            raise ValueError(
                f"layer must be a Conv2D that has seen an image, got {type(layer).__name__}."
            )
        if kernel is not None:
            raise ValueError("kernel or layer: a layer has its own kernel, so give one of them.")
        of, kernel = "the layer's ", np.asarray(layer.kernel)[..., 0]
        bias = np.asarray(layer.bias)[0] if layer.use_bias else 0.0
        told = settings(layer)
        if told["groups"] != 1 or told["activation"] != "linear":
            raise ValueError(
                "The piece shows a layer with one group and no activation; this one has "
                f"{told['groups']} and {told['activation']!r}. Give its kernel instead, "
                "kernel=np.asarray(layer.kernel)[..., 0], and its strides, padding, dilation and "
                "bias."
            )
        strides, padding, dilation = told["strides"], told["padding"], told["dilation_rate"]
    given = {
        "strides": square(strides, f"{of}strides", 4),
        "padding": one_of(padding, f"{of}padding", "valid", "same"),
        "dilation": square(dilation, f"{of}dilation", 3),
        "bias": number(bias, f"{of}bias"),
    }
    if image is not None:
        given["image"] = pixels(image, "image", 12, channels=3)
    if kernel is not None:
        given["kernel"] = pixels(kernel, f"{of}kernel", 7, channels=3)
    channels = {name: len(given[name][0][0]) for name in ("image", "kernel") if name in given}
    if len(set(channels.values())) > 1:
        raise ValueError(
            f"The image has {channels['image']} channels and {of or 'the '}kernel "
            f"{channels['kernel']}; they must be equal."
        )
    if channels.get("kernel", 1) > 1 and image is None:
        raise ValueError(
            f"A kernel with {channels['kernel']} channels needs an image with as many."
        )
    return given


def pool_stepper(*, image=None, size=2, strides=None, padding="valid", mode="max"):
    """An image (H, W) of up to 12 pixels; window size and strides from 1 to 6 (strides=None: as
    large as the window); padding "valid" or "same"; mode "max" or "average"."""
    size = square(size, "size", 6)
    given = {
        "size": size,
        "strides": size if strides is None else square(strides, "strides", 6),
        "padding": one_of(padding, "padding", "valid", "same"),
        "mode": one_of(mode, "mode", "max", "average"),
    }
    if image is not None:
        given["image"] = one_channel(image, "image", 12)
    return given


def dense_to_conv(*, kernel=None, size=6, strides=1, padding="valid"):
    """A kernel (kh, kw) of up to 7 rows and columns; the image's size, one number or (height,
    width), up to 8; strides from 1 to 4; padding "valid" or "same"."""
    size = pair(size, "size")
    if max(size) > 8:
        raise ValueError(f"size must be at most 8, so that the matrix can be seen, got {size}.")
    given = {
        "size": size,
        "strides": square(strides, "strides", 4),
        "padding": one_of(padding, "padding", "valid", "same"),
    }
    if kernel is not None:
        given["kernel"] = one_channel(kernel, "kernel", 7)
    return given


def descent(*, x=None, y=None, rule="sgd", rate=0.015, start=(0.0, 0.0), steps=15):
    """Points `x`, `y` (up to 200) for the line w·x + b; a `rule`: "sgd", "momentum" or "adam", as
    chapter 6 writes them; a learning `rate`; the `start` (w, b); `steps` to begin with, up to
    1000."""
    given = {
        "rule": one_of(rule, "rule", "sgd", "momentum", "adam"),
        "rate": number(rate, "rate"),
        "start": numbers(start, "start", 2, 2),
        "steps": whole(steps, "steps", 1000),
    }
    if not 1e-12 <= given["rate"] <= 1000:
        raise ValueError(f"rate must be a learning rate from 1e-12 to 1000, got {rate}.")
    return given | points(x, y, 200)


def curve_fit(*, x=None, y=None, degree=3, test_x=None, test_y=None):
    """Points `x`, `y` (up to 500) instead of the noisy sine; a `degree` from 0 to 14; with own
    points also `test_x`, `test_y`: without them there is no test error."""
    given = {"degree": whole(degree, "degree", 14)} | points(x, y, 500)
    if (test_x is None) != (test_y is None):
        raise ValueError("test_x and test_y belong together; only one of them was given.")
    if test_x is not None:
        if x is None:
            raise ValueError("test_x and test_y need points of your own: give x and y as well.")
        given["test_x"], given["test_y"] = equally_long(test_x, test_y, "test_x", "test_y", 1, 5000)
    return given


def dropout_view(*, activations=None, rate=0.5, training=True):
    """`activations` (rows, columns) of a layer, up to 8 × 8; a `rate` from 0 to 0.9; whether it is
    in `training`, or at inference."""
    if not isinstance(training, bool | np.bool_):
        raise ValueError(f"training must be True or False, got {brief(training)}.")
    given = {"rate": number(rate, "rate"), "training": bool(training)}
    if not 0 <= given["rate"] <= 0.9:
        raise ValueError(f"rate must be from 0 to 0.9, the share that is dropped, got {rate}.")
    if activations is not None:
        given["activations"] = one_channel(activations, "activations", 8)
    return given


# What train-lenet lets the reader choose. runs.js knows the same options.
TRAINING = {
    "digits": (50, 100, 200, 500, 1000, 2000),
    "network": ("dense", "shared", "lenet"),
    "rule": ("sgd", "momentum", "adam"),
    "rate": (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1),
    "batch": (1, 10, 50, 200),
    "dropout": (0, 0.2, 0.5, 0.8),
    "decay": (0, 0.1, 0.3, 1, 3),
    "pixels": ("usual", "shuffled", "sides"),
    "wrong": (0, 0.1, 0.2, 0.5, 1),
}


# ---- One argument, as JSON can hold it; or a ValueError that names it


def one_of(value, name, *options):
    if not isinstance(value, str) or value not in options:
        *first, last = [f'"{option}"' for option in options]
        raise ValueError(f"{name} must be {', '.join(first)} or {last}, got {brief(value)}.")
    return value


def option(value, name, options):
    """One of the options: a text, or a number of any kind that equals it."""
    if isinstance(options[0], str):
        return one_of(value, name, *options)
    try:
        equal = [o for o in options if not isinstance(value, bool) and bool(o == value)]
    except (TypeError, ValueError, OverflowError):
        equal = []
    if not equal:
        raise ValueError(
            f"{name} must be one of {', '.join(map(str, options))}, got {brief(value)}."
        )
    return equal[0]


def whole(value, name, most):
    """A whole number from 0 to `most`."""
    try:
        found = -1 if isinstance(value, bool) else index(value)
    except TypeError:
        found = -1
    if not 0 <= found <= most:
        raise ValueError(f"{name} must be a whole number from 0 to {most}, got {brief(value)}.")
    return found


def square(value, name, most):
    """One number for rows and columns, from 1 to `most`."""
    rows, columns = pair(value, name)
    if rows != columns:
        raise ValueError(
            f"{name} must be the same along rows and columns here, got {(rows, columns)}."
        )
    if rows > most:
        raise ValueError(f"{name} must be from 1 to {most} here, got {brief(rows)}.")
    return rows


def real(values, name):
    """An array of finite numbers, none of them huge."""
    try:
        array = np.asarray(values)
        if array.dtype.kind in "OSUmMc":
            raise TypeError(f"no real numbers: {array.dtype}")
        with np.errstate(over="ignore"):  # becomes infinite, see below
            array = array.astype(float)
    except (TypeError, ValueError, OverflowError) as problem:
        raise ValueError(f"{name} must hold numbers only, got {brief(values)}.") from problem
    wrong = array[~(np.abs(array) <= MOST)]
    if wrong.size:
        raise ValueError(
            f"{name} must hold finite numbers, none beyond a million, found {wrong[0]:g}."
        )
    return array


def number(value, name):
    array = real(value, name)
    if array.ndim:
        raise ValueError(f"{name} must be one number, got an array of shape {array.shape}.")
    return array.item()


def numbers(values, name, least, most):
    array = real(values, name)
    if array.ndim != 1 or not least <= len(array) <= most:
        many = f"{least}" if least == most else f"{least} to {most}"
        raise ValueError(f"{name} must be {many} numbers in a row, got shape {array.shape}.")
    return array.tolist()


def pixels(values, name, most, channels=1):
    """Rows of columns of channels; a single channel may go without its axis. Nothing is rounded:
    that could make two pixels equal."""
    array = real(values, name)
    if array.ndim not in (2, 3) or array.size == 0 or max(array.shape[:2]) > most:
        shape = "(rows, columns)" + " or (rows, columns, channels)" * (channels > 1)
        raise ValueError(
            f"{name} must have shape {shape} with at most {most} rows and columns, "
            f"got {array.shape}."
        )
    if array.ndim == 3 and array.shape[2] > channels:
        raise ValueError(f"{name} may have up to {channels} channels, got {array.shape[2]}.")
    return array.reshape(*array.shape[:2], -1).tolist()


def one_channel(values, name, most):
    """Rows of columns. Further axes may be there if they have one entry, as in a Keras kernel."""
    array = real(values, name)
    if max(array.shape[2:], default=1) > 1:
        raise ValueError(
            f"{name} must have one channel here, for example {name}[:, :, 0], got shape "
            f"{array.shape}."
        )
    rows = pixels(array.reshape(array.shape[:2]) if array.size else array, name, most)
    return [[pixel for (pixel,) in row] for row in rows]


def points(x, y, most):
    """{"x": …, "y": …} for at least 2 different places, or {} if there are none."""
    if x is None and y is None:
        return {}
    if x is None or y is None:
        raise ValueError("x and y belong together; only one of them was given.")
    x, y = equally_long(x, y, "x", "y", 2, most)
    if max(x) - min(x) < 1e-6:
        raise ValueError(
            f"x must hold at least 2 different places, got only {x[0]:g}; places that differ by "
            "less than a millionth do not count."
        )
    return {"x": x, "y": y}


def equally_long(x, y, x_name, y_name, least, most):
    x, y = numbers(x, x_name, least, most), numbers(y, y_name, least, most)
    if len(x) != len(y):
        raise ValueError(
            f"{x_name} and {y_name} must be equally long, got {len(x)} and {len(y)} numbers."
        )
    return x, y
