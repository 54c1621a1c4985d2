"""Chapters in Jupyter: names for citations, captions, live pieces, and links that arrive."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from classroom import lab, plain
from classroom.notebooks import fetching

ROOT = Path(__file__).resolve().parent.parent
BOOK = ROOT / "book"


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """The reader's copy of the course."""
    folder = tmp_path_factory.mktemp("reader") / "work"
    assert lab.hand_out(BOOK, folder) == []
    return folder


@pytest.fixture(scope="module")
def notebooks(work):
    return {path: nbformat.read(path, as_version=4) for path in sorted(work.rglob("*.ipynb"))}


def shown(cells):
    return "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


def test_nothing_of_the_site_is_left_raw(work, notebooks):
    in_book = {*BOOK.glob("*.ipynb"), *BOOK.glob("assignments/*.ipynb")} - {BOOK / "index.ipynb"}
    assert {path.relative_to(work) for path in notebooks} == {p.relative_to(BOOK) for p in in_book}
    texts = {path: shown(notebook.cells) for path, notebook in notebooks.items()}
    texts |= {path: path.read_text() for path in work.glob("*.md")}
    for path, text in texts.items():
        for raw in (r"\{cite:", r"```\{(?!code)", "<cnn-(?!your)", r"\{minutes\}"):
            assert not re.search(raw, text), f"{path.name}: {raw}"
    code = [c.source for n in notebooks.values() for c in n.cells if c.cell_type == "code"]
    assert not any("{cite:" in source for source in code)
    for source in code:  # what was put into sentences broke none
        if not re.search(r"^\s*[%!]", source, re.M):
            compile(source, "a cell", "exec")


def test_sources_are_named(work):
    text = shown(nbformat.read(work / "08-lenet-mnist.ipynb", as_version=4).cells)
    assert "[LeCun et al.](references.md) (1998)" in text
    assert "([Habr article 314872, 2016](references.md))" in shown(
        nbformat.read(work / "appendix-sources-checked.ipynb", as_version=4).cells
    )
    listed = (work / "references.md").read_text()
    works = len(re.findall("^@", (BOOK / "references.bib").read_text(), re.M))
    assert len(re.findall("^- ", listed, re.M)) == works
    assert r"- Yann LeCun, Léon Bottou, Yoshua Bengio, and Patrick Haffner" in listed


def test_every_link_arrives(work, notebooks):
    """In JupyterLab: at a file, and there at a cell or heading."""
    pages = {path: [c.source for c in notebook.cells] for path, notebook in notebooks.items()}
    pages |= {path: [path.read_text()] for path in work.glob("*.md")}
    count = 0
    for path, texts in pages.items():
        for target, anchor in re.findall(
            r"\]\(((?:\.\./)?[\w/-]+\.(?:ipynb|md))?(?:#([^)\s]+))?\)", "\n".join(texts)
        ):
            if not target and not anchor:
                continue
            file = (path.parent / target).resolve() if target else path
            if file.name in plain.SITE_ONLY:
                assert path.name == "assignments.md"
                continue
            assert file.exists(), f"{path.name} links to {target}"
            if not anchor:
                continue
            count += 1
            if file.suffix == ".ipynb":
                kind, name = anchor.split("=")
                [cell] = [c for c in notebooks[file].cells if c.id == name]
                assert kind == "cell-id" and cell.source.startswith("#"), f"{path.name}: {anchor}"
            else:
                headings = re.findall("^#+ (.*)", file.read_text(), re.M)
                assert anchor in {words.replace(" ", "-") for words in headings}
    assert count > 150


def test_every_figure_has_its_caption_below(notebooks):
    captions = 0
    for path, notebook in notebooks.items():
        source = BOOK / "/".join(path.parts[path.parts.index("work") + 1 :])
        figures = [
            (cell.id, cell.metadata["mystnb"]["figure"]["caption"])
            for cell in nbformat.read(source, as_version=4).cells
            if "figure" in cell.metadata.get("mystnb", {})
        ]
        names = [cell.id for cell in notebook.cells]
        for name, caption in figures:
            below = notebook.cells[names.index(name) + 1]
            assert below.cell_type == "markdown" and below.source == f"*{caption}*"
            captions += 1
    assert captions > 60


def test_folded_cells_are_folded_and_no_output_is_left(notebooks):
    folded = 0
    for notebook in notebooks.values():
        for cell in notebook.cells:
            if cell.cell_type == "code":
                assert not cell.outputs and cell.execution_count is None
                hidden = {"hide-input", "hide-cell", "remove-input"}
                if hidden & set(cell.metadata.get("tags", [])):
                    assert cell.metadata["jupyter"]["source_hidden"]
                    folded += 1
    assert folded > 200


def test_live_pieces_are_cells_that_show_them(work):
    from cnnlab import pieces

    cells = nbformat.read(work / "08-lenet-mnist.ipynb", as_version=4).cells
    [place] = [n for n, c in enumerate(cells) if c.source.endswith('pieces.show("digit-pad")')]
    assert cells[place].cell_type == "code"
    assert cells[place + 1].source.startswith("**Question**")
    text = "\n".join(path.read_text() for path in work.glob("*.ipynb"))
    assert set(re.findall(r'\\n",\s+"pieces.show\(\\"([\w-]+)\\"\)', text)) == set(pieces.PIECES)


def test_what_is_done_is_left_as_it_is(work):
    """So that the archive may be handed out anew."""
    for path in (*work.glob("*.ipynb"), *work.glob("*.md")):
        again = plain.for_jupyter(path, work)
        assert again == path.read_text(), path.name


def test_every_notebook_is_valid_and_its_cells_have_different_names(notebooks):
    for notebook in notebooks.values():
        nbformat.validate(notebook)
        names = [cell.id for cell in notebook.cells]
        assert len(set(names)) == len(names)


def test_sections_are_parted_at_headings_only():
    text = "# A\n\ntext\n\n## B\n\n```\n# no heading\n```\n\n<details>\n\n## inside\n\n</details>\n"
    [one, two] = plain.section_by_section(nbformat.v4.new_markdown_cell(text, id="x"))
    assert (one.id, one.source) == ("x", "# A\n\ntext")
    assert two.id == "x-part-1" and two.source == text[text.index("## B") :].strip()


def test_the_cell_that_fetches_the_course_comes_before_all_other_code():
    cells = [
        nbformat.v4.new_markdown_cell("# A"),
        nbformat.v4.new_code_cell("1"),
        *fetching([], "https://example.org/course.zip"),
    ]
    moved = fetching(cells, None)
    assert [c.source for c in moved] == ["# A", cells[2].source, "1"]
    [_, again, _] = fetching(moved, "./course.zip")
    assert 'COURSE = "./course.zip"' in again.source and "page Install" in again.source


def test_jupyterlab_knows_the_settings_that_are_made_for_it():
    """Each one stands in JupyterLab's own schema, and is not what it would do anyway."""
    schemas = Path(sys.prefix, "share", "jupyter", "lab", "schemas")
    for plugin, settings in json.loads((lab.SETTINGS / "overrides.json").read_text()).items():
        package, name = plugin.split(":")
        known = json.loads((schemas / package / f"{name}.json").read_text())["properties"]
        for setting, value in settings.items():
            assert known[setting]["default"] != value
            assert value in known[setting].get("enum", [value])


# --- The copying, and JupyterLab ---


@pytest.mark.parametrize("problem", [OSError("No space left on device"), KeyboardInterrupt()])
def test_copying_that_is_stopped_leaves_nothing_half(tmp_path, monkeypatch, problem):
    """Started again, it goes on; what it had copied still counts as nobody's work."""
    source, work = tmp_path / "book", tmp_path / "work"
    source.mkdir()
    for name in "abc":
        (source / f"{name}.txt").write_text("the old text")
    write = Path.write_bytes

    def stop(path, content):
        write(path, content[:5] if path.name.endswith("b.txt") else content)
        if path.name.endswith("b.txt"):
            raise problem

    with monkeypatch.context() as patch, pytest.raises(type(problem)):
        patch.setattr(Path, "write_bytes", stop)
        lab.hand_out(source, work)
    assert sorted(path.name for path in work.iterdir()) == [lab.HANDED, "a.txt"]
    for name in "abc":
        (source / f"{name}.txt").write_text("the new text")
    assert lab.hand_out(source, work) == []
    assert {path.read_text() for path in work.glob("[abc].txt")} == {"the new text"}


@pytest.mark.parametrize("damaged", ['{"a.txt": "12', "", "3", "\xff"])
def test_a_note_that_cannot_be_read_is_written_anew(tmp_path, damaged):
    source, work = tmp_path / "book", tmp_path / "work"
    source.mkdir()
    (source / "a.txt").write_text("old")
    lab.hand_out(source, work)
    (work / lab.HANDED).write_bytes(damaged.encode("latin-1"))
    assert lab.hand_out(source, work) == []
    (source / "a.txt").write_text("new")
    assert lab.hand_out(source, work) == [] and (work / "a.txt").read_text() == "new"


def test_copying_says_what_came_of_it(tmp_path, monkeypatch, capsys):
    source, work = tmp_path / "book", tmp_path / "work"
    for wrong in ([str(source)], [str(source), str(work)], [str(tmp_path)], ["a", "b", "c"]):
        with pytest.raises(SystemExit, match=r"Say which folder .* classroom\.lab FROM TO"):
            lab.main(wrong)
    source.mkdir()
    (source / "a.txt").write_text("text")
    assert lab.main([str(source), str(work)]) == 0
    assert capsys.readouterr().out == f"The notebooks are in {work}.\n"
    work.joinpath("a.txt").unlink()

    def full(*args):
        raise OSError("No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(SystemExit, match=r"could not be copied: No space .*\. Make room, or"):
        lab.main([str(source), str(work)])


SERVER = """
import signal, time
heard = []
signal.signal(signal.SIGINT, lambda *_: heard.append(1))
print("ready", flush=True)
while len(heard) < 2:
    time.sleep(0.05)
print("ended by itself", flush=True)
"""


def test_jupyterlab_may_ask_before_it_ends(tmp_path):
    """A Ctrl-C reaches both; JupyterLab then asks, and ends with the second, or with a "y"."""
    (tmp_path / "book").mkdir()
    (tmp_path / "jupyterlab.py").write_text(SERVER)
    start = f"from classroom import lab; lab.COURSE = lab.Path({str(tmp_path)!r}); lab.main([])"
    process = subprocess.Popen(
        [sys.executable, "-c", start],
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": f"{ROOT / 'lessons_src'}"},
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout.readline() == "ready\n", process.stderr.read()
        for _ in range(2):
            os.killpg(process.pid, signal.SIGINT)
            time.sleep(1)
        said, problem = process.communicate(timeout=60)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert (process.returncode, said, problem) == (0, "ended by itself\n", "")
