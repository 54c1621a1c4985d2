"""Counting: output sizes, parameters, multiply-adds, memory and receptive fields.

Everything here is our own arithmetic on the layers' settings; Keras's counts are only what the
tests compare with.
"""

from dataclasses import dataclass
from html import escape
from math import ceil, inf, prod

from cnnlab.windows import output_size

__all__ = ["Ledger", "Row", "ledger"]


@dataclass(frozen=True)
class Row:
    """One layer. Shapes are for one image; the receptive field is (rows, columns) in pixels."""

    name: str
    kind: str
    output_shape: tuple
    parameters: int
    multiply_adds: int
    activation_bytes: int
    receptive_field: tuple


@dataclass(frozen=True)
class Ledger:
    """The rows of a model and their totals; shown as a table in a notebook."""

    rows: list

    @property
    def parameters(self):
        """All weights and biases, trained or not (batch norm's running averages included)."""
        return sum(row.parameters for row in self.rows)

    @property
    def multiply_adds(self):
        """Multiply-adds to classify one image."""
        return sum(row.multiply_adds for row in self.rows)

    @property
    def activation_bytes(self):
        """Bytes of all layer outputs for one image: what training has to keep."""
        return sum(row.activation_bytes for row in self.rows)

    def _cells(self):
        head = ["layer", "kind", "output", "parameters", "multiply-adds", "bytes", "sees"]
        body = [
            [
                row.name,
                row.kind,
                " × ".join(map(str, row.output_shape)),
                f"{row.parameters:,}",
                f"{row.multiply_adds:,}",
                f"{row.activation_bytes:,}",
                " × ".join(map(str, row.receptive_field)),
            ]
            for row in self.rows
        ]
        totals = (self.parameters, self.multiply_adds, self.activation_bytes)
        return head, body, ["total", "", "", *(f"{n:,}" for n in totals), ""]

    def __str__(self):
        table = [self._cells()[0], *self._cells()[1], self._cells()[2]]
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


def ledger(model):
    """Count a built Keras model layer by layer.

    Multiply-adds (one multiplication and one addition), for one image:
        Conv2D           height_out * width_out * kernel_h * kernel_w * channels_in * channels_out
                         / groups
        DepthwiseConv2D  height_out * width_out * kernel_h * kernel_w * channels_in * multiplier
        SeparableConv2D  a depthwise and a 1 x 1 convolution
        Dense            inputs * outputs, at each place
        BatchNormalization, Rescaling, Normalization
                         one for each value
        everything else  0 (comparisons, additions and activations are not counted)

    A receptive field is how many (rows, columns) of the input image one output value can depend
    on: from the first pixel to the last, for the value that sees most.

    Args:
        model: a `keras.Model` with one image input of shape (height, width, channels) or a vector.

    Returns:
        Ledger: one row a layer, in the model's order, and totals.

    Raises:
        ValueError: if the model is not built or not channels-last, or holds a layer whose rule is
            not known here; the message names it.
    """
    if not getattr(model, "built", False) or not getattr(model, "inputs", None):
        raise ValueError(
            "The ledger reads Keras models made of layers whose shapes are known, got "
            f"{type(model).__name__}. Give it a keras.Input, or call a Sequential model once."
        )
    known = {}  # id of a tensor -> (shape, fields by axis)
    for tensor in model.inputs:
        shape = tuple(tensor.shape[1:])
        if None in shape:
            raise ValueError(f"The input's size is not fixed: {shape}. Give keras.Input one.")
        known[id(tensor)] = shape, tuple(_pixels(n) for n in shape[:2])
    calls = _calls(model, set(known))
    rows = []
    for layer in model.layers:
        if layer not in calls:  # the input layer
            continue
        inputs, output = calls[layer]
        shapes, fields = zip(*(known[id(tensor)] for tensor in inputs), strict=True)
        shape, fields, parameters, multiply_adds = _count(layer, shapes, fields)
        known[id(output)] = shape, fields
        rows.append(
            Row(
                layer.name,
                type(layer).__name__,
                shape,
                parameters,
                multiply_adds,
                prod(shape) * _bytes_per_value(layer),
                tuple(map(_widest, fields)),
            )
        )
    return Ledger(rows)


def _calls(model, inputs):
    """{layer: (input tensors, output tensor)} in this model; a layer may stand in others too."""
    calls, seen, todo = {}, set(inputs), list(model.outputs)
    while todo:
        tensor = todo.pop()
        if id(tensor) in seen:
            continue
        seen.add(id(tensor))
        # Not public, but `layer.input` knows only the first call, and `Sequential.add` calls again.
        layer, call, _ = tensor._keras_history
        if layer not in model.layers:
            raise ValueError(f"The ledger has no rule for {layer.name!r}, which is not a layer.")
        if layer in calls:
            raise ValueError(f"Layer {layer.name!r} is used twice; the ledger counts a layer once.")
        calls[layer] = layer._inbound_nodes[call].input_tensors, tensor
        todo += calls[layer][0]
    return calls


# A field says what the values along one axis see: for each value the first and the last pixel.
# Where all values see the same, one entry stands for all.
_NOTHING = (inf, -inf)


def _pixels(n):
    return [(i, i) for i in range(n)]


def _together(spans):
    firsts, lasts = zip(*spans, strict=True)
    return min(firsts), max(lasts)


def _whole(field):
    return [_together(field)]


def _slide(field, kernel, stride, dilation, before, count):
    """What each window sees; padding, where a window hangs over the edge, sees nothing."""
    if len(field) == 1:
        return field
    padded = dict(enumerate(field, start=before))
    return [
        _together(padded.get(place * stride + tap * dilation, _NOTHING) for tap in range(kernel))
        for place in range(count)
    ]


def _widest(field):
    return max(0, *(last - first + 1 for first, last in field))


_WINDOWED = {
    "Conv2D",
    "DepthwiseConv2D",
    "SeparableConv2D",
    "MaxPooling2D",
    "AveragePooling2D",
}
_SAME_SHAPE = {
    "Activation",
    "BatchNormalization",
    "Dropout",
    "ELU",
    "GaussianNoise",
    "LeakyReLU",
    "Normalization",
    "ReLU",
    "Rescaling",
    "Softmax",
    "SpatialDropout2D",
}
_MERGING = {"Add", "Average", "Concatenate", "Maximum", "Multiply", "Subtract"}


def _count(layer, shapes, fields):
    """(output shape, fields, parameters, multiply-adds) of a layer from those of its inputs."""
    kind = type(layer).__name__
    if getattr(layer, "data_format", "channels_last") != "channels_last":
        raise ValueError(f"Layer {layer.name!r} is channels-first; the ledger reads channels-last.")
    if kind in _MERGING:
        return _count_merge(layer, shapes, fields)
    (shape,), (seen,) = shapes, fields
    if kind in _WINDOWED:
        return _count_window(layer, kind, shape, seen)
    if kind in _SAME_SHAPE:
        parameters = multiply_adds = 0
        if kind == "BatchNormalization":  # scale and offset if used, running mean and variance
            each = 2 + bool(layer.scale) + bool(layer.center)
            parameters = each * shape[layer.axis - 1 if layer.axis > 0 else layer.axis]
        if kind == "Normalization" and layer.input_mean is None:  # mean, variance, how many seen
            parameters = 2 * prod(shape[a - 1 if a > 0 else a] for a in _listed(layer.axis)) + 1
        if kind in {"BatchNormalization", "Rescaling", "Normalization"}:
            multiply_adds = prod(shape)
        return shape, seen, parameters, multiply_adds
    if kind == "Dense":
        weights = shape[-1] * layer.units
        parameters = weights + (layer.units if layer.use_bias else 0)
        rest = len(shape) - 1  # the last axis is mixed
        seen = *seen[:rest], *map(_whole, seen[rest:])
        return (*shape[:-1], layer.units), seen, parameters, prod(shape[:-1]) * weights
    if kind == "Flatten":
        return (prod(shape),), tuple(map(_whole, seen)), 0, 0
    if kind in {"GlobalAveragePooling2D", "GlobalMaxPooling2D"}:
        out = (1, 1, shape[2]) if layer.keepdims else (shape[2],)
        return out, tuple(map(_whole, seen)), 0, 0
    if kind == "Reshape":
        target = list(layer.target_shape)
        if -1 in target:
            target[target.index(-1)] = -prod(shape) // prod(target)
        if len(target) == 3 and seen == (_pixels(prod(shape)),):
            seen = tuple(map(_pixels, target[:2]))  # a vector becomes the image it holds
        elif len(target) != 3 or shape[:2] != tuple(target[:2]):
            seen = tuple(map(_whole, seen))
        return tuple(target), seen, 0, 0
    if kind == "ZeroPadding2D":
        (top, bottom), (left, right) = layer.padding
        out = shape[0] + top + bottom, shape[1] + left + right
        seen = tuple(
            _slide(field, 1, 1, 1, before, n)
            for field, before, n in zip(seen, (top, left), out, strict=False)
        )
        return (*out, shape[2]), seen, 0, 0
    raise ValueError(
        f"The ledger has no rule for layer {layer.name!r} of kind {kind}. Known kinds: "
        + ", ".join(sorted(_WINDOWED | _SAME_SHAPE | _MERGING | _OTHERS))
        + "."
    )


_OTHERS = {
    "Dense",
    "Flatten",
    "GlobalAveragePooling2D",
    "GlobalMaxPooling2D",
    "Reshape",
    "ZeroPadding2D",
}


def _count_window(layer, kind, shape, seen):
    pooling = kind.endswith("Pooling2D")
    size = layer.pool_size if pooling else layer.kernel_size
    dilation = (1, 1) if pooling else layer.dilation_rate
    steps = list(zip(shape[:2], size, layer.strides, dilation, strict=True))
    out = [output_size(n, k, strides=s, padding=layer.padding, dilation=d) for n, k, s, d in steps]
    fields = []
    for field, count, (n, k, s, d) in zip(seen, out, steps, strict=False):
        # "same" padding: half of what the last window needs beyond the edge, rounded down.
        needed = (count - 1) * s + (k - 1) * d + 1 - n
        before = max(0, needed) // 2 if layer.padding == "same" else 0
        fields.append(_slide(field, k, s, d, before, count))
    channels, places = shape[2], prod(out)
    if pooling:
        return (*out, channels), tuple(fields), 0, 0
    if kind == "Conv2D":
        weights = prod(size) * (channels // layer.groups) * layer.filters
        filters, per_place = layer.filters, weights
    else:
        weights = per_place = prod(size) * channels * layer.depth_multiplier
        filters = channels * layer.depth_multiplier
        if kind == "SeparableConv2D":
            weights += filters * layer.filters
            per_place, filters = weights, layer.filters
    parameters = weights + (filters if layer.use_bias else 0)
    return (*out, filters), tuple(fields), parameters, places * per_place


def _count_merge(layer, shapes, fields):
    rank = max(map(len, shapes))
    shapes = [(1,) * (rank - len(shape)) + shape for shape in shapes]
    # Where the others have more, one row, column or channel is used again and again.
    shape = tuple(map(max, *shapes))
    joined = None
    if type(layer).__name__ == "Concatenate":
        joined = layer.axis - 1 if layer.axis > 0 else rank + layer.axis
        total = sum(each[joined] for each in shapes)
        shape = (*shape[:joined], total, *shape[joined + 1 :])
    merged = []
    for axis, paths in enumerate(zip(*fields, strict=True)):
        if axis == joined and rank == 3:
            sizes = [each[axis] for each in shapes]
            spread = [f if len(f) == n else f * n for f, n in zip(paths, sizes, strict=True)]
            merged.append([span for field in spread for span in field])
        else:
            count = max(map(len, paths))
            spread = [f if len(f) == count else f * count for f in paths]
            merged.append([_together(spans) for spans in zip(*spread, strict=True)])
    return shape, tuple(merged), 0, 0


def _listed(axis):
    return axis if isinstance(axis, (list, tuple)) else [axis]


def _bytes_per_value(layer):
    bits = "".join(c for c in str(layer.compute_dtype).removeprefix("b") if c.isdigit())
    return ceil(int(bits) / 8)
