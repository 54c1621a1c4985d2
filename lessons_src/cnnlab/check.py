"""Is a notebook ready to hand in? `make check FILE=…`, or the last cell of each assignment.

It runs the saved file from top to bottom in a fresh Python and an empty folder, as it is run when
it is graded, and says in words what is missing. The file is never changed. It needs nothing but
Jupyter's own kernel. Only the tests that stand in the notebook can be run.
"""

import ast
import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from queue import Empty

CELL, NOTEBOOK = 30, 300  # seconds that a cell and a notebook may take when it is graded
SLOW = 10  # a cell that takes longer is named
FINE, ENDED = "fine", "It ended its Python, or could not be stopped."
RUNNING = "CNNLAB_CHECKING"  # set where a notebook is run: its last cell then does nothing
PLACEHOLDER = re.compile(r"^\s*raise NotImplementedError\b|\AYOUR ANSWER HERE\Z", re.M)
# No log, no GPU, the built-in data: as when it is graded.
LIKE_GRADING = {
    "TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "1", "CUDA_VISIBLE_DEVICES": "-1",
    "CNNLAB_TIER": "sample",
}  # fmt: skip


def check(path=None):
    """Check the notebook in which this is called, as it was last saved; or the file `path`."""
    if os.environ.get(RUNNING):
        return
    with contextlib.suppress(NameError):  # there is no get_ipython outside of Jupyter
        path = path or get_ipython().user_ns.get("__vsc_ipynb_file__")  # noqa: F821
    path = path or os.environ.get("JPY_SESSION_NAME", "")  # as JupyterLab tells its kernels
    if not Path(path).is_file():
        print(
            "The file of this notebook is not where it is looked for (was it renamed? is this "
            'Colab?). Save it first, then say which file it is: check("NAME.ipynb")'
        )
        return
    command = [sys.executable, "-m", "cnnlab.check", str(path)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "encoding": "utf-8"}
    with subprocess.Popen(command, env=os.environ | {"PYTHONUTF8": "1"}, **pipes) as process:
        for line in process.stdout:
            print(line, end="", flush=True)


def read(path):
    """The cells of a notebook file, each source one text; raises ValueError."""
    try:
        cells = json.loads(Path(path).read_text(encoding="utf-8"))["cells"]
        for cell in cells:
            cell["source"] = "".join(cell["source"])
            cell.setdefault("metadata", {}).get("nbgrader")
        return cells
    except OSError:
        raise ValueError(f"There is no file {path}. Is it saved, and is that its name?") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ValueError(f"{path} is not a notebook (.ipynb).") from None


def label(cell, kind):
    """A cell's label, if it is a `solution`, has a `grade`, or is `locked`; else an empty text."""
    labels = cell["metadata"].get("nbgrader", {})
    return labels.get("grade_id", "") if labels.get(kind) else ""


def titles(cells):
    """{label of an answer: the heading above it}; of several answers below one, with the label."""
    found, heading = {}, ""
    for cell in cells:
        if name := label(cell, "solution"):
            found[name] = heading
        elif cell["cell_type"] == "markdown":
            for line in re.findall(r"^#{1,3} (.+)", cell["source"], re.M):
                heading = re.sub(r" \(\d+ points?\)$", "", line)
    several = list(found.values())
    return {
        name: title if title and several.count(title) == 1 else f"{title}: {name}".lstrip(": ")
        for name, title in found.items()
    }


def nameless(cells):
    """Is the name that an answer stores as STUDENT empty, or that of an example in the text?"""
    examples = {"", "your name"}
    for cell in cells:
        if cell["cell_type"] == "markdown":
            examples |= set(re.findall(r'STUDENT = "(.*?)"', cell["source"]))
        elif label(cell, "solution") and (
            typed := re.search(r"^STUDENT *= *(.+)", cell["source"], re.M)
        ):
            with contextlib.suppress(SyntaxError, ValueError):
                return str(ast.literal_eval(typed[1])).strip() in examples
    return False


def run(cells, folder):
    """Run the code cells. Gives [(cell, seconds, what went wrong)], up to where it had to end."""
    from jupyter_client.manager import start_new_kernel

    own = {k: v for k, v in os.environ.items() if k not in ("CNNLAB_STUDENT", "KERAS_BACKEND")}
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    environment = own | LIKE_GRADING | {RUNNING: "1"}
    kernel, client = start_new_kernel(env=environment, cwd=folder, **silent)
    done, left = [], NOTEBOOK
    try:
        for cell in filter(is_code, cells):
            given = label(cell, "locked") and not label(cell, "grade")
            start = time.monotonic()
            wrong = execute(kernel, client, cell["source"], left if given else min(CELL, left))
            left -= time.monotonic() - start
            done.append((cell, time.monotonic() - start, wrong or ENDED))
            # What all else builds on is given without this tag: Jupyter, too, stops there.
            needed = given and "raises-exception" not in cell["metadata"].get("tags", [])
            if wrong is None or left <= 0 or (needed and wrong != FINE):
                break
    finally:
        client.stop_channels()
        kernel.shutdown_kernel(now=True)
    return done


def execute(kernel, client, source, most):
    """What went wrong in a cell that may take `most` seconds; None if it ended its Python."""
    sent = client.execute(source, allow_stdin=False, stop_on_error=False)
    end, late = time.monotonic() + most, False
    while kernel.is_alive() and time.monotonic() < end + 10:
        try:
            message = client.get_shell_msg(timeout=1)
        except Empty:
            if late := time.monotonic() > end:
                kernel.interrupt_kernel()
            continue
        if message["parent_header"].get("msg_id") != sent:
            continue  # what was asked while the kernel started
        reply = message["content"]
        if late:
            return f"It took more than {most:.0f} seconds and was stopped."
        if reply["status"] == "ok":
            return FINE
        wrong = f"{reply['ename']}: {reply['evalue']}"[:500].removesuffix(": ")
        plain = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(reply["traceback"]))
        lines = re.findall(r"^-+> *\d+ (.*)", plain, re.M)  # the first is the cell's own
        told = reply["ename"] == "AssertionError" or not lines
        return wrong if told else f"{wrong} (in the line: {lines[0].strip()[:200]})"
    return None


def problems(cells, done):
    """What is missing or wrong, a sentence each."""
    names, found = titles(cells), []
    said = {id(cell): wrong for cell, _, wrong in done}
    tests = {label(c, "grade"): said.get(id(c), FINE) for c in cells}
    if nameless(cells):
        found.append("Your name is missing: write it as STUDENT, between quotation marks.")
    for cell in cells:
        name, wrong, text = label(cell, "solution"), said.get(id(cell), FINE), cell["source"]
        title = names.get(name) or first(cell)
        code = re.sub(r"^\s*#.*", "", text, flags=re.M) if is_code(cell) else text
        if PLACEHOLDER.search(text.strip()) or (name and not code.strip()):
            line = "raise NotImplementedError()" if is_code(cell) else "YOUR ANSWER HERE"
            found.append(f"{title} – no answer yet (or its line `{line}` is still there).")
        elif name and wrong != FINE:
            found.append(f"{title} – your cell fails. {wrong}")
        elif name and (wrong := tests.get(f"{name}_t", FINE)) != FINE:
            wrong = wrong.removeprefix("AssertionError: ")
            if wrong.startswith("NotImplementedError"):
                wrong = "It needs another answer, which is not there yet."
            found.append(f"{title} – a test fails. {wrong}")
        elif wrong != FINE and not label(cell, "grade"):
            found.append(f"{title} fails. {wrong}")
    if len(done) < len([*filter(is_code, cells)]):
        found.append(f"Nothing was run after {first(done[-1][0])}.")
    return found


def is_code(cell):
    return cell["cell_type"] == "code" and bool(cell["source"].strip())


def first(cell):
    return f"the cell “{[*cell['source'].strip().splitlines(), ''][0][:50]}”"


def main(arguments):
    """Print what is to be done. Gives the exit status: 0 only if the notebook is ready."""
    sys.stdout.reconfigure(errors="replace")
    path = Path(*arguments[:1])
    if path == Path():
        sys.exit("Say which notebook: make check FILE=work/assignments/03-counting.ipynb")
    try:
        cells = read(path)
    except ValueError as problem:
        sys.exit(str(problem))
    saved = time.strftime("%H:%M:%S", time.localtime(path.stat().st_mtime))
    print(f"{path.name} as it was saved at {saved}. If you have changed it since, save first.")
    print("It is run from top to bottom in a fresh Python. That may take minutes.\n", flush=True)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        done = run(cells, folder)
    found, total = problems(cells, done), sum(seconds for _, seconds, _ in done)
    slow = [f"{first(c)} is slow: it took {s:.0f} seconds." for c, s, _ in done if s > SLOW]
    for line in found + slow:
        print(f"- {line[0].upper()}{line[1:]}")
    print(f"\nAll took {total:.0f} seconds. {NOTEBOOK} are allowed, {CELL} of them for a cell.")
    if found:
        print("Not ready yet. You may hand it in all the same: what is right counts.")
        return 1
    passed = sum(bool(label(cell, "grade")) for cell, _, _ in done)
    print(f"Ready to hand in: all is answered, and the tests of {passed} questions pass.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
