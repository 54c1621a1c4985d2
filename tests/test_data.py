"""The data: drawings by `shapes`, the loader in all its tiers, and every fault a network can have.

Faults are real ones: a local server (or none) stands where Keras's host would be, and Keras's own
loader does the rest.
"""

import gzip
import hashlib
import http.server
import io
import os
import pickle
import socket
import subprocess
import sys
import tarfile
import threading
import urllib.request

import cnnlab.data
import numpy as np
import pytest
from cnnlab.data import SHAPES, Dataset, DataUnavailable, load, shapes
from keras.src.backend import config
from keras.src.utils import file_utils

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
        (dict(n=0), "n must be at least 1, got 0"),
        (dict(size=7), "size.*got 7"),
        (dict(channels=2), "channels.*1 or 3, got 2"),
        (dict(diameter=(0.5, 0.4)), r"diameter.*\(0.5, 0.4\)"),
        (dict(diameter=(0.0, 0.4)), r"diameter.*\(0.0, 0.4\)"),
        (dict(diameter=(0.4, 1.1)), r"diameter.*\(0.4, 1.1\)"),
        (dict(rows=(0.0, 0.5)), r"diameter must lie in \(0, 0.5\]"),
        (dict(columns=(0.5, 0.9)), r"diameter must lie in \(0, 0.4\]"),
        (dict(rows=(0.9, 0.1)), r"rows.*\(0.9, 0.1\)"),
        (dict(columns=(-0.1, 1.0)), r"columns.*\(-0.1, 1.0\)"),
        (dict(contrast=(0.5, 1.5)), r"contrast.*\(0.5, 1.5\)"),
        (dict(clutter=-1), "clutter"),
        (dict(noise=-0.1), "noise"),
    ],
)
def test_bad_arguments_of_shapes_are_named(change, words):
    with pytest.raises(ValueError, match=words):
        shapes(**(dict(n=10) | change))


# The loader


@pytest.fixture(autouse=True)
def surroundings(monkeypatch, tmp_path):
    """No settings, no proxy, an empty Keras cache: what a test does not say is not there."""
    for name in os.environ:
        if name.startswith("CNNLAB_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    cache = tmp_path / "keras"
    cache.mkdir()
    monkeypatch.setenv("KERAS_HOME", str(cache))
    monkeypatch.setattr(config, "_KERAS_DIR", str(cache))  # Keras reads KERAS_HOME at import
    monkeypatch.setattr(urllib.request, "_opener", None)  # it remembers the proxies it first saw
    return cache


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


BUILT_IN = {"mnist": "MNIST digits built in", "fashion_mnist": "shapes", "cifar10": "shapes"}


def falls_back(name, capsys):
    """Assert that `load` gives the built-in data and says so in one line; return that line."""
    data = load(name)
    check(data, BUILT_IN[name])
    ours = [line for line in capsys.readouterr().out.splitlines() if "Using instead" in line]
    assert len(ours) == 1
    assert ours[0].endswith(f"Using instead: {data.source}.")
    assert socket.getdefaulttimeout() is None
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


def test_the_folder_may_be_below_home(folder, monkeypatch):
    np.savez(folder / "mnist.npz", **small())
    monkeypatch.setenv("HOME", str(folder.parent))
    monkeypatch.setenv("CNNLAB_DATA", "~/own data")
    check(load("mnist"), "CNNLAB_DATA")


def test_a_folder_that_does_not_hold_this_set_is_passed_over(folder, offline, capsys):
    np.savez(folder / "mnist.npz", **small())
    falls_back("cifar10", capsys)


@pytest.mark.parametrize("tier", ["", "full"])
def test_a_folder_that_is_nowhere_is_an_error(tier, monkeypatch, tmp_path):
    monkeypatch.setenv("CNNLAB_TIER", tier)
    (tmp_path / "file").touch()
    for path in ("no such folder", tmp_path / "file"):
        monkeypatch.setenv("CNNLAB_DATA", str(path))
        with pytest.raises(ValueError, match=f"CNNLAB_DATA.*{path}.*not a folder"):
            load("mnist")


X, Y = np.zeros((20, 28, 28), np.uint8), np.zeros(20, np.uint8)
WRONG = {
    "array missing": (dict(y_test=None), "y_test.*missing"),
    "floats": (dict(x_train=X / 255), "x_train.*uint8.*float64"),
    "wrong size": (dict(x_train=X[:, :27]), r"x_train.*\(N, 28, 28\).*\(20, 27, 28\)"),
    "colour": (dict(x_test=np.zeros((20, 28, 28, 3), np.uint8)), r"x_test.*\(20, 28, 28, 3\)"),
    "flat": (dict(x_train=X.reshape(20, -1)), r"\(20, 784\)"),
    "one number": (dict(x_train=np.uint8(3)), r"\(N, 28, 28\)"),
    "no images": (dict(x_train=X[:0], y_train=Y[:0]), r"x_train.*\(0, 28, 28\)"),
    "fewer labels": (dict(y_train=Y[:-1]), r"y_train.*each of the 20 images.*is \(19,\)"),
    "one label": (dict(y_test=np.uint8(3)), r"y_test.*each of the 10 images.*is \(\)"),
    "one-hot labels": (dict(y_train=np.eye(20, 10, dtype=np.uint8)), r"y_train.*is \(20, 10\)"),
    "label 10": (dict(y_train=Y + np.uint8(10)), "y_train.*labels from 0 to 9"),
    "label -1": (dict(y_test=np.full(10, -1)), "y_test.*labels from 0 to 9"),
    "label 0.5": (dict(y_train=Y + 0.5), "y_train.*labels from 0 to 9"),
    "objects": (dict(y_train=np.array([{}] * 20)), ""),
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


@pytest.mark.parametrize(
    "content",
    [npz()[:-1000], npz()[:5000], b"", b"<html>Not found</html>", single_array(), turned_byte()],
    ids=["end missing", "half missing", "empty", "web page", "one array", "turned byte"],
)
def test_a_broken_file_is_an_error(content, folder):
    (folder / "mnist.npz").write_bytes(content)
    with pytest.raises(ValueError, match=r"mnist\.npz is not a usable MNIST: .*unset CNNLAB_DATA"):
        load("mnist")


def test_an_unknown_name_is_an_error():
    with pytest.raises(ValueError, match=r"'imagenet'.*mnist, fashion_mnist, cifar10"):
        load("imagenet")


@pytest.mark.parametrize("tier", ["Full", "all", "0"])
def test_an_unknown_tier_is_an_error(tier, monkeypatch):
    monkeypatch.setenv("CNNLAB_TIER", tier)
    with pytest.raises(ValueError, match=rf"CNNLAB_TIER.*'{tier}'"):
        load("mnist")


# The network


@pytest.mark.parametrize("name", NAMES)
def test_offline(name, offline, capsys, surroundings):
    line = falls_back(name, capsys)
    assert "URL fetch failure" in line and "refused" in line
    assert left(surroundings) == []


@pytest.mark.parametrize("name", NAMES)
def test_offline_the_full_tier_refuses(name, offline, monkeypatch, surroundings):
    monkeypatch.setenv("CNNLAB_TIER", "full")
    with pytest.raises(DataUnavailable, match=rf"CNNLAB_TIER=full.*CNNLAB_DATA.*{name}\.npz"):
        load(name)
    assert left(surroundings) == []


def test_a_host_that_hangs(monkeypatch, capsys, surroundings):
    """It takes the connection and never says a word."""
    monkeypatch.setattr(cnnlab.data, "_CONNECT_SECONDS", 1)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{mute.getsockname()[1]}")
        hangs_up = threading.Timer(60, mute.close)  # so that this test fails, and never hangs
        hangs_up.start()
        line = falls_back("mnist", capsys)
        hangs_up.cancel()
    assert "timed out" in line
    assert left(surroundings) == []


class Server:
    """A web server on this machine that stands for Keras's hosts.

    `files`: {name: content}. `fault`: None, "truncated" (says more than it sends), "stalls" (sends
    half, then nothing more) or a status code. `asked`: the names it was asked for.
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
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content[: len(content) // 2] if server.fault else content)
                if server.fault == "stalls":
                    server.closing.wait(30)

            def log_message(self, *_):
                pass

        self.web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.web.serve_forever, daemon=True).start()

    def address(self, origin):
        return f"http://127.0.0.1:{self.web.server_port}/{origin.rsplit('/', 1)[-1]}"

    def close(self):
        self.closing.set()
        self.web.shutdown()
        self.web.server_close()


@pytest.fixture
def server(monkeypatch):
    """Keras downloads from this server: only the address of its requests is changed."""
    server = Server()
    real = file_utils.urlretrieve
    monkeypatch.setattr(
        file_utils, "urlretrieve", lambda origin, *rest: real(server.address(origin), *rest)
    )
    yield server
    server.close()


def gzipped(array, header):
    return gzip.compress(bytes(header) + array.tobytes())


def files_of(name, arrays):
    """What the host of this data set would send, if the set were this small."""
    if name == "mnist":
        file = io.BytesIO()
        np.savez(file, **arrays)
        return {"mnist.npz": file.getvalue()}
    if name == "fashion_mnist":
        return {
            f"{there}-{kind}-ubyte.gz": gzipped(arrays[f"{letter}_{part}"], header)
            for part, there in (("train", "train"), ("test", "t10k"))
            for letter, kind, header in (("x", "images-idx3", 16), ("y", "labels-idx1", 8))
        }
    # One picture a batch; Keras repeats it to the 10,000 that it expects of a training batch.
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for batch in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"):
            part = "test" if batch == "test_batch" else "train"
            content = pickle.dumps(
                {
                    b"data": arrays[f"x_{part}"][:1].transpose(0, 3, 1, 2).reshape(1, -1),
                    b"labels": [int(arrays[f"y_{part}"][0])],
                }
            )
            info = tarfile.TarInfo(f"cifar-10-batches-py/{batch}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return {"cifar-10-python.tar.gz": file.getvalue()}


@pytest.fixture
def expect(monkeypatch):
    """Tell Keras which content is the right one.

    The real files are not ours to keep here, and their checksums are written into Keras. So Keras
    checks the downloads as always, but against the checksum of the stand-in.
    """
    real = file_utils.validate_file

    def expect(files):
        (content,) = files.values()
        right = hashlib.sha256(content).hexdigest()
        monkeypatch.setattr(
            file_utils, "validate_file", lambda path, _, algorithm: real(path, right, algorithm)
        )

    return expect


@pytest.mark.parametrize("name", NAMES)
def test_a_download_that_works(name, server, expect, capsys):
    """And the next time nothing is downloaded at all."""
    arrays = small(name)
    server.files = files_of(name, arrays)
    if name != "fashion_mnist":  # Keras knows no checksum for it
        expect(server.files)
    data = load(name)
    check(data, "the full set")
    if name == "cifar10":
        assert data.x_train.shape == (50_000, 32, 32, 3) and data.y_train.shape == (50_000,)
        parts = (data.x_train[-20:], data.y_train[-20:], data.x_test, data.y_test)
        data = Dataset(*parts, data.class_names, data.source)
        arrays = {
            key: np.repeat(array[:1], 20 if "train" in key else 1, axis=0)
            for key, array in arrays.items()
        }
    same(data, arrays)
    asked = len(server.asked)
    assert asked == len(server.files)
    load(name)
    assert len(server.asked) == asked
    assert "Using instead" not in capsys.readouterr().out


@pytest.mark.parametrize("fault", ["truncated", "stalls", 404, 503])
@pytest.mark.parametrize("name", NAMES)
def test_a_download_that_fails_leaves_nothing(
    name, fault, server, monkeypatch, capsys, surroundings
):
    if fault == "stalls":
        monkeypatch.setattr(cnnlab.data, "_CONNECT_SECONDS", 1)
    server.files, server.fault = files_of(name, small(name)), fault
    line = falls_back(name, capsys)
    words = {"truncated": "retrieval incomplete", "stalls": "timed out"}
    assert words.get(fault, str(fault)) in line
    assert left(surroundings) == []


@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_a_download_with_the_wrong_checksum_leaves_nothing(name, server, capsys, surroundings):
    """All of it arrives, but it is not what Keras expects."""
    server.files = files_of(name, small(name))
    line = falls_back(name, capsys)
    assert "hash does not match" in line
    assert left(surroundings) == []


def test_an_archive_without_its_batches_leaves_nothing(server, expect, capsys, surroundings):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        archive.addfile(tarfile.TarInfo("something else"))
    server.files = {"cifar-10-python.tar.gz": file.getvalue()}
    expect(server.files)
    falls_back("cifar10", capsys)
    assert left(surroundings) == []


def test_a_corrupt_file_in_the_cache_and_no_network(
    surroundings, server, expect, monkeypatch, capsys
):
    """It falls back, and once the network is there again it loads what it should."""
    arrays = small()
    server.files = files_of("mnist", arrays)
    expect(server.files)
    cached = surroundings / "datasets" / "mnist.npz"
    cached.parent.mkdir()
    cached.write_bytes(server.files["mnist.npz"][:-500])
    server.fault = 503
    falls_back("mnist", capsys)
    server.fault = None
    same(load("mnist"), arrays)
    assert left(surroundings) == ["datasets/mnist.npz"]


@pytest.mark.parametrize("content", ["truncated", "no gzip", "wrong size"])
def test_a_broken_fashion_file_in_the_cache_is_forgotten(content, surroundings, server, capsys):
    """Keras checks no checksum here: only reading the file shows that it is broken."""
    arrays = small("fashion_mnist")
    server.files = files_of("fashion_mnist", arrays)
    cache = surroundings / "datasets" / "fashion-mnist"
    cache.mkdir(parents=True)
    for file, good in server.files.items():
        (cache / file).write_bytes(good)
    name = "train-images-idx3-ubyte.gz"
    broken = {
        "truncated": server.files[name][:-500],
        "no gzip": b"<html>Not found</html>",
        "wrong size": gzipped(arrays["x_train"][:, 1:], 16),
    }
    (cache / name).write_bytes(broken[content])
    falls_back("fashion_mnist", capsys)
    assert server.asked == []
    assert not (cache / name).exists()
    same(load("fashion_mnist"), arrays)


def test_good_files_in_the_cache_survive_a_network_fault(surroundings, server, capsys):
    """Three of four files are there, and the fourth cannot be had now."""
    server.files, server.fault = files_of("fashion_mnist", small("fashion_mnist")), 503
    cache = surroundings / "datasets" / "fashion-mnist"
    cache.mkdir(parents=True)
    for file, good in list(server.files.items())[1:]:
        (cache / file).write_bytes(good)
    falls_back("fashion_mnist", capsys)
    assert len(left(cache)) == 3


@pytest.mark.parametrize(
    "problem",
    [MemoryError("no room for the pixels"), OSError("no more open files"), KeyboardInterrupt()],
    ids=lambda problem: type(problem).__name__,
)
def test_good_files_in_the_cache_survive_what_is_not_their_fault(
    problem, surroundings, server, expect, monkeypatch, capsys
):
    server.files = files_of("mnist", small())
    expect(server.files)
    load("mnist")

    def fails(*_, **__):
        raise problem

    monkeypatch.setattr(np, "load", fails)
    if isinstance(problem, Exception):
        assert str(problem) in falls_back("mnist", capsys)
    else:
        with pytest.raises(KeyboardInterrupt):
            load("mnist")
    assert left(surroundings) == ["datasets/mnist.npz"]


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
    server.files = files_of("mnist", small())
    assert len(server.files["mnist.npz"]) > 2 * 4096
    lines = run(
        f"""
import resource
from cnnlab.data import load
from keras.src.utils import file_utils
real = file_utils.urlretrieve
file_utils.urlretrieve = lambda origin, *rest: real({server.address("mnist.npz")!r}, *rest)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
print(len(load("mnist").x_train))
""",
        KERAS_HOME=str(surroundings),
    )
    ours = [line for line in lines if "Using instead" in line]
    assert len(ours) == 1 and "File too large" in ours[0]
    assert lines[-1] == "4000"
    assert "datasets/mnist.npz" not in left(surroundings)


def test_a_cache_that_cannot_be_written(server, tmp_path):
    """KERAS_HOME lies below a plain file: Keras goes elsewhere, and so does our tidying up.

    Keras goes to /tmp. Here /tmp is hidden, so that it takes the machine's other temporary folder,
    which is one of our own.
    """
    (tmp_path / "file").touch()
    spare = tmp_path / "spare"
    spare.mkdir()
    server.files = files_of("mnist", small())
    lines = run(
        f"""
import os
from cnnlab.data import load
from keras.src.utils import file_utils
real, isdir = file_utils.urlretrieve, os.path.isdir
file_utils.urlretrieve = lambda origin, *rest: real({server.address("mnist.npz")!r}, *rest)
os.path.isdir = lambda path: path != "/tmp" and isdir(path)
print(len(load("mnist").x_train))
""",
        KERAS_HOME=str(tmp_path / "file" / "keras"),
        TMPDIR=str(spare),
    )
    ours = [line for line in lines if "Using instead" in line]
    assert len(ours) == 1 and "hash does not match" in ours[0]
    assert lines[-1] == "4000"
    assert (spare / ".keras" / "datasets").is_dir() and left(spare) == []
