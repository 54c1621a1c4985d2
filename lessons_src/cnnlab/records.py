"""The records of long training runs: one JSON file for each run, never two kinds mixed."""

import hashlib
import json
import platform
from pathlib import Path

import numpy as np

RESULTS = Path(__file__).resolve().parents[2] / "results"
# Runs of one system belong together only if all of this is equal.
_SAME = ("system", "recipe", "parameters", "data", "versions")


class RecordMismatch(ValueError):
    """Two runs differ in data, recipe or versions, so that they must not share a table."""


def records(key, folder=RESULTS):
    """All runs of one system.

    Args:
        key: "S1" to "S15", or a name in `cnnlab.models.VARIANTS`.
        folder: where `reproduce` wrote them; by default the `results/` of the course.

    Returns:
        List of dicts, by seed; empty if there is none. Each holds `system, seed, recipe,
        parameters, data, source, versions, precision, device, processor, train` (loss and
        accuracy on the training images at the end, dropout off) and `epochs`: for each one `loss,
        accuracy, test_loss, test_accuracy, test_accuracy_halves, seconds`, with a validation set
        also `validation_loss, validation_accuracy`. Accuracies lie between 0 and 1.

    Raises:
        RecordMismatch: if the runs differ in more than their seed.
        ValueError: if a file is not a record.
    """
    runs = [read(path) for path in sorted(Path(folder).glob(f"{key}-seed*.json"))]
    for run in runs[1:]:
        check_same(run, runs[0], "These runs do not belong into one table")
        if len(run["epochs"]) != len(runs[0]["epochs"]):
            raise RecordMismatch(
                f"The runs of {key} have {len(runs[0]['epochs'])} and {len(run['epochs'])} epochs. "
                "Train the shorter ones on with `make reproduce`."
            )
    return sorted(runs, key=lambda run: run["seed"])


def read(path):
    """The record in a file; ValueError if it holds something else."""
    try:
        record = json.loads(Path(path).read_text(encoding="utf-8"))
        missing = {*_SAME, "seed", "epochs"} - set(record)
    except (ValueError, TypeError) as problem:
        raise ValueError(f"{path} is not a record: {problem}. Delete it, and train anew.") from None
    if missing:
        raise ValueError(f"{path} lacks {', '.join(sorted(missing))}. Delete it, and train anew.")
    return record


def write(path, record):
    """Write a record whole or not at all."""
    part = Path(path).with_suffix(".part")
    part.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    part.replace(path)


def check_same(new, old, what):
    """Raise RecordMismatch, with the differences in words, unless two runs may be compared."""
    differences = [
        f"{name}: {old[name]} there, {new[name]} here" for name in _SAME if new[name] != old[name]
    ]
    if differences:
        raise RecordMismatch(f"{what}. They differ in {'; '.join(differences)}.")


def versions():
    """The libraries that decide what a training gives."""
    import keras
    import tensorflow as tf

    return {"keras": keras.__version__, "tensorflow": tf.__version__, "numpy": np.__version__}


def digest(*arrays):
    """A short fingerprint of images in [0, 1] and labels."""
    total = hashlib.sha256()
    for array in arrays:
        scale = 255 if array.dtype.kind == "f" else 1
        total.update(np.ascontiguousarray(np.rint(array * scale).astype(np.uint8)))
    return total.hexdigest()[:16]


def processor():
    """The processor's name, as far as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
