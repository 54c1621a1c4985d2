"""Drawings of walks downhill: along one direction, and where there are several hollows.

Those in one valley are drawn by `cnnlab.figures.descent`.
"""

import numpy as np

from cnnlab.figures import (
    _HALF,
    _PHONE,
    INK,
    ORANGE,
    SERIES,
    SOFT,
    Picture,
    _line,
    _line_key,
    _plot,
)

__all__ = ["hollows", "steps"]


def steps(loss, walks, *, best, window, name="w", alt=""):
    """Show walks on a loss of one parameter, in panels side by side: a dot for each step.

    Args:
        loss: function of an array of places.
        walks: {title: places, the start first}; a walk that leaves the window is cut off there.
        best: the place of the minimum.
        window: (left, right) of the axis.
        name: of the parameter.
        alt: appended to the computed alt text.
    """
    fine = np.linspace(*window, 101)
    walks = {title: np.asarray(places, float) for title, places in walks.items()}

    def plot(places):
        def draw(axis):
            axis.plot(fine, loss(fine), color=SOFT, lw=1)
            axis.plot(places, loss(places), "o-", color=ORANGE, ms=3.5, lw=1)
            axis.plot(places[:1], loss(places[:1]), "o", color=INK, ms=5, mfc="none")
            axis.set(xlim=window, ylim=(-0.05 * loss(fine).max(), loss(fine).max()), xlabel=name)
            axis.set_yticks([])
            axis.spines["left"].set_visible(False)

        return draw

    def told(places):
        shown = ", ".join(f"{place:.2g}" for place in places[:4] - best)
        return f"{shown.replace('-', '−')}{', …' if len(places) > 4 else ''}"

    words = "; ".join(f"{title}: {told(places)}" for title, places in walks.items())
    text = (
        f"{len(walks)} walks on one parabola, each from the same place, a ring. Distances from the "
        f"minimum after 0, 1, 2 and 3 steps: {words}. {alt}"
    )
    drawn = [
        _plot(plot(places), _HALF, 125, title=title, salt=text) for title, places in walks.items()
    ]
    return Picture(drawn, text, columns=len(walks), few=2)


def hollows(loss, paths, *, minima, window, labels=("w", "b"), alt=""):
    """Show paths on a loss with several hollows, from above, with a star at each minimum.

    Args:
        loss: function of two numbers.
        paths: {name: array of shape (steps + 1, 2)}.
        minima: the places of the minima, the lowest first, which gets the full star.
        window: (left, right, bottom, top).
        labels: names of the two parameters.
        alt: appended to the computed alt text.
    """
    left, right, bottom, top = window
    grid = np.meshgrid(np.linspace(left, right, 100), np.linspace(bottom, top, 100))
    heights = np.vectorize(loss)(*grid)
    levels = np.quantile(heights, [0.01, 0.03, 0.06, 0.1, 0.15, 0.21, 0.28, 0.4, 0.55, 0.7, 0.85])
    paths = {name: np.asarray(path, float) for name, path in paths.items()}

    def draw(axis):
        axis.contour(*grid, heights, np.unique(levels), colors=SOFT, linewidths=0.5)
        for i, path in enumerate(paths.values()):
            axis.plot(*path.T, **_line(i))
            axis.plot(*path[0], "o", color=SERIES[i % 5], ms=5, mfc="none")
        for i, place in enumerate(minima):
            axis.plot(*place, "*", ms=13, color=INK, mfc="none" if i else INK)
        axis.set(xlim=(left, right), ylim=(bottom, top), xlabel=labels[0], title=labels[1])

    def told(place):
        return f"{labels[0]} = {place[0]:.2g}, {labels[1]} = {place[1]:.2g}".replace("-", "−")

    ways = "; ".join(
        f"{name}: from {told(path[0])} to {told(path[-1])}" for name, path in paths.items()
    )
    text = (
        f"Contour lines of a loss over {labels[0]} and {labels[1]} with {len(minima)} hollows, and "
        f"{len(paths)} paths. {ways}. {alt}"
    )
    panel = _plot(draw, _PHONE, 215, title="the loss from above", salt=text)
    return Picture([panel], text, key=_line_key(paths))
