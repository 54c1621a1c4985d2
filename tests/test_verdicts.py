"""Reported numbers beside runs of ours: no verdict that the records do not support."""

import json

import numpy as np
import pytest
from cnnlab.models import SYSTEMS
from cnnlab.verdicts import JUDGED, Reported, form, words


def runs(folder, key, accuracies, losses, epochs=None, **changes):
    """Records of a system, one for each seed: its test accuracy and loss after the last epoch."""
    system = SYSTEMS[key]
    recipe = {**system.recipe, **system.assumed}
    folder.mkdir(exist_ok=True)
    for seed, (accuracy, loss) in enumerate(zip(accuracies, losses, strict=True)):
        last = {"test_accuracy": accuracy, "test_loss": loss, "loss": loss, "accuracy": accuracy}
        first = {"test_accuracy": 0.1, "test_loss": 9.0, "loss": 9.0, "accuracy": 0.1}
        count = epochs or recipe["epochs"]
        record = {
            "system": key,
            "seed": seed,
            "recipe": {**recipe, **changes},
            "parameters": 1,
            "data": {"train": 60_000, "validation": 0},
            "versions": {},
            "precision": "float32",
            "epochs": [first] * (count - 1) + [last],
            "train": {"accuracy": accuracy},
        }
        (folder / f"{key}-seed{seed}.json").write_text(json.dumps(record))
    return Reported(key, folder)


def test_a_reported_number_is_inside_above_or_below_what_one_more_run_would_give(tmp_path):
    told = SYSTEMS["S7"].reported["test_accuracy"]
    near = told + np.array([-0.0001, 0.0, 0.0001])  # so the interval reaches 0.0005
    for name, shift, verdict in (("a", 0, "inside"), ("b", -0.02, "above"), ("c", 0.002, "below")):
        each = runs(tmp_path / name, "S7", near + shift, [0.1, 0.1, 0.1])
        assert each.verdict("test_accuracy") == verdict
        assert each.row("test_accuracy")[3] == verdict


def test_the_rounding_of_a_reported_number_counts(tmp_path):
    each = runs(tmp_path, "S7", [0.98996, 0.98997, 0.98998], [0.1, 0.1, 0.1])
    assert each.verdict("test_accuracy", theirs=0.99) == "inside"  # 0.9900, rounded
    assert each.verdict("test_accuracy", theirs=0.9902) == "above"
    assert each.verdict("test_accuracy", theirs=0.98) == "below"  # programs print so for 0.9800
    each = runs(tmp_path / "less", "S7", [0.98301, 0.983, 0.98299], [0.1, 0.1, 0.1])
    assert each.verdict("test_accuracy", theirs=0.98) == "below"


def test_losses_are_judged_by_their_factors(tmp_path):
    each = runs(tmp_path / "narrow", "S7", [0.9] * 3, [0.1, 0.2, 0.4])
    found = each.one_more("test_loss")
    assert 0 < found.low < found.high and found.mean == pytest.approx(0.2)
    assert found.high / found.mean == pytest.approx(found.mean / found.low)
    assert each.verdict("test_loss", theirs=0.2) == "too wide to tell"  # 0.01 to 4
    each = runs(tmp_path / "few", "S7", [0.9] * 3, [0.19, 0.2, 0.21])
    assert each.verdict("test_loss", theirs=0.2) == "inside"
    assert each.verdict("test_loss", theirs=0.5) == "above"


def test_too_wide_an_interval_confirms_nothing_but_may_contradict(tmp_path):
    each = runs(tmp_path, "S7", [0.90, 0.93, 0.96], [0.1] * 3)
    assert each.verdict("test_accuracy", theirs=0.95) == "too wide to tell"
    assert each.verdict("test_accuracy", theirs=0.5) == "below"


@pytest.mark.parametrize(
    "count, changes, said",
    [
        (0, {}, "no record"),
        (1, {}, "one run"),
        (3, {"epochs": 1}, "unfinished"),
        (3, {"batch_size": 7}, "other recipe"),
    ],
)
def test_what_the_records_do_not_support_is_no_verdict(tmp_path, count, changes, said):
    each = runs(tmp_path, "S7", [0.99] * count, [0.1] * count, **changes)
    assert each.verdict("test_accuracy") == said not in JUDGED
    assert each.one_more("test_accuracy") is None


def test_two_runs_are_named_as_two(tmp_path):
    each = runs(tmp_path, "S7", [0.9900, 0.9901], [0.1, 0.1])
    assert each.row("test_accuracy")[3].endswith("(two runs)")


def test_a_best_epoch_is_compared_with_our_best_epoch(tmp_path):
    each = runs(tmp_path, "S14", [0.99, 0.991, 0.992], [0.1] * 3)
    path = tmp_path / "S14-seed0.json"
    record = json.loads(path.read_text())
    record["epochs"][3] = {**record["epochs"][3], "test_accuracy": 0.995}
    path.write_text(json.dumps(record))
    assert list(Reported("S14", tmp_path).ours("best_test_accuracy")) == [0.995, 0.991, 0.992]
    assert list(each.ours("test_accuracy")) == [0.99, 0.991, 0.992]  # what was read first


def test_quantities_have_names_and_units():
    assert words("first_epoch_train_loss") == "epoch 1: training loss"
    assert form("test_accuracy", 0.98765) == "98.77\N{NO-BREAK SPACE}%"
    assert form("test_loss", 0.12345) == "0.123" and form("test_loss", 0.0000123) == "1.2e-5"
    assert form("lowest_validation_loss_epoch", 22) == "22"


def test_every_network_of_the_sources_has_its_line():
    for key in SYSTEMS:
        if key in ("S9", "S11"):  # these two do not learn from images
            continue
        each = Reported(key)
        for what in each.system.reported:
            name, told, mine, said = each.row(what)
            assert name and told != "none"
            assert (mine == "–") == (said.split(" (")[0] not in (*JUDGED, "one run"))
        assert each.recipe.endswith((".", "assumed", "validation", "digits", "photographs"))
