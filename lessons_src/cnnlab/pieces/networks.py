"""Networks for the live pieces: what network-ledger and digit-pad are given."""

import base64
import json
from pathlib import Path

import numpy as np

from cnnlab.ledger import ledger
from cnnlab.pieces.given import one_of

FOLDER = Path(__file__).parent

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


def network_ledger(*, model=None, preset=None):
    """A built Keras model, one layer after another, of the kinds in `_LAYERS`; or a preset, "S1"
    to "S15" (without either: "S2") or "empty"."""
    if model is None:
        from cnnlab.models import SYSTEMS  # loads Keras

        return {"preset": one_of(preset or "S2", "preset", *SYSTEMS, "empty")}
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


def digit_pad(*, model=None, image=None, labels=None, white=None):
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
