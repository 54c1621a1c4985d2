"""Chapters and pages for Jupyter, which knows neither the site's citations nor its live pieces.

The sources of the book are written for the website. Here a citation becomes a name, a caption a
text of its own, the picture of a live piece a cell that shows the piece, and the address of a
section one that JupyterLab finds. What is done already is left as it is.
"""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import quote

import nbformat

from .notebooks import alone, fetching, without_outputs

BIBLIOGRAPHY, REFERENCES = "references.bib", "references.md"
LIST = re.compile(r"```\{bibliography\}\n.*?```", re.DOTALL)
CITATION = re.compile(r"\{cite:(t|p)\}`([^`]+)`")
SAID = re.compile(r"\{\{cite:t\}\}`([^`]+)`")  # in a sentence that a cell computes
PIECE = re.compile(r"<cnn-([a-z-]+)[^>]*>\n.*?\n</cnn-\1>", re.DOTALL)
SHOW = """# A live piece: run this cell.
from cnnlab import pieces

pieces.show("NAME")"""
PAGE = re.compile(r"\]\(([\w/-]+)\.(?:ipynb|md)(#[^)\s]*)?\)")
SECTION = re.compile(r"\]\(((?:\.\./)?[\w/-]+\.(?:ipynb|md))?#([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} (.+)$", re.M)
SITE_ONLY = ("index.ipynb", "install.md", "pieces.md")  # pages that are of no use in Jupyter


def for_jupyter(path, book, *, course=None, lone=False, site=""):
    """The text of a chapter, assignment or page, ready for Jupyter and without outputs.

    Args:
        path: where it is, in the folder `book` or below.
        book: the folder with references.bib; where that is missing, citations are names already.
        course: where pip finds the course, for a notebook's first cell; None leaves that cell.
        lone: whether no other page will lie beside the notebook.
        site: the address of the website, to which the links of a lone notebook lead. Without one,
            an assignment's become words, and a chapter's stay: chapters are taken together, too.
    """
    path = Path(path)
    text = path.read_text("utf-8")
    ways = Ways(path, Path(book), lone, site.rstrip("/"))
    if path.suffix == ".md":
        return ways.prepared(text)
    notebook = nbformat.reads(without_outputs(text), as_version=4)
    cells = [part for cell in notebook.cells for one in pieces(cell) for part in captioned(one)]
    notebook.cells = fetching(cells, course) if course else cells
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = ways.prepared(cell.source)
        elif (ways.book / BIBLIOGRAPHY).exists():
            cell.source = SAID.sub(lambda found: named(ways.book, found[1])[0], cell.source)
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
        assignment = self.path.parent != self.book
        if (self.book / BIBLIOGRAPHY).exists():
            text = LIST.sub(lambda _: references(self.book), text)
            text = CITATION.sub(self.cited, text)
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
        """A link to a section, by the words of its heading."""
        target = self.path.parent / found[1] if found[1] else self.path
        known = headings(target) if target.exists() else {}
        return f"]({found[1] or ''}#{known.get(found[2], found[2])})"


@cache
def headings(path):
    """{the address of a section on the site: the one in JupyterLab}"""
    text = Path(path).read_text("utf-8")
    if path.suffix == ".ipynb":
        cells = nbformat.reads(text, as_version=4).cells
        text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    found = {}
    for heading in HEADING.findall(text):
        site = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        shown = re.sub(r"[*`$]|\]\([^)]*\)|\[", "", heading)
        found.setdefault(site, quote(shown.replace(" ", "-")))
    return found


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


# --- Figures and live pieces ---


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
