"""The classroom: a class of forty hands in, with everything that ever went wrong among them."""

import ast
import contextlib
import csv
import json
import mmap
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.parse
import zipfile
from pathlib import Path

import nbformat
import numpy as np
import pytest
from classroom import __main__ as commands
from classroom import grading, masters, report, room, sandbox, submissions
from classroom.wire import Strange, Wire
from nbformat.v4 import new_code_cell, new_notebook, new_output
from nbgrader.utils import is_solution

pytestmark = pytest.mark.filterwarnings("ignore:Non-unique cell id")  # students copy cells
MASTERS = masters.find()
MEGABYTES = 50
SECONDS = 30  # a cell

# Ten points by tests, two by hand. Below, the short labels become nbgrader's.
TEXT = """# A small assignment

```{code-cell} ipython3
:given: setup
import hashlib
import os

import numpy as np

STUDENT = "your name"
OPTIONS = list(range(10, 10_000, 7))

def pick(question, options):
    text = f"@CLASS@:{os.environ.get('CNNLAB_STUDENT') or STUDENT}:{question}"
    return options[int(hashlib.sha256(text.encode()).hexdigest(), 16) % len(options)]
```

## q1: parameters of a convolution

```{code-cell} ipython3
:answer: q1
def conv_params(kh, kw, c_in, c_out, bias=True):
    ### BEGIN SOLUTION
    return kh * kw * c_in * c_out + (c_out if bias else 0)
    ### END SOLUTION
```

```{code-cell} ipython3
:test: q1 3
assert conv_params(3, 3, 1, 8) == 80, "one 3x3 filter bank with bias"
### BEGIN HIDDEN TESTS
assert conv_params(5, 5, 6, 16, bias=False) == 2400, "bias=False is ignored"
### END HIDDEN TESTS
```

```{code-cell} ipython3
:answer: q2
def output_size(n, k):
    ### BEGIN SOLUTION
    return n - k + 1
    ### END SOLUTION
```

```{code-cell} ipython3
:test: q2 2
assert output_size(28, 5) == 24, "a window of 5 starts at 0 … 23"
### BEGIN HIDDEN TESTS
assert output_size(9, 9) == 1, "one place for a kernel as large as the image"
### END HIDDEN TESTS
```

```{code-cell} ipython3
:answer: q3
def normalise(x):
    ### BEGIN SOLUTION
    return x / np.sum(x)
    ### END SOLUTION
```

```{code-cell} ipython3
:test: q3 2
assert np.allclose(normalise(np.array([1.0, 3.0])), [0.25, 0.75]), "the sum should be 1"
### BEGIN HIDDEN TESTS
assert np.allclose(normalise(np.full(8, 5.0)), 0.125), "eight equal numbers"
### END HIDDEN TESTS
```

Give the arrays of weights of a layer with eight 3 × 3 kernels on one channel, made in any way.

```{code-cell} ipython3
:answer: q4
def weights():
    ### BEGIN SOLUTION
    return [np.zeros((3, 3, 1, 8)), np.zeros(8)]
    ### END SOLUTION
```

```{code-cell} ipython3
:test: q4 1
assert sum(np.size(w) for w in weights()) == 80, "72 weights and 8 biases"
### BEGIN HIDDEN TESTS
assert [np.shape(w) for w in weights()] == [(3, 3, 1, 8), (8,)], "kernels first, then biases"
### END HIDDEN TESTS
```

How many weights has a dense layer with as many inputs as `pick("q5", OPTIONS)` says, and 3 outputs?

```{code-cell} ipython3
:answer: q5
### BEGIN SOLUTION
my_answer = 3 * pick("q5", OPTIONS)
### END SOLUTION
```

```{code-cell} ipython3
:test: q5 2
assert my_answer > 0, "my_answer is a positive number"
### BEGIN HIDDEN TESTS
assert my_answer == 3 * pick("q5", OPTIONS), "not the count for your number of inputs"
### END HIDDEN TESTS
```

Why does a convolution need fewer weights?

:by-hand: why 2

### BEGIN SOLUTION
The same weights are used at every place, and each sees only a small window.
### END SOLUTION
"""
LABELS = {
    r":given: (\w+)": "{grade_id: \\1, grade: false, solution: false, locked: true, ",
    r":answer: (\w+)": "{grade_id: \\1, grade: false, solution: true, locked: false, ",
    r":test: (\w+) (\d)": "{grade_id: \\1_t, grade: true, points: \\2, solution: false, "
    "locked: true, ",
}
for short, long in LABELS.items():
    long = f":nbgrader: {long}task: false, schema_version: 3}}"
    TEXT = re.sub(f"^{short}$", long, TEXT, flags=re.M)
TEXT = TEXT.replace(
    ":by-hand: why 2",
    '+++ {"nbgrader": {"grade_id": "why", "grade": true, "points": 2, "solution": true, '
    '"locked": false, "task": false, "schema_version": 3}}',
)
GIVEN = {
    "q1": "def conv_params(kh, kw, c_in, c_out, bias=True):\n"
    "    return kh * kw * c_in * c_out + (c_out if bias else 0)",
    "q2": "def output_size(n, k):\n    return n - k + 1",
    "q3": "def normalise(x):\n    return x / np.sum(x)",
    "q4": "def weights():\n    return [np.zeros((3, 3, 1, 8)), np.zeros(8)]",
    "q5": "my_answer = 3 * pick('q5', OPTIONS)",
    "why": "Because the same weights serve everywhere.",
}
KERAS = """def weights():
    import keras
    model = keras.Sequential([keras.Input((28, 28, 1)), keras.layers.Conv2D(8, 3)])
    return model.get_weights()"""
DEAF = """import signal
signal.signal(signal.SIGINT, signal.SIG_IGN)
while True:
    pass"""
EQUAL = """class Anything(int):
    def __eq__(self, other):
        return True
    __hash__ = int.__hash__

def conv_params(*sizes, bias=True):
    return Anything()"""
RUNNER = """from IPython.core.interactiveshell import InteractiveShell
async def pass_always(self, *args, **more):
    return False
InteractiveShell.run_code = pass_always"""
REMOVER = """import ast
class NoAssert(ast.NodeTransformer):
    def visit_Assert(self, node):
        return ast.copy_location(ast.Pass(), node)
get_ipython().ast_transformers.append(NoAssert())"""
SPY = """def output_size(n, k):
    import inspect, sys
    lines = getattr(sys.modules['__main__'], '_ih', []), get_ipython().user_ns['In']
    raise ValueError(str(lines) + inspect.getsource(sys._getframe(1)))"""
NOSY = f"""import os, socket
seen = []
for place in ({str(masters.FOLDER)!r}, {str(masters.ROOT / ".git")!r}, '/root/.ssh', '/home',
              '/etc/shadow'):
    try:
        seen += os.listdir(place) if os.path.isdir(place) else [open(place).read(9)]
    except OSError:
        pass
try:
    socket.create_connection(('1.1.1.1', 53), timeout=2)
    seen.append('network')
except OSError:
    pass
seen += [key for key in os.environ if 'SECRET' in key]
assert not seen, seen"""


# What the instructors' page calls them.
KINDS = {
    "keras": "everything correct; a test builds a Keras model, and TensorFlow logs",
    "warns": "everything correct; an answer warns and logs",
    "partial": "one answer missing, one wrong",
    "syntax": "a syntax error in question 1",
    "loop-top": "an endless loop in question 1",
    "loop-function": "a function that never ends, in question 1",
    "loop-deaf": "a loop in question 2 that cannot be interrupted",
    "os-exit": "`os._exit(0)` in question 3",
    "sys-exit": "`sys.exit()` in question 1",
    "memory": "all memory used up in question 1",
    "lines": "50 MB printed",
    "no-tests": "all tests deleted",
    "assert-true": "question 1 wrong, its test replaced by `assert True`",
    "patched": "`numpy.allclose` replaced in question 3",
    "equal": "an object in question 1 that equals everything",
    "runner": "Python's test runner replaced in question 2",
    "copied-cell": "a cell copied",
    "split-cell": "an answer split into two cells",
    "colab": "all labels lost, as on Colab",
    "copier": "a neighbour's number in question 5",
    "empty": "an empty notebook",
    "nothing": "an empty file",
    "not-json": "a damaged file",
}


@pytest.fixture(scope="module", autouse=True)
def bubblewrap():
    if shutil.which("bwrap") is None:
        message = "no sandbox: install bubblewrap (Debian: apt install bubblewrap)"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    if sandbox.choose(unsafe=True) != "bubblewrap":
        pytest.skip("no sandbox: bubblewrap is there, but this machine does not let it work")


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """The small master, read as the tools read any."""
    folder = tmp_path_factory.mktemp("masters")
    (folder / "small.md").write_text(TEXT)
    return masters.find(folder)["small"]


def filled(master, answers=GIVEN):
    """The students' copy with answers in it."""
    notebook = nbformat.reads(nbformat.writes(master.student_copy), as_version=4)
    for cell in notebook.cells:
        if masters.label(cell) in answers:
            cell.source = answers[masters.label(cell)]
    return notebook


def at(notebook, name):
    return next(i for i, cell in enumerate(notebook.cells) if masters.label(cell) == name)


def without(notebook, keep):
    notebook.cells = [cell for cell in notebook.cells if keep(cell)]
    return notebook


def hand_in(folder, student, what):
    path = folder / student / "small.ipynb"
    path.parent.mkdir(parents=True)
    if isinstance(what, bytes):
        path.write_bytes(what)
    else:
        nbformat.write(what, path)


def kinds(master):
    """{student: (what is handed in, total, status, words in the sentence)}"""

    def answers(**changed):
        return filled(master, GIVEN | changed)

    made = {
        "keras": (answers(q4=KERAS), 10, "graded", ""),
        "warns": (
            answers(
                q1="import warnings\n"
                + GIVEN["q1"].replace(
                    "    return",
                    "    import sys\n"
                    "    warnings.warn('hm')\n    print('log', file=sys.stderr)\n    return",
                )
            ),
            10,
            "graded",
            "",
        ),
        "partial": (
            answers(q2="def output_size(n, k): return n - k", q1="", q5=GIVEN["q5"]),
            5,
            "graded",
            "q2: a window of 5",
        ),
        "syntax": (
            answers(q1="def conv_params(:\n    return 1"),
            7,
            "graded",
            "cell q1 ends with SyntaxError",
        ),
        "loop-top": (answers(q1="while True:\n    pass"), 7, "graded", "cell q1 ran longer than"),
        "loop-function": (
            answers(q1="def conv_params(*a, **b):\n    while True: pass"),
            7,
            "graded",
            "q1: The test ran longer than",
        ),
        "loop-deaf": (answers(q2=DEAF), 8, "timeout", "cell q2 ran too long"),
        "os-exit": (
            answers(q3="import os\nos._exit(0)"),
            8,
            "crashed",
            "Python ended in the cell q3",
        ),
        "sys-exit": (answers(q1="import sys\nsys.exit()"), 7, "graded", "SystemExit"),
        "exit": (answers(q1=GIVEN["q1"] + "\nexit()"), 10, "graded", ""),
        "no-tests": (
            without(answers(), lambda c: not masters.is_test(c)),
            10,
            "graded",
            "Deleted tests were put back: q1_t, q2_t, q3_t, q4_t, q5_t",
        ),
        "assert-true": (
            answers(q1="def conv_params(*a, **b): return 80", q1_t="assert True"),
            7,
            "graded",
            "Changed tests were restored: q1_t",
        ),
        "patched": (
            answers(q3="def normalise(x): return 7\nnp.allclose = lambda *a: True"),
            8,
            "graded",
            "q3: the sum should be 1",
        ),
        "equal": (answers(q1=EQUAL), 7, "graded", "q1: one 3x3 filter bank"),
        "runner": (answers(q2=RUNNER), 8, "crashed", "no longer answered in the cell q2_t"),
        "remover": (answers(q1=REMOVER), 7, "graded", "conv_params"),
        "lines": (
            answers(
                q1=GIVEN["q1"] + f"\nfor i in range({MEGABYTES}):\n"
                "    print(('x' * 99 + '\\n') * 10_000)"
            ),
            10,
            "graded",
            "",
        ),
        "one-line": (
            answers(q1=GIVEN["q1"] + f"\nprint('x' * {MEGABYTES}_000_000)"),
            10,
            "graded",
            "",
        ),
        "not-json": (b'{"cells": [', 0, "unreadable", "not valid JSON"),
        "nothing": (b"", 0, "unreadable", "0 bytes"),
        "picture": (b"\x89PNG\r\n\x1a\n\xff\xfe", 0, "unreadable", "not text"),
        "other-json": (b"[1, 2]", 0, "unreadable", "no cells"),
        "empty": (new_notebook(), 0, "graded", "The notebook is empty"),
        "memory": (
            answers(q1="hog = []\nwhile True:\n    hog.append(np.empty(1 << 21))"),
            7,
            "graded",
            "q1 ends with",
        ),
        "copied-cell": (answers(), 10, "graded", "q1 was there 2 times"),
        "split-cell": (answers(), 10, "graded", "q1 was there 2 times"),
        "colab": (answers(), 10, "graded", "had lost their labels"),
        "spy": (answers(q2=SPY), 8, "graded", ""),
        "nosy": (answers(q1=GIVEN["q1"] + "\n" + NOSY), 10, "graded", ""),
        "copier": (answers(q5="my_answer = 3 * {alice}"), 8, "graded", "numbers of alice"),
        "alice": (answers(), 10, "graded", "why waits for a grade by hand"),
        "strange": (
            json.dumps(
                answers(q2="def output_size(n, k): raise ValueError('<script>')", why="\ud800")
            ).encode(),
            8,
            "graded",
            "q2: your code raised ValueError: <script>",
        ),
        "wordless": (answers(why="YOUR ANSWER HERE"), 10, "graded", "why: Not answered"),
    }
    copied = made["copied-cell"][0]
    copied.cells.insert(at(copied, "q3"), copied.cells[at(copied, "q1")].copy())
    halves = made["split-cell"][0]
    here = at(halves, "q1")
    halves.cells.insert(here, halves.cells[here].copy())
    halves.cells[here].source = "def helper(bias, c):\n    return c if bias else 0"
    halves.cells[here + 1].source = (
        "def conv_params(kh, kw, c_in, c_out, bias=True):\n"
        "    return kh * kw * c_in * c_out + helper(bias, c_out)"
    )
    for cell in made["colab"][0].cells:
        cell.metadata = {"id": "x"}
    made["copier"][0].cells[
        at(made["copier"][0], "q5")
    ].source = f"my_answer = {3 * drawn('alice')}"
    return made


def drawn(student):
    """The number of inputs that the small master draws for a student of the class `demo`."""
    import hashlib

    options = list(range(10, 10_000, 7))
    digest = hashlib.sha256(f"demo:{student}:q5".encode()).hexdigest()
    return options[int(digest, 16) % len(options)]


def command(master, source, to, *more):
    return [
        *(sys.executable, "-m", "classroom", "grade", str(source), str(to)),
        *("--masters", str(master.path.parent), "--cell-seconds", str(SECONDS), *more),
    ]


def environment():
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # for nbgrader
    return {**os.environ, "A_SECRET": "x", "PATH": path}


def grade(master, source, to, *more):
    done = subprocess.run(
        command(master, source, to, *more), env=environment(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def graded(one, master, limits=sandbox.Limits(), others=()):  # noqa: B008 (frozen)
    """The result of one submission."""
    with room.Room("bubblewrap", limits) as tests:
        return grading.grade(one, master, tests, others)


def lines(folder):
    with open(folder / "grades.csv", newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def table(folder):
    return {row["student"]: row for row in lines(folder)}


@pytest.fixture(scope="module")
def school(small, tmp_path_factory):
    """A class of forty, graded; in the middle everything is killed, and started again.

    Three wait for their clocks. So that they wait together, at least four are graded at a time.
    """
    together = ("--jobs", str(max(4, os.cpu_count())))
    folder = tmp_path_factory.mktemp("school")
    wanted = kinds(small)
    for student, (what, *_) in wanted.items():
        hand_in(folder / "submissions", student, what)
    for number in range(40 - len(wanted)):
        wanted[f"honest-{number}"] = None, 10, "graded", "10 of 12 points"
        hand_in(folder / "submissions", f"honest-{number}", filled(small))
    process = subprocess.Popen(
        command(small, folder / "submissions", folder / "grades", *together),
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    results = folder / "grades" / "results"
    while process.poll() is None and len(list(results.glob("[!.]*.json"))) < 15:
        time.sleep(0.1)
    assert process.poll() is None, process.stdout.read()
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = {path: path.stat().st_mtime_ns for path in results.glob("[!.]*.json")}
    assert not (folder / "grades" / "grades.csv").exists()
    output = grade(small, folder / "submissions", folder / "grades", *together)
    return folder, wanted, before, output


NAMES = """keras warns partial syntax loop-top loop-function loop-deaf os-exit sys-exit exit
no-tests assert-true patched equal runner remover lines one-line not-json nothing
picture other-json empty memory copied-cell split-cell colab spy nosy copier alice
wordless strange"""


@pytest.mark.parametrize("student", NAMES.split())
def test_each_kind_gets_the_wanted_grade(school, student):
    folder, wanted, _, _ = school
    _, total, status, words = wanted[student]
    row = table(folder / "grades")[student]
    assert (float(row["total"]), row["status"]) == (total, status), row["sentence"]
    assert words in row["sentence"]
    assert float(row["of"]) == 12


def test_the_instructors_page_lists_what_becomes_of_strange_notebooks(small):
    page = (masters.ROOT / "book" / "instructors.md").read_text()
    table = page.split("| handed in | points | status |\n|---|---|---|\n")[1].split("\n\n")[0]
    wanted = kinds(small)
    rows = [f"| {words} | {wanted[k][1]} | {wanted[k][2]} |" for k, words in KINDS.items()]
    assert table.splitlines() == rows


def test_the_pages_list_the_assignments_as_the_masters_have_them():
    students, teachers = (
        (masters.ROOT / "book" / f"{name}.md").read_text()
        for name in ("assignments", "instructors")
    )
    for number, master in enumerate(MASTERS.values(), 1):
        opening = master.notebook.cells[0].source
        assert master.title.startswith(f"Assignment {number}. ")
        title = master.title.removeprefix("Assignment ")
        row = re.search(
            rf"^\| \[{re.escape(title)}\]\(assignments/{master.name}.ipynb\) .*", students, re.M
        )
        needs, minutes, points = row[0].strip("| ").split(" | ")[1:]
        chapters = re.findall(r"\[chapter \d+\]\(\.\./([\w-]+\.ipynb)\)", opening)
        assert chapters == re.findall(r"\(([\w-]+\.ipynb)\)", needs)
        assert f"about {minutes} minutes" in opening and f"gives {points} points" in opening
        assert sum(master.points.values()) == int(points)
        by_hand = sum(master.points[name] for name in report.hand_questions(master))
        row = re.search(rf"^\| \[{number}\]\(assignments/{master.name}.ipynb\) .*", teachers, re.M)
        assert row[0].strip("| ").split(" | ")[2:] == [f"{int(points) - by_hand:g}", f"{by_hand:g}"]


def test_the_honest_get_all_their_points(school, small):
    folder, *_ = school
    assert set(kinds(small)) == set(NAMES.split())
    rows = table(folder / "grades")
    honest = [row for name, row in rows.items() if name.startswith("honest")]
    assert len(rows) == 40 and len(honest) == 40 - len(NAMES.split())
    for row in honest:
        assert [row[q] for q in ("q1", "q2", "q3", "q4", "q5")] == ["3", "2", "2", "1", "2"]
        assert (row["status"], row["total"]) == ("graded", "10")


def test_killed_in_the_middle_it_goes_on_where_it_was(school):
    folder, _, before, output = school
    assert 15 <= len(before) < 40
    assert f"{len(before)} of 40 were graded before." in output
    for path, time_written in before.items():
        assert path.stat().st_mtime_ns == time_written
    assert not list((folder / "grades").rglob(".*"))  # no part of a file


def test_a_run_in_one_go_gives_the_same_table(school, small, tmp_path):
    folder, *_ = school
    quick = ["alice", "colab", "copier", "empty", "equal", "honest-0", "nothing", "os-exit"]
    for student in quick:
        shutil.copytree(folder / "submissions" / student, tmp_path / "in" / student)
    grade(small, tmp_path / "in", tmp_path / "out")
    again, rows = table(tmp_path / "out"), table(folder / "grades")
    for student in quick:
        assert again[student] | {"seconds": ""} == rows[student] | {"seconds": ""}


def test_progress_says_how_much_is_left(school):
    *_, output = school
    assert re.search(r"^3 of \d+  .+: \w+\.  .* left$", output, re.M)
    assert "Sandbox: bubblewrap" in output and "Done." in output


def test_feedback_shows_no_hidden_test_and_asks_no_other_host(school, small):
    folder, *_ = school
    pages = sorted((folder / "grades" / "feedback").glob("*.html"))
    assert len(pages) == 40
    for path in pages:
        text = path.read_text()
        assert len(text.encode()) < 200_000
        assert not re.search(r"(src|href)=|url\(|@import|<script|https?:", text)
        for secret in ["2400", "output_size(9, 9)", "0.125", "HIDDEN", *small.secrets]:
            assert secret not in text, path.name
    lines = (folder / "grades" / "feedback" / "lines.html").read_text()
    assert "10 of 12 points" in lines
    partial = (folder / "grades" / "feedback" / "partial.html").read_text()
    assert "a window of 5 starts at 0 … 23" in partial


@pytest.mark.parametrize("look", ["light", "dark"])
@pytest.mark.parametrize("page", ["feedback/partial.html", "report.html"])
def test_pages_are_accessible(school, browser, page, look):
    from axe_playwright_python.sync_playwright import Axe

    folder, *_ = school
    context = browser.new_context(color_scheme=look, viewport={"width": 320, "height": 700})
    tab = context.new_page()
    tab.goto((folder / "grades" / page).as_uri())
    result = Axe().run(tab)
    assert result.violations_count == 0, result.generate_report()
    assert tab.evaluate("document.documentElement.scrollWidth") <= 320, "scrolls sideways"
    context.close()


def test_statistics_name_the_test_that_most_fail(school):
    folder, *_ = school
    with open(folder / "grades" / "statistics.csv", newline="") as file:
        rows = {row["question"]: row for row in csv.DictReader(file)}
    assert list(rows) == ["q1", "q2", "q3", "q4", "q5", "why"]
    assert rows["q5"]["most failed test"] and int(rows["q5"]["students"]) >= 1
    assert rows["q1"]["most failed test"] == "NameError" and int(rows["q1"]["students"]) >= 4
    assert float(rows["q4"]["mean"]) > 0.7
    # `empty`, and in q1 also `partial`
    assert (rows["q1"]["not answered"], rows["q2"]["not answered"]) == ("2", "1")


def test_the_report_names_who_copied_from_whom(school):
    folder, *_ = school
    text = (folder / "grades" / "report.html").read_text()
    who, whose = (
        f'<a href="../submissions/{name}/small.ipynb">{name}</a>' for name in ("copier", "alice")
    )
    assert f'<th scope="row">{who}</th><td>q5</td><td>{whose}</td></tr>' in text
    assert "Because the same weights serve everywhere." in text  # an answer to read
    assert "each sees only a small window" in text  # the master's answer
    assert "bubblewrap" in text and "https:" not in text


def test_grades_by_hand_are_kept_and_added(small, tmp_path):
    for student in ("ann", "ben", "cem", "dua"):
        hand_in(tmp_path / "in", student, filled(small))
    grade(small, tmp_path / "in", tmp_path / "out")
    path = tmp_path / "out" / "grades.csv"
    text = path.read_text("utf-8-sig").replace(
        ",", ";"
    )  # as a spreadsheet in many countries saves it
    for student, typed in {"ann": "1,5", "ben": "two", "cem": "9"}.items():
        text = re.sub(f"^({student};graded;3;2;2;1;2;);", rf"\g<1>{typed};", text, flags=re.M)
    path.write_text("\ufeff" + text, encoding="utf-8")
    for _ in range(2):
        output = grade(small, tmp_path / "in", tmp_path / "out")
        assert "4 of 4 were graded before." in output
        rows = table(tmp_path / "out")
        hand = {name: row["why by hand (of 2)"] for name, row in rows.items()}
        assert hand == {"ann": "1,5", "ben": "two", "cem": "9", "dua": ""}
        totals = {name: row["total"] for name, row in rows.items()}
        assert totals == {"ann": "11.5", "ben": "10", "cem": "10", "dua": "10"}
        assert "“two” is not a grade from 0 to 2" in rows["ben"]["sentence"]
    assert "3 answers wait" in output
    shutil.rmtree(tmp_path / "in" / "ben")  # gone from the download, not from the table
    (tmp_path / "in" / "ann" / "small.ipynb").write_bytes(b"")  # handed in anew
    grade(small, tmp_path / "in", tmp_path / "out")
    rows = table(tmp_path / "out")
    assert rows["ben"]["why by hand (of 2)"] == "two"
    assert (rows["ann"]["status"], rows["ann"]["why by hand (of 2)"]) == ("unreadable", "1,5")


class Desk:
    """A folder of grades with results that were not run, and a person who types."""

    def __init__(self, master, folder):
        self.master, self.folder, self.path = master, folder, folder / "grades.csv"
        (folder / "results").mkdir(parents=True)

    def grade(self, **students):
        """`key="name"`: these are handed in now; the rest is known from before."""
        found = [submissions.Submission(name, name=name, lms="missing") for name in self.missing]
        for key, student in students.items():
            one = submissions.Submission(student, [], key, self.lms, key if self.lms else "")
            result = grading.failed(one, self.master)
            result.points = dict.fromkeys(self.master.points, 1.0) | {"why": None}
            result.answers = {"why": self.answers.get(key, f"because {key}")}
            result.status, result.notes, result.look = "graded", [], False
            path = self.folder / "results" / f"{grading.safe(result.key)}.json"
            grading.write(path, json.dumps(grading.asdict(result)))
            found.append(one)
        report.GradeBook(self.master, self.folder, found).write("bubblewrap")
        return {row["submission"]: row for row in lines(self.folder)}

    answers: dict = {}  # noqa: RUF012
    missing, lms = (), "moodle"

    def type(self, key, heading="why by hand (of 2)", what="", **more):
        rows = lines(self.folder)
        for row in rows:
            if row["submission"].removeprefix("moodle ") == key:
                row[heading] = what
        self.save(rows, **more)

    def save(self, rows, encoding="utf-8", delimiter=",", above=""):
        with open(self.path, "w", newline="", encoding=encoding) as file:
            file.write(above)
            writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
            writer.writeheader()
            writer.writerows(rows)


@pytest.fixture
def desk(small, tmp_path):
    return Desk(small, tmp_path / "grades")


def test_points_by_hand_follow_the_submission_not_the_name(desk):
    desk.grade(a="Ann Lee")
    desk.type("a", what="2")
    rows = desk.grade(b="Ann Lee")  # another one of that name, late
    points = {key: row["why by hand (of 2)"] for key, row in rows.items()}
    assert points == {"moodle a": "2", "moodle b": ""}
    for names in ({"a": "x", "b": "y"}, {"a": "y", "b": "x"}, {"a": "z", "b": "Ann Lee"}):
        rows = desk.grade(**names)  # class lists: found, corrected, changed
        assert {key: row["student"] for key, row in rows.items()} == {
            f"moodle {key}": name for key, name in names.items()
        }
        points = {key: row["why by hand (of 2)"] for key, row in rows.items()}
        assert points == {"moodle a": "2", "moodle b": ""}
    pages = {path.name for path in (desk.folder / "feedback").iterdir()}
    assert len(pages) == 2 and "z.html" in pages


@pytest.mark.parametrize(
    "spreadsheet",
    [
        {"encoding": "cp1252", "delimiter": ";"},
        {"encoding": "utf-16", "delimiter": "\t"},
        {"encoding": "utf-8-sig", "above": "sep=,\n"},
        {"above": "Grades of the class,,,\n"},
    ],
)
def test_whatever_a_spreadsheet_does_to_the_table_points_are_kept(desk, spreadsheet):
    desk.grade(a="Müller", b="Øre ")
    desk.type("a", what="1,5", **spreadsheet)
    rows = desk.grade(a="Müller", b="Øre ")
    assert rows["moodle a"]["why by hand (of 2)"] == "1,5" and rows["moodle a"]["total"] == "6.5"
    assert rows["moodle a"]["student"] == "Müller"


def test_points_that_belong_to_nobody_stop_the_grading_and_overwrite_nothing(desk):
    desk.grade(a="0007", b="bob")
    desk.type("a", what="2")
    rows = lines(desk.folder)
    spoilt = [row | {"student": "7", "submission": "7"} for row in rows if row["student"] != "bob"]
    for damage in (
        spoilt,
        [
            *rows,
            next(row | {"why by hand (of 2)": "1"} for row in rows if row["student"] == "'0007"),
        ],
        [{k: v for k, v in row.items() if "by hand" not in k} for row in rows],
        [{"Name" if k == "student" else k: v for k, v in row.items()} for row in rows],
    ):
        desk.save(damage)
        before = desk.path.read_bytes()
        with pytest.raises((report.Mixed, submissions.Unreadable), match=r"grades\.csv"):
            desk.grade(a="0007", b="bob")
        assert desk.path.read_bytes() == before
    desk.save(rows)
    desk.grade(a="0007", b="bob")
    assert desk.path.with_name("grades.csv.before").exists()


def test_a_person_may_adjust_and_note(desk):
    desk.grade(a="ann")
    rows = lines(desk.folder)
    desk.save([row | {"adjust by hand": "-1,5", "My note": "was ill"} for row in rows])
    for _ in range(2):
        row = desk.grade(a="ann")["moodle a"]
        assert (row["total"], row["My note"]) == ("3.5", "was ill")
        assert list(row) == [*rows[0], "My note"]
        assert "-1,5 points by hand" in row["sentence"]


def test_an_answer_that_changed_after_it_was_graded_is_named(desk):
    desk.grade(a="ann")
    desk.type("a", what="2")
    assert "changed" not in desk.grade(a="ann")["moodle a"]["sentence"]
    desk.answers = {"a": "another answer"}
    assert (
        "why: the answer changed after it was graded."
        in desk.grade(a="ann")["moodle a"]["sentence"]
    )
    assert "changed after" in (desk.folder / "report.html").read_text()
    desk.type("a", what="2!")  # the same points, confirmed
    row = desk.grade(a="ann")["moodle a"]
    assert "changed" not in row["sentence"] and row["total"] == "7"
    desk.answers = {"a": "a third answer"}
    assert "changed after" in desk.grade(a="ann")["moodle a"]["sentence"]
    desk.type("a", what="1.0")
    assert "changed" not in desk.grade(a="ann")["moodle a"]["sentence"]


@pytest.mark.parametrize(
    ("text", "points"),
    [("1,5", 1.5), ("1+0.5", 1.5), ("1 + 1!", 2), ("2!", 2), ("+1", 1), ("1+", None), ("!", None)],
)
def test_points_by_hand_may_be_a_sum_or_confirmed(text, points):
    assert report.marks(text) == points


@pytest.mark.parametrize(
    "name", ["0071234", "123456789012", "1/2", "3-4", "Mar1", "1e5", "TRUE", "=1", "'tHooft"]
)
def test_a_spreadsheet_changes_no_name(desk, name):
    """It makes numbers, dates and formulas of what looks so; a quote before makes it a text."""
    desk.lms = ""
    for _ in range(2):
        desk.grade(**{name: name, "ann lee": "ann lee"})
        raw = {row["student"]: row["submission"] for row in lines(desk.folder)}
        assert raw == {f"'{name}": f"'{name}", "ann lee": "ann lee"}
        assert {row["submission"] for row in submissions.read_table(desk.path)} == {name, "ann lee"}
        desk.type(f"'{name}", what="2")
    assert desk.grade()[f"'{name}"]["total"] == "7"


def test_who_handed_in_nothing_has_a_row_and_counts_in_no_mean(desk):
    desk.missing = ["zoe", "yan"]
    rows = desk.grade(a="ann")
    assert [(rows[k]["status"], rows[k]["total"]) for k in ("zoe", "moodle a")] == [
        ("missing", ""), ("graded", "5"),
    ]  # fmt: skip
    assert rows["zoe"]["sentence"] == "Nothing was handed in."
    assert (desk.folder / "statistics.csv").read_text().splitlines()[1].startswith("q1,3,1.00,")
    assert "zoe" in (desk.folder / "report.html").read_text()
    for upload in ("canvas.csv", "moodle.csv"):
        assert "zoe" not in (desk.folder / upload).read_text()
    desk.type("zoe", "adjust by hand", "-1")
    assert desk.grade(a="ann")["zoe"]["total"] == "-1"
    desk.missing = ["yan"]
    rows = desk.grade(b="zoe")  # what was typed stays hers
    assert (rows["moodle b"]["total"], set(rows)) == ("4", {"moodle a", "moodle b", "yan"})


def test_the_report_asks_who_a_stranger_is(desk):
    (one,) = found = [submissions.Submission("<Bo>", [], "<Bo>", "moodle", "9", known=False)]
    report.GradeBook(desk.master, desk.folder, found).write("bubblewrap")
    text = (desk.folder / "report.html").read_text()
    assert "Who is this?" in text and "<td>9</td>" in text and "&lt;Bo&gt;" in text
    one.known = True
    report.GradeBook(desk.master, desk.folder, found).write("bubblewrap")
    assert "Who is this?" not in (desk.folder / "report.html").read_text()


def test_points_and_comment_for_one_answer_count_for_the_same_answer_of_others(desk):
    desk.answers = {"a": "It is  shared.", "b": "It is shared.\n", "c": "It is shared", "d": "no"}
    names = {"a": "ann", "b": "ben", "c": "cem", "d": "dan"}

    def hand(rows):
        return {key[-1]: (row["why by hand (of 2)"], row["total"]) for key, row in rows.items()}

    desk.grade(**names)
    assert (desk.folder / "report.html").read_text().count("The same answer") == 1
    desk.type("a", what="1+0.5")
    desk.type("a", "why comment", "-why shared, <though>?")
    assert hand(desk.grade(**names)) == {
        "a": ("1+0.5", "6.5"), "b": ("1+0.5 (same answer)", "6.5"), "c": ("", "5"), "d": ("", "5"),
    }  # fmt: skip
    for student in ("ann", "ben"):
        page = (desk.folder / "feedback" / f"{student}.html").read_text()
        assert "Points: 1+0.5. -why shared, &lt;though&gt;?" in page
    assert (desk.folder / "moodle.csv").read_text().count("-why shared, <though>?") == 2
    desk.type("a", what="1")  # whoever has no points of their own follows
    assert hand(desk.grade(**names))["b"] == ("1 (same answer)", "6")
    desk.type("d", what="two")
    desk.type("b", what="2")
    assert hand(desk.grade(**names)) == {
        "a": ("1", "6"), "b": ("2", "7"), "c": ("", "5"), "d": ("two", "5"),
    }  # fmt: skip
    desk.answers |= {"c": "It is shared."}  # which points? A person must say
    assert hand(desk.grade(**names))["c"] == ("", "5")
    desk.type("b", what="1,0")
    assert hand(desk.grade(**names))["c"][1] == "6"
    desk.answers |= {
        "a": "new",
        "b": "new",
        "c": "new",
    }  # graded before they changed: not for others
    assert hand(desk.grade(**names))["c"] == ("", "5")


def test_a_comment_that_belongs_to_nobody_stops_the_grading(desk):
    desk.grade(a="ann")
    rows = lines(desk.folder)
    desk.save([row | {"student": "x", "submission": "x", "why comment": "good"} for row in rows])
    with pytest.raises(report.Mixed, match="typed for x"):
        desk.grade(a="ann")


def test_grades_that_lie_side_by_side_make_one_table(desk, small, tmp_path):
    desk.missing = ["zoe"]
    desk.grade(a="ann", b="0071")
    report.all_together(tmp_path)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "grades.csv").write_text("mine")  # not ours
    assert not (tmp_path / "all.csv").exists()
    second = Desk(small, tmp_path / "more")
    second.grade(b="0071")
    second.type("b", what="1,5")
    second.grade(b="0071")
    report.all_together(tmp_path)
    with open(tmp_path / "all.csv", newline="", encoding="utf-8-sig") as file:
        assert list(csv.reader(file)) == [
            ["student", "grades", "more", "sum"],
            ["'0071", "5", "6.5", "11.5"],
            ["ann", "5", "", "5"],
            ["zoe", "", "", "0"],
        ]


def test_the_report_shows_each_wrong_answer_beside_its_test(small, tmp_path, capsys, monkeypatch):
    wrong = GIVEN | {"q2": "def output_size(n, k):\n    return 24 if n > k else '<0>'"}
    for student, answers in {"ann": GIVEN, "ben ö": wrong, "cem": wrong}.items():
        hand_in(tmp_path / "in", student, filled(small, answers))
    grade(small, tmp_path / "in", tmp_path / "out" / "1")
    text = (tmp_path / "out" / "1" / "report.html").read_text()
    code = "<code>assert output_size(9, 9) == 1, {0}one place for a kernel as large as the image"
    assert f"<td>1</td><td>2</td><td>{code.format('&#34;')}" in text
    start = text.index(
        "hidden 1: one place for a kernel as large as the image (2 identical answers)"
    )
    shown = text[start : text.index("</details>", start)]
    assert "return 24 if n &gt; k else &#39;&lt;0&gt;&#39;" in shown
    links = re.findall(r'href="(.*?)">(.*?)</a>', shown)
    assert [name for _, name in links] == ["ben ö", "cem"]
    for place, _ in links:
        assert (tmp_path / "out" / "1" / urllib.parse.unquote(place)).is_file()
    assert '<th scope="row">7.2</th><td>2</td>' in text  # two totals from 7.2 to 8.4
    assert "output_size(9, 9)" not in (tmp_path / "out" / "1" / "feedback" / "cem.html").read_text()

    # One notebook, and nowhere to write to: a trial.
    own = GIVEN | {"q2": wrong["q2"], "q5": f"my_answer = {3 * drawn('your name')}"}
    nbformat.write(filled(small, own), tmp_path / "aly's.ipynb")
    before = set(tmp_path.rglob("*"))
    trial = [*command(small, tmp_path / "aly's.ipynb", "")[2:]]
    trial.remove("")
    monkeypatch.setattr(sys, "argv", trial)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "elsewhere"))
    (tmp_path / "elsewhere").mkdir()
    commands.main()
    said = capsys.readouterr().out
    assert "q2  0 of 2  one place for a kernel as large as the image" in said
    assert "q5  2 of 2  Passed." in said and "why  – of 2" in said
    assert f"{tmp_path / 'elsewhere'}" in said and "aly_s" in said.split("student's page: ")[1]
    made = set(tmp_path.rglob("*")) - before
    assert made and all((tmp_path / "elsewhere") in [path, *path.parents] for path in made)
    trial[3:3] = [str(tmp_path / "out" / "2")]
    with pytest.raises(SystemExit, match="a single notebook"):
        commands.main()


def test_who_copied_is_found_when_the_owner_hands_in_later(small, tmp_path):
    stolen = GIVEN | {"q5": f"my_answer = {3 * drawn('zoe')}"}
    hand_in(tmp_path / "in", "ann", filled(small, stolen))
    hand_in(tmp_path / "in", "ben", filled(small))
    grade(small, tmp_path / "in", tmp_path / "out")
    assert "Copied answers" not in (tmp_path / "out" / "report.html").read_text()
    hand_in(tmp_path / "in", "zoe", filled(small))
    assert "1 of 3 were graded before." in grade(small, tmp_path / "in", tmp_path / "out")
    assert "Copied answers" in (tmp_path / "out" / "report.html").read_text()
    for page in ("feedback/ann.html", "moodle.csv", "canvas.csv"):  # only the teacher is told
        lines = (tmp_path / "out" / page).read_text().splitlines()
        assert not any("zoe" in line for line in lines if not line.startswith("zoe"))
    assert "3 of 3 were graded before." in grade(small, tmp_path / "in", tmp_path / "out")

    shutil.rmtree(tmp_path / "in" / "zoe")  # not handed in, but on the class list
    (tmp_path / "class.csv").write_text("student\nann\nben\nzoe\n")
    roster = "--roster", str(tmp_path / "class.csv")
    said = grade(small, tmp_path / "in", tmp_path / "new", *roster)
    assert "2 submissions to small" in said and "without a notebook here: zoe." in said
    text = (tmp_path / "new" / "report.html").read_text()
    assert "<td>q5</td><td>zoe</td>" in text and "Nothing handed in" in text


def test_results_of_earlier_versions_are_read_and_parts_of_files_are_not(desk):
    """The class was called `group` in them. A part is what is left when grading is killed."""
    desk.grade(a="ann")
    (path,) = (desk.folder / "results").iterdir()
    result = json.loads(path.read_text())
    earlier = {"group" if key == "cohort" else key: value for key, value in result.items()}
    path.write_text(json.dumps(earlier | {"group": "cnn-2027"}))
    part = json.dumps(result | {"key": "moodle b", "student": "ben"})
    path.with_name(f".1.part.{path.name}").write_text(part)
    assert list(desk.grade()) == ["moodle a"]
    (known,) = report.GradeBook(desk.master, desk.folder).results
    assert (known.student, known.cohort) == ("ann", "cnn-2027")


def test_the_table_before_is_kept_if_the_disk_is_full(desk, monkeypatch):
    desk.grade(a="ann")
    desk.type("a", what="1")
    desk.grade(a="ann")
    before = Path(f"{desk.path}.before").read_bytes()
    desk.type("a", what="2")

    def full(source, target):
        Path(target).write_bytes(Path(source).read_bytes()[:9])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copy", full)
    with pytest.raises(OSError, match="No space"):
        desk.grade(a="ann")
    assert Path(f"{desk.path}.before").read_bytes() == before
    assert lines(desk.folder)[0]["why by hand (of 2)"] == "2"


def test_a_class_list_never_guesses(small, tmp_path):
    good = nbformat.writes(filled(small))
    for name in [
        "Ann Lee_123_assignsubmission_file_",
        "Ann Lee_124_assignsubmission_file_",
        "Group A-Gita Rao_125_assignsubmission_file_",
        "Mu\u0308ller_126_assignsubmission_file_",
        "bob_127_assignsubmission_file_",
        "eve_128_assignsubmission_file_",
        "eve",
    ]:
        (tmp_path / "in" / name).mkdir(parents=True)
        (tmp_path / "in" / name / "small.ipynb").write_text(good)
    (tmp_path / "in" / "work.zip").write_text("")
    path = tmp_path / "class.csv"
    path.write_bytes(
        "Student;name;moodle;seat\n"
        "ann.1;Ann Lee;Participant 123;127\nann.2;Ann Lee;Participant 124;1\n"
        "gita;Gita Rao;;2\nmue;Müller;;3\nbob;Bob;;4\nev;Eve;;5\nzoe;Zoe;;6\n;;;\n".encode("cp1252")
    )
    said = []
    found = submissions.find(tmp_path / "in", path, said.append)
    assert {one.lms_id: one.student for one in found} == {
        "123": "ann.1", "124": "ann.2", "125": "gita", "126": "mue", "127": "bob", "128": "ev",
        "": "zoe",
    }  # fmt: skip
    assert [one.student for one in found if one.lms == "missing"] == ["zoe"]
    assert all(one.known for one in found)
    assert len(next(one for one in found if one.student == "ev").files) == 2
    assert said == [
        "Not notebooks, and left out: work.zip.",
        "On the class list, without a notebook here: zoe.",
    ]
    path.write_text("student,name\nx,Ann Lee\ny,Ann Lee\n")
    found = submissions.find(tmp_path / "in", path, said.append)
    assert {"Ann Lee 123", "Ann Lee 124"} <= {one.student for one in found if not one.known}
    assert said[-2].startswith("Not on the class list, or not only once: Ann Lee, Ann Lee, ")
    path.write_bytes(b"PK\x03\x04")
    with pytest.raises(submissions.Unreadable, match="save the table as CSV"):
        submissions.find(tmp_path / "in", path)


@pytest.mark.parametrize(
    ("name", "table", "found"),
    [
        ("Anne-Marie Curie_5_assignsubmission_file_", "m,Marie Curie,9,1", ""),
        ("Group A-Gita Rao_5_assignsubmission_file_", "gita,Gita Rao,,1", "gita"),
        ("Maria De la Cruz-Lee_5_assignsubmission_file_", "lee.ann,Lee,,1", ""),
        ("Jean Pierre-Marie Curie_5_assignsubmission_file_", "m,Marie Curie,,1", ""),
        ("Participant 127_127_assignsubmission_file_", "ann,Ann,,127", ""),
        ("Eve_128_assignsubmission_file_", "bob,Bob,9,128\nev,Eve,,2", "ev"),
        ("Nick_128_assignsubmission_file_", "bob,Bob,9,128", ""),
        ("Bob_7_assignsubmission_file_", "bob,Bob,9,1\nx,X,7,2", ""),
        ("Robert_9_assignsubmission_file_", "bob,Bob,Participant 9,1", "bob"),
        ("li_wei_128_98128_small.ipynb", "lw,li_wei,128,1", "lw"),
        ("anon_aB3x9_98990_small.ipynb", "ab,x,aB3x9,1", "ab"),
        ("Mu\u0308ller_5_assignsubmission_file_", "mue,M\u00fcller,,1", "mue"),
    ],
)
def test_who_it_is_must_be_sure(small, tmp_path, name, table, found):
    """A match takes the whole name, or a number in a column for numbers; both must agree."""
    path = tmp_path / "in" / name
    path = path if name.endswith(".ipynb") else path / "small.ipynb"
    path.parent.mkdir(parents=True)
    nbformat.write(filled(small), path)
    (tmp_path / "class.csv").write_text(f"student,name,moodle id,seat\n{table}\n")
    everybody = submissions.find(tmp_path / "in", tmp_path / "class.csv")
    (one,) = (one for one in everybody if one.lms != "missing")
    assert one.student == (found or one.name) and one.known == bool(found)


def test_a_late_notebook_stays_late_when_another_comes_by_mail(small, tmp_path):
    for name in ("ann_LATE_123_99_small.ipynb", "Ann Lee/small.ipynb"):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(filled(small), path)
    (tmp_path / "class.csv").write_text("student,name,canvas id\nann,Ann Lee,123\n")
    for order in (1, -1):
        both = submissions.find(tmp_path / "in")[::order]
        [one] = submissions.enrol(both, tmp_path / "class.csv", print)
        assert submissions.LATE in one.notes, one


def test_names_that_only_look_like_those_of_canvas_are_two_students(small, tmp_path):
    for name in ("weber_3_03_small.ipynb", "maier_3_03_small.ipynb"):
        nbformat.write(filled(small), tmp_path / name)
    found = submissions.find(tmp_path)
    assert len({one.key for one in found}) == 2 and {one.lms for one in found} == {"plain"}


def test_two_of_one_name_are_two_rows_for_all_assignments(desk, small, tmp_path):
    desk.grade(a="Ann Lee", b="Ann Lee")
    desk.type("a", what="2")
    desk.grade(a="Ann Lee", b="Ann Lee")
    Desk(small, tmp_path / "more").grade(c="bob")
    report.all_together(tmp_path)
    rows = submissions.read_table(tmp_path / "all.csv")
    assert sorted((row["student"].split(" (")[0], row["sum"]) for row in rows) == [
        ("Ann Lee", "5"), ("Ann Lee", "7"), ("bob", "5"),
    ]  # fmt: skip


def test_a_master_without_a_heading_is_called_by_its_name(small, tmp_path):
    (tmp_path / "mine.md").write_text(re.sub(r"^# .*$", "", TEXT, count=1, flags=re.M))
    assert masters.find(tmp_path)["mine"].title == "mine"


@pytest.mark.parametrize("name", ["x\0", "\ud83d"])
def test_no_name_in_the_notebook_hides_whose_answer_it_is(small, tmp_path, tests_room, name):
    answer = f"STUDENT = {name!a}\nmy_answer = {3 * drawn('bob')}"
    hand_in(tmp_path / "in", "ann", filled(small, GIVEN | {"q5": answer}))
    (one,) = submissions.find(tmp_path / "in")
    result = grading.grade(one, small, tests_room, ["ann", "bob", "cem"])
    assert "bob" in result.copied["q5"], result


def test_only_what_a_killed_run_left_is_removed():
    """Not what others keep there, and not what a run still works in."""
    code = "import os; from classroom import sandbox\n"
    code += "print(sandbox.scratch(), flush=True); os._exit(1)"
    with (
        tempfile.TemporaryDirectory(prefix="t-", dir="/tmp") as place,
        pytest.MonkeyPatch.context() as patch,
    ):
        here = {"env": os.environ | {"TMPDIR": place}, "capture_output": True, "text": True}
        kept = [Path(place, name) for name in ("grade-2027-03", "cnnlab-mine")]
        for folder in kept:
            folder.mkdir()
        patch.setattr(tempfile, "tempdir", place)
        killed, mine = subprocess.run([sys.executable, "-c", code], **here), Path(sandbox.scratch())
        assert not Path(killed.stdout.strip()).exists() and mine.parent == Path(place)
        killed = subprocess.run([sys.executable, "-c", code], **here)
        assert Path(killed.stdout.strip()).exists()
        subprocess.run([sys.executable, "-c", code], **here)
        assert not Path(killed.stdout.strip()).exists()
        assert mine.exists() and all(folder.exists() for folder in kept)


def test_a_folder_around_the_class_is_seen_through(small, tmp_path):
    for student in ("Ann Lee_1_assignsubmission_file_", "Ben Oe_2_assignsubmission_file_"):
        hand_in(tmp_path / "in" / "CNN-2027-Assignment", student, filled(small))
    hand_in(tmp_path / "one", "ann/homework", filled(small))
    assert [s.student for s in submissions.find(tmp_path / "in")] == ["Ann Lee", "Ben Oe"]
    assert [s.student for s in submissions.find(tmp_path / "one")] == ["ann"]


def test_a_notebook_is_read_by_its_content(small, tmp_path):
    data = json.loads(nbformat.writes(filled(small)))
    for cell in data["cells"]:
        cell.pop("outputs", None)
    bare = [cell for cell in data["cells"] if not cell["metadata"]]
    assert bare
    for cell in bare:
        del cell["metadata"]
    for name, encoding in {
        "a.ipynb.txt": "utf-8",
        "b.json": "utf-8-sig",
        "c.ipynb": "utf-16",
    }.items():
        (tmp_path / name).write_text(json.dumps(data), encoding=encoding)
    found = submissions.find(tmp_path)
    assert len(found) == 3
    for one in found:
        notebook = submissions.read(submissions.choose(one.files, small))
        answers = {masters.label(c): c.source for c in notebook.cells if masters.is_solution(c)}
        assert answers == GIVEN


def packed(path, **files):
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)


def test_a_notebook_in_a_zip_file_is_read(small, tmp_path):
    """Whatever the file is called, and whatever lies beside the notebook in it."""
    good, other = nbformat.writes(filled(small)), nbformat.writes(MASTERS["03-counting"].notebook)
    beside = {"__MACOSX/._small.ipynb": "x", "a/.ipynb_checkpoints/small-checkpoint.ipynb": other}
    beside |= {"a/.small.ipynb": "x", "a/03-counting.ipynb": other, "a/data.csv": "1,2"}
    packed(tmp_path / "Ann Lee_1_assignsubmission_file_" / "hw.zip", **{"a/small.ipynb": good})
    packed(tmp_path / "ben.zip", **{"x.ipynb": good}, **beside)
    packed(tmp_path / "cem.ipynb", **{"x.ipynb": good})
    packed(tmp_path / "dua_77_9001_work.zip", **{"x.ipynb.txt": good})
    packed(tmp_path / "eve_LATE_78_9002_work.zip", **{"x.ipynb": good})
    class_zip = {f"{n} L_{n}_assignsubmission_file_/small.ipynb": good for n in (5, 6)}
    packed(tmp_path / "CNN-2027.zip", **class_zip)
    packed(tmp_path / "nothing.zip", **{"x.txt": good})
    said = []
    found = {one.student: one for one in submissions.find(tmp_path, say=said.append)}
    assert found.keys() == {"Ann Lee", "ben", "cem", "dua", "eve"}
    assert found["eve"].notes.pop() == "Canvas says: handed in late."
    assert said == ["Not notebooks, and left out: CNN-2027.zip, nothing.zip."]
    for one in found.values():
        assert len(one.notes) == 1 and "is a zip file" in one.notes[0]
        cells = submissions.read(submissions.choose(one.files, small)).cells
        assert {masters.label(c): c.source for c in cells if masters.is_solution(c)} == GIVEN
    limits = "bubblewrap", sandbox.Limits()
    mark = grading.fingerprint(found["ben"], small, *limits)
    packed(tmp_path / "ben.zip", **{"x.ipynb": good + " "}, **beside)
    assert grading.fingerprint(found["ben"], small, *limits) != mark, "a new version is graded"


@pytest.mark.parametrize("what", ["bomb", "password", "cut", "many", "out", "elsewhere", "long"])
def test_no_zip_file_does_harm(tmp_path, what):
    path, outside = tmp_path / "in" / "ann" / "hw.zip", tmp_path / "in" / "x.ipynb"
    good = nbformat.writes(new_notebook())
    files = {"x.ipynb": good}
    if what == "bomb":
        files = {"x.ipynb": b" " * 300_000_000}
    elif what == "many":
        files = {f"{number}.ipynb": "" for number in range(3_000)}
    elif what == "out":
        files = {"../../x.ipynb": good}
    elif what == "elsewhere":
        files = {str(outside): good}
    elif what == "long":
        files = {"x" * 5_000 + ".ipynb": good}
    packed(path, **files)
    data = path.read_bytes()
    if what == "cut":
        path.write_bytes(data[: len(data) // 2])
    elif what == "password":  # bit 0 of the flags, in both headers
        for head, place in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
            at = data.index(head) + place
            data = data[:at] + b"\1" + data[at + 1 :]
        path.write_bytes(data)
    outside.write_text(good)
    one = next(one for one in submissions.find(tmp_path / "in") if one.student == "ann")
    said = {"bomb": "more than 200 MB", "password": "has a password"}
    if what in said:
        with pytest.raises(submissions.Unreadable, match=said[what]):
            submissions.read(submissions.choose(one.files, MASTERS["03-counting"]))
    else:
        assert one.files == [path] and one.notes == []


def test_the_longest_name_and_the_fuller_notebook_win(small, tmp_path):
    hand_in(tmp_path / "in", "ann", filled(small))
    (tmp_path / "in" / "ann" / "small.ipynb").rename(tmp_path / "in" / "ann" / "hw10.ipynb")
    known = {"hw1": masters.Master(Path("hw1.md")), "hw10": masters.Master(Path("hw10.md"))}
    assert submissions.which(submissions.find(tmp_path / "in"), known).name == "hw10"
    nbformat.write(filled(small), tmp_path / "small.ipynb")
    nbformat.write(filled(small, {"q1": GIVEN["q1"]}), tmp_path / "small (1).ipynb")
    files = [tmp_path / "small (1).ipynb", tmp_path / "small.ipynb"]
    assert submissions.choose(files, small).name == "small.ipynb"


def test_a_mistyped_name_accuses_nobody(small, tmp_path):
    """The answer is right for the name in the notebook, and for somebody else's number, too."""
    others = [f"s{number}" for number in range(20_000)]
    twin = next(other for other in others if drawn(other) == drawn("aly"))
    own = f"STUDENT = 'aly'\nmy_answer = {3 * drawn('aly')}"
    hand_in(tmp_path / "in", "alice", filled(small, GIVEN | {"q5": own}))
    (one,) = submissions.find(tmp_path / "in")
    result = graded(one, small, others=[twin, "bob"])
    assert result.copied == {} and result.points["q5"] == 0 and result.look
    assert any("worked out for “aly”, not for “alice”" in note for note in result.notes)


def test_no_name_and_no_message_is_a_formula(desk):
    desk.answers = {"a": "x"}
    for _ in range(2):
        desk.grade(a="=SUM(A1)", b="-ben", c="Öz")
        text = desk.path.read_text("utf-8-sig")
        assert "\n'=SUM(A1)," in text and "\n'-ben," in text and "\nÖz," in text
        assert ",=SUM(A1)," not in text
    rows = [row | {"adjust by hand": "-1"} for row in lines(desk.folder)]
    desk.save(rows)
    assert {row["total"] for row in desk.grade(a="=SUM(A1)", b="-ben").values()} == {"4"}
    assert ",=SUM(A1)," in (desk.folder / "canvas.csv").read_text()  # for a machine: as it is


def test_what_is_missing_here_costs_no_points(small, tmp_path):
    first = "import cv2\nfrom ipympl.x import y\n%matplotlib widget\nimport os\n"
    first += "os.environ['KERAS_BACKEND'] = 'torch'\n"
    notebook = filled(small, GIVEN | {"q1": first + GIVEN["q1"]})
    notebook.cells.insert(0, new_code_cell("import os\nos.environ['KERAS_BACKEND'] = 'torch'"))
    hand_in(tmp_path / "in", "ann", notebook)
    (one,) = submissions.find(tmp_path / "in")
    result = graded(one, small)
    assert sum(p or 0 for p in result.points.values()) == 10 and result.look, result
    assert "The cell q1 was run without its lines for cv2, which is not here." in result.notes


@pytest.mark.parametrize("typed", ["nan", "inf", "1_0", "-10%", "two"])
def test_an_adjustment_that_is_no_number_is_refused(desk, typed):
    desk.grade(a="ann")
    desk.type("a", "adjust by hand", typed)
    before = desk.path.read_bytes()
    with pytest.raises(report.Mixed, match="the row of ann"):
        desk.grade(a="ann")
    assert desk.path.read_bytes() == before
    desk.type("a", "adjust by hand", "\u22121,5")
    assert desk.grade(a="ann")["moodle a"]["total"] == "3.5"
    assert "\u22121,5 points" in (desk.folder / "feedback" / "ann.html").read_text()


def test_of_several_notebooks_the_answered_one_is_graded(small, tmp_path):
    def best(**notebooks):
        for name, notebook in notebooks.items():
            nbformat.write(notebook, tmp_path / name)
        return submissions.choose([tmp_path / name for name in notebooks], small).name

    blank, full = small.student_copy, filled(small)
    assert best(**{"small.ipynb": blank, "my solution.ipynb": full}) == "my solution.ipynb"
    assert best(**{"b_1_9_small-checkpoint-1.ipynb": full, "b_1_8_small.ipynb": full})[4:5] == "8"
    assert best(**{"b_1_9999_a.ipynb": full, "b_1_10000_a.ipynb": full}) == "b_1_10000_a.ipynb"
    assert best(**{"x.IPYNB": full}) == "x.IPYNB"
    other = MASTERS["01-convolution-by-hand"].notebook
    assert best(**{"small-2.ipynb": other, "small.ipynb": full}) == "small.ipynb"


def test_an_answer_in_a_cell_of_its_own_is_read(small):
    notebook = filled(small, GIVEN | {"why": "YOUR ANSWER HERE"})
    notebook.cells.insert(at(notebook, "why") + 1, nbformat.v4.new_markdown_cell("Shared weights."))
    cells, _ = submissions.fit(notebook, small.template)
    (answer,) = (cell for cell in cells if masters.by_hand(cell))
    assert "Shared weights." in answer.source


PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg"
)


@pytest.mark.parametrize("kind", ["markdown", "raw", "string", "comment", "words", "lost"])
@pytest.mark.parametrize("place", [0, 1], ids=["before", "after"])
def test_words_near_their_place_are_read_whatever_cell_they_stand_in(small, kind, place):
    said = "Weights are shared by all of the places."
    code = {"string": f'"""{said}"""', "comment": f"# {said}", "words": said}
    make = new_code_cell if kind in code else nbformat.v4.new_markdown_cell
    cell = nbformat.v4.new_raw_cell(said) if kind == "raw" else make(code.get(kind, said))
    notebook = filled(small, GIVEN | {"why": "YOUR ANSWER HERE"})
    here = at(notebook, "why")
    notebook.cells.insert(here + place, cell)
    notebook.cells.insert(here, nbformat.v4.new_markdown_cell("A title."))
    if kind == "lost":  # the place itself, deleted
        del notebook.cells[at(notebook, "why")]
    cells, _ = submissions.fit(notebook, small.template)
    (answer,) = (cell for cell in cells if masters.by_hand(cell))
    assert said in answer.source and not answer.metadata.unchanged
    assert [c for c in cells if c.source == said] == [] or kind == "lost", "words are not run"


def test_a_copy_of_a_given_cell_moves_nothing(small):
    """It is pasted at the end; the student's own cells stay in their places."""
    notebook = filled(small)
    setup = at(notebook, "setup")
    notebook.cells.insert(setup + 1, new_code_cell("own = np.pi"))
    notebook.cells.append(notebook.cells[setup].copy())
    cells, _ = submissions.fit(notebook, small.template)
    order = [masters.label(c) or c.source for c in cells if c.cell_type == "code"]
    assert order.index("own = np.pi") == order.index("setup") + 1 == order.index("q1") - 1


def test_pictures_and_long_answers_reach_the_person_who_grades(small, tmp_path):
    """As Jupyter attaches pictures, and as Colab writes them into the text."""
    notebook = filled(small, GIVEN | {"why": f"![a](data:image/jpeg;base64,{PNG}) " + "w" * 30_000})
    attached = {"a.png": {"image/png": PNG}, "b.svg": {"image/svg+xml": "<svg/>"}}
    attached |= {"c.png": {"image/png": "A" * 5_000_000}, "d": {"image/png": '"><script>'}}
    notebook.cells[at(notebook, "why")].attachments = attached
    hand_in(tmp_path / "in", "ann", notebook)
    grade(small, tmp_path / "in", tmp_path / "out")
    page = (tmp_path / "out" / "report.html").read_text()
    for kind in ("png", "jpeg"):
        assert f'src="data:image/{kind};base64,{PNG}"' in page
    assert page.count("<img") == 2 and "<script" not in page and "img-src data:" in page
    for said in ("[a picture of 3.8 MB (image/png): see", "(image/svg+xml): see", "(picture 1)"):
        assert said in page
    assert re.search(r"\[… 10.\d\d more characters stand in the notebook\]", page)


ADDED = {  # what is written into which locked cell, and how
    "setup edited": "import math\nOPTIONS = [1]\ndef helper(n): return math.floor(n)",
    "setup copied": "%matplotlib inline\nimport math\ndef helper(n): return math.floor(n)",
    "q1_t edited": "def helper(n): return int(n)\nassert False\nprint(undefined)",
    "q1_t copied": "def helper(n): return int(n)",
}


@pytest.mark.parametrize("what", ADDED)
def test_code_that_was_written_into_a_locked_cell_counts(small, tmp_path, tests_room, what):
    """Jupyter copies a cell with its label, wherever it is pasted."""
    name, how = what.split()
    notebook = filled(small, GIVEN | {"q2": "def output_size(n, k): return helper(n - k + 1)"})
    place = at(notebook, name)
    if what == "q1_t edited":
        notebook.cells[at(notebook, "q1")].source = (
            GIVEN["q1"].replace("return ", "return helper(") + ")"
        )
    if how == "edited":
        notebook.cells[place].source += "\n" + ADDED[what]
    else:
        copied = notebook.cells[place].copy()
        copied.source = ADDED[what]
        notebook.cells.insert(at(notebook, "q2"), copied)
        notebook.cells.insert(at(notebook, "q2"), new_code_cell("early = output_size"))
        notebook.cells[at(notebook, "q1")].source += "\noutput_size = helper = None"
    hand_in(tmp_path / "in", "ann", notebook)
    (one,) = submissions.find(tmp_path / "in")
    result = grading.grade(one, small, tests_room)
    assert sum(p or 0 for p in result.points.values()) == 10, result
    said = "there 2 times" if how == "copied" else "restored"
    assert len(result.notes) == 1 and said in result.notes[0] and name in result.notes[0]


@pytest.mark.parametrize(
    ("to", "more", "said"),
    [
        ("in/grades", [], "TO must not lie in FROM"),
        ("out", ["--jobs", "0"], "at least 1"),
        ("out", ["--roster", "missing.csv"], "missing.csv cannot be read: No such file"),
        ("/proc/out", [], "/proc/out"),
    ],
)
def test_mistakes_are_said_in_words(small, tmp_path, to, more, said, monkeypatch, capsys):
    hand_in(tmp_path / "in", "ann", filled(small))
    monkeypatch.setattr(sys, "argv", command(small, tmp_path / "in", tmp_path / to, *more)[2:])
    with pytest.raises(SystemExit) as stopped:
        commands.main()
    assert stopped.value.code != 0
    assert said in f"{stopped.value.code} {capsys.readouterr().err}"


def merge(notebook, *names):
    """Jupyter's *Merge cells*: the first one's kind and label stay."""
    first, *rest = (notebook.cells[at(notebook, name)] for name in names)
    first.source = "\n\n".join(cell.source for cell in (first, *rest))
    notebook.cells = [cell for cell in notebook.cells if cell not in rest]


def turn(notebook, name, kind):
    """A key that is pressed by mistake (M, R) makes text of a cell of code."""
    cell, make = notebook.cells[at(notebook, name)], getattr(nbformat.v4, f"new_{kind}_cell")
    notebook.cells[at(notebook, name)] = make(cell.source, metadata=cell.metadata)


def below(notebook, name, source):
    """The answer stands in a cell of its own; its place is as it was."""
    place = notebook.cells[at(notebook, name)]
    place.source = "def output_size(n, k):\n    # YOUR CODE HERE\n    raise NotImplementedError()"
    notebook.cells.insert(at(notebook, name) + 1, new_code_cell(source))


def windows(notebook, *_):
    for cell in notebook.cells:
        cell.source = cell.source.replace("\n", "\r\n")


def one_cell(notebook, *_):
    code = [masters.label(cell) for cell in notebook.cells if cell.cell_type == "code"]
    merge(notebook, *code)


# What is done to a right notebook → answers, what else is done, points, and words of the sentence.
CLUMSY = {
    "a test and the next answer merged": ({}, [(merge, "q1_t", "q2")], 10, "missing: q2"),
    "an answer and its test merged": ({}, [(merge, "q1", "q1_t")], 10, "put back: q1_t"),
    "all answers in one cell": (
        {},
        [(merge, "q1", "q2", "q3", "q4", "q5")],
        10,
        "missing: q2, q3, q4, q5",
    ),
    "all code in one cell": ({}, [(one_cell,)], 10, "missing: q1, q2, q3, q4, q5"),
    "answers and tests made text": (
        {},
        [(turn, "q1", "markdown"), (turn, "q2", "raw"), (turn, "q2_t", "markdown")],
        10,
        "",
    ),
    "what is given made text": ({}, [(turn, "setup", "raw")], 10, ""),
    "an answer below its place": ({}, [(below, "q2", GIVEN["q2"])], 10, ""),
    "a wrong answer below its place": (
        {},
        [(below, "q2", "def output_size(n, k): return n - k")],
        8,
        "q2: a window of 5",
    ),
    "only a trial below its place": (
        {},
        [(below, "q2", "import numpy as np\nsize = 28 - 5")],
        8,
        "q2: Not answered.",
    ),
    "the line that should go left in": (
        {"q5": GIVEN["q5"] + "\nraise NotImplementedError()"},
        [],
        10,
        "cell q5 ends with NotImplementedError",
    ),
    "Colab's drive and plots that are not here": (
        {
            "q1": "from google.colab import drive\ndrive.mount('/content')\n" + GIVEN["q1"],
            "q2": "import seaborn as sns\nimport math\n%pylab\nsns.set_theme(\n    rc=1)\n"
            + GIVEN["q2"].replace("n - k", "math.floor(n) - k"),
        },
        [],
        10,
        "q1 was run without its lines for google",
    ),
    "timed cells, and lines as Windows ends them": (
        {"q1": "%%time\nimport cv2\n" + GIVEN["q1"], "q3": "%%time\n" + GIVEN["q3"]},
        [(windows,)],
        10,
        "",
    ),
    "a sum of 600 terms beside a module that is not here": (
        {"q1": f"import cv2\nz = {' + '.join('1' * 600)}\n" + GIVEN["q1"]},
        [],
        10,
        "q1 was run without its lines for cv2",
    ),
    "Python restarted, as Colab's users do after pip": (
        {"q2": "!pip install -q x\nimport os\nos.kill(os.getpid(), 9)"},
        [],
        8,
        "Python ended in the cell q2",
    ),
}


@pytest.mark.parametrize("what", CLUMSY)
def test_clumsy_hands_lose_nothing_that_is_right(small, tmp_path, tests_room, what):
    answers, done, total, words = CLUMSY[what]
    notebook = filled(small, GIVEN | answers)
    for change, *more in done:
        change(notebook, *more)
    hand_in(tmp_path / "in", "ann", notebook)
    (one,) = submissions.find(tmp_path / "in")
    result = grading.grade(one, small, tests_room)
    said = " ".join([*result.notes, *(f"{q}: {text}" for q, text in result.messages.items())])
    assert sum(p or 0 for p in result.points.values()) == total and words in said, result
    assert result.answers["why"] == GIVEN["why"]


def test_the_notebook_of_another_assignment_is_named(small, tmp_path, tests_room):
    """It may hold an answer that fits by chance: assignment 1 has an `output_size`, too."""
    hand_in(tmp_path / "in", "ann", MASTERS["01-convolution-by-hand"].student_copy)
    (one,) = submissions.find(tmp_path / "in")
    result = grading.grade(one, small, tests_room)
    assert "It lacks most of this assignment's cells: is it that of another one?" in result.notes
    assert result.look and sum(p or 0 for p in result.points.values()) == 0


@pytest.mark.parametrize("mishap", ["labels", "labels and tests", "order", "kind"])
def test_every_answer_is_found_whatever_happened_to_the_notebook(small, mishap):
    notebook = filled(small)
    notebook.cells.insert(at(notebook, "q1"), new_code_cell("helper = 1"))
    if mishap == "kind":
        notebook.cells[at(notebook, "why")].cell_type = "code"
    elif mishap == "order":
        notebook.cells.reverse()
    for cell in notebook.cells if "labels" in mishap else []:
        cell.metadata = {}
    if "tests" in mishap:
        without(notebook, lambda cell: not cell.source.startswith("assert"))
    cells, notes = submissions.fit(notebook, small.template)
    answers = {masters.label(c): c.source for c in cells if masters.is_solution(c)}
    assert answers == GIVEN
    assert any("lost their labels" in note for note in notes) == ("labels" in mishap)
    order = [masters.label(cell) for cell in cells if masters.label(cell)]
    assert order == [masters.label(c) for c in small.template.cells if masters.label(c)]
    assert "helper = 1" in [cell.source for cell in cells]


def test_a_test_hidden_between_others_does_not_look_changed(tmp_path):
    between = TEXT.replace("### END HIDDEN TESTS", '### END HIDDEN TESTS\nassert True, "the end"')
    (tmp_path / "between.md").write_text(between)
    master = masters.find(tmp_path)["between"]
    assert submissions.fit(filled(master), master.template)[1] == []


def test_downloads_of_moodle_and_canvas_are_understood(small, tmp_path):
    good = nbformat.writes(filled(small))
    for path in [
        "Ann Lee_123_assignsubmission_file_/My notebook (2).ipynb",
        "Ann Lee_123_assignsubmission_onlinetext/onlinetext.html",
        "Ben Öz_124_assignsubmission_file_/report.pdf",
        "cemdua_77_9001_small.ipynb",
        "eve_LATE_78_9002_small-2.ipynb",
        "fay/homework/old.ipynb",
        "fay/homework/small.ipynb",
        "__MACOSX/fay/small.ipynb",
    ]:
        target = tmp_path / "in" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text("" if "old" in path else good)
    os.symlink(small.path, tmp_path / "in" / "link.ipynb")
    found = submissions.find(tmp_path / "in")
    who = {one.student: (one.lms, one.lms_id) for one in found}
    assert who == {
        "Ann Lee": ("moodle", "123"),
        "Ben Öz": ("moodle", "124"),
        "cemdua": ("canvas", "77"),
        "eve": ("canvas", "78"),
        "fay": ("plain", ""),
    }
    chosen = {one.student: submissions.choose(one.files, small) for one in found}
    assert chosen["Ben Öz"] is None and chosen["fay"].name == "small.ipynb"
    assert chosen["Ann Lee"].name == "My notebook (2).ipynb"
    (tmp_path / "list.csv").write_text("student,number,full name\nalee,5,Ann Lee\nev,78,Eve E\n")
    named = [one.student for one in submissions.find(tmp_path / "in", tmp_path / "list.csv")]
    assert sorted(named) == ["Ben Öz", "alee", "cemdua", "ev", "fay"]

    for one in found:
        path = tmp_path / "out" / "results" / f"{grading.safe(one.key)}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        grading.write(path, json.dumps(grading.asdict(grading.failed(one, small))))
    grade_book = report.GradeBook(small, tmp_path / "out", found)
    grade_book.write("bubblewrap")
    with zipfile.ZipFile(tmp_path / "out" / "moodle-feedback.zip") as archive:
        assert sorted(archive.namelist()) == [
            "Ann Lee_123_assignsubmission_file_/feedback.html",
            "Ben Öz_124_assignsubmission_file_/feedback.html",
        ]
        page = archive.read("Ann Lee_123_assignsubmission_file_/feedback.html").decode()
        assert (
            page == (tmp_path / "out" / "feedback" / f"{grading.safe('Ann Lee')}.html").read_text()
        )
    with zipfile.ZipFile(tmp_path / "out" / "canvas-feedback.zip") as archive:
        handed_in = sorted(path.name for path in (tmp_path / "in").glob("*_9*.ipynb"))
        assert sorted(archive.namelist()) == handed_in and len(handed_in) == 2
        (cell,) = nbformat.reads(archive.read(handed_in[0]), as_version=4).cells
        assert "of 12 points" in cell.source and "\n" not in cell.source
    assert ["cemdua", "77", "", "", "", "0"] in grade_book.canvas()
    assert grade_book.canvas()[0][:2] == ["Student", "ID"]
    assert ["Participant 123", "Ann Lee", "0", "12"] in [row[:4] for row in grade_book.moodle()]


def test_the_assignment_is_recognised(small, tmp_path):
    hand_in(tmp_path / "in", "ann", filled(small))
    (tmp_path / "in" / "ann" / "small.ipynb").rename(tmp_path / "in" / "ann" / "x.ipynb")
    known = MASTERS | {"small": small}
    assert submissions.which(submissions.find(tmp_path / "in"), known) is small
    hand_in(tmp_path / "none", "ben", new_notebook())
    (tmp_path / "none" / "ben" / "small.ipynb").rename(tmp_path / "none" / "ben" / "x.ipynb")
    with pytest.raises(submissions.Unreadable, match="ASSIGNMENT=NAME"):
        submissions.which(submissions.find(tmp_path / "none"), known)


def test_without_a_sandbox_nothing_is_run(monkeypatch):
    real = shutil.which("unshare")
    monkeypatch.setattr(sandbox.shutil, "which", lambda name: None)
    with pytest.raises(sandbox.NoSandbox, match="apt install bubblewrap"):
        sandbox.choose()
    assert sandbox.choose(unsafe=True) == "unsafe"
    monkeypatch.setattr(sandbox.shutil, "which", lambda name: real if name == "unshare" else None)
    assert sandbox.choose() == "unshare"
    assert "WEAK" in sandbox.KINDS["unshare"] and "NONE" in sandbox.KINDS["unsafe"]


@pytest.mark.parametrize("kind", ["bubblewrap", "unshare", "unsafe"])
def test_each_sandbox_runs_stops_and_limits(kind, monkeypatch):
    monkeypatch.setenv("A_SECRET", "x")
    limits = sandbox.Limits(cell=3, memory=3 << 30)
    with sandbox.Interpreter(kind, limits, "ann") as python:
        assert python.run("x = 1").ok
        assert python.run("while True: pass").late
        assert python.run("assert x == 1").ok
        assert python.run("import os; assert 'A_SECRET' not in os.environ").ok
        big = python.run("import numpy; numpy.ones(1 << 30)")
        assert (big.ok, "Memory" in big.name) == (False, True)
        net = "import socket; socket.create_connection(('127.0.0.1', 1), timeout=1)"
        refused = python.run(net)
        assert "refused" in refused.text or "unreachable" in refused.text
        away = "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.connect(('8.8.8.8', 1))"
        if kind != "unsafe":
            assert "unreachable" in python.run(away).text
        own_rooms = (
            "import subprocess; code = subprocess.run(['unshare', '-Urm', 'true']).returncode"
        )
        if kind == "bubblewrap" and sandbox.closed():
            assert python.run(f"{own_rooms}; assert code").ok
        assert python.run("import cnnlab.files").ok
        beside = f"os.listdir({str(masters.FOLDER.parent)!r})"
        seen = ast.literal_eval(python.run("", values={"seen": beside}).values["seen"])
        assert ("cnnlab" in seen, seen == ["cnnlab"]) == (True, kind == "bubblewrap")
        with pytest.raises(sandbox.InterpreterDied):
            python.run("os._exit(1)")
    assert not Path(python.folder).exists()


# --- what a notebook may try -------------------------------------------------------------------

SILENT = "print = lambda *words: None\nnp.bool = bool\ndisplay = print\n"
SEARCHER = """def output_size(n, k):
    import os, re, sys
    needles = [rb"one place for a kerne[l]", rb"bias=False is ignore[d]", rb"eight equal number[s]",
               rb"not the count for your numbe[r]", rb"find this in my memor[y]", rb"q[3]_t"]
    found = [0] * len(needles)
    def look(data):
        for i, needle in enumerate(needles):
            found[i] += len(re.findall(needle, data))
    for line in open("/proc/self/maps"):
        ends, rights = line.split()[:2]
        start, end = (int(number, 16) for number in ends.split("-"))
        if "r" in rights and "[v" not in line:
            with open("/proc/self/mem", "rb") as memory:
                memory.seek(start)
                for _ in range(start, end, 1 << 24):
                    look(memory.read(min(1 << 24, end - memory.tell())))
    for place in ("/w", "/tmp", "/proc"):
        for folder, _, names in os.walk(place):
            for name in names:
                try:
                    if place != "/proc" or name in ("cmdline", "environ"):
                        look(open(os.path.join(folder, name), "rb").read(1 << 24))
                except OSError:
                    pass
    raise ValueError(found)
mark = "find this in my " + "memory"
"""
# What is written for which question, the points that are left of 10, status, and words of the
# sentence. None: that depends on who is faster, but question 1 gives nothing.
HOSTILE = {
    "innocent": ({"q1": SILENT + GIVEN["q1"]}, 10, "graded", ""),
    "number": ({"q1": EQUAL.replace("(int)", "(float)")}, 7, "graded", "one 3x3 filter bank"),
    "greedy": (
        {
            "q1": "class Yes(list):\n    def __eq__(self, other): return True\n"
            "    def __getitem__(self, key): return 80\n"
            "def conv_params(*a, **b): return Yes()",
            "q4": "class Late(list):\n    def __iter__(self):\n"
            "        yield np.zeros((3, 3, 1, 8)); yield np.zeros(8)\n"
            "def weights(): return Late()",
            "q3": "def normalise(x): return np.array([type('E', (), {'__eq__': lambda *a: True,"
            " '__sub__': lambda *a: 0, '__abs__': lambda *a: 0})() for _ in x], dtype=object)",
            "q5": "class N:\n    __gt__ = __eq__ = lambda *a: True\nmy_answer = N()",
        },
        3,
        "graded",
        "",
    ),
    "nan": (
        {
            "q1": "def conv_params(*a, **b): return float('nan')",
            "q3": "def normalise(x): return np.full(len(x), np.nan)",
            "q5": "my_answer = float('inf')",
        },
        3,
        "graded",
        "",
    ),
    "patches": (
        {
            "q1": "import hashlib, os, inspect, gc\nfor name in ('allclose', 'array_equal', 'all',"
            " 'size', 'shape', 'sum'):\n    setattr(np, name, lambda *a, **b: True)\n"
            "hashlib.sha256 = lambda *a: hashlib.md5(b'')\nos.environ['CNNLAB_STUDENT'] = 'bob'\n"
            "def conv_params(*a, **b): return True",
            "q2": "def output_size(n, k): return n - k",
            "q3": "def normalise(x): return x",
            "q4": "def weights(): return [1]",
            "q5": "my_answer = 7",
        },
        0,
        "graded",
        "",
    ),
    "forger": (
        {
            "q1": "import sys\n"
            "def lie(end, request):\n"
            "    for number in range(9):\n"
            "        end.send({'is': True, 'number': number, 'name': '', 'given': 'null',\n"
            "                  'changed': [['array', 'yours', 0, '<f8', [2],\n"
            "                               'AAAAAAAAAAAAAAAAAAAAAA==']]})\n"
            "        end.send({'do': 'call', 'function': ['function', 'yours', 0, 'f'],\n"
            "                  'arguments': ['list', 'mine', 0, []],\n"
            "                  'options': ['dict', 'mine', 1, []]})\n"
            "        end.send({'do': 'look', 'name': '_right'})\n"
            "        end.socket.send(b'[' * 100_000)\n"
            "sys.modules['wire'].Wire.reply = lie",
        },
        None,
        None,
        "",
    ),
    "verdict": (
        {
            "q1": "import sys\n"
            "def lie(end, request):\n"
            "    end.send({'error': ['AssertionError', ''], 'number': request['number']})\n"
            "sys.modules['wire'].Wire.reply = lie",
        },
        None,
        None,
        "",
    ),
    "nameless": (
        {
            "q1": "class Pass:\n    def __call__(self, *a, **b):\n"
            "        raise type('', (Exception,), {})()\n"
            "conv_params = output_size = normalise = weights = Pass()",
            "q2": "",
            "q3": "",
            "q4": "",
            "q5": "class Odd(list):\n    def __iter__(self): raise type('', (Exception,), {})()\n"
            "my_answer = Odd()",
        },
        0,
        "graded",
        "q1: your code raised Exception",
    ),
    "endless": (
        {
            "q1": "import sys\nWire = sys.modules['wire'].Wire\nreply = Wire.reply\n"
            "def flood(end, request):\n"
            "    Wire.reply = reply\n"
            "    while True: end.socket.send(b'x' * 9)\n"
            "Wire.reply = flood",
        },
        7,
        None,
        "",
    ),
    "huge": (
        {
            "q1": "def conv_params(*a, **b): return np.zeros(1 << 28)",
            "q2": "def output_size(n, k): return list(range(10_000_000))",
            "q3": "deep = []\nfor _ in range(900): deep = [deep]\ndef normalise(x): return deep",
            "q4": "loop = []\nloop.append(loop)\ndef weights(): return loop",
            "q5": "my_answer = 10 ** 5000",
        },
        0,
        "graded",
        "q1: The tests cannot read an answer: an answer is too large",
    ),
    "stack": (
        {
            "q2": "import sys\nsys.setrecursionlimit(10 ** 8)\n"
            "class Deep:\n    def __repr__(self): return repr([self])\n"
            "def output_size(n, k): return repr(Deep())"
        },
        8,
        "crashed",
        "q2_t; the rest was run without it",
    ),
    "recursion": (
        {"q2": "def output_size(n, k): return output_size(n, k)"},
        8,
        "graded",
        "q2: your code raised RecursionError",
    ),
    "searcher": (
        {"q2": SEARCHER},
        8,
        "graded",
        "q2: your code raised ValueError: [0, 0, 0, 0, ",
    ),
    "killer": (
        {"q1": "import os\nos.kill(os.getppid(), 9)\nos.kill(1, 9)\n" + GIVEN["q1"]},
        10,
        "graded",
        "",
    ),
}


@pytest.fixture(scope="module")
def tests_room():
    with room.Room("bubblewrap", sandbox.Limits(cell=6)) as tests:
        yield tests


@pytest.mark.parametrize("trick", HOSTILE)
def test_no_trick_earns_points_and_none_costs_those_of_another_question(
    small, tmp_path, tests_room, trick
):
    """One room for all: what the one before left behind would be noticed by the next."""
    answers, total, status, words = HOSTILE[trick]
    hand_in(tmp_path / "in", "ann", filled(small, GIVEN | answers))
    (one,) = submissions.find(tmp_path / "in")
    result = grading.grade(one, small, tests_room)
    said = " ".join([*result.notes, *(f"{q}: {text}" for q, text in result.messages.items())])
    points = sum(p or 0 for p in result.points.values())
    assert points == total or (total is None and result.points["q1"] == 0), (result.points, said)
    assert status in (None, result.status) and words in said, said
    if trick == "searcher":
        assert not re.search(r"\[0, 0, 0, 0, 0", said), "the search finds nothing at all"


class Ends:
    """Both ends of a wire in one process; the far one answers in a thread, or says what it must."""

    def __init__(self):
        import zmq

        context = zmq.Context()
        self.far, self.near = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
        self.far.bind("inproc://answers")
        self.near.connect("inproc://answers")
        self.wire = Wire(self.near)

    def answer(self, **names):
        import threading

        threading.Thread(target=Wire(self.far, names).serve, daemon=True).start()
        return self.wire

    def say(self, text):
        """What the next question is answered with, whatever it is."""
        Wire(self.far).send({"number": self.wire.asked + 1} | text)
        return self.wire.look("x")


def test_plain_data_come_as_they_went():
    wire = Ends().answer(x=None, same=lambda value: value, kind=lambda value: type(value).__name__)
    same, kind = wire.look("same"), wire.look("kind")
    for value in (
        *(None, True, 3, -(10**30), 2.5, float("inf"), "ä\ud83d", [1, [2]], (1, (2,)), {1: "x"}),
        *({1, 2}, np.float32(2), np.int64(3), np.arange(6).reshape(2, 3), np.zeros((0, 3))),
        *(np.array(["a", "bc"]), np.array(5.0), np.array([1, None, "x"]), np.eye(2).T),
    ):
        back = same(value)
        assert type(back) is type(value) and kind(value) == type(value).__name__
        np.testing.assert_equal(back, value)
    assert np.isnan(same(float("nan")))
    dice = np.random.default_rng(5)
    assert same(dice) is dice
    numbers = [1, 2]
    assert same(numbers) is numbers and same([numbers])[0] is numbers


def test_what_a_function_does_to_its_arguments_is_seen():
    def change(numbers, array, table, dice):
        numbers.append(3)
        array[0] = 7
        table["new"] = array
        dice.random()

    wire = Ends().answer(change=change, call=lambda f, *a: f(*a), make=lambda: made, made=[1])
    made = [1, 2]
    numbers, array, table, dice = [1], np.zeros(2), {}, np.random.default_rng(0)
    wire.look("change")(numbers, array, table, dice)
    assert numbers == [1, 3] and array[0] == 7 and table["new"] is array
    assert dice.random() == np.random.default_rng(0).random(2)[1]
    fixed = np.zeros(2)
    fixed.flags.writeable = False  # what the assignment gives
    wire.look("change")([], fixed, {}, dice)
    assert fixed[0] == 0
    calls = []
    assert wire.look("call")(lambda x: calls.append(x) or len(calls), 5) == 1 and calls == [5]
    assert wire.look("make")() is wire.look("make")()


def test_a_thing_of_the_other_side_can_do_nothing():
    class Anything:
        def __eq__(self, other):
            return True

        __hash__ = object.__hash__

    wire = Ends().answer(x=Anything(), f=lambda: 1 / 0, g=lambda: int("z"))
    assert wire.look("x") != 1 and wire.look("x") == wire.look("x")
    with pytest.raises(AttributeError, match="can call <lambda>"):
        wire.look("f").__code__  # noqa: B018
    with pytest.raises(ZeroDivisionError, match=r"division by zero \[in <lambda>\(\)\]"):
        wire.look("f")()
    with pytest.raises(ValueError, match="invalid literal"):
        wire.look("g")()
    with pytest.raises(KeyError):
        wire.look("missing")


EIGHT = "MTIzNDU2Nzg="  # bytes, in base64


@pytest.mark.parametrize(
    "forged",
    [
        {"is": ["array", "mine", 0, "O", [1], EIGHT]},
        {"is": ["array", "mine", 0, "<f8", [1 << 40], EIGHT]},
        {"is": ["array", "mine", 0, "<f8", [-1], EIGHT]},
        {"is": ["array", "mine", 0, "V8", [1], EIGHT]},
        {"is": ["array", "mine", 0, "<f8", [1], 7]},
        {"is": ["number", "<f8", [2], EIGHT]},
        {"is": ["list", "yours", 3, []]},
        {"is": ["pickle", "mine", 0, "x"]},
        {"is": {"a": 1}},
        {"is": []},
        {"is": ["tuple", 5]},
        {"is": ["generator", "mine", 0, {"bit_generator": "PCG64", "state": {"state": -1}}]},
        {"is": ["dict", "mine", 0, [1, 2]]},
        {"is": ["model", "mine", 0, {"class_name": "Lambda", "module": "keras.layers"}, []]},
        {"is": ["model", "mine", 0, {"class_name": "system", "module": "os"}, []]},
        {"is": ["model", "mine", 0, {"class_name": "Adam", "module": "keras.optimizers"}, []]},
        {"error": "x"},
        {"error": ["KeyboardInterrupt"]},
        {"is": 1, "changed": [["list", "yours", 9, []]]},
        {"is": 1, "changed": 5},
    ],
    ids=str,
)
def test_what_is_not_plain_data_is_refused(forged):
    with pytest.raises(Strange):
        Ends().say(forged)


def test_models_are_made_anew_of_standard_layers_only():
    import keras
    from keras import layers

    def model(*inside):
        return keras.Sequential([keras.Input((4, 4, 1)), *inside])

    class Own(layers.Layer):
        def call(self, x):
            return x

    good = model(layers.Conv2D(2, 3, activation="relu"), layers.BatchNormalization())
    good.compile(keras.optimizers.Adam(0.002), keras.losses.MeanSquaredError(), jit_compile=False)
    a = keras.Input((3,))
    branches = keras.Model(
        a, keras.ops.tanh(layers.Add()([layers.Dense(2)(a), layers.Dense(2)(a)]))
    )

    def train(model):
        model.train_on_batch(np.ones((1, 4, 4, 1)), np.ones((1, 2, 2, 2)))

    wire = Ends().answer(
        good=good, branches=branches, own=model(Own()), train=train, same=lambda x: x,
        lam=model(layers.Lambda(lambda x: x)), wide=model(layers.Flatten(), layers.Dense(5)),
        act=model(layers.Activation(lambda x: x)), net=type("Net", (keras.Model,), {})(),
        history=keras.callbacks.History(), tensor=keras.ops.ones((2,)),
    )  # fmt: skip
    x = np.random.default_rng(0).random((2, 4, 4, 1)).astype("float32")
    here = wire.look("good")
    assert here is not good and here is wire.look("good") and here.jit_compile is False
    np.testing.assert_allclose(here(x), good(x), atol=1e-6)
    np.testing.assert_allclose(wire.look("branches")(x[:, 0, :3, 0]), branches(x[:, 0, :3, 0]))
    for name, word in {"own": "Own", "lam": "Lambda", "act": "lambda", "net": "Net"}.items():
        with pytest.raises(Strange, match=f"{word}.*none of Keras's usual layers"):
            wire.look(name)
    assert isinstance(wire.look("tensor"), np.ndarray) and repr(wire.look("history")) == "<History>"
    mine = keras.models.clone_model(good)
    mine.compile(keras.optimizers.Adam(0.002), keras.losses.MeanSquaredError(), jit_compile=False)
    before = mine.get_weights()
    wire.look("train")(mine)
    assert any(not np.array_equal(a, b) for a, b in zip(before, mine.get_weights(), strict=True))
    assert wire.look("same")(mine) is mine


@pytest.mark.parametrize(
    ("number", "first", "much"),
    [
        (9, "hog = numpy.ones(1 << 26)", r"took too much \(\d+ processes, [2-5] GiB\)"),
        (250, "", r"took too much \(2\d\d processes"),
    ],
)
def test_processes_together_are_limited(number, first, much):
    """Nine hogs of half a gibibyte, and a crowd; what is shared is not counted twice."""
    many = f"import numpy, os, time\nfor _ in range({number}):\n    if os.fork() == 0:\n"
    many += (
        f"        {first or 'pass'}\n        time.sleep(60)\n        os._exit(0)\ntime.sleep(60)"
    )
    limits = sandbox.Limits(memory=2 << 30)
    died = pytest.raises(sandbox.InterpreterDied, match=much)
    with sandbox.Interpreter("bubblewrap", limits, "ann") as python:
        assert python.run("shared = bytearray(1 << 29)").ok
        few = "import os, time\nfor _ in range(8):\n    if os.fork() == 0:\n"
        few += "        time.sleep(2)\n        os._exit(0)\ntime.sleep(2)"
        assert python.run(few).ok
        with died:
            python.run(many)


MEMORY = """import os
for number in range(9):
    file = os.memfd_create(str(number))
    for _ in range(60):
        os.write(file, bytes(1 << 24))
import time
time.sleep(20)
"""
SHARED = """for number in range(9):
    for place in ("/dev/shm", "/tmp", "/w"):
        try:
            with open(f"{place}/{number}", "wb") as file:
                for _ in range(60):
                    file.write(bytes(1 << 24))
        except OSError:
            pass
import time
time.sleep(20)
"""


# A process that has ended, and that nobody waited for, is the last of its children.
ZOMBIE = f"import subprocess\nsubprocess.Popen(['true'])\n{SHARED}"


@pytest.mark.parametrize(
    "code", [MEMORY, SHARED, ZOMBIE], ids=["memfd_create", "/dev/shm", "zombie"]
)
def test_memory_in_no_process_is_counted(code):
    limits = sandbox.Limits(memory=2 << 30, cell=60)
    died = pytest.raises(sandbox.InterpreterDied, match="took too much")
    with sandbox.Interpreter("bubblewrap", limits) as python, died:
        python.run(code)


def test_the_system_cannot_be_written():
    code = "open({!r}, 'w')"
    with sandbox.Interpreter("bubblewrap", sandbox.Limits()) as python:
        for place in ("/dev/x", "/etc/x", "/x", "/usr/x", "/proc/x"):
            assert not python.run(code.format(place)).ok, place
        for place in ("/tmp/x", "/w/x", "/dev/shm/x", f"{python.folder}/x"):
            assert python.run(code.format(place)).ok, place
        full = "with open('/dev/shm/x', 'wb') as file: file.write(bytes(1 << 30) + b'x')"
        assert python.run(full).name in ("OSError", "MemoryError")


DEEP = """import os
for _ in range(1_600):
    os.mkdir("deep")
    os.chdir("deep")
"""


def test_neither_deep_folders_nor_a_long_path_end_the_grading(small, tmp_path, monkeypatch):
    """Folders within folders where the notebook may write, and a TMPDIR too long for a socket."""
    place = tmp_path / ("long" * 30)
    place.mkdir()
    monkeypatch.setenv("TMPDIR", str(place))
    before = set(Path("/tmp").glob("cnnlab-*"))
    deep = f"import os\nos.chdir(os.path.dirname(os.environ['MPLCONFIGDIR']))\n{DEEP}"
    hand_in(tmp_path / "in", "ann", filled(small, GIVEN | {"q1": deep + GIVEN["q1"]}))
    hand_in(tmp_path / "in", "ben", filled(small))
    output = grade(small, tmp_path / "in", tmp_path / "out")
    rows = table(tmp_path / "out")
    assert {name: row["total"] for name, row in rows.items()} == {"ann": "10", "ben": "10"}, output
    assert set(Path("/tmp").glob("cnnlab-*")) <= before and not list(place.iterdir())


FILES = """import os, time
os.chdir({!r})
for i in range(1_000_000):
    open(f"{{i}}", "w").close()
time.sleep(20)
"""


@pytest.mark.parametrize("place", ["/w", "/dev/shm", ""])
def test_empty_files_are_counted(place):
    """They take no room, but a disk has names for so many only, and the system keeps them."""
    limits = sandbox.Limits(file=1 << 28, memory=1 << 28 if place else 8 << 30, cell=60)
    with sandbox.Interpreter("bubblewrap", sandbox.Limits()) as python:
        python.limits = limits
        with pytest.raises(sandbox.InterpreterDied, match="took too much"):
            python.run(FILES.format(place or python.folder))


def test_a_folder_that_nobody_may_read_is_removed_and_ends_nothing(small, tmp_path):
    """Run by somebody without root's rights, as teachers are."""
    folder = "os.path.dirname(os.environ['MPLCONFIGDIR'])"
    shut = f"import os\nos.makedirs({folder} + '/a/b')\nopen({folder} + '/a/b/c', 'w').close()\n"
    shut += f"os.chmod({folder} + '/a/b', 0); os.chmod({folder} + '/a', 0)\n"
    worse = shut + f"os.chmod({folder}, 0)\n"
    for student, text in {"ann": shut, "ben": worse, "cem": ""}.items():
        hand_in(tmp_path / "in", student, filled(small, GIVEN | {"q1": text + GIVEN["q1"]}))
    before = set(Path("/tmp").glob("cnnlab-*"))
    grade(small, tmp_path / "in", tmp_path / "out")
    totals = {name: row["total"] for name, row in table(tmp_path / "out").items()}
    assert totals["ann"] == totals["cem"] == "10" and float(totals["ben"]) >= 7, totals
    assert set(Path("/tmp").glob("cnnlab-*")) <= before
    code = "import os, sys; from classroom import sandbox; os.setuid(1234)\n"
    code += "place = sandbox.scratch(); os.makedirs(f'{place}/a/b/c'); os.chmod(f'{place}/a/b', 0)"
    code += "\nos.chmod(f'{place}/a', 0); sandbox.remove(place); print(os.path.exists(place))"
    if os.geteuid() == 0:  # root may read everything
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.stdout == "False\n", done.stderr


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_run_writes_the_tables_of_what_is_done(small, tmp_path, sent):
    hand_in(tmp_path / "in", "ann", filled(small))
    hand_in(tmp_path / "in", "ben", filled(small, GIVEN | {"q1": "while True: pass"}))
    with open(tmp_path / "said", "w") as said:
        process = subprocess.Popen(
            command(small, tmp_path / "in", tmp_path / "out", "--jobs", "1"),
            env=environment() | {"TMPDIR": str(tmp_path)}, stdout=said, stderr=said,
            # Tests that run in the background are deaf to Ctrl-C, and so would this one be.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )  # fmt: skip
        while process.poll() is None and "1 of 2" not in (tmp_path / "said").read_text():
            time.sleep(0.2)
        process.send_signal(sent)
        process.wait()
    assert process.returncode == 1 and "goes on where it was" in (tmp_path / "said").read_text()
    rows = table(tmp_path / "out")
    assert [row["status"] for row in rows.values()] == ["graded", "not graded"]
    assert (rows["ann"]["total"], rows["ben"]["total"]) == ("10", "")
    assert not list(tmp_path.glob("cnnlab-*"))


def test_a_worker_that_dies_costs_one_notebook(small, tmp_path, monkeypatch):
    for student in ("ann", "ben", "cem"):
        hand_in(tmp_path / "in", student, filled(small))
    found, right = submissions.find(tmp_path / "in"), grading.grade
    monkeypatch.setattr(
        grading, "grade", lambda one, *a: os._exit(1) if one.student == "ben" else right(one, *a)
    )
    said = []
    rest = tmp_path / "results", "bubblewrap", sandbox.Limits(), 1, said.append
    results = {r.student: r for r in grading.grade_all(found, small, *rest)}
    assert [sum(p or 0 for p in results[s].points.values()) for s in ("ann", "ben", "cem")] == [
        10,
        0,
        10,
    ]
    assert results["ben"].status == "crashed" and not results["ben"].final
    assert any("ben: crashed" in text for text in said)


def test_what_the_assignment_gives_has_no_clock(small, tmp_path):
    """A slow computer may need longer than a cell's time to import TensorFlow."""
    slowly = TEXT.replace("import hashlib\n", "import hashlib\nimport time\n\ntime.sleep(4)\n", 1)
    (tmp_path / "slow.md").write_text(slowly)
    slow = masters.find(tmp_path)["slow"]
    hand_in(tmp_path / "in", "ann", filled(slow, GIVEN | {"q2": "import time\ntime.sleep(4)"}))
    (one,) = submissions.find(tmp_path / "in")
    result = graded(one, slow, sandbox.Limits(cell=3))
    assert result.points == {"q1": 3, "q2": 0, "q3": 2, "q4": 1, "q5": 2, "why": None}
    assert result.notes == ["The cell q2 ran longer than 3 s and was stopped."]


def test_the_class_is_read_from_the_notebooks(small, tmp_path):
    """Graded for another class, everybody's own numbers would be wrong."""
    master = masters.Master(small.path, "cnn-2027 (a)")
    for student in ("ann", "ben"):
        answers = {"q5": "my_answer = 3 * pick('q5', OPTIONS)"}
        hand_in(tmp_path / "in", student, filled(master, GIVEN | answers))
    hand_in(tmp_path / "in", "cem", filled(small))
    output = grade(small, tmp_path / "in", tmp_path / "out")
    assert "class cnn-2027 (a)" in output
    rows = table(tmp_path / "out")
    assert {name: row["total"] for name, row in rows.items()} == dict.fromkeys(rows, "10")
    said = "The notebook is for the class demo, graded for cnn-2027 (a)."
    assert [said in rows[name]["sentence"] for name in ("ann", "ben", "cem")] == [0, 0, 1]


def test_a_wrong_answer_does_not_spoil_the_numbers_of_the_next_question(tmp_path):
    """To find a copied answer, the numbers of others are tried; then they are one's own again."""
    master = MASTERS["03-counting"]
    path = tmp_path / "in" / "ann.ipynb"
    answers = {masters.label(c): c.source for c in master.notebook.cells if masters.is_solution(c)}
    path.parent.mkdir()
    nbformat.write(filled(master, answers | {"work": "multiply_adds = [1, 2, 3, 4]"}), path)
    (one,) = submissions.find(tmp_path / "in")
    result = graded(one, master, others=["ann", "ben", "cem"])
    lost = [name for name, most in master.points.items() if result.points[name] not in (most, None)]
    assert lost == ["work"] and result.copied == {}, result


ON_Q1 = "def normalise(x): return x / np.sum(x) * conv_params(3, 3, 1, 8) / 80"


@pytest.mark.parametrize(
    ("answers", "lost"),
    [
        ({"q1": "def conv_params(*a, **b): return 79", "q3": ON_Q1}, "q1"),
        ({"q1": "def conv_params(:", "q3": ON_Q1, "q4": "shapes = conv_params(1)"}, "q1 q4"),
        ({"q1": "def conv_params(*a, **b):\n    while True: pass", "q3": ON_Q1}, "q1"),
        ({"q1": "def conv_params(*a, **b): return 79", "q3": ON_Q1 + " * 2"}, "q1 q3"),
        (
            {"q1": "def conv_params(*a, **b): return 79", "q3": "def normalise(x): return 5"},
            "q1 q3",
        ),
        ({"q2": "output_size = None", "q5": GIVEN["q5"] + "// 3 * output_size(5, 3)"}, "q2"),
        ({"q1": None, "q3": ON_Q1}, "q1 q3"),
        (
            {
                "q1": "def conv_params(*a, **b): return 79",
                "q2": GIVEN["q2"] + "\ndef one(): return conv_params(3, 3, 1, 8) / 80",
                "q3": GIVEN["q3"] + " * one()",
            },
            "q1",
        ),
        ({"q1": "def conv_params(*a, **b): return 79", "q3": "%%time\n" + ON_Q1}, "q1"),
    ],
    ids=["wrong", "syntax", "loop", "both", "apart", "value", "unanswered", "twice", "timed"],
)
def test_a_wrong_answer_costs_its_own_question_only(small, tmp_path, tests_room, answers, lost):
    """What stands on it is tried again with a right one; an answer that is missing is not given."""
    answers = {name: text for name, text in (GIVEN | answers).items() if text is not None}
    hand_in(tmp_path / "in", "ann", filled(small, answers))
    (one,) = submissions.find(tmp_path / "in")
    result = grading.grade(one, small, tests_room)
    assert " ".join(name for name in result.points if result.points[name] == 0) == lost, result
    said = "The question q3 and those after it had right answers to q1." in result.notes
    stands = "conv_params" in answers["q3"] or "one()" in answers["q3"]
    assert said == (stands and "q1" in answers)


@pytest.mark.parametrize(
    "line",
    [
        "from scipy.signal import correlate2d",
        "def slide(image, kernel):\n    import tensorflow as tf",
        "__import__('keras')",
        "import importlib; f = importlib.import_module('cnnlab.conv')",
        "import math, matplotlib.pyplot, numpy.linalg; text = 'from scipy import signal'",
        "# no import scipy\nscipy = 'tensorflow'; print('about keras')",
        "# a title\nprint('scipy.signal gives the same'); len('keras')",
    ],
)
def test_modules_that_an_assignment_does_without_are_named(tmp_path, tests_room, line):
    """Assignment 1 asks for a convolution of one's own. A person decides."""
    master = MASTERS["01-convolution-by-hand"]
    notebook = filled(master, {"slide": line})
    nbformat.write(notebook, tmp_path / "ann.ipynb")
    (one,) = submissions.find(tmp_path)
    result = grading.grade(one, master, tests_room)
    said = [note for note in result.notes if note.endswith("which this assignment does without.")]
    modules = [note.split()[4] for note in said]
    assert modules == [m for m in ("scipy,", "tensorflow,", "keras,", "cnnlab,") if line[0] != "#"
        and "math" not in line and m[:-1] in line]  # fmt: skip
    assert result.look == bool(said)


@pytest.mark.parametrize("master", MASTERS.values(), ids=MASTERS)
def test_the_messages_of_visible_tests_are_shown(master):
    for cell in filter(masters.is_test, master.student_copy.cells):
        for node in ast.walk(ast.parse(cell.source)):
            if isinstance(node, ast.Assert) and isinstance(node.msg, ast.Constant):
                assert grading.hide(node.msg.value, master) == node.msg.value


def test_a_class_on_jupyterhub(small, tmp_path):
    """nbgrader's exchange lays out and collects; our two commands stand at both ends."""
    course, home, exchange = (tmp_path / name for name in ("course", "home", "exchange"))
    for folder in (course, home, exchange):
        folder.mkdir(mode=0o777)
    exchange.chmod(0o777)

    def nbgrader(*words, cwd):
        options = [f"--Exchange.root={exchange}", "--CourseDirectory.course_id=cnn"]
        options += [f"--Exchange.cache={home}/cache", f"--CourseDirectory.root={cwd}"]
        run = [sys.executable, "-m", "nbgrader", *words, *options]
        done = subprocess.run(run, cwd=cwd, env=environment(), capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    release = [sys.executable, "-m", "classroom", "release", "--to", "release/small"]
    release += ["--masters", small.path.parent]
    done = subprocess.run(release, cwd=course, check=True, stdout=subprocess.PIPE, text=True)
    assert "1,428 variants of q5: in a class of 200, 13% of the students share" in done.stdout
    nbgrader("release_assignment", "small", cwd=course)
    nbgrader("fetch_assignment", "small", cwd=home)
    path = home / "small" / "small.ipynb"
    assert nbformat.read(path, as_version=4).cells == small.student_copy.cells
    nbformat.write(filled(small), path)
    nbgrader("submit", "small", cwd=home)
    nbgrader("collect", "small", cwd=course)
    output = grade(small, course / "submitted", tmp_path / "out", "--assignment", "small")
    (row,) = table(tmp_path / "out").values()
    assert (row["total"], row["status"]) == ("10", "graded"), output


def test_a_wrong_solution_is_not_released(small, tmp_path):
    wrong = TEXT.replace("return n - k + 1", "return n - k + 2")
    (tmp_path / "wrong.md").write_text(wrong)
    with pytest.raises(masters.MasterError, match="a window of 5 starts"):
        masters.release(masters.find(tmp_path)["wrong"], tmp_path)
    free = TEXT.replace('assert my_answer > 0, "my_answer is a positive number"', "my_answer = 0")
    free = re.sub(r"assert my_answer == .*", "", free)
    (tmp_path / "free.md").write_text(free)
    with pytest.raises(masters.MasterError, match="unedited copy passes"):
        masters.release(masters.find(tmp_path)["free"], tmp_path)
    assert not list(tmp_path.glob("*.ipynb"))


@pytest.mark.parametrize(
    ("asks", "said"),
    [
        (
            'assert conv_params.__name__ == "conv_params", "hm"',
            "can call conv_params, but not read",
        ),
        ('assert len(open(__file__).read()), "hm"', "q1: NameError"),
    ],
)
def test_what_a_test_may_not_do_is_said_at_release(tmp_path, asks, said, monkeypatch):
    """In an ordinary notebook the solution passes; graded as a submission it does not."""
    first = 'assert conv_params(3, 3, 1, 8) == 80, "one 3x3 filter bank with bias"'
    (tmp_path / "small.md").write_text(TEXT.replace(first, f"{first}\n{asks}"))
    line = ["classroom", "release", "--masters", str(tmp_path), "--to", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", line)
    with pytest.raises(SystemExit, match="Graded as a submission") as stopped:
        commands.main()
    assert said in stopped.value.code and not list(tmp_path.glob("*.ipynb"))


def test_a_question_with_fewer_variants_than_students_is_not_released(tmp_path, monkeypatch):
    monkeypatch.setattr(masters, "validate", lambda master: [])
    few = TEXT.replace("10_000, 7", "80, 7")
    few = few.replace("my_answer = 3", "def other(x): return pick(x, x)\nmy_answer = 3", 1)
    (tmp_path / "few.md").write_text(few)
    with pytest.raises(masters.MasterError, match=r"q5 has 10 variants.*tag few-variants"):
        masters.release(masters.find(tmp_path)["few"], tmp_path)
    (tmp_path / "few.md").write_text(
        few.replace(
            ":nbgrader: {grade_id: setup", ":tags: [few-variants]\n:nbgrader: {grade_id: setup"
        )
    )
    assert masters.release(masters.find(tmp_path)["few"], tmp_path).exists()


def variants_of_assignment_3(question):
    """For each variant of one's own numbers: the names of a notebook with the master's answers, and
    a function that says which tests they pass."""
    master, names = MASTERS["03-counting"], {"STUDENT": "x", "np": np}
    asked = {"network": "shapes parameters work", "tower": "sees", "riddle": "really"}[question]
    cells = {masters.label(cell): cell.source for cell in master.template.cells}
    for name in ("setup", "network", "tower", "riddle"):
        exec(cells[name], names)
    exec(master.model_answer("count"), names)
    answers = [compile(master.model_answer(name), name, "exec") for name in asked.split()]
    tests = [compile(cells[f"{name}_t"], name, "exec") for name in asked.split()]
    given = compile(cells[question], question, "exec")

    def passes(test):
        try:
            exec(test, dict(names))
        except AssertionError:
            return False
        return True

    for own in names[f"{question.upper()}S"]:
        names["pick"] = lambda _, options, own=own: own
        for code in (given, *answers):
            exec(code, names)
        yield names, lambda: list(map(passes, tests))


OWN = {
    "network": ["shapes flat", "parameters total", "multiply_adds"],
    "tower": ["sees"],
    "riddle": ["surplus really"],
}


@pytest.mark.parametrize("question", OWN)
def test_each_variant_has_one_right_answer_that_is_right_for_no_other(question):
    seen = [set() for _ in OWN[question]]
    for number, (names, passes) in enumerate(variants_of_assignment_3(question)):
        assert all(passes()), names
        for asked, known in zip(OWN[question], seen, strict=True):
            known.add(repr([names[name] for name in asked.split()]))
        if question == "network":
            for side in (0, 1):  # equally hard: a row and a column are left over, once
                assert names["shapes"][0][side] % 2 + names["shapes"][2][side] % 2 == 1
            assert min(map(min, names["shapes"])) >= 3
        for place, asked in enumerate(OWN[question] if number % 50 == 0 else ()):
            for name in asked.split():
                right = names[name]
                flat = np.ravel(right)
                for index in range(len(flat)):
                    for wrong in (flat[index] + 1, flat[index] - 1, 2 * flat[index]):
                        other = flat.copy()
                        other[index] = wrong
                        other = other.reshape(np.shape(right)).tolist()
                        names[name] = [*map(tuple, other)] if name == "shapes" else other
                        assert not passes()[place], (number, name, names[name])
                names[name] = right
    assert [len(known) for known in seen] == [number + 1] * len(seen) and number > 2_000


def test_no_usual_mistake_in_the_riddle_is_right_for_somebody_else():
    right, wrong = set(), set()
    for names, _ in variants_of_assignment_3("riddle"):
        n, surplus, really = names["in_step_3"], names["surplus"], names["really"]
        many = np.arange(1, 3_000)  # kernels in step 1
        totals = 10 * many + (9 * many + 1) * n + (25 * n + 1) * 10
        assert many[totals == names["keras_says"]].tolist() == [really]
        right.add((surplus, really))
        forgotten = surplus + 6 + n + 10  # the biases
        wrong |= {(surplus, really - 6), (surplus, 6 + surplus // 10)}
        wrong |= {(forgotten, really), (forgotten, 6 + forgotten // (10 + 9 * n))}
    assert not right & wrong


def test_an_assert_without_a_message_and_a_leak_are_found(small, tmp_path):
    silent = TEXT.replace(', "a window of 5 starts at 0 … 23"', "")
    (tmp_path / "silent.md").write_text(silent)
    assert masters.faults(masters.find(tmp_path)["silent"]) == [
        "The test q2_t, line 1: assert has no message."
    ]
    copy = filled(small, {"q1": "# hm: return kh * kw * c_in * c_out + (c_out if bias else 0)"})
    assert masters.leaks(small, copy) and not masters.leaks(small, small.student_copy)
    copy = filled(small, {"q1": "### BEGIN HIDDEN TESTS"})
    assert masters.leaks(small, copy) == ["BEGIN HIDDEN TESTS"]


@pytest.mark.parametrize("master", MASTERS.values(), ids=MASTERS)
def test_the_page_of_an_assignment_is_made_from_its_master(master):
    page = nbformat.read(masters.PAGES / f"{master.name}.ipynb", as_version=4)
    wanted = nbformat.reads(nbformat.writes(master.student_copy), as_version=4)
    hint = f"{master.name} and its page differ; run `make assignments`"
    assert page.cells == wanted.cells, hint
    assert masters.faults(master) == [] and masters.leaks(master, page) == []
    assert any(masters.by_hand(cell) for cell in page.cells), "one question in their own words"


@pytest.fixture(scope="module")
def graded_masters(tmp_path_factory):
    """{master: where it lies, what was said} of each solution and unedited copy.

    All masters at a time and each on one core: two of them train networks for most of a minute.
    The command stands in the folder of the grades, and has to find the masters from there.
    """
    grade, running = [sys.executable, "-m", "classroom", "grade", "in", "out", "--jobs", "1"], {}
    for master in MASTERS.values():
        folder = tmp_path_factory.mktemp(master.name)
        for student, notebook in {"best": master.notebook, "none": master.student_copy}.items():
            path = folder / "in" / student / f"{master.name}.ipynb"
            path.parent.mkdir(parents=True)
            nbformat.write(notebook, path)
        with open(folder / "said", "w") as said:
            running[master.name] = (
                folder,
                subprocess.Popen(
                    grade, cwd=folder, env=environment(), stdout=said, stderr=subprocess.STDOUT
                ),
            )
    for _, process in running.values():
        process.wait()
    return {name: (folder, (folder / "said").read_text()) for name, (folder, _) in running.items()}


@pytest.mark.parametrize("master", MASTERS.values(), ids=MASTERS)
def test_the_solution_earns_every_point_and_the_unedited_copy_none(master, graded_masters):
    folder, output = graded_masters[master.name]
    assert "Traceback" not in output and (folder / "out" / "grades.csv").exists(), output
    rows = table(folder / "out")
    for name, most in master.points.items():
        if name in rows["best"]:
            assert float(rows["best"][name]) == most, rows["best"]["sentence"]
    assert float(rows["none"]["total"]) == 0 and rows["none"]["status"] == "graded"
    assert "wait for a grade by hand" in output


def said_by_test(master, name, room, code=""):
    """What the test `name` says if `code` answers the question; "" if it passes.

    In `room`, a dictionary, is what came before; the cells that are given go there first.
    """
    if not room:
        room["display"] = str
        for cell in master.template.cells:
            if masters.label(cell) in master.needed:
                exec(cell.source, room)
    exec(code, room)
    (test,) = (c for c in master.template.cells if masters.label(c) == f"{name}_t")
    try:
        exec(test.source, room)
    except AssertionError as error:
        return str(error)
    return ""


CONVOLUTIONS = {  # the layers between input and logits → what the test of assignment 4 says
    "C(8, 5, activation='relu'), C(8, 5, activation='relu'), F()": "",
    "C(8, 5), layers.ReLU(), C(8, 5), layers.Activation('tanh'), F()": "",
    "C(8, 5), layers.MaxPooling2D(2), C(8, 5), layers.MaxPooling2D(2), F()": "",  # it bends, too
    "C(8, 5), C(8, 5, activation='relu'), F()": "no bend between",
    "C(8, 5), layers.AveragePooling2D(2), C(8, 5), layers.ReLU(), F()": "no bend between",
    "C(8, 5, activation='relu'), C(8, 5), layers.BatchNormalization(), F()": "no bend between",
    "C(8, 5), C(8, 5), F()": "Your layers are one layer",
    "keras.Sequential([C(8, 5), C(8, 5, activation='relu')]), F()": "no bend between",
}


@pytest.mark.parametrize("inside", CONVOLUTIONS)
def test_a_convolution_without_a_bend_is_none(inside):
    code = "C, F = layers.Conv2D, layers.GlobalAveragePooling2D\ndef build():\n    return "
    code += f"keras.Sequential([keras.Input((28, 28, 1)), {inside}, layers.Dense(10)])"
    said = said_by_test(MASTERS["04-a-lenet-of-your-own"], "build", {}, code)
    assert CONVOLUTIONS[inside] in said and bool(CONVOLUTIONS[inside]) == bool(said)


BRANCHES = """
def build():
    x = image = keras.Input((28, 28, 1))
    {first}
    a, b = (layers.Conv2D(4, k, padding="same", activation="{bend}")(x) for k in (3, 5))
    x = layers.MaxPooling2D(4)(layers.Concatenate()([a, b]))
    x = layers.Flatten()(layers.Conv2D(8, 3, activation="relu")(x))
    return keras.Model(image, layers.Dense(10, activation={end})(x))
"""
DEEPER = 'x = layers.Conv2D(4, 3, activation="relu")(x)'


@pytest.mark.parametrize(
    ("first", "bend", "end", "says"),
    [
        ("", "relu", None, ""),
        (DEEPER, "relu", None, ""),
        (DEEPER.replace("relu", "linear"), "relu", None, "no bend between"),
        ("", "relu", '"tanh"', "last layer has an activation"),
        (DEEPER, "relu", '"log_softmax"', "last layer has an activation"),
    ],
)
def test_branches_are_no_layers_one_behind_the_other(first, bend, end, says):
    """Assignment 4: also, any activation at the end is found."""
    code = BRANCHES.format(first=first, bend=bend, end=end)
    said = said_by_test(MASTERS["04-a-lenet-of-your-own"], "build", {}, code)
    assert says in said and bool(says) == bool(said)


# (assignment, question, a part of the model answer, what stands there instead, what the test says)
SLIPS = [
    (1, "size", "(n + 2 * padding - k) // stride", "round((n + 2 * padding - k) / stride)",
     "round down"),
    (2, "wires", "np.full((height * width, down * across), -1)",
     "-np.ones((height * width, down * across))", "whole numbers"),
    (2, "tie", "return np.where(table >= 0, kernel.reshape(-1)[table], 0)",
     "gone = table < 0; table[gone] = 0; m = kernel.reshape(-1)[table]; m[gone] = 0; return m",
     "changes the table"),
    (2, "kernel_of", "np.abs(weights[table < 0]).max(initial=0) >= 1e-6",
     "(weights[table < 0] >= 1e-6).any()", "may be negative"),
    (2, "kernel_of", "np.abs(weights[table < 0]).max(initial=0) >= 1e-6",
     "not np.allclose(weights[table < 0], 0)", "by the line of 0.000001"),
    (2, "kernel_of", "places.max() - places.min() >= 1e-6",
     "np.abs(places - places[0]).max() >= 1e-6", "farthest apart"),
    (2, "gradient", "slopes = np.outer(x, error)\n    return np.array([slopes[table == i].sum()",
     "loss = lambda k: error @ (x @ np.where(table >= 0, k[table], 0))\n"  # a nudge, and rounding
     "    at = lambda i, by: loss(0.7 + by * (np.arange(table.max() + 1) == i))\n"
     "    return np.array([(at(i, 1e-3) - at(i, -1e-3)) / 2e-3", ""),
    (5, "watch", "else change(x[batch], rng)", "else (change(x[batch], rng), x[batch])[1]",
     "what change returns"),
    (5, "shifted", "(most, most), (0, 0)))", "(most, most), (0, 0)), mode='edge')", "with black"),
]  # fmt: skip


@pytest.mark.parametrize(("number", "name", "right", "slip", "says"), SLIPS)
def test_a_plausible_slip_is_found_and_a_right_way_is_none(number, name, right, slip, says):
    master, room = [*MASTERS.values()][number - 1], {}
    answer = master.model_answer(name)
    assert answer.count(right) == 1
    assert said_by_test(master, name, room, answer) == ""
    said = said_by_test(master, name, room, answer.replace(right, slip))
    assert says in said and bool(says) == bool(said), said


def test_runs_that_share_network_or_digits_with_another_seed_are_told_apart():
    """Assignment 5: comparisons seed by seed need both to be each seed's own."""
    master, room = MASTERS["05-diagnose-and-cure-overfitting"], {}
    said_by_test(master, "epoch", room, master.model_answer("epoch"))
    for name in ("watch", "shifted", "nothing", "moving"):
        exec(master.model_answer(name), room)
    right = {name: list(room[name]) for name in ("nothing", "moving")}
    for name, change in {"nothing": "None", "moving": "shifted"}.items():
        assert said_by_test(master, name, room) == ""
        rest = f"x_val, y_val, 20, 1, change={change})"
        for run, wanted in {
            f"watch(network(0), *draw(1), {rest}": "network(1)",
            f"watch(network(1), *draw(0), {rest}": "draw(1)",
            f"watch(network(1), digits.x_train[:600], digits.y_train[:600], {rest}": "draw(1)",
        }.items():
            room[name] = list(right[name])
            said = said_by_test(master, name, room, f"{name}[1] = {run}")
            assert wanted in said, (run, said)
        room[name] = list(right[name])


# Assignment 4: what is not what it should be.
TYPED = {
    "accuracy": "import tensorflow as tf\n\n"  # a tensor is as good as a number
    "def accuracy(model, x, y):\n"
    "    right = np.argmax(model.predict(x, verbose=0), axis=1) == y\n"
    "    return tf.reduce_mean(tf.cast(right, tf.float32))",
    "model": "digits_seen = np.concatenate([x, digits.x_test])\n"
    "model = train(digits_seen, np.concatenate([y, digits.y_test]), 0)\n"
    "val_accuracy = accuracy(model, x_val, y_val)",
    "luck": "scores = [0.999, 0.998]\nlowest = min(val_accuracy, *scores)\n"
    "mean = (val_accuracy + sum(scores)) / 3",
}


def test_neither_typed_scores_nor_a_model_that_saw_the_test_digits_count(tmp_path):
    """Assignment 4, with the solution's recipe."""
    master = MASTERS["04-a-lenet-of-your-own"]
    answers = {}
    for cell in master.notebook.cells:
        if is_solution(cell) and cell.cell_type == "code":
            lines = [
                line for line, _ in masters.split(cell.source) if not masters.MARK.search(line)
            ]
            answers[masters.label(cell)] = "\n".join(lines)
    path = tmp_path / f"{master.name}.ipynb"
    nbformat.write(filled(master, answers | TYPED), path)
    result = graded(submissions.Submission("ann", [path], "ann"), master)
    lost = {q for q, most in master.points.items() if result.points[q] == 0}
    assert lost == {"model", "luck", "report"}, (result.points, result.messages)
    assert "agrees with model on" in result.messages["model"]
    assert "second of your scores" in result.messages["luck"]
    assert result.points["accuracy"] == master.points["accuracy"] > 0


def test_a_model_that_learned_the_validation_digits_is_noticed():
    """Assignment 4: all 4,000 digits, or those 1,000 once more."""
    master, names = MASTERS["04-a-lenet-of-your-own"], {}
    for name in ("build", "accuracy", "train"):
        said_by_test(master, "plans", names, master.model_answer(name))
    measured = "val_accuracy = accuracy(model, x[3000:], y[3000:])"
    for trained in (
        "model = train(x, y, 0)",
        "model = train(x[:3000], y[:3000], 0)\nmodel.fit(x[3000:], y[3000:], epochs=2, verbose=0)",
    ):
        said = said_by_test(master, "model", names, f"{trained}\n{measured}")
        assert "agrees with model on" in said, (trained, said)


def test_no_notebook_stalls_the_others_by_what_it_says_of_its_class():
    """Only a plain name in the given line counts: it becomes a part of the tests' code."""
    master = MASTERS["03-counting"]
    start = '    number = int(hashlib.sha256(f"'
    end = ':{who}:{question}".encode()).hexdigest(), 16)'
    for said, wanted in {
        "cnn-2027 (a)": "cnn-2027 (a)",
        "Übung 3": "Übung 3",
        "{open('/x')}": None,
        'x" + str(1) + f"': None,
        "x" * 61: None,
        start * 40_000: None,
    }.items():
        notebook = new_notebook(cells=[new_code_cell(f"# mine\n{start}{said}{end}\n")])
        assert master.made_for(notebook) == wanted
        notebook.cells.insert(0, new_code_cell("#" + start.strip() * 40_000))
        assert master.made_for(notebook) == wanted


@pytest.mark.parametrize(
    "odd",
    [
        f"z = {'1 + ' * 6_000}1",
        f"z = {'-' * 50_000}1",
        f"z = {'(' * 500}1{')' * 500}",
        f"z = {'[' * 90_000}",
        "z = 1\0",
        f"z = '{chr(0xD800)}'",
        "z = 1 is 1; '\\d'",
    ],
    ids=["sum", "signs", "brackets", "open", "zero", "half a character", "warns"],
)
def test_no_cell_is_too_odd_to_be_looked_into(small, tmp_path, tests_room, odd):
    """It costs its own question at most."""
    assert masters.uses("x\n" * 500_000) == set()
    for source in (odd, f"{odd}\nz ="):
        assert masters.uses(source) <= {"z"} and masters.makes(source) <= {"z"}
        assert submissions.defined(source) <= {"z"}
    notebook = filled(small, GIVEN | {"q2": odd})
    hand_in(tmp_path / "in", "ann", json.dumps(notebook).encode())
    (one,) = submissions.find(tmp_path / "in")
    result = grading.grade(one, small, tests_room)
    assert sum(p or 0 for p in result.points.values()) in (8, 10) and result.final, result


# What an honest interpreter never sends: `say` answers a question that nobody asked.
TALK = """import os, time
kernel = get_ipython().kernel
stream = getattr(kernel, "shell_stream", None)
socket, parent = stream.socket if stream else kernel.shell_socket, kernel.get_parent("shell")
ident = kernel._shell_parent_ident.get()
def say(text, parent={"header": {"msg_id": "nobody"}}):
    content = {"status": "ok", "evalue": text, "user_expressions": {}}
    kernel.session.send(socket, "execute_reply", content, parent=parent, ident=ident)
"""


def test_no_flood_of_replies_hides_what_is_used_up():
    limits = sandbox.Limits(memory=2 << 30, cell=20)
    code = f"{TALK}\nfor _ in range(4):\n    if os.fork() == 0:\n        b = b'x' * (700 << 20)\n"
    code += "        time.sleep(30)\n        os._exit(0)\nwhile True:\n    say('x')"
    code += "\n    time.sleep(0.002)"
    died = pytest.raises(sandbox.InterpreterDied, match="took too much")
    with sandbox.Interpreter("bubblewrap", limits) as python, died:
        python.run(code)


@pytest.mark.parametrize("part", ["msg_id", "evalue"])
@pytest.mark.parametrize("forged", ["[" * 90_000 + "]" * 90_000, "[]"], ids=["deep", "a list"])
def test_a_forged_reply_ends_its_own_python_only(forged, part):
    code = f"{TALK}\nreal, forged = kernel.session.pack, {forged!r}.encode()\n"
    code += f"kernel.session.pack = lambda x: forged if {part!r} in x else real(x)\nsay('x')\n"
    died = pytest.raises(sandbox.InterpreterDied, match="no longer answered")
    with sandbox.Interpreter("bubblewrap", sandbox.Limits(cell=9)) as python, died:
        python.run(f"{code}time.sleep(20)")


CROWD = """import os, time
start = time.monotonic()
for _ in range(12):
    if os.fork() == 0:
        while time.monotonic() - start < 60:
            pass
        os._exit(0)
"""


@pytest.mark.parametrize("rest", ["time.sleep(60)", "while 1:\n    pass"], ids=["sleeps", "busy"])
def test_a_crowd_of_its_own_stops_no_clock(rest):
    """Waiting for a core counts if it was the notebook's own processes that kept them busy."""
    import psutil

    def worked(process):
        return sum(process.cpu_times()[:2])

    with sandbox.Interpreter("bubblewrap", sandbox.Limits(cell=2)) as python:
        everything = psutil.Process(python.process.pid)
        before = sum(map(worked, everything.children(recursive=True)))
        clock = sandbox.Stopwatch(python)
        assert python.run(CROWD + rest).late
        work = sum(map(worked, everything.children(recursive=True))) - before
        assert clock.seconds() >= 0.9 * work / len(os.sched_getaffinity(0))


def test_large_replies_do_not_fill_the_graders_own_memory():
    import psutil

    def now():
        return psutil.Process().memory_info().rss

    with sandbox.Interpreter("bubblewrap", sandbox.Limits(cell=6)) as python:
        before, most = now(), 0
        message = python.send(f"{TALK}\nfor _ in range(8):\n    say('x' * (60 << 20))\n")
        for _ in range(30):
            with contextlib.suppress(sandbox.InterpreterDied):
                python.wait(message, 0.2)
            most = max(most, now() - before)
    assert most < 60 << 20, f"{most >> 20} MB"


def test_no_file_is_too_much_to_read(small, tmp_path):
    """A few megabytes may be minutes of work; pictures and outputs do not count."""
    good = filled(small)
    good.cells[0].attachments = {"a.png": {"image/png": "A" * (30 << 20)}}
    good.cells.append(new_code_cell("1", outputs=[new_output("stream", text="A" * (30 << 20))]))
    files = {
        "good": nbformat.writes(good),
        "cells": json.dumps(new_notebook() | {"cells": [new_code_cell("x")] * 30_000}),
        "long": json.dumps(new_notebook(cells=[new_code_cell("x" * 21_000_000)])),
        "lists": '{"cells": [], "metadata": {"x": [' + "[]," * 2_000_000 + "[]]}}",
    }
    for name, text in files.items():
        path = tmp_path / f"{name}.ipynb"
        path.write_text(text)
        if name == "good":
            cells = submissions.read(path).cells
            assert [cell.source for cell in cells] == [cell.source for cell in good.cells]
            assert list(map(masters.label, cells)) == list(map(masters.label, good.cells))
            continue
        code = "import sys; sys.path.insert(0, 'lessons_src'); from classroom import submissions"
        code += "; from pathlib import Path\ntry:\n"
        code += f"    submissions.read(Path({str(path)!r}))\nexcept submissions.Unreadable as e:\n"
        code += "    print(e)\nprint(open('/proc/self/status').read().split('HWM:')[1].split()[0])"
        run = [sys.executable, "-c", code]
        done = subprocess.run(run, capture_output=True, text=True, cwd=masters.ROOT)
        *words, most = done.stdout.split()
        assert (name == "lists" or "to read" in " ".join(words)) and int(most) < 300_000, (
            name,
            done,
        )


def test_what_the_grading_itself_holds_is_nobodys_fault(small, tmp_path):
    """It was started by something large: a notebook's Python, a test run with TensorFlow."""
    hand_in(tmp_path / "in", "ann", filled(small))
    found = submissions.find(tmp_path / "in")
    with mmap.mmap(-1, 12 << 30, mmap.MAP_PRIVATE, mmap.PROT_READ):  # addresses, no memory
        limits = sandbox.Limits()
        [one] = grading.grade_all(found, small, tmp_path / "out", "bubblewrap", limits, 1)
    assert (one.status, one.points) == ("graded", small.points | {"why": None}), one


def test_no_name_on_moodle_takes_the_number_of_somebody_else(tmp_path):
    """A folder's number is its last; a loose file's is its first."""
    for path in [
        "Ann Lee_77_assignsubmission_file__88_assignsubmission_file_/small.ipynb",
        "Ben_99_assignsubmission_file_x_77_assignsubmission_file_.ipynb",
    ]:
        target = tmp_path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text("")
    assert {one.lms_id for one in submissions.find(tmp_path)} == {"88", "99"}


@pytest.mark.parametrize("line", ["%tensorflow_version 2.x", "%matplotlib widget", "%nonsense"])
def test_a_line_for_another_computer_costs_itself_only(small, tmp_path, tests_room, line):
    answers = {"q1": f"{line}\n{GIVEN['q1']}", "q2": f"{line}\nraise ValueError('mine')"}
    hand_in(tmp_path / "in", "ann", filled(small, GIVEN | answers))
    (one,) = submissions.find(tmp_path / "in")
    result = grading.grade(one, small, tests_room)
    assert result.points == {"q1": 3, "q2": 0, "q3": 2, "q4": 1, "q5": 2, "why": None}, result
    assert any("run without its lines" in note and "q1" in note for note in result.notes)
