"""A small network as a drawing: every value on its place, and every slope."""

from cnnlab.figures import BLUE, INK, LINE, ORANGE, SOFT, Picture, _plot

__all__ = ["flow"]

_WIDTH, _HEIGHT = 300, 190  # of a panel, in pixels


def flow(panels, names, *, alt=""):
    """Draw a network of dense layers twice: what flows forwards, and what flows back.

    Args:
        panels: {title: (nodes, edges)}; `nodes` are the numbers of each layer, from the left, and
            `edges` the matrices between them, of shape (from, to). The first panel's arrows point
            to the right, the others' to the left.
        names: of the nodes, in layers like `nodes`.
        alt: appended to the computed alt text.
    """
    told, drawn = [], []
    for i, (title, (nodes, edges)) in enumerate(panels.items()):
        back, colour = i > 0, ORANGE if i else BLUE
        drawn.append(
            _plot(
                lambda axis, n=nodes, e=edges, b=back, c=colour: _draw(axis, names, n, e, b, c),
                _WIDTH,
                _HEIGHT,
                title=title,
                salt=f"{alt}{title}",
            )
        )
        told.append(f"{title}: {_told(names, nodes, edges)}.")
    return Picture(drawn, f"A network as a graph. {' '.join(told)} {alt}", columns=len(panels))


def _told(names, nodes, edges):
    values = [
        f"{name} {_number(value)}"
        for layer, numbers in zip(names, nodes, strict=True)
        for name, value in zip(layer, numbers, strict=True)
    ]
    lines = [
        f"{names[k][a]} to {names[k + 1][b]} {_number(weight)}"
        for k, matrix in enumerate(edges)
        for a, row in enumerate(matrix)
        for b, weight in enumerate(row)
    ]
    return ", ".join(values + lines)


def _number(value):
    return f"{value + 0.0:.3g}".replace("-", "−")


def _places(layers):
    """Where each node stands: layers from left to right, each in the middle of the height."""
    return [
        [(at, (len(layer) - 1) / 2 - i) for i in range(len(layer))]
        for at, layer in enumerate(layers)
    ]


def _draw(axis, names, nodes, edges, back, colour):
    places = _places(nodes)
    for k, matrix in enumerate(edges):
        for a, row in enumerate(matrix):
            for b, weight in enumerate(row):
                (x0, y0), (x1, y1) = places[k][a], places[k + 1][b]
                ends = ((x1, y1), (x0, y0)) if not back else ((x0, y0), (x1, y1))
                axis.annotate(
                    "", *ends,
                    arrowprops=dict(arrowstyle="-|>", color=SOFT, lw=1, shrinkA=19, shrinkB=19),
                )  # fmt: skip
                # Near its beginning, so that the labels of lines that cross stand apart.
                share = 0.36 if y0 != y1 else 0.5
                x, y = x0 + share * (x1 - x0), y0 + share * (y1 - y0)
                below = y1 > y0 and len(row) > 1
                axis.annotate(
                    _number(weight), (x, y), (0, -3 if below else 3), textcoords="offset points",
                    ha="center", va="top" if below else "bottom", color=colour, fontsize=12,
                )  # fmt: skip
    for layer, values, where in zip(names, nodes, places, strict=True):
        for name, value, (x, y) in zip(layer, values, where, strict=True):
            axis.plot(x, y, "o", ms=34, mfc="none", mec=LINE if value == 0 else INK, mew=1.2)
            axis.text(
                x,
                y,
                _number(value),
                ha="center",
                va="center",
                color=colour,
                weight="bold",
                fontsize=12,
            )
            axis.annotate(
                name, (x, y), (0, 20), textcoords="offset points", ha="center", color=SOFT
            )
    tallest = max(map(len, nodes))
    axis.set(xlim=(-0.25, len(nodes) - 0.75), ylim=(-tallest / 2 + 0.2, tallest / 2 + 0.05))
    axis.set_axis_off()
