"""Long runs: their records, and what happens when they are stopped."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from cnnlab import data
from cnnlab.models import SYSTEMS
from cnnlab.records import RecordMismatch, records
from cnnlab.training import reproduce


@pytest.fixture
def sample(monkeypatch):
    monkeypatch.setenv("CNNLAB_TIER", "sample")


def start(folder, epochs):
    return subprocess.Popen(
        f"{sys.executable} -m cnnlab.training S7 --epochs {epochs} --results {folder}".split(),
        env={**os.environ, "CNNLAB_TIER": "sample", "CUDA_VISIBLE_DEVICES": "-1"},
        stdout=subprocess.PIPE,
        text=True,
    )


def test_a_killed_run_goes_on_and_loses_only_the_epoch_it_was_in(tmp_path):
    draft, saved = (tmp_path / "unfinished" / f"S7-seed0.{end}" for end in ("json", "keras"))
    first = start(tmp_path, 4)
    while not saved.exists():
        assert first.poll() is None, "ended too early"
        time.sleep(0.05)
    first.send_signal(signal.SIGKILL)  # while the second epoch runs, or later
    first.wait()
    assert records("S7", tmp_path) == []  # nothing half-made among the records
    before = json.loads(draft.read_text())["epochs"]
    assert 1 <= len(before) < 4

    second = start(tmp_path, 4)
    said, _ = second.communicate(timeout=300)
    assert second.returncode == 0 and "epoch 1 of 4" not in said
    (run,) = records("S7", tmp_path)
    assert len(run["epochs"]) == 4 and run["epochs"][: len(before) - 1] == before[:-1]
    assert run["epochs"][0] == before[0]
    assert run["epochs"][-1]["loss"] < run["epochs"][0]["loss"]


def test_a_finished_run_is_not_repeated_and_a_longer_one_goes_on(tmp_path, sample):
    short = reproduce("S1", epochs=1, folder=tmp_path)
    assert reproduce("S1", epochs=1, folder=tmp_path) == short
    long = reproduce("S1", epochs=2, folder=tmp_path)
    assert long["epochs"][0] == short["epochs"][0] and len(long["epochs"]) == 2
    assert long["parameters"] == 898_510 and long["data"]["train"] == 4000
    halves = long["epochs"][1]["test_accuracy_halves"]
    assert sum(halves) / 2 == pytest.approx(long["epochs"][1]["test_accuracy"])
    assert 0.8 < long["train"]["accuracy"] <= 1


def test_weights_are_kept_on_request(tmp_path, sample):
    record = reproduce("S1", epochs=1, folder=tmp_path)
    assert reproduce("S1", epochs=1, folder=tmp_path, keep=True)["train"] == record["train"]
    model = SYSTEMS["S1"].build()
    model.load_weights(tmp_path / "S1-seed0.weights.h5")
    digits = data.load("mnist")
    right = model.predict(digits.x_test, verbose=0).argmax(axis=1) == digits.y_test
    assert right.mean() == pytest.approx(record["epochs"][0]["test_accuracy"], abs=0.005)


@pytest.mark.parametrize("field, value", [("versions", {"keras": "2"}), ("data", {"digest": "0"})])
def test_runs_of_different_kinds_are_never_mixed(tmp_path, sample, field, value):
    record = reproduce("S1", epochs=1, folder=tmp_path)
    other = {**record, field: value, "seed": 1}
    (tmp_path / "S1-seed1.json").write_text(json.dumps(other))
    with pytest.raises(RecordMismatch, match=field):
        records("S1", tmp_path)
    with pytest.raises(RecordMismatch, match=field):
        reproduce("S1", seed=1, epochs=1, folder=tmp_path)


def test_unknown_systems_damaged_files_and_full_disks_are_said_in_words(tmp_path, sample):
    with pytest.raises(ValueError, match="S99"):
        reproduce("S99")
    with pytest.raises(ValueError, match=r"S11.*images"):
        reproduce("S11")
    (tmp_path / "S1-seed0.json").write_text("{")
    with pytest.raises(ValueError, match="Delete it"):
        reproduce("S1", epochs=1, folder=tmp_path)
    (tmp_path / "S1-seed0.json").unlink()
    # A folder in the place of the draft: it cannot be written.
    (tmp_path / "unfinished" / "S1-seed0.part").mkdir(parents=True)
    with pytest.raises(OSError, match="start again"):
        reproduce("S1", epochs=1, folder=tmp_path)
