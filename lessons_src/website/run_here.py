"""*Run here*: cells that Python runs in the page itself, and the workbench of the assignments.

A chapter's cell is chosen if all of it needs only Python's library, NumPy and modules of `cnnlab`
that need no more than these: which ones, is found out from what they import. What else a chosen
cell takes is a slice of the statements above it. An assignment is chosen as a whole, or not at all.

Python is Pyodide: the files lie in the folder CNNLAB_PYODIDE, or the build fetches them. The site
holds them as scripts, which a page opened from disk may load, too; a page that nobody presses a
button on loads none.
"""

import ast
import builtins
import gzip
import hashlib
import json
import os
import sys
from base64 import b64encode
from dataclasses import dataclass, field
from functools import cache
from html import escape
from pathlib import Path

import nbformat
from docutils import nodes
from rules import TITLE
from sphinx.errors import ExtensionError

from website.cells import cells

SOURCES = Path(__file__).resolve().parent.parent
CHAPTERS, ASSIGNMENTS = "book/0[2-5]-*.ipynb", "book/assignments/*.ipynb"
VERSION = "0.27.7"
ADDRESS = f"https://cdn.jsdelivr.net/pyodide/v{VERSION}/full/"  # Pyodide's own
# Files of the release; the lock file says which NumPy is made for it, and that file's hash.
LOCK = "pyodide-lock.json"
FILES = {
    LOCK: "9c45b916001a750f4102fc287494f3eab215909c7535c626a20db80fd6333e2c",
    "pyodide.js": "b4cb23a53aba19c221659b9fb40a2f18281d685691dc06647fb0afd0681baf98",
    "pyodide.asm.js": "6b4c90de5b7172873f04f21884d0e9d2274e305fe32116558fe3e4fbe3618d51",
    "pyodide.asm.wasm": "a50dd1843f805a0b7c45b61037ee0d7b26dfe85efe0e18ef95a34ad24e401f5f",
    "python_stdlib.zip": "16611534726e5d8ac2bd8f926410b2dcb8d6f49aa24913463533b457a2115c16",
}
DIGITS = "digits.npz"  # what cnnlab.data reads
PIECE = 1_000_000  # characters of a script
# What a page has no use for: it has no other processes, and its live pieces are not Python's.
NOT_HERE = {"multiprocessing", "socket", "subprocess", "cnnlab.pieces"}
# Methods that change what they belong to.
CHANGING = {
    *("add", "append", "clear", "extend", "fill", "insert", "pop", "remove", "setdefault"),
    *("shuffle", "sort", "update"),
}
UNSEEN = {"remove-cell", "remove-input"}


# --- What can be imported in a page ---


@cache
def module(name):
    """The syntax tree of a module of the course, or None if there is no such module."""
    place = SOURCES.joinpath(*name.split("."))
    for path in (place.with_suffix(".py"), place / "__init__.py"):
        if path.is_file():
            return ast.parse(path.read_text("utf-8"))
    return None


def imports(node):
    """{name that an import binds: (the module, its part or None)}."""
    if isinstance(node, ast.Import):
        return {a.asname or a.name.split(".")[0]: (a.name, None) for a in node.names}
    found = {}
    for a in node.names:
        inner = f"{node.module}.{a.name}"
        found[a.asname or a.name] = (inner, None) if module(inner) else (node.module, a.name)
    return found


@cache
def whole(name):
    """Whether all of a module can be had in a page."""
    top = name.split(".")[0]
    if top in NOT_HERE or name in NOT_HERE:
        return False
    if top != "cnnlab":
        return top == "numpy" or top in sys.stdlib_module_names
    statements = (n for n in module(name).body if isinstance(n, ast.Import | ast.ImportFrom))
    return all(whole(used) for n in statements for used, _ in imports(n).values())


@cache
def passed_on(name):
    """{name: (module, part)} of what a module of the course only hands on, such as tables of
    `cnnlab.figures`, and what a page has of it if it cannot have it all."""
    if not name.startswith("cnnlab.") or not module(name):
        return {}
    return {
        bound: (used, part)
        for n in module(name).body
        if isinstance(n, ast.ImportFrom)
        for bound, (used, part) in imports(n).items()
        if part and bound in {a.asname for a in n.names} and whole(used)
    }


def package():
    """{path: text} of what a page has of `cnnlab`."""
    found = {}
    for path in sorted((SOURCES / "cnnlab").glob("*.py")):
        name = "cnnlab" if path.stem == "__init__" else f"cnnlab.{path.stem}"
        if whole(name):
            found[f"cnnlab/{path.name}"] = path.read_text("utf-8")
        elif passed_on(name):
            lines = [f"from {used} import {part}" for used, part in passed_on(name).values()]
            found[f"cnnlab/{path.name}"] = "\n".join(lines) + "\n"
    return found


# --- What a cell needs ---


@dataclass
class Step:
    """A statement that can run in the page, or a whole cell."""

    cell: int  # its number; -1 for a statement of a cell that the page does not run
    text: str
    sets: set = field(default_factory=set)
    needs: set = field(default_factory=set)  # numbers of steps
    kind: str = "given"  # in an assignment, also "answer" and "test"


class Names(ast.NodeVisitor):
    """The global names that a statement uses, sets, and changes."""

    def __init__(self, node):
        self.uses, self.sets, self.changes = set(), set(), set()
        self.attributes = set()  # (name, attribute)
        self.local = [self.sets]  # what is bound so far: by the statement, by functions in it
        self.visit(node)

    def visit_Name(self, node):
        if not isinstance(node.ctx, ast.Load):
            self.local[-1].add(node.id)
        elif not any(node.id in names for names in self.local):
            self.uses.add(node.id)

    def visit_Assign(self, node):
        self.visit(node.value)  # before it has its name
        for target in node.targets:
            self.visit(target)

    def visit_For(self, node):
        for part in [node.iter, node.target, *node.body, *node.orelse]:
            self.visit(part)

    def visit_Attribute(self, node):
        if isinstance(node.value, ast.Name):
            self.attributes.add((node.value.id, node.attr))
        if not isinstance(node.ctx, ast.Load):
            self.changes.add(root(node))
        self.generic_visit(node)

    def visit_Subscript(self, node):
        if not isinstance(node.ctx, ast.Load):
            self.changes.add(root(node))
        self.generic_visit(node)

    def visit_AugAssign(self, node):
        if isinstance(node.target, ast.Name):
            self.visit(ast.Name(node.target.id, ast.Load()))
        self.generic_visit(node)

    def visit_Call(self, node):
        if isinstance(node.func, ast.Attribute) and node.func.attr in CHANGING:
            self.changes.add(root(node.func))
        self.generic_visit(node)

    def inner(self, parts, names):
        self.local.append(names)
        for part in parts:
            self.visit(part)
        self.local.pop()

    def visit_FunctionDef(self, node):
        self.local[-1].add(node.name)
        for part in [*node.decorator_list, *defaults(node.args)]:
            self.visit(part)
        self.inner(node.body, arguments(node.args) | assigned(node.body))

    def visit_Lambda(self, node):
        for part in defaults(node.args):
            self.visit(part)
        self.inner([node.body], arguments(node.args))

    def comprehension(self, node):
        names = {
            n.id for g in node.generators for n in ast.walk(g.target) if isinstance(n, ast.Name)
        }
        self.inner(ast.iter_child_nodes(node), names)

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = comprehension

    def visit_ClassDef(self, node):
        self.sets.add(node.name)
        self.generic_visit(node)


def root(node):
    """The name in front of `name.part[…]`; "" if there is none."""
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Starred):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def arguments(node):
    every = [*node.posonlyargs, *node.args, *node.kwonlyargs, node.vararg, node.kwarg]
    return {argument.arg for argument in every if argument}


def defaults(node):
    return [value for value in [*node.defaults, *node.kw_defaults] if value]


def assigned(body):
    """Names that a function's body binds."""
    return {
        n.id if isinstance(n, ast.Name) else n.name
        for statement in body
        for n in ast.walk(statement)
        if (isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store))
        or isinstance(n, ast.FunctionDef)
    }


class Plan:
    """What can run of a notebook's cells, in order.

    `steps`: whole cells that are chosen, and single statements of others; `chosen`: {number of a
    cell: its step}.
    """

    def __init__(self, cells):
        self.steps, self.chosen = [], {}
        self.made = {}  # name: numbers of the steps that make it what it is; None: not to be had
        self.modules = {}  # name: module
        self.closures = {}  # name of a function: the global names that it reads when it is called
        self.dice = set()  # names of random generators: who uses one, changes it
        for number, cell in enumerate(cells):
            if cell.cell_type == "code":
                self.read(number, cell)
        # Who edits a cell may use whatever is imported above it.
        loads = {n for n, s in enumerate(self.steps) if s.text.startswith(("import ", "from "))}
        for number, step in enumerate(self.steps):
            if step.cell in self.chosen:
                step.needs |= {n for n in loads if n < number}

    def read(self, number, cell):
        tags = set(cell.metadata.get("tags", []))
        statements = ast.parse(cell.source).body
        first = len(self.steps)
        fine = [self.statement(cell.source, node) for node in statements]
        only_imports = all(isinstance(n, ast.Import | ast.ImportFrom) for n in statements)
        a_step = "hide-input" in tags and not cell.outputs  # folded, and shows nothing
        if not all(fine) or only_imports or a_step or tags & UNSEEN:
            return
        # All of it runs: then it is one step.
        parts = self.steps[first:]
        own = set(range(first, len(self.steps)))
        step = Step(number, cell.source)
        for part in parts:
            step.sets |= part.sets
            step.needs |= part.needs - own
        self.steps[first:] = [step]
        self.chosen[number] = step
        for name, steps in self.made.items():
            if steps and steps & own:
                self.made[name] = (steps - own) | {first}

    def statement(self, source, node):
        """Note what a statement does; whether the page can run it."""
        text = ast.get_source_segment(source, node)
        if isinstance(node, ast.Import | ast.ImportFrom):
            return all([self.imported(*entry) for entry in imports(node).items()])
        names = Names(node)
        uses = self.reached(names.uses)
        changes = names.changes & self.made.keys() - self.modules.keys() | (uses & self.dice)
        needs = set()
        fine = True
        for name in uses | (changes - names.sets):
            if name in self.made:
                fine = fine and self.made[name] is not None
                needs |= self.made[name] or set()
            elif not hasattr(builtins, name):
                fine = False
        for name, attribute in names.attributes:
            used = self.modules.get(name)
            if used and not whole(used) and attribute not in passed_on(used):
                fine = False
        here = None
        if fine:
            here = len(self.steps)
            self.steps.append(Step(-1, text, names.sets | changes, needs))
        for name in names.sets | changes:
            self.made[name] = (needs | {here}) if fine else None
            self.modules.pop(name, None)
        if isinstance(node, ast.FunctionDef):
            self.closures[node.name] = names.uses
        if isinstance(node, ast.Assign) and "default_rng" in ast.unparse(node.value):
            self.dice |= names.sets
        return fine

    def reached(self, uses):
        """The names that are used, and those that the functions among them read."""
        found, new = set(), set(uses)
        while new:
            found |= new
            new = set().union(*(self.closures.get(name, set()) for name in new)) - found
        return found

    def imported(self, bound, entry):
        used, part = entry
        known = passed_on(used) if not whole(used) else None
        fine = whole(used) if part is None and not known else known is None or part in known
        if part is None and known:
            fine = True
        self.made[bound] = None
        if not fine:
            return False
        way = f"from {used} import {part}" if part else f"import {used}"
        if not part and "." in used:
            top, last = used.rsplit(".", 1)
            way = f"from {top} import {last}"
        name = way.rsplit(" ", 1)[1]
        text = way if name == bound else f"{way} as {bound}"
        self.made[bound] = {len(self.steps)}
        self.steps.append(Step(-1, text, {bound}))
        if part is None:
            self.modules[bound] = used
        return True


def workbench(cells):
    """The steps of an assignment that a page can run, or None if it cannot run all of it.

    A cell needs all cells above it but the tests. The check at the end is no part of it: the page
    does the same.
    """
    *code, _check = [(n, cell) for n, cell in enumerate(cells) if cell.cell_type == "code"]
    steps = []
    for number, cell in code:
        statements = ast.parse(cell.source).body
        used = [n for n in statements if isinstance(n, ast.Import | ast.ImportFrom)]
        if not all(whole(name) for n in used for name, _ in imports(n).values()):
            return None
        about = cell.metadata.get("nbgrader", {})
        kind = "answer" if about.get("solution") else "test" if about.get("grade") else "given"
        needs = {n for n, step in enumerate(steps) if step.kind != "test"}
        sets = set().union(*(Names(node).sets for node in statements))
        steps.append(Step(number, cell.source, sets, needs, kind))
    return steps


# --- The runtime ---


def runtime():
    """{name: content} of Python's files, each of them checked; or in words why there is none."""
    folder = os.environ.get("CNNLAB_PYODIDE", "").strip()
    if folder and not Path(folder).is_dir():
        raise ExtensionError(f"CNNLAB_PYODIDE is {folder!r}, which is no folder.")
    found, wanted = {}, dict(FILES)
    while wanted:
        name, sha256 = wanted.popitem()
        try:
            path = Path(folder, name) if folder else fetched(name, sha256)
            found[name] = path.read_bytes()
        except (OSError, ValueError) as problem:
            if folder:
                raise ExtensionError(f"CNNLAB_PYODIDE: {name} is missing in {folder}.") from None
            return f"{name} is not to be had ({type(problem).__name__})"
        if hashlib.sha256(found[name]).hexdigest() != sha256:
            raise ExtensionError(f"{path} is not that of Pyodide {VERSION}. Get it anew.")
        if name == LOCK:
            numpy = json.loads(found[name])["packages"]["numpy"]
            wanted[numpy["file_name"]] = numpy["sha256"]
    return found


def fetched(name, sha256):
    """The path of a file that pooch keeps, once it has been fetched."""
    import pooch

    pooch.get_logger().setLevel("WARNING")
    folder = pooch.os_cache("cnnlab") / f"pyodide-{VERSION}"
    get = pooch.HTTPDownloader(timeout=(10, 30))
    return Path(pooch.retrieve(ADDRESS + name, sha256, name, folder, downloader=get))


def wrapped(name, content):
    """A file as the texts of scripts, each with a piece of it: packed, and in base64."""
    text = b64encode(gzip.compress(content, mtime=0)).decode()
    pieces = [text[i : i + PIECE] for i in range(0, len(text), PIECE)]
    return [f'cnn.python.take("{name}", {n}, "{piece}");\n' for n, piece in enumerate(pieces)]


# --- The site ---


class RunHere(nodes.General, nodes.Element):
    """The button of a cell."""


class Workbench(nodes.General, nodes.Element):
    """What stands at the head of an assignment that can be done on its page."""


def show_button(self, node):
    if self.config.run_here:
        self.body.append(
            f'<button type="button" class="run-here needs-script" data-cell="{node["cell"]}">'
            f"{escape(node['label'])}</button>\n"
        )
    raise nodes.SkipNode


def show_workbench(self, node):
    if self.config.run_here:
        self.body.append(
            '<div class="workbench needs-script"><p><strong>You can do this assignment on this '
            "page</strong>, and need to install nothing. <em>answer here</em> opens an editor. "
            "Your work is kept in this browser only: download it, and hand in that file. If your "
            "teacher gave you a notebook, use that one instead.</p>\n"
            '<p><button type="button" class="run-here" data-cell="all">run all tests</button> '
            '<button type="button" class="run-here" data-cell="download">download my notebook'
            '</button></p><div class="run-said" role="status"></div></div>\n'
        )
    raise nodes.SkipNode


@cache
def page(path):
    """The steps of a notebook that its page can run, and which of them have a button; or None."""
    if path.match(ASSIGNMENTS):
        steps = workbench(nbformat.read(path, as_version=4).cells)
        return steps and (steps, {s.cell: "answer here" for s in steps if s.kind == "answer"})
    if path.match(CHAPTERS):
        plan = Plan(nbformat.read(path, as_version=4).cells)
        return plan.steps, dict.fromkeys(plan.chosen, "edit and run here")
    return None


def read(app, document):
    """Put the buttons under the code of the cells."""
    path = Path(app.env.doc2path(app.env.docname))
    found = page(path)
    if not found:
        return
    _, buttons = found
    for cell in cells(document):
        number = cell["cell_index"]
        if number in buttons:
            [code] = [n for n in cell.findall(nodes.container) if is_code(n)]
            place = code.parent  # where code is folded, the button is, too
            place.insert(place.index(code) + 1, RunHere(cell=number, label=buttons[number]))
    if path.match(ASSIGNMENTS):
        document[0].insert(1, Workbench())
        texts = [n for n in document.findall(nodes.paragraph) if n.astext() == "YOUR ANSWER HERE"]
        for number, text in zip(written(path), texts, strict=True):
            text.parent.insert(
                text.parent.index(text) + 1, RunHere(cell=number, label="answer here")
            )


def is_code(node):
    return node.get("nb_element") == "cell_code_source"


def written(path):
    """The numbers of the cells that are answered in words."""
    found = nbformat.read(path, as_version=4).cells
    return [
        number
        for number, cell in enumerate(found)
        if cell.cell_type == "markdown" and cell.metadata.get("nbgrader", {}).get("solution")
    ]


def find(app, config):
    """Look for Python's files before anything is built."""
    found = runtime()
    if isinstance(found, str):
        print(f"The site is built without *Run here*: {found}. CNNLAB_PYODIDE=folder helps.")
        found = {}
    app.python_files = found
    config.run_here = bool(found)


def script(app, name, template, context, document):
    if app.config.run_here and page(Path(app.srcdir, f"{name}.ipynb")):
        app.add_js_file("run-here.js", loading_method="defer", **{"data-page": Path(name).name})


def write(app, error):
    """Write Python, and of each page what it can run."""
    if error or app.builder.format != "html" or not app.config.run_here:
        return
    folder = Path(app.outdir, "_static", "python")
    (folder / "pages").mkdir(parents=True, exist_ok=True)
    files = app.python_files | {DIGITS: (SOURCES / "cnnlab" / DIGITS).read_bytes()}
    pieces = {}
    for name, content in files.items():
        texts = wrapped(name, content)
        pieces[name] = [len(text) for text in texts]
        for number, text in enumerate(texts):
            (folder / f"{name}.{number}.js").write_text(text, "utf-8")
    boot = Path(__file__).with_name("in_the_page.py").read_text("utf-8")
    known = {"pieces": pieces, "modules": package(), "boot": boot}
    (folder / "index.js").write_text(as_script("python", known), "utf-8")
    for name in sorted(app.env.found_docs):
        path = Path(app.srcdir, f"{name}.ipynb")
        if path.is_file() and page(path):
            (folder / "pages" / f"{path.stem}.js").write_text(about(app, name, path), "utf-8")


def about(app, name, path):
    """The script that tells a page what it can run."""
    steps, _ = page(path)
    told = {
        "name": path.stem,
        "steps": [
            {"cell": s.cell, "kind": s.kind, "text": without_title(s.text),
             "sets": sorted(s.sets), "needs": sorted(s.needs)}
            for s in steps
        ],
        "files": [DIGITS] if any("cnnlab import data" in s.text for s in steps) else [],
    }  # fmt: skip
    if path.match(ASSIGNMENTS):
        # What the site offers may hold one cell more than the page: they have names, too.
        offered = Path(app.outdir, "_sources", f"{name}.ipynb").read_text("utf-8")
        here = nbformat.read(path, as_version=4).cells
        names = [cell.metadata.get("nbgrader", {}).get("grade_id") for cell in here]
        told |= {"notebook": json.loads(offered), "names": names}
    return as_script("page", told)


def without_title(text):
    """A cell's code without the line that only notebooks show."""
    return text.partition("\n")[2] if text.startswith(TITLE) else text


def as_script(name, value):
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return f"(globalThis.cnn ??= {{}}).{name} = {text};\n"


def setup(app):
    """Called by Sphinx."""
    app.add_config_value("run_here", False, "html")
    app.add_node(RunHere, html=(show_button, None))
    app.add_node(Workbench, html=(show_workbench, None))
    app.add_css_file("run-here.css")
    app.connect("config-inited", find)
    app.connect("doctree-read", read)
    app.connect("html-page-context", script)
    app.connect("build-finished", write)
