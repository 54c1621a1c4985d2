"""Drawings of what a window does: stride, padding, and a kernel as deep as its image.

Drawn for the width of a phone, in the colours of `cnnlab.figures`, with real numbers in the cells.
"""

import numpy as np

from cnnlab.figures import (
    _DASHES,
    _LARGEST,
    _PHONE,
    BLUE,
    GREEN,
    INK,
    LINE,
    ORANGE,
    SERIES,
    SOFT,
    Panel,
    Picture,
    _address,
    _colour,
)

__all__ = ["block", "padding", "photograph", "stride"]


def photograph(size=128):
    """A grey photograph of size × size pixels, whole numbers from 0 to 255.

    Rear Admiral Grace Hopper, who wrote one of the first compilers. By the U.S. Navy, in the public
    domain; Matplotlib carries it.
    """
    from matplotlib.cbook import get_sample_data
    from PIL import Image

    with get_sample_data("grace_hopper.jpg") as file:
        picture = Image.open(file).convert("L").crop((0, 0, 512, 512))
    return np.asarray(picture.resize((size, size))).astype(int)


def stride(image, kernel, step):
    """Show where windows lie that move `step` pixels at a time, and the map that they make.

    Args:
        image, kernel: square matrices of whole numbers.
        step: 2 or more.
    """
    n, k, cell = len(image), len(kernel), 22
    starts = range(0, n - k + 1, step)
    result = [[int(np.sum(image[r : r + k, c : c + k] * kernel)) for c in starts] for r in starts]
    places, seen = len(starts), starts[-1] + k
    unseen = [(r, c) for r in range(n) for c in range(n) if max(r, c) >= seen]
    right, large = n * cell + 46, 28  # where the map begins, and its cells
    down = 2 + (n * cell - places * large) / 2
    parts = [_cells(image, 2, 2, cell, lit=True)]
    for r, c in unseen:
        x, y = 2 + c * cell, 2 + r * cell
        parts.append(_line(x, y + cell, x + cell, y, SOFT))
    parts += [_arrow(n * cell + 8, 2 + n * cell / 2), _cells(result, right, down, large)]
    for i, (r, c) in enumerate((r, c) for r in range(places) for c in range(places)):
        inset = 1.5 + 2 * ((r + c) % 2)  # so that neighbours' lines lie side by side
        x, y = 2 + starts[c] * cell, 2 + starts[r] * cell
        parts.append(_frame(x, y, k * cell, inset, i))
        parts.append(_frame(right + c * large, down + r * large, large, 1.5, i))
    never = "" if seen == n else f" No window reaches the last {_many(n - seen)}: struck through."
    lie = "overlap" if step < k else "lie edge to edge" if step == k else "leave gaps"
    frames = f"1 frame of {k} by {k}"
    if places > 1:
        frames = f"{places**2} frames of {k} by {k}, which begin {step} pixels apart and {lie}"
    alt = (
        f"An image of {n} by {n} pixels with {frames}. Beside it a map of {places} by "
        f"{places}, each number framed like its window: {_told(result)}.{never}"
    )
    return _sketch(parts, n * cell + 6, alt)


def padding(image, kernel):
    """Show an image in a ring of zeros, its first and last window, and the map.

    Args:
        image, kernel: square matrices of whole numbers; the kernel's size is odd.
    """
    n, k, cell = len(image), len(kernel), 18
    ring = k // 2
    padded = np.pad(image, ring)
    result = [
        [int(np.sum(padded[r : r + k, c : c + k] * kernel)) for c in range(n)] for r in range(n)
    ]
    wide = n + 2 * ring
    right, large = wide * cell + 28, 20  # where the map begins, and its cells
    down = 2 + (wide * cell - n * large) / 2
    inner = n - k + 1
    parts = [
        _cells(padded, 2, 2, cell, lit=True, faint=ring),
        _box(2 + ring * cell, 2 + ring * cell, n * cell, INK, 1.5),
        _arrow(wide * cell + 5, 2 + wide * cell / 2, 18),
        _cells(result, right, down, large),
        _box(right + ring * large, down + ring * large, inner * large, INK, 1.5),
    ]
    for i, at in enumerate((0, n - 1)):
        parts.append(_frame(2 + at * cell, 2 + at * cell, k * cell, 1.5, i))
        parts.append(_frame(right + at * large, down + at * large, large, 1.5, i))
    alt = (
        f"An image of {n} by {n} pixels in a ring of zeros. Two windows of {k} by {k} hang over "
        f"its border, at the upper left and at the lower right corner. Beside it the map, as large "
        f"as the image: {_told(result)}. A line inside the map encloses the {inner} by {inner} "
        "numbers that there are without the zeros."
    )
    return _sketch(parts, wide * cell + 6, alt)


def block(n, k, names):
    """Show an image with several channels as a block, a kernel as deep, and the map they make.

    Args:
        n, k: pixels along a side of the image, and of the kernel.
        names: of the channels, three at most.
    """
    depth, cell, places = len(names), 13, n - k + 1
    size = f"{depth * k * k} products,"
    left, middle, right = 2, n * cell + 56, (n + k) * cell + 118
    floor = depth * _SLANT + 2 + n * cell  # where the blocks stand
    shown = [
        (left, n, depth, (n - k, k), f"{n} × {n} × {depth}", "image"),
        (middle, k, depth, (0, k), f"{k} × {k} × {depth}", "kernel"),
        (right, places, 1, (places - 1, 1), f"{places} × {places} × 1", "map"),
    ]
    parts = []
    for x, side, deep, marked, label, name in shown:
        colours = _SLICES[:deep] if name != "map" else [SOFT]
        parts += _cuboid(x, floor - side * cell, side, colours, cell, marked)
        parts += [_text(x, floor + 16, label, INK), _text(x, floor + 31, name, SOFT)]
    parts += [
        _text(middle - 23, floor - k * cell / 2 + 4, "∗", INK, 18),
        _text(right - 26, floor - k * cell / 2 + 4, "=", INK, 18),
        _text(middle - 8, 14, size, SOFT),
        _text(middle - 8, 29, "one number", SOFT),
    ]
    for i, name in enumerate(names):
        across = left + 92 * i
        parts.append(
            f'<rect x="{across}" y="{floor + 44}" width="11" height="11" '
            f'style="fill: {_colour(_SLICES[i])}"/>'
        )
        parts.append(_text(across + 16, floor + 54, name, INK))
    alt = (
        f"A block of {n} by {n} by {depth}: the image, in slices {', '.join(names)}. In it a part "
        f"of {k} by {k} is strong, in all {depth} slices. Times a kernel of {k} by {k} by {depth}. "
        f"The result is flat: {places} by {places} numbers, one of them strong: it came out of "
        "the strong part."
    )
    return _sketch(parts, floor + 60, alt)


_SLICES = [ORANGE, GREEN, BLUE]
_SLANT = 8  # pixels that a slice lies further right and up than the one before it


def _cuboid(x, y, side, colours, cell, marked):
    """A block seen from the front, above and the right: one slice of a colour each.

    `marked` is (first column, size) of a part at the top that is strong.
    """
    first, size = marked
    parts = []

    def face(points, colour, strong):
        drawn = " ".join(f"{a:g},{b:g}" for a, b in points)
        parts.append(
            f'<polygon points="{drawn}" style="fill: {_colour(colour)}; fill-opacity: '
            f'{0.85 if strong else 0.22}; stroke: {_colour(SOFT)}; stroke-width: 0.7"/>'
        )

    def inside(column):
        return first <= column < first + size

    for row in range(side):
        for column in range(side):
            a, b = x + column * cell, y + row * cell
            corners = [(a, b), (a + cell, b), (a + cell, b + cell), (a, b + cell)]
            face(corners, colours[0], row < size and inside(column))
    for i, colour in enumerate(colours):
        near, far = i * _SLANT, (i + 1) * _SLANT
        for j in range(side):
            a, b = x + j * cell, x + (j + 1) * cell  # above
            above = [
                (a + near, y - near),
                (b + near, y - near),
                (b + far, y - far),
                (a + far, y - far),
            ]
            face(above, colour, inside(j))
            a, b = y + j * cell, y + (j + 1) * cell  # at the right
            edge = x + side * cell
            beside = [
                (edge + near, a - near),
                (edge + far, a - far),
                (edge + far, b - far),
                (edge + near, b - near),
            ]
            face(beside, colour, j < size and first + size == side)
    return parts


def _sketch(parts, height, alt):
    """A picture of one panel, as wide as a phone."""
    height = int(np.ceil(height))
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_PHONE}" height="{height}" '
        f'viewBox="0 0 {_PHONE} {height}" style="font-family: system-ui, sans-serif">'
        f"{''.join(parts)}</svg>"
    )
    panel = Panel(_address("svg+xml", svg.encode()), _PHONE, height, round(_LARGEST * _PHONE))
    return Picture([panel], alt)


def _cells(values, x, y, cell, *, lit=False, faint=0):
    """A matrix with a number in each cell; `lit` tints what is not 0, `faint` is a ring's width."""
    parts, n = [], len(values)
    for row, numbers in enumerate(np.asarray(values)):
        for column, value in enumerate(numbers):
            outside = not (faint <= row < n - faint and faint <= column < n - faint)
            a, b = x + column * cell, y + row * cell
            fill = f"fill: {_colour(ORANGE)}; fill-opacity: 0.3" if lit and value else "fill: none"
            parts.append(
                f'<rect x="{a:g}" y="{b:g}" width="{cell}" height="{cell}" style="{fill}; '
                f'stroke: {_colour(LINE)}; stroke-width: 1"/>'
            )
            text, colour = str(value).replace("-", "−"), SOFT if outside else INK
            parts.append(_text(a + cell / 2, b + cell / 2 + 4, text, colour, middle=True))
    return "".join(parts)


def _frame(x, y, size, inset, i):
    """The i-th window's frame."""
    dash = _DASHES[i % 4] or "none"
    return _box(x + inset, y + inset, size - 2 * inset, SERIES[i % 4], 2.4, dash)


def _box(x, y, size, colour, width, dash="none"):
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{size:g}" height="{size:g}" style="fill: none; stroke: '
        f'{_colour(colour)}; stroke-width: {width}; stroke-dasharray: {dash}"/>'
    )


def _line(x0, y0, x1, y1, colour):
    return (
        f'<path d="M{x0:g} {y0:g}L{x1:g} {y1:g}" '
        f'style="fill: none; stroke: {_colour(colour)}; stroke-width: 1.5"/>'
    )


def _arrow(x, y, long=30):
    end = x + long
    return (
        f'<path d="M{x:g} {y:g}H{end:g}M{end - 5:g} {y - 5:g}L{end:g} {y:g}L{end - 5:g} {y + 5:g}" '
        f'style="fill: none; stroke: {_colour(INK)}; stroke-width: 1.6"/>'
    )


def _text(x, y, text, colour, size=12, *, middle=False):
    anchor = ' text-anchor="middle"' if middle else ""
    return (
        f'<text x="{x:g}" y="{y:g}"{anchor} style="font-size: {size}px; '
        f'fill: {_colour(colour)}">{text}</text>'
    )


def _told(values):
    return "; ".join(" ".join(str(v).replace("-", "−") for v in row) for row in values)


def _many(count):
    return "row and the last column" if count == 1 else f"{count} rows and the last {count} columns"
