"""The records of long training runs: one JSON file for each run, never two kinds mixed."""

import glob
import hashlib
import json
import platform
from pathlib import Path

import numpy as np

from cnnlab.files import written_whole

_INSTALLED = Path(__file__).resolve().parent / "results"  # where the course itself is not there
RESULTS = _INSTALLED if _INSTALLED.is_dir() else _INSTALLED.parents[2] / "results"
# Runs of one system belong together only if all of this is equal.
_SAME = ("system", "recipe", "parameters", "data", "versions", "precision")


class NoRecords(ValueError):
    """A system has no record in a folder."""


class RecordMismatch(ValueError):
    """Records that must not share a table: their data, recipes or versions differ, or one of them
    is a copy that does not hold what its name says."""


def records(key, folder=RESULTS):
    """All runs of one system, or by one recipe.

    Args:
        key: "S1" to "S15", or a name in `cnnlab.models.VARIANTS` or `cnnlab.recipes.RECIPES`
            (also with -without-PART behind it).
        folder: where they were written; by default the `results/` of the course.

    Returns:
        List of dicts, by seed; at least one. Each holds `system, seed, recipe, parameters, data,
        source, versions, precision, device, processor, train` (loss and accuracy on the training
        images at the end, dropout off), `weights` (see `kept_weights`; not in old records) and
        `epochs`: for each one `loss, accuracy, test_loss, test_accuracy, test_accuracy_halves,
        seconds`, with a validation set also `validation_loss, validation_accuracy`, with
        variations `varied_loss, varied_accuracy`. Accuracies lie between 0 and 1. Those of a recipe
        hold no `accuracy`, but `input_seconds`, which moving and mirroring the images took, at the
        last epoch `views_accuracy`, by all views of each image, and beside the epochs `hosts`.

    Raises:
        NoRecords: if there is none.
        RecordMismatch: if the runs differ in more than their seed, or a file is a copy of another.
        ValueError: if a file is not a record.
    """
    paths = Path(folder).glob(f"{glob.escape(key)}-seed*.json")
    runs = sorted(map(read, paths), key=lambda run: run["seed"])
    if not runs:
        recipe, _, part = key.partition("-without-")
        call = f'{recipe} --without "{part.replace("-", " ")}"' if part else recipe
        raise NoRecords(
            f"There is no record of {key} in {folder}. Is the name right? Copy the course's folder "
            f"results/ there, or train it for hours: `python -m cnnlab.reproduce {key}` (a recipe "
            f"of chapter 12: `python -m cnnlab.recipes {call}`)."
        )
    for run in runs[1:]:
        check_same(run, runs[0], "These runs do not belong into one table")
        if len(run["epochs"]) != len(runs[0]["epochs"]):
            raise RecordMismatch(
                f"The runs of {key} have {len(runs[0]['epochs'])} and {len(run['epochs'])} epochs. "
                "Train the shorter ones on with `make reproduce`."
            )
    return runs


def read(path):
    """The record in a file.

    Raises:
        RecordMismatch: if it is the record of another run than the file's name says.
        ValueError: if the file holds something else.
    """
    path = Path(path)
    try:
        record = dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as problem:
        raise ValueError(f"{path} is not a record: {problem}. Delete it, and train anew.") from None
    lacks = [name for name in _SAME if name not in record]
    lacks += [] if isinstance(record.get("seed"), int) else ["seed"]
    lacks += [] if isinstance(record.get("epochs"), list) and record["epochs"] else ["epochs"]
    if lacks:
        raise ValueError(f"{path} lacks {', '.join(lacks)}. Delete it, and train anew.")
    name = f"{record['system']}-seed{record['seed']}.json"
    if path.name != name:
        raise RecordMismatch(
            f"{path} holds the record that belongs in {name}. If it is a copy, delete it: two "
            f"records of one run must not both count. If not, name it {name}."
        )
    return record


def write(path, record):
    """Write a record whole or not at all."""
    with written_whole(path) as part:
        part.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def kept_weights(path):
    """The file of trained weights that belongs to the record in a file, or None.

    The record holds a digest of it, or None, so that weights of another run, shorter or longer,
    are never taken for its own. Records from before that was so belong to the weights beside them.
    """
    weights = Path(path).with_suffix(".weights.h5")
    if weights.exists():
        theirs = file_digest(weights)
        if read(path).get("weights", theirs) == theirs:
            return weights
    return None


def file_digest(path):
    """A short fingerprint of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


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
