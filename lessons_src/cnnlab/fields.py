"""Receptive fields: what of the image the values of a tensor depend on, layer after layer.

Follows Araujo, Norris and Sim, "Computing receptive fields of convolutional neural networks", 2019.
"""

from dataclasses import dataclass
from math import ceil, inf, prod

import numpy as np

ALL = "all places"
NOTHING = np.iinfo(np.int64).min  # a place that looks at nothing


@dataclass(frozen=True)
class Look:
    """Along one axis: `at`, an integer array (places of the output, looks) of places of the input,
    where those beyond its ends are padding; and how far the looks move on from one place of the
    output to the next."""

    at: np.ndarray
    pace: float = 1

    def __len__(self):
        return len(self.at)


@dataclass(frozen=True)
class Sight:
    """What each value of a tensor sees along one axis of the image.

    `spans`: array (4, ...), 1 long along axes of the tensor that make no difference. The four are
    the first pixel and minus the last one, in the image; then the same if the image went on beyond
    its edges. So the union of two sights is their minimum, and infinity sees nothing.
    `steps`: for each axis of the tensor, how many pixels lie between what neighbours see; 0 if it
        runs over channels, infinity if over places in no even steps, as after flattening.
    """

    spans: np.ndarray
    steps: tuple


def image(shape):
    """The sights of an image, one for its rows and one for its columns; of a vector, one."""
    sights = []
    for axis in range(len(shape) - (len(shape) > 2)):
        pixels = np.arange(shape[axis], dtype=float)
        size = [shape[axis] if a == axis else 1 for a in range(len(shape))]
        spans = np.stack([pixels, -pixels, pixels, -pixels]).reshape(4, *size)
        sights.append(Sight(spans, tuple(float(a == axis) for a in range(len(shape)))))
    return sights


def widths(sights):
    """((rows, columns) that the best value sees, the same beyond the edges)."""
    first, minus_last, free_first, minus_free_last = zip(*(s.spans for s in sights), strict=True)
    seen = [max(0, (1 - f - m).max()) for f, m in zip(first, minus_last, strict=True)]
    free = [max(0, (1 - f - m).max()) for f, m in zip(free_first, minus_free_last, strict=True)]
    return tuple(map(int, seen)), tuple(ceil(n - 1e-6) for n in free)


def look_along(sight, axis, look, n):
    """The sight of values that look along an axis of `n` places at several values, or at all."""
    spans, steps = sight.spans, list(sight.steps)
    step, alike = steps[axis], spans.shape[axis + 1] == 1
    if look is ALL:
        spans = spans.min(axis=axis + 1, keepdims=True)
        if step:  # a look over the whole map ends where the map ends
            spans = np.concatenate([spans[:2], spans[:2]])
        steps[axis] = 0
        return Sight(spans, tuple(steps))
    inside, nothing = look.at.clip(0, n - 1), look.at == NOTHING
    if alike and step == 0 and (inside == look.at).any(axis=1).all():
        return sight  # all see the same, and go on seeing it
    beyond = np.where(nothing, 0, look.at - inside).astype(float)
    looked = np.moveaxis(spans, axis + 1, -1)[..., 0 * inside if alike else inside]
    looked[:2] = np.where(beyond == 0, looked[:2], inf)  # padding is no pixel
    beyond *= step if step < inf else 0
    looked[2] += beyond
    looked[3] -= beyond
    looked = np.where(nothing, inf, looked).min(axis=-1)
    steps[axis] = step and step * look.pace
    return Sight(_once(np.moveaxis(looked, -1, axis + 1), axis), tuple(steps))


def reshaped(sights, before, after):
    """The sights of a tensor whose values are put, one by one, into another shape."""
    pixels = np.arange(before[0])
    if len(sights) < len(after) and before == pixels.shape and (sights[0].spans[0] == pixels).all():
        return image(after)  # a vector becomes the image that it holds
    kept = {
        new: old
        for new, n in enumerate(after)
        for old, m in enumerate(before)
        if n == m and prod(after[:new]) == prod(before[:old])
    }
    result = []
    for sight in sights:
        spans = np.broadcast_to(sight.spans, (4, *before)).reshape(4, *after)
        for axis in range(len(after)):
            spans = _once(spans, axis)
        uneven = [inf if n > 1 else 0 for n in spans.shape[1:]]
        steps = (sight.steps[kept[a]] if a in kept else uneven[a] for a in range(len(after)))
        result.append(Sight(spans, tuple(steps)))
    return result


def _once(spans, axis):
    """One entry along the axis, if all are equal."""
    one = spans.take([0], axis + 1)
    return one if (spans == one).all() else spans


def permuted(sights, order):
    """The sights of a tensor whose axes are put in another order."""
    axes = [0, *(axis + 1 for axis in order)]
    return [Sight(s.spans.transpose(axes), tuple(s.steps[a] for a in order)) for s in sights]


def dropped(sights, count):
    """The sights of a tensor without its first axes, each of length 1."""
    return [Sight(s.spans.reshape(4, *s.spans.shape[1 + count :]), s.steps[count:]) for s in sights]


def joined(branches, rank, axis, lengths):
    """The sights of several tensors that are added or the like; or, if there is an `axis`, put one
    behind the other along it, where they have these lengths. ValueError if they cannot be."""
    if len({len(sights) for sights in branches}) > 1:
        raise ValueError("it joins a vector with an image that is made of it")
    result = []
    for sights in zip(*branches, strict=True):
        shapes = same_rank([s.spans.shape[1:] for s in sights], rank)
        spans = [s.spans.reshape(4, *each) for s, each in zip(sights, shapes, strict=True)]
        steps = same_rank([s.steps for s in sights], rank, 0.0)
        if axis is None:
            seen = np.minimum.reduce(np.broadcast_arrays(*spans))
        else:
            most = np.maximum.reduce(shapes)
            spans = [
                np.broadcast_to(part, (4, *most[:axis], n, *most[axis + 1 :]))
                for part, n in zip(spans, lengths, strict=True)
            ]
            seen = _once(np.concatenate(spans, axis + 1), axis)
        result.append(Sight(seen, tuple(map(max, zip(*steps, strict=True)))))
    return result


def same_rank(shapes, rank=0, fill=1):
    """Shapes with as many axes as the longest, as broadcasting fills them up."""
    rank = max(rank, *map(len, shapes))
    return [(fill,) * (rank - len(shape)) + tuple(shape) for shape in shapes]
