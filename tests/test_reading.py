"""The minutes that a chapter announces."""

import nbformat.v4 as nb
import pytest
from reading import announce, minutes, size, words

FIGURE = nb.new_output("display_data", {"text/html": "<div>a table</div>"})
SAID = nb.new_output("display_data", {"text/markdown": "It gives **four** numbers."})
PIECE = nb.new_output("display_data", {"text/html": '<cnn-conv-stepper data-given="{}">'})


def code(source, outputs=(), **metadata):
    return nb.new_code_cell(source, outputs=list(outputs), metadata=metadata)


def notebook(*cells, seconds=0):
    return nb.new_notebook(cells=list(cells), metadata={"cnnlab": {"seconds": seconds}})


LESSON = notebook(
    nb.new_markdown_cell("<cnn-pool-stepper>\n\n</cnn-pool-stepper>"),
    nb.new_markdown_cell("# A title\n\nSee [one window](02.ipynb#slide) {cite:p}`lee`: 3 × 3."),
    code("a = 1\n\nb = 2", [SAID]),
    code("secret = 3\n" * 9, [FIGURE], tags=["hide-input"]),
    code('ask("q", "How many?", {1: "No.", 2: "Yes."})', [FIGURE]),
    code('pieces.show("conv-stepper")', [PIECE]),
    nb.new_markdown_cell("## Exercises\n\n" + "word " * 900),
    code("x = 1\n" * 20, [FIGURE]),
    nb.new_markdown_cell("## Read more\n\nMuch more."),
)


def test_what_a_reader_meets_is_counted_and_exercises_are_not():
    assert size(LESSON) == {
        "word": 2 + 5 + 4 + 4,
        "line of code": 3,
        "figure or table": 1,
        "prediction": 1,
        "live piece": 2,
    }


@pytest.mark.parametrize(
    "text, count",
    [("", 0), ("a 3 × 3 kernel", 4), ("[a link](to/some/page.md)", 2), ("the net’s 1,250", 3)],
)
def test_words(text, count):
    assert words(text) == count


def test_minutes_are_two_hundred_words_each_and_never_too_few():
    def long(number, seconds=0):
        return minutes(notebook(nb.new_markdown_cell("word " * number), seconds=seconds))

    assert (long(1), long(1000), long(1001), long(2000)) == (5, 5, 10, 10)
    assert long(1000, seconds=1) == 10


def test_a_chapter_announces_them():
    lesson = notebook(
        nb.new_markdown_cell("About {minutes} minutes, without the exercises. " + "word " * 1200)
    )
    announce(lesson)
    assert lesson.cells[0].source.startswith("About 10 minutes, without")
