"""Notebooks from text, and as they are handed out: `python -m classroom.notebooks FROM TO`.

Chapters (build.py) and masters of assignments are written as MyST text. Who learns from a notebook
gets it without outputs, since these give the answers away.
"""

import re
import shutil
import sys
from pathlib import Path

import jupytext
import nbformat

# A link from a folder of book/ to a page of the book: its words, the page, a section.
LINK = re.compile(r"\[([^\[\]]*)\]\(\.\./([\w-]+)\.(?:ipynb|md)(#[^)]*)?\)")


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


def without_outputs(text):
    """The text of an .ipynb file, as if none of its cells had been run."""
    notebook = nbformat.reads(text, as_version=4)
    notebook.metadata.pop("cnnlab", None)  # what the outputs were made from
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return nbformat.writes(notebook) + "\n"


def alone(text, site=""):
    """The text of an assignment's .ipynb file for use outside of the book: its links lead to the
    site, if that has an address; else their words are left."""
    return LINK.sub(rf"[\1]({site.rstrip('/')}/book/\2.html\3)" if site else r"\1", text)


def hand_out(source, target):
    """Copy notebooks, pages and pictures of a folder to another; what is there already stays.

    A master becomes a notebook with its solutions and all of its tests.
    """
    for path in sorted(Path(source).rglob("*.*")):
        own = Path(target, path.relative_to(source))
        text = path.read_text("utf-8") if path.suffix in (".md", ".ipynb") else ""
        master = text.startswith("---\njupytext:")
        own = own.with_suffix(".ipynb") if master else own
        hidden = any(part.startswith((".", "_")) for part in path.relative_to(source).parts)
        if path.is_dir() or hidden or own.exists():
            continue
        own.parent.mkdir(parents=True, exist_ok=True)
        if master:
            text = nbformat.writes(from_text(text.replace("@CLASS@", "demo")))
        if own.suffix == ".ipynb":
            own.write_text(without_outputs(text), "utf-8", newline="\n")
        else:
            shutil.copy(path, own)


if __name__ == "__main__":
    hand_out(*sys.argv[1:])
