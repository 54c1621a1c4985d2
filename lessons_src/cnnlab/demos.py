"""Live pieces in a notebook: `show("conv-stepper", image=…)`.

Each piece is a custom element in plain JavaScript, in the folder static/demos beside this file. The
website loads these files; a notebook's output carries a copy, so that it works in JupyterLab,
VS Code, Colab and an exported page, without a network.
"""

import json
from html import escape
from pathlib import Path

import numpy as np

from cnnlab.ledger import pair

__all__ = ["PIECES", "Piece", "show"]

FOLDER = Path(__file__).parent / "static" / "demos"
SHARED = "piece", "grid", "plot", "arrays"


class Piece:
    """A live piece, ready to be shown; `html` is all of it."""

    def __init__(self, name, given):
        data = escape(json.dumps(given, separators=(",", ":")))
        scripts = "\n".join((FOLDER / f"{part}.js").read_text("utf-8") for part in (*SHARED, name))
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
    if padding not in ("valid", "same"):
        raise ValueError(f'padding must be "valid" or "same", got {padding!r}.')
    steps = {"strides": pair(strides, "strides"), "dilation": pair(dilation, "dilation")}
    for setting, (rows, columns) in steps.items():
        if rows != columns:
            raise ValueError(f"{setting} must be the same along rows and columns here.")
    given = {key: rows for key, (rows, _) in steps.items()}
    given |= {"padding": padding, "bias": float(bias)}
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


PIECES = {
    "conv-stepper": _conv_stepper,
}
