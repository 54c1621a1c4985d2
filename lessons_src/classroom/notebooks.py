"""Notebooks from text, and without what gives answers away.

Chapters (build.py) and masters of assignments are written as MyST text. Who learns from a notebook
gets it without outputs.
"""

import re

import jupytext
import nbformat

# A link from a folder of book/ to a page of the book: its words, the page, a section.
LINK = re.compile(r"\[([^\[\]]*)\]\(\.\./([\w-]+)\.(?:ipynb|md)(#[^)]*)?\)")

# The first cell of code of a notebook. It installs what `pip` finds at COURSE.
FETCH = """\
# Installs the course where it is missing, and says so. Elsewhere this cell does nothing.
import importlib.util, subprocess, sys

COURSE = "{course}"
if not importlib.util.find_spec("cnnlab"):
    pip = [sys.executable, "-m", "pip", "install", "--quiet", COURSE]
    if subprocess.run(pip).returncode:
        sys.exit(f"The course is missing here, and {COURSE} is not to be had: {advice}")
    print(f"The course was missing here. Now it is installed, from {COURSE}.")"""
ARCHIVE = "./course.zip"  # what a notebook asks for that does not know where the course is at home


def fetching(cells, course=ARCHIVE):
    """The cells of a notebook, with the one that fetches the course in front of all other code.

    With None in place of where the course is, the one that is there already.
    """
    there = [cell for cell in cells if cell.metadata.get("cnnlab", {}).get("fetches")]
    if course:
        here = "get it from the course's page Install, and put it beside this notebook."
        advice = here if course == ARCHIVE else "is this computer online?"
        source = FETCH.replace("{course}", course).replace("{advice}", advice)
        mark = {"cnnlab": {"fetches": True}, "tags": ["remove-cell"]}
        fetch = [nbformat.v4.new_code_cell(source, id="course", metadata=mark)]
    else:
        fetch = there
    cells = [cell for cell in cells if cell not in there]
    first = next((n for n, cell in enumerate(cells) if cell.cell_type == "code"), len(cells))
    return [*cells[:first], *fetch, *cells[first:]]


def from_text(text):
    """The notebook that a MyST text describes, not executed and the same each time.

    Its cells have numbers for names, which are random otherwise, and any Python 3 can run it.
    """
    notebook = jupytext.reads(text, fmt="md:myst")
    for number, cell in enumerate(notebook.cells, 1):
        cell.id = f"cell-{number}"
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    return notebook


def alone(text, site=""):
    """The text of an assignment's .ipynb file for use outside of the book: its links lead to the
    site, if that has an address; else their words are left."""
    return LINK.sub(rf"[\1]({site.rstrip('/')}/book/\2.html\3)" if site else r"\1", text)
