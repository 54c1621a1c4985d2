"""Pictures in the house style. Each carries an alt text that is computed, like the picture.

Colours: Okabe and Ito's palette ("Color universal design", 2008) for lines and classes, a
blue-white-red map with white at zero for weights, grey for images.
"""

import io
import textwrap

import numpy as np
from matplotlib import colormaps, rc_context
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from cnnlab.tables import table as table

BLUE, ORANGE, GREEN, PINK, SKY, RED, YELLOW, BLACK = COLOURS = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#CC79A7",
    "#56B4E9",
    "#D55E00",
    "#F0E442",
    "#000000",
)
_STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "figure.facecolor": "white",  # a card of its own, so that it reads in dark mode too
    "savefig.facecolor": "white",
    "legend.frameon": False,
}


def say(text):
    """Display a sentence as Markdown: how the book states a result that a cell has computed."""
    from IPython.display import Markdown, display

    display(Markdown(textwrap.dedent(text).strip()))


class Picture:
    """A figure with its alt text. A notebook shows it; its plain-text form is the alt text."""

    def __init__(self, draw, alt, size):
        """Draw at once: `draw(figure)` fills a Matplotlib figure of `size` inches."""
        with rc_context(_STYLE):
            figure = Figure(figsize=size, layout="constrained")
            draw(figure)
            file = io.BytesIO()
            figure.savefig(file, format="png", dpi=160, metadata={"Software": None})
        self.alt = " ".join(alt.split())
        self.png = file.getvalue()
        self._width = round(size[0] * 96)

    def __repr__(self):
        return self.alt

    def _repr_mimebundle_(self, include=None, exclude=None):
        data = {"image/png": self.png, "text/plain": self.alt}
        return data, {"image/png": {"width": self._width}}


def images(pictures, titles=None, *, columns=10, source="", scale=0.9):
    """Show images in a grid.

    Args:
        pictures: array of shape (N, height, width, channels) or (N, height, width), in [0, 1].
        titles: N short texts, or None.
        columns: images in a row.
        source: where the images come from, for the alt text and below the grid.
        scale: inches a picture is wide.
    """
    pictures = np.asarray(pictures)
    titles = [""] * len(pictures) if titles is None else [str(t) for t in titles]
    rows = -(-len(pictures) // columns)

    def draw(figure):
        axes = figure.subplots(rows, columns, squeeze=False).ravel()
        for axis in axes:
            axis.set_axis_off()
        for axis, picture, title in zip(axes, pictures, titles, strict=False):
            _image(axis, picture)
            axis.set_title(title)
        if source:
            figure.text(0.99, 0.0, source, ha="right", va="bottom", fontsize=8, color="#555555")
            figure.get_layout_engine().set(rect=(0, 0.05, 1, 0.95))

    labels = f", labelled {', '.join(titles)}" if any(titles) else ""
    noun = "image" if len(pictures) == 1 else "images"
    alt = f"{len(pictures)} {noun} from {source or 'this page'}{labels}."
    lines = 1 + max(title.count("\n") for title in titles) if any(titles) else 0
    height = rows * (scale + 0.17 * lines + 0.06) + (0.25 if source else 0)
    return Picture(draw, alt, (columns * scale, height))


def numbers(*matrices, signs=(), mark=()):
    """Show small matrices with the number in every cell: pixels, a kernel, a feature map.

    Args:
        *matrices: (title, matrix of shape (rows, columns)) pairs.
        signs: what stands between neighbours, such as ("*", "=").
        mark: for each matrix None, or (row, column, height, width) of cells to frame.
    """
    shapes_ = [np.shape(matrix) for _, matrix in matrices]
    mark = list(mark) + [None] * (len(matrices) - len(mark))

    def draw(figure):
        axes = figure.subplots(1, len(matrices), width_ratios=[w for _, w in shapes_])
        for i, axis in enumerate(np.atleast_1d(axes)):
            title, matrix = matrices[i]
            matrix = np.asarray(matrix)
            rows, columns = matrix.shape
            peak = np.abs(matrix).max() or 1
            axis.imshow(matrix, cmap="RdBu_r", vmin=-1.6 * peak, vmax=1.6 * peak)
            for (row, column), value in np.ndenumerate(matrix):
                axis.text(column, row, _short(value), ha="center", va="center", fontsize=9)
            axis.set_xticks(np.arange(columns + 1) - 0.5, [])
            axis.set_yticks(np.arange(rows + 1) - 0.5, [])
            axis.grid(color="#999999", linewidth=0.6)
            axis.tick_params(length=0)
            axis.spines[:].set_visible(False)
            axis.set_title(title)
            if mark[i] is not None:
                row, column, height, width = mark[i]
                axis.add_patch(_frame(row, column, height, width))
            if i < len(signs):
                axis.text(
                    columns - 0.5 + max(w for _, w in shapes_) * 0.07,
                    (rows - 1) / 2,
                    signs[i],
                    fontsize=15,
                    va="center",
                    ha="center",
                )
        figure.get_layout_engine().set(wspace=0.14 if signs else 0.06)

    alt = " ".join(
        f"{title}: {'; '.join(' '.join(_short(v) for v in row) for row in np.asarray(matrix))}."
        for title, matrix in matrices
    )
    cells = sum(w for _, w in shapes_) + 1.2 * len(shapes_)
    unit = min(0.42, 8.2 / cells)
    return Picture(draw, alt, (cells * unit, max(h for h, _ in shapes_) * unit + 0.5))


def maps(matrices, titles, *, alt, columns=4, height=2.2, signed=True):
    """Show matrices as pictures: feature maps, kernels, weight matrices.

    Args:
        matrices: arrays of shape (rows, columns).
        titles: one for each.
        alt: what a reader should see in them.
        signed: True colours negative blue, zero white, positive red; False shows grey from the
            smallest (black) to the largest value (white). One for all, or one for each.
    """
    signs = [signed] * len(matrices) if isinstance(signed, bool) else signed
    rows = -(-len(matrices) // columns)

    def draw(figure):
        axes = figure.subplots(rows, min(columns, len(matrices)), squeeze=False).ravel()
        for axis in axes:
            axis.set_axis_off()
        for axis, matrix, title, sign in zip(axes, matrices, titles, signs, strict=False):
            peak = np.abs(matrix).max() or 1
            limits = dict(cmap="RdBu_r", vmin=-peak, vmax=peak) if sign else dict(cmap="gray")
            axis.imshow(matrix, interpolation="nearest", **limits)
            axis.set_axis_on()
            axis.set_xticks([])
            axis.set_yticks([])
            axis.spines[:].set(visible=True, color="#999999", linewidth=0.6)
            axis.set_title(title)

    shape = np.shape(matrices[0])
    width = min(columns, len(matrices)) * max(height * shape[1] / shape[0], 1.2)
    return Picture(draw, alt, (min(width, 9), rows * (height + 0.35)))


def ties(matrices, titles, *, alt, count, height=3.2, blocks=None):
    """Show which weights of a dense matrix are which: one colour a weight, white for none.

    Args:
        matrices: integer arrays as `cnnlab.conv.dense_ties` returns them, -1 for no connection.
        titles: one for each.
        alt: what a reader should see.
        count: for each matrix, how many different weights it has.
        height: inches.
        blocks: (rows, columns) of the blocks to draw lines between, or None.
    """
    # A panel as wide as its matrix; a kernel of a few cells needs little room.
    widths = [min(m.shape[1] / m.shape[0], 1) * (1 if m.size > 25 else 0.3) for m in matrices]

    def draw(figure):
        axes = figure.subplots(1, len(matrices), squeeze=False, width_ratios=widths)[0]
        for axis, matrix, title, weights in zip(axes, matrices, titles, count, strict=True):
            if weights <= 9:
                palette = _NINE
            else:
                palette = colormaps["viridis"](np.linspace(0.05, 0.95, weights))[:, :3]
            shown = np.where(matrix[..., None] >= 0, palette[matrix % weights], 1.0)
            axis.imshow(shown, interpolation="nearest")
            axis.set_xticks([])
            axis.set_yticks([])
            axis.spines[:].set(visible=True, color="#999999", linewidth=0.6)
            axis.set_title(title)
            if blocks:
                for row in range(blocks[0], len(matrix), blocks[0]):
                    axis.axhline(row - 0.5, color="#999999", linewidth=0.8)
                for column in range(blocks[1], matrix.shape[1], blocks[1]):
                    axis.axvline(column - 0.5, color="#999999", linewidth=0.8)

    width = min(8.4, sum(widths) * height + 0.3 * len(matrices))
    return Picture(draw, alt, (max(width, 2.6), height))


_NINE = np.array([to_rgb(code) for code in (*COLOURS[:7], "#7F7F7F", "#000000")])


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
    fine = np.linspace(x.min(), x.max(), 601)

    def draw(figure):
        axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
        for axis, (title, curves_) in zip(axes, panels.items(), strict=True):
            for i, (name, function) in enumerate(curves_.items()):
                style = dict(color=COLOURS[(5, 0, 2)[i % 3]], linestyle=["--", "-", "-."][i % 3])
                axis.plot(fine, function(fine), lw=1.8, label=name, **style)
            axis.plot(x, y, "o", color=BLACK, ms=5)
            axis.set(ylim=window, title=title, xlabel=names[0])
            if curves_:
                axis.legend(loc="lower left")
        axes[0].set_ylabel(names[1])

    told = " ".join(
        f"{title or name}: {name} runs between {function(fine).min():.2g} and "
        f"{function(fine).max():.2g}."
        for title, curves_ in panels.items()
        for name, function in curves_.items()
    )
    text = f"{len(x)} points between {y.min():.2g} and {y.max():.2g}. {told} {alt}"
    return Picture(draw, text, (min(8.6, 4.6 * len(panels)), 3.2))


def curves(series, *, x_label, y_label, x=None, title="", percent=False, alt=""):
    """Draw lines with the spread of several runs.

    Args:
        series: {name: array of shape (runs, points)}; a band shows lowest to highest.
        x_label, y_label: with units.
        x: where the points stand; 1, 2, 3, … if None.
        percent: format the y axis in per cent.
        alt: appended to the computed alt text.
    """
    series = {name: np.atleast_2d(values) for name, values in series.items()}

    def draw(figure):
        axis = figure.subplots()
        _lines(axis, x, series)
        axis.set_xlabel(x_label)
        axis.set_ylabel(y_label)
        axis.set_title(title)
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.grid(axis="y", color="#dddddd", linewidth=0.7)
        axis.legend()
        if percent:
            axis.yaxis.set_major_formatter(PercentFormatter(1))

    form = _form(percent)
    told = "; ".join(
        f"{name} goes from {form(v.mean(axis=0)[0])} to {form(v.mean(axis=0)[-1])}"
        for name, v in series.items()
    )
    return Picture(draw, f"{y_label} against {x_label}: {told}. {alt}", (6.4, 3.4))


def curve_panels(panels, *, y_label, percent=False, alt=""):
    """Draw lines with the spread of several runs in panels side by side, on one y axis.

    Args:
        panels: {x label: (x, {name: array of shape (runs, points)})}; a band shows lowest to
            highest.
        y_label: with units.
        percent: format the y axis in per cent.
        alt: appended to the computed alt text.
    """

    def draw(figure):
        axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
        for axis, (x_label, (x, series)) in zip(axes, panels.items(), strict=True):
            _lines(axis, x, series)
            axis.set_xlabel(x_label)
            axis.grid(axis="y", color="#dddddd", linewidth=0.7)
        axes[0].set_ylabel(y_label)
        if percent:
            axes[0].yaxis.set_major_formatter(PercentFormatter(1))
        if max(len(series) for _, series in panels.values()) > 1:
            axes[0].legend()

    form = _form(percent)
    told = "; ".join(
        f"against {x_label}, {name} goes from {form(v.mean(axis=0)[0])} at {x[0]:g} to "
        f"{form(v.mean(axis=0)[-1])} at {x[-1]:g}, with a lowest point of "
        f"{form(v.mean(axis=0).min())}"
        for x_label, (x, series) in panels.items()
        for name, v in ((n, np.atleast_2d(values)) for n, values in series.items())
    )
    return Picture(draw, f"{y_label}: {told}. {alt}", (8.6, 3.0))


def _form(percent):
    """The function that writes a value."""
    return ("{:.1%}" if percent else "{:.3g}").format


def _lines(axis, x, series):
    """Each series' mean, and a band from its lowest to its highest run."""
    styles = ["-", "--", "-.", ":"]
    for i, (name, values) in enumerate(series.items()):
        values = np.atleast_2d(values)
        at = np.arange(1, values.shape[1] + 1) if x is None else x
        colour, style = COLOURS[i % 7], styles[i % len(styles)]
        axis.plot(at, values.mean(axis=0), style, color=colour, label=name, marker="o", ms=4)
        if len(values) > 1:
            lowest, highest = values.min(axis=0), values.max(axis=0)
            axis.fill_between(at, lowest, highest, color=colour, alpha=0.15, lw=0)


def descent(loss, paths, *, best, window, labels=("w", "b"), alt=""):
    """Show paths on the surface of a loss with two parameters, and how fast each one gets down.

    Left: the loss from above, as contour lines, with the paths; one that goes far out of the window
    is not drawn further. Right: at each step, how far the loss is above its minimum, as a fraction
    of where the first path began.

    Args:
        loss: function of two numbers.
        paths: {name: array of shape (steps + 1, 2)}.
        best: the two parameters at the minimum.
        window: (left, right, bottom, top) of the contour plot.
        labels: names of the two parameters.
        alt: appended to the computed alt text.
    """
    left, right, bottom, top = window
    loss, lowest = np.vectorize(loss), loss(*best)
    paths = {name: np.asarray(path, float) for name, path in paths.items()}
    above = {name: loss(*path.T) - lowest for name, path in paths.items()}
    start = next(iter(above.values()))[0]
    above = {name: np.maximum(values / start, 1e-12) for name, values in above.items()}
    lines, marks = ["-", "--", "-.", ":"], "os^D"

    def inside(path):
        centre = np.array([left + right, bottom + top]) / 2
        out = np.any(np.abs(path - centre) > [right - left, top - bottom], axis=1)
        return path[: out.argmax() + 1] if out.any() else path

    def draw(figure):
        surface, speed = figure.subplots(1, 2, width_ratios=[1.15, 1])
        grid = np.meshgrid(np.linspace(left, right, 160), np.linspace(bottom, top, 160))
        height = loss(*grid) - lowest
        levels = height.max() * np.array([0.0005, 0.002, 0.008, 0.03, 0.08, 0.18, 0.35, 0.6])
        surface.contour(*grid, height, levels, colors="#bbbbbb", linewidths=0.8)
        for i, (name, path) in enumerate(paths.items()):
            style = dict(color=COLOURS[(0, 5, 2, 1)[i % 4]], linestyle=lines[i % 4], label=name)
            surface.plot(*inside(path).T, marker=marks[i % 4], ms=3, lw=1.2, **style)
            speed.plot(above[name], lw=1.8, **style)
        surface.plot(*best, "*", ms=14, color=BLACK)
        surface.set(xlim=(left, right), ylim=(bottom, top), xlabel=labels[0], ylabel=labels[1])
        surface.set_title("the loss from above; the star marks its minimum")
        speed.set_yscale("log")
        speed.set(xlabel="step", title="loss above the minimum; the start is 1")
        highest = min(1e3, 2 * max(map(max, above.values())))
        speed.set_ylim(max(1e-6, 0.5 * min(map(min, above.values()))), highest)
        speed.grid(axis="y", color="#dddddd", linewidth=0.7)
        figure.legend(*speed.get_legend_handles_labels(), loc="outside lower center", ncols=4)

    def told(values):
        end = "less than a millionth" if values[-1] < 1e-6 else f"{values[-1]:.2g}"
        end = "more than 1,000" if values[-1] > 1000 else end
        return f"after {len(values) - 1} steps {end}"

    ends = "; ".join(f"{name}: {told(values)}" for name, values in above.items())
    text = (
        f"Left, contour lines of a loss over {labels[0]} and {labels[1]} with {len(paths)} paths. "
        f"Right, the loss above its minimum, with the start as 1: {ends}. {alt}"
    )
    return Picture(draw, text, (8.6, 4.1))


def bars(panels, *, x_label, percent=False, alt=""):
    """Draw horizontal bars, grouped by label, with their values; several panels side by side.

    Args:
        panels: {title: {series: {label: value}}}; the series are the same in every panel.
        x_label: with units.
        percent: format values in per cent.
        alt: appended to the computed alt text, which names each series' longest bar.
    """

    def form(value):
        small = percent and 0 < value < 0.005
        return "<1%" if small else f"{value:.0%}" if percent else f"{value:.3g}"

    groups = [max(map(len, series.values())) for series in panels.values()]
    count = max(map(len, panels.values()))

    def draw(figure):
        axes = figure.subplots(1, len(panels), squeeze=False)[0]
        for axis, (title, series) in zip(axes, panels.items(), strict=True):
            peak = max(max(values.values()) for values in series.values())
            for i, (name, values) in enumerate(series.items()):
                at = np.arange(len(values)) + (i - (len(series) - 1) / 2) * 0.4
                style = dict(color=COLOURS[i % 7], hatch=["", "///"][i % 2], edgecolor="white")
                drawn = axis.barh(at, values.values(), 0.38, label=name, **style)
                axis.bar_label(drawn, [form(v) for v in values.values()], padding=3)
            axis.set_yticks(range(len(values)), values)
            axis.tick_params(axis="y", length=0)
            axis.invert_yaxis()
            axis.set_xticks([])
            axis.spines["bottom"].set_visible(False)
            axis.set_xlim(0, 1.18 * peak)
            axis.set_xlabel(x_label)
            axis.set_title(title)
        handles, names = axes[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside upper center", ncols=len(names))

    told = " ".join(
        f"{title}: "
        + "; ".join(
            f"{name}, most in {(most := max(values, key=values.get))} ({form(values[most])})"
            for name, values in series.items()
        )
        + "."
        for title, series in panels.items()
    )
    size = (min(8.6, 4.3 * len(panels)), 1.3 + max(groups) * 0.24 * count)
    return Picture(draw, f"Bars, {x_label}. {told} {alt}", size)


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
    series = list(next(iter(results.values())))
    height = 0.34  # inches between two lines of dots

    def told(values):
        mean, low, high = map(form, (values.mean(), values.min(), values.max()))
        return f"{mean} ({low} to {high})" if len(values) > 1 else mean

    results = {
        row: {name: np.asarray(values, float) for name, values in cases.items()}
        for row, cases in results.items()
    }
    counts = sorted({len(v) for cases in results.values() for v in cases.values()})
    each = f"{counts[-1]} runs each" if len(counts) == 1 else f"{counts[0]} to {counts[-1]} values"

    def draw(figure):
        axis = figure.subplots()
        step = len(series) + 0.6
        for i, cases in enumerate(results.values()):
            for j, (name, values) in enumerate(cases.items()):
                at, colour = i * step + j, COLOURS[(0, 5, 2, 1)[j % 4]]
                axis.plot([values.min(), values.max()], [at, at], color=colour, lw=1)
                label = name if i == 0 else None
                dots = dict(marker="os^D"[j % 4], ms=6, mfc="none", ls="none", color=colour)
                axis.plot(values, [at] * len(values), label=label, **dots)
                axis.plot([values.mean()] * 2, [at - 0.33, at + 0.33], color=colour, lw=2.6)
                where = dict(transform=axis.get_yaxis_transform(), va="center", fontsize=9)
                axis.text(1.02, at, told(values), color=colour, **where)
        middle = (len(series) - 1) / 2
        axis.set_yticks([i * step + middle for i in range(len(results))], list(results))
        axis.tick_params(axis="y", length=0)
        axis.set_ylim(len(results) * step - 0.9, -0.8)
        if guess is not None:
            axis.axvline(guess, color="#777777", ls=":", lw=1.2, label="guessing")
        if percent:  # the numbers beside the dots have decimals, the axis needs none: 84%
            axis.xaxis.set_major_formatter(lambda x, _: f"{100 * x:.6g}%")
        axis.set_xlabel(f"{x_label}; {each}, mean (lowest to highest)")
        axis.grid(axis="x", color="#dddddd", linewidth=0.7)
        figure.legend(loc="outside upper center", ncols=4)

    lines = "; ".join(
        f"{row}, {name}: {told(values)}"
        for row, cases in results.items()
        for name, values in cases.items()
    )
    text = f"{x_label}, {each}, as mean (lowest to highest). {lines}. {alt}"
    return Picture(draw, text, (8.2, 1.2 + height * len(results) * (len(series) + 0.6)))


def confusion(truth, predicted, class_names, *, source=""):
    """Show how often each class (row) was taken for each class (column).

    Args:
        truth, predicted: integer labels, shape (N,).
        class_names: names in label order.
        source: where the images come from.
    """
    n = len(class_names)
    counts = np.zeros((n, n), int)
    np.add.at(counts, (np.asarray(truth), np.asarray(predicted)), 1)
    wrong = counts - np.diag(np.diag(counts))
    worst = np.unravel_index(wrong.argmax(), wrong.shape)

    def draw(figure):
        axis = figure.subplots()
        axis.imshow(np.sqrt(wrong), cmap="Oranges", vmin=0, vmax=1.5 * np.sqrt(max(wrong.max(), 1)))
        for (row, column), count in np.ndenumerate(counts):
            if count:
                style = dict(color="#555555") if row == column else dict(weight="bold")
                axis.text(column, row, count, ha="center", va="center", fontsize=8, **style)
        axis.set_xticks(range(n), class_names)
        axis.set_yticks(range(n), class_names)
        axis.tick_params(length=0)
        axis.spines[:].set_visible(False)
        axis.set_xlabel("the network says")
        axis.set_ylabel("it is")
        axis.set_title(source, fontsize=8, color="#555555")

    right = f"{np.trace(counts)} of {counts.sum()} right"
    alt = f"Confusion matrix on {source or 'these images'}: {right}"
    if wrong.any():
        alt += (
            f"; the most frequent mistake, {wrong.max()} times, takes "
            f"{class_names[worst[0]]} for {class_names[worst[1]]}"
        )
    return Picture(draw, alt + ".", (4.8, 4.8))


def _image(axis, picture):
    picture = np.squeeze(picture)
    axis.imshow(picture, cmap="gray", vmin=0, vmax=1, interpolation="nearest")


def _frame(row, column, height, width):
    from matplotlib.patches import Rectangle

    return Rectangle(
        (column - 0.5, row - 0.5), width, height, fill=False, edgecolor=BLACK, linewidth=2.2
    )


def _short(value):
    if isinstance(value, (float, np.floating)):
        value = f"{round(float(value), 2) + 0.0:.2f}".rstrip("0").rstrip(".")
    return str(value).replace("-", "−")
