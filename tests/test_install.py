"""How the course gets onto a computer: install.py, `make` without a Python, and what pages say."""

import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest
from website import archive

import install

ROOT = Path(__file__).resolve().parent.parent
FINE = {
    "python": (3, 13),
    "system": "Linux",
    "machine": "x86_64",
    "bits": 64,
    "folder": "/home/ann/course",
    "free": 20e9,
}
MAC = {"system": "Darwin", "machine": "arm64"}
WINDOWS = {"system": "Windows", "machine": "amd64", "folder": r"C:\cnn"}


@pytest.mark.parametrize(
    "other",
    [{}, MAC, WINDOWS, {"machine": "aarch64"}, {"python": (3, 11)}, {"folder": "/long" * 50}],
)
def test_a_computer_that_can_is_not_stopped(other):
    assert install.problem(**FINE | other) is None


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ({"python": (3, 14)}, "3.11, 3.12 or 3.13.* this is Python 3.14"),
        ({"python": (3, 8)}, "this is Python 3.8"),
        (MAC | {"machine": "x86_64"}, "Mac with an Intel processor"),
        # Before the Python: another Python would not help.
        (MAC | {"machine": "x86_64", "python": (3, 14)}, "Mac with an Intel processor"),
        (WINDOWS | {"machine": "arm64"}, "Windows on an ARM processor.* WSL"),
        (WINDOWS | {"folder": "C:\\" + "a" * 57}, r"has 60 letters.* room for 59"),
        ({"bits": 32}, "32 bits"),
        ({"free": 1.2e9}, r"4 GB of disk.* 1\.2 are free"),
    ],
)
def test_what_would_stop_the_installation_is_said_in_words(other, says):
    assert re.search(says, install.problem(**FINE | other))


def test_no_path_of_tensorflow_is_longer_than_windows_leaves_room_for():
    folder = Path(find_spec("tensorflow").origin).parent
    longest = max(len(str(path.relative_to(folder.parent))) for path in folder.rglob("*"))
    assert longest <= install.LONGEST
    assert WINDOWS["folder"] in (ROOT / "README.md").read_text()


def test_install_stops_before_it_makes_anything(tmp_path):
    shutil.copy(ROOT / "install.py", tmp_path)
    pretend = (
        "import runpy, sys; sys.version_info = (3, 14, 0); "
        "runpy.run_path('install.py', run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", pretend], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1 and done.stderr.startswith("The course needs Python 3.11")
    assert done.stderr.count("\n") == 1 and [p.name for p in tmp_path.iterdir()] == ["install.py"]


def test_what_is_in_the_environment_counts_as_free(tmp_path, monkeypatch):
    """An installation that was cut short needs the rest only."""
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=3.4e9))
    assert install.this_computer(tmp_path)["free"] == 3.4e9
    (tmp_path / ".venv" / "lib").mkdir(parents=True)
    with open(tmp_path / ".venv" / "lib" / "part", "wb") as part:
        part.truncate(10**9)  # takes no room
    (tmp_path / ".venv" / "dead").symlink_to("nowhere")
    assert install.this_computer(tmp_path)["free"] == pytest.approx(4.4e9)


def test_an_installation_that_is_stopped_says_so(tmp_path):
    shutil.copy(ROOT / "install.py", tmp_path)
    pretend = (
        "import runpy, subprocess\n"
        "def interrupted(step): raise KeyboardInterrupt\n"
        "subprocess.call = interrupted\n"
        "runpy.run_path('install.py', run_name='__main__')"
    )
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "installed").touch()  # so that the disk does not matter
    done = subprocess.run(
        [sys.executable, "-c", pretend], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1 and done.stderr == "\nStopped. It can be started again.\n"


def test_an_environment_without_pip_gets_one(tmp_path):
    """`uv venv` makes such a one, and so does an installation that was cut short."""
    shutil.copy(ROOT / "install.py", tmp_path)
    (tmp_path / "requirements.txt").touch()
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / ".venv"], check=True)
    python = tmp_path / ".venv" / "bin" / "python"
    subprocess.run([python, tmp_path / "install.py"], capture_output=True, check=False)
    subprocess.run([python, "-m", "pip", "--version"], capture_output=True, check=True)


def program(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


OLD = 'test "$1" = -c && exit 1; echo "an old Python ran"'
GOOD = 'test "$1" = -c && exit 0; echo "$0 $*"; mkdir -p .venv; touch .venv/installed'
UV = f"""echo "uv $*"; mkdir -p .venv/bin; cat > .venv/bin/python <<'END'
#!/bin/sh
{GOOD}
END
chmod +x .venv/bin/python"""


@pytest.fixture
def make(tmp_path):
    """`make` of the course in a folder with nothing installed; on the path is only what is given.

    The target is what every other one needs first; programs are the names and texts of scripts.
    """
    course, programs = tmp_path / "course", tmp_path / "bin"
    course.mkdir()
    for name in ("Makefile", "requirements.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, course)

    def run(**given):
        shutil.rmtree(programs, ignore_errors=True)
        for name in ("mkdir", "touch", "chmod", "cat", "make"):
            programs.mkdir(exist_ok=True)
            (programs / name).symlink_to(shutil.which(name))
        for name, text in given.items():
            program(programs / name.replace("_", "."), text)
        done = subprocess.run(
            ["make", "--no-print-directory", ".venv/installed"],
            cwd=course,
            env={"PATH": str(programs)},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout.replace(f"{programs}/", "")

    return run


def test_make_takes_the_first_python_that_the_course_supports(make):
    assert make(python3=OLD, python3_12=GOOD, uv=UV) == (0, "python3.12 install.py\n")
    assert make() == (0, "make: '.venv/installed' is up to date.\n")


def test_make_gets_a_python_from_uv(make):
    status, said = make(python3=OLD, uv=UV)
    assert status == 0 and said.splitlines() == [
        "No Python 3.11, 3.12 or 3.13 was found: uv brings one.",
        "uv venv --seed --allow-existing --python 3.13 .venv",
        ".venv/bin/python install.py",
    ]


def test_make_says_what_is_wrong_where_uv_brings_none(make):
    status, said = make(uv='echo "no network"; exit 1')
    assert status and "install.py" not in said


def test_make_says_how_to_get_uv_in_one_line(make):
    status, said = make(python3=OLD)
    assert status and said.count("\n") == 1
    for word in ("3.11, 3.12 or 3.13", "docs.astral.sh/uv", "make PYTHON="):
        assert word in said


def test_an_environment_that_is_there_is_brought_up_to_date_with_its_own_python(make, tmp_path):
    program(tmp_path / "course" / ".venv" / "bin" / "python", GOOD)
    assert make(python3=OLD) == (0, ".venv/bin/python install.py\n")


@pytest.mark.parametrize("target", ["book", "test", "lessons", "bench", "pdf", "slides"])
def test_a_copy_without_the_website_says_so_before_it_installs_anything(make, tmp_path, target):
    """As the archive is, which brings the Makefile along."""
    make(python3=GOOD)
    shutil.rmtree(tmp_path / "course" / ".venv")
    mine = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    done = subprocess.run(  # not as a part of the make that runs the tests
        ["make", target], cwd=tmp_path / "course", env=mine, capture_output=True, text=True
    )
    assert done.returncode and done.stdout.count("\n") == 1 and "make lab" in done.stdout
    assert not (tmp_path / "course" / ".venv").exists()


# --- What the pages say ---


def commands(text):
    """The commands in a Markdown text."""
    inside, found = False, []
    for line in text.splitlines():
        if line.startswith("```"):
            inside = not inside
        elif inside:
            found.append(line)
    return found


def test_readme_page_and_archive_say_the_same():
    from test_site import page

    text = archive.readme(ROOT)
    told = commands(text)
    assert len(told) == 6 and told[0] == "make lab"
    shown = page("book/install").find("article")
    assert [line for block in shown("pre") for line in block.get_text().splitlines()][:6] == told
    readme = (ROOT / "README.md").read_text()
    assert commands(readme[readme.index("## Install") :])[:6] == told
    for word in ("Macs with an Intel processor", "Windows on ARM", "$env:", "Colab"):
        assert word in text and word in shown.get_text() and word in readme
    assert "set CNNLAB" not in readme and "activate`" not in readme


def test_every_command_on_the_page_exists():
    names = {"install.py", "classroom.lab"}
    told = commands(archive.readme(ROOT))
    assert {line.split()[-1] for line in told if "python" in line and "uv " not in line} == names
    assert (ROOT / "install.py").exists() and (ROOT / "lessons_src/classroom/lab.py").exists()
    assert "\nlab: " in (ROOT / "Makefile").read_text()


def test_a_copy_of_a_notebook_that_was_renamed_goes(monkeypatch, tmp_path):
    monkeypatch.setattr(archive, "archive", lambda *_: None)
    stale = tmp_path / "_sources" / "book" / "renamed.ipynb"
    stale.parent.mkdir(parents=True)
    stale.write_text("{}")
    config = SimpleNamespace(html_baseurl="", course_home={})
    builder = SimpleNamespace(format="html")
    app = SimpleNamespace(srcdir=ROOT, outdir=tmp_path, builder=builder, config=config)
    archive.write(app, None)
    assert not stale.exists()
