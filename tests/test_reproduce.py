"""Long runs: their records, and what happens when they are stopped."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from importlib import import_module
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from cnnlab import data, files
from cnnlab.models import SYSTEMS
from cnnlab.records import RESULTS, NoRecords, RecordMismatch, kept_weights, records
from cnnlab.reproduce import reproduce, runs


@pytest.fixture
def sample(monkeypatch):
    """A quarter of the built-in digits: these tests look at files, not at good networks."""
    digits = data.load("mnist", "sample")
    few = {part: getattr(digits, part)[:1000] for part in ("x_train", "y_train")}
    monkeypatch.setattr(data, "load", lambda name, tier=None: replace(digits, **few))


def accuracy(weights):
    """Of S1 with these weights on the test digits."""
    model = SYSTEMS["S1"].build()
    model.load_weights(weights)
    digits = data.load("mnist")
    right = model.predict(digits.x_test, verbose=0).argmax(axis=1) == digits.y_test
    return right.mean()


# Stopped, and started again


def start(folder, epochs):
    return subprocess.Popen(
        f"{sys.executable} -m cnnlab.reproduce S7 --epochs {epochs} --results {folder}".split(),
        env={**os.environ, "CNNLAB_TIER": "sample", "CUDA_VISIBLE_DEVICES": "-1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_killed_run_goes_on_and_loses_only_the_epoch_it_was_in(tmp_path):
    draft, saved = (tmp_path / "unfinished" / f"S7-seed0.{end}" for end in ("json", "keras"))
    first = start(tmp_path, 5)
    while not saved.exists():
        assert first.poll() is None, "ended too early"
        time.sleep(0.05)
    first.send_signal(signal.SIGKILL)  # while the second epoch runs, or later
    first.wait()
    with pytest.raises(NoRecords):  # nothing half-made among the records
        records("S7", tmp_path)
    before = json.loads(draft.read_text())["epochs"]
    assert 1 <= len(before) < 5

    second = start(tmp_path, 5)
    said, shown = second.communicate(timeout=300)
    assert second.returncode == 0 and "epoch 5 of 5" in shown and "epoch 1 of 5" not in shown
    (run,) = records("S7", tmp_path)
    assert "S7, seed 0: test accuracy" in said and "after 5 epochs" in said
    assert len(run["epochs"]) == 5 and run["epochs"][: len(before) - 1] == before[:-1]
    assert run["epochs"][0] == before[0]
    assert run["epochs"][-1]["loss"] < run["epochs"][0]["loss"]
    assert list((tmp_path / "unfinished").iterdir()) == []  # all the recipe's epochs are done


def test_a_finished_run_is_not_repeated_and_a_longer_one_goes_on(tmp_path, sample):
    short = reproduce("S1", epochs=1, folder=tmp_path)
    assert reproduce("S1", epochs=1, folder=tmp_path) == short
    long = reproduce("S1", epochs=2, folder=tmp_path)
    assert long["epochs"][0] == short["epochs"][0] and len(long["epochs"]) == 2
    assert long["parameters"] == 898_510 and long["data"]["train"] == 1000
    halves = long["epochs"][1]["test_accuracy_halves"]
    assert sum(halves) / 2 == pytest.approx(long["epochs"][1]["test_accuracy"])
    assert 0.7 < long["train"]["accuracy"] <= 1
    assert reproduce("S1", epochs=1, folder=tmp_path) == long


def test_two_that_are_started_alike_share_the_work(tmp_path):
    """One trains S7; the other finds that out, says so and ends. After a crash nobody waits."""
    first = start(tmp_path, 3)
    lock = tmp_path / "unfinished" / "S7-seed0.lock"
    while not lock.exists():
        assert first.poll() is None, "ended too early"
        time.sleep(0.05)
    second = start(tmp_path, 3)
    said, problem = second.communicate(timeout=300)
    assert second.returncode == 0 and "S7, seed 0: another process is at it" in said, problem
    assert first.poll() is None  # or there was nothing to share
    first.send_signal(signal.SIGKILL)
    first.wait()
    third = start(tmp_path, 1)
    said, problem = third.communicate(timeout=300)
    assert third.returncode == 0 and "S7, seed 0: test accuracy" in said, problem


def test_a_file_is_one_process_s_until_it_is_done(tmp_path, sample):
    with files.alone(tmp_path / "unfinished" / "S1-seed0.json", "somebody"):
        with pytest.raises(files.InUse, match="S1, seed 0: another process is at it"):
            reproduce("S1", epochs=1, folder=tmp_path)
        assert reproduce("S1", epochs=1, seed=1, folder=tmp_path)["seed"] == 1
    assert reproduce("S1", epochs=1, folder=tmp_path)["seed"] == 0


def test_a_scheduler_takes_jobs_by_number():
    everything = runs(["S1", "S7"], 3)
    assert everything == [(key, seed) for key in ("S1", "S7") for seed in range(3)]
    assert [runs(["S1", "S7"], 3, job)[0] for job in range(6)] == everything
    with pytest.raises(ValueError, match="--job must be a whole number from 0 to 5, got 6"):
        runs(["S1", "S7"], 3, 6)


def test_a_model_without_its_record_is_not_taken_for_that_of_another_run(
    tmp_path, sample, monkeypatch
):
    """The record of an unfinished run was deleted; the new run is stopped between its two files."""
    reproduce("S1", epochs=2, folder=tmp_path)
    (tmp_path / "S1-seed0.json").unlink()
    (tmp_path / "unfinished" / "S1-seed0.json").unlink()

    def stop(*args, **settings):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(keras.Sequential, "save", stop)
        reproduce("S1", epochs=2, folder=tmp_path)
    assert len(reproduce("S1", epochs=2, folder=tmp_path)["epochs"]) == 2


def test_a_saved_model_that_is_damaged_is_said_in_words(tmp_path, sample):
    reproduce("S1", epochs=1, folder=tmp_path)
    saved = tmp_path / "unfinished" / "S1-seed0.keras"
    saved.write_bytes(saved.read_bytes()[:100_000])
    with pytest.raises(ValueError, match=r"S1-seed0\.keras cannot be read.*Delete it"):
        reproduce("S1", epochs=2, folder=tmp_path)
    assert len(records("S1", tmp_path)[0]["epochs"]) == 1
    saved.unlink()
    assert len(reproduce("S1", epochs=2, folder=tmp_path)["epochs"]) == 2


def test_a_full_disk_is_said_in_words_and_what_was_saved_stays(tmp_path, sample):
    resource = pytest.importorskip("resource", reason="no limits for files here")
    before = reproduce("S1", epochs=1, folder=tmp_path)
    saved = tmp_path / "unfinished" / "S1-seed0.keras"
    model = saved.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))  # too little for the model
    try:
        with pytest.raises(OSError, match=r"Epoch 2 could not be saved.*make room, and start aga"):
            reproduce("S1", epochs=3, folder=tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert records("S1", tmp_path) == [before] and saved.read_bytes() == model
    assert sorted(path.name for path in saved.parent.iterdir()) == [
        "S1-seed0.json",
        "S1-seed0.keras",
    ]
    after = reproduce("S1", epochs=2, folder=tmp_path)
    assert len(after["epochs"]) == 2 and after["epochs"][0] == before["epochs"][0]


# The weights that are kept


@pytest.mark.parametrize(
    "steps",
    [
        [(1, False), (1, True)],
        [(1, True), (2, True)],
        [(1, True), (2, False), (2, True)],
        [(2, True), (1, False), (1, True)],
    ],
    ids=str,
)
def test_kept_weights_are_always_those_of_the_record(tmp_path, sample, steps):
    path, longest = tmp_path / "S1-seed0.json", 0
    for epochs, keep in steps:
        record = reproduce("S1", epochs=epochs, keep=keep, folder=tmp_path)
        longest = max(longest, epochs)
        assert len(record["epochs"]) == longest and [record] == records("S1", tmp_path)
        there = path.with_suffix(".weights.h5").exists()
        assert there == (kept_weights(path) is not None) and (there or not keep)
        if there:
            expected = record["epochs"][-1]["test_accuracy"]
            assert accuracy(kept_weights(path)) == pytest.approx(expected, abs=0.005)


def test_weights_that_another_run_left_are_made_anew(tmp_path, sample):
    weights = tmp_path / "S1-seed0.weights.h5"
    reproduce("S1", epochs=1, keep=True, folder=tmp_path)
    stale = weights.read_bytes()
    record = reproduce("S1", epochs=3, keep=True, folder=tmp_path)
    weights.write_bytes(stale)
    assert kept_weights(tmp_path / "S1-seed0.json") is None
    shutil.rmtree(tmp_path / "unfinished")  # so that the run starts from its beginning
    again = reproduce("S1", epochs=1, keep=True, folder=tmp_path)  # and gets no shorter
    assert len(again["epochs"]) == len(record["epochs"]) == 3
    assert kept_weights(tmp_path / "S1-seed0.json") == weights
    expected = again["epochs"][-1]["test_accuracy"]
    assert accuracy(weights) == pytest.approx(expected, abs=0.005)


def test_records_from_before_stay_as_they_are(tmp_path, sample):
    """They do not say which weights are theirs: those beside them."""
    path = tmp_path / "S1-seed0.json"
    record = reproduce("S1", epochs=1, keep=True, folder=tmp_path)
    del record["weights"]
    path.write_text(json.dumps(record))
    files = {each: each.read_bytes() for each in tmp_path.glob("S1*")}
    for keep in (False, True):
        assert reproduce("S1", epochs=1, keep=keep, folder=tmp_path) == record
    assert files == {each: each.read_bytes() for each in tmp_path.glob("S1*")}


# What is refused


@pytest.mark.parametrize(
    "field, value",
    [
        ("versions", {"keras": "2"}),
        ("data", {"digest": "0"}),
        ("precision", "mixed_bfloat16"),
    ],
)
def test_runs_of_different_kinds_are_never_mixed(tmp_path, sample, field, value):
    record = reproduce("S1", epochs=1, folder=tmp_path)
    other = {**record, field: value, "seed": 1}
    (tmp_path / "S1-seed1.json").write_text(json.dumps(other))
    with pytest.raises(RecordMismatch, match=field):
        records("S1", tmp_path)
    with pytest.raises(RecordMismatch, match=field):
        reproduce("S1", seed=1, epochs=1, folder=tmp_path)
    draft = tmp_path / "unfinished" / "S1-seed0.json"
    draft.write_text(json.dumps({**record, field: value}))
    with pytest.raises(RecordMismatch, match=field):
        reproduce("S1", epochs=2, folder=tmp_path)


def test_it_trains_in_the_precision_of_the_sources_unless_told_otherwise(tmp_path, sample):
    assert reproduce("S1", epochs=1, folder=tmp_path)["precision"] == "float32"
    mixed = reproduce("S1", epochs=1, precision="mixed_bfloat16", folder=tmp_path / "mixed")
    assert mixed["precision"] == "mixed_bfloat16"


def test_an_epoch_is_that_of_a_plain_fit_in_the_order_of_seed_and_epoch(tmp_path, sample):
    made = reproduce("S13", seed=2, epochs=2, folder=tmp_path)["epochs"]
    recipe, digits = SYSTEMS["S13"].recipe, data.load("mnist")
    last = len(digits.x_train) - int(len(digits.x_train) * (recipe["validation"] or 0))
    keras.utils.set_random_seed(2)
    model = SYSTEMS["S13"].build()
    optimizer = getattr(keras.optimizers, recipe["optimizer"])(recipe["learning_rate"])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, metrics=["accuracy"])
    for epoch, row in enumerate(made):
        order = np.random.default_rng([2, epoch]).permutation(last)
        x, y = digits.x_train[order], digits.y_train[order]
        plain = model.fit(x, y, batch_size=recipe["batch_size"], shuffle=False, verbose=0).history
        assert row["loss"] == pytest.approx(plain["loss"][0], rel=1e-4)
        assert row["accuracy"] == plain["accuracy"][0]


def test_images_that_a_source_left_out_are_left_out(monkeypatch):
    """TensorFlow 1 keeps the first 5,000 digits for validation, and gives the others."""
    x, y = np.arange(60_000).reshape(-1, 1, 1, 1), np.zeros(60_000, int)
    full = SimpleNamespace(x_train=x, y_train=y, x_test=x[:1], y_test=y[:1], source="numbers")
    monkeypatch.setattr(data, "load", lambda name, tier: full)
    images = import_module("cnnlab.reproduce")._images
    seen = {}
    for key in ("S1", "S3", "S7", "S8"):
        parts, _ = images(SYSTEMS[key].recipe)
        seen[key] = [(int(part[0][0, 0, 0, 0]), len(part[0])) if len(part[0]) else None
                     for part in (parts["train"], parts["validation"])]  # fmt: skip
    assert seen["S1"] == [(0, 10_000), None] and seen["S3"] == [(5_000, 55_000), None]
    assert seen["S7"] == [(0, 60_000), None] and seen["S8"] == [(0, 54_000), (54_000, 6_000)]


@pytest.mark.parametrize(
    ("tier", "read"), [("", "full"), ('" "', "full"), ("sample", "sample"), ("'sample' ", "sample")]
)
def test_a_tier_as_people_write_it(monkeypatch, tier, read):
    class Asked(Exception):
        pass

    def load(name, tier):
        raise Asked(tier)

    monkeypatch.setattr(data, "load", load)
    monkeypatch.setenv("CNNLAB_TIER", tier)
    with pytest.raises(Asked, match=f"^{read}$"):
        import_module("cnnlab.reproduce")._images(SYSTEMS["S1"].recipe)


def test_the_record_of_another_run_is_not_overwritten(tmp_path, sample):
    text = (RESULTS / "S2-seed0.json").read_text()
    (tmp_path / "S1-seed0.json").write_text(text)
    with pytest.raises(RecordMismatch, match=r"belongs in S2-seed0\.json"):
        reproduce("S1", epochs=1, folder=tmp_path)
    assert (tmp_path / "S1-seed0.json").read_text() == text


@pytest.mark.parametrize("epochs", [0, -1, 1.5, 2.0, True, False, "3", np.nan, [1]])
def test_epochs_that_cannot_be_are_refused(tmp_path, sample, epochs):
    with pytest.raises(ValueError, match="epochs must be a whole number from 1 on, got"):
        reproduce("S1", epochs=epochs, folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("seed", [-1, 2**32, 0.0, True, "0", None])
def test_seeds_that_cannot_be_are_refused(tmp_path, sample, seed):
    with pytest.raises(ValueError, match="seed must be a whole number from 0 to 4294967295, got"):
        reproduce("S1", seed=seed, epochs=1, folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_unknown_systems_and_damaged_records_are_said_in_words(tmp_path, sample):
    with pytest.raises(ValueError, match="S99"):
        reproduce("S99")
    with pytest.raises(ValueError, match=r"\['S1'\]"):
        reproduce(["S1"])
    with pytest.raises(ValueError, match=r"S11.*images"):
        reproduce("S11")
    (tmp_path / "S1-seed0.json").write_text("{")
    with pytest.raises(ValueError, match="Delete it"):
        reproduce("S1", epochs=1, folder=tmp_path)


def test_a_draft_that_lost_an_epoch_is_not_trained_on(tmp_path, sample):
    """As after a power cut: the model is further than what is written of it."""
    reproduce("S1", epochs=2, folder=tmp_path)  # fewer than the recipe says: the draft stays
    draft = tmp_path / "unfinished" / "S1-seed0.json"
    told = json.loads(draft.read_text())
    draft.write_text(json.dumps({**told, "epochs": told["epochs"][:1]}))
    with pytest.raises(ValueError, match=r"tells of 1 epochs.*of 2\. Delete both"):
        reproduce("S1", epochs=3, folder=tmp_path)


def test_a_training_that_diverges_leaves_no_record(tmp_path, sample, monkeypatch):
    wild = replace(SYSTEMS["S1"], recipe=SYSTEMS["S1"].recipe | {"learning_rate": 1e30})
    monkeypatch.setitem(SYSTEMS, "S1", wild)
    with pytest.raises(ValueError, match=r"S1, seed 0: in epoch 1 .* no longer a number"):
        reproduce("S1", epochs=1, folder=tmp_path)
    assert list(tmp_path.glob("*.json")) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["S1", "S99"], "'S99' is not a system"),
        (["S1", "--epochs", "0"], "epochs must be a whole number from 1 on, got 0"),
        (["S1", "--seeds", "0"], "--seeds must be a whole number from 1 on, got 0"),
        (["S1", "--seeds", "-2"], "--seeds must be a whole number from 1 on, got -2"),
    ],
)
def test_the_command_line_refuses_before_anything_is_trained(
    tmp_path, sample, monkeypatch, options, words
):
    monkeypatch.setattr(sys, "argv", ["reproduce", *options, "--results", str(tmp_path)])
    with pytest.raises(SystemExit, match=words):
        import_module("cnnlab.reproduce").main()
    assert list(tmp_path.iterdir()) == []
