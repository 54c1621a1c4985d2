"""Pictures that the course draws itself: one shape each, of ten classes.

Where a shape stands, how large it is and how it is turned can be set. So they measure what a
network has learned, where photographs could only suggest it.
"""

import math

import numpy as np


def shapes(
    n,
    *,
    seed=0,
    size=32,
    channels=3,
    diameter=(0.35, 0.7),
    rows=(0.0, 1.0),
    columns=(0.0, 1.0),
    turn=20.0,
    contrast=(0.35, 1.0),
    clutter=4,
    noise=0.05,
):
    """Draw n pictures, each with one shape of ten classes (named in `SHAPES`).

    The same arguments always draw the same pictures; classes are balanced and in random order.

    Args:
        n: how many pictures, at least 1 and at most 16 GB of them.
        seed: integer that decides everything random, at least 0.
        size: height and width in pixels, from 8 to 1024.
        channels: 3 for colour, 1 for grey.
        diameter: (smallest, largest) extent of the shape as a fraction of the picture, at least
            0.001.
        rows, columns: (from, to) the part of the picture that holds the whole shape, as fractions
            of its height and width: rows=(0, 0.5) keeps shapes in the upper half.
        turn: shapes are turned by up to this many degrees either way, from 0 to 360.
        contrast: (smallest, largest) distance in brightness between shape and background.
        clutter: how many small blobs lie in the background, up to 1,000.
        noise: standard deviation of the noise added to every value, from 0 to 10.

    Returns:
        (images, labels): float32 of shape (n, size, size, channels) in [0, 1]; integers (n,).

    Raises:
        ValueError: if an argument is out of its range, or the largest shape does not fit.
    """
    seed = _number("seed", seed, 0, math.inf, int)
    size = _number("size", size, 8, 1024, int)
    channels = _number("channels", channels, 1, 3, int)
    if channels == 2:
        raise ValueError("channels must be 1 (grey) or 3 (colour), got 2.")
    n = _number("n", n, 1, 2**34 // (4 * size * size * channels), int)
    limits = dict(diameter=diameter, rows=rows, columns=columns, contrast=contrast)
    limits = {name: _fractions(name, value) for name, value in limits.items()}
    room = min(high - low for low, high in (limits["rows"], limits["columns"]))
    if limits["diameter"][0] < 0.001 or limits["diameter"][1] > room + 1e-9:
        raise ValueError(
            f"diameter must lie between 0.001 and {room:g}, the room that rows and columns leave, "
            f"got {diameter!r}."
        )
    limits["turn"] = _number("turn", turn, 0, 360, float)
    clutter = _number("clutter", clutter, 0, 1000, int)
    noise = _number("noise", noise, 0, 10, float)

    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(n) % len(SHAPES))
    images = np.empty((n, size, size, channels), np.float32)
    for start in range(0, n, 50):  # blocks that stay in the processor's cache
        block = slice(start, start + 50)
        images[block] = _draw(rng, labels[block], size, channels, limits, clutter, noise)
    return images, labels


def _number(name, value, low, high, kind):
    """The value as an int or a float, if it is one in these limits. NaN is in no limits."""
    kinds = (int, np.integer) if kind is int else (int, float, np.integer, np.floating)
    if isinstance(value, bool) or not isinstance(value, kinds) or not low <= value <= high:
        what = "whole number" if kind is int else "number"
        limits = f"of at least {low}" if high == math.inf else f"from {low:,} to {high:,}"
        raise ValueError(f"{name} must be a {what} {limits}, got {value!r}.")
    return kind(value)


def _fractions(name, value):
    try:
        low, high = (_number(name, v, 0, 1, float) for v in value)
    except (TypeError, ValueError):
        low, high = 1, 0
    if low > high:
        raise ValueError(f"{name} must be two rising fractions in [0, 1], got {value!r}.")
    return low, high


def _draw(rng, labels, size, channels, limits, clutter, noise):
    n = len(labels)

    def uniform(low, high, *shape):
        return rng.uniform(low, high, (n, *shape)).astype(np.float32)

    pixels = (np.arange(size, dtype=np.float32) + 0.5) / size
    radius = uniform(*limits["diameter"]) / 2
    (top, bottom), (left, right) = limits["rows"], limits["columns"]
    row = top + radius + uniform(0, 1) * (bottom - top - 2 * radius)
    column = left + radius + uniform(0, 1) * (right - left - 2 * radius)

    # Two brightnesses that far apart, either of them the background's, each with a tint.
    step = uniform(*limits["contrast"])
    dark = uniform(0, 1) * (1 - step)
    swap = uniform(0, 1) < 0.5
    tint = uniform(-0.3, 0.3, 2, channels)
    tint -= tint.mean(axis=-1, keepdims=True)  # a tint changes the hue, not the brightness
    ground = (dark + swap * step)[:, None] + tint[:, 0]
    ink = (dark + ~swap * step)[:, None] + tint[:, 1]
    slope = uniform(-0.15, 0.15, 2)
    light = slope[:, :1, None] * (pixels - 0.5)[:, None] + slope[:, 1:, None] * (pixels - 0.5)
    picture = ground[:, None, None] + light[..., None]

    # Blobs are small: each is drawn into a patch around its centre only.
    patch = 2 * int(np.ceil(0.07 * size)) + 1
    picked = np.arange(n)[:, None, None]
    for _ in range(clutter):
        centre = uniform(0, 1, 2) * size
        corner = np.clip(np.round(centre) - patch // 2, 0, size - patch).astype(int)
        y = (corner[:, :1] + np.arange(patch))[:, :, None]
        x = (corner[:, 1:] + np.arange(patch))[:, None, :]
        away = np.hypot(y + 0.5 - centre[:, 0, None, None], x + 0.5 - centre[:, 1, None, None])
        blob = np.clip(0.5 + uniform(0.02, 0.07)[:, None, None] * size - away, 0, 1)[..., None]
        colour = (ground + uniform(-0.5, 0.5, channels))[:, None, None]
        under = picture[picked, y, x]
        picture[picked, y, x] = under + blob.astype(np.float32) * (colour - under)

    # The shape's own axes: u to the right, v down, both in units of its radius.
    angle = np.deg2rad(uniform(-1, 1) * limits["turn"])[:, None, None]
    y = (pixels[:, None] - row[:, None, None]) / radius[:, None, None]
    x = (pixels - column[:, None, None]) / radius[:, None, None]
    u, v = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    outside = np.empty_like(u)
    for label, outline in enumerate(_OUTLINES.values()):
        members = labels == label
        outside[members] = outline(u[members], v[members])
    cover = np.clip(0.5 - outside * radius[:, None, None] * size, 0, 1)[..., None]
    picture += cover * (ink[:, None, None] - picture)
    picture += rng.standard_normal(picture.shape, dtype=np.float32) * np.float32(noise)
    return np.clip(picture, 0, 1)


def _box(u, v, width, height):
    return np.maximum(np.abs(u) - width, np.abs(v) - height)


def _star(u, v):
    around = (np.arctan2(u, -v) * (5 / (2 * np.pi)) + 0.5) % 1 - 0.5  # 0 at each of five points
    return np.hypot(u, v) - (0.95 - 1.1 * np.abs(around))


# Distance outside the outline, about in units of the radius; negative inside. All fit in the disk
# of radius 1, so that a turned shape stays in its place.
_OUTLINES = {
    "disk": lambda u, v: np.hypot(u, v) - 0.85,
    "ring": lambda u, v: np.abs(np.hypot(u, v) - 0.7) - 0.22,
    "square": lambda u, v: _box(u, v, 0.68, 0.68),
    "frame": lambda u, v: np.abs(_box(u, v, 0.5, 0.5)) - 0.18,
    "triangle": lambda u, v: np.maximum(v - 0.5, np.abs(u) * 0.87 - v * 0.5 - 0.47),
    "cross": lambda u, v: np.minimum(_box(u, v, 0.28, 0.92), _box(u, v, 0.92, 0.28)),
    "star": _star,
    "crescent": lambda u, v: np.maximum(np.hypot(u, v) - 0.9, 0.75 - np.hypot(u - 0.5, v)),
    "bars": lambda u, v: np.maximum(np.abs(u) - 0.7, np.abs(np.abs(v) - 0.42) - 0.2),
    "checker": lambda u, v: np.maximum(_box(u, v, 0.68, 0.68), -np.sign(u * v)),
}
SHAPES = tuple(_OUTLINES)
