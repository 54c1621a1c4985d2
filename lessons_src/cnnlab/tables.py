"""Tables: rows of results, and small matrices with the number in every cell.

A notebook shows them as HTML, to be selected, read aloud and wrapped on a phone; where HTML cannot
be shown, their plain-text form has the same cells.
"""

from html import escape
from numbers import Integral, Real

import numpy as np


class Table:
    """Cells of text with a head. Its plain-text form has aligned columns."""

    def __init__(self, head, body, *, right=(), strong=(), caption="", note=""):
        """
        Args:
            head: names of the columns.
            body: rows of as many texts; the first one of each names the row.
            right: for each column, whether it stands at the right; none does if empty.
            strong: first texts of the rows that are set in bold.
            caption: what the table shows; read aloud before it.
            note: a sentence below it.
        """
        self.head, self.body, self.caption, self.note = head, body, caption, note
        self._right = right or [False] * len(head)
        self._strong = strong

    def __repr__(self):
        lines = [self.head, *self.body]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        aligned = (
            "  ".join(
                cell.rjust(width) if right else cell.ljust(width)
                for cell, width, right in zip(line, widths, self._right, strict=True)
            ).rstrip()
            for line in lines
        )
        return "\n".join(filter(None, [self.caption, *aligned, self.note]))

    def _repr_html_(self):
        def cell(tag, text, right, scope=""):
            # In the cell, since a notebook has no style sheet of ours.
            side = "right" if right else "left"
            return f'<{tag}{scope} style="text-align: {side}">{escape(text)}</{tag}>'

        def row(texts):
            cells = [cell("th", texts[0], self._right[0], ' scope="row"')]
            cells += map(cell, ["td"] * (len(texts) - 1), texts[1:], self._right[1:])
            strong = ' style="font-weight: bold"' if texts[0] in self._strong else ""
            return f"<tr{strong}>{''.join(cells)}</tr>"

        caption = f"<caption>{escape(self.caption)}</caption>" if self.caption else ""
        names = "".join(
            cell("th", text, right, ' scope="col"')
            for text, right in zip(self.head, self._right, strict=True)
        )
        note = f'<p class="cnn-note">{escape(self.note)}</p>' if self.note else ""
        return (
            f'<div class="cnn-table"><table>{caption}<thead><tr>{names}</tr></thead>'
            f"<tbody>{''.join(map(row, self.body))}</tbody></table>{note}</div>"
        )


def table(rows, columns, *, formats=None, strong=(), caption="", note=""):
    """Show results as a table: `table({"a digit": [784, 3.1]}, ["image", "numbers", "megabytes"])`.

    A whole number gets its thousands separated, any other number three digits; None is a dash; a
    tuple such as (28, 28) is a size, 28 × 28; a list or array holds several runs, and shows their
    mean (lowest to highest). Texts stay as they are, and stand at the left.

    Args:
        rows: {name of the row: its values, or its only value}, or a list of whole rows.
        columns: names of all columns, the one with the rows' names first.
        formats: how numbers are written, as Python's `format` takes it: one for all, such as
            ".1%", or {column: format}.
        strong: the name of a row that is set in bold, or a list of them.
        caption: what the table shows; read aloud before it.
        note: a sentence below it.

    Returns:
        Table, which a notebook shows when it is a cell's last value; `display` shows it elsewhere.

    Raises:
        ValueError: for a row of another length, or a name in `formats` that is no column.
    """
    if isinstance(rows, dict):
        rows = [
            [name, *(values if isinstance(values, list | tuple) else [values])]
            for name, values in rows.items()
        ]
    formats = formats or {}
    if isinstance(formats, str):
        formats = dict.fromkeys(columns[1:], formats)
    for name in formats:
        if name not in columns:
            raise ValueError(f"formats names {name!r}, but the columns are {', '.join(columns)}.")
    for values in rows:
        if len(values) != len(columns):
            raise ValueError(
                f"The row {values[0]!r} has {len(values)} cells, its name included, but there are "
                f"{len(columns)} columns: {', '.join(columns)}. Give it one for each."
            )
    body = [[written(v, formats.get(c, "")) for v, c in zip(r, columns, strict=True)] for r in rows]
    right = [
        all(v is None or not isinstance(v, str | tuple) for v in column)
        for column in zip(*rows, strict=True)
    ]
    names = [strong] if isinstance(strong, str) else [written(name) for name in strong]
    return Table(list(columns), body, right=right, strong=names, caption=caption, note=note)


def written(value, form=""):
    """A value as a text, as `table` says; `form` is a format for numbers."""
    if value is None:
        return "–"
    if isinstance(value, str):
        return value
    if isinstance(value, tuple):
        return " × ".join(written(v, form) for v in value)
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, Real):
        usual = "," if isinstance(value, Integral) else ",.0f" if abs(value) >= 1000 else ".3g"
        text = format(value, form or usual)
        return text.replace("-", "−" if text.strip("-0.%") else "")  # nothing has no sign
    runs = np.asarray(value)
    if runs.size < 2:
        return written(runs.item(), form)
    mean, low, high = (written(v, form) for v in (runs.mean(), runs.min(), runs.max()))
    return f"{mean} ({low} to {high})"
