"""Chapters and pages for Jupyter, which knows neither the site's citations nor its live pieces.

The sources of the book are written for the website. Here a citation becomes a name, a caption a
text of its own, the picture of a live piece a cell that shows the piece, and the address of a
section one that JupyterLab finds. What is done already is left as it is.
"""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import nbformat

from .notebooks import alone, fetching

BIBLIOGRAPHY, REFERENCES = "references.bib", "references.md"
LIST = re.compile(r"```\{bibliography\}\n.*?```", re.DOTALL)
CITATION = re.compile(r"\{cite:(t|p)\}`([^`]+)`")
SAID = re.compile(r"\{\{cite:t\}\}`([^`]+)`")  # in a sentence that a cell computes
PIECE = re.compile(r"<cnn-([a-z-]+)[^>]*>\n.*?\n</cnn-\1>", re.DOTALL)
# Three assignments use the course only to check themselves at the end, and are graded without it.
USES = re.compile(r"^(?:from|import) cnnlab\b(?!\.check)", re.M)
SHOW = """# A live piece: run this cell.
from cnnlab import pieces

pieces.show("NAME")"""
PAGE = re.compile(r"\]\(([\w/-]+)\.(?:ipynb|md)(#[^)\s]*)?\)")
SECTION = re.compile(r"\]\(((?:\.\./)?[\w/-]+\.(?:ipynb|md))?#([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} (.+)$", re.M)
# Pages that are of no use in Jupyter.
SITE_ONLY = (
    *("index.ipynb", "install.md", "pieces.md", "progress.md", "how-fast.md"),
    *("errata.md", "errata.toml"),
)


def for_jupyter(path, book, *, course=None, lone=False, site=""):
    """The text of a chapter, assignment or page, ready for Jupyter and without outputs.

    Args:
        path: where it is, in the folder `book` or below.
        book: the folder with references.bib; where that is missing, citations are names already.
        course: where pip finds the course, for the first cell of a notebook that uses it; None
            leaves that cell as it is.
        lone: whether no other page will lie beside the notebook.
        site: the address of the website, to which the links of a lone notebook lead. Without one,
            an assignment's become words, and a chapter's stay: chapters are taken together, too.
    """
    path = Path(path)
    text = path.read_text("utf-8")
    ways = Ways(path, Path(book), lone, site.rstrip("/"))
    if path.suffix == ".md":
        return ways.prepared(text)
    notebook = nbformat.reads(text, as_version=4)
    notebook.metadata.pop("cnnlab", None)  # what the outputs were made from
    cells = laid_out(notebook.cells)
    needs = any(USES.search(cell.source) for cell in cells if cell.cell_type == "code")
    notebook.cells = fetching(cells, course if needs else None)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = ways.prepared(cell.source)
        else:
            cell.source = ways.computed(cell.source)
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return nbformat.writes(notebook) + "\n"


# --- Links and citations ---


@dataclass(frozen=True)
class Ways:
    """Where the links of a page lead."""

    path: Path
    book: Path
    lone: bool
    site: str

    def prepared(self, text):
        """A Markdown text with all links as they should be."""
        if (self.book / BIBLIOGRAPHY).exists():
            text = LIST.sub(lambda _: references(self.book), text)
            text = CITATION.sub(self.cited, text)
        return self.linked(text)

    def computed(self, code):
        """Code, with what is linked and cited in the sentences that it computes."""
        if (self.book / BIBLIOGRAPHY).exists():
            code = SAID.sub(lambda found: named(self.book, found[1])[0], code)
        return self.linked(code)

    def linked(self, text):
        assignment = self.path.parent != self.book
        if self.lone and assignment:
            return alone(text, self.site)
        if self.lone and self.site:
            return PAGE.sub(rf"]({self.site}/book/\1.html\2)", text)
        return SECTION.sub(self.section, text)

    def cited(self, found):
        """Names and years, linked to the list of references."""
        works = [named(self.book, key.strip()) for key in found[2].split(",")]
        if found[1] == "t":
            years = [f" ({year})" if year else "" for _, year in works]
            names = [f"[{who}]({REFERENCES})" for who, _ in works]
            return ", ".join(map("".join, zip(names, years, strict=True)))
        told = [f"[{', '.join(filter(None, work))}]({REFERENCES})" for work in works]
        return f"({'; '.join(told)})"

    def section(self, found):
        """A link to a section, as JupyterLab has it."""
        target = self.path.parent / found[1] if found[1] else self.path
        known = headings(target) if target.exists() else {}
        return f"]({found[1] or ''}#{known.get(found[2], found[2])})"


@cache
def headings(path):
    """{the address of a section on the site: the one in JupyterLab}

    In a notebook that is the name of a cell: JupyterLab finds headings only where they are shown.
    """
    text = Path(path).read_text("utf-8")
    if path.suffix == ".md":
        return {slug(words): words.replace(" ", "-") for words in HEADING.findall(text)}
    found = {}
    for cell in laid_out(nbformat.reads(text, as_version=4).cells):
        if cell.cell_type == "markdown" and (heading := HEADING.match(cell.source)):
            found.setdefault(slug(heading[1]), f"cell-id={cell.id}")
    return found


def slug(heading):
    """What the site makes of a heading, to link to it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@cache
def bibliography(book):
    """The works of references.bib, as pybtex reads them."""
    from pybtex.database import parse_file

    return parse_file(str(book / BIBLIOGRAPHY), "bibtex")


def named(book, key):
    """(names of the authors, year or "") of a work."""
    from pybtex.richtext import Text

    work = bibliography(book).entries[key]
    people = [" ".join(p.prelast_names + p.last_names) for p in work.persons["author"]]
    people = [str(Text.from_latex(person)) for person in people]
    several = len(people) > 2 or people[-1] == "others"
    return f"{people[0]} et al." if several else " and ".join(people), work.fields.get("year", "")


def references(book):
    """The list of all works, in Markdown."""
    from pybtex.plugin import find_plugin

    style = find_plugin("pybtex.style.formatting", "unsrt")()
    markdown = find_plugin("pybtex.backends", "markdown")("utf-8")
    works = style.format_bibliography(bibliography(book))
    return "\n".join(f"- {' '.join(work.text.render(markdown).split())}" for work in works)


# --- Cells ---


def laid_out(cells):
    """The cells with captions, live pieces and sections in cells of their own."""
    for step in (pieces, section_by_section, captioned):
        cells = [part for cell in cells for part in step(cell)]
    return cells


def section_by_section(cell):
    """The cell, a Markdown text in parts that begin with the headings in it."""
    parts = [""]
    for line in cell.source.splitlines(keepends=True):
        inside = parts[-1].count("```") % 2 or parts[-1].count("<details") > parts[-1].count("</de")
        if (
            cell.cell_type == "markdown"
            and HEADING.match(line)
            and parts[-1].strip()
            and not inside
        ):
            parts.append("")
        parts[-1] += line
    if len(parts) == 1:
        yield cell
        return
    for number, part in enumerate(parts):
        name = f"{cell.id}-part-{number}" if number else cell.id
        yield nbformat.v4.new_markdown_cell(part.strip(), id=name, metadata=cell.metadata)


def captioned(cell):
    """The cell, and the caption of its figure, which stands in the cell's metadata."""
    figure = cell.metadata.get("mystnb", {}).pop("figure", None)
    yield cell
    if figure:
        yield nbformat.v4.new_markdown_cell(f"*{figure['caption']}*", id=f"{cell.id}-caption")


def pieces(cell):
    """The cell; where it pictures live pieces, its parts, and cells that show these in between."""
    parts = PIECE.split(cell.source) if cell.cell_type == "markdown" else [cell.source]
    if len(parts) == 1:
        yield cell
        return
    for number, part in enumerate(parts):
        name = f"{cell.id}-{number}" if number else cell.id
        if number % 2:
            yield nbformat.v4.new_code_cell(SHOW.replace("NAME", part), id=name)
        elif part.strip():
            yield nbformat.v4.new_markdown_cell(part.strip(), id=name)
