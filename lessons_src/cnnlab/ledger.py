"""Counting: output sizes, parameters, multiply-adds, memory and receptive fields.

Everything here is our own arithmetic on the layers' settings, as `cnnlab.network` reads them;
Keras's counts are only what the results are compared with. Sizes follow Dumoulin and Visin, "A
guide to convolution arithmetic for deep learning", 2016, arXiv:1603.07285.
"""

import re
from dataclasses import dataclass
from html import escape
from math import ceil, prod

import numpy as np

from cnnlab import fields
from cnnlab.network import MERGING, describe
from cnnlab.windows import output_size, same_padding

__all__ = ["Ledger", "Row", "ledger"]


@dataclass(frozen=True)
class Row:
    """One layer. Shapes are for one image.

    `parameters`: weights and biases, of which gradients change `trainable`. A layer that is used
        `again` has 0: its parameters are counted once.
    `receptive_field`: (rows, columns) of the image that one value of the output can depend on, from
        the first pixel to the last, for the value that sees most.
    `unclipped`: what that would be if the image went on beyond its edges.
    """

    name: str
    kind: str
    output_shape: tuple
    parameters: int
    trainable: int
    multiply_adds: int
    activation_bytes: int
    receptive_field: tuple
    unclipped: tuple
    again: bool = False


@dataclass(frozen=True, repr=False)
class Ledger:
    """The rows of a model and their totals; shown and printed as a table."""

    rows: list

    @property
    def parameters(self):
        """All weights and biases, trained or not (batch norm's running averages included)."""
        return sum(row.parameters for row in self.rows)

    @property
    def trainable(self):
        """Those of the parameters that gradients change."""
        return sum(row.trainable for row in self.rows)

    @property
    def multiply_adds(self):
        """Multiply-adds to classify one image."""
        return sum(row.multiply_adds for row in self.rows)

    @property
    def activation_bytes(self):
        """Bytes of all layer outputs for one image: what training has to keep."""
        return sum(row.activation_bytes for row in self.rows)

    def _cells(self):
        """Head, body and totals of the table; trainable ones are told where some are not."""
        counts = ["parameters", "trainable", "multiply_adds", "activation_bytes"]
        if self.trainable == self.parameters:
            counts.remove("trainable")
        named = {"multiply_adds": "multiply-adds", "activation_bytes": "bytes"}
        head = ["layer", "kind", "output", *(named.get(name, name) for name in counts), "sees"]
        body = [
            [
                row.name,
                row.kind + ", again" * row.again,
                " × ".join(map(str, row.output_shape)),
                *(f"{getattr(row, name):,}" for name in counts),
                _sees(row),
            ]
            for row in self.rows
        ]
        totals = [f"{getattr(self, name):,}" for name in counts]
        return head, body, ["total", "", "", *totals, ""]

    def __repr__(self):
        head, body, totals = self._cells()
        table = [head, *body, totals]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        return "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
            for line in table
        )

    def _repr_html_(self):
        def line(cells, tag):
            return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"

        head, body, totals = self._cells()
        return (
            f'<table class="ledger"><thead>{line(head, "th")}</thead>'
            f"<tbody>{''.join(line(cells, 'td') for cells in body)}</tbody>"
            f"<tfoot>{line(totals, 'td')}</tfoot></table>"
        )


def _sees(row):
    seen, free = (" × ".join(map(str, size)) for size in (row.receptive_field, row.unclipped))
    return seen if seen == free else f"{seen}, clipped from {free}"


def ledger(model):
    """Count a built Keras model layer by layer.

    Multiply-adds (one multiplication and one addition), for one image:
        Conv1D, Conv2D   places_out * kernel_size * channels_in * channels_out / groups
        Conv2DTranspose  places_in * kernel_size * channels_in * channels_out
        DepthwiseConv2D  places_out * kernel_size * channels_in * multiplier
        SeparableConv2D  a depthwise and a 1 x 1 convolution
        Dense            inputs * outputs, at each place
        the normalizations, Rescaling
                         one for each value
        everything else  0 (comparisons, additions, activations and resizing are not counted)

    Args:
        model: a `keras.Model` that `cnnlab.network.describe` can read: one input of a fixed size,
            which is an image (height, width, channels), a row of vectors or a vector; layers of the
            kinds that it knows, models inside the model and layers used twice among them.

    Returns:
        Ledger: one row a layer, in running order, and totals.

    Raises:
        ValueError: if the model cannot be described, or one of its layers holds other parameters
            than its settings say (LoRA, for example); the message names it. An activation of your
            own is taken to change each value by itself.
    """
    network = describe(model)
    sights, rows = {-1: fields.image(network.shape)}, []
    for number, layer in enumerate(network.layers):
        taken = [sights[source] for source in layer.inputs]
        if layer.kind in MERGING:
            counted, sights[number] = _join(layer, taken)
        else:
            counted = _RULES.get(layer.kind, _keep)(layer, *layer.input_shapes)
            sights[number] = _look(layer, *taken, counted)
        trainable, parameters = _parameters(layer, counted)
        rows.append(
            Row(
                layer.name,
                layer.kind,
                counted.shape,
                parameters,
                trainable,
                counted.multiply_adds,
                prod(counted.shape) * _bytes_per_value(layer.dtype),
                *fields.widths(sights[number]),
                layer.shares is not None,
            )
        )
    return Ledger(rows)


def _bytes_per_value(dtype):
    return ceil(int(re.search(r"\d+", dtype)[0]) / 8)


def _parameters(layer, counted):
    """(trainable, all) parameters; ValueError if the layer's weights are not what is counted."""
    if layer.shares is not None:
        return 0, 0
    trainable, frozen = counted.parameters, counted.averages
    if trainable and not layer.trainable:
        trainable, frozen = 0, trainable + frozen
    if (trainable, frozen) != (layer.trainable, layer.frozen) or counted.shape != layer.shape:
        raise ValueError(
            f"Layer {layer.name!r} of kind {layer.kind} gives {layer.shape} and holds "
            f"{layer.trainable:,} trainable and {layer.frozen:,} other parameters; by its settings "
            f"it would give {counted.shape} and hold {trainable:,} and {frozen:,}. The ledger "
            "counts plain layers: no LoRA, no parts of your own with weights."
        )
    return trainable, trainable + frozen


# ---- What each kind of layer gives. A rule takes a layer and the shape of its input.


@dataclass(frozen=True)
class _Counted:
    """What a layer gives: `averages` are parameters that no gradient changes.

    `looks`: {axis of the tensor: what the places of the output look at along it, a `fields.Look`
    or `fields.ALL`}; other axes stay as they are.
    """

    shape: tuple
    looks: dict
    parameters: int = 0
    averages: int = 0
    multiply_adds: int = 0


def _keep(layer, shape):
    return _Counted(shape, {})


def _slide(n, kernel, stride, dilation, padding):
    """What each place of a window looks at along an axis of n; beyond 0 … n − 1 lies padding."""
    if padding == "causal":  # all padding before the first
        count, before = output_size(n, 1, strides=stride), (kernel - 1) * dilation
    else:
        count = output_size(n, kernel, strides=stride, padding=padding, dilation=dilation)
        before = 0
        if padding == "same":
            before, _ = same_padding(n, kernel, strides=stride, dilation=dilation)
    at = np.arange(count)[:, None] * stride + np.arange(kernel) * dilation - before
    return fields.Look(at, stride)


def _windows(layer, shape, size):
    dilation = layer.settings.get("dilation_rate", [1] * len(size))
    steps = zip(shape[:-1], size, layer.settings["strides"], dilation, strict=True)
    return [_slide(n, k, s, d, layer.settings["padding"]) for n, k, s, d in steps]


def _conv(layer, shape):
    settings, channels = layer.settings, shape[-1]
    size = settings["kernel_size"]
    looks = _windows(layer, shape, size)
    out = tuple(map(len, looks))
    if layer.kind in ("DepthwiseConv2D", "SeparableConv2D"):
        filters = channels * settings["depth_multiplier"]
        weights = prod(size) * filters
        if layer.kind == "SeparableConv2D":
            weights += filters * settings["filters"]
            filters = settings["filters"]
    else:
        filters = settings["filters"]
        weights = prod(size) * (channels // settings["groups"]) * filters
    groups = channels if layer.kind == "DepthwiseConv2D" else settings.get("groups", 1)
    return _Counted(
        (*out, filters),
        dict(enumerate([*looks, _within_groups(channels, groups, filters)])),
        weights + (filters if settings["use_bias"] else 0),
        multiply_adds=prod(out) * weights,
    )


def _within_groups(channels, groups, filters):
    """Which channels each filter looks at: those of its group."""
    if groups == 1:
        return fields.ALL
    size = channels // groups
    return fields.Look(np.arange(filters)[:, None] * groups // filters * size + np.arange(size))


def _transpose(layer, shape):
    """Each input place adds a kernel to the output: a convolution's gradient (same reference)."""
    settings, looks = layer.settings, []
    extra = settings["output_padding"] or [None] * 2
    steps = zip(
        *(shape[:-1], settings["kernel_size"], settings["strides"]),
        *(settings["dilation_rate"], extra if isinstance(extra, list) else [extra] * 2),
        strict=True,
    )
    for n, kernel, stride, dilation, more in steps:
        reach = (kernel - 1) * dilation + 1
        if settings["padding"] == "valid":
            count = (n - 1) * stride + reach + (max(stride - reach, 0) if more is None else more)
            before = 0
        else:
            count = n * stride if more is None else (n - 1) * stride + reach % 2 + more
            before = max(0, (n - 1) * stride + reach - count) // 2
        # Output place p gets kernel weight j of input place i where p = i · stride + j · dilation.
        found = np.arange(count)[:, None] + before - np.arange(kernel) * dilation
        source = found // stride
        fits = (found % stride == 0) & (source >= 0) & (source < n)
        looks.append(fields.Look(np.where(fits, source, fields.NOTHING), 1 / stride))
    weights = prod(settings["kernel_size"]) * shape[-1] * settings["filters"]
    return _Counted(
        (*map(len, looks), settings["filters"]),
        dict(enumerate(looks)) | {2: fields.ALL},
        weights + (settings["filters"] if settings["use_bias"] else 0),
        multiply_adds=prod(shape[:-1]) * weights,
    )


def _pool(layer, shape):
    looks = _windows(layer, shape, layer.settings["pool_size"])
    return _Counted((*map(len, looks), shape[-1]), dict(enumerate(looks)))


def _pool_all(layer, shape):
    places = len(shape) - 1
    kept = (1,) * places if layer.settings["keepdims"] else ()
    return _Counted((*kept, shape[-1]), dict.fromkeys(range(places), fields.ALL))


def _dense(layer, shape):
    units = layer.settings["units"]
    weights = shape[-1] * units
    return _Counted(
        (*shape[:-1], units),
        {len(shape) - 1: fields.ALL},
        weights + (units if layer.settings["use_bias"] else 0),
        multiply_adds=prod(shape[:-1]) * weights,
    )


def _pad(layer, shape):
    """Zeros around the image, or the image cut."""
    sign = 1 if "padding" in layer.settings else -1
    sides = layer.settings.get("padding") or layer.settings["cropping"]
    sides = sides if isinstance(sides[0], list) else [sides]
    looks = {
        axis: fields.Look(np.arange(n + sign * (before + after))[:, None] - sign * before)
        for axis, (n, (before, after)) in enumerate(zip(shape, sides, strict=False))
    }
    return _Counted((*(len(look) for look in looks.values()), shape[-1]), looks)


def _resize(layer, shape):
    settings = layer.settings
    if settings.get("crop_to_aspect_ratio") or settings.get("pad_to_aspect_ratio"):
        raise ValueError(f"Layer {layer.name!r} keeps the aspect ratio; the ledger counts no such.")
    if layer.kind == "Resizing" and len(shape) != 3:
        raise ValueError(f"Layer {layer.name!r} resizes {shape}, which is no image with channels.")
    if settings.get("antialias"):
        raise ValueError(f"Layer {layer.name!r} is antialiased; the ledger counts no such.")
    factor = settings.get("size", [])
    factor = factor if isinstance(factor, list) else [factor]
    out = [n * f for n, f in zip(shape, factor, strict=False)]
    out = out or [settings["height"], settings["width"]]
    how = settings.get("interpolation", "nearest")
    if how not in _REACH:
        raise ValueError(
            f"Layer {layer.name!r} interpolates by {how!r}; the ledger knows {', '.join(_REACH)}."
        )
    looks = {}
    for axis, (n, count) in enumerate(zip(shape, out, strict=False)):
        middle = (np.arange(count) + 0.5) * n / count - 0.5  # the place in the input, a fraction
        if how == "nearest":
            at = np.floor(middle + 0.5 + 1e-9).astype(int)[:, None].clip(0, n - 1)
        else:
            near = np.floor(middle + 1e-9)[:, None] + np.arange(1 - _REACH[how], _REACH[how] + 1)
            distance = np.abs(near - middle[:, None])
            used = (distance < _REACH[how] - 1e-6) & ((distance < 1e-6) | (distance % 1 > 1e-6))
            at = np.where(used, near.clip(0, n - 1).astype(int), fields.NOTHING)
        looks[axis] = fields.Look(at, n / count)
    return _Counted((*map(len, looks.values()), *shape[len(looks) :]), looks)


_REACH = {"nearest": 0, "bilinear": 1, "bicubic": 2, "lanczos3": 3, "lanczos5": 5}


def _reshape(layer, shape):
    if layer.kind == "Flatten":
        return _Counted((prod(shape),), {})
    target = list(layer.settings["target_shape"])
    if -1 in target:
        target[target.index(-1)] = -prod(shape) // prod(target)
    return _Counted(tuple(target), {})


def _permute(layer, shape):
    return _Counted(tuple(shape[axis - 1] for axis in layer.settings["dims"]), {})


def _axes(layer, shape):
    """The axes that a layer names. Keras counts them from 1, since 0 is the batch, or from the end;
    None are all of them together."""
    axes = layer.settings["axis"]
    axes = [] if axes is None else axes if isinstance(axes, list) else [axes]
    for axis in axes:
        if axis == 0 or not -len(shape) <= axis <= len(shape):
            raise ValueError(
                f"Layer {layer.name!r} names the axis {axis}; its input has 1 to {len(shape)}."
            )
    return [a - 1 if a > 0 else len(shape) + a for a in axes]


def _softmax(layer, shape):
    return _Counted(shape, dict.fromkeys(_axes(layer, shape), fields.ALL))


def _prelu(layer, shape):
    slopes = list(shape)
    for axis in layer.settings["shared_axes"] or []:
        slopes[axis - 1] = 1  # one for all places along it
    return _Counted(shape, {}, prod(slopes))


def _batch_norm(layer, shape):
    [axis] = _axes(layer, shape)
    learned = layer.settings["center"] + layer.settings["scale"]
    # Running mean and variance, which stand still when the network runs: nothing is mixed.
    return _Counted(shape, {}, learned * shape[axis], 2 * shape[axis], prod(shape))


def _layer_norm(layer, shape):
    axes = _axes(layer, shape)
    center = layer.settings["center"] and not layer.settings["rms_scaling"]
    learned = center + (layer.settings["scale"] or layer.settings["rms_scaling"])
    looks = dict.fromkeys(axes, fields.ALL)
    values = prod(shape[axis] for axis in axes)
    return _Counted(shape, looks, learned * values, multiply_adds=prod(shape))


def _group_norm(layer, shape):
    [axis] = _axes(layer, shape)
    groups, n = layer.settings["groups"], shape[axis]
    looks = dict.fromkeys(range(len(shape)), fields.ALL)
    looks[axis] = _within_groups(n, n if groups == -1 else groups, n)
    learned = layer.settings["center"] + layer.settings["scale"]
    return _Counted(shape, looks, learned * n, multiply_adds=prod(shape))


def _normalize(layer, shape):
    values = 0
    if layer.settings["input_mean"] is None:  # mean, variance, how many it has seen
        values = 2 * prod(shape[axis] for axis in _axes(layer, shape)) + 1
    return _Counted(shape, {}, 0, values, prod(shape))


def _rescale(layer, shape):
    numbers = np.shape(layer.settings["scale"]), np.shape(layer.settings["offset"])
    return _Counted(np.broadcast_shapes(shape, *numbers), {}, multiply_adds=prod(shape))


_RULES = {
    **dict.fromkeys(("Conv1D", "Conv2D", "DepthwiseConv2D", "SeparableConv2D"), _conv),
    "Conv2DTranspose": _transpose,
    **dict.fromkeys(("MaxPooling1D", "MaxPooling2D"), _pool),
    **dict.fromkeys(("AveragePooling1D", "AveragePooling2D"), _pool),
    **dict.fromkeys(("GlobalMaxPooling1D", "GlobalMaxPooling2D"), _pool_all),
    **dict.fromkeys(("GlobalAveragePooling1D", "GlobalAveragePooling2D"), _pool_all),
    **dict.fromkeys(("ZeroPadding1D", "ZeroPadding2D", "Cropping1D", "Cropping2D"), _pad),
    **dict.fromkeys(("UpSampling1D", "UpSampling2D", "Resizing"), _resize),
    **{"Flatten": _reshape, "Reshape": _reshape, "Permute": _permute},
    **{"Dense": _dense, "PReLU": _prelu, "Softmax": _softmax},
    **{"BatchNormalization": _batch_norm, "LayerNormalization": _layer_norm},
    **{"GroupNormalization": _group_norm, "Normalization": _normalize, "Rescaling": _rescale},
}


def _join(layer, branches):
    """What a merging layer gives, and its sights."""
    shapes, axis, lengths = fields.same_rank(layer.input_shapes), None, []
    # Where the others have more, one row, column or channel is used again and again.
    shape = tuple(map(max, zip(*shapes, strict=True)))
    if layer.kind == "Concatenate":
        [axis] = _axes(layer, shape)
        lengths = [each[axis] for each in shapes]
        shape = (*shape[:axis], sum(lengths), *shape[axis + 1 :])
    try:
        return _Counted(shape, {}), fields.joined(branches, len(shape), axis, lengths)
    except ValueError as problem:
        raise ValueError(
            f"The ledger cannot say what layer {layer.name!r} sees: {problem}."
        ) from None


def _look(layer, sights, counted):
    """The sights of a layer's output from those of its input."""
    before, after = layer.input_shapes[0], counted.shape
    if layer.kind in ("Flatten", "Reshape"):
        return fields.reshaped(sights, before, after)
    if layer.kind == "Permute":
        return fields.permuted(sights, [axis - 1 for axis in layer.settings["dims"]])
    looks = [(axis, look, before[axis]) for axis, look in counted.looks.items()]
    if layer.settings.get("activation") in ("softmax", "log_softmax", "sparsemax"):
        looks.append((len(after) - 1, fields.ALL, after[-1]))
    for look in looks:
        sights = [fields.look_along(sight, *look) for sight in sights]
    return fields.dropped(sights, len(before) - len(after))
