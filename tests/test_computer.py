"""`python -m cnnlab.computer` says in words what a computer can do, whatever is missing on it."""

import os
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import psutil
import pytest
from cnnlab import computer, data
from cnnlab.computer import ELSEWHERE, FINE, WRONG, Finding

ROOT = Path(__file__).resolve().parent.parent


def test_here_the_lessons_can_run():
    """Where these tests run, everything is there that a lesson needs."""
    command = [sys.executable, "-m", "cnnlab.computer"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    *lines, empty, last = done.stdout.splitlines()
    assert done.returncode == 0 and not empty and last.startswith("The lessons can run here")
    assert {line[:4] for line in lines} <= {"ok  ", "--  "} and len(lines) == 8
    for word in ("Python 3.1", "tensorflow 2.", "GB, of which", "Data: ", "Training runs on"):
        assert word in done.stdout
    assert done.stderr == ""


def test_without_libraries_it_says_so_and_looks_on():
    """A Python with nothing but its own modules, as before an installation."""
    clean = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "lessons_src")}
    done = subprocess.run(
        [sys.executable, "-S", "-m", "cnnlab.computer"],
        capture_output=True,
        text=True,
        env=clean,
        check=False,
    )
    assert done.returncode == 1 and done.stderr == ""
    assert "NO  Missing: tensorflow, keras, numpy" in done.stdout
    assert "run install.py" in done.stdout and done.stdout.count("\n") > 6
    assert done.stdout.splitlines()[-1].startswith("The lessons cannot run here yet")


@pytest.mark.parametrize(
    ("found", "state", "says"),
    [
        (computer.python((3, 13), 64), FINE, "Python 3.13 with 64 bits"),
        (computer.python((3, 14), 64), WRONG, "needs 3.11, 3.12 or 3.13"),
        (computer.python((3, 12), 32), WRONG, "with 64 bits"),
        (computer.libraries({"keras": "3.15", "scipy": None}), WRONG, "Missing: scipy."),
        (computer.chromium(None), ELSEWHERE, "The lessons need none."),
        (computer.lab(None), ELSEWHERE, "JupyterLab is missing"),
        (computer.device(["H100"], "", "nvidia-smi"), FINE, "runs on H100"),
        (computer.device([], "", None), FINE, "for which the lessons are made."),
        (computer.device([], "", "nvidia-smi"), FINE, "NVIDIA card that TensorFlow does not see"),
        (computer.device([], "DLL load failed", None), WRONG, "Visual C++ Redistributable"),
        (computer.device([], "it ended with the status -4", None), WRONG, "may lack AVX"),
        (computer.device([], "it ended with the status -6", None), WRONG, "may lack AVX"),
        (computer.device([], "it ended with the status 3221225501", None), WRONG, "may lack AVX"),
        (computer.device([], "It was compiled to use AVX.", None), WRONG, "use AVX. This proc"),
    ],
)
def test_what_is_found_is_told_with_what_follows(found, state, says):
    assert found.state == state and says in found.words


@pytest.mark.parametrize(
    ("total", "free", "state"), [(16, 9, FINE), (8, 1, ELSEWHERE), (2, 1, WRONG)]
)
def test_memory(monkeypatch, total, free, state):
    memory = namedtuple("Memory", "total available")(total * 1e9, free * 1e9)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
    assert computer.memory().state == state


def test_a_tensorflow_that_ends_the_program_ends_only_its_own(monkeypatch):
    monkeypatch.setattr(computer, "LOAD", "import os, signal; os.kill(os.getpid(), signal.SIGILL)")
    assert computer.load() == ([], "it ended with the status -4")
    monkeypatch.setattr(computer, "LOAD", "raise ImportError('no such thing')")
    assert computer.load() == ([], "ImportError: no such thing")
    for told in ("ImportError: DLL load failed.", "F0000 It was compiled to use AVX instructions."):
        text = f"Traceback\n{told}\n\nIf you need help, create an issue at https://example.org"
        monkeypatch.setattr(computer, "LOAD", f"import sys; sys.exit({text!r})")
        assert computer.load() == ([], told)


def test_data_at_hand_are_named_without_a_network(monkeypatch, tmp_path):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    for variable in ("CNNLAB_DATA", "CNNLAB_TIER"):
        monkeypatch.delenv(variable, raising=False)
    assert not any(map(data.at_hand, data.NAMES)) and "built in" in computer.data().words
    (tmp_path / "datasets").mkdir()
    (tmp_path / "datasets" / "mnist.npz").touch()
    monkeypatch.setenv("CNNLAB_DATA", str(tmp_path / "own"))
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "cifar10.npz").touch()
    assert [name for name in data.NAMES if data.at_hand(name)] == ["mnist", "cifar10"]
    assert "Data: mnist, cifar10 in full" in computer.data().words
    monkeypatch.setenv("CNNLAB_TIER", "full")
    found = computer.data()
    assert found.state == ELSEWHERE and "fashion_mnist will be downloaded" in found.words


@pytest.mark.parametrize(
    ("tier", "folder", "state", "says"),
    [
        ("smaple", "", WRONG, "'smaple'"),
        ("", "/nowhere", WRONG, "CNNLAB_DATA is '/nowhere'"),
        ("full", "~/nowhere", WRONG, "is not a folder"),
        ("sample", "/nowhere", FINE, "as CNNLAB_TIER says"),
        (' "sample" ', "", FINE, "as CNNLAB_TIER says"),
        ("", f" '{ROOT}' ", FINE, "built in"),
    ],
)
def test_settings_with_which_every_lesson_fails_are_said(
    monkeypatch, tmp_path, tier, folder, state, says
):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setenv("CNNLAB_TIER", tier)
    monkeypatch.setenv("CNNLAB_DATA", folder)
    found = computer.data()
    assert found.state == state and says in found.words


def test_the_last_line_follows_from_the_others():
    fine, other, wrong = (Finding(state, "") for state in (FINE, ELSEWHERE, WRONG))
    assert computer.summary([fine]).endswith("and everything else, too.")
    assert "The lessons can run here." in computer.summary([fine, other])
    assert "cannot run here yet" in computer.summary([other, wrong, fine])


def test_the_site_shows_what_it_says():
    from test_site import page

    text = page("book/install").find("article").get_text()
    assert "ok  Python 3.1" in text and "The lessons can run here" in text


@pytest.mark.parametrize(
    ("name", "usual", "other"),
    [("TF_FORCE_GPU_ALLOW_GROWTH", "true", "false"), ("TF_ENABLE_ONEDNN_OPTS", "1", "0")],
)
def test_what_tensorflow_reads_at_its_start_is_set_and_can_be_chosen(name, usual, other):
    """Two notebooks share a graphics card; convolutions are fast without AVX-512, too."""
    code = f"import cnnlab; import os; print(os.environ[{name!r}])"
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "lessons_src")}
    for given, wanted in (({}, usual), ({name: other}, other)):
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, env=env | given, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == wanted


COMPARED = """
import sys
sys.ps1 = ">>> "  # as in a notebook, where TensorFlow's warnings are printed
import cnnlab, keras, numpy
for _ in range(7):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", jit_compile=False)
    model.fit(numpy.zeros((2, 2)), numpy.zeros(2), verbose=0)
    model.predict(numpy.zeros((2, 2)), verbose=0)
import tensorflow as tf
for _ in range(5):
    tf.function(lambda x: x)(1)
tf.get_logger().warning("of something else")
"""


def test_who_compares_many_networks_is_not_warned_but_else_is():
    done = subprocess.run([sys.executable, "-c", COMPARED], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    mine, other = done.stdout.splitlines()
    assert "retracing" in mine and "<lambda>" in mine
    assert other == "WARNING:tensorflow:of something else"
