"""A drawing of how many numbers spread, and how that changes: bands of their quantiles.

Drawn for the width of a phone, in the colours of `cnnlab.figures`.
"""

import textwrap

import numpy as np

from cnnlab.figures import _HALF, BLUE, SOFT, Picture, _key, _plot

__all__ = ["fans"]

_BANDS = ((5, 95, 0.2), (25, 75, 0.45))  # per cent from, to, how dark


def fans(panels, *, x_label, y_label, reach, marks=(), alt=""):
    """Show how numbers spread in panels side by side: the middle half dark, nine tenths light.

    Args:
        panels: {title: array of shape (points, numbers)}; a column of the panel for each point.
        x_label, y_label: with units.
        reach: the y axis goes from -reach to reach; what is beyond is cut off.
        marks: heights at which to draw a dotted line.
        alt: appended to the computed alt text.
    """

    def plot(values):
        at = np.arange(1, len(values) + 1)

        def draw(axis):
            for low, high, strength in _BANDS:
                edges = np.clip(np.percentile(values, (low, high), axis=1), -2 * reach, 2 * reach)
                axis.fill_between(at, *edges, color=BLUE, alpha=strength, lw=0)
            for mark in marks:
                axis.axhline(mark, color=SOFT, ls=":", lw=1.2)
            axis.set(ylim=(-reach, reach), xlabel=x_label, title=textwrap.fill(y_label, 26))

        return draw

    def half(values):
        low, high = np.percentile(values, (25, 75))
        return f"{low:.2g} to {high:.2g}".replace("-", "−")

    panels = {title: np.asarray(values, float) for title, values in panels.items()}
    told = "; ".join(
        f"{title}: {half(values[0])} at first, {half(values[-1])} at last"
        for title, values in panels.items()
    )
    text = f"{y_label} against {x_label}. The middle half of the values lies, {told}. {alt}"
    drawn = [_plot(plot(v), _HALF, 125, title=title, salt=text) for title, v in panels.items()]
    key = _key(
        ["the middle half", "nine tenths"],
        lambda i: f'<path d="M0 0H26V10H0Z" style="fill: {BLUE}; opacity: {(0.55, 0.2)[i]}"/>',
    )
    return Picture(drawn, text, columns=2, few=2, key=key)
