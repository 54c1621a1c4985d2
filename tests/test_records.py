"""Records of long runs: which files count, and which weights belong to them."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cnnlab import files, records
from cnnlab.records import NoRecords, RecordMismatch, file_digest, kept_weights, read, write


def made(seed=0, system="S1", epochs=2, **other):
    """A record, as far as the tests look at it."""
    return {
        "system": system,
        "seed": seed,
        "recipe": {"data": "mnist"},
        "parameters": 10,
        "data": {"digest": "0"},
        "versions": {"keras": "3"},
        "precision": "float32",
        "epochs": [{"loss": 1 / (epoch + 1) + seed} for epoch in range(epochs)],
    } | other


@pytest.fixture
def folder(tmp_path):
    for seed in (10, 0, 2):
        write(tmp_path / f"S1-seed{seed}.json", made(seed))
    write(tmp_path / "S10-seed0.json", made(0, "S10"))
    write(tmp_path / "S1-printed-seed5.json", made(5, "S1-printed"))
    return tmp_path


def test_all_runs_of_one_system_by_seed(folder):
    assert records.records("S1", folder) == [made(0), made(2), made(10)]
    assert records.records("S1-printed", str(folder)) == [made(5, "S1-printed")]


def test_every_record_of_the_course_is_one():
    paths = list(records.RESULTS.glob("*.json"))
    assert len(paths) > 20
    for path in paths:
        assert read(path)["seed"] in [run["seed"] for run in records.records(read(path)["system"])]
    assert kept_weights(records.RESULTS / "S15-seed0.json").name == "S15-seed0.weights.h5"


def test_what_records_hold_is_described():
    told = set(re.findall(r"\w+", records.records.__doc__))
    for path in records.RESULTS.glob("*.json"):
        record = read(path)
        assert {*record, *(name for row in record["epochs"] for name in row)} <= told, path


@pytest.mark.parametrize("key", ["S3", "S", "S*", "S?", "[S]1", "", "S1-seed0"])
def test_no_record_is_said_in_one_line(folder, key):
    for place in (folder, folder / "nowhere"):
        with pytest.raises(
            NoRecords, match=r"no record of .*Is the name right\?.*cnnlab\.recipes"
        ) as said:
            records.records(key, place)
        assert f"of {key} in {place}" in str(said.value) and "\n" not in str(said.value)


def test_the_command_for_a_recipe_without_a_part_is_one_that_works(folder):
    with pytest.raises(NoRecords, match='recipes mnist-quick --without "batch norm"`'):
        records.records("mnist-quick-without-batch-norm", folder)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("S1-seed0 (1).json", made(0)),  # as a browser saves a file twice
        ("S1-seed0 - Copy.json", made(0)),
        ("S1-seed00.json", made(0)),
        ("S1-seed3.json", made(0)),  # copied
        ("S1-seed3.json", made(4)),
        ("S1-seed3.json", made(3, "S2")),
        ("S1-seed3.json", made(3, "S1-printed")),
        ("S1-seed3.json", made(True)),
    ],
)
def test_a_file_whose_name_and_content_disagree_never_counts(folder, name, content):
    write(folder / name, content)
    with pytest.raises(RecordMismatch) as said:
        records.records("S1", folder)
    right = f"{content['system']}-seed{content['seed']}.json"
    assert str(folder / name) in str(said.value) and f"belongs in {right}" in str(said.value)


@pytest.mark.parametrize("field", ["recipe", "parameters", "data", "versions"])
def test_runs_of_different_kinds_are_never_mixed(folder, field):
    write(folder / "S1-seed3.json", made(3, **{field: "another"}))
    with pytest.raises(RecordMismatch, match=f"differ in {field}: .* there, another here"):
        records.records("S1", folder)


def test_runs_of_different_length_are_never_mixed(folder):
    write(folder / "S1-seed3.json", made(3, epochs=5))
    with pytest.raises(RecordMismatch, match="2 and 5 epochs"):
        records.records("S1", folder)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "is not a record"),
        ("", "is not a record"),
        ("3", "is not a record"),
        ("null", "is not a record"),
        ("[1]", "is not a record"),
        ("[]", "lacks system, recipe"),
        (json.dumps({**made(), "epochs": []}), "lacks epochs"),
        (json.dumps({**made(), "epochs": 3}), "lacks epochs"),
        (json.dumps({**made(), "seed": None}), "lacks seed"),
        (json.dumps({k: v for k, v in made().items() if k != "data"}), "lacks data"),
    ],
)
def test_what_is_no_record_is_said_in_words(folder, text, words):
    (folder / "S1-seed0.json").write_text(text)
    with pytest.raises(ValueError, match=rf"S1-seed0\.json {words}.*Delete it"):
        records.records("S1", folder)


def test_a_record_is_written_whole_or_not_at_all(folder, monkeypatch):
    before = (folder / "S1-seed0.json").read_text()

    def full(self, text, **settings):
        with open(self, "w") as file:
            file.write(text[:20])
        raise OSError("No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="No space"):
        write(folder / "S1-seed0.json", made(0, epochs=3))
    assert (folder / "S1-seed0.json").read_text() == before
    assert len(records.records("S1", folder)) == 3


def test_weights_belong_to_the_record_that_names_them(folder):
    path, weights = folder / "S1-seed0.json", folder / "S1-seed0.weights.h5"
    assert kept_weights(path) is None
    with files.written_whole(weights) as part:
        part.write_bytes(b"those of two epochs")
    assert kept_weights(path) == weights  # the record is older than this rule
    write(path, made(0, weights=file_digest(weights)))
    assert kept_weights(path) == weights
    weights.write_bytes(b"those of one epoch")
    assert kept_weights(path) is None
    write(path, made(0, weights=None))
    assert kept_weights(path) is None


def python(code, *, path):
    """What a fresh Python says that finds packages in `path` first."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(path)},
        cwd=path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_an_installed_package_brings_its_records(tmp_path):
    """Installed, the folder results/ lies in the package."""
    package = Path(records.__file__).parent
    site = tmp_path / "lib" / "python3" / "site-packages"
    shutil.copytree(package, site / "cnnlab", ignore=shutil.ignore_patterns("__pycache__", "*.js"))
    where = "from cnnlab import records as r; print(r.RESULTS)"
    assert python(where, path=site) == str(site.parent / "results")  # as in the course itself
    write_to = site / "cnnlab" / "results"
    write_to.mkdir()
    write(write_to / "S1-seed7.json", made(7))
    assert python(where, path=site) == str(write_to)
    ask = "from cnnlab.records import records; print([run['seed'] for run in records('S1')])"
    assert python(ask, path=site) == "[7]"


def test_reading_records_loads_no_tensorflow():
    code = (
        "import sys; from cnnlab.records import records; records('S1');"
        "print({'tensorflow', 'keras', 'torch', 'jax'} & set(sys.modules))"
    )
    assert python(code, path=Path(records.__file__).parents[1]) == "set()"
