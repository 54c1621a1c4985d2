"""An image with an answer at each of many places."""

import numpy as np

from cnnlab.figures import BLUE, ORANGE, Picture, _plot

__all__ = ["labelled"]

_WIDTH = 300  # in pixels


def labelled(image, labels, *, alt):
    """Show a grey image, faint, with texts on it: blue where they are right, else orange in a ring.

    Args:
        image: array of shape (rows, columns), in [0, 1].
        labels: (row, column, text, whether it is right) of each.
        alt: what a reader should see.
    """
    ink = np.full((*image.shape, 4), 0.55)
    ink[..., 3] = 0.6 * np.clip(image, 0, 1)
    rows, columns = image.shape

    def draw(axis):
        axis.imshow(ink, extent=(0, columns, rows, 0))
        for row, column, text, right in labels:
            if not right:
                axis.plot(column, row, "o", ms=11, mfc="none", mec=ORANGE, mew=1.2)
            look = {"color": BLUE if right else ORANGE, "weight": "normal" if right else "bold"}
            axis.text(column, row, text, ha="center", va="center_baseline", fontsize=12, **look)
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(True)  # the page ends there

    return Picture([_plot(draw, _WIDTH, round(_WIDTH * rows / columns) + 6, salt=alt)], alt)
