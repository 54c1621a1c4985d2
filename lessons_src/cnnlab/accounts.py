"""Accounts of results: a table in groups that fits a phone, and runs beside a reported number."""

from html import escape

from cnnlab.figures import BLUE, ORANGE, around_zero
from cnnlab.tables import Shown

__all__ = ["intervals", "stacked"]


def stacked(groups, columns, *, caption="", note="", strong=()):
    """Show a table whose rows stand in groups, each under a line or two of its own.

    What belongs to a whole group takes no column, so that the table needs few, and fits a phone.

    Args:
        groups: list of (title, text in small print, rows); a row has a text for each column.
        columns: their names.
        caption: what the table shows; read aloud before it.
        note: a sentence below it.
        strong: texts that are set in bold wherever a cell holds just them.

    Returns:
        Shown.

    Raises:
        ValueError: for a row of another length.
    """
    for title, _, rows in groups:
        for row in rows:
            if len(row) != len(columns):
                raise ValueError(
                    f"A row of {title!r} has {len(row)} cells, but there are {len(columns)} "
                    f"columns: {', '.join(columns)}. Give it one for each."
                )
    left = 'style="text-align: left"'

    def cell(tag, text):
        text = f"<b>{escape(text)}</b>" if text in strong else escape(text)
        return f"<{tag} {left}>{text}</{tag.split()[0]}>"

    def body(title, small, rows):
        small = f"<br><small>{escape(small)}</small>" if small else ""
        head = f'<th scope="rowgroup" colspan="{len(columns)}" {left}><b>{escape(title)}</b>{small}'
        lines = [f"{head}</th>"]
        lines += [
            cell('th scope="row"', row[0]) + "".join(cell("td", text) for text in row[1:])
            for row in rows
        ]
        return f"<tbody><tr>{'</tr><tr>'.join(lines)}</tr></tbody>"

    above = f"<caption>{escape(caption)}</caption>" if caption else ""
    below = f'<p class="cnn-note">{escape(note)}</p>' if note else ""
    names = "".join(cell('th scope="col"', name) for name in columns)
    html = (
        f'<div class="cnn-table"><table>{above}<thead><tr>{names}</tr></thead>'
        f"{''.join(body(*group) for group in groups)}</table>{below}</div>"
    )
    words = [caption]
    for title, small, rows in groups:
        words += [f"{title} ({small})" if small else title]
        words += [
            "  " + "; ".join(f"{name}: {text}" for name, text in zip(columns, row, strict=True))
            for row in rows
        ]
    return Shown(html, "\n".join(filter(None, [*words, note])))


def intervals(rows, *, x_label, alt=""):
    """Draw runs, and the interval of one more, as differences from a number that stands at 0.

    Args:
        rows: {name: (differences of the runs, lower end, upper end)}.
        x_label: what differs from what, with units.
        alt: appended to the computed alt text.
    """
    told = {
        name: (_span(low, high), values, (low, high), BLUE if low <= 0 <= high else ORANGE)
        for name, (values, low, high) in rows.items()
    }
    words = "; ".join(
        f"{name}: {len(values)} runs, one more from {_span(low, high)}"
        for name, (values, low, high) in rows.items()
    )
    text = f"{x_label}, with the 95 % prediction interval for one more run. {words}. {alt}"
    rings = "a run, bar: mean, line: 95 % prediction interval for one more"
    return around_zero(told, x_label=f"{x_label}; ring: {rings}", text=text)


def _span(low, high):
    return f"{low:+.2f} to {high:+.2f}".replace("-", "−")
