"""Live pieces in a notebook: `show("conv-stepper", image=…)`.

Each piece is a custom element in plain JavaScript, beside this file. The
website loads these files; a notebook's output carries a copy, so that it works in JupyterLab,
VS Code, Colab and an exported page, without a network.
"""

import base64
import json
from html import escape
from pathlib import Path

import numpy as np

from cnnlab.ledger import ledger, pair

__all__ = ["PIECES", "Piece", "show"]

FOLDER = Path(__file__).parent
SHARED = "piece", "grid", "plot", "arrays"
NEEDS = {"digit-pad": ("network", "lenet5", "ink")}  # load.js has this list too


class Piece:
    """A live piece, ready to be shown; `html` is all of it."""

    def __init__(self, name, given):
        data = escape(json.dumps(given, separators=(",", ":")))
        needs = [n for n in NEEDS.get(name, ()) if not (n == "lenet5" and "network" in given)]
        parts = (*SHARED, *needs, name)
        scripts = "\n".join((FOLDER / f"{part}.js").read_text("utf-8") for part in parts)
        self.name = name
        self.html = (
            f'<cnn-{name} data-given="{data}"><p>The live piece “{name}” runs in a notebook that '
            "you trust: run this cell yourself. On the website it runs without asking.</p>"
            f"</cnn-{name}>\n<script>\n{scripts}</script>"
        )

    def __repr__(self):
        return f"The live piece {self.name!r}. It needs a notebook or a browser to show."

    def _repr_html_(self):
        return self.html


def show(name, **given):
    """A live piece for the output of a notebook's cell.

    Args:
        name: one of `PIECES`.
        **given: what the piece starts with instead of its own example; see each piece's entry in
            `PIECES`.

    Returns:
        Piece: shown when it is the last line of a cell.

    Raises:
        ValueError: if there is no such piece, or it cannot start with what it was given.
    """
    if name not in PIECES:
        raise ValueError(f"There is no live piece {name!r}. There are: {', '.join(PIECES)}.")
    prepare = PIECES[name]
    try:
        return Piece(name, prepare(**given))
    except TypeError as problem:
        known = prepare.__code__.co_varnames[: prepare.__code__.co_kwonlyargcount]
        unknown = set(given) - set(known)
        if not unknown:
            raise
        raise ValueError(
            f"{name} does not take {', '.join(sorted(unknown))}. It takes: {', '.join(known)}."
        ) from problem


def _conv_stepper(
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
        "strides": _square(strides, "strides", 4),
        "dilation": _square(dilation, "dilation", 3),
    }
    given["padding"] = _one_of(padding, "padding", "valid", "same")
    given["bias"] = float(bias)
    if image is not None:
        given["image"] = _pixels(image, "image", 12).tolist()
    if kernel is not None:
        given["kernel"] = _pixels(kernel, "kernel", 7).tolist()
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


def _pixels(values, name, most):
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


def _pool_stepper(*, image=None, size=2, strides=None, padding="valid", mode="max"):
    """An image (H, W) of up to 12 pixels; window size and strides from 1 to 6 (strides=None: as
    large as the window); padding "valid" or "same"; mode "max" or "average"."""
    size = _square(size, "size", 6)
    given = {"size": size, "strides": size if strides is None else _square(strides, "strides", 6)}
    given["padding"] = _one_of(padding, "padding", "valid", "same")
    given["mode"] = _one_of(mode, "mode", "max", "average")
    if image is not None:
        given["image"] = _one_channel(image, "image", 12)
    return given


def _dense_to_conv(*, kernel=None, size=6, strides=1, padding="valid"):
    """A kernel (kh, kw) of up to 7 rows and columns; the image's size, one number or (height,
    width), up to 8; strides from 1 to 4; padding "valid" or "same"."""
    size = pair(size, "size")
    if max(size) > 8:
        raise ValueError(f"size must be at most 8, so that the matrix can be seen, got {size}.")
    given = {"size": size, "strides": _square(strides, "strides", 4)}
    given["padding"] = _one_of(padding, "padding", "valid", "same")
    if kernel is not None:
        given["kernel"] = _one_channel(kernel, "kernel", 7)
    return given


def _one_channel(values, name, most):
    """Rows of numbers, not rounded: rounding could make two pixels equal."""
    values = np.asarray(values, dtype=float)
    channels = int(np.prod(values.shape[2:]))
    if channels > 1:
        raise ValueError(
            f"{name} must have one channel here, for example {name}[:, :, 0], got shape "
            f"{values.shape}."
        )
    values = values.reshape(*values.shape[:2], 1) if values.ndim > 2 else values
    _pixels(values, name, most)  # raises if it cannot be shown
    return values.reshape(values.shape[:2]).tolist()


def _one_of(value, name, *options):
    if value not in options:
        *first, last = [f'"{option}"' for option in options]
        raise ValueError(f"{name} must be {', '.join(first)} or {last}, got {value!r}.")
    return value


def _square(value, name, most):
    """One number for rows and columns, from 1 to `most`."""
    rows, columns = pair(value, name)
    if rows != columns:
        raise ValueError(
            f"{name} must be the same along rows and columns here, got {(rows, columns)}."
        )
    if rows > most:
        raise ValueError(f"{name} must be from 1 to {most} here, got {rows}.")
    return rows


def _descent(*, x=None, y=None, rule="sgd", rate=0.015, start=(0.0, 0.0), steps=15):
    """Points `x`, `y` (up to 200) for the line w·x + b; a `rule`: "sgd", "momentum" or "adam", as
    chapter 6 writes them; a learning `rate`; the `start` (w, b); `steps` to begin with, up to
    1000."""
    given = {"rule": _one_of(rule, "rule", "sgd", "momentum", "adam")}
    given["start"] = _numbers(start, "start", 2, 2)
    [given["rate"]] = _numbers([rate], "rate", 1, 1)
    if not 1e-12 <= given["rate"] <= 1000:
        raise ValueError(f"rate must be a learning rate from 1e-12 to 1000, got {rate!r}.")
    if steps not in range(1001):
        raise ValueError(f"steps must be a whole number from 0 to 1000, got {steps!r}.")
    return given | {"steps": int(steps)} | _points(x, y, 200)


def _curve_fit(*, x=None, y=None, degree=3, test_x=None, test_y=None):
    """Points `x`, `y` (up to 500) instead of the noisy sine; a `degree` from 0 to 14; with own
    points also `test_x`, `test_y`: without them there is no test error."""
    if degree not in range(15):
        raise ValueError(f"degree must be a whole number from 0 to 14, got {degree!r}.")
    given = {"degree": int(degree)} | _points(x, y, 500)
    if (test_x is None) != (test_y is None):
        raise ValueError("test_x and test_y belong together; only one of them was given.")
    if test_x is not None:
        if x is None:
            raise ValueError("test_x and test_y need points of your own: give x and y as well.")
        given["test_x"] = _numbers(test_x, "test_x", 1, 5000)
        given["test_y"] = _numbers(test_y, "test_y", 1, 5000)
        if len(given["test_x"]) != len(given["test_y"]):
            raise ValueError(
                "test_x and test_y must be equally long, "
                f"got {len(given['test_x'])} and {len(given['test_y'])} numbers."
            )
    return given


def _dropout_view(*, activations=None, rate=0.5, training=True):
    """`activations` (rows, columns) of a layer, up to 8 × 8; a `rate` from 0 to 0.9; whether it is
    in `training`, or at inference."""
    [share] = _numbers([rate], "rate", 1, 1)
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


def _points(x, y, most):
    """{"x": …, "y": …} for at least 2 different places, or {} if there are none."""
    if x is None and y is None:
        return {}
    if x is None or y is None:
        raise ValueError("x and y belong together; only one of them was given.")
    given = {"x": _numbers(x, "x", 2, most), "y": _numbers(y, "y", 2, most)}
    if len(given["x"]) != len(given["y"]):
        raise ValueError(
            f"x and y must be equally long, got {len(given['x'])} and {len(given['y'])} numbers."
        )
    if min(given["x"]) == max(given["x"]):
        raise ValueError(f"x must hold at least 2 different places, got only {given['x'][0]:g}.")
    return given


def _numbers(values, name, least, most):
    """A list of finite numbers, none of them huge."""
    values = np.asarray(values, dtype=float)
    if values.ndim != 1 or not least <= len(values) <= most:
        many = f"{least}" if least == most else f"{least} to {most}"
        raise ValueError(f"{name} must be {many} numbers in a row, got shape {values.shape}.")
    if not (np.abs(values) <= 1e6).all():
        raise ValueError(f"{name} must hold finite numbers, none beyond a million.")
    return values.tolist()


# network-ledger: the layers it knows, and their settings that it counts or shows.
_POOLING = "pool_size", "strides", "padding"
_LAYERS = {
    "Conv2D": (
        *("filters", "kernel_size", "strides", "padding"),
        *("dilation_rate", "use_bias", "activation"),
    ),
    "MaxPooling2D": _POOLING,
    "AveragePooling2D": _POOLING,
    "ZeroPadding2D": ("padding",),
    "GlobalAveragePooling2D": ("keepdims",),
    "Flatten": (),
    "Dense": ("units", "use_bias", "activation"),
    "Dropout": ("rate",),
    "BatchNormalization": ("center", "scale"),
    "Activation": ("activation",),
    "ReLU": (),
    "LeakyReLU": (),
    "ELU": (),
    "Softmax": (),
}
_DTYPES = "float16", "bfloat16", "float32", "float64", "mixed_float16", "mixed_bfloat16"


def _network_ledger(*, model=None, preset=None):
    """A built Keras model, one layer after another, of the kinds in `_LAYERS`; or a preset, "S1"
    to "S15" (without either: "S2") or "empty"."""
    if model is None:
        from cnnlab.models import SYSTEMS  # loads Keras

        return {"preset": _one_of(preset or "S2", "preset", *SYSTEMS, "empty")}
    if preset is not None:
        raise ValueError("Give network-ledger a model or a preset, not both.")
    stack = [x for x in getattr(model, "layers", []) if type(x).__name__ != "InputLayer"]
    for layer in stack:
        if type(layer).__name__ not in _LAYERS:
            raise ValueError(
                f"network-ledger does not know layer {layer.name!r} of kind "
                f"{type(layer).__name__}. Known kinds: {', '.join(_LAYERS)}."
            )
    ledger(model)  # refuses what is not built, not channels-last, or used twice
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise ValueError(
            "network-ledger takes a model with one input and one output, got "
            f"{len(model.inputs)} and {len(model.outputs)}."
        )
    shape = [int(n) for n in model.inputs[0].shape[1:]]
    if not 1 <= len(shape) <= 3:
        raise ValueError(
            "network-ledger takes images (rows, columns, channels), (rows, columns) or a row of "
            f"numbers, got a model for shape {tuple(shape)}."
        )
    return {"model": {"input": shape, "layers": [_layer_settings(layer) for layer in stack]}}


def _layer_settings(layer):
    """{"kind": …, "name": …, a setting: its value, …} of a Keras layer."""
    kind, policy = type(layer).__name__, layer.dtype_policy.name
    if getattr(layer, "groups", 1) != 1:
        raise ValueError(
            f"Layer {layer.name!r} has {layer.groups} groups; network-ledger counts convolutions "
            "with 1."
        )
    axis = getattr(layer, "axis", -1) if kind == "BatchNormalization" else -1
    if axis != -1 and axis != len(layer.input.shape) - 1:
        raise ValueError(
            f"Layer {layer.name!r} normalizes axis {layer.axis}; network-ledger counts batch norm "
            "of the last axis."
        )
    if policy not in _DTYPES:
        raise ValueError(
            f"Layer {layer.name!r} computes in {policy!r}; network-ledger knows "
            f"{', '.join(_DTYPES)}."
        )
    settings = {"kind": kind, "name": layer.name}
    settings |= {key: _plain(layer, getattr(layer, key)) for key in _LAYERS[kind]}
    return settings if policy == "float32" else settings | {"dtype": policy}


def _plain(layer, value):
    """A setting as JSON has it; an activation by its name."""
    if callable(value):
        import keras

        name = getattr(value, "__name__", type(value).__name__)
        try:
            known = keras.activations.get(name) is value
        except ValueError:
            known = False
        if not known:
            raise ValueError(
                f"Layer {layer.name!r} has the activation {name}, which network-ledger cannot "
                'write as code. Use one of Keras by its name, such as "relu".'
            )
        return name
    if isinstance(value, (tuple, list)):
        return [_plain(layer, each) for each in value]
    return value if isinstance(value, (str, bool, float)) else int(value)


def _digit_pad(*, model=None, image=None, labels=None, white=None):
    """A trained Keras `model` for images (28, 28, 1) instead of LeNet-5; an `image` (28, 28) to
    start from, 0 to 1; `labels`, names of the classes; `white`, the value of white in the images
    that the model learned from (1, or 255 if it begins with Rescaling(1 / 255))."""
    given, classes = {}, 10
    if model is not None:
        given["network"] = network = _network(model, white=white)
        classes = network["classes"]
    elif white is not None:
        raise ValueError("white says what your own model learned from: give the model too.")
    if image is not None:
        pixels = np.asarray(image, dtype=float)
        if pixels.shape not in ((28, 28), (28, 28, 1)):
            raise ValueError(f"image must have shape (28, 28), got {pixels.shape}.")
        if not (pixels.min() >= 0 and pixels.max() <= 1):
            raise ValueError(
                "image must hold values from 0 (black) to 1 (white), found "
                f"{pixels.min():g} to {pixels.max():g}. Bytes become that if you divide by 255."
            )
        given["image"] = pixels.reshape(28, 28).round(8).tolist()
    if labels is not None:
        if len(labels) != classes:
            raise ValueError(
                f"labels must name all {classes} classes of the network, got {len(labels)} names."
            )
        given["labels"] = [str(label) for label in labels]
    return given


# The settings of each kind of layer that network.js can compute, with the same names.
_SETTINGS = {
    "Rescaling": lambda layer: {"scale": _one(layer.scale), "offset": _one(layer.offset)},
    "ZeroPadding2D": lambda layer: {"padding": layer.padding},
    "Conv2D": lambda layer: {
        "strides": layer.strides,
        "padding": layer.padding,
        "dilation": layer.dilation_rate,
    },
    "MaxPooling2D": lambda layer: _pooling(layer),
    "AveragePooling2D": lambda layer: _pooling(layer),
    "GlobalAveragePooling2D": lambda layer: {},
    "Flatten": lambda layer: {},
    "Reshape": lambda layer: {},
    "Dense": lambda layer: {},
    "Activation": lambda layer: {},
    "ReLU": lambda layer: {"activation": "relu"},
    "Softmax": lambda layer: {"activation": "softmax"},
    "BatchNormalization": lambda layer: {"epsilon": layer.epsilon},
}
# These change nothing when a network is asked.
_RESTING = {
    *("Dropout", "SpatialDropout2D", "GaussianDropout", "GaussianNoise", "Identity"),
    *("RandomFlip", "RandomRotation", "RandomTranslation", "RandomZoom", "RandomContrast"),
}
_ACTIVATIONS = "linear", "relu", "tanh", "sigmoid", "softmax"
_MOST_PARAMETERS = 500_000  # as text 2.7 MB; Jupyter passes on about 3 MB at once


def _one(value):
    return float(np.asarray(value, dtype=float).reshape(()))  # ValueError if there are several


def _pooling(layer):
    return {"size": layer.pool_size, "strides": layer.strides, "padding": layer.padding}


def _network(model, *, bits=32, white=None, names=None):
    """A Keras model as network.js reads it.

    Args:
        model: a built Sequential or functional model, one layer after the other, for one image of
            28 × 28 pixels.
        bits: 32 for float32 weights, 16 for bfloat16: float32's upper half, rounded.
        white: the value of white in its images; by default 255 if it begins with a Rescaling by
            about 1 / 255, else 1.
        names: names for the layers instead of their own.

    Returns:
        dict: `input` (shape), `layers`, `bits`, `numbers` (all weights as base64, little-endian),
        `classes`, and `about` (name, parameters, what it `gives`, white).

    Raises:
        ValueError: if network.js cannot compute the model; the message names the layer and why.
    """
    chain = _chain(model)
    shape = tuple(model.inputs[0].shape[1:])
    if shape not in ((28, 28, 1), (28, 28), (784,)):
        raise ValueError(f"The model must take images of shape (28, 28, 1), not {shape}.")
    layers, weights, taken = [], [], {}
    for layer in chain:
        described, arrays = _layer(layer, shape)
        shape = tuple(layer.compute_output_shape((None, *shape))[1:])
        layers.append({**described, "shape": shape, "weights": [a.shape for a in arrays]})
        weights += arrays
        taken[layer.name] = sum(a.size for a in arrays)
    total = sum(taken.values())
    if total > _MOST_PARAMETERS:
        most = max(taken, key=taken.get)
        raise ValueError(
            f"The model has {total:,} parameters, {taken[most]:,} of them in layer {most!r}. A "
            f"notebook's output can carry up to {_MOST_PARAMETERS:,}."
        )
    if len(shape) != 1 or shape[0] < 2:
        raise ValueError(
            f"The last layer, {chain[-1].name!r}, must give one number for each class, at least "
            f"2; it gives the shape {shape}."
        )
    if names:
        layers = [{**layer, "name": name} for layer, name in zip(layers, names, strict=True)]
    # An activation stays the last one through layers that only rest or rearrange.
    ends = [each["activation"] for each in layers if each["kind"] not in _QUIET]
    if ends and ends[-1] == "sigmoid":
        raise ValueError(
            "The model ends with sigmoid: one yes or no for each class. Its last layer should give "
            "logits (no activation) or probabilities (softmax)."
        )
    if white is None:
        first = next((each for each in layers if not each.get("rests")), {})
        white = 255 if first["kind"] == "Rescaling" and abs(first["scale"]) < 0.02 else 1
    numbers = np.concatenate([np.ravel(a) for a in weights] or [np.zeros(0)]).astype("<f4")
    if bits == 16:
        numbers = _bfloat16(numbers)
    return {
        "input": model.inputs[0].shape[1:],
        "layers": layers,
        "bits": bits,
        "numbers": base64.b64encode(numbers.tobytes()).decode(),
        "classes": shape[0],
        "about": {
            "name": model.name,
            "parameters": total,
            "gives": "probabilities" if ends and ends[-1] == "softmax" else "logits",
            "white": white,
        },
    }


_QUIET = {*_RESTING, "Flatten", "Reshape"}


def _bfloat16(numbers):
    """The upper 16 bits of float32 numbers, rounded to the nearest, ties to even."""
    bits = numbers.view("<u4")
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype("<u2")


def _chain(model):
    """The layers of a model from input to output, those of models inside it included."""
    kind = type(model).__name__
    if kind not in ("Sequential", "Functional"):
        hint = " Its .model may be what you mean." if hasattr(model, "model") else ""
        raise ValueError(
            "model must be a Keras model made of layers (Sequential or functional), got "
            f"{kind}.{hint}"
        )
    if not model.built or not getattr(model, "inputs", None):
        raise ValueError("The model has no weights yet: train it first, or show it an image.")
    if len(model.inputs) > 1 or len(model.outputs) > 1:
        raise ValueError(
            f"The model must have one input and one output, it has {len(model.inputs)} and "
            f"{len(model.outputs)}."
        )
    if kind == "Sequential":
        steps = [layer for layer in model.layers if type(layer).__name__ != "InputLayer"]
    else:
        steps, tensor = [], model.outputs[0]
        while tensor is not model.inputs[0]:
            layer, call, _ = tensor._keras_history  # not public; cnnlab.ledger says why
            inputs = layer._inbound_nodes[call].input_tensors
            if len(inputs) != 1:
                raise ValueError(
                    f"Layer {layer.name!r} joins {len(inputs)} branches. This piece runs layers "
                    "one after the other."
                )
            steps.insert(0, layer)
            [tensor] = inputs
    inner = "Sequential", "Functional"
    return [
        part
        for layer in steps
        for part in (_chain(layer) if type(layer).__name__ in inner else [layer])
    ]


def _layer(layer, shape):
    """({kind, name, settings}, [weights]) of a layer, or a ValueError that says why not."""
    kind = type(layer).__name__

    def refuse(why):
        return ValueError(f"Layer {layer.name!r} of kind {kind} cannot run here: {why}.")

    ours = type(layer).__module__.startswith("keras.")
    if not ours or kind not in {*_SETTINGS, *_RESTING}:
        known = ", ".join([*_SETTINGS, *sorted(_RESTING)])
        raise refuse(f"this piece knows Keras's {known}")
    if kind in _RESTING:
        return {"kind": kind, "name": layer.name, "rests": True, "activation": "linear"}, []
    if getattr(layer, "data_format", "channels_last") not in ("channels_last", None):
        raise refuse("it takes the channels first")
    if getattr(layer, "groups", 1) != 1:
        raise refuse(f"it has {layer.groups} groups")
    if kind == "ReLU" and (layer.max_value is not None or layer.negative_slope or layer.threshold):
        raise refuse("only the plain ReLU is known, without maximum, slope or threshold")
    if kind in ("BatchNormalization", "Softmax") and layer.axis not in (-1, len(shape)):
        raise refuse(f"its axis must be the last one, not {layer.axis}")
    try:
        described = {"kind": kind, "name": layer.name, "activation": "linear"}
        described |= _SETTINGS[kind](layer)
    except ValueError:
        raise refuse("its settings must be one number for all channels") from None
    if hasattr(layer, "activation"):
        name = getattr(layer.activation, "__name__", type(layer.activation).__name__)
        module = getattr(layer.activation, "__module__", "")
        if name not in _ACTIVATIONS or not module.startswith(("keras.", "tensorflow.")):
            raise refuse(f"its activation {name!r} is not one of {', '.join(_ACTIVATIONS)}")
        described["activation"] = name
    arrays = [np.asarray(w, dtype="float32") for w in layer.get_weights()]
    if kind == "BatchNormalization":  # scale and offset may be left out
        ones = np.ones(shape[-1], "float32")
        scale = arrays.pop(0) if layer.scale else ones
        offset = arrays.pop(0) if layer.center else 0 * ones
        arrays = [scale, offset, *arrays]
    expected = {"Conv2D": 2, "Dense": 2, "BatchNormalization": 4}.get(kind, 0)
    if expected == 2 and not layer.use_bias:
        expected = 1
    if len(arrays) != expected:
        raise refuse(f"it has {len(arrays)} arrays of weights where {expected} are usual")
    if not all(np.isfinite(a).all() for a in arrays):
        raise refuse("a weight is not a number; its training has diverged")
    return described, arrays


def export_lenet5(results=None, target=FOLDER / "lenet5.js"):
    """Write the LeNet-5 of a recorded run (S15, seed 0) as the script that digit-pad loads.

    Args:
        results: the folder with S15-seed0.weights.h5 and S15-seed0.json; by default the course's.
        target: the file to write.
    """
    from cnnlab import records
    from cnnlab.models import SYSTEMS

    results = Path(results or records.RESULTS)
    record = records.read(results / "S15-seed0.json")
    model = SYSTEMS["S15"].build()
    model.load_weights(results / "S15-seed0.weights.h5")
    names = "padding", "C1", "S2", "C3", "S4", "flatten", "C5", "F6", "output"
    network = _network(model, bits=16, names=names)
    network["about"] |= {
        "name": SYSTEMS["S15"].name,
        "trained": {
            "images": record["data"]["train"],
            "epochs": len(record["epochs"]),
            "seed": record["seed"],
            "accuracy": record["epochs"][-1]["test_accuracy"],
        },
    }
    Path(target).write_text(
        "// The weights of chapter 7's LeNet-5, results/S15-seed0, by `make lessons`.\n"
        '"use strict";\n'
        "(cnn.networks ??= {}).lenet5 = " + json.dumps(network, separators=(",", ":")) + ";\n"
        'document.dispatchEvent(new Event("cnn-network"));\n',
        encoding="utf-8",
    )


PIECES = {
    "conv-stepper": _conv_stepper,
    "network-ledger": _network_ledger,
    "pool-stepper": _pool_stepper,
    "dense-to-conv": _dense_to_conv,
    "descent": _descent,
    "curve-fit": _curve_fit,
    "dropout-view": _dropout_view,
    "digit-pad": _digit_pad,
}
