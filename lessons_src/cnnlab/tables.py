"""Tables: rows of results, and small matrices with the number in every cell.

A notebook shows them as HTML, to be selected, read aloud and wrapped on a phone; where HTML cannot
be shown, words say the same. Styles that a notebook needs stand in the HTML; how the website shows
it is in book/_static/pictures.css.
"""

import re
import textwrap
from html import escape
from numbers import Integral, Real

import numpy as np

# The ends of the course's one scale for signed numbers: vermillion and blue of Okabe and Ito's
# palette, as red, green and blue. Both lie over the paper, the fainter the nearer to 0.
PLUS, MINUS = (213, 94, 0), (0, 114, 178)


class Shown:
    """What a cell shows: HTML, and the same in words, which are its printed form."""

    def __init__(self, html, words):
        self.html, self.words = html, words

    def __repr__(self):
        return self.words

    def _repr_html_(self):
        return self.html


def say(text):
    """Display a sentence as Markdown: how the book states a result that a cell has computed.

    A hyphen in front of a number becomes a minus sign, outside `code` and $formulas$.
    """
    from IPython.display import Markdown, display

    parts = re.split(r"(`[^`]*`|\$[^$]*\$)", textwrap.dedent(text).strip())
    parts[::2] = [re.sub(r"(?<![\w)-])-(?=\d)", "−", part) for part in parts[::2]]
    display(Markdown("".join(parts)))


def table(rows, columns, *, formats=None, strong=(), caption="", note=""):
    """Show results as a table: `table({"a digit": [784, 3.1]}, ["image", "numbers", "megabytes"])`.

    A whole number gets its thousands separated, any other number three digits; None is a dash; a
    tuple such as (28, 28) is a size, 28 × 28; a list or array holds several runs, and shows their
    mean (lowest to highest), or a dash if it is empty. Texts stay as they are, at the left.

    Args:
        rows: {name of the row: its values, or its only value}, or a list of whole rows.
        columns: names of all columns, the one with the rows' names first.
        formats: how numbers are written, as Python's `format` takes it: one for all, such as
            ".1%", or {column: format}.
        strong: the name of a row that is set in bold, or a list of them.
        caption: what the table shows; read aloud before it.
        note: a sentence below it.

    Returns:
        Shown: a notebook shows it when it is a cell's last value; `display` shows it elsewhere.

    Raises:
        ValueError: without a row, for a row of another length, or a name in `formats` that is no
            column.
    """
    if isinstance(rows, dict):
        rows = [
            [name, *(values if isinstance(values, list | tuple) else [values])]
            for name, values in rows.items()
        ]
    if len(rows) == 0:
        raise ValueError("A table needs at least one row, got none.")
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
    strong = [strong] if isinstance(strong, str) else [written(name) for name in strong]
    return laid_out(list(columns), body, right, strong=strong, caption=caption, note=note)


def laid_out(head, body, right, *, strong=(), caption="", note=""):
    """A table of texts.

    Args:
        head: names of the columns.
        body: rows of as many texts; the first one of each names the row.
        right: for each column, whether it stands at the right.
        strong: first texts of the rows that are set in bold.
        caption, note: as for `table`.
    """

    def cells(tags, texts):
        # The side stands in each cell, since a notebook has no style sheet of ours.
        sides = ["right" if at_right else "left" for at_right in right]
        return "".join(
            f'<{tag} style="text-align: {side}">{escape(text)}</{tag.split()[0]}>'
            for tag, side, text in zip(tags, sides, texts, strict=True)
        )

    def row(texts):
        bold = ' style="font-weight: bold"' if texts[0] in strong else ""
        tags = ['th scope="row"'] + ["td"] * (len(texts) - 1)
        return f"<tr{bold}>{cells(tags, texts)}</tr>"

    above = f"<caption>{escape(caption)}</caption>" if caption else ""
    below = f'<p class="cnn-note">{escape(note)}</p>' if note else ""
    names = cells(['th scope="col"'] * len(head), head)
    html = (
        f'<div class="cnn-table"><table>{above}<thead><tr>{names}</tr></thead>'
        f"<tbody>{''.join(map(row, body))}</tbody></table>{below}</div>"
    )
    widths = [max(map(len, column)) for column in zip(head, *body, strict=True)]
    lines = (
        "  ".join(
            text.rjust(width) if at_right else text.ljust(width)
            for text, width, at_right in zip(texts, widths, right, strict=True)
        ).rstrip()
        for texts in [head, *body]
    )
    return Shown(html, "\n".join(filter(None, [caption, *lines, note])))


def written(value, form=""):
    """A value as a text, as `table` says; `form` is a format for numbers."""
    if value is None:
        return "–"
    if isinstance(value, str):
        return value
    if isinstance(value, tuple):
        return "\u00a0×\u00a0".join(written(v, form) for v in value)  # no line ends inside
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, Real):
        usual = "," if isinstance(value, Integral) else ",.0f" if abs(value) >= 999.5 else ".3g"
        text = format(value, form or usual)
        return text.replace("-", "−" if text.strip("-0.%") else "")  # nothing has no sign
    runs = np.asarray(value)
    if not runs.size:
        return "–"
    if runs.size < 2:
        return written(runs.item(), form)
    mean, low, high = (written(v, form) for v in (runs.mean(), runs.min(), runs.max()))
    return mean if low == high else f"{mean} ({low}\u00a0to\u00a0{high})"


def numbers(*matrices, signs=(), mark=()):
    """Show small matrices with the number in every cell: pixels, a kernel, a feature map.

    Cells are orange above 0 and blue below, the stronger the farther from 0.

    Args:
        *matrices: (title, matrix of shape (rows, columns)) pairs.
        signs: what stands between neighbours, such as ("*", "=").
        mark: for each matrix None, or (row, column, height, width) of cells to frame.

    Raises:
        ValueError: for what is no matrix, or an empty one.
    """
    signs = [*signs, *[""] * (len(matrices) - len(signs))]
    mark = [*mark, *[None] * (len(matrices) - len(mark))]
    parts, words = [], []
    for (title, values), sign, frame in zip(matrices, signs, mark, strict=True):
        values = np.asarray(values)
        if values.ndim != 2 or not values.size:
            raise ValueError(
                f"{title!r} must be a matrix of shape (rows, columns), got shape {values.shape}. "
                "A row of numbers becomes one in two pairs of brackets: [[1, 2, 3]]."
            )
        texts = [[_short(value) for value in row] for row in values]
        framed = ""
        if frame is not None:
            row, column, height, width = frame
            framed = f", framed: {_range('row', row, height)}, {_range('column', column, width)}"
        parts.append(matrix(title, texts, tints(values), frame=frame, aside=framed) + _sign(sign))
        words.append(f"{title}{framed}: {'; '.join(' '.join(row) for row in texts)}. {sign}")
    return Shown(side_by_side(parts), " ".join(words).strip())


def tints(values):
    """The background of each cell, in CSS: orange above 0, blue below, none at 0."""
    peak = np.abs(values).max() or 1
    strength = 0.45 * values / peak  # with more, numbers would be hard to read
    return [[_tint(PLUS if s > 0 else MINUS, abs(s)) for s in row] for row in strength]


def _tint(colour, strength):
    red, green, blue = colour
    return f"background: rgba({red}, {green}, {blue}, {strength:.2f})" if strength > 0.005 else ""


def matrix(title, texts, styles, *, frame=None, aside="", names=None):
    """The HTML of a matrix.

    Args:
        title: stands above.
        texts, styles: what is in each cell, and its CSS: rows of texts.
        frame: (row, column, height, width) of cells to frame, or None.
        aside: part of the title for those who hear it.
        names: of the rows, and of the columns, too; or None.
    """

    def edges(row, column):
        if frame is None:
            return ""
        top, left, height, width = frame
        if not (top <= row < top + height and left <= column < left + width):
            return ""
        sides = {
            "top": row == top,
            "bottom": row == top + height - 1,
            "left": column == left,
            "right": column == left + width - 1,
        }
        return "; ".join(f"border-{side}: 2.5px solid" for side, at in sides.items() if at)

    def cell(row, column):
        style = "; ".join(filter(None, [styles[row][column], edges(row, column)]))
        start = f'<td style="{style}">' if style else "<td>"
        return f"{start}{escape(texts[row][column])}</td>"

    head, first = "", [""] * len(texts)
    if names:
        tags = "".join(f'<th scope="col">{escape(name)}</th>' for name in names)
        head = f"<thead><tr><td></td>{tags}</tr></thead>"
        first = [f'<th scope="row">{escape(name)}</th>' for name in names]
    rows = "".join(
        f"<tr>{first[r]}{''.join(cell(r, c) for c in range(len(texts[r])))}</tr>"
        for r in range(len(texts))
    )
    heard = f'<span style="{_HEARD}">{escape(aside)}</span>' if aside else ""
    return (
        '<table style="border-collapse: collapse; text-align: center">'
        f'<caption style="caption-side: top">{escape(title)}{heard}</caption>'
        f"{head}<tbody>{rows}</tbody></table>"
    )


# For who hears the page, not for who sees it.
_HEARD = "position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%)"


def side_by_side(parts):
    """The HTML of matrices in a row, as far as there is room."""
    style = "display: flex; flex-wrap: wrap; gap: 14px; align-items: flex-end"
    cells = "".join(f'<div class="cnn-matrix">{part}</div>' for part in parts)
    return f'<div class="cnn-numbers" style="{style}">{cells}</div>'


def _sign(sign):
    return f'<span class="cnn-sign">{escape(sign)}</span>' if sign else ""


def _range(name, start, count):
    return f"{name} {start + 1}" if count == 1 else f"{name}s {start + 1} to {start + count}"


def _short(value):
    if isinstance(value, (float, np.floating)):
        value = f"{round(float(value), 2) + 0.0:.2f}".rstrip("0").rstrip(".")
    return str(value).replace("-", "−")
