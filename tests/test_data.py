"""The data: drawings by `shapes`, the loader in all its tiers, and every fault a network can have.

Faults are real ones: a local server (or none) stands where the hosts would be. Only the addresses
and the checksums of the files are changed, since the real files are not ours to keep here.
"""

import gzip
import hashlib
import http.server
import importlib
import io
import itertools
import os
import pickle
import socket
import subprocess
import sys
import tarfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cnnlab.data
import numpy as np
import pytest
from cnnlab.data import (
    PHOTOGRAPHS,
    SHAPES,
    Dataset,
    DataUnavailable,
    load,
    photographs,
    shapes,
)
from PIL import Image

NAMES = ("mnist", "fashion_mnist", "cifar10")


# Drawings


def test_the_same_arguments_draw_the_same_pictures():
    first, second = shapes(60, seed=3), shapes(60, seed=3)
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])


def test_another_seed_draws_other_pictures():
    (images, labels), (others, other_labels) = shapes(60, seed=3), shapes(60, seed=4)
    assert np.abs(images - others).mean() > 0.05
    assert not np.array_equal(labels, other_labels)


def test_global_seeds_have_no_influence():
    np.random.seed(0)
    first = shapes(10, seed=3)[0]
    np.random.seed(1)
    np.testing.assert_array_equal(first, shapes(10, seed=3)[0])


@pytest.mark.parametrize(("size", "channels"), [(32, 3), (28, 1), (8, 1), (64, 3)])
def test_pictures_are_float32_between_0_and_1(size, channels):
    images, labels = shapes(55, size=size, channels=channels, noise=0.5)
    assert images.shape == (55, size, size, channels) and images.dtype == np.float32
    assert labels.shape == (55,) and labels.dtype.kind == "i"
    assert images.min() == 0 and images.max() == 1
    assert np.isfinite(images).all()


@pytest.mark.parametrize("n", [1, 9, 100, 137])
def test_classes_are_balanced_and_mixed(n):
    labels = shapes(n)[1]
    counts = np.bincount(labels, minlength=len(SHAPES))
    assert counts.sum() == n and counts.max() - counts.min() <= 1
    if n >= 100:
        assert len(set(labels[:20])) > 5 and not np.array_equal(labels, np.sort(labels))


PLAIN = dict(clutter=0, noise=0.0, channels=1)


def inked(images):
    """Where a plain picture differs from its own background, a smooth slope of brightness.

    The slope is fitted to the outermost pixels, which no shape reaches in these tests.
    """
    n, size = images.shape[:2]
    row, column = np.meshgrid(*[(np.arange(size) + 0.5) / size - 0.5] * 2, indexing="ij")
    plane = np.stack([np.ones_like(row), row, column], axis=-1)
    edge = np.zeros((size, size), bool)
    edge[[0, -1]] = edge[:, [0, -1]] = True
    pixels = images[..., 0].reshape(n, -1).T
    fit = np.linalg.lstsq(plane[edge], pixels[edge.ravel()], rcond=None)[0]
    return np.abs(pixels.T - (plane.reshape(-1, 3) @ fit).T).reshape(n, size, size) > 0.02


# Colours well inside [0, 1] are never cut off, so that the background is the slope exactly.
CLEAR = PLAIN | dict(contrast=(0.3, 0.3), size=40)


def unclipped(images):
    return images[(images.min(axis=(1, 2, 3)) > 0) & (images.max(axis=(1, 2, 3)) < 1)]


@pytest.mark.parametrize(
    ("place", "allowed"),
    [
        (dict(rows=(0.05, 0.5)), np.s_[:20, :]),
        (dict(rows=(0.5, 0.95)), np.s_[20:, :]),
        (dict(columns=(0.05, 0.5)), np.s_[:, :20]),
        (dict(columns=(0.5, 0.95)), np.s_[:, 20:]),
        (dict(rows=(0.5, 0.95), columns=(0.05, 0.5)), np.s_[20:, :20]),
    ],
)
def test_shapes_stay_in_their_part_of_the_picture(place, allowed):
    place = dict(rows=(0.05, 0.95), columns=(0.05, 0.95)) | place
    images = unclipped(shapes(300, diameter=(0.3, 0.4), **place, **CLEAR)[0])
    ink = inked(images)
    assert len(images) > 100 and ink.any(axis=(1, 2)).all()
    outside = ink.copy()
    outside[(slice(None), *allowed)] = False
    assert not outside.any()


def extent(ink):
    """The larger side of the box around the ink, as a fraction of the picture."""
    sides = []
    for axis in (1, 2):
        seen = ink.any(axis=axis)
        sides.append(seen.shape[1] - seen.argmax(axis=1) - seen[:, ::-1].argmax(axis=1))
    return np.max(sides, axis=0) / ink.shape[1]


def test_shapes_have_the_diameter_asked_for():
    """No shape is larger than its disk, and most of each disk is used."""
    inner = dict(rows=(0.05, 0.95), columns=(0.05, 0.95))
    for diameter in (0.3, 0.8):
        settings = CLEAR | dict(size=80)
        images = unclipped(shapes(300, diameter=(diameter, diameter), **inner, **settings)[0])
        measured = extent(inked(images))
        assert measured.max() <= diameter + 2 / 80
        assert measured.min() >= 0.6 * diameter


def test_contrast_is_the_distance_in_brightness():
    for contrast in (0.2, 0.5):
        images, labels = shapes(
            400, diameter=(0.8, 0.8), rows=(0.1, 0.9), columns=(0.1, 0.9), turn=0,
            **CLEAR | dict(contrast=(contrast, contrast)),
        )  # fmt: skip
        disks = unclipped(images[labels == SHAPES.index("disk")])[..., 0]
        # The slope is odd around the middle, so opposite corners average to the ground there.
        ground = (disks[:, 0, 0] + disks[:, -1, -1]) / 2
        middle = disks[:, 19:21, 19:21].mean(axis=(1, 2))
        assert len(disks) > 5
        np.testing.assert_allclose(np.abs(middle - ground), contrast, atol=1e-3)


def test_turn_0_draws_squares_upright():
    options = dict(diameter=(0.8, 0.8), rows=(0.1, 0.9), columns=(0.1, 0.9), **CLEAR)

    def boxes_filled(turn):
        images, labels = shapes(300, turn=turn, **options)
        ink = inked(unclipped(images[labels == SHAPES.index("square")]))
        rows, columns = ink.any(axis=2).sum(axis=1), ink.any(axis=1).sum(axis=1)
        return ink.sum(axis=(1, 2)) / (rows * columns)

    assert boxes_filled(0).min() == 1
    assert boxes_filled(45).min() < 0.8


def test_clutter_and_noise_do_what_they_say():
    def plain(**change):
        return shapes(100, **PLAIN | dict(contrast=(0.3, 0.3)) | change)[0]

    calm = np.abs(np.diff(plain(), n=2, axis=2)).mean()
    assert np.abs(np.diff(plain(clutter=8), n=2, axis=2)).mean() > 1.2 * calm
    noisy = plain(noise=0.1) - plain()
    inside = (plain() > 0.35) & (plain() < 0.65)  # far from where noise is cut off
    assert 0.095 < noisy[inside].std() < 0.105


def test_each_class_looks_like_itself():
    """The average picture of a class is nearer to its own next average than to any other."""
    options = dict(diameter=(0.8, 0.8), rows=(0.1, 0.9), columns=(0.1, 0.9), turn=5, **CLEAR)

    def averages(seed):
        images, labels = shapes(1000, seed=seed, **options)
        ink = inked(images).astype(float)
        return np.stack([ink[labels == k].mean(axis=0) for k in range(len(SHAPES))])

    first, second = averages(0), averages(1)
    distance = np.abs(first[:, None] - second).mean(axis=(2, 3))
    np.testing.assert_array_equal(distance.argmin(axis=1), np.arange(len(SHAPES)))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (dict(n=0), "n must be a whole number from 1 to .*, got 0"),
        (dict(n=10**9), "n must be a whole number from 1 to 1,398,101, got 1000000000"),
        (dict(size=7), "size.*got 7"),
        (dict(channels=2), "channels.*1 .*3.*got 2"),
        (dict(diameter=(0.5, 0.4)), r"diameter.*\(0.5, 0.4\)"),
        (dict(diameter=(0.0, 0.4)), r"diameter.*\(0.0, 0.4\)"),
        (dict(diameter=(1e-45, 0.4)), r"diameter.*\(1e-45, 0.4\)"),
        (dict(diameter=(0.4, 1.1)), r"diameter.*\(0.4, 1.1\)"),
        (dict(rows=(0.0, 0.5)), "diameter must lie between 0.001 and 0.5, the room"),
        (dict(columns=(0.5, 0.9)), "diameter must lie between 0.001 and 0.4, the room"),
        (dict(rows=(0.9, 0.1)), r"rows.*\(0.9, 0.1\)"),
        (dict(columns=(-0.1, 1.0)), r"columns.*\(-0.1, 1.0\)"),
        (dict(contrast=(0.5, 1.5)), r"contrast.*\(0.5, 1.5\)"),
        (dict(clutter=-1), "clutter.*got -1"),
        (dict(noise=-0.1), "noise.*got -0.1"),
        (dict(turn=400), "turn must be a number from 0 to 360, got 400"),
    ],
)
def test_bad_arguments_of_shapes_are_named(change, words):
    with pytest.raises(ValueError, match=words):
        shapes(**(dict(n=10) | change))


NAN, INF = float("nan"), float("inf")
NO_NUMBER = (NAN, INF, -INF, None, "3", True, np.True_, 1j, (1, 2), np.ones(2), {}, -1, 10**30)
NO_PAIR = (
    0.5, None, "ab", "", (), (0.5,), (0.1, 0.2, 0.3), (NAN, 1), (0, NAN), (0, INF), (None, 1),
    ("0", "1"), (False, True), ((0, 1), (0, 1)), np.full((2, 2), 0.5), (0, 10**30),
)  # fmt: skip
NONSENSE = [
    *((name, bad) for name in ("n", "size", "channels", "clutter") for bad in (*NO_NUMBER, 3.0)),
    *(("seed", bad) for bad in (*NO_NUMBER[:-1], 3.0, 0.5)),
    *((name, bad) for name in ("turn", "noise") for bad in NO_NUMBER),
    *((name, bad) for name in ("diameter", "rows", "columns", "contrast") for bad in NO_PAIR),
]


@pytest.mark.parametrize(("name", "bad"), NONSENSE)
def test_nonsense_for_shapes_is_named(name, bad):
    with pytest.raises(ValueError, match=rf"^{name} must be .*, got "):
        shapes(**(dict(n=10) | {name: bad}))


def test_equal_numbers_draw_equal_pictures():
    """Whether they come from Python or from NumPy, in a tuple or in an array."""
    python = shapes(20, seed=2, size=16, rows=(0.25, 1), diameter=(0.5, 0.75), turn=5, noise=0.25)
    numpy = shapes(
        np.uint8(20), seed=np.int64(2), size=np.int16(16), channels=np.uint8(3),
        rows=np.array([0.25, 1.0]),
        diameter=np.array([0.5, 0.75], np.float32), turn=np.int32(5), noise=np.float16(0.25),
    )  # fmt: skip
    np.testing.assert_array_equal(python[0], numpy[0])
    np.testing.assert_array_equal(python[1], numpy[1])


@pytest.mark.parametrize(
    "extreme",
    [
        dict(diameter=(0.001, 0.001)),
        dict(diameter=(1.0, 1.0), turn=360),
        dict(rows=(0.4, 0.41), columns=(0.99, 1.0), diameter=(0.01, 0.01)),
        dict(noise=10, contrast=(0, 0)),
        dict(clutter=1000, size=8),
        dict(seed=2**200, n=1),
    ],
)
def test_pictures_are_pictures_at_every_limit(extreme):
    images, _ = shapes(**dict(n=30) | extreme)
    assert images.min() >= 0 and images.max() <= 1  # NaN is not


# Photographs


def test_patches_are_photographs_in_colour_with_as_many_of_each():
    found = photographs()
    assert found.x_train.shape == (2916, 32, 32, 3) and found.x_test.shape == (1458, 32, 32, 3)
    assert found.class_names == PHOTOGRAPHS and "CIFAR" not in found.source
    for x, y in ((found.x_train, found.y_train), (found.x_test, found.y_test)):
        assert x.dtype == np.float32 and x.min() >= 0 and x.max() == 1
        assert len(set(np.bincount(y))) == 1 and y.max() == 8
        assert np.abs(x[..., 0] - x[..., 2]).mean() > 0.1  # in colour


def test_patches_are_the_same_every_time_and_may_be_changed_in_place():
    first, second = photographs(), photographs()
    np.testing.assert_array_equal(first.x_train, second.x_train)
    first.x_train[:] = 0
    assert photographs().x_train.max() == 1


def test_no_square_of_a_photograph_is_in_two_rounds():
    """So none is in training and test, or in what is held out in whole rounds and in the rest."""
    found = photographs()
    patches = np.concatenate([found.x_train, found.x_test]).reshape(54, 9, 9, 32, 32, 3)
    labels = np.concatenate([found.y_train, found.y_test]).reshape(54, 9, 9)
    assert np.all(labels == np.arange(9)[:, None])
    # Neighbours in a square overlap: the one lies 8 pixels to the right of the other.
    np.testing.assert_array_equal(patches[:, :, 0, :, 8:], patches[:, :, 1, :, :-8])
    np.testing.assert_array_equal(patches[:, :, 0, 8:], patches[:, :, 3, :-8])
    # Together, the squares are the whole photograph, each once.
    squares = np.empty((54, 9, 48, 48, 3), np.float32)
    for i, (row, column) in enumerate(itertools.product((0, 8, 16), repeat=2)):
        squares[:, :, row : row + 32, column : column + 32] = patches[:, :, i]
    with Image.open(Path(cnnlab.data.__file__).with_name("photographs.jpg")) as sheet:
        assert sheet.size == (3 * 432, 3 * 288)
        whole = np.asarray(sheet) / np.float32(255)
    for k in range(9):
        one = whole[k // 3 * 288 :, k % 3 * 432 :][:288, :432]
        cut = one.reshape(6, 48, 9, 48, 3).swapaxes(1, 2).reshape(54, -1)
        mine = squares[:, k].reshape(54, -1)
        assert {each.tobytes() for each in cut} == {each.tobytes() for each in mine}
        assert len({each.tobytes() for each in mine}) == 54


# A data set as an object


def a_dataset():
    x, y = np.zeros((4, 28, 28, 1), np.float32), np.zeros(4, int)
    return Dataset(x, y, x[:2], y[:2], ("cat", "dog"), "zeros")


def test_data_sets_can_be_compared_and_kept_in_sets():
    one, other = a_dataset(), a_dataset()
    assert one == one and one != other
    assert one in [other, one] and one not in [other]
    assert len({one, other, one}) == 2


def test_a_data_set_shows_itself_in_one_line():
    line = repr(a_dataset())
    assert "\n" not in line
    for words in ("zeros", "(4, 28, 28, 1)", "(2, 28, 28, 1)", "cat, dog"):
        assert words in line
    assert len(repr(load("mnist", "sample"))) < 200


# The loader


@pytest.fixture(autouse=True)
def surroundings(monkeypatch, tmp_path):
    """No settings, no proxy, an empty Keras cache: what a test does not say is not there."""
    for name in os.environ:
        if name.startswith("CNNLAB_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    return tmp_path / "keras"


@pytest.fixture
def offline(monkeypatch):
    """A port of this machine on which nobody listens stands where the network would be."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{port}")


def check(data, title):
    """Assert that this is a data set as the course promises it, with that source."""
    assert isinstance(data, Dataset) and title in data.source
    for x, y in ((data.x_train, data.y_train), (data.x_test, data.y_test)):
        assert x.ndim == 4 and x.dtype == np.float32 and x.min() >= 0 and x.max() <= 1
        assert y.shape == (len(x),) and y.dtype.kind == "i"
        assert y.min() >= 0 and y.max() < len(data.class_names) == 10


BUILT_IN = {"mnist": "5,000 built-in MNIST digits", "fashion_mnist": "shapes", "cifar10": "shapes"}


def falls_back(name, capsys):
    """Assert that `load` gives the built-in data and says so in one line; return that line."""
    data = load(name)
    check(data, BUILT_IN[name])
    ours = [line for line in capsys.readouterr().out.splitlines() if "Using instead" in line]
    assert len(ours) == 1
    assert ours[0].endswith(f"Using instead: {data.source}.")
    return ours[0]


def left(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("name", NAMES)
def test_the_sample_tier_asks_nobody(name, monkeypatch, capsys, surroundings):
    monkeypatch.setenv("CNNLAB_TIER", "sample")
    monkeypatch.setenv("CNNLAB_DATA", "/nowhere")
    monkeypatch.setattr(socket, "create_connection", None)
    data = load(name)
    check(data, BUILT_IN[name])
    assert capsys.readouterr().out == ""
    assert left(surroundings) == []
    if name == "mnist":
        assert data.x_train.shape == (4000, 28, 28, 1) and data.x_test.shape == (1000, 28, 28, 1)
        assert list(np.bincount(data.y_test)) == [100] * 10
        assert data.class_names == tuple("0123456789")
    else:
        size = (28, 28, 1) if name == "fashion_mnist" else (32, 32, 3)
        assert data.x_train.shape == (10_000, *size) and data.x_test.shape == (2_000, *size)
        assert data.class_names == SHAPES and "CIFAR" not in data.source


@pytest.mark.parametrize("name", NAMES)
def test_built_in_data_may_be_changed_in_place(name, monkeypatch):
    """Without an error, and without a trace in what the next `load` gives."""
    monkeypatch.setenv("CNNLAB_TIER", "sample")
    data = load(name)
    for part in ("x_train", "y_train", "x_test", "y_test"):
        before = getattr(data, part).copy()
        getattr(data, part)[:] = 7
        np.testing.assert_array_equal(getattr(load(name), part), before)


def test_built_in_digits_are_digits_and_no_test_digit_is_trained_on(monkeypatch):
    monkeypatch.setenv("CNNLAB_TIER", "sample")
    data = load("mnist")
    rows = {image.tobytes() for image in data.x_train}
    assert not any(image.tobytes() in rows for image in data.x_test)
    averages = np.stack([data.x_train[data.y_train == k].mean(axis=0) for k in range(10)])
    distance = ((data.x_test[:, None] - averages) ** 2).sum(axis=(2, 3, 4))
    assert (distance.argmin(axis=1) == data.y_test).mean() > 0.75


def test_the_digits_come_with_their_licence():
    words = Path(cnnlab.data.__file__).with_name("digits.LICENSE.md").read_text()
    for said in ("LeCun", "Cortes", "Burges", "creativecommons.org/licenses/by-sa/3.0/"):
        assert said in words


def small(name="mnist", n=20, **change):
    """The arrays of a small data set, as their files hold them."""
    rng = np.random.default_rng(0)
    shape = (32, 32, 3) if name == "cifar10" else (28, 28)
    arrays = {}
    for part, size in (("train", n), ("test", n // 2)):
        arrays[f"x_{part}"] = rng.integers(0, 256, (size, *shape), dtype=np.uint8)
        arrays[f"y_{part}"] = rng.integers(0, 10, size, dtype=np.uint8)
    arrays |= change
    return {key: value for key, value in arrays.items() if value is not None}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    path = tmp_path / "own data"
    path.mkdir()
    monkeypatch.setenv("CNNLAB_DATA", str(path))
    return path


def same(data, arrays):
    """Assert that the data set holds these arrays."""
    for part in ("train", "test"):
        pixels = arrays[f"x_{part}"].reshape(getattr(data, f"x_{part}").shape) / 255
        np.testing.assert_allclose(getattr(data, f"x_{part}"), pixels, atol=1e-7)
        np.testing.assert_array_equal(getattr(data, f"y_{part}"), arrays[f"y_{part}"].ravel())


@pytest.mark.parametrize("tier", ["", "full"])
@pytest.mark.parametrize("name", NAMES)
def test_a_folder_of_ones_own(name, tier, folder, monkeypatch, capsys):
    monkeypatch.setenv("CNNLAB_TIER", tier)
    arrays = small(name)
    np.savez(folder / f"{name}.npz", **arrays)
    data = load(name)
    check(data, "CNNLAB_DATA")
    same(data, arrays)
    assert capsys.readouterr().out == ""


def test_files_may_have_a_channel_axis_and_labels_in_a_column(folder):
    arrays = small()
    np.savez_compressed(
        folder / "mnist.npz",
        **arrays
        | dict(x_train=arrays["x_train"][..., None], y_train=arrays["y_train"][:, None] * 1),
    )
    same(load("mnist"), arrays)


@pytest.mark.parametrize(
    "setting",
    [
        "~/own data", "$HOME/own data", "${HOME}/own data", "~/own data/", "  ~/own data \r",
        '"~/own data"', "'$HOME/own data'", "../HERE/own data",
    ],
)  # fmt: skip
def test_the_folder_as_people_write_it(setting, folder, monkeypatch):
    """In a .env file or a Makefile, no shell takes quotes away or knows what ~ is."""
    np.savez(folder / "mnist.npz", **small())
    monkeypatch.setenv("HOME", str(folder.parent))
    monkeypatch.chdir(folder.parent)
    monkeypatch.setenv("CNNLAB_DATA", setting.replace("HERE", folder.parent.name))
    check(load("mnist"), "CNNLAB_DATA")


@pytest.mark.parametrize("setting", ["", "  ", '""', "' '", "\r"])
def test_an_empty_folder_name_is_none(setting, offline, monkeypatch, capsys):
    monkeypatch.setenv("CNNLAB_DATA", setting)
    falls_back("mnist", capsys)


def test_a_folder_that_does_not_hold_this_set_is_passed_over(folder, offline, capsys):
    np.savez(folder / "mnist.npz", **small())
    falls_back("cifar10", capsys)


@pytest.mark.parametrize("tier", ["", "full"])
@pytest.mark.parametrize(
    ("setting", "meant"),
    [
        ("no such folder", "{here}/no such folder"),
        ("{here}/file", "{here}/file"),
        ("~/none", "{here}/none"),
        ("$HOME/none", "{here}/none"),
        ("$NOWHERE/none", "{here}/$NOWHERE/none"),
        ("~nobody-of-that-name/x", "{here}/~nobody-of-that-name/x"),
        ("x" * 5000, "{here}/xxx"),
    ],
)
def test_a_folder_that_is_nowhere_is_an_error(setting, meant, tier, monkeypatch, tmp_path):
    """The message shows what was set and where that is."""
    monkeypatch.setenv("CNNLAB_TIER", tier)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    setting, meant = (words.replace("{here}", str(tmp_path)) for words in (setting, meant))
    monkeypatch.setenv("CNNLAB_DATA", setting)
    with pytest.raises(ValueError, match=r"CNNLAB_DATA.*not a folder") as problem:
        load("mnist")
    assert repr(setting) in str(problem.value) and meant in str(problem.value)


X, Y = np.zeros((20, 28, 28), np.uint8), np.zeros(20, np.uint8)
WRONG = {
    "array missing": (dict(y_test=None), "y_test"),
    "floats": (dict(x_train=X / 255), "x_train.*uint8.*float64"),
    "wrong size": (dict(x_train=X[:, :27]), r"x_train.*\(N, 28, 28\).*\(20, 27, 28\)"),
    "colour": (dict(x_test=np.zeros((20, 28, 28, 3), np.uint8)), r"x_test.*\(20, 28, 28, 3\)"),
    "flat": (dict(x_train=X.reshape(20, -1)), r"\(20, 784\)"),
    "one number": (dict(x_train=np.uint8(3)), r"\(N, 28, 28\)"),
    "no images": (dict(x_train=X[:0], y_train=Y[:0]), r"x_train.*\(0, 28, 28\)"),
    "fewer labels": (dict(y_train=Y[:-1]), r"y_train.*each of the 20 images.*of shape \(19,\)"),
    "one label": (dict(y_test=np.uint8(3)), r"y_test.*each of the 10 images.*of shape \(\)"),
    "one-hot labels": (
        dict(y_train=np.eye(20, 10, dtype=np.uint8)),
        r"y_train.*of shape \(20, 10\)",
    ),
    "label 10": (dict(y_train=Y + np.uint8(10)), "y_train.*labels from 0 to 9"),
    "label -1": (dict(y_test=np.full(10, -1)), "y_test.*labels from 0 to 9"),
    "label 0.5": (dict(y_train=Y + 0.5), "y_train.*whole number.*float64"),
    "objects": (dict(y_train=np.array([{}] * 20)), ""),
    "text": (dict(y_train=np.array(["3"] * 20)), "y_train.*whole number"),
}


@pytest.mark.parametrize("tier", ["", "full"])
@pytest.mark.parametrize(("change", "words"), WRONG.values(), ids=WRONG)
def test_a_file_with_wrong_arrays_is_an_error(change, words, tier, folder, monkeypatch):
    monkeypatch.setenv("CNNLAB_TIER", tier)
    np.savez(folder / "mnist.npz", **small(**change))
    with pytest.raises(ValueError, match=rf"mnist\.npz is not a usable MNIST: .*{words}"):
        load("mnist")


def npz(**change):
    file = io.BytesIO()
    np.savez_compressed(file, **small(**change))
    return file.getvalue()


def single_array():
    file = io.BytesIO()
    np.save(file, X)
    return file.getvalue()


def turned_byte():
    content = bytearray(npz())
    content[len(content) // 2] ^= 255
    return bytes(content)


def encrypted():
    """A bit that says so is set in each entry of the archive."""
    content = bytearray(npz())
    for sign, place in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        start = -1
        while (start := content.find(sign, start + 1)) >= 0:
            content[start + place] |= 1
    return bytes(content)


BROKEN = {
    "end missing": npz()[:-1000],
    "half missing": npz()[:5000],
    "empty": b"",
    "web page": b"<html>Not found</html>",
    "one array": single_array(),
    "turned byte": turned_byte(),
    "encrypted": encrypted(),
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_a_broken_file_is_an_error(content, folder):
    (folder / "mnist.npz").write_bytes(content)
    with pytest.raises(ValueError, match=r"mnist\.npz is not a usable MNIST: .*unset CNNLAB_DATA"):
        load("mnist")


def test_a_folder_in_place_of_a_file_is_an_error(folder):
    (folder / "mnist.npz").mkdir()
    with pytest.raises(ValueError, match=r"mnist\.npz is not a usable MNIST: "):
        load("mnist")


def test_a_file_that_does_not_fit_into_memory_is_not_blamed(folder, monkeypatch):
    np.savez(folder / "mnist.npz", **small())
    fails(monkeypatch, MemoryError("no room for the pixels"))
    with pytest.raises(MemoryError):
        load("mnist")


@pytest.mark.parametrize("name", ["imagenet", "MNIST", "", None, 3, ["mnist"], np.ones(2)])
def test_an_unknown_name_is_an_error(name):
    with pytest.raises(
        ValueError, match='name must be "mnist", "fashion_mnist" or "cifar10", got '
    ):
        load(name)


@pytest.mark.parametrize("tier", ["Full", "all", "0"])
def test_an_unknown_tier_is_an_error(tier, monkeypatch):
    monkeypatch.setenv("CNNLAB_TIER", tier)
    with pytest.raises(ValueError, match=rf"CNNLAB_TIER.*'{tier}'"):
        load("mnist")


@pytest.mark.parametrize("tier", ["Full", 0, False, ["full"], np.ones(2)])
def test_an_unknown_tier_in_the_call_is_an_error(tier):
    with pytest.raises(ValueError, match='tier, must be "sample" or "full", got '):
        load("mnist", tier)


def test_the_call_goes_before_the_setting(monkeypatch, offline):
    monkeypatch.setenv("CNNLAB_TIER", "full")
    check(load("mnist", "sample"), "built-in")
    monkeypatch.setenv("CNNLAB_TIER", "sample")
    with pytest.raises(DataUnavailable):
        load("mnist", "full")


def test_a_tier_as_people_write_it(monkeypatch):
    monkeypatch.setenv("CNNLAB_TIER", '"sample" \r')
    check(load("mnist"), "built-in")


def fails(monkeypatch, problem):
    def load(*_, **__):
        raise problem

    monkeypatch.setattr(np, "load", load)


# The network


@pytest.mark.parametrize("name", NAMES)
def test_offline(name, offline, capsys, surroundings):
    line = falls_back(name, capsys)
    assert "cannot be reached" in line
    assert left(surroundings) == []


@pytest.mark.parametrize("name", NAMES)
def test_offline_the_full_tier_refuses(name, offline, monkeypatch, surroundings):
    monkeypatch.setenv("CNNLAB_TIER", "full")
    with pytest.raises(
        DataUnavailable, match=rf"is full.*CNNLAB_TIER=sample .*CNNLAB_DATA.*{name}\.npz"
    ):
        load(name)
    assert left(surroundings) == []


def test_a_host_that_hangs(monkeypatch, capsys, surroundings):
    """It takes the connection and never says a word."""
    monkeypatch.setattr(cnnlab.data, "_TIMEOUT", (1, 1))
    with socket.create_server(("127.0.0.1", 0)) as mute:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{mute.getsockname()[1]}")
        hangs_up = threading.Timer(60, mute.close)  # so that this test fails, and never hangs
        hangs_up.start()
        line = falls_back("mnist", capsys)
        hangs_up.cancel()
    assert "does not answer" in line
    assert left(surroundings) == []


class Server:
    """A web server on this machine that stands for the hosts of the data.

    `files`: {name: content}. `fault`: None, "truncated" (says more than it sends), "stalls" (sends
    half, then nothing more), "web page" or a status code. `asked`: the names it was asked for.
    """

    def __init__(self):
        self.files, self.fault, self.asked = {}, None, []
        self.closing = threading.Event()
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                name = self.path.rsplit("/", 1)[-1]
                server.asked.append(name)
                if isinstance(server.fault, int):
                    self.send_error(server.fault)
                    return
                content = server.files[name]
                if server.fault == "web page":
                    content = b"<html>Sign in to the network</html>"
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                half = server.fault in ("truncated", "stalls")
                self.wfile.write(content[: len(content) // 2] if half else content)
                if server.fault == "stalls":
                    server.closing.wait(30)

            def log_message(self, *_):
                pass

        self.web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.web.serve_forever, daemon=True).start()

    def address(self, origin):
        return f"http://127.0.0.1:{self.web.server_port}/{origin.rsplit('/', 1)[-1]}"

    def checksum(self, origin):
        return hashlib.sha256(self.files[origin.rsplit("/", 1)[-1]]).hexdigest()

    def close(self):
        self.closing.set()
        self.web.shutdown()
        self.web.server_close()


@pytest.fixture
def server(monkeypatch):
    """`server.offers(name, arrays)`: from now on this server is the host of that data set."""
    server = Server()

    def offers(name, arrays):
        server.files |= files_of(name, arrays)
        known = cnnlab.data._KNOWN[name]
        files = [(server.address(f), server.checksum(f), *rest) for f, _, *rest in known.files]
        monkeypatch.setitem(cnnlab.data._KNOWN, name, known._replace(files=files))

    server.offers = offers
    yield server
    server.close()


def idx(array):
    sizes = np.array(array.shape, ">i4").tobytes()
    return gzip.compress(bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes())


def files_of(name, arrays):
    """What the host of this data set would send, if the set were this small."""
    if name == "mnist":
        file = io.BytesIO()
        np.savez(file, **arrays)
        return {"mnist.npz": file.getvalue()}
    if name == "fashion_mnist":
        return {
            f"{there}-{kind}-ubyte.gz": idx(arrays[f"{letter}_{part}"])
            for part, there in (("train", "train"), ("test", "t10k"))
            for letter, kind in (("x", "images-idx3"), ("y", "labels-idx1"))
        }
    # The real archive is not in order, either, and holds a few other files.
    parts = [(f"data_batch_{i + 1}", "train", slice(i, None, 5)) for i in range(5)]
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for batch, part, some in [parts[3], ("test_batch", "test", np.s_[:]), *parts[:3], parts[4]]:
            pixels = arrays[f"x_{part}"][some].transpose(0, 3, 1, 2)
            labels = arrays[f"y_{part}"][some].tolist()
            batch_content = {b"data": pixels.reshape(len(pixels), -1), b"labels": labels}
            add(archive, batch, pickle.dumps(batch_content))
        add(archive, "batches.meta", b"names")
    return {"cifar-10-python.tar.gz": file.getvalue()}


def add(archive, name, content):
    info = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
    info.size = len(content)
    archive.addfile(info, io.BytesIO(content))


def in_order(name, arrays):
    """The arrays as they come back: CIFAR-10's batches one after another."""
    if name != "cifar10":
        return arrays
    train = {key: array for key, array in arrays.items() if "train" in key}
    return arrays | {
        key: np.concatenate([array[i::5] for i in range(5)]) for key, array in train.items()
    }


CACHED = {
    "mnist": ["mnist.npz"],
    "fashion_mnist": [
        f"fashion-mnist/{name}-ubyte.gz"
        for name in ("t10k-images-idx3", "t10k-labels-idx1", "train-images-idx3",
                     "train-labels-idx1")
    ],
    "cifar10": ["cifar-10-batches-py-target_archive"],
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_download_that_works(name, server, capsys, surroundings):
    """And the next time nothing is downloaded at all."""
    arrays = small(name)
    server.offers(name, arrays)
    data = load(name)
    check(data, "the full set")
    same(data, in_order(name, arrays))
    assert sorted(server.asked) == sorted(server.files)
    assert left(surroundings / "datasets") == CACHED[name]
    again = load(name, "full")
    same(again, in_order(name, arrays))
    assert len(server.asked) == len(server.files)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("name", NAMES)
def test_what_keras_has_fetched_is_found(name, server, monkeypatch, surroundings):
    """Keras's own loader runs first. It asks for the same files, and they are not fetched again."""
    module = importlib.import_module(f"keras.src.datasets.{name}")
    real, asks = module.get_file, []

    def get_file(fname, origin, file_hash=None, **rest):
        asks.append((origin, file_hash))
        changed = dict(origin=server.address(origin), file_hash=server.checksum(origin))
        return real(fname, cache_dir=str(surroundings), **changed, **rest)

    monkeypatch.setattr(module, "get_file", get_file)
    known = {address: sha256 for address, sha256, *_ in cnnlab.data._KNOWN[name].files}
    arrays = small(name, 5)  # Keras repeats a batch of one picture to the 10,000 that it expects
    server.offers(name, arrays)
    surroundings.mkdir(exist_ok=True)  # importing Keras may have made it
    module.load_data()
    assert {address for address, _ in asks} == set(known)
    assert all(sha256 in (None, known[address]) for address, sha256 in asks)
    asked = len(server.asked)
    same(load(name, "full"), in_order(name, arrays))
    assert len(server.asked) == asked == len(server.files)


def test_what_an_older_keras_has_fetched_is_found(server, surroundings):
    arrays = small("cifar10")
    server.offers("cifar10", arrays)
    (surroundings / "datasets").mkdir(parents=True)
    old = surroundings / "datasets" / "cifar-10-batches-py.tar.gz"
    old.write_bytes(server.files["cifar-10-python.tar.gz"])
    same(load("cifar10"), in_order("cifar10", arrays))
    assert server.asked == []


SAYS = {
    "truncated": "cannot be reached, or broke off",
    "stalls": "does not answer",
    "web page": "sent something else",
    404: "answers 404",
    503: "answers 503",
}


@pytest.mark.parametrize("fault", SAYS)
@pytest.mark.parametrize("name", NAMES)
def test_a_download_that_fails_leaves_nothing(
    name, fault, server, monkeypatch, capsys, surroundings
):
    if fault == "stalls":
        monkeypatch.setattr(cnnlab.data, "_TIMEOUT", (1, 1))
    server.offers(name, small(name))
    server.fault = fault
    assert f"127.0.0.1 {SAYS[fault]}" in falls_back(name, capsys)
    with pytest.raises(DataUnavailable, match=SAYS[fault]):
        load(name, "full")
    assert left(surroundings) == []


@pytest.mark.parametrize("damage", ["end missing", "empty", "web page"])
@pytest.mark.parametrize("name", NAMES)
def test_a_damaged_file_in_the_cache_is_fetched_anew(name, damage, surroundings, server, capsys):
    """Once the network is there. Until then it is as good as missing."""
    arrays = small(name)
    server.offers(name, arrays)
    load(name)
    file = surroundings / "datasets" / CACHED[name][0]
    good = file.read_bytes()
    bad = {"end missing": good[:-300], "empty": b"", "web page": b"<html>Not found</html>"}
    file.write_bytes(bad[damage])
    server.fault = 503
    falls_back(name, capsys)
    server.fault, server.asked = None, []
    same(load(name), in_order(name, arrays))
    assert len(server.asked) == 1 and file.read_bytes() == good
    assert left(surroundings / "datasets") == CACHED[name]


def test_good_files_in_the_cache_survive_a_network_fault(surroundings, server, capsys):
    """Three of four files are there, and the fourth cannot be had now."""
    server.offers("fashion_mnist", small("fashion_mnist"))
    load("fashion_mnist")
    (surroundings / "datasets" / CACHED["fashion_mnist"][0]).unlink()
    server.fault = 503
    falls_back("fashion_mnist", capsys)
    assert left(surroundings / "datasets") == CACHED["fashion_mnist"][1:]


@pytest.mark.parametrize(
    "problem",
    [
        MemoryError("no room for the pixels"),
        OSError("no more open files"),
        FileNotFoundError("gone"),
        ValueError("something else"),
        KeyboardInterrupt(),
    ],
    ids=lambda problem: type(problem).__name__,
)
def test_good_files_in_the_cache_survive_what_is_not_their_fault(
    problem, surroundings, server, monkeypatch, capsys
):
    server.offers("mnist", small())
    load("mnist")
    with monkeypatch.context() as patch:
        fails(patch, problem)
        if isinstance(problem, Exception):
            with pytest.raises(DataUnavailable, match=str(problem)):
                load("mnist", "full")
        else:
            with pytest.raises(KeyboardInterrupt):
                load("mnist")
    assert left(surroundings / "datasets") == ["mnist.npz"]
    load("mnist", "full")
    assert server.asked == ["mnist.npz"]


def test_many_downloads_at_once_do_not_disturb_each_other(surroundings, server):
    arrays = small("fashion_mnist")
    server.offers("fashion_mnist", arrays)
    with ThreadPoolExecutor(8) as pool:
        for data in pool.map(load, ["fashion_mnist"] * 8, ["full"] * 8):
            same(data, arrays)
    assert left(surroundings / "datasets") == CACHED["fashion_mnist"]


def run(script, **environment):
    """Run a script in a fresh Python, as a user would, and return what it prints."""
    here = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=here | environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_full_disk(server, surroundings):
    """The operating system refuses to write more than 4 KiB into a file."""
    server.offers("mnist", small())
    known = cnnlab.data._KNOWN["mnist"]
    assert len(server.files["mnist.npz"]) > 2 * 4096
    *lines, last = run(
        f"""
import resource
from cnnlab import data
data._KNOWN["mnist"] = data._KNOWN["mnist"]._replace(files={known.files})
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
print(len(data.load("mnist").x_train))
""",
        KERAS_HOME=str(surroundings),
    )
    assert len(lines) == 1 and "File too large" in lines[0] and "Using instead" in lines[0]
    assert last == "4000"
    assert server.asked == ["mnist.npz"] and left(surroundings) == []


def test_a_cache_that_cannot_be_written(server, tmp_path, monkeypatch, capsys):
    """KERAS_HOME lies below a plain file."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "file" / "keras"))
    server.offers("mnist", small())
    assert "Not a directory" in falls_back("mnist", capsys)
    with pytest.raises(DataUnavailable, match="Not a directory"):
        load("mnist", "full")


def test_only_what_is_needed_is_imported(folder, surroundings, server):
    """What downloads waits until there is something to download."""
    np.savez(folder / "cifar10.npz", **small("cifar10"))
    server.offers("mnist", small())
    known = cnnlab.data._KNOWN["mnist"]
    load("mnist")
    heavy = ("keras", "tensorflow", "pandas", "matplotlib", "sklearn", "pooch", "requests", "tqdm")
    lines = run(
        f"""
import sys
from cnnlab import data
data._KNOWN["mnist"] = data._KNOWN["mnist"]._replace(files={known.files})
for name, tier in (("mnist", "sample"), ("cifar10", "full"), ("mnist", "full")):
    data.load(name, tier)
print([name for name in {heavy} if name in sys.modules])
""",
        KERAS_HOME=str(surroundings),
    )
    assert lines == ["[]"]
