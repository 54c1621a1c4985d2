"""A drawing of remedies against overfitting, one below the other (chapter 10)."""

import textwrap

from cnnlab.figures import (
    _PHONE,
    BLUE,
    INK,
    ORANGE,
    SOFT,
    Picture,
    _colour,
    _key,
    _per_cent,
    _plot,
)

__all__ = ["ladder"]

_HEIGHT = 46  # of a row, in pixels


def ladder(rows, *, alt=""):
    """Show networks in rows: what each reads of its own and of new examples, and what it gained.

    At the left every seed is a ring, and the bar is their mean. At the right are the differences to
    the first row on the new examples: ring, mean, and the line of the 95 % interval.

    Args:
        rows: {name: (accuracy on its own examples, accuracy on new ones, Comparison)}, arrays by
            seed; the first row has None for the comparison with itself.
        alt: appended to the computed alt text.
    """
    seeds = len(next(iter(rows.values()))[0])

    def frame(axis, label):
        axis.set_ylim(len(rows) - 0.5, -0.65)
        axis.set_yticks([])
        axis.spines["left"].set_visible(False)
        axis.set_xlabel(textwrap.fill(label, 50))
        axis.grid(axis="x")

    def heading(axis, at, name, told="", colour=INK):
        where = dict(transform=axis.get_yaxis_transform(), va="bottom")
        axis.text(0, at - 0.12, name, color=INK, **where)
        axis.text(1, at - 0.12, told, color=colour, ha="right", **where)

    def accuracies(axis):
        for at, (name, (own, new, _)) in enumerate(rows.items()):
            heading(axis, at, name, f"{own.mean():.1%}, {new.mean():.1%}")
            axis.plot([own.mean(), new.mean()], [at + 0.16] * 2, color=SOFT, lw=1)
            for values, colour, marker in ((own, ORANGE, "s"), (new, BLUE, "o")):
                axis.plot(values, [at + 0.16] * seeds, marker, ms=5, mfc="none", color=colour)
                axis.plot([values.mean()] * 2, [at + 0.04, at + 0.28], color=colour, lw=2.6)
        axis.xaxis.set_major_formatter(_per_cent)
        frame(
            axis, f"accuracy on its own and on new examples; ring: one of {seeds} seeds, bar: mean"
        )

    def differences(axis):
        axis.axvline(0, color=SOFT, ls=":", lw=1.2)
        for at, (name, (_, _, each)) in enumerate(rows.items()):
            if each is None:
                heading(axis, at, name)
                continue
            colour = BLUE if each.settled else SOFT
            told = f"{each.mean:+.1f} ({each.low:+.1f} to {each.high:+.1f})".replace("-", "−")
            heading(axis, at, name, told, colour)
            axis.plot([each.low, each.high], [at + 0.28] * 2, color=colour, lw=1.6)
            axis.plot([each.mean] * 2, [at + 0.2, at + 0.36], color=colour, lw=2.6)
            axis.plot(each.differences, [at + 0.1] * seeds, "o", ms=5, mfc="none", color=colour)
        first = next(iter(rows))
        frame(
            axis, f"points gained over “{first}” on new examples; line: 95 % interval of the mean"
        )

    words = " ".join(
        f"{name}: {own.mean():.1%} of its own, {new.mean():.1%} of new examples"
        + (f", {each} against the first." if each else ".")
        for name, (own, new, each) in rows.items()
    )
    text = f"{len(rows)} rows of networks, {seeds} seeds each. {words} {alt}"
    tall = _HEIGHT * len(rows) + 62
    panels = [_plot(draw, _PHONE, tall, salt=text) for draw in (accuracies, differences)]
    swatch = '<path d="M0 0H26V10H0Z" style="fill: {}"/>'
    key = _key(
        ["its own examples", "new examples"],
        lambda i: swatch.format(_colour((ORANGE, BLUE)[i])),
    )
    return Picture(panels, text, columns=2, key=key)
