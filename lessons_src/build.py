"""Turn chapter sources into executed notebooks: `python lessons_src/build.py [--all] [NAME ...]`.

Reads lessons_src/chapters/NAME.md (MyST text notebooks), writes book/NAME.ipynb. A chapter is
executed if its code has changed, or a file that it was made from: of the package, its data and the
live pieces, or of the records in results/. Which files these are is noted in the notebook while it
runs, with a digest of each, so that no clock is asked and a fresh clone executes nothing. Where
only prose has changed the outputs stay. New versions of libraries are not noticed: there is --all.

The notebooks run on the built-in data, so that anyone can reproduce every output. If no chapter is
named, the scripts that Python writes for the live pieces are written first.
"""

import argparse
import ast
import hashlib
import os
import time
from importlib.util import source_from_cache
from pathlib import Path

import nbformat
from classroom.notebooks import fetching, from_text
from cnnlab import computer
from cnnlab.files import written_whole
from cnnlab.pieces import networks
from nbclient import NotebookClient
from reading import announce, minutes, size
from rules import FOLDED as HIDDEN
from rules import TITLE, answers, asks, broken, given_away

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "lessons_src" / "chapters"
PACKAGE = ROOT / "lessons_src" / "cnnlab"
RESULTS = ROOT / "results"

# Runs in the kernel before the first cell: notes every file that is opened, and every folder that
# is listed.
WATCH = """
def _watch():
    import os, sys
    opened = set()
    def note(event, arguments):
        if event in ("open", "os.listdir", "os.scandir"):
            if isinstance(arguments[0], (str, os.PathLike)):
                opened.add(os.path.abspath(arguments[0]))
    sys.addaudithook(note)
    return opened
_opened = _watch()

def _megabytes():  # at most, so far; only Linux tells
    try:
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) * 1024 // 10**6 for line in status if "VmHWM" in line)
    except OSError:
        return None
"""


def read(source):
    """The notebook that a chapter source describes, not executed.

    Code that the site hides is collapsed in JupyterLab and Colab, too. A question's code is not
    shown at all, since it explains the wrong answers.
    """
    notebook = from_text(source.read_text(encoding="utf-8"))
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        tags = cell.metadata.setdefault("tags", [])
        if name := asks(cell.source):
            tags.append("remove-input")
            cell.metadata["cnnlab"] = {"asks": name}
        if names := answers(cell.source):
            cell.metadata["cnnlab"] = {"answers": names}
        if HIDDEN & set(tags):
            cell.metadata.setdefault("jupyter", {})["source_hidden"] = True
            cell.metadata["cellView"] = "form"
            # Colab shows this title, and JupyterLab the first line, which would tell a result.
            cell.source = f"{TITLE} {title(cell)}\n{cell.source}"
        if not tags:
            del cell.metadata["tags"]
    notebook.cells = fetching(notebook.cells)
    return notebook


def title(cell):
    """What stands in the place of hidden code."""
    if asks(cell.source):
        return "A question, to answer before the next cells are run"
    if "solution" in cell.metadata["tags"]:
        return "A solution"
    shows = isinstance(ast.parse(cell.source).body[-1], ast.Expr)
    return "How this was computed" if shows else "The code of this step"


def execute(notebook):
    """Run the notebook where it stands, on the built-in data, and note what it was made from."""
    before = digests()  # who edits a file meanwhile finds the notebook out of date afterwards
    start = time.perf_counter()
    client = NotebookClient(notebook, timeout=600, kernel_name="python3", record_timing=False)
    environment = {
        **os.environ,
        "CNNLAB_TIER": "sample",
        "CUDA_VISIBLE_DEVICES": "-1",
        "CNNLAB_SITE": "1",  # the site loads the scripts of live pieces by itself
        "PYTHONPATH": str(PACKAGE.parent),  # this package, whichever one is installed
    }
    with client.setup_kernel(cwd=str(ROOT / "book"), env=environment):
        client.kc.execute(WATCH, silent=True)
        for number, cell in enumerate(notebook.cells):
            client.execute_cell(cell, number)
        # A list's printed form would be cut short.
        ask = {"opened": r"'\n'.join(_opened)", "megabytes": "_megabytes()"}
        reply = client.wait_for_reply(client.kc.execute("", silent=True, user_expressions=ask))
    told = reply["content"]["user_expressions"]
    told = {name: ast.literal_eval(told[name]["data"]["text/plain"]) for name in ask}
    opened = told["opened"]
    names = sorted({source_of(path) for path in opened.splitlines()} & set(before))
    notebook.metadata["cnnlab"] = {
        "made_from": {name: before[name] for name in names},
        "seconds": round(time.perf_counter() - start),
        "megabytes": told["megabytes"],
        "computer": computer.line(),
    }
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [o for o in cell.outputs if o.get("name") != "stderr"]


def digests():
    """{file of the package or of the records: a short hash of what it holds}"""
    files = [*PACKAGE.rglob("[!.]*.*"), *RESULTS.glob("[!.]*.*")]  # none that is being written
    files = [path for path in files if path.is_file() and path.suffix != ".pyc"]
    contents = {path.relative_to(ROOT).as_posix(): path.read_bytes() for path in files}
    # Who lists this folder shows which records there are.
    contents["results"] = "\n".join(sorted(p.name for p in files if p.parent == RESULTS)).encode()
    return {
        name: hashlib.sha256(content.replace(b"\r\n", b"\n")).hexdigest()[:16]  # Git for Windows
        for name, content in contents.items()
    }


def source_of(opened):
    """The name in `digests` of a file that was opened; of a compiled module, its source's."""
    path = Path(opened)
    if path.suffix == ".pyc" and PACKAGE in path.parents:
        path = Path(source_from_cache(path))
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else ""


def code(notebook):
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


def reasons(notebook, old, now):
    """Why a notebook must be executed, in words; nothing if the old one's outputs still hold.

    `now` are today's digests.
    """
    if old is None:
        return ["it is new"]
    if code(notebook) != code(old):
        return ["its code has changed"]
    files = old.metadata.get("cnnlab", {}).get("made_from")
    if files is None:
        return ["nobody knows what it was made from"]
    return [f"{name} has changed" for name in files if now.get(name) != files[name]]


def keep_outputs(notebook, old):
    """Take the outputs of the old notebook, whose code is the same."""
    notebook.metadata["cnnlab"] = old.metadata["cnnlab"]
    new, old = ([c for c in book.cells if c.cell_type == "code"] for book in (notebook, old))
    for cell, before in zip(new, old, strict=True):
        cell.outputs, cell.execution_count = before.outputs, before.execution_count


def write(path, text):
    """Write a text where it is not yet; say whether."""
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return False
    with written_whole(path) as part:
        part.write_text(text, encoding="utf-8", newline="\n")
    return True


# What Python writes for the live pieces: (script, function that returns its text).
SCRIPTS = [
    (PACKAGE / "pieces" / "keras.js", networks.keras_script),
    (PACKAGE / "pieces" / "lenet5.js", networks.lenet5_script),
    (PACKAGE / "pieces" / "lenet5-varied.js", networks.varied_script),
    (PACKAGE / "pieces" / "digits.js", networks.digits_script),
]


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="chapters, or their files; all if none is given")
    parser.add_argument("--all", action="store_true", help="execute also what is up to date")
    options = parser.parse_args(arguments)
    names = {Path(name).stem for name in options.names}
    unknown = names - {source.stem for source in SOURCES.glob("*.md")}
    if unknown:
        parser.error(f"{SOURCES} holds no {', '.join(sorted(unknown))}")
    for script, text in SCRIPTS if not names else []:
        if write(script, text()):
            print(f"{script.name} is written anew")
    for source in sorted(SOURCES.glob("*.md")):
        if names and source.stem not in names:
            continue
        target = ROOT / "book" / f"{source.stem}.ipynb"
        notebook = read(source)
        for problem in broken(notebook):
            print(f"{source.name}: {problem}")
        old = nbformat.read(target, as_version=4) if target.exists() else None
        why = ["asked for"] if options.all else reasons(notebook, old, digests())
        if why:
            print(f"{source.stem}: {'; '.join(why)} ...", end=" ", flush=True)
            execute(notebook)
            print(f"{notebook.metadata['cnnlab']['seconds']} s")
        else:
            keep_outputs(notebook, old)
        for problem in given_away(notebook):
            print(f"{source.name}: {problem}")
        announce(notebook)
        changed = write(target, nbformat.writes(notebook) + "\n")
        if not why:
            print(f"{source.stem}{': its prose has changed' if changed else ' is up to date'}")
        if why or changed:
            met = ", ".join(f"{what} {number:,}" for what, number in size(notebook).items())
            print(f"  {met}; {minutes(notebook)} minutes")


if __name__ == "__main__":
    main()
