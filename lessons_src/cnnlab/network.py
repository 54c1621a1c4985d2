"""A Keras model as plain records, one a layer, in the order in which the network runs.

This is the only place where the course reads a Keras model. Counting (`cnnlab.ledger`) and the live
pieces (`cnnlab.pieces`) work on these records alone. What is read here are facts; what follows from
them is counted there.
"""

import warnings
from dataclasses import dataclass, field

import numpy as np

__all__ = ["KINDS", "MERGING", "RESTING", "Layer", "Network", "describe", "kind", "settings"]

_CONV = "strides", "padding", "dilation_rate", "use_bias", "activation"
_POOL = "pool_size", "strides", "padding"
_NORM = "axis", "center", "scale", "epsilon"

# The layers that can be described, with those of their settings that decide what they compute.
KINDS = {
    "Conv1D": ("filters", "kernel_size", *_CONV, "groups"),
    "Conv2D": ("filters", "kernel_size", *_CONV, "groups"),
    "Conv2DTranspose": ("filters", "kernel_size", *_CONV, "output_padding"),
    "DepthwiseConv2D": ("kernel_size", *_CONV, "depth_multiplier"),
    "SeparableConv2D": ("filters", "kernel_size", *_CONV, "depth_multiplier"),
    "MaxPooling1D": _POOL,
    "MaxPooling2D": _POOL,
    "AveragePooling1D": _POOL,
    "AveragePooling2D": _POOL,
    "GlobalMaxPooling1D": ("keepdims",),
    "GlobalMaxPooling2D": ("keepdims",),
    "GlobalAveragePooling1D": ("keepdims",),
    "GlobalAveragePooling2D": ("keepdims",),
    "ZeroPadding1D": ("padding",),
    "ZeroPadding2D": ("padding",),
    "Cropping1D": ("cropping",),
    "Cropping2D": ("cropping",),
    "UpSampling1D": ("size",),
    "UpSampling2D": ("size", "interpolation"),
    "Resizing": (
        *("height", "width", "interpolation"),
        *("crop_to_aspect_ratio", "pad_to_aspect_ratio", "antialias"),
    ),
    "Flatten": (),
    "Reshape": ("target_shape",),
    "Permute": ("dims",),
    "Dense": ("units", "use_bias", "activation"),
    "Activation": ("activation",),
    "ReLU": ("max_value", "negative_slope", "threshold"),
    "LeakyReLU": ("negative_slope",),
    "PReLU": ("shared_axes",),
    "ELU": ("alpha",),
    "Softmax": ("axis",),
    "BatchNormalization": _NORM,
    "LayerNormalization": (*_NORM, "rms_scaling"),
    "GroupNormalization": (*_NORM, "groups"),
    "Normalization": ("axis", "input_mean"),
    "Rescaling": ("scale", "offset"),
}
# Layers that join branches. Sums and products of tensors, as in `x + shortcut`, are among them.
MERGING = {
    **{"Add": (), "Subtract": (), "Multiply": (), "Average": (), "Maximum": (), "Minimum": ()},
    "Concatenate": ("axis",),
}
# Layers that act while a network learns, and do nothing when it runs.
_AUGMENTING = """
    AugMix CutMix MixUp RandAugment Solarization RandomBrightness RandomColorDegeneration
    RandomColorJitter RandomContrast RandomElasticTransform RandomErasing RandomFlip
    RandomGaussianBlur RandomGrayscale RandomHue RandomInvert RandomPerspective RandomPosterization
    RandomRotation RandomSaturation RandomSharpness RandomShear RandomTranslation RandomZoom
"""
RESTING = {
    **dict.fromkeys(("Dropout", "SpatialDropout1D", "SpatialDropout2D"), ("rate",)),
    **dict.fromkeys(("GaussianDropout", "AlphaDropout"), ("rate",)),
    **{"GaussianNoise": ("stddev",), "ActivityRegularization": (), "Identity": ()},
    **dict.fromkeys(_AUGMENTING.split(), ()),
}
_SETTINGS = {**KINDS, **MERGING, **RESTING}
_DTYPES = "float16", "bfloat16", "float32", "float64", "mixed_float16", "mixed_bfloat16"


@dataclass(frozen=True)
class Layer:
    """One layer, where it stands in a network. Shapes are for one image.

    `kind`: Keras's name of its class; `name`: its own; inside a model that is part of the network
        it begins with that model's name, as in "encoder/conv2d".
    `settings`: those named in `KINDS`, as numbers, words and lists of them. An `activation` is
        Keras's name for it, or "your own NAME".
    `inputs`: for each input the number of the layer that it comes from, or -1 for the image.
    `input_shapes`, `shape`: what comes in and what goes out.
    `trainable`, `frozen`: how many of its parameters training may change by gradients, and how many
        not. Batch norm's running averages are among those that are frozen.
    `dtype`: the precision policy that it follows, such as "float32" or "mixed_bfloat16".
    `rests`: whether it does nothing when the network runs.
    `shares`: the number of the layer whose weights these are, if the same layer is used twice.
    `weights`: its arrays, if they were asked for.
    """

    kind: str
    name: str
    settings: dict
    inputs: tuple
    input_shapes: tuple
    shape: tuple
    trainable: int
    frozen: int
    dtype: str
    rests: bool = False
    shares: int | None = None
    weights: tuple = field(default=(), repr=False, compare=False)

    def plain(self):
        """All but the weights as a dict that can be written as JSON, the settings among the rest.

        What says nothing is left out: shared weights that there are none, float32, that nothing
        is frozen.
        """
        told = {"kind": self.kind, "name": self.name, **self.settings, "inputs": list(self.inputs)}
        told["shape"] = list(self.shape)
        if self.dtype != "float32":
            told["dtype"] = self.dtype
        if self.frozen and not self.trainable:
            told["trainable"] = False
        if self.rests:
            told["rests"] = True
        if self.shares is not None:
            told["shares"] = self.shares
        return told


@dataclass(frozen=True)
class Network:
    """A network: its `name`, the `shape` of its image, its `layers` in running order, and the
    numbers of those layers that give its `outputs` (-1 for the image itself)."""

    name: str
    shape: tuple
    layers: list
    outputs: tuple

    def plain(self):
        """As a dict that can be written as JSON: what `network-ledger` in the page reads."""
        return {"input": list(self.shape), "layers": [layer.plain() for layer in self.layers]}


def describe(model, *, weights=False):
    """Read a Keras model, as `predict` and `evaluate` run it.

    Args:
        model: a built `keras.Model` made of layers (Sequential or functional, one inside the other
            as you like), with one input of a fixed size and any number of outputs.
        weights: also give each layer its arrays, as NumPy float32.

    Returns:
        Network. Models inside the model are taken apart; a layer that is used several times stands
        there several times, and its parameters are told the first time only.

    Raises:
        ValueError: if this is no such model, or a layer is of an unknown kind (a class of your own
            is, whatever its name); the message names the layer and says what is known.
    """
    inputs = _inputs(model, "The model")
    if len(inputs) != 1:
        import keras

        starts = [part.name for part in model.layers if isinstance(part, keras.layers.InputLayer)]
        raise ValueError(
            f"The model must have one input, one image at a time. It has {len(inputs)}: "
            f"{', '.join(map(repr, starts))}."
        )
    [shape] = map(_fixed, inputs)
    reading = _Reading(weights)
    outputs = reading.run(model, [(-1, shape)], "")
    found = sum(layer.trainable + layer.frozen for layer in reading.layers)
    if found != model.count_params():
        raise ValueError(
            f"Model {model.name!r} holds {model.count_params():,} parameters, and the layers that "
            f"it runs {found:,}. The course reads models whose layers are all that they have."
        )
    return Network(model.name, shape, reading.layers, tuple(number for number, _ in outputs))


def _inputs(model, called):
    import keras

    if not isinstance(model, keras.Model):
        hint = " Its .model may be what you mean." if hasattr(model, "model") else ""
        raise ValueError(
            f"{called} must be a Keras model made of layers (Sequential or functional), got "
            f"{type(model).__name__}.{hint}"
        )
    graph = getattr(model, "inputs", None), getattr(model, "outputs", None)
    own = not type(model).call.__module__.startswith("keras.")
    if own or not all(part and isinstance(part, list) for part in graph):
        raise ValueError(
            f"{called} ({type(model).__name__}) has no weights yet, or does not say what it is "
            "made of. Sequential: begin with keras.Input, or show it an image. A class of your "
            "own with a `call` of its own: build it with keras.Model(inputs, outputs)."
        )
    return model.inputs


def _fixed(tensor):
    shape = tuple(tensor.shape[1:])
    if None in shape or 0 in shape or not shape:
        raise ValueError(
            f"The size of the model's input is not fixed, or nothing: {shape}. Give keras.Input "
            "the size of an image, such as (28, 28, 1)."
        )
    return shape


class _Reading:
    """What has been read so far: `layers`, and where each of Keras's layers stood first."""

    def __init__(self, weights):
        self.weights, self.layers, self.first = weights, [], {}

    def run(self, model, inputs, prefix):
        """Read a model, given (number, shape) of what comes in; the same of what goes out."""
        import keras

        if isinstance(model, keras.Sequential):
            for layer in model.layers:
                inputs = self.call(layer, inputs, prefix)
            return inputs
        # Keras tells which layer is called on what in a functional model's configuration. A class
        # derived from keras.Model may tell it in another way: this makes it a plain model again.
        graph = keras.Model(model.inputs, model.outputs, name=model.name)
        for operation in graph.operations:
            if not isinstance(operation, keras.Model | keras.layers.InputLayer):
                _known_kind(operation, prefix)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about saving lambdas, and nothing is saved here
            try:
                config = graph.get_config()
            except Exception as problem:  # a part of your own that cannot be written down
                raise ValueError(
                    f"Keras cannot tell how the layers of {model.name!r} are joined: {problem}"
                ) from None
        known = {
            (name, 0, 0): value
            for (name, *_), value in zip(config["input_layers"], inputs, strict=True)
        }
        todo = [
            (operation, call, _sources(node, prefix + operation.name))
            for operation, told in zip(graph.operations, config["layers"], strict=True)
            for call, node in enumerate(told["inbound_nodes"])
        ]
        while todo:  # in the order of the list, as far as what comes in is there
            later = []
            for operation, call, sources in todo:
                if all(source in known for source in sources):
                    given = self.call(operation, [known[source] for source in sources], prefix)
                    known |= {(operation.name, call, i): value for i, value in enumerate(given)}
                else:
                    later.append((operation, call, sources))
            todo = later
        # Keras counts a functional model's own making as its first call, here only.
        made = {part.name for part in graph.operations if _is_functional(part)}
        return [
            known[name, call - (name in made), output]
            for name, call, output in config["output_layers"]
        ]

    def call(self, layer, inputs, prefix):
        """Read one layer, or a model inside the model; gives [(number, shape)] of its outputs."""
        import keras

        name = prefix + layer.name
        if isinstance(layer, keras.layers.InputLayer):
            return inputs
        if isinstance(layer, keras.Model):
            _inputs(layer, f"The model {name!r} inside the model")
            return self.run(layer, inputs, f"{name}/")
        kind, (numbers, shapes) = _known_kind(layer, prefix), zip(*inputs, strict=True)
        if isinstance(layer, keras.Layer):
            shape, dtype = _output_shape(layer, kind, name, shapes), _precision(layer, name)
            facts = settings(layer), numbers, shapes, shape, *self.parameters(layer), dtype
        else:  # x + y: numbers beside tensors change no shape
            if len({len(shape) for shape in shapes}) > 1:
                raise ValueError(
                    f"{name!r} joins tensors with different numbers of axes, which lines up the "
                    "wrong ones. Use layers.Add or the like."
                )
            shape = np.broadcast_shapes(*shapes)
            told = {self.layers[number].dtype for number in numbers if number >= 0}
            dtype = told.pop() if len(told) == 1 else "float32"
            facts = {}, numbers, shapes, shape, 0, 0, dtype
        first = self.first.setdefault(id(layer), len(self.layers))
        shares = None if first == len(self.layers) else first
        arrays = layer.get_weights() if self.weights and isinstance(layer, keras.Layer) else []
        arrays = tuple(np.asarray(array, "float32") for array in arrays)
        self.layers.append(Layer(kind, name, *facts, kind in RESTING, shares, arrays))
        return [(len(self.layers) - 1, shape)]

    def parameters(self, layer):
        """(trainable, frozen) parameters of a layer; none if they have been told already."""
        if id(layer) in self.first:
            return 0, 0
        both = layer.trainable_weights, layer.non_trainable_weights
        return tuple(sum(int(np.prod(w.shape)) for w in some) for some in both)


def _output_shape(layer, kind, name, shapes):
    if getattr(layer, "data_format", None) == "channels_first":
        raise ValueError(f"Layer {name!r} is channels-first; the course reads channels-last.")
    batched = [(None, *shape) for shape in shapes]
    shape = tuple(layer.compute_output_shape(batched if kind in MERGING else batched[0])[1:])
    if None in shape or 0 in shape:
        raise ValueError(
            f"The size of what layer {name!r} gives is not fixed, or nothing: {shape}."
        )
    return shape


def _precision(layer, name):
    dtype = layer.dtype_policy.name
    if dtype not in _DTYPES:
        raise ValueError(
            f"Layer {name!r} computes in {dtype!r}; the course reads {', '.join(_DTYPES)}, and "
            "nothing quantized."
        )
    return dtype


def _is_functional(layer):
    import keras

    return isinstance(layer, keras.Model) and not isinstance(layer, keras.Sequential)


def kind(layer):
    """Keras's name for the class of a layer; None for a class of your own, whatever its name."""
    import keras

    name = type(layer).__name__
    return name if type(layer) is getattr(keras.layers, name, None) else None


def _known_kind(layer, prefix):
    """The kind of a layer or an operator on tensors; ValueError if it cannot be described."""
    import keras

    if kind(layer) in _SETTINGS:
        return kind(layer)
    name = type(layer).__name__
    own = "" if type(layer).__module__.startswith("keras.") else "a class of your own, "
    is_layer = isinstance(layer, keras.Layer)
    if not (own or is_layer) and name in ("Add", "Subtract", "Multiply", "Maximum", "Minimum"):
        return name
    what = "Layer" if is_layer else "The operation"
    raise ValueError(
        f"{what} {prefix + layer.name!r} is of an unknown kind, {own}{name}. Known are Keras's "
        f"{', '.join([*KINDS, *MERGING])}, and what rests when a network runs, such as Dropout."
    )


def _sources(node, name):
    """[(layer, call, output) of each tensor that a call takes]; ValueError if it takes more."""
    kwargs = dict(node["kwargs"])
    found, todo = [], [node["args"], kwargs.pop("inputs", None)]
    odd = "with a second input, such as a mask" if "__keras_tensor__" in str(kwargs) else ""
    while todo:
        part = todo.pop(0)
        if isinstance(part, (list, tuple)):
            todo = [*part, *todo]
        elif isinstance(part, dict) and part.get("class_name") == "__keras_tensor__":
            found.append(tuple(part["config"]["keras_history"]))
        elif isinstance(part, dict):
            odd = "with an array or a dictionary"
    if odd:
        raise ValueError(
            f"{name!r} is called {odd}. The course reads layers that take tensors of the network, "
            "one by one or in a list, and nothing else."
        )
    return found


def settings(layer):
    """{name: value} of those settings of a Keras layer that `KINDS` and its like name."""
    told = {key: _plain(getattr(layer, key)) for key in _SETTINGS[type(layer).__name__]}
    if "activation" in told:
        told["activation"] = _activation(layer)
    return told


def _plain(value):
    """A setting as JSON has it."""
    if isinstance(value, (tuple, list)):
        return [_plain(each) for each in value]
    if isinstance(value, np.generic) or hasattr(value, "__array__"):
        return np.asarray(value).tolist()
    return getattr(value, "__name__", value)  # of a function: its name


def _activation(layer):
    """Keras's name for a layer's activation, or "your own NAME"; ValueError if it is known to do
    more than to change each value by itself, or the last axis."""
    import keras

    function = layer.activation
    name = getattr(function, "__name__", type(function).__name__)
    if isinstance(function, keras.Layer) and kind(function) not in ("ReLU", "LeakyReLU", "ELU"):
        raise ValueError(
            f"Layer {layer.name!r} has a layer as its activation, {name}. Put it behind the layer."
        )
    if function is keras.activations.glu:
        raise ValueError(f"Layer {layer.name!r} has the activation glu, which changes the shape.")
    return name if getattr(keras.activations, name, None) is function else f"your own {name}"
