"""Handwritten digits in other hands: each digit's lines as points, bent, and drawn with a pen.

The live piece digit-pad keeps what a reader draws as points and draws it with a pen of one width.
`varied` makes digits of the same kind from MNIST's: their lines without their width, narrower or
wider, slanted, turned and bent, with what other hands add, drawn with pens of several widths.

Inside, the digits of a part lie in two arrays: `points` (P, 2), each an x and a y, and `of` (P,),
the number of the digit that it belongs to, in ascending order.
"""

import numpy as np

__all__ = ["lines", "varied"]

SIZE, BOX = 28, 20  # pixels: the image, and the square that a digit of MNIST fits into
PEN = 1.2  # half the width of digit-pad's pen, in pixels
_AT_ONCE = 2000  # digits, so that memory does not run out


def lines(images):
    """The middle lines of digits, as points.

    Args:
        images: `(N, 28, 28, 1)`, from 0 to 1, none without ink.

    Returns:
        A list of N arrays `(P, 2)`, float32: points (x, y) in pixels, about half a pixel apart.
    """
    thin = [_thinned(_doubled(part[..., 0]) > 0.4) for part in _parts(images)]
    return [np.argwhere(one)[:, ::-1].astype(np.float32) / 2 for part in thin for one in part]


def _parts(items):
    return (items[start : start + _AT_ONCE] for start in range(0, len(items), _AT_ONCE))


def _doubled(images):
    """Twice as many rows and columns, the new ones between: `(N, 28, 28)` to `(N, 55, 55)`."""
    for axis in (1, 2):
        n = images.shape[axis]
        between = (images.take(range(1, n), axis) + images.take(range(n - 1), axis)) / 2
        images = np.insert(images, range(1, n), between, axis)
    return images


# The eight pixels around one, clockwise from above: (row, column).
_AROUND = [(-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1)]


def _goes(*sides):
    """For each of the 256 ways to ink the pixels around one: may this one go, from these sides?"""
    near = np.arange(256)[:, None] >> np.arange(8) & 1
    edges = ((near == 0) & (np.roll(near, -1, axis=1) == 1)).sum(axis=1)  # from paper to ink
    open_ = [(near[:, side] == 0).any(axis=1) for side in sides]
    return (near.sum(axis=1) >= 2) & (near.sum(axis=1) <= 6) & (edges == 1) & open_[0] & open_[1]


_TURNS = _goes([0, 2, 4], [2, 4, 6]), _goes([0, 2, 6], [0, 4, 6])


def _thinned(ink):
    """Ink, `(N, H, W)` of bool, made thinner from all sides until lines of one pixel are left.

    T. Y. Zhang and C. Y. Suen, A fast parallel algorithm for thinning digital patterns, 1984.
    """
    height, width = ink.shape[1:]
    framed = np.pad(ink, ((0, 0), (1, 1), (1, 1))).astype(np.uint8)
    ink = framed[:, 1:-1, 1:-1]
    before = None
    while before != ink.sum():
        before = ink.sum()
        for goes in _TURNS:
            near = np.zeros_like(ink)
            for k, (row, column) in enumerate(_AROUND):
                near |= framed[:, 1 + row :, 1 + column :][:, :height, :width] << k
            ink &= ~goes[near]
    return ink == 1


def varied(digits, labels, rng, **hands):
    """The same digits once more, each in another hand.

    Args:
        digits: what `lines` gives, N arrays of points.
        labels: `(N,)`, 0 to 9.
        rng: a NumPy random generator; it decides everything.
        **hands: what hands there are. Shares of the digits, from 0 to 1, are: `narrow` (written
            30 to 90 % as wide), `twice` (every line drawn twice), `underline`, `speck`; of the
            zeros `slash`; of the sevens `bar`; of the ones `upstroke`, and of these `foot`.
            Standard deviations are `slant` (sideways per height), `turn` (degrees), `bend` (of the
            digit's half height). Half the digits are drawn with digit-pad's pen, the others with
            pens whose half widths lie between the two of `pens`, in pixels, at most 2.

    Returns:
        `(N, 28, 28, 1)` float32, from 0 to 1: as large as the digits of MNIST, and centred.
    """
    images = []
    for digits_, labels_ in zip(_parts(digits), _parts(labels), strict=True):
        n = len(digits_)
        points, of = np.concatenate(digits_), np.repeat(np.arange(n), [len(d) for d in digits_])
        points, of = _added(*_unit(points, of), labels_, rng, **hands)
        points = _written(_bent(points, of, rng, hands["bend"]), of, labels_, rng, **hands)
        pen = np.where(rng.random(n) < 0.5, PEN, rng.uniform(*hands["pens"], n))
        images.append(_drawn(points, of, pen))
    return np.concatenate(images)[..., None]


def _bounds(points, of):
    """The least and the largest x and y of each digit's points, `(N, 2)` each."""
    starts = np.flatnonzero(np.diff(of, prepend=-1))
    return np.minimum.reduceat(points, starts), np.maximum.reduceat(points, starts)


def _unit(points, of):
    """The middle of each digit at (0, 0), its longer side from -1 to 1."""
    low, high = _bounds(points, of)
    half = np.maximum((high - low).max(axis=1, keepdims=True) / 2, 1)
    return (points - ((low + high) / 2)[of]) / half[of], of


def _added(
    points, of, labels, rng, *, slash, bar, upstroke, foot, underline, speck, twice, **others
):
    """What hands add: lines, each from one place to another, and every line once more."""
    n, first = len(labels), np.flatnonzero(np.diff(of, prepend=-1))
    last = np.append(first[1:], len(of)) - 1  # a digit's points go from above to below
    (top_x, top_y), (end_x, end_y) = points[first].T, points[last].T
    width, height = _bounds(points, of)[1].T

    def some(share):
        return rng.random(n) < share

    below, (dot_x, dot_y) = rng.uniform(1.15, 1.7, n), rng.uniform(-1.6, 1.6, (2, n))
    up = (labels == 1) & some(upstroke)
    new = [  # where from, where to, which digits, how unsteady
        (0.9 * width, -1.1 * height, -0.9 * width, 1.1 * height, (labels == 0) & some(slash), 0.13),
        (-0.45 * width, 0, 0.75 * width, 0, (labels == 7) & some(bar), 0.13),
        (top_x - 0.7, top_y + 0.5, top_x, top_y, up, 0.13),
        (end_x - 0.55, end_y, end_x + 0.55, end_y, up & some(foot), 0.13),
        (-0.9, below, 0.9, below, some(underline), 0.13),
        (dot_x, dot_y, dot_x, dot_y, some(speck), 0),
    ]
    along = np.linspace(0, 1, 30)[:, None]
    for *ends, on, unsteady in new:
        ends = np.stack(np.broadcast_arrays(*ends, top_x)[:4]) + rng.normal(0, unsteady, (4, n))
        x0, y0, x1, y1 = ends[:, on]
        line = np.stack([x0 + (x1 - x0) * along, y0 + (y1 - y0) * along], axis=2)
        points = np.concatenate([points, line.reshape(-1, 2)])
        of = np.concatenate([of, np.tile(np.flatnonzero(on), len(along))])
    again, beside = some(twice)[of], rng.uniform(-0.12, 0.12, (n, 2))
    points = np.concatenate([points, (points + beside[of])[again]])
    of = np.concatenate([of, of[again]])
    order = np.argsort(of, kind="stable")
    return points[order], of[order]


def _bent(points, of, rng, bend):
    """Bent in two waves."""
    n = of[-1] + 1
    for _ in range(2):
        along, start = rng.uniform(-2.5, 2.5, (n, 2)), rng.uniform(0, 2 * np.pi, n)
        wave = np.sin((points * along[of]).sum(axis=1) + start[of])
        points = points + wave[:, None] * rng.normal(0, bend, (n, 2))[of]
    return points


def _written(points, of, labels, rng, *, narrow, slant, turn, **others):
    """Narrow or wide, slanted, and turned clockwise or back."""
    n = len(labels)
    wide = np.where(rng.random(n) < narrow, rng.uniform(0.3, 0.9, n), rng.uniform(0.85, 1.3, n))
    low, high = _bounds(points, of)
    width, height = (high - low).T
    wide = np.where(labels == 1, wide, np.maximum(wide, 0.3 * height / width))  # to be readable
    x = points[:, 0] * wide[of] - points[:, 1] * rng.normal(0, slant, n)[of]
    angle = np.deg2rad(rng.normal(0, turn, n).clip(-35, 35))[of]
    y, cos, sin = points[:, 1], np.cos(angle), np.sin(angle)
    return np.stack([cos * x - sin * y, sin * x + cos * y], axis=1)


def _drawn(points, of, pen):
    """Points drawn with round pens: scaled to fit the box, their middle at MNIST's.

    Each point inks the pixels around it; where two do, the stronger counts.
    """
    low, high = _bounds(points, of)
    points = points * ((BOX - 2 * pen) / np.maximum((high - low).max(axis=1), 1e-3))[of, None]
    middle = np.stack([np.bincount(of, v) / np.bincount(of) for v in points.T], axis=1)
    points = (points - middle[of] + SIZE / 2 + 0.5).astype(np.float32)
    reach, far = 2, 2 + SIZE + 3  # pixels; a margin takes what falls off
    near = np.arange(-reach, reach + 1)
    pixel = np.floor(points.clip(0, SIZE)).astype(int)[:, None] + near[:, None]  # (P, 5, 2)
    away = pixel + np.float32(0.5) - points[:, None]
    distance = np.hypot(away[:, None, :, 0], away[:, :, None, 1])  # (P, 5 rows, 5 columns)
    ink = np.clip(pen.astype(np.float32)[of, None, None] + 0.5 - distance, 0, 1)
    column, row = pixel[:, None, :, 0] + reach, pixel[:, :, None, 1] + reach
    images = np.zeros((len(pen), far, far), np.float32)
    place = (of[:, None, None] * far + row) * far + column
    np.maximum.at(images.reshape(-1), place.ravel(), ink.ravel())
    return images[:, reach : reach + SIZE, reach : reach + SIZE]
