"""Pictures in the house style. Each carries an alt text that is computed, like the picture.

A picture is HTML: a key, and panels in a grid, which the website wraps on a phone. A plot is drawn
once, for the width of a phone, and scaled up elsewhere; its colours are CSS variables, which the
website sets for light and dark pages (book/_static/pictures.css). Images are shown pixel by pixel.

Colours: those of the live pieces, after Okabe and Ito ("Color universal design", 2008). A signed
number is orange above 0, blue below, and the colour of the paper at 0.
"""

import io
import os
import re
import textwrap
from base64 import b64encode
from dataclasses import dataclass
from html import escape
from math import ceil

import numpy as np
from matplotlib import colormaps, rc_context
from matplotlib.figure import Figure
from matplotlib.patches import Polygon, Rectangle
from matplotlib.ticker import MaxNLocator
from PIL import Image

from cnnlab.network import describe
from cnnlab.tables import MINUS, PLUS, Shown, matrix, side_by_side, tints, written
from cnnlab.tables import numbers as numbers
from cnnlab.tables import say as say
from cnnlab.tables import table as table

INK, SOFT, LINE = "#1b1f24", "#57606a", "#d8dee4"
SERIES = BLUE, ORANGE, GREEN, PINK, _ = "#0072b2", "#b45f00", "#00755a", "#a8477f", INK
_NAMES = {
    INK: "ink", SOFT: "soft", LINE: "line",
    BLUE: "blue", ORANGE: "orange", GREEN: "green", PINK: "pink",
}  # fmt: skip
_DASHES = ("", "6 3", "7 2 1.5 2", "1.5 2")  # in SVG's terms, and so in the key; "" is a whole line
_PHONE, _HALF = 300, 146  # widths in pixels: a small phone's, and of two panels on it
_LARGEST = 1.6  # times as large as on a phone
_STYLE = {
    "figure.dpi": 72,  # so that points are pixels
    "font.family": "DejaVu Sans",  # to lay out; it is wider than what is shown in its place
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.titlecolor": SOFT,
    "axes.labelcolor": SOFT,
    "axes.edgecolor": SOFT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": LINE,
    "grid.linewidth": 0.7,
    "text.color": INK,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "svg.fonttype": "none",  # text stays text
}


class Picture(Shown):
    """A figure of panels with its alt text. A notebook shows it; in words it is the alt text."""

    def __init__(self, panels, alt, *, columns=1, few=1, key="", source=""):
        """
        Args:
            panels: list of `Panel`.
            alt: what the picture shows.
            columns, few: panels in a row, and on a phone.
            key: HTML that says what stands for what, as `_key` makes it.
            source: a short text below.
        """
        alt = " ".join(alt.split())
        columns = min(columns, len(panels))
        width = sum(sorted((p.largest for p in panels), reverse=True)[:columns])
        grid = (
            f"--few: {min(few, columns)}; display: grid; gap: 8px; align-items: end; "
            f"grid-template-columns: repeat({columns}, minmax(0, 1fr)); "
            f"max-width: {width + 8 * (columns - 1)}px"
        )
        # The words stand at the first image, too, for a page that drops the role.
        cells = [p.html(alt if i == 0 else "") for i, p in enumerate(panels)]
        source = f'<div class="cnn-source">{escape(source)}</div>' if source else ""
        html = (
            f'<div class="cnn-figure" role="img" aria-label="{escape(alt)}" '
            f'style="{_CARD}">{key}'
            f'<div class="cnn-panels" style="{grid}">{"".join(cells)}</div>{source}</div>'
        )
        super().__init__(html + _in_words(alt), alt)

    @property
    def alt(self):
        return self.words


def _in_words(alt):
    """The alt text below a figure, for all to open; the website has captions, and leaves it out."""
    if os.environ.get("CNNLAB_SITE"):
        return ""
    return f"\n<details><summary>In words</summary>{escape(alt)}</details>"


# In a notebook, a figure is a white card: its theme is not known there. The website undoes this.
_CARD = f"background: #fff; color: {INK}; padding: 6px; font: 13px/1.3 system-ui, sans-serif"


@dataclass
class Panel:
    """An image in a figure, with a text above it."""

    address: str  # a data URL
    width: int  # in pixels, like the next two
    height: int
    largest: int  # how wide it may be shown
    title: str = ""
    sharp: bool = False  # whether its pixels are to be seen
    bordered: bool = False  # whether it needs a line around it, as it may be the paper's colour

    def html(self, alt):
        style = f"display: block; width: 100%; max-width: {self.largest}px; height: auto"
        if self.sharp:
            style += "; image-rendering: pixelated"
        if self.bordered:
            style += f"; box-sizing: border-box; border: 1px solid {SOFT}"
        title = f'<div style="white-space: pre-line">{escape(self.title)}</div>'
        return (
            f'<div class="cnn-panel">{title if self.title else ""}<img src="{self.address}" '
            f'alt="{escape(alt)}" width="{self.width}" height="{self.height}" '
            f'style="{style}"></div>'
        )


def _plot(draw, width, height, *, title="", salt=""):
    """A panel with what `draw(axis)` plots into it; `salt` makes the names in it unique."""
    with rc_context(_STYLE | {"svg.hashsalt": salt + title}):
        figure = Figure(figsize=(width / 72, height / 72), layout="constrained")
        draw(figure.subplots())
        file = io.StringIO()
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    svg = _tidied(file.getvalue())
    return Panel(_address("svg+xml", svg.encode()), width, height, round(_LARGEST * width), title)


def _tidied(svg):
    """Matplotlib's SVG, shorter, with our colours, and without what would change its page."""
    svg = svg[svg.index("<svg") :]
    for needless in (
        r"<!--.*?-->",
        r"<metadata>.*?</metadata>",
        r"<style.*?</style>",  # it would apply to the whole page
        r' transform="rotate\(-?0 [^"]*"',
        r"(?<=<g) id=\"[^\"]*\"",
        r"(?<=\d)pt(?=\")",
    ):
        svg = re.sub(needless, "", svg, flags=re.DOTALL)
    svg = re.sub(r' (d|x|y|transform)="[^"]*"', _rounded, svg)
    svg = svg.replace("'DejaVu Sans'", "system-ui, sans-serif")
    svg = re.sub("#[0-9a-f]{6}", lambda code: _colour(code[0]), svg)
    svg = svg.replace("<svg", '<svg style="stroke-linejoin: round"', 1)
    return re.sub(r"\s*\n\s*", " ", svg).strip()


def _rounded(places):
    """Places in an SVG to a tenth of a pixel."""
    short = r"\d+\.\d{2,}", lambda number: f"{float(number[0]):.1f}".removesuffix(".0")
    return re.sub(*short, places[0])


def _colour(code):
    """A colour as CSS, for the website to change."""
    return f"var(--cnn-{_NAMES[code]}, {code})" if code in _NAMES else code


def _address(kind, content):
    return f"data:image/{kind};base64,{b64encode(content).decode()}"


def _key(names, draw):
    """The HTML of a key; `draw(i)` is SVG for the i-th name, in a field of 26 by 10."""
    samples = []
    for i, name in enumerate(names):
        svg = (
            '<svg xmlns="http://www.w3.org/2000/svg" width="26" height="10" viewBox="0 0 26 10">'
            f"{draw(i)}</svg>"
        )
        address = _address("svg+xml", svg.encode())
        samples.append(
            '<span style="display: inline-block; margin-right: 14px">'
            f'<img src="{address}" alt="" width="26" height="10"> {escape(str(name))}</span> '
        )
    return f'<div class="cnn-key">{"".join(samples)}</div>'


def _line_key(names):
    """A key of lines, in the order in which `_lines` draws them."""
    return _key(
        names,
        lambda i: (
            f'<path d="M0 5H26" style="fill: none; stroke: {_colour(SERIES[i % 5])}; '
            f'stroke-width: 2; stroke-dasharray: {_DASHES[i % 4] or "none"}"/>'
        ),
    )


def _dash(i):
    """The i-th line's pattern in Matplotlib's terms, for a line 1.8 wide."""
    pattern = [float(part) / 1.8 for part in _DASHES[i % 4].split()]
    return (0, pattern) if pattern else "-"


def _pixels(values, title, largest, *, signed=False, bordered=False):
    """A panel that shows an array: RGB or grey in [0, 1], or signed numbers."""
    values = np.asarray(values, float)
    if signed:
        peak = np.abs(values).max() or 1
        shown = np.zeros((*values.shape, 4))
        shown[..., :3] = np.where(values[..., None] > 0, PLUS, MINUS)
        shown[..., 3] = 255 * np.abs(values) / peak
    else:
        shown = 255 * np.clip(values, 0, 1)
    return _image(shown, title, largest, bordered)


def _image(pixels, title, largest, bordered):
    """A panel that shows pixels: grey, RGB or RGBA, from 0 to 255."""
    file = io.BytesIO()
    Image.fromarray(pixels.round().astype(np.uint8)).save(file, "png", optimize=True)
    height, width = pixels.shape[:2]
    largest = round(largest)
    address = _address("png", file.getvalue())
    return Panel(address, width, height, largest, title, sharp=width < largest, bordered=bordered)


def _few(columns, most):
    """How many of so many columns stand in a row on a phone, so that rows stay rows if possible."""
    divisors = [n for n in range(2, most + 1) if columns % n == 0]
    return max(divisors, default=min(columns, 3))


def _arrays(kind, given, advice, **each):
    """Images or maps as arrays without an only channel; `each` holds what each of them needs."""
    arrays = [np.asarray(one) for one in given]
    arrays = [a[..., 0] if a.ndim == 3 and a.shape[-1] == 1 else a for a in arrays]
    if not arrays:
        raise ValueError(f"There is no {kind} to show: the list of them is empty.")
    for name, values in each.items():
        if len(values) != len(arrays):
            raise ValueError(
                f"{name} must be one for each of the {len(arrays)} {kind}s, got {len(values)}."
            )
    coloured = " or (height, width, 3)" if kind == "image" else ""
    for a in arrays:
        if not a.size or (a.ndim != 2 and not (coloured and a.ndim == 3 and a.shape[-1] == 3)):
            raise ValueError(
                f"Each {kind} must be of shape (height, width){coloured}, got shape {a.shape}. "
                f"{advice}"
            )
    return arrays


def _with_panels(alt, titles):
    """An alt text that names the panels, too, unless it does already."""
    titles = [" ".join(str(title).split()) for title in titles if title != ""]
    named = all(re.search(rf"(?<!\w){re.escape(title)}(?!\w)", alt) for title in titles)
    return alt if named else f"{alt} Panels: {', '.join(titles)}."


def images(pictures, titles=None, *, columns=10, source="", scale=0.9, alt=""):
    """Show images in a grid.

    Args:
        pictures: array of shape (N, height, width, 1 or 3) or (N, height, width), or a list of
            images, in [0, 1]. Noise may lie up to 0.5 outside, and is shown as 0 or 1.
        titles: N short texts, or None.
        columns: images in a row; fewer on a phone.
        source: where the images come from, for the alt text and below the grid.
        scale: inches a picture is wide, at most.
        alt: what a reader should see in them; put before the computed alt text.

    Raises:
        ValueError: for no image, another shape, values out of range, or another number of titles.
    """
    pictures = pictures if hasattr(pictures, "ndim") else list(pictures)
    titles = [""] * len(pictures) if titles is None else [str(t) for t in titles]
    advice = (
        "images takes a list of them, [image] for one; figures.maps shows channels, one by one."
    )
    if getattr(pictures, "ndim", 0) == 3 and pictures.shape[-1] in (1, 3):
        raise ValueError(
            f"Is an array of shape {tuple(pictures.shape)} one image, or several narrow ones? Give "
            f"[image], or list(images). {advice}"
        )
    pictures = _arrays("image", pictures, advice, titles=titles)
    for low, high in ((picture.min(), picture.max()) for picture in pictures):
        if not -0.5 <= low <= high <= 1.5:
            raise ValueError(
                "Images have values between 0 and 1 (noise up to 0.5 outside), but there are "
                f"some from {low:.3g} to {high:.3g}. Bytes become that if you divide by 255."
            )
    panels = [
        _pixels(picture, title, 96 * scale) for picture, title in zip(pictures, titles, strict=True)
    ]
    many, columns = len(panels), min(columns, len(panels))
    kind = "grey" if pictures[0].ndim == 2 else "colour"
    size = " × ".join(map(str, pictures[0].shape[:2]))
    rows = f" in {-(-many // columns)} rows of {columns}" if many > columns else ""
    names = ", ".join(" ".join(title.split()) for title in titles)
    computed = (
        f"{many} {kind} image{'s' * (many > 1)} of {size} pixels{rows}"
        f"{', labelled ' + names if any(titles) else ''}. From {source or 'this page'}."
    )
    return Picture(
        panels, f"{alt} {computed}", columns=columns, few=_few(columns, 5), source=source
    )


def maps(matrices, titles, *, alt, columns=4, height=2.2, signed=True):
    """Show matrices as pictures: feature maps, kernels, weight matrices.

    Args:
        matrices: arrays of shape (rows, columns) or (rows, columns, 1).
        titles: one for each; those that alt does not hold are added to it.
        alt: what a reader should see in them.
        columns: pictures in a row; fewer on a phone.
        height: inches a picture is high, at most.
        signed: True colours positive orange, negative blue, and leaves zero as the paper; False
            shows grey from the smallest (black) to the largest value (white). One for all, or one
            for each.

    Raises:
        ValueError: for no map, another shape, values that are not finite, or another number of
            titles or signs.
    """
    signs = [signed] * len(matrices) if isinstance(signed, bool) else signed
    advice = "maps takes a list of them: [map] for one, np.moveaxis(block, -1, 0) for a block."
    matrices = _arrays("map", matrices, advice, titles=titles, signed=signs)
    panels = []
    for values, title, sign in zip(matrices, titles, signs, strict=True):
        if not np.isfinite(values).all():
            raise ValueError(
                f"The map {title!r} holds numbers that are not finite (nan or inf). Look for what "
                "made them, such as a division by 0 or a training that diverged."
            )
        values = np.asarray(values, float)
        if not sign:
            values = (values - values.min()) / ((values.max() - values.min()) or 1)
        rows, across = values.shape
        largest = 96 * height * across / rows
        panels.append(_pixels(values, title, largest, signed=sign, bordered=True))
    if columns == 5 and len(panels) > 5:
        few = 5  # rows of five stay rows on a phone, too
    else:
        few = _few(min(columns, len(panels)), 4 if len(panels) > 8 else 3)
    return Picture(panels, _with_panels(alt, titles), columns=columns, few=few)


def ties(matrices, titles, *, alt, count, height=3.2, blocks=None):
    """Show which weights of a dense matrix are which: one colour a weight, none where none is.

    Args:
        matrices: integer arrays as `cnnlab.conv.dense_ties` returns them, -1 for no connection.
        titles: one for each; those that alt does not hold are added to it.
        alt: what a reader should see.
        count: for each matrix, how many different weights it has.
        height: inches, at most.
        blocks: (rows, columns) of the blocks to draw lines between, or None.
    """
    panels = []
    for values, title, weights in zip(matrices, titles, count, strict=True):
        if weights <= 9:
            palette = _NINE
        else:
            palette = 255 * colormaps["viridis"](np.linspace(0.05, 0.95, weights))[:, :3]
        shown = np.zeros((*values.shape, 4))
        shown[..., :3] = palette[values % weights]
        shown[..., 3] = np.where(values >= 0, 255, 0)
        rows, columns = values.shape
        if blocks:  # room for lines: each cell becomes 8 by 8 pixels
            shown = shown.repeat(8, axis=0).repeat(8, axis=1)
            shown[8 * blocks[0] :: 8 * blocks[0]] = _GREY
            shown[:, 8 * blocks[1] :: 8 * blocks[1]] = _GREY
        inches = height * min(columns / rows, 1) * (1 if values.size > 25 else 0.3)
        panels.append(_image(shown, title, 96 * inches, True))
    few = _few(len(panels), 3)
    return Picture(panels, _with_panels(alt, titles), columns=len(panels), few=few)


# Okabe and Ito's own colours, with grey and violet: all are seen on white and on black paper. They
# stand side by side, so they need not stand out from the paper as lines must.
_NINE = np.array([
    (0, 114, 178), (230, 159, 0), (0, 158, 115), (204, 121, 167), (86, 180, 233), (213, 94, 0),
    (240, 228, 66), (127, 127, 127), (110, 64, 170),
])  # fmt: skip
_GREY = (140, 149, 159, 255)


def fits(x, y, panels, *, window, names=("", ""), alt=""):
    """Show measured points with curves through them, in panels side by side.

    Args:
        x, y: the points, the same in every panel.
        panels: {title: {name: function}}; functions of an array of places, none for points alone.
        window: (bottom, top) of the y axis; a curve that leaves it is cut off.
        names: what the axes measure.
        alt: appended to the computed alt text.
    """
    x, y = np.asarray(x), np.asarray(y)
    fine = np.linspace(x.min(), x.max(), 301)
    curves_ = {name: None for drawn in panels.values() for name in drawn}

    def plot(drawn):
        def draw(axis):
            for name, function in drawn.items():
                axis.plot(fine, function(fine), **_line(list(curves_).index(name)))
            axis.plot(x, y, "o", color=INK, ms=4)
            axis.set(ylim=window, xlabel=names[0], title=names[1])

        return draw

    told = " ".join(
        f"{title or name}: {name} runs between {function(fine).min():.2g} and "
        f"{function(fine).max():.2g}."
        for title, drawn in panels.items()
        for name, function in drawn.items()
    )
    text = f"{len(x)} points between {y.min():.2g} and {y.max():.2g}. {told} {alt}"
    drawn = [_plot(plot(d), _PHONE, 175, title=t, salt=text) for t, d in panels.items()]
    key = _line_key(curves_) if curves_ else ""
    return Picture(drawn, text, columns=len(panels), key=key)


def curves(series, *, x_label, y_label, x=None, title="", percent=False, ratios=False, alt=""):
    """Draw lines with the spread of several runs.

    Args:
        series: {name: array of shape (runs, points)}; a band shows lowest to highest.
        x_label, y_label: with units.
        x: where the points stand; 1, 2, 3, … if None.
        percent: format the y axis in per cent.
        ratios: equal ratios of x are equally far apart (a logarithmic axis), each point named.
        alt: appended to the computed alt text.

    Raises:
        ValueError: for runs of unequal length.
    """
    series = {name: _runs(name, values) for name, values in series.items()}

    def draw(axis):
        _lines(axis, x, series, percent)
        axis.set(xlabel=x_label, title=y_label)
        if ratios:
            axis.set_xscale("log")
            axis.set_xticks(x, [f"{value:,}" for value in x])
            axis.minorticks_off()
        else:
            axis.xaxis.set_major_locator(MaxNLocator(integer=True))

    form = _form(percent)
    told = "; ".join(
        f"{name} goes from {form(v.mean(axis=0)[0])} to {form(v.mean(axis=0)[-1])}"
        for name, v in series.items()
    )
    text = f"{y_label} against {x_label}: {told}. {alt}"
    panel = _plot(draw, _PHONE, 185, title=title, salt=text)
    return Picture([panel], text, key=_line_key(series))


def curve_panels(panels, *, y_label, percent=False, alt=""):
    """Draw lines with the spread of several runs in panels side by side, on one y axis.

    Args:
        panels: {x label: (x, {name: array of shape (runs, points)})}; a band shows lowest to
            highest.
        y_label: with units.
        percent: format the y axis in per cent.
        alt: appended to the computed alt text.

    Raises:
        ValueError: for runs of unequal length.
    """
    panels = {
        label: (x, {name: _runs(name, values) for name, values in series.items()})
        for label, (x, series) in panels.items()
    }
    every = np.concatenate([v.ravel() for _, series in panels.values() for v in series.values()])
    every = every[np.isfinite(every)]  # a run that diverged has numbers up to there
    low, high = (every.min(), every.max()) if every.size else (0, 1)
    room = 0.05 * (high - low) or 0.05

    def plot(x_label, x, series):
        def draw(axis):
            _lines(axis, x, series, percent)
            axis.set_ylim(low - room, high + room)
            axis.set(xlabel=textwrap.fill(x_label, 24), title=y_label)

        return draw

    form = _form(percent)
    told = "; ".join(
        f"against {x_label}, {name} goes from {form(v.mean(axis=0)[0])} at {x[0]:g} to "
        f"{form(v.mean(axis=0)[-1])} at {x[-1]:g}, with a lowest point of "
        f"{form(np.fmin.reduce(v.mean(axis=0)))}"
        for x_label, (x, series) in panels.items()
        for name, v in series.items()
    )
    text = f"{y_label}: {told}. {alt}"
    drawn = [
        _plot(plot(label, x, series), _HALF, 132, salt=f"{text} {label}")
        for label, (x, series) in panels.items()
    ]
    names = max((list(series) for _, series in panels.values()), key=len)
    key = _line_key(names) if len(names) > 1 else ""
    return Picture(drawn, text, columns=len(panels), few=2, key=key)


def _runs(name, values):
    """A series of `curves`, of shape (runs, points)."""
    try:
        return np.atleast_2d(values)
    except ValueError:
        lengths = ", ".join(str(np.size(run)) for run in values)
        raise ValueError(
            f"The runs of {name!r} must be of one length, got {lengths}. Cut them to the shortest."
        ) from None


def _form(percent):
    """The function that writes a value."""
    form = ("{:.1%}" if percent else "{:.3g}").format
    return lambda value: "no number" if np.isnan(value) else form(value)


def _per_cent(value, _):
    """How an axis writes a share: without decimals that say nothing."""
    return f"{100 * value:.6g}%"


def _line(i):
    """The look of the i-th line."""
    return dict(color=SERIES[i % 5], linestyle=_dash(i), lw=1.8)


def _lines(axis, x, series, percent):
    """Each series' mean, and a band from its lowest to its highest run."""
    for i, values in enumerate(map(np.atleast_2d, series.values())):
        at = np.arange(1, values.shape[1] + 1) if x is None else x
        marker = "o" if values.shape[1] <= 30 else None
        axis.plot(at, values.mean(axis=0), marker=marker, ms=3, **_line(i))
        if len(values) > 1:
            lowest, highest = values.min(axis=0), values.max(axis=0)
            axis.fill_between(at, lowest, highest, color=SERIES[i % 5], alpha=0.15, lw=0)
    axis.grid(axis="y")
    if percent:
        axis.yaxis.set_major_formatter(_per_cent)


def descent(loss, paths, *, best, window, labels=("w", "b"), alt=""):
    """Show paths on the surface of a loss with two parameters, and how fast each one gets down.

    First: the loss from above, as contour lines, with the paths; one that goes far out of the
    window is not drawn further. Second: at each step, how far the loss is above its minimum, as a
    fraction of where the first path began.

    Args:
        loss: function of two numbers.
        paths: {name: array of shape (steps + 1, 2)}.
        best: the two parameters at the minimum.
        window: (left, right, bottom, top) of the contour plot.
        labels: names of the two parameters.
        alt: appended to the computed alt text.

    Raises:
        ValueError: if the first path begins at the minimum.
    """
    left, right, bottom, top = window
    loss, lowest = np.vectorize(loss), loss(*best)
    paths = {name: np.asarray(path, float) for name, path in paths.items()}
    above = {name: loss(*path.T) - lowest for name, path in paths.items()}
    first, (start, *_) = next(iter(above.items()))
    if not start > 0:
        raise ValueError(
            "descent measures the loss from where the first path begins, but "
            f"{first!r} begins no higher than the minimum. Put another path first."
        )
    above = {name: np.maximum(values / start, 1e-12) for name, values in above.items()}

    def inside(path):
        centre = np.array([left + right, bottom + top]) / 2
        out = np.any(np.abs(path - centre) > [right - left, top - bottom], axis=1)
        return path[: out.argmax() + 1] if out.any() else path

    def surface(axis):
        grid = np.meshgrid(np.linspace(left, right, 80), np.linspace(bottom, top, 80))
        height = loss(*grid) - lowest
        levels = height.max() * np.array([0.0005, 0.002, 0.008, 0.03, 0.08, 0.18, 0.35, 0.6])
        axis.contour(*grid, height, levels, colors=SOFT, linewidths=0.5)
        for i, path in enumerate(paths.values()):
            axis.plot(*inside(path).T, marker="o", ms=2, **_line(i) | {"lw": 1.2})
        axis.plot(*best, "*", ms=13, color=INK)
        axis.set(xlim=(left, right), ylim=(bottom, top), xlabel=labels[0], title=labels[1])

    def speed(axis):
        for i, values in enumerate(above.values()):
            axis.plot(values, **_line(i))
        axis.set_yscale("log")
        axis.yaxis.set_major_formatter(
            lambda y, _: np.format_float_positional(float(f"{y:.3g}"), trim="-")  # no 0.0999999
        )
        axis.yaxis.set_minor_formatter("")
        axis.set_xlabel("step")
        highest = min(1e3, 2 * max(map(max, above.values())))
        axis.set_ylim(max(1e-6, 0.5 * min(map(min, above.values()))), highest)
        axis.grid(axis="y")

    def told(values):
        end = "less than a millionth" if values[-1] < 1e-6 else f"{values[-1]:.2g}"
        end = "more than 1,000" if values[-1] > 1000 else end
        return f"after {len(values) - 1} steps {end}"

    ends = "; ".join(f"{name}: {told(values)}" for name, values in above.items())
    text = (
        f"First, contour lines of a loss over {labels[0]} and {labels[1]} with {len(paths)} paths. "
        f"Second, the loss above its minimum, with the start as 1: {ends}. {alt}"
    )
    drawn = [
        _plot(draw, _PHONE, 205, title=title, salt=text)
        for draw, title in [
            (surface, "the loss from above; the star marks its minimum"),
            (speed, "the loss above its minimum; the start is 1"),
        ]
    ]
    return Picture(drawn, text, columns=2, key=_line_key(paths))


def bars(panels, *, x_label, percent=False, alt=""):
    """Draw horizontal bars, grouped by label, with their values; several panels side by side.

    Args:
        panels: {title: {series: {label: value}}}; the series are the same in every panel, the
            labels in every series of a panel.
        x_label: with units.
        percent: format values in per cent.
        alt: appended to the computed alt text, which names each series' longest bar.

    Raises:
        ValueError: if a series has other labels than the first one of its panel.
    """
    for series in panels.values():
        (first, labels), *others = series.items()
        for name, values in others:
            if set(values) != set(labels):
                raise ValueError(
                    f"The series {name!r} has the labels {', '.join(map(str, values))}, but "
                    f"{first!r} has {', '.join(map(str, labels))}. Give both the same."
                )

    def form(value):
        small = percent and 0 < value < 0.005
        return "<1%" if small else f"{value:.0%}" if percent else f"{value:.3g}"

    def plot(series):
        def draw(axis):
            peak = max(max(values.values()) for values in series.values())
            labels, step = list(next(iter(series.values()))), min(0.4, 0.8 / len(series))
            for i, values in enumerate(series.values()):
                values = [values[label] for label in labels]
                at = np.arange(len(values)) + (i - (len(series) - 1) / 2) * step
                drawn = axis.barh(at, values, 0.9 * step, color=SERIES[i % 5])
                axis.bar_label(drawn, [form(v) for v in values], padding=3)
            axis.set_yticks(range(len(labels)), labels)
            axis.tick_params(axis="y", length=0)
            axis.invert_yaxis()
            axis.set_xticks([])
            axis.spines["bottom"].set_visible(False)
            axis.set_xlim(0, 1.18 * peak)
            axis.set_xlabel(x_label)

        return draw

    told = " ".join(
        f"{title}: "
        + "; ".join(
            f"{name}, most in {(most := max(values, key=values.get))} ({form(values[most])})"
            for name, values in series.items()
        )
        + "."
        for title, series in panels.items()
    )
    text = f"Bars, {x_label}. {told} {alt}"
    count = max(map(len, panels.values()))
    drawn = []
    for title, series in panels.items():
        height = 30 + 15 * count * max(map(len, series.values()))
        drawn.append(_plot(plot(series), _PHONE, height, title=title, salt=text))
    names = next(iter(panels.values()))
    key = _key(
        names,
        lambda i: f'<path d="M0 0H26V10H0Z" style="fill: {_colour(SERIES[i % 5])}"/>',
    )
    return Picture(drawn, text, columns=len(panels), key=key if len(names) > 1 else "")


def runs(results, *, x_label, percent=False, guess=None, alt=""):
    """Draw every run as a dot, with a line from lowest to highest and the mean as a bar.

    Args:
        results: {row: {series: values of the runs}}; a row for each model, say, and a colour for
            each case it was tried on. The series are the same in every row.
        x_label: with units.
        percent: format values in per cent.
        guess: where to draw a dotted line for guessing, or None.
        alt: appended to the computed alt text.
    """
    form = _form(percent)

    def told(values):
        mean, low, high = map(form, (values.mean(), values.min(), values.max()))
        return f"{mean} ({low} to {high})" if len(values) > 1 else mean

    results = {
        row: {name: np.asarray(values, float) for name, values in cases.items()}
        for row, cases in results.items()
    }
    counts = sorted({len(v) for cases in results.values() for v in cases.values()})
    each = f"{counts[-1]} runs each" if len(counts) == 1 else f"{counts[0]} to {counts[-1]} values"
    # Above each line of dots stands what it is. Above several of one row, and where there is no
    # room, a line of its own has the name.
    lines = []
    for row, cases in results.items():
        if len(cases) > 1:
            lines.append((row, None, "bold"))
        for i, (name, values) in enumerate(cases.items()):
            name = str(name if len(cases) > 1 else row)
            if len(name) + len(told(values)) > 50:
                lines.append((name, None, "normal"))
                name = ""
            lines.append((name, values, i))
    height = 35  # of a line of dots, in pixels

    def draw(axis):
        at = 0
        where = dict(transform=axis.get_yaxis_transform(), va="bottom")
        for name, values, look in lines:
            if values is None:
                axis.text(0, at - 6 / height, name, weight=look, **where)
                at += 0.6
                continue
            colour = SERIES[look % 5]
            # Above the dots and the bar of the mean, which may lie below either text.
            axis.text(0, at - 9 / height, name, color=colour, **where)
            axis.text(1, at - 9 / height, told(values), ha="right", color=colour, **where)
            axis.plot([values.min(), values.max()], [at, at], color=colour, lw=1)
            axis.plot(values, [at] * len(values), "os^D"[look % 4], ms=5, mfc="none", color=colour)
            axis.plot([values.mean()] * 2, [at - 0.22, at + 0.22], color=colour, lw=2.6)
            at += 1
        axis.set_ylim(at - 0.6, -0.8)
        axis.set_yticks([])
        axis.spines["left"].set_visible(False)
        if guess is not None:
            axis.axvline(guess, color=SOFT, ls=":", lw=1.2)
        if percent:
            axis.xaxis.set_major_formatter(_per_cent)
        axis.set_xlabel(textwrap.fill(f"{x_label}; {each}, mean (lowest to highest)", 50))
        axis.grid(axis="x")

    words = "; ".join(
        f"{row}, {name}: {told(values)}"
        for row, cases in results.items()
        for name, values in cases.items()
    )
    text = f"{x_label}, {each}, as mean (lowest to highest). {words}. {alt}"
    heads = sum(values is None for _, values, _ in lines)
    tall = round(height * (len(lines) - 0.4 * heads) + 45)
    return Picture([_plot(draw, _PHONE, tall, salt=text)], text)


def differences(comparisons, *, x_label, alt=""):
    """Draw comparisons that `cnnlab.comparisons.compare` made, a row each.

    Every seed's difference is a ring; the bar is their mean, the line the 95 % interval of it. A
    line that crosses 0 settles nothing.

    Args:
        comparisons: {name, such as "shared − dense": Comparison}.
        x_label: what is compared, with units.
        alt: appended to the computed alt text.
    """
    count = len(next(iter(comparisons.values())).differences)
    rows = {
        name: (
            str(each).replace("95 % interval ", ""),
            each.differences,
            (each.low, each.high),
            BLUE if each.settled else SOFT,
        )
        for name, each in comparisons.items()
    }
    words = "; ".join(f"{name}: {each}" for name, each in comparisons.items())
    text = f"{x_label}, {count} seeds each. {words}. {alt}"
    rings = f"one of {count} seeds, bar: mean, line: 95 % interval"
    return around_zero(rows, x_label=f"{x_label}; ring: {rings}", text=text)


def around_zero(rows, *, x_label, text):
    """Draw numbers and an interval in each row, seen from a dotted line at 0.

    Args:
        rows: {name: (words below the name, numbers, (low, high), colour)}; a bar is their mean.
        x_label: what they are, with units.
        text: the alt text.
    """
    height = 66  # of a row, in pixels

    def draw(axis):
        where = dict(transform=axis.get_yaxis_transform(), va="bottom")
        for at, (name, (told, values, ends, colour)) in enumerate(rows.items()):
            axis.text(0, at - 0.38, name, color=INK, **where)
            axis.text(0, at - 0.14, told, color=colour, **where)
            axis.plot([0, 0], [at - 0.1, at + 0.34], color=SOFT, lw=1.2, ls=":")
            axis.plot(ends, [at + 0.22] * 2, color=colour, lw=1.6)
            axis.plot([np.mean(values)] * 2, [at + 0.13, at + 0.31], color=colour, lw=2.6)
            axis.plot(values, [at + 0.02] * len(values), "o", ms=5, mfc="none", color=colour)
        axis.set_ylim(len(rows) - 0.55, -0.7)
        axis.set_yticks([])
        axis.spines["left"].set_visible(False)
        axis.set_xlabel(textwrap.fill(x_label, 50))
        axis.grid(axis="x")

    return Picture([_plot(draw, _PHONE, height * len(rows) + 62, salt=text)], text)


def confusion(truth, predicted, class_names, *, source=""):
    """Show how often each class (row) was taken for each class (column).

    Args:
        truth, predicted: integer labels from 0, shape (N,) or (N, 1).
        class_names: names in label order.
        source: where the images come from.

    Raises:
        ValueError: if these are no labels of the classes, or not as many of both.
    """
    n = len(class_names)
    truth, predicted = _labels("truth", truth, n), _labels("predicted", predicted, n)
    if len(truth) != len(predicted):
        raise ValueError(
            f"There are {len(truth)} labels in truth, but {len(predicted)} in predicted. Both "
            "must be of the same images."
        )
    counts = np.zeros((n, n), int)
    np.add.at(counts, (truth, predicted), 1)
    wrong = counts - np.diag(np.diag(counts))
    worst = np.unravel_index(wrong.argmax(), wrong.shape)
    styles = tints(np.sqrt(wrong))
    texts = [[str(count) if count else "" for count in row] for row in counts]
    names = [str(name) for name in class_names]
    title = f"Row: what it is. Column: what the network says. {source}"
    html = matrix(title.strip(), texts, styles, names=names)

    right = f"{np.trace(counts)} of {counts.sum()} right"
    words = f"Confusion matrix on {source or 'these images'}: {right}"
    if wrong.any():
        words += (
            f"; the most frequent mistake, {wrong.max()} times, takes "
            f"{class_names[worst[0]]} for {class_names[worst[1]]}"
        )
    return Shown(side_by_side([html]), words + ".")


def _labels(name, labels, n):
    """Labels of n classes as an array of shape (N,)."""
    labels = np.asarray(labels)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    got = f"{labels.dtype} of shape {labels.shape}"
    if labels.dtype.kind in "iu" and labels.size:
        got += f" from {labels.min()} to {labels.max()}"
        if labels.ndim == 1 and labels.min() >= 0 and labels.max() < n:
            return labels
    raise ValueError(
        f"{name} must be whole numbers from 0 to {n - 1}, one for each image, got {got}. "
        "Probabilities become labels by .argmax(axis=1)."
    )


def architecture(model, *, alt=""):
    """Draw a network from top to bottom, from the model itself: what each layer gives, to scale.

    Feature maps are sheets, one behind the other: a sheet's height and width are the map's rows and
    columns, and where there are at most 50 maps, each has its sheet. A row of values is a bar as
    long as there are values. Layers that change no shape, such as dropout, are only named.

    Args:
        model: a Keras model that `cnnlab.network.describe` can read, one layer after the other.
        alt: appended to the computed alt text, which names every layer and what it gives.

    Raises:
        ValueError: if the model has branches, or gives what is neither maps nor a row of values.
    """
    stages = _stages(model)
    of_maps = [shape for *_, shape in stages if len(shape) == 3]
    side = max((max(shape[:2]) for shape in of_maps), default=1)
    apart = min(5, 84 / max((maps for *_, maps in of_maps), default=1))  # sheets, in pixels
    longest = max((shape[0] for *_, shape in stages if len(shape) == 1), default=1)
    places, at = [], 0  # of each stage: its lines of text, its top and its bottom
    for told, _, shape in stages:
        lines = textwrap.wrap(told, 29)
        high = shape[0] * 40 / side + 0.3 * shape[2] * apart if len(shape) == 3 else 7
        places.append((lines, at, at + max(high, 13 * len(lines) + 16)))
        at = places[-1][-1] + 9

    def sheets(axis, bottom, rows, columns, maps, colour):
        height, width = (max(3, 40 * n / side) for n in (rows, columns))
        step = ceil(maps / 50)  # not every one of many, so that lines stay lines
        back, rise = 0.9 * step * apart, 0.3 * step * apart
        for i in reversed(range(ceil(maps / step))):
            left, low = 2 + i * back, bottom - i * rise
            right, high = left + width, low - height
            if i == 0:
                corners = [(left, low), (left, high), (right, high), (right, low)]
                axis.add_patch(Polygon(corners, fc=colour, alpha=0.35, lw=0))
                line = [*corners, corners[0]]
            else:  # what the sheet in front of it leaves free
                line = [(left, min(low, high + rise)), (left, high), (right, high), (right, low),
                        (max(left, right - back), low)]  # fmt: skip
            axis.plot(*zip(*line, strict=True), color=colour, lw=0.7, solid_joinstyle="miter")

    def draw(axis):
        for (_, colour, shape), (lines, top, bottom) in zip(stages, places, strict=True):
            if len(shape) == 3:
                sheets(axis, bottom, *shape, colour)
            else:
                bar = (2, (top + bottom - 7) / 2), max(2, 116 * shape[0] / longest), 7
                axis.add_patch(Rectangle(*bar, color=colour, lw=0))
            for i, line in enumerate(lines):
                axis.text(128, top + 13 * i, line, va="top", color=colour)
            under = top + 13 * len(lines)
            axis.text(128, under, written(shape), va="top", weight="bold", size=11)
        axis.set(xlim=(0, _PHONE - 6), ylim=(at, 0))
        axis.set_axis_off()

    text = " ".join(f"{told[0].upper()}{told[1:]}: {written(shape)}." for told, _, shape in stages)
    text = f"A network, drawn from top to bottom. {text} {alt}".replace("\u00a0", " ")
    return Picture([_plot(draw, _PHONE, round(at), salt=text)], text)


def _stages(model):
    """What `architecture` draws, [words, colour, shape] each: the image, then every layer that
    convolves, pools, is dense or changes the shape; the others are named with the one before."""
    network = describe(model)
    given = [("its input", "has", network.shape)]
    given += [(repr(layer.name), "gives", layer.shape) for layer in network.layers]
    for name, does, shape in given:
        if len(shape) not in (1, 3):
            raise ValueError(
                "architecture draws maps (rows, columns, maps) and rows of values, but in "
                f"{model.name!r} {name} {does} the shape {shape}."
            )
    stages = [["image" if len(network.shape) == 3 else "input", SOFT, network.shape]]
    for number, layer in enumerate(network.layers):
        if layer.inputs != (number - 1,):
            raise ValueError(
                "architecture draws layers one after the other, but in "
                f"{model.name!r} {layer.name!r} takes another one's output than the last one's."
            )
        plain = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", layer.kind.replace("2D", "")).lower()
        told = _LAYERS.get(layer.kind, plain)
        colours = {"Conv": BLUE, "Pooling": ORANGE, "Dense": GREEN}
        colour = next((c for part, c in colours.items() if part in layer.kind), None)
        if colour is None and layer.shape == layer.input_shapes[0]:
            stages[-1][0] += f", {told}"
        else:
            stages.append([told + _how(layer.settings), colour or SOFT, layer.shape])
    return stages


def _how(settings):
    """The settings of a layer that a diagram names."""
    told = ""
    if window := settings.get("kernel_size") or settings.get("pool_size"):
        told += f" {written(tuple(window))}"
        usual = window if "pool_size" in settings else [1] * len(window)
        if settings["strides"] != usual:
            down, right = settings["strides"]
            told += f", stride {down if down == right else written((down, right))}"
        if settings["padding"] == "same":
            told += ", same"
    activation = settings.get("activation", "linear")
    return told if activation == "linear" else f"{told}, {_LAYERS.get(activation, activation)}"


_LAYERS = {
    "Conv2D": "convolution",
    "Conv2DTranspose": "transposed convolution",
    "DepthwiseConv2D": "depthwise convolution",
    "SeparableConv2D": "separable convolution",
    "GlobalAveragePooling2D": "mean of each map",
    "GlobalMaxPooling2D": "maximum of each map",
    "UpSampling2D": "upsampling",
    "BatchNormalization": "batch norm",
    "ReLU": "ReLU",
    "LeakyReLU": "leaky ReLU",
    "PReLU": "PReLU",
    "ELU": "ELU",
    "relu": "ReLU",
}
