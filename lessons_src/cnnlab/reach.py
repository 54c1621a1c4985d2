"""What one value depends on, drawn along one axis: every value at its place above the image."""

from cnnlab.figures import BLUE, LINE, ORANGE, Picture, _plot

__all__ = ["cone"]

_WIDTH, _ROW = 300, 44  # in pixels


def cone(steps, *, alt=""):
    """Draw what one value depends on through windows without padding, from the image downwards.

    Each row of dots is what a step gives, so its dots lie one gap apart; the gap between the first
    two is a line. The first value of the last row is blue, as is everything that it depends on.

    Args:
        steps: (kernel, stride) of each step.
        alt: appended to the computed alt text.
    """
    sees, gap, start, told = 1, 1, 0, ["image, gap 1"]
    rows = [(0, 1)]  # of each row: the place of its first dot, and the gap
    for number, (kernel, stride) in enumerate(steps, 1):
        start, sees = start + (kernel - 1) * gap / 2, sees + (kernel - 1) * gap
        gap *= stride
        rows.append((start, gap))
        told.append(f"step {number}: sees {sees}, gap {gap}")
    counts, inside = [2], [1]  # dots in each row, and those of them that are blue; from the last
    for kernel, stride in reversed(steps):
        counts.insert(0, (counts[0] - 1) * stride + kernel)
        inside.insert(0, (inside[0] - 1) * stride + kernel)

    def draw(axis):
        for at, (first, gap) in enumerate(rows):
            if at:
                kernel, stride = steps[at - 1]
                above, before = rows[at - 1]
                for i in range(inside[at]):
                    for j in range(i * stride, i * stride + kernel):
                        ends = [above + j * before, first + i * gap]
                        axis.plot(ends, [at - 1, at], color=BLUE, lw=0.6, alpha=0.6, zorder=1)
            axis.plot([first, first + gap], [at, at], color=ORANGE, lw=3.5, zorder=2)
            for i in range(counts[at]):
                colour = BLUE if i < inside[at] else LINE
                axis.plot(first + i * gap, at, "o", ms=7, color=colour, zorder=3)
            words = told[at].replace(": ", "\n") if at else told[at].replace(", ", "\n")
            axis.text(counts[0] + 0.2, at, words, va="center", linespacing=1.4)
        axis.set(xlim=(-0.6, counts[0] + 7), ylim=(len(steps) + 0.4, -0.4))
        axis.set_axis_off()

    text = (
        "Rows of dots with lines from each value to those that it reads. "
        f"From the top: {'; '.join(told)}. {alt}"
    )
    return Picture([_plot(draw, _WIDTH, _ROW * len(rows), salt=text)], text)
