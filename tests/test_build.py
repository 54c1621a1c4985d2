"""`make lessons` executes what has changed and nothing else, whatever the clock says."""

import contextlib
import io
import shutil
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parent.parent
CHAPTER = """---
kernelspec: {display_name: Python 3, language: python, name: python3}
---
# A chapter

```{code-cell} ipython3
import time
from cnnlab import pieces
from cnnlab.records import records
from cnnlab.windows import output_size

print(time.time_ns(), output_size(5, 3), len(records("S8")))
```

```{code-cell} ipython3
pieces.show("conv-stepper")
```
"""
PACKAGE, SOURCE = "lessons_src/cnnlab", "lessons_src/chapters/one.md"


def lay(course, place):
    """Lay a copy of a course there, with new times, as a clone has them."""
    passing = shutil.ignore_patterns("__pycache__", ".*")
    shutil.copytree(course, place, copy_function=shutil.copyfile, ignore=passing)
    return place


def make_lessons(course, *arguments, scripts=()):
    """Run the course's own build.py, with these scripts for the pieces; give what it says."""
    spec = spec_from_file_location("build_of_a_copy", course / "lessons_src" / "build.py")
    build = module_from_spec(spec)
    spec.loader.exec_module(build)
    build.SCRIPTS = scripts
    with contextlib.redirect_stdout(io.StringIO()) as said:
        build.main(arguments)
    return said.getvalue()


def notebook(course):
    return nbformat.read(course / "book" / "one.ipynb", as_version=4)


def printed(course):
    return notebook(course).cells[2].outputs[0].text


def change(path, text):
    with path.open("a") as file:
        file.write(text)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A course with one chapter, executed."""
    course = tmp_path_factory.mktemp("course") / "course"
    lay(ROOT / PACKAGE, course / PACKAGE)
    lay(ROOT / "results", course / "results")
    shutil.copy(ROOT / "lessons_src" / "build.py", course / "lessons_src")
    (course / SOURCE).parent.mkdir()
    (course / SOURCE).write_text(CHAPTER)
    (course / "book").mkdir()
    assert make_lessons(course).startswith("one: it is new ...")
    assert printed(course).endswith(" 3 1\n")
    told = notebook(course).metadata["cnnlab"]
    assert 20 < told["megabytes"] < 4000 and "Python 3." in told["computer"]  # the page How fast
    return course


@pytest.fixture
def clone(built, tmp_path):
    return lay(built, tmp_path / "clone")


def test_a_fresh_clone_executes_nothing(built, clone):
    assert make_lessons(clone) == "one is up to date\n"
    assert (clone / "book" / "one.ipynb").read_bytes() == (built / "book/one.ipynb").read_bytes()


def test_prose_reaches_the_notebook_and_the_outputs_stay(built, clone):
    change(clone / SOURCE, "\nMore prose.\n")
    assert make_lessons(clone).startswith("one: its prose has changed\n  word 4, line of code 6,")
    assert notebook(clone).cells[-1].source.endswith("More prose.")
    assert printed(clone) == printed(built)
    assert make_lessons(clone) == "one is up to date\n"


@pytest.mark.parametrize("path", ["windows.py", "files.py", "pieces/given.py"])
def test_a_file_of_the_package_that_the_chapter_uses(built, clone, path):
    change(clone / PACKAGE / path, "\n")
    assert make_lessons(clone).startswith(f"one: {PACKAGE}/{path} has changed ...")
    assert printed(clone) != printed(built)
    assert make_lessons(clone) == "one is up to date\n"


@pytest.mark.parametrize("name", ["S8-seed0.json", "S99-seed0.json"])
def test_a_record_that_the_chapter_may_show(clone, name):
    change(clone / "results" / name, "\n")
    assert " has changed ..." in make_lessons(clone)
    assert make_lessons(clone) == "one is up to date\n"


def test_what_the_chapter_does_not_use(clone):
    for name in ("figures.py", "pieces/digit-pad.js", "pieces/pool-stepper.js"):
        change(clone / PACKAGE / name, "\n")
    change(clone / "results" / "S3-seed0.json", "\n")
    assert make_lessons(clone) == "one is up to date\n"


def test_other_line_ends_are_no_change(clone):
    for path in (clone / PACKAGE).rglob("*.py"):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert make_lessons(clone) == "one is up to date\n"


def test_changed_code_and_a_request(built, clone):
    (clone / SOURCE).write_text(CHAPTER.replace("(5, 3)", "(9, 3)"))
    assert make_lessons(clone).startswith("one: its code has changed ...")
    before = printed(clone)
    assert before.endswith(" 7 1\n")
    assert make_lessons(clone, "--all").startswith("one: asked for ...")
    assert printed(clone) != before


def test_a_file_that_changes_while_the_chapter_runs(clone):
    touch = 'open("../lessons_src/cnnlab/windows.py", "a").write("\\n")'
    (clone / SOURCE).write_text(CHAPTER.replace("import time", f"import time\n{touch}"))
    make_lessons(clone)
    assert f"{PACKAGE}/windows.py has changed" in make_lessons(clone)


def test_one_chapter_by_its_name_or_by_its_files(clone, tmp_path):
    scripts = [(tmp_path / "new.js", lambda: "// anew")]
    for names in (["one"], [SOURCE, "book/one.ipynb"]):
        assert make_lessons(clone, *names, scripts=scripts) == "one is up to date\n"
    assert make_lessons(clone, scripts=scripts).startswith("new.js is written anew\n")


def test_a_name_that_is_no_chapter(clone, capsys):
    with pytest.raises(SystemExit):
        make_lessons(clone, "one", "two")
    assert "holds no two" in capsys.readouterr().err
