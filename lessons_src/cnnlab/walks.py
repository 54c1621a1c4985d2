"""Drawings of walks downhill along one direction; those over two are `cnnlab.figures.descent`."""

import numpy as np

from cnnlab.figures import _HALF, INK, ORANGE, SOFT, Picture, _plot

__all__ = ["steps"]


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
