"""What is installed: complete, usable from anywhere, and under the licences that are named."""

import email
import json
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml
from cnnlab.data import PHOTOGRAPHS

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PACKAGE = ROOT / "lessons_src" / "cnnlab"
USE = """
import json, os
import classroom, cnnlab
from cnnlab import pieces
from cnnlab.data import load, photographs
from cnnlab.records import records
print(json.dumps({
    "where": [os.path.dirname(os.path.dirname(p.__file__)) for p in (cnnlab, classroom)],
    "epochs": len(records("S8")[0]["epochs"]),
    "digits": load("mnist", "sample").x_train.shape,
    "patches": photographs().x_train.shape,
    "piece": "conv-stepper" in pieces.show("conv-stepper").html,
}))
"""


def use(folder, **environment):
    """What a fresh process in another folder finds in the course's packages."""
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", USE],
        cwd=folder,
        env=clean | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """What `pip install ./FOLDER` builds and installs, made from a copy of the course."""
    copy = tmp_path_factory.mktemp("course")
    for path in ("pyproject.toml", "README.md", *PROJECT["license-files"]):
        shutil.copy(ROOT / path, copy)
    for path in ("lessons_src", "results"):
        passing = shutil.ignore_patterns("__pycache__", "*.egg-info", "build")
        shutil.copytree(ROOT / path, copy / path, ignore=passing)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet"]
    command = [*pip, "--no-deps", "--no-build-isolation", "--wheel-dir", copy / "dist", copy]
    subprocess.run(command, check=True)
    [built] = (copy / "dist").glob("*.whl")
    return zipfile.ZipFile(built)


def test_the_wheel_holds_every_module_and_every_file_they_read(wheel):
    names = set(wheel.namelist())
    wanted = {
        path.relative_to(ROOT / "lessons_src").as_posix()
        for package in (PACKAGE, ROOT / "lessons_src" / "classroom")
        for path in package.rglob("*.*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    wanted |= {f"cnnlab/results/{path.name}" for path in (ROOT / "results").glob("*.json")}
    assert {name for name in names if ".dist-info/" not in name} == wanted


def test_the_wheel_works_without_the_course_around_it(wheel, tmp_path):
    place, elsewhere = tmp_path / "installed", tmp_path / "elsewhere"
    elsewhere.mkdir()
    wheel.extractall(place)
    found = use(elsewhere, PYTHONPATH=str(place))
    assert found["where"] == [str(place)] * 2
    assert found["epochs"] > 10 and found["digits"] == [4000, 28, 28, 1] and found["piece"]
    assert found["patches"] == [2916, 32, 32, 3]


def test_the_checkout_is_installed_and_works_from_anywhere(tmp_path):
    found = use(tmp_path)
    assert found["where"] == [str(ROOT / "lessons_src")] * 2
    assert found["epochs"] > 10 and found["digits"] == [4000, 28, 28, 1] and found["piece"]
    assert found["patches"] == [2916, 32, 32, 3]


def test_the_licences_are_there_and_travel_in_the_wheel(wheel):
    texts = {
        name: (ROOT / name).read_text(encoding="utf-8") for name in ("LICENSE", "LICENSE-TEXT")
    }
    assert texts["LICENSE"].startswith("MIT License\n")
    assert "Section 8 -- Interpretation." in texts["LICENSE-TEXT"]  # the whole legal code
    assert sorted(texts) == PROJECT["license-files"]
    [info] = {name.split("/")[0] for name in wheel.namelist() if ".dist-info/" in name}
    for name, text in texts.items():
        assert wheel.read(f"{info}/licenses/{name}").decode() == text
        assert "(c) 2026 The cnnlab authors" in text
    metadata = email.message_from_bytes(wheel.read(f"{info}/METADATA"))
    assert metadata["License-Expression"] == PROJECT["license"]
    assert PROJECT["license"] == "MIT AND CC-BY-SA-3.0 AND CC-BY-2.0 AND CC0-1.0"


def test_the_digits_have_their_own_licence_beside_them(wheel):
    for file in ("digits.npz", "digits.LICENSE.md"):
        assert f"cnnlab/{file}" in wheel.namelist()
    text = wheel.read("cnnlab/digits.LICENSE.md").decode()
    assert "MNIST" in text and "CC BY-SA 3.0" in text


def test_the_photographs_have_their_authors_and_licences_beside_them(wheel):
    for file in ("photographs.jpg", "photographs.LICENSE.md"):
        assert f"cnnlab/{file}" in wheel.namelist()
    text = wheel.read("cnnlab/photographs.LICENSE.md").decode()
    rows = [line.split("|")[1:4] for line in text.splitlines() if line.startswith("| ")][1:]
    assert [name.strip() for name, _, _ in rows] == list(PHOTOGRAPHS)
    for _, by, licence in rows:
        assert "by " in by or "pixnio.com" in by
        assert any(word in licence for word in ("CC0 1.0", "CC BY 2.0", "public domain"))


def test_readme_and_citation_say_the_same():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for licence in ("[MIT](LICENSE)", "[CC BY 4.0](LICENSE-TEXT)", "CC BY-SA 3.0", "CC BY 2.0"):
        assert licence in text
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["authors"] == PROJECT["authors"]
    assert citation["version"] == PROJECT["version"]
    assert citation["license"] in PROJECT["license"].split()
