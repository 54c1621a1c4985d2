"""A notebook alone: it installs the course where that is missing, and runs in an empty folder.

The chapters that read records are run here only, and not from the checkout: from the wheel, as pip
makes it of the archive, with their outputs compared as those of all others are.
"""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import nbformat
import pytest
from classroom.notebooks import ARCHIVE, fetching
from serving import served
from website import archive

ROOT = Path(__file__).resolve().parent.parent
CHAPTERS = ["08-lenet-mnist", "09-lenet-cifar10", "10-overfitting", "appendix-sources-checked"]


@pytest.fixture
def python(tmp_path):
    """A Python of its own with all libraries and without the course."""
    return without_course(tmp_path / "venv")


def without_course(folder):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    [packages] = folder.glob("lib/*/site-packages")
    # The libraries are seen, and what they say to be installed in place is not.
    (packages / "libraries.pth").write_text(sysconfig.get_paths()["purelib"])
    return folder / "bin" / "python"


def run(python, *arguments, folder, **environment):
    """(exit status, stdout, stderr) of that Python in a folder; pip is to fetch nothing."""
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    pip = {"PIP_NO_DEPS": "1", "PIP_NO_BUILD_ISOLATION": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    done = subprocess.run(
        [python, *arguments],
        cwd=folder,
        env=clean | pip | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def first_cell(course=ARCHIVE):
    [cell] = fetching([], course)
    return cell.source


WHERE = "import cnnlab.records as r; print(r.__file__, len(r.records('S8')[0]['epochs']))"


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """(A Python, where it has the course from, what was said): the first cell has been run in it.

    pip makes a wheel of the archive and installs that. Nothing of the checkout is there.
    """
    site, folder = (tmp_path_factory.mktemp(name) for name in ("site", "installed"))
    archive.archive(ROOT, site / "course.zip")
    python = without_course(folder / "venv")
    with served(site) as address:
        course = f"{address}/course.zip"
        status, said, problem = run(python, "-c", first_cell(course), folder=folder)
    assert status == 0, problem
    return python, course, said


def test_the_first_cell_installs_the_course_from_its_site_and_says_so(installed):
    python, course, said = installed
    folder = python.parent
    assert said == f"The course was missing here. Now it is installed, from {course}.\n"
    status, said, problems = run(python, "-c", WHERE, folder=folder)
    assert status == 0 and said.startswith(str(python.parents[1])), problems
    assert run(python, "-c", first_cell(course), folder=folder) == (0, "", "")


def test_the_first_cell_says_what_to_do_where_it_cannot_know_where_the_course_is(python, tmp_path):
    status, said, problem = run(python, "-c", first_cell(), folder=tmp_path)
    assert status and not said
    assert problem.splitlines()[-1] == (
        "The course is missing here, and ./course.zip is not to be had: get it from the course's "
        "page Install, and put it beside this notebook."
    )
    assert "index" not in problem  # pip asks no registry for a file of that name


def test_the_first_cell_says_nothing_where_the_course_is(tmp_path):
    assert run(sys.executable, "-c", first_cell(), folder=tmp_path) == (0, "", "")


def test_every_notebook_of_the_site_fetches_the_course_first():
    site = ROOT / "_build" / "html" / "_sources" / "book"
    notebooks = sorted(site.rglob("*.ipynb"))
    assert len(notebooks) > 15
    for path in notebooks:
        code = [c.source for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
        text = "\n".join(code).replace("from cnnlab.check import check; check()", "")
        assert (code[0] == first_cell()) == ("import cnnlab" in text or "from cnnlab" in text)
        assert code[0] == first_cell() or path.name.startswith(("01-conv", "02-dense", "03-count"))
    assert len(first_cell().splitlines()) < 10


# --- From the wheel ---


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_that_reads_records_runs_from_the_wheel_in_an_empty_folder(
    installed, name, tmp_path
):
    shutil.copy(ROOT / "book" / f"{name}.ipynb", tmp_path)
    shutil.copy(ROOT / "conftest.py", tmp_path)
    compare = ["-m", "pytest", "-q", "--nbval", "--nbval-current-env", "-p", "no:cacheprovider"]
    sample = {"CNNLAB_TIER": "sample", "CUDA_VISIBLE_DEVICES": "-1"}
    status, said, _ = run(installed[0], *compare, f"{name}.ipynb", folder=tmp_path, **sample)
    assert status == 0, said
    cells = nbformat.read(tmp_path / f"{name}.ipynb", as_version=4).cells
    assert f"{sum(cell.cell_type == 'code' for cell in cells)} passed" in said


def test_these_chapters_are_all_that_read_records_at_length_and_run_once():
    rule = (ROOT / "Makefile").read_text()
    left_out = re.search(r"^FROM_WHEEL := (.*)", rule, re.M)[1].split()
    assert left_out == [f"book/{name}.ipynb" for name in CHAPTERS]
    assert "$(addprefix --ignore ,$(FROM_WHEEL))" in rule
