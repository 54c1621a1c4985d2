"""Handwritten digits in other hands: each digit's lines as points, bent, and drawn with a pen.

The live piece digit-pad keeps what a reader draws as points and draws it with a pen of one width.
These are digits of the same kind: MNIST's lines without their width, narrower or wider, aslant,
turned and bent, with what other hands add, drawn with pens of several widths.
"""

import numpy as np

__all__ = ["lines", "varied"]

SIZE, BOX = 28, 20  # pixels: the image, and the square that a digit of MNIST fits into
PEN = 1.2  # half the width of the pen of digit-pad
_AT_ONCE = 2000  # digits, so that memory does not run out


def lines(images):
    """The middle lines of digits, as points.

    Args:
        images: `(N, 28, 28, 1)`, from 0 to 1; each has ink.

    Returns:
        A list of N arrays `(P, 2)`, float32: points (x, y) in pixels, half a pixel apart.
    """
    thin = [_thinned(_doubled(part[..., 0]) > 0.4) for part in _parts(images)]
    return [np.argwhere(one)[:, ::-1].astype(np.float32) / 2 for part in thin for one in part]


def _parts(items):
    return (items[start : start + _AT_ONCE] for start in range(0, len(items), _AT_ONCE))


def _doubled(images):
    """Twice as many rows and columns, the new ones halfway: `(N, 28, 28)` to `(N, 55, 55)`."""
    for axis in (1, 2):
        n = images.shape[axis]
        between = (images.take(range(1, n), axis) + images.take(range(n - 1), axis)) / 2
        images = np.insert(images, range(1, n), between, axis)
    return images


def _thinned(ink):
    """Ink, `(N, H, W)` of bool, made thinner from all sides until lines of one pixel are left.

    T. Y. Zhang and C. Y. Suen, A fast parallel algorithm for thinning digital patterns, 1984.
    """
    ink = np.pad(ink, ((0, 0), (1, 1), (1, 1)))
    around = [(-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1)]  # clockwise
    left = None
    while left != ink.sum():
        left = ink.sum()
        for sides in (((0, 2, 4), (2, 4, 6)), ((0, 2, 6), (0, 4, 6))):
            near = [np.roll(ink, (-row, -column), axis=(1, 2)) for row, column in around]
            count = sum(one.astype(np.int8) for one in near)
            edges = sum(
                (~a & b).astype(np.int8) for a, b in zip(near, near[1:] + near[:1], strict=True)
            )
            goes = (count >= 2) & (count <= 6) & (edges == 1)
            for a, b, c in sides:
                goes &= ~(near[a] & near[b] & near[c])
            ink = ink & ~goes
    return ink[:, 1:-1, 1:-1]


def varied(digits, labels, rng):
    """The same digits once more, each in another hand.

    Args:
        digits: what `lines` gives, N arrays of points.
        labels: `(N,)`, 0 to 9: a hand may slash its zeros and put a bar through its sevens.
        rng: a NumPy random generator; it decides everything.

    Returns:
        `(N, 28, 28, 1)` float32, from 0 to 1: as large as the digits of MNIST, and centred.
    """
    parts = zip(_parts(digits), _parts(labels), strict=True)
    return np.concatenate([_drawn(*_other_hands(*part, rng)) for part in parts])[..., None]


def _bounds(points, of):
    """The least and the largest x and y of each digit's points, `(n, 2)` each."""
    starts = np.flatnonzero(np.diff(of, prepend=-1))
    return np.minimum.reduceat(points, starts), np.maximum.reduceat(points, starts)


def _other_hands(digits, labels, rng):
    """All points `(P, 2)`, the number of the digit `of` each, and each digit's pen."""
    n = len(digits)
    points, of = np.concatenate(digits), np.repeat(np.arange(n), [len(one) for one in digits])

    def some(share):
        return rng.random(n) < share

    # The middle is (0, 0), and the longer side reaches from -1 to 1.
    low, high = _bounds(points, of)
    unit = np.maximum((high - low).max(axis=1, keepdims=True) / 2, 1)
    points = (points - ((low + high) / 2)[of]) / unit[of]
    width, height = ((high - low) / 2 / unit).T

    # What a hand adds: lines, each from a point to another.
    first = np.flatnonzero(np.diff(of, prepend=-1))
    last = np.append(first[1:], len(of)) - 1  # points go from above to below
    (top_x, top_y), (end_x, end_y) = points[first].T, points[last].T
    one, near = (labels == 1) & some(0.45), rng.normal(0, 0.13, (4, 6, n))
    below = rng.uniform(1.15, 1.7, n)
    dot_x, dot_y = rng.uniform(-1.6, 1.6, (2, n))
    added = [
        (0.9 * width, -1.1 * height, -0.9 * width, 1.1 * height, (labels == 0) & some(0.35)),
        (-0.45 * width, 0 * width, 0.75 * width, 0 * width, (labels == 7) & some(0.45)),
        (top_x - 0.7, top_y + 0.5, top_x, top_y, one),
        (end_x - 0.55, end_y, end_x + 0.55, end_y, one & some(0.6)),
        (-0.9, below, 0.9, below, some(0.15)),
        (dot_x, dot_y, dot_x, dot_y, some(0.1)),
    ]
    step = np.linspace(0, 1, 30)[:, None]
    for k, (x0, y0, x1, y1, on) in enumerate(added):
        wobble = near[:, k] * (k < 5)
        x0, y0, x1, y1 = np.stack(np.broadcast_arrays(x0, y0, x1, y1)) + wobble
        new = np.stack([x0 + (x1 - x0) * step, y0 + (y1 - y0) * step], axis=2)[:, on]
        points = np.concatenate([points, new.reshape(-1, 2)])
        of = np.concatenate([of, np.tile(np.flatnonzero(on), len(step))])
    # Some go over all their lines twice.
    again = some(0.15)[of]
    beside = rng.uniform(-0.12, 0.12, (n, 2))
    points = np.concatenate([points, (points + beside[of])[again]])
    of = np.concatenate([of, of[again]])

    for _ in range(2):  # bent in waves
        along, start, far = rng.uniform(-2.5, 2.5, (n, 2)), rng.uniform(0, 6.3, n), rng.normal(0, 0.08, (n, 2))
        wave = np.sin((points * along[of]).sum(axis=1) + start[of])
        points = points + wave[:, None] * far[of]
    # Narrow or wide, aslant, and turned.
    wide = np.where(some(0.35), rng.uniform(0.3, 0.9, n), rng.uniform(0.85, 1.3, n))
    slant, turn = rng.normal(0, 0.25, n), np.deg2rad(rng.normal(0, 15, n).clip(-35, 35))
    x, y = points.T
    x = x * wide[of] - y * slant[of]
    cos, sin = np.cos(turn)[of], np.sin(turn)[of]
    points = np.stack([cos * x - sin * y, sin * x + cos * y], axis=1)

    order = np.argsort(of, kind="stable")
    return points[order], of[order], np.where(some(0.5), PEN, rng.uniform(0.7, 1.7, n))


def _drawn(points, of, pen):
    """Points drawn with round pens: scaled to fit the box, their middle in the image's."""
    low, high = _bounds(points, of)
    scale = (BOX - 2 * pen) / np.maximum((high - low).max(axis=1), 1e-3)
    points = points * scale[of, None]
    middle = np.stack([np.bincount(of, axis) for axis in points.T], axis=1) / np.bincount(of)[:, None]
    points = (points - middle[of] + SIZE / 2).astype(np.float32)
    reach = np.arange(-3, 4)  # pixels around the point that its ink may touch
    pixel = np.floor(points.clip(0, SIZE)).astype(int)[:, None] + reach[:, None]
    (dx, x), (dy, y) = ((pixel[..., k] + np.float32(0.5) - points[:, None, k], pixel[..., k] + 3) for k in (0, 1))
    ink = np.clip(pen.astype(np.float32)[of, None, None] + 0.5 - np.hypot(dx[:, None], dy[:, :, None]), 0, 1)
    side = SIZE + 7
    images = np.zeros(len(pen) * side * side, np.float32)
    np.maximum.at(images, ((of[:, None] * side + y)[:, :, None] * side + x[:, None]).ravel(), ink.ravel())
    return images.reshape(-1, side, side)[:, 3 : 3 + SIZE, 3 : 3 + SIZE]
