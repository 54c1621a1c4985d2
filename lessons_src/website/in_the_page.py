"""What runs cells of Python in a page of the site: in a worker, in Pyodide.

It needs Python's own library and nothing of the page: the worker, which
book/_static/run-cells.js starts, hands over `send`.
"""

import ast
import builtins
import io
import linecache
import reprlib
import sys
import time
import traceback
import types

MOST = 200_000  # characters of output that a page shows of one run
PIECE, PAUSE = 16_000, 0.1  # characters and seconds from one piece of output to the next


class Output(io.TextIOBase):
    """Collects what is printed, and sends it in pieces, so that the page has time to breathe."""

    def __init__(self, send):
        self.send = send
        self.begin()

    def begin(self):
        self.parts, self.waiting, self.written, self.last = [], 0, 0, 0.0

    def write(self, text):
        room = MOST - self.written
        self.written += len(text)
        if room > 0:
            self.parts.append(text[:room])
            self.waiting += len(self.parts[-1])
            if self.waiting > PIECE or time.monotonic() - self.last > PAUSE:
                self.flush()
        return len(text)

    def flush(self):
        if self.parts:
            self.send("text", "".join(self.parts))
        self.parts, self.waiting, self.last = [], 0, time.monotonic()

    @property
    def left_out(self):
        """How many characters were printed that the page does not show."""
        return max(0, self.written - MOST)


class Markdown(str):
    """A sentence; stands in for IPython's class of this name."""


class Room:
    """The names that all cells of a page share, and what runs the cells."""

    def __init__(self, send):
        """`send(kind, text)` takes what a cell shows: "text", "html" or "markdown"."""
        self.send = send
        self.names = {"__name__": "__main__", "__builtins__": builtins, "display": self.display}
        self.output = sys.stdout = sys.stderr = Output(send)
        self.shown = False
        self.cells = set()  # the names of all that were run
        stand_in = types.ModuleType("IPython.display")
        stand_in.display, stand_in.Markdown = self.display, Markdown
        sys.modules["IPython"] = types.ModuleType("IPython")
        sys.modules["IPython.display"] = stand_in

    def display(self, *values):
        for value in values:
            self.shown = True
            self.output.flush()
            if isinstance(value, Markdown):
                self.send("markdown", str(value))
            elif hasattr(value, "_repr_html_"):
                self.send("html", value._repr_html_())
            else:
                self.output.write(f"{value!r}\n")

    def run(self, name, text):
        """Run a cell; what went wrong, in words, or "".

        Its output is sent, and the value of its last line; if there is neither, the values of the
        names that it sets.
        """
        self.output.begin()
        self.shown = False
        self.cells.add(name)
        linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
        try:
            body = ast.parse(text, name).body
            last = body.pop() if body and isinstance(body[-1], ast.Expr) else None
            exec(compile(ast.Module(body, []), name, "exec"), self.names)
            if last:
                value = eval(compile(ast.Expression(last.value), name, "eval"), self.names)
                if value is not None and not text.rstrip().endswith(";"):
                    self.display(value)
            if not self.shown and not self.output.written:
                self.tell(body)
        except BaseException as problem:  # also sys.exit(), which would end nothing here
            return in_words(problem, name, self.cells)
        finally:
            self.output.flush()
        return ""

    def tell(self, body):
        """Say what the names hold that a cell sets."""
        simple = [part for part in body if not isinstance(part, COMPOUND)]
        found = [n for part in simple for n in ast.walk(part)]
        inner = [n.target for n in found if isinstance(n, ast.comprehension)]
        inner = {n for target in inner for n in ast.walk(target)}  # names that end with their line
        names = [n for n in found if isinstance(n, ast.Name) and n not in inner]
        told = dict.fromkeys(n.id for n in names if isinstance(n.ctx, ast.Store))
        for name in told:
            if name in self.names and not name.startswith("_"):
                self.output.write(f"{name} = {brief(self.names[name], len(name) + 3)}\n")


COMPOUND = ast.FunctionDef | ast.ClassDef | ast.For | ast.While | ast.If | ast.With | ast.Try


def brief(value, indent=0):
    """A value in a few lines."""
    shape = getattr(value, "shape", None)
    if shape == ():
        return repr(value.item())
    if shape is None or type(value).__name__ != "ndarray":
        shorter = reprlib.Repr()
        shorter.maxother = shorter.maxstring = 200
        shorter.maxdict = shorter.maxlist = shorter.maxtuple = 12
        return shorter.repr(value)
    if value.size > 100:
        return f"an array of {' × '.join(map(str, shape))} numbers ({value.dtype})"
    return repr(value).replace("\n", "\n" + " " * indent)


def in_words(problem, name, cells):
    """What went wrong in a cell, and in which line of it or of another of the `cells`."""
    kind, said = type(problem).__name__, str(problem)
    line, where = None, name
    if isinstance(problem, SyntaxError) and problem.filename == name:
        line, said = problem.lineno, problem.msg
    else:
        for frame in traceback.extract_tb(problem.__traceback__):
            if frame.filename in cells:
                line, where = frame.lineno, frame.filename
    code = linecache.getline(where, line).strip() if line else ""
    of = "" if where == name else " of a cell further up"
    place = f"Line {line}{of}, {code}\n" if line else ""
    if isinstance(problem, AssertionError):
        return said or f"{place}This should hold, and does not."
    if isinstance(problem, NotImplementedError):
        return (
            f"{place}An answer is still missing here. When you have written it, delete this line."
        )
    if isinstance(problem, ModuleNotFoundError):
        return (
            f"{place}There is no {problem.name} in this page, only Python's own library, NumPy and "
            "the parts of cnnlab that need no more. In the notebook you have all of it."
        )
    if isinstance(problem, NameError) and problem.name:
        return (
            f"{place}There is no {problem.name} here. Perhaps it is misspelt, or a cell further up "
            "makes it that was not run; what needs Keras or draws runs in the notebook only."
        )
    return f"{place}{kind}: {said}" if said else f"{place}{kind}"
