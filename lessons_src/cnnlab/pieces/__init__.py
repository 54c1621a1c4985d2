"""Live pieces in a notebook: `show("conv-stepper", image=…)`.

Each piece is a custom element in plain JavaScript, beside this file. The website loads these files;
a notebook's output carries a copy, so that it works in JupyterLab, VS Code, Colab and an exported
page, without a network.
"""

import json
import os
import re
from html import escape
from pathlib import Path

from cnnlab.pieces import given, networks
from cnnlab.pieces.predictions import answer, ask, calibration

__all__ = ["PIECES", "Piece", "answer", "ask", "calibration", "show"]

FOLDER = Path(__file__).parent


def scripts(name):
    """The names of the scripts that a piece is made of, in the order in which they are loaded."""
    text = (FOLDER / "load.js").read_text("utf-8")
    needs = json.loads(re.search(r"const NEEDS = (\{.*?\});", text, re.DOTALL)[1])
    return [*needs.get(name, needs["every other"]), name]


def element(name, start, inside):
    """The HTML of a custom element, with the scripts that make it live.

    `make lessons` sets CNNLAB_SITE, since the pages of the website load the scripts by themselves.
    """
    data = escape(json.dumps(start, separators=(",", ":"), allow_nan=False))
    html = f'<cnn-{name} data-given="{data}">{inside}</cnn-{name}>'
    if os.environ.get("CNNLAB_SITE"):
        return html
    own = "network" in start
    parts = [part for part in scripts(name) if not (own and part.startswith("lenet5"))]
    code = "\n".join((FOLDER / f"{part}.js").read_text("utf-8") for part in parts)
    return f"{html}\n<script>\n{code}</script>"


class Piece:
    """A live piece, ready to be shown; `html` is all of it."""

    def __init__(self, name, start):
        inside = (
            f"<p>The live piece “{name}” runs in a notebook that you trust: run this cell "
            "yourself. On the website it runs without asking.</p>"
        )
        self.name = name
        try:
            self.html = element(name, start, inside)
        except ValueError:
            raise ValueError(f"{name} was given a number that is not finite.") from None

    def __repr__(self):
        return f"The live piece {self.name!r}. It needs a notebook or a browser to show."

    def _repr_html_(self):
        return self.html


def show(name, **start):
    """A live piece for the output of a notebook's cell.

    Args:
        name: one of `PIECES`.
        **start: what the piece starts with instead of its own example; see each piece's entry in
            `PIECES`.

    Returns:
        Piece: shown when it is the last line of a cell.

    Raises:
        ValueError: if there is no such piece, or it cannot start with what it was given.
    """
    if not isinstance(name, str) or name not in PIECES:
        raise ValueError(f"There is no live piece {name!r}. There are: {', '.join(PIECES)}.")
    prepare = PIECES[name]
    try:
        return Piece(name, prepare(**start))
    except TypeError as problem:
        known = prepare.__code__.co_varnames[: prepare.__code__.co_kwonlyargcount]
        unknown = set(start) - set(known)
        if not unknown:
            raise
        raise ValueError(
            f"{name} does not take {', '.join(sorted(unknown))}. It takes: {', '.join(known)}."
        ) from problem


PIECES = {
    "conv-stepper": given.conv_stepper,
    "network-ledger": networks.network_ledger,
    "pool-stepper": given.pool_stepper,
    "dense-to-conv": given.dense_to_conv,
    "descent": given.descent,
    "curve-fit": given.curve_fit,
    "dropout-view": given.dropout_view,
    "digit-pad": networks.digit_pad,
    "train-lenet": networks.train_lenet,
}
