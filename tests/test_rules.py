"""The rules for cells and questions, and that every chapter keeps to them."""

import json
from collections import Counter
from html import escape
from pathlib import Path

import build
import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from rules import asks, broken, given_away, visible

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted((ROOT / "lessons_src" / "chapters").glob("*.md"))
CHAPTERS = [source for source in SOURCES if source.stem not in ("index", "cheat-sheet")]


@pytest.mark.parametrize("source", SOURCES, ids=lambda s: s.stem)
def test_a_chapter_keeps_to_the_rules(source):
    assert list(broken(build.read(source))) == []


@pytest.mark.parametrize("source", SOURCES, ids=lambda s: s.stem)
def test_no_answer_stands_above_its_question(source):
    notebook = nbformat.read(ROOT / "book" / f"{source.stem}.ipynb", as_version=4)
    assert list(given_away(notebook)) == []


def questions(source):
    cells = build.read(source).cells
    return [name for cell in cells if cell.cell_type == "code" and (name := asks(cell.source))]


@pytest.mark.parametrize("source", CHAPTERS, ids=lambda s: s.stem)
def test_a_chapter_asks_often_enough_and_not_too_often(source):
    names = questions(source)
    quiz = [name for name in names if name.startswith("quiz-")]
    assert 2 <= len(quiz) <= 5 and len(names) - len(quiz) >= 2 and len(names) <= 10
    assert "**Predict" not in source.read_text(encoding="utf-8")


def test_every_question_has_a_name_of_its_own():
    names = Counter(name for source in SOURCES for name in questions(source))
    assert [name for name, times in names.items() if times > 1] == []


def test_what_a_reader_does_not_see_is_collapsed_in_a_notebook():
    for source in SOURCES:
        for cell in build.read(source).cells:
            if cell.cell_type == "code" and cell.id != "course":  # which all may see
                assert visible(cell) != bool(cell.metadata.get("jupyter", {}).get("source_hidden"))
                assert visible(cell) != (cell.metadata.get("cellView") == "form")


# ---- That the rules can be broken


def lesson(*cells):
    """A notebook of code cells (texts, hidden if they begin with #hide) and headings."""
    made = []
    for text in cells:
        if text.startswith("##"):
            made.append(new_markdown_cell(text))
        else:
            tags = {"tags": ["hide-input"]} if text.startswith("#hide") else {}
            made.append(new_code_cell(text, metadata=tags))
    return new_notebook(cells=made)


GOOD = [
    'ask("cost", "How many?", [1, 2])',
    "n = 1 + 1",
    '#hide\nassert n\nanswer("cost", n)\nsay(f"{n}")',
]


def test_a_good_lesson_breaks_nothing():
    notebook = lesson("## Cost", *GOOD)
    notebook.cells[1].metadata["tags"] = ["remove-input"]  # as build.read does
    assert list(broken(notebook)) == []


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (["say('It is 5.')"], "is visible and calls say"),
        (["x = 3\nassert x == 3"], "is visible and asserts"),
        (["rows = [f'| {x} | {y} |' for x, y in z]"], "builds a table"),
        (GOOD[:2], "'cost' has no answer"),
        ([GOOD[2]], "answers 'cost', which is not the open question"),
        ([GOOD[0], "## Next", GOOD[2]], "under different headings"),
        ([GOOD[0], GOOD[0].replace("cost", "b"), GOOD[2]], "'cost' is not answered before 'b'"),
        ([*GOOD, *GOOD], "'cost' is asked twice"),
        ([GOOD[0] + "\nx = 1", *GOOD[1:]], "a cell of its own"),
        ([GOOD[0], '#hide\nanswer("cost", 2)'], "is typed, not computed: 2"),
        ([GOOD[0], '#hide\nanswer("cost", {"a": n > 1, "b": False})'], "computed: False"),
    ],
)
def test_a_broken_rule_is_named(cells, words):
    assert words in "\n".join(broken(lesson(*cells)))


def executed(above, question, truth):
    """A chapter with a text, a question and its answer, as `make lessons` leaves them."""

    def element(name, given):
        html = f'<cnn-{name} data-given="{escape(json.dumps(given))}"></cnn-{name}>'
        return [new_output("display_data", data={"text/html": html})]

    ask = new_code_cell('ask("q", "?", [])', metadata={"tags": ["remove-input"]})
    ask.outputs = element("prediction", {"name": "q", **question})
    answer = new_code_cell('answer("q", x)', metadata={"tags": ["hide-input"]})
    answer.outputs = element("answer", {"name": "q", "words": truth})
    return new_notebook(cells=[*above, ask, answer])


NETS = {"kind": "options", "options": ["the dense one", "the windowed one"]}
COUNT = {"kind": "number", "unit": "weights"}


def printed(text):
    cell = new_code_cell("compute()")
    cell.outputs = [new_output("stream", name="stdout", text=text)]
    return cell


@pytest.mark.parametrize(
    ("above", "question", "truth", "seen"),
    [
        (new_markdown_cell("So the windowed one minds."), NETS, "the windowed one", True),
        (new_markdown_cell("The dense one? The windowed one?"), NETS, "the windowed one", False),
        (new_markdown_cell("It has 1,576 weights."), COUNT, "576 weights", False),
        (new_markdown_cell("It has 576 weights."), COUNT, "576 weights", True),
        (new_code_cell("weights == 30_000"), COUNT, "30,000 weights", True),
        (printed("30000"), COUNT, "30,000 weights", True),
        (new_code_cell("n = 576"), COUNT, "576 weights", True),
        (new_code_cell("n = 576", metadata={"tags": ["hide-input"]}), COUNT, "576 weights", False),
    ],
)
def test_an_answer_above_its_question_is_found(above, question, truth, seen):
    assert bool(list(given_away(executed([above], question, truth)))) == seen
