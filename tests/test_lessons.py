"""The notebooks are what their sources say, and hold what a chapter needs."""

import re
from functools import cache
from pathlib import Path

import build
import nbformat
import pytest
import yaml
from reading import MARK, announce
from rules import TITLE

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted((ROOT / "lessons_src" / "chapters").glob("*.md"))
CHAPTERS = [source for source in SOURCES if source.stem not in ("index", "cheat-sheet")]
PAGES = sorted((ROOT / "book").glob("*.md"))
_TOC = yaml.safe_load((ROOT / "_toc.yml").read_text())
LISTED = {_TOC["root"], *(c["file"] for part in _TOC["parts"] for c in part["chapters"])}


def notebook(source):
    return nbformat.read(ROOT / "book" / f"{source.stem}.ipynb", as_version=4)


def test_there_are_sources():
    assert SOURCES


@pytest.mark.parametrize("source", SOURCES, ids=lambda s: s.stem)
def test_source_and_notebook_agree_cell_by_cell(source):
    wanted, made = build.read(source), notebook(source)
    assert build.code(wanted) == build.code(made), f"{source.name} has changed; run `make lessons`"
    build.keep_outputs(wanted, made)
    announce(wanted)
    expected, found = wanted.cells, made.cells
    for wanted, cell in zip(expected, found, strict=False):
        hint = f"{source.name} and its notebook differ here; run `make lessons`"
        assert (cell.cell_type, cell.source) == (wanted.cell_type, wanted.source), hint
        assert cell.metadata == wanted.metadata, hint
    assert len(expected) == len(found)


def test_no_notebook_without_a_source():
    notebooks = {path.stem for path in (ROOT / "book").glob("*.ipynb")}
    assert notebooks == {source.stem for source in SOURCES}


def test_every_page_is_in_the_table_of_contents():
    files = [p for p in (ROOT / "book").rglob("*.*") if p.suffix in (".md", ".ipynb")]
    pages = {p.relative_to(ROOT).with_suffix("").as_posix() for p in files}
    assert pages == LISTED


@pytest.mark.parametrize("source", SOURCES, ids=lambda s: s.stem)
def test_every_cell_ran_in_order_without_error(source):
    code = [cell for cell in notebook(source).cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    kinds = {output.output_type for cell in code for output in cell.outputs}
    assert "error" not in kinds
    assert not any(o.get("name") == "stderr" for cell in code for o in cell.outputs)


@pytest.mark.parametrize("source", SOURCES, ids=lambda s: s.stem)
def test_no_library_warns_and_no_output_holds_an_address(source):
    """An address is another one the next time, so that the notebook would not repeat itself."""
    for cell in notebook(source).cells:
        for output in cell.get("outputs", []):
            texts = [output.get("text", ""), output.get("data", {}).get("text/plain", "")]
            assert not re.search(r"\b0x[0-9a-f]{6,}|^WARNING|Warning:", "\n".join(texts), re.M)


@pytest.mark.parametrize("source", SOURCES, ids=lambda s: s.stem)
def test_every_figure_has_a_caption_a_name_and_says_what_it_shows(source):
    figures = 0
    for cell in notebook(source).cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            assert "image/png" not in data, "a picture without words, too wide for a phone"
            if not re.match('<div class="cnn-(figure|numbers)"', data.get("text/html", "")):
                continue
            figures += 1
            assert len(data["text/plain"]) > 30
            figure = cell.metadata["mystnb"]["figure"]
            assert len(figure["caption"]) > 30 and figure["name"]
    assert figures or source.stem == "cheat-sheet"  # tables only, to fit on two pages


@pytest.mark.parametrize("source", CHAPTERS, ids=lambda s: s.stem)
def test_a_chapter_has_its_parts(source):
    text = source.read_text()
    number = source.stem.split("-")[0]
    assert re.search(rf"^# {int(number) if number.isdigit() else 'Appendix'}\. ", text, re.M)
    for part in (
        "**Afterwards you can**",
        f"About {MARK} minutes, without the exercises.",
        "## What you can now say",
        "## Exercises",
        "## Quiz",
        "## Read more",
    ):
        assert part in text, f"{source.name} lacks {part!r}"
    assert 2 <= text.count("solution]") <= 5


@pytest.mark.parametrize("source", CHAPTERS, ids=lambda s: s.stem)
def test_code_cells_are_short(source):
    """About 20 lines, one thing each; solutions and folded plots may be a little longer."""
    for cell in build.read(source).cells:
        if cell.cell_type == "code":
            folded = {"hide-input", "hide-cell", "remove-input"} & set(
                cell.metadata.get("tags", [])
            )
            lines = [line for line in cell.source.splitlines() if not line.startswith(TITLE)]
            assert len(lines) <= (30 if folded else 22), cell.source


@cache
def sections(page):
    """{anchor: text} of a page of book/; the anchors are those that the site gives its headings."""
    path = ROOT / "book" / page
    if path.suffix == ".ipynb":
        parts = [(c.cell_type, c.source) for c in nbformat.read(path, as_version=4).cells]
    else:
        parts = [("markdown", path.read_text())]
    found, anchor = {}, ""
    for kind, text in parts:
        for line in text.splitlines():
            heading = re.match(r"#{1,3} (.+)", line) if kind == "markdown" else None
            if heading:
                anchor = re.sub(r"[^\w\- ]", "", heading[1].lower()).replace(" ", "-")
            found[anchor] = found.get(anchor, "") + line + "\n"
    return found


@pytest.mark.parametrize("page", [*SOURCES, *PAGES], ids=lambda p: p.stem)
def test_links_between_pages_lead_somewhere(page):
    links = re.findall(r"\]\(([^)#:]+?\.(?:ipynb|md))(?:#([^)]+))?\)", page.read_text())
    for target, anchor in links:
        assert (ROOT / "book" / target).exists(), f"{page.name} links to {target}"
        assert not anchor or anchor in sections(target), f"{page.name}: {target}#{anchor}"


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


def rows_of(page, kinds):
    """[(number, [(page, anchor)] of its last links)] of the numbered rows of a page."""
    rows = re.findall(rf"^\| ([{kinds}]\d+) \|.* \| (.+) \|$", page.read_text(), re.M)
    link = r"\]\(([^)#]+)(?:#([^)]+))?\)"
    return [(number, re.findall(link, where)) for number, where in rows]


def test_the_map_leads_to_every_number_and_every_mistake():
    rows = rows_of(ROOT / "book" / "map.md", "WE")
    wanted = [f"W{n}" for n in range(1, 21)] + [f"E{n}" for n in range(1, 37)]
    assert [number for number, _ in rows] == wanted
    for number, links in rows:
        assert any(anchor for _, anchor in links), f"{number} leads to no section"
        # Only chapter 8 and those after it, and the appendix, call a mistake by its number.
        told = [sections(page)[anchor] for page, anchor in links if anchor and page >= "08"]
        if number.startswith("E") and told:
            assert any(re.search(rf"\b{number}\b", text) for text in told), number


def test_the_appendix_lists_each_mistake_where_the_map_leads():
    source = next(source for source in SOURCES if source.stem.startswith("appendix"))
    mapped = dict(rows_of(ROOT / "book" / "map.md", "E"))
    listed = dict(rows_of(source, "E"))
    assert listed.keys() == mapped.keys()
    for number, links in listed.items():
        assert {page for page, _ in links} == {page for page, _ in mapped[number]}, number
        assert set(links) <= {*mapped[number], *((page, "") for page, _ in mapped[number])}, number
