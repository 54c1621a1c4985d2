"""Turn chapter sources into executed notebooks: `python lessons_src/build.py [--all] [NAME ...]`.

Reads lessons_src/chapters/NAME.md (MyST text notebooks), writes book/NAME.ipynb. Without --all it
builds only what is older than its source or the package, and where only prose has changed it keeps
the outputs. The notebooks run on the built-in data, so that anyone can reproduce every output. The
alt text of a picture, which the picture computes and shows as its plain-text form, is copied to
where the site looks for it. The weights that the live piece digit-pad loads are written, too.
"""

import argparse
import os
import time
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "lessons_src" / "chapters"


def read(source):
    """The notebook that a chapter source describes, not executed."""
    notebook = jupytext.read(source)
    for number, cell in enumerate(notebook.cells, 1):
        cell.id = f"cell-{number}"
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    return notebook


def execute(notebook):
    """Run the notebook where it stands, on the built-in data."""
    environment = {**os.environ, "CNNLAB_TIER": "sample", "CUDA_VISIBLE_DEVICES": "-1"}
    NotebookClient(notebook, timeout=600, kernel_name="python3", record_timing=False).execute(
        cwd=str(ROOT / "book"), env=environment
    )
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [o for o in cell.outputs if o.get("name") != "stderr"]
            describe(cell)


def keep_outputs(notebook, target):
    """Take the outputs of the notebook that is there, if its code is the same; say whether."""
    if not target.exists():
        return False
    new, old = (
        [cell for cell in cells if cell.cell_type == "code"]
        for cells in (notebook.cells, nbformat.read(target, as_version=4).cells)
    )
    if [cell.source for cell in new] != [cell.source for cell in old]:
        return False
    for cell, before in zip(new, old, strict=True):
        cell.outputs, cell.execution_count = before.outputs, before.execution_count
        describe(cell)
    return True


def describe(cell):
    """Give the cell's picture its alt text on the site."""
    for output in cell.outputs:
        if "image/png" in output.get("data", {}):
            image = cell.metadata.setdefault("mystnb", {}).setdefault("image", {})
            image["alt"] = output.data["text/plain"]


def export_network():
    """Write the weights that the site's digit-pad loads, if a training has made newer ones."""
    weights = ROOT / "results" / "S15-seed0.weights.h5"
    script = ROOT / "lessons_src" / "cnnlab" / "pieces" / "lenet5.js"
    written = script.stat().st_mtime if script.exists() else 0
    if weights.exists() and weights.stat().st_mtime > written:
        from cnnlab.pieces.networks import export_lenet5

        export_lenet5()
        print(f"{script.name} holds the weights of {weights.name}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="chapters, without .md; all if none is given")
    parser.add_argument("--all", action="store_true", help="also those that are up to date")
    options = parser.parse_args()
    export_network()
    package = max(p.stat().st_mtime for p in (ROOT / "lessons_src" / "cnnlab").glob("*.py"))
    for source in sorted(SOURCES.glob("*.md")):
        target = ROOT / "book" / f"{source.stem}.ipynb"
        built = target.stat().st_mtime if target.exists() else 0
        fresh = built >= max(package, source.stat().st_mtime) and not options.all
        if source.stem in options.names or (not options.names and not fresh):
            start = time.perf_counter()
            print(f"{source.stem} ...", end=" ", flush=True)
            notebook = read(source)
            if options.all or package > built or not keep_outputs(notebook, target):
                execute(notebook)
            # Written whole or not at all: a stopped run leaves the old notebook.
            part = target.with_suffix(".part")
            nbformat.write(notebook, part)
            part.replace(target)
            print(f"{time.perf_counter() - start:.0f} s")
        elif not options.names:
            print(f"{source.stem} is up to date")


if __name__ == "__main__":
    main()
