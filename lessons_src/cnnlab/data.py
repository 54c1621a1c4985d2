"""The images of the course: real data sets where they can be had, built-in ones everywhere else."""

import gzip
import hashlib
import itertools
import os
import pickle
import string
import tarfile
from collections import namedtuple
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np

from cnnlab.shapes import SHAPES, shapes

# The classes of `photographs`, in the order in which photographs.jpg shows them.
PHOTOGRAPHS = (
    "astronaut", "cat", "coffee", "flower", "galaxies", "officer", "pagoda", "raccoon", "retina",
)  # fmt: skip
_TIMEOUT = (10, 30)  # seconds to connect, and from one piece of a file to the next


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Images and labels. Two data sets are equal only if they are the same object.

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

    def __repr__(self):
        return (
            f"Dataset({self.source}: x_train {np.shape(self.x_train)}, "
            f"x_test {np.shape(self.x_test)}, classes {', '.join(map(str, self.class_names))})"
        )


class DataUnavailable(RuntimeError):
    """The full data set cannot be had; the message says why and what to do."""


def load(name, tier=None):
    """Load a data set: from `CNNLAB_DATA`, Keras's cache or a download, else what is built in.

    `CNNLAB_DATA` names a folder with `mnist.npz`, `cifar10.npz` or `fashion_mnist.npz` (arrays
    x_train, y_train, x_test, y_test). `CNNLAB_TIER=sample` asks for the built-in data at once;
    `CNNLAB_TIER=full` refuses to fall back on it. What is downloaded stays in Keras's cache, where
    `keras.datasets` finds it, too: `datasets` in `KERAS_HOME`, or else in `~/.keras`.

    Built in are 5,000 real digits of MNIST (4,000 to train, 1,000 to test; see digits.LICENSE.md)
    and, for the other names, drawings by `shapes` (10,000 and 2,000).

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
    if not isinstance(name, str) or name not in _KNOWN:
        raise ValueError(f'name must be "mnist", "fashion_mnist" or "cifar10", got {name!r}.')
    tier = setting("CNNLAB_TIER") if tier is None else tier
    if not isinstance(tier, str) or tier not in ("", "sample", "full"):
        raise ValueError(f'CNNLAB_TIER, or tier, must be "sample" or "full", got {tier!r}.')
    if tier == "sample":
        return _built_in(name)
    try:
        return _from_folder(name) or _full(name)
    except DataUnavailable as problem:
        if tier == "full":
            raise DataUnavailable(
                f"{problem} The tier is full, which forbids the built-in data. CNNLAB_TIER=sample "
                f"asks for these; or set CNNLAB_DATA to a folder that holds {name}.npz."
            ) from None
        data = _built_in(name)
        print(f"{problem} Using instead: {data.source}.")
        return data


def photographs():
    """Small colour pictures with a question: from which of nine photographs is this patch?

    Each photograph, 288 × 432 pixels, is cut into 54 squares of 48 × 48. Of these, 36 drawn by lot
    are for training and the other 18 for testing, so that no pixel is in both. A square gives nine
    overlapping patches of 32 × 32. In `x_train` stands one square of each photograph after the
    other, 36 times: 81 patches a time. Hold out whole rounds of 81 for validation, such as the last
    729, and never patches by lot: these share pixels with those that are left.

    Patches for testing show other places of the *same* photographs. That is easier than CIFAR-10,
    where they are other photographs.

    Returns:
        Dataset, with 2,916 patches to train and 1,458 to test, the same ones every time. Authors
        and licences stand in photographs.LICENSE.md; name the authors of the flower (vultilion) and
        the pagoda (danielbuechele), CC BY 2.0, where you show patches of them.
    """
    from PIL import Image

    height, width, square = 288, 432, 48
    with Image.open(Path(__file__).with_name("photographs.jpg")) as sheet:
        pixels = np.asarray(sheet)
    rounds, rng = [], np.random.default_rng(0)
    places = list(itertools.product((0, 8, 16), repeat=2))
    for k in range(len(PHOTOGRAPHS)):
        top, left = k // 3 * height, k % 3 * width
        squares = [
            pixels[row : row + square, column : column + square]
            for row in range(top, top + height, square)
            for column in range(left, left + width, square)
        ]
        patches = [
            [each[row : row + 32, column : column + 32] for row, column in places]
            for each in squares
        ]
        rounds.append(np.array(patches)[rng.permutation(len(squares))])
    x = np.stack(rounds, axis=1) / np.float32(255)  # round, photograph, patch, row, column, colour
    y = np.broadcast_to(np.arange(len(PHOTOGRAPHS))[:, None], x.shape[:3])
    x_train, x_test = (part.reshape(-1, 32, 32, 3) for part in (x[:36], x[36:]))
    y_train, y_test = (part.reshape(-1) for part in (y[:36], y[36:]))
    source = "patches of nine photographs, built in"
    return Dataset(x_train, y_train, x_test, y_test, PHOTOGRAPHS, source)


def setting(variable):
    """What an environment variable says, without the quotes and spaces that come with it."""
    return os.environ.get(variable, "").strip(string.whitespace + "\"'")


def _dataset(name, arrays, source):
    """Check the arrays of a real data set and bring them into the course's form."""
    _, class_names, image_shape, *_ = _KNOWN[name]
    x_train, y_train, x_test, y_test = arrays
    parts = []
    for part, x, y in (("train", x_train, y_train), ("test", x_test, y_test)):
        if x.dtype != np.uint8 or x.shape[1:] not in (image_shape, (*image_shape, 1)) or not len(x):
            raise ValueError(
                f"x_{part} must hold uint8 images of shape (N, {', '.join(map(str, image_shape))}),"
                f" not {x.dtype} of shape {x.shape}"
            )
        if y.dtype.kind not in "iu" or y.shape not in ((len(x),), (len(x), 1)):
            raise ValueError(
                f"y_{part} must hold one whole number for each of the {len(x)} images of x_{part}, "
                f"not {y.dtype} of shape {y.shape}"
            )
        if y.min() < 0 or y.max() >= len(class_names):
            raise ValueError(f"y_{part} must hold labels from 0 to {len(class_names) - 1}")
        parts.append((x / np.float32(255)).reshape(len(x), *image_shape[:2], -1))
        parts.append(y.reshape(-1).astype(np.int64))
    return Dataset(*parts, class_names, source)


def own_folder():
    """The folder that `CNNLAB_DATA` names, or None; ValueError if there is no such folder."""
    named = setting("CNNLAB_DATA")
    if not named:
        return None
    folder = os.path.abspath(os.path.expanduser(os.path.expandvars(named)))
    if not os.path.isdir(folder):
        raise ValueError(
            f"CNNLAB_DATA is {named!r}, but {folder} is not a folder. "
            "Correct it, or unset it to let the course find the data."
        )
    return folder


def _from_folder(name):
    """The data set from `CNNLAB_DATA`, or None if that is unset or does not hold this set."""
    folder = own_folder()
    if not folder:
        return None
    file = Path(folder, f"{name}.npz")
    try:
        return _dataset(name, _read_npz(file), f"{_KNOWN[name].title}, from CNNLAB_DATA")
    except FileNotFoundError:
        return None
    except MemoryError:
        raise
    except Exception as problem:  # a damaged file makes NumPy raise nearly anything
        raise ValueError(
            f"{file} is not a usable {_KNOWN[name].title}: {problem}. "
            "Replace the file, or unset CNNLAB_DATA."
        ) from None


def _full(name):
    """The data set from Keras's cache, after a download if need be."""
    known = _KNOWN[name]
    try:
        arrays = known.read(*(_cached(*file) for file in known.files))
        return _dataset(name, arrays, f"{known.title}, the full set")
    except Exception as problem:  # whatever a network, a disk or a memory can do
        words = " ".join(str(problem).split()) or type(problem).__name__
        raise DataUnavailable(f"{known.title} cannot be had now ({words}).") from None


def at_hand(name):
    """Whether the full set can be had without a network (nobody has looked into its files)."""
    folder = Path(os.path.expandvars(setting("CNNLAB_DATA"))).expanduser()
    own = setting("CNNLAB_DATA") and (folder / f"{name}.npz").is_file()
    return bool(own) or all(
        any((_cache_folder() / file).is_file() for file in files)
        for _, _, *files in _KNOWN[name].files
    )


def _cache_folder():
    return Path(os.path.expanduser(os.environ.get("KERAS_HOME") or "~/.keras"), "datasets")


def _cached(url, sha256, *names):
    """The path of a file in Keras's cache, fetched if it is missing there or damaged."""
    folder = _cache_folder()
    for path in (folder / name for name in names):
        if path.is_file():
            with open(path, "rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() == sha256:
                    return path
    import pooch
    import requests

    path, host = folder / names[0], urlsplit(url).hostname
    # As Keras asks: for the file itself, not packed once more for the way.
    settings = dict(timeout=_TIMEOUT, headers={"Accept-Encoding": "identity"})
    try:
        get = pooch.HTTPDownloader(progressbar=True, chunk_size=2**16, **settings)
        pooch.retrieve(url, sha256, path.name, path.parent, downloader=get)
    except requests.RequestException as problem:
        words = f"cannot be reached, or broke off: {type(problem).__name__}"
        if isinstance(problem, requests.HTTPError):
            words = f"answers {problem.response.status_code}"
        elif "timed out" in str(problem):
            words = "does not answer"
        raise OSError(f"{host} {words}") from None
    except ValueError:  # the checksum
        raise OSError(f"{host} sent something else than {path.name}") from None
    return path


def _read_npz(path):
    with np.load(path, allow_pickle=False) as stored:
        return [stored[name] for name in ("x_train", "y_train", "x_test", "y_test")]


def _read_idx(*paths):
    """One file an array: a header with the lengths of its axes, then its bytes."""
    for path in paths:
        with gzip.open(path) as file:
            content = file.read()
        axes = content[3]
        shape = np.frombuffer(content, ">i4", axes, offset=4)
        yield np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape)


def _read_batches(path):
    """CIFAR-10's archive: five pickled batches to train, one to test, colours one by one."""
    with tarfile.open(path) as archive:  # the checksum has said that nobody changed the pickles
        batches = {
            Path(member.name).name: pickle.load(archive.extractfile(member), encoding="bytes")
            for member in archive
            if "_batch" in member.name
        }
    for names in ([f"data_batch_{i}" for i in range(1, 6)], ["test_batch"]):
        x = np.concatenate([batches[name][b"data"] for name in names])
        yield x.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        yield np.concatenate([batches[name][b"labels"] for name in names])


def _built_in(name):
    if name == "mnist":
        arrays = _read_npz(Path(__file__).with_name("digits.npz"))
        return _dataset(name, arrays, "5,000 built-in MNIST digits")
    drawn = _drawings(28, 1) if name == "fashion_mnist" else _drawings(32, 3)
    # Copies: who changes pixels in place must not meet them again after the next `load`.
    copies = [array.copy() for array in drawn]
    return Dataset(*copies, SHAPES, "`shapes`, pictures drawn by cnnlab")


@cache
def _drawings(size, channels):
    settings = dict(size=size, channels=channels)
    return *shapes(10_000, seed=0, **settings), *shapes(2_000, seed=1, **settings)


_Known = namedtuple("_Known", "title class_names image_shape read files")
_KERAS = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
_FASHION = {
    "train-images-idx3": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
    "train-labels-idx1": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
    "t10k-images-idx3": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
    "t10k-labels-idx1": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
}
# `read` makes the four arrays of `files`: each an address, a SHA-256, and names in Keras's cache.
_KNOWN = {
    "mnist": _Known(
        "MNIST", tuple("0123456789"), (28, 28), _read_npz,
        [(_KERAS + "mnist.npz",
          "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1", "mnist.npz")],
    ),
    "fashion_mnist": _Known(
        "Fashion-MNIST",
        ("T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker",
         "bag", "ankle boot"),
        (28, 28), _read_idx,
        [(f"{_KERAS}{name}-ubyte.gz", sha256, f"fashion-mnist/{name}-ubyte.gz")
         for name, sha256 in _FASHION.items()],
    ),
    "cifar10": _Known(
        "CIFAR-10",
        ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
        (32, 32, 3), _read_batches,
        [("https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
          "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
          "cifar-10-batches-py-target_archive", "cifar-10-batches-py.tar.gz")],  # of older Keras
    ),
}  # fmt: skip
NAMES = tuple(_KNOWN)
