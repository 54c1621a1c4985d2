"""Python in the page, in a real browser without a network: it gives what the notebooks give."""

import html
import json
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import firefox
import nbformat
import pytest
from classroom import grading, masters, room, sandbox, submissions
from serving import served
from sphinx.errors import ExtensionError
from test_site import violations
from website import in_the_page, run_here

ROOT = Path(__file__).resolve().parent.parent
SITE = ROOT / "_build" / "html"
PYTHON = SITE / "_static" / "python"
CHAPTERS = ["02-convolution", "03-dense-to-conv", "04-pooling", "05-counting"]


@pytest.fixture(scope="module")
def address():
    if not (PYTHON / "index.js").exists():
        pytest.skip("The site was built without Run here: build it with CNNLAB_PYODIDE=folder")
    with served(SITE) as found:
        yield found


class Page:
    """A page with cells that run, and every address but the site's own cut off."""

    def __init__(self, context, address, path):
        self.asked, self.problems = [], []
        context.set_default_timeout(120_000)  # a busy machine is slow, not wrong
        context.route(
            lambda url: not url.startswith((address, "blob:", "data:")),
            lambda route: (self.problems.append(route.request.url), route.abort()),
        )
        self.tab = context.new_page()
        self.tab.on("request", lambda request: self.asked.append(request.url))
        self.tab.on("pageerror", lambda error: self.problems.append(str(error)))
        self.tab.goto(f"{address}/{path}")
        self.tab.evaluate("document.documentElement.classList.remove('asks')")
        self.tab.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")

    def button(self, cell):
        return self.tab.locator(f".run-here[data-cell='{cell}']")

    def editor(self, cell):
        """The editor of a cell whose button was pressed."""
        return self.button(cell).locator("xpath=following-sibling::*[contains(@class, 'run-cell')]")

    def finished(self, cell):
        """Wait until the cell rests; what its status says."""
        place = self.editor(cell)
        place.locator("button:has-text('run'):enabled").wait_for()
        return place.locator(".run-said").inner_text()

    def press(self, cell):
        self.button(cell).evaluate("button => button.click()")
        self.editor(cell).wait_for()
        return self.finished(cell)

    def write(self, cell, text):
        self.editor(cell).locator("textarea").fill(text)

    def run(self, cell, text=None):
        if text is not None:
            self.write(cell, text)
        self.editor(cell).locator("button:has-text('run')").click()
        return self.finished(cell)

    def output(self, cell):
        return self.editor(cell).locator(".run-output")


@pytest.fixture
def visit(new_context, address):
    pages = []

    def open_page(path, at=address, **settings):
        pages.append(Page(new_context(reduced_motion="reduce", **settings), at, path))
        return pages[-1]

    yield open_page
    for page in pages:
        page.tab.context.close()
    assert [problem for page in pages for problem in page.problems] == []


SHOWN = """place => [...place.children].map(
    e => [e.localName, e.localName === "div" ? e.innerHTML : e.textContent])"""
NORMAL = """html => {
    const place = document.createElement("div");
    place.innerHTML = html;
    return place.innerHTML;
}"""


def outputs(name, number):
    """What a cell of a notebook shows: (the element that it becomes in the page, its content)."""
    cells = nbformat.read(ROOT / "book" / f"{name}.ipynb", as_version=4).cells
    for output in cells[number].outputs:
        if output.output_type == "stream":
            yield "pre", output.text
        elif "text/html" in output.data:
            yield "div", output.data["text/html"]
        elif "text/markdown" in output.data:
            yield "p", re.sub(r"\*\*|`", "", output.data["text/markdown"])
        else:
            yield "pre", output.data["text/plain"] + "\n"


@pytest.mark.parametrize("name", CHAPTERS)
def test_each_cell_gives_what_the_notebook_gives(visit, address, name):
    """One chapter is opened from disk."""
    page = visit(f"book/{name}.html", at=SITE.as_uri() if name == CHAPTERS[-1] else address)
    numbers = page.tab.locator(".run-here").evaluate_all("all => all.map(b => +b.dataset.cell)")
    assert len(numbers) > 9
    for number in numbers:
        said, shown = page.press(number), page.output(number).evaluate(SHOWN)
        assert said == "Done.", (number, shown)
        wanted = [
            [kind, page.tab.evaluate(NORMAL, text) if kind == "div" else text]
            for kind, text in outputs(name, number)
        ]
        # Where a notebook shows nothing, the page tells what the cell has made.
        assert shown == wanted if wanted else all(kind == "pre" for kind, _ in shown), number


def test_nothing_is_loaded_before_a_button_is_pressed(visit):
    page = visit("book/05-counting.html")
    page.tab.wait_for_load_state("networkidle")
    ours = [url for url in page.asked if re.search("run-|python", url.split("/_static/")[-1])]
    assert [url.split("/")[-1].split("?")[0] for url in ours] == ["run-here.js"]


def test_a_cell_is_edited_run_stopped_and_reset(visit):
    """Also: an endless loop ends, much output is shown in part, and mistakes are told in words."""
    page = visit("book/05-counting.html")
    cell, below = page.tab.locator(".run-here").evaluate_all(
        "all => [all[0], all[3]].map(b => +b.dataset.cell)"
    )
    original = json.loads((PYTHON / "pages" / "05-counting.js").read_text().split(" = ", 1)[1][:-2])
    [text] = [step["text"] for step in original["steps"] if step["cell"] == cell]
    page.button(cell).focus()
    page.tab.keyboard.press("Enter")
    assert page.finished(cell) == "Done."
    page.editor(cell).locator("textarea:focus").wait_for()
    page.tab.keyboard.press("Control+Enter")
    assert page.finished(cell) == "Done."
    # What one cell makes, another one has; a message ends with the line that it is about.
    page.run(cell, f"{text}\nshared = 41 + 1")
    page.press(below)
    page.run(below, "print(shared)\nshared / 0")
    assert list(filter(None, page.output(below).inner_text().splitlines())) == [
        "42",
        "Line 2, shared / 0",
        "ZeroDivisionError: division by zero",
    ]
    page.run(below, "import keras")
    assert "There is no keras in this page" in page.output(below).inner_text()
    page.run(below, "x = (1,\ny = 2")
    assert "Line 1, x = (1," in page.output(below).inner_text()
    assert violations(page.tab, "phone") == []  # by all rules, each look of a text once
    page.run(below, "for i in range(20_000):\n    print('0123456789')")
    printed = page.output(below).locator("pre").inner_text()
    assert len(printed) == 200_000 and "20,000 more characters" in page.output(below).inner_text()
    # An endless loop that prints: the page goes on, and ends it.
    page.write(cell, "while True:\n    print('again')")
    page.editor(cell).locator("button:has-text('run')").click()
    page.output(cell).locator("pre:has-text('again')").wait_for()
    page.editor(cell).locator("button:has-text('stop')").click()
    assert page.finished(cell).startswith("Stopped.")
    for _ in range(100):  # nothing goes on in the background
        if not page.tab.workers:
            break
        page.tab.wait_for_timeout(100)
    assert page.tab.workers == []
    page.editor(cell).locator("button:has-text('reset')").click()
    assert page.editor(cell).locator("textarea").input_value() == text
    assert page.run(cell) == "Done."


MASTERS = masters.find()


def solution(cell):
    """What a master has in place of an answer."""
    lines = cell.source.splitlines()
    return "\n".join(line for line in lines if not line.strip().startswith("### ")).strip("\n")


def answers_of(name):
    """The solutions of an assignment: {number of the student's cell: text}."""
    cells = nbformat.read(ROOT / "book" / "assignments" / f"{name}.ipynb", as_version=4).cells
    solved = {masters.label(cell): cell for cell in MASTERS[name].notebook.cells}
    return {
        number: solution(solved[masters.label(cell)])
        for number, cell in enumerate(cells)
        if cell.metadata.get("nbgrader", {}).get("solution", False)
    }


@pytest.mark.parametrize("name", list(MASTERS)[:3])
def test_an_assignment_is_done_in_the_page_and_earns_every_point(visit, tmp_path, name):
    page, master, answers = visit(f"book/assignments/{name}.html"), MASTERS[name], answers_of(name)
    said = page.tab.locator(".workbench .run-said")
    numbers = page.tab.locator("[data-cell]").evaluate_all(
        "all => all.map(b => b.dataset.cell).filter(cell => cell < 1000).map(Number)"
    )
    assert set(numbers) == set(answers)
    for number, answer in answers.items():
        page.button(number).evaluate("button => button.click()")
        page.write(number, answer)
    page.button("all").click()
    page.tab.locator(".workbench .run-said:has-text('pass')").wait_for()
    assert said.inner_text().startswith("The tests that you see pass, all of them."), [
        page.editor(number).inner_text() for number in numbers
    ]
    page.tab.reload()  # the work is kept
    page.tab.locator("textarea").first.wait_for()
    with page.tab.expect_download() as download:
        page.button("download").click()
    path = tmp_path / "in" / "ann" / download.value.suggested_filename
    download.value.save_as(path)
    [one] = submissions.find(tmp_path / "in")
    with room.Room(sandbox.choose(), sandbox.Limits()) as tests:
        result = grading.grade(one, master, tests)
    by_hand = {masters.label(cell) for cell in master.notebook.cells if masters.by_hand(cell)}
    lost = {q for q, points in result.points.items() if points != master.points[q]}
    assert lost == by_hand, (result.status, result.notes, result.messages)


def test_a_wrong_answer_and_what_rests_on_it_are_told_apart(visit):
    page = visit(
        "book/assignments/01-convolution-by-hand.html",
        viewport={"width": 390, "height": 800},
        color_scheme="dark",
    )
    _pencil, size, *_ = page.tab.locator(".cell .run-here").evaluate_all(
        "all => all.map(b => +b.dataset.cell)"
    )
    page.button(size).evaluate("button => button.click()")
    assert (
        page.run(size) == "It ended with a problem." or "missing" in page.output(size).inner_text()
    )
    said = page.run(size, "def output_size(n, k, stride=1, padding=0):\n    return n")
    assert said == "A test does not pass yet."
    assert "This is the case of question 1: 3 places." in page.output(size).inner_text()
    assert page.tab.evaluate("document.documentElement.scrollWidth") <= 390
    assert violations(page.tab, "dark") == []


# What a reader does: run each cell; then end an endless loop.
READ = """(async () => {
    const until = async (done) => {
        while (!done()) await new Promise(ready => setTimeout(ready, 100));
    };
    const told = [];
    for (const button of document.querySelectorAll(".run-here")) {
        button.click();
        await until(() => button.nextElementSibling?.matches(".run-cell"));
        const place = button.nextElementSibling, said = place.querySelector(".run-said");
        await until(() => !place.querySelector("button").disabled);
        const shown = [...place.querySelector(".run-output").children];
        told.push([+button.dataset.cell, said.textContent, shown.map(e => e.textContent)]);
    }
    const place = document.querySelector(".run-cell");
    const [run, stop] = place.querySelectorAll("button");
    place.querySelector("textarea").value = "while True: pass";
    run.click();
    await until(() => place.querySelector(".run-said").textContent === "It runs.");
    stop.click();
    await until(() => !run.disabled);
    return [...told, place.querySelector(".run-said").textContent];
})()"""


@pytest.mark.skipif(firefox.PROGRAM is None, reason=firefox.MISSING)
@pytest.mark.parametrize("name", CHAPTERS)
def test_firefox_gives_what_the_notebook_gives(address, tmp_path, name):
    with firefox.firefox(tmp_path) as fox:
        fox.open(address, f"book/{name}.html")
        *cells, stopped = fox.evaluate(READ)
        assert fox.problems == []  # nothing from elsewhere
    assert stopped.startswith("Stopped.") and len(cells) > 9
    for number, said, shown in cells:
        assert said == "Done.", (number, shown)
        wanted = [text for _, text in outputs(name, number)]
        if wanted:
            wanted = [re.sub("<[^>]*>", "", text) for text in wanted]
            assert list(map(squeezed, shown)) == list(map(squeezed, wanted)), number


# What a student does: answer each question, then run the tests. Answers by number of the cell.
ANSWER = """(async answers => {
    const until = async (found) => {
        while (!found()) await new Promise(ready => setTimeout(ready, 100));
        return found();
    };
    for (const [cell, text] of Object.entries(answers)) {
        const button = document.querySelector(`.run-here[data-cell="${cell}"]`);
        button.click();
        const place = await until(() => button.parentElement.querySelector(".run-cell textarea"));
        place.value = text;
        place.dispatchEvent(new Event("input", { bubbles: true }));
    }
    document.querySelector(".run-here[data-cell='all']").click();
    const said = document.querySelector(".workbench .run-said");
    return await until(() => said.textContent.includes("pass") && said.textContent);
})"""


@pytest.mark.skipif(firefox.PROGRAM is None, reason=firefox.MISSING)
@pytest.mark.parametrize("name", list(MASTERS)[:3])
def test_firefox_tests_an_assignment(address, tmp_path, name):
    answers = answers_of(name)
    with firefox.firefox(tmp_path) as fox:
        fox.open(address, f"book/assignments/{name}.html")
        said = fox.evaluate(f"{ANSWER}({json.dumps(answers)})")
        assert said.startswith("The tests that you see pass, all of them.")
        assert fox.problems == []


def squeezed(text):
    return " ".join(html.unescape(text).split())


# --- Which cells are chosen


def plan(*texts):
    return run_here.Plan([nbformat.v4.new_code_cell(text) for text in texts])


def needed(found, cell):
    """The texts of all steps that a cell needs, in order."""
    numbers = {found.steps.index(found.chosen[cell])}
    for number in range(len(found.steps) - 1, -1, -1):
        if number in numbers:
            numbers |= found.steps[number].needs
    return [found.steps[number].text for number in sorted(numbers)][:-1]


SETUP = "import keras\nimport numpy as np\nfrom cnnlab import figures"


def test_what_needs_keras_or_draws_is_not_chosen_nor_what_rests_on_it():
    found = plan(
        SETUP,
        "a = np.eye(3)",
        "b = keras.ops.sum(a)",
        "b + 1",
        "figures.maps([a])",
        "figures.numbers(('a', a))",
        "import subprocess\na",
        "def f():\n    return b",
        "f()",
    )
    assert sorted(found.chosen) == [1, 5]
    assert needed(found, 5) == ["import numpy as np", "from cnnlab import figures", "a = np.eye(3)"]


def test_a_cell_takes_only_what_it_needs_as_it_stands_above_it():
    found = plan(
        SETUP,
        "a = [1]\nc = 5",
        "def f():\n    return a",
        "a.append(2)",
        "x = f()",
        "a = 7",
        "for c in range(3):\n    print(c)",
    )
    imports = ["import numpy as np", "from cnnlab import figures"]
    assert needed(found, 4) == [*imports, "a = [1]\nc = 5", "def f():\n    return a", "a.append(2)"]
    assert needed(found, 6) == imports  # a loop's own name, not the one above


def test_numbers_drawn_by_lot_come_in_the_notebooks_order():
    found = plan(
        "import numpy as np\nimport keras",
        "rng = np.random.default_rng(0)",
        "a = rng.random()",
        "def draw():\n    return rng.random()",
        "b = draw()",
        "c = rng.random()",
        "keras.fit(rng)",
        "d = rng.random()",
    )
    assert needed(found, 5)[2:] == ["a = rng.random()", found.chosen[3].text, "b = draw()"]
    assert 7 not in found.chosen  # how many numbers Keras has drawn, a page cannot know


def test_what_a_page_has_of_the_package_loads_without_keras_and_what_draws(tmp_path):
    for name, text in run_here.package().items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    code = """
import sys
for name in ("IPython", "PIL", "keras", "matplotlib", "scipy", "tensorflow"):
    sys.modules[name] = None
from cnnlab import conv, data, figures, fields, ledger, pooling, tables, windows
assert figures.numbers is tables.numbers and not hasattr(figures, "maps")
"""
    python = [
        sys.executable,
        "-I",
        "-c",
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{code}",
    ]
    subprocess.run(python, check=True)


# --- What runs in the page


def test_mistakes_are_told_in_words_with_their_line(monkeypatch):
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, getattr(sys, name))  # the room takes their place
    for name in ("IPython", "IPython.display"):
        monkeypatch.setitem(sys.modules, name, sys.modules.get(name))
    shown = []
    room = in_the_page.Room(lambda kind, text: shown.append((kind, text)))
    assert room.run("cell-1", "def answer():\n    raise NotImplementedError()") == ""
    assert room.run("cell-2", "assert answer() == 4, 'It is 4.'").startswith(
        "Line 2 of a cell further up, raise NotImplementedError()\nAn answer is still missing here."
    )
    assert room.run("cell-1", "def answer():\n    return 3") == ""
    assert room.run("cell-2", "assert answer() == 4, 'It is 4.'") == "It is 4."
    assert room.run("cell-3", "x = 1\nx.y") == (
        "Line 2, x.y\nAttributeError: 'int' object has no attribute 'y'"
    )
    assert room.run("cell-4", "print(x)\nraise SystemExit").endswith("SystemExit")
    assert room.run("cell-5", "y = [x, x]") == ""
    assert "".join(text for _, text in shown) == "1\ny = [1, 1]\n"
    room.names["i"] = 7
    assert room.run("cell-6", "z = [i * i for i in range(3)]") == ""
    assert shown[-1] == ("text", "z = [0, 1, 4]\n")


# --- Python's files


def test_without_network_and_folder_there_is_no_python_and_one_line_says_so(monkeypatch, capsys):
    def cut_off(name, sha256):
        raise OSError("no network")

    monkeypatch.delenv("CNNLAB_PYODIDE", raising=False)
    monkeypatch.setattr(run_here, "fetched", cut_off)
    app, config = SimpleNamespace(), SimpleNamespace()
    run_here.find(app, config)
    assert config.run_here is False and app.python_files == {}
    [line] = capsys.readouterr().out.splitlines()
    assert "built without *Run here*" in line and "CNNLAB_PYODIDE" in line


def test_a_folder_with_other_files_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("CNNLAB_PYODIDE", str(tmp_path))
    with pytest.raises(ExtensionError, match="is missing in"):
        run_here.runtime()
    for name in run_here.FILES:
        (tmp_path / name).write_text("something else")
    with pytest.raises(ExtensionError, match="is not that of Pyodide"):
        run_here.runtime()
    monkeypatch.setenv("CNNLAB_PYODIDE", str(tmp_path / "nowhere"))
    with pytest.raises(ExtensionError, match="no folder"):
        run_here.runtime()
