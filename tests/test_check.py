"""What students do alone: they check before they hand in, run all, and look at hints."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from classroom import grading, lab, masters, report
from cnnlab import check
from jupyter_client import manager
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

ROOT = Path(__file__).resolve().parent.parent
MASTERS = masters.find()


def answered(name, **changed):
    """The students' copy of an assignment with the master's answers, some of them changed."""
    master = MASTERS[name]
    copy = nbformat.reads(nbformat.writes(master.student_copy), as_version=4)
    solved = {masters.label(c): c.source for c in master.notebook.cells if masters.label(c)}
    for cell in copy.cells:
        if masters.is_solution(cell):
            lines = masters.split(solved[masters.label(cell)])
            cell.source = "\n".join(line for line, _ in lines if not masters.MARK.search(line))
            cell.source = changed.pop(masters.label(cell), cell.source)
    assert not changed
    return copy


@pytest.fixture
def checked(tmp_path, capsys, monkeypatch):
    """Check a notebook: (exit status, what is said)."""

    def run(notebook):
        path = tmp_path / "mine.ipynb"
        text = notebook if isinstance(notebook, str) else nbformat.writes(notebook)
        path.write_text(text, encoding="utf-8")
        status = check.main([str(path)])
        assert path.read_text(encoding="utf-8") == text and list(tmp_path.iterdir()) == [path]
        return status, capsys.readouterr().out

    monkeypatch.setattr(sys.stdout, "reconfigure", lambda **_: None, raising=False)
    return run


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_finished_notebook_is_ready(checked, number):
    """4 and 5 train for a minute; nothing in the check is about them."""
    status, said = checked(answered([*MASTERS][number - 1]))
    assert status == 0 and "Ready to hand in" in said and "tests of 7 questions" in said, said
    assert "\n- " not in said, said


def test_what_is_missing_is_said_in_words(checked):
    mine = answered(
        "01-convolution-by-hand",
        pencil="# by_hand = [[0]]",
        size="def output_size(n, k, stride=1, padding=0):\n    return n",
        slide="def slide(image, kernel):\n    raise NotImplementedError()",
        layer="def layer(image, kernels, bias)\n    return image",
        explain="YOUR ANSWER HERE",
    )
    mine.cells.insert(2, new_code_cell("x = plot_of_mine"))
    status, said = checked(mine)
    assert status == 1 and "Ready" not in said
    for words in (
        "- 1. With a pencil – no answer yet",
        "- 2. How large is the result? – a test fails. This is the case of question 1: 3 places.",
        "- 3. Slide it – no answer yet",
        "- 4. Stride and padding – a test fails. It needs another answer",
        "- 5. A whole layer – your cell fails. SyntaxError",
        "- 8. In your own words – no answer yet",
        "- The cell “x = plot_of_mine” fails. NameError",
    ):
        assert words in said, said
    assert said.count("\n- ") == 8, said  # and 7, which needs 3
    assert "3. Slide it – no answer yet (or its line `raise NotImplementedError()`" in said
    assert "8. In your own words – no answer yet (or its line `YOUR ANSWER HERE`" in said
    assert "(in the line: assert" not in said, "a failed test says it in its own words"


def test_an_error_in_a_test_names_the_line(checked):
    bad = "def slide(image, kernel):\n    return image * kernel"
    _, said = checked(answered("01-convolution-by-hand", slide=bad))
    assert "ValueError: operands could not be broadcast" in said
    assert "(in the line: _found = slide(image, kernel))" in said, said


@pytest.mark.parametrize(
    "answer",
    ["", "  \n", "# hm", "raise NotImplementedError()", "x\n raise NotImplementedError()  # later"],
)
def test_no_answer_is_no_answer_however_it_looks(answer):
    def labels(name):
        return {"nbgrader": {"grade_id": name, "solution": True}}

    cells = [
        new_code_cell(answer, metadata=labels("a")),
        new_markdown_cell("YOUR ANSWER HERE", metadata=labels("b")),
        new_markdown_cell(" \n", metadata=labels("c")),
        new_markdown_cell("YOUR ANSWER HERE is shared weights", metadata=labels("d")),
        new_code_cell("raise NotImplementedErrors()", metadata=labels("e")),
        new_code_cell(""),
    ]
    found = check.problems(cells, [(cell, 0.1, check.FINE) for cell in cells])
    assert [text.split(" – ")[0] for text in found] == ["a", "b", "c"], found


def test_a_cell_is_run_although_the_one_before_it_failed(checked, monkeypatch):
    """Else a kernel throws away what waits behind an error: how much, depends on who is faster."""
    start, asked = manager.start_new_kernel, []

    def listened_to(**options):
        kernel, client = start(**options)
        execute = client.execute
        client.execute = lambda *a, **more: asked.append(more) or execute(*a, **more)
        return kernel, client

    monkeypatch.setattr(manager, "start_new_kernel", listened_to)
    cells = [new_code_cell("1 / 0"), new_code_cell("x = 1"), new_code_cell("assert x == 2")]
    _, said = checked(new_notebook(cells=cells))
    assert said.count("\n- ") == 2 and "“1 / 0” fails. ZeroDivisionError: division by zero" in said
    assert "“assert x == 2” fails. AssertionError" in said
    assert [more["stop_on_error"] for more in asked] == [False, False, False]


@pytest.mark.parametrize("name", [None, "", "ada.lovelace"])
def test_a_name_is_asked_for_where_one_is_needed(checked, name):
    typed = "raise NotImplementedError()" if name is None else f'STUDENT = "{name}"'
    status, said = checked(answered("03-counting", who=typed))
    assert status == 1 and ("name is missing" in said or "0. Who are you? – no answer" in said)
    # Without a name nothing can be computed: then nothing is run in vain.
    assert ("Nothing was run after the cell “import hashlib”" in said) == (name != "ada.lovelace")


def test_no_cell_goes_on_for_ever_or_takes_the_others_along(checked, monkeypatch):
    monkeypatch.setattr(check, "CELL", 2)
    loop = "while True:\n    pass"
    status, said = checked(answered("01-convolution-by-hand", pencil=loop))
    assert "1. With a pencil – your cell fails. It took more than 2 seconds" in said
    assert status == 1 and said.count("\n- ") == 1, said
    status, said = checked(answered("01-convolution-by-hand", pencil="import os\nos._exit(0)"))
    assert "1. With a pencil – your cell fails. It ended its Python" in said
    assert status == 1 and "Nothing was run after the cell “import os”" in said


def test_each_cell_gets_its_own_reply(checked, monkeypatch):
    """A busy kernel is asked several times whether it is ready, and answers each time."""
    start = manager.start_new_kernel

    def asked_twice(**options):
        kernel, client = start(**options)
        client.kernel_info()
        return kernel, client

    monkeypatch.setattr(manager, "start_new_kernel", asked_twice)
    _, said = checked(answered("01-convolution-by-hand", pencil="by_hand = 1"))
    assert "1. With a pencil – a test fails. by_hand should be" in said, said


def test_slow_cells_are_named(checked, monkeypatch):
    monkeypatch.setattr(check, "SLOW", 0.2)
    mine = new_notebook(cells=[new_code_cell("import time\ntime.sleep(0.5)"), new_code_cell("1")])
    status, said = checked(mine)
    assert status == 0 and "- The cell “import time” is slow" in said and "“1”" not in said


def test_lost_labels_do_no_harm(checked):
    mine = answered("01-convolution-by-hand", slide="raise NotImplementedError()")
    for cell in mine.cells:
        cell.metadata = {}
    status, said = checked(mine)
    assert status == 1 and "“raise NotImplementedError()” – no answer yet" in said, said


@pytest.mark.parametrize("text", ["", "{", "[]", '{"cells": [1]}', '{"cells": [{}]}', None])
def test_what_is_no_notebook_is_refused_in_a_sentence(tmp_path, text):
    path = tmp_path / "mine.ipynb"
    if text is not None:
        path.write_text(text)
    with pytest.raises(SystemExit, match="is not a notebook" if text is not None else "no file"):
        check.main([str(path)])


def test_the_last_cell_checks_the_saved_file_and_nothing_while_it_is_graded(tmp_path):
    """In JupyterLab, the kernel is told the notebook's place."""
    mine = answered("01-convolution-by-hand", pencil="by_hand = 1")
    path = tmp_path / "mine.ipynb"
    nbformat.write(mine, path)
    source = mine.cells[-1].source
    clean = {k: v for k, v in os.environ.items() if k not in (check.RUNNING, "JPY_SESSION_NAME")}

    def said(**more):
        notebook = new_notebook(cells=[new_code_cell(source)])
        NotebookClient(notebook, timeout=120).execute(env=clean | more)
        return "".join(output.text for output in notebook.cells[0].outputs)

    assert "- 1. With a pencil – a test fails. by_hand should be" in said(
        JPY_SESSION_NAME=str(path)
    )
    assert "Save it first" in said() and "Save it first" in said(JPY_SESSION_NAME="/none.ipynb")
    assert said(JPY_SESSION_NAME=str(path), **masters.ENVIRONMENT) == ""


@pytest.mark.parametrize("master", MASTERS.values(), ids=MASTERS)
def test_run_all_goes_on_after_what_is_not_answered(master):
    """Where a cell fails, it is marked for Jupyter as one that may; but not what all else needs."""
    copy = master.student_copy
    for cell in copy.cells:
        if cell.cell_type == "code":
            tags = cell.metadata.get("tags", [])
            assert ("raises-exception" in tags) == (masters.label(cell) not in master.needed)
    assert not any("raises-exception" in c.metadata.get("tags", []) for c in master.template.cells)


def test_an_unanswered_copy_runs_to_its_end():
    copy = MASTERS["01-convolution-by-hand"].student_copy
    NotebookClient(copy, timeout=120).execute(env=os.environ | {check.RUNNING: "1"})
    assert copy.cells[-1].execution_count == sum(c.cell_type == "code" for c in copy.cells)


@pytest.mark.parametrize("master", MASTERS.values(), ids=MASTERS)
def test_each_assignment_has_hints_and_ends_with_the_check(master):
    cells = master.student_copy.cells
    assert cells[-1].source == "from cnnlab.check import check; check()"
    hinted = [c.source.count("<summary>Hint") for c in cells if "<details>" in c.source]
    assert len(hinted) >= 4 and max(hinted) <= 3
    for text in (c.source for c in cells if "<details>" in c.source):
        for hint in re.findall(
            r"<details>\n<summary>Hint(?: \d)?</summary>\n\n(.+)\n\n</details>", text
        ):
            assert len(hint) > 40
        assert len(re.findall(r"</details>(?:\n\n|$)", text)) == text.count("<details>")


def test_titles_are_the_headings():
    def answer(name):
        labels = {"grade_id": name, "solution": True}
        return new_code_cell("", metadata={"nbgrader": labels})

    text = [
        new_markdown_cell(words) for words in ("# A\n\ntext", "## 1. One (3 points)", "## 2. Two")
    ]
    cells = [text[0], answer("a"), text[1], answer("b"), text[2], answer("c"), answer("d")]
    wanted = {"a": "A", "b": "1. One", "c": "2. Two: c", "d": "2. Two: d"}
    assert check.titles(cells) == wanted and check.titles(cells[5:]) == {"c": "c", "d": "d"}
    for master in MASTERS.values():
        assert list(master.titles) == list(master.points)
        for number, title in enumerate(
            dict.fromkeys(t.split(".")[0] for t in master.titles.values()), 1
        ):
            assert title == str(number)


def test_outside_of_the_book_links_lead_to_the_site_or_are_words(tmp_path, monkeypatch):
    master = MASTERS["04-a-lenet-of-your-own"]
    monkeypatch.setattr(masters, "validate", lambda master: [])
    inside = (masters.PAGES / f"{master.name}.ipynb").read_text(encoding="utf-8")
    assert "[chapter 5](../05-counting.ipynb)" in inside
    outside = masters.release(master, tmp_path).read_text(encoding="utf-8")
    assert (
        json.loads(outside)
        and "](../" not in outside
        and "You need chapter 4, chapter 5" in outside
    )
    monkeypatch.setattr(masters, "site", lambda: "https://example.org/cnn/")
    outside = masters.release(master, tmp_path).read_text(encoding="utf-8")
    assert "[chapter 5](https://example.org/cnn/book/05-counting.html)" in outside
    assert "](https://example.org/cnn/book/08-lenet-mnist.html#batch-norm)" in outside
    assert json.loads(outside) and "](../" not in outside


def test_solutions_are_written_for_who_learns_alone(tmp_path):
    lab.hand_out(masters.FOLDER, tmp_path)
    for master in MASTERS.values():
        solved = nbformat.read(tmp_path / f"{master.name}.ipynb", as_version=4)
        assert [c.source for c in solved.cells] == [c.source for c in master.notebook.cells]


def test_students_need_no_nbgrader():
    """What `make lab`, `make check`, `make solutions` and `make book` import."""
    code = "import sys; sys.modules['nbgrader'] = None; import build, website, classroom.lab, "
    code += "cnnlab.check"
    path = {"PYTHONPATH": str(ROOT / "lessons_src")}
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | path)
    lists = [
        dict(re.findall(r"^([\w.-]+)==(\S+)", (ROOT / f"requirements{x}.txt").read_text(), re.M))
        for x in ("", "-classroom")
    ]
    assert "nbgrader" in lists[1] and not lists[0].keys() & lists[1].keys()
    assert "jupyterlab" in lists[0]
    rules = (ROOT / "Makefile").read_text()
    needs = dict(re.findall(r"^([a-z-]+): (?:whole )?\$\((\w+)\)", rules, re.M))
    assert {name for name, what in needs.items() if what == "GRADER"} == {
        *("assignments", "grade", "test", "bench")
    }


def test_the_feedback_page_names_questions_as_the_notebook_does(tmp_path):
    master = MASTERS["01-convolution-by-hand"]
    points = dict.fromkeys(master.points, 0.0)
    result = grading.Result("ann", assignment=master.name, key="ann", points=points)
    page = report.GradeBook(master, tmp_path).feedback(result)
    assert ">2. How large is the result?</th>" in page and ">size<" not in page
