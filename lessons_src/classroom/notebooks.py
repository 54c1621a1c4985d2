"""A MyST text as a notebook: chapters (build.py) and masters of assignments are written so."""

import jupytext


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
