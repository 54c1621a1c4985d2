"""The notebooks are what their sources say, and hold what a chapter needs."""

import re
import sys
from pathlib import Path

import nbformat
import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "lessons_src"))
import build  # noqa: E402

SOURCES = sorted((ROOT / "lessons_src" / "chapters").glob("*.md"))
CHAPTERS = [source for source in SOURCES if source.stem != "index"]


def notebook(source):
    return nbformat.read(ROOT / "book" / f"{source.stem}.ipynb", as_version=4)


def without_alt(metadata):
    """Cell metadata without the alt text, which the picture itself computes."""
    metadata = {**metadata, "mystnb": {**metadata.get("mystnb", {})}}
    metadata["mystnb"].pop("image", None)
    return {name: value for name, value in metadata.items() if value}


def test_there_are_sources():
    assert SOURCES


@pytest.mark.parametrize("source", SOURCES, ids=lambda s: s.stem)
def test_source_and_notebook_agree_cell_by_cell(source):
    expected, found = build.read(source).cells, notebook(source).cells
    for wanted, cell in zip(expected, found, strict=False):
        hint = f"{source.name} and its notebook differ here; run `make lessons`"
        assert (cell.cell_type, cell.source) == (wanted.cell_type, wanted.source), hint
        assert without_alt(cell.metadata) == without_alt(wanted.metadata), hint
    assert len(expected) == len(found)


def test_no_notebook_without_a_source():
    notebooks = {path.stem for path in (ROOT / "book").glob("*.ipynb")}
    assert notebooks == {source.stem for source in SOURCES}


def test_every_page_is_in_the_table_of_contents():
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text())
    listed = {toc["root"], *(c["file"] for part in toc["parts"] for c in part["chapters"])}
    pages = {f"book/{p.stem}" for p in (ROOT / "book").iterdir() if p.suffix in (".md", ".ipynb")}
    assert listed == pages


@pytest.mark.parametrize("source", SOURCES, ids=lambda s: s.stem)
def test_every_cell_ran_in_order_without_error(source):
    code = [cell for cell in notebook(source).cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    kinds = {output.output_type for cell in code for output in cell.outputs}
    assert "error" not in kinds
    assert not any(o.get("name") == "stderr" for cell in code for o in cell.outputs)


@pytest.mark.parametrize("source", SOURCES, ids=lambda s: s.stem)
def test_every_picture_has_a_caption_a_name_and_a_computed_alt_text(source):
    pictures = 0
    for cell in notebook(source).cells:
        for output in cell.get("outputs", []):
            if "image/png" not in output.get("data", {}):
                continue
            pictures += 1
            mystnb = cell.metadata["mystnb"]
            assert mystnb["image"]["alt"] == output.data["text/plain"]
            assert len(mystnb["image"]["alt"]) > 30
            assert len(mystnb["figure"]["caption"]) > 30 and mystnb["figure"]["name"]
    assert pictures


@pytest.mark.parametrize("source", CHAPTERS, ids=lambda s: s.stem)
def test_a_chapter_has_its_parts(source):
    text = source.read_text()
    number = int(source.stem.split("-")[0])
    assert re.search(rf"^# {number}\. ", text, re.M)
    for part in (
        "**Afterwards you can**",
        "## What you can now say",
        "## Exercises",
        "## Quiz",
        "## The sources' mistakes met here",
        "## Read more",
    ):
        assert part in text, f"{source.name} lacks {part!r}"
    assert text.count("**Predict**") >= 2
    assert 2 <= text.count("solution]") <= 5


@pytest.mark.parametrize("source", CHAPTERS, ids=lambda s: s.stem)
def test_code_cells_are_short(source):
    """About 20 lines, one thing each; solutions and folded plots may be a little longer."""
    for cell in build.read(source).cells:
        if cell.cell_type == "code":
            folded = {"hide-input", "hide-cell", "remove-input"} & set(
                cell.metadata.get("tags", [])
            )
            assert len(cell.source.splitlines()) <= (30 if folded else 22), cell.source


@pytest.mark.parametrize("source", SOURCES, ids=lambda s: s.stem)
def test_links_between_lessons_lead_somewhere(source):
    for target in re.findall(r"\]\(([^)#:]+?\.(?:ipynb|md))", source.read_text()):
        assert (ROOT / "book" / target).exists(), f"{source.name} links to {target}"


@pytest.mark.parametrize("source", SOURCES, ids=lambda s: s.stem)
def test_nothing_raw_but_citations(source):
    """Roles and directives stay raw in Jupyter, so only citations are used."""
    prose = "\n".join(c.source for c in build.read(source).cells if c.cell_type == "markdown")
    assert set(re.findall(r"\{([\w:]+)\}`", prose)) <= {"cite:t", "cite:p"}
    assert ":::" not in prose and "```{" not in prose


def test_every_glossary_term_is_linked_from_a_chapter():
    terms = re.findall(r"^## (.+)$", (ROOT / "book" / "glossary.md").read_text(), re.M)
    text = "\n".join(source.read_text() for source in CHAPTERS)
    for term in terms:
        assert f"](glossary.md#{term.lower().replace(' ', '-')})" in text, f"{term!r} is not linked"


def test_the_map_names_every_mistake_and_the_chapters_prove_theirs():
    text = (ROOT / "book" / "map.md").read_text()
    rows = re.findall(r"^\| (E\d+) \|[^|]*\| (.+) \|$", text, re.M)
    assert [number for number, _ in rows] == [f"E{n}" for n in range(1, 25)]
    for number, where in rows:
        link = re.search(r"\((.+)\.ipynb\)", where)
        if link is None:
            assert "to come" in where
            continue
        chapter = (ROOT / "lessons_src" / "chapters" / f"{link[1]}.md").read_text()
        listed = chapter.split("## The sources' mistakes met here")[1]
        assert re.search(rf"\b{number}\b", listed), f"{link[1]} does not list {number}"
