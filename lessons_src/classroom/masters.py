"""Assignment masters: one text with solutions and hidden tests, and what is made of it.

A master is a MyST notebook in lessons_src/assignments/ with nbgrader's cell labels. nbgrader turns
it into the students' copy. This module adds what nbgrader does not promise: that the solution earns
every point, that the unedited copy earns none, and that nothing secret is left in it.
"""

import ast
import contextlib
import copy
import io
import os
import re
import tempfile
import warnings
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import nbformat
import yaml
from cnnlab import check
from cnnlab.files import written_whole
from nbgrader import preprocessors as nbg
from nbgrader.utils import is_grade, is_solution
from nbgrader.validator import Validator
from traitlets.config import Config

from .notebooks import alone, from_text

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "lessons_src" / "assignments"
PAGES = ROOT / "book" / "assignments"
MARK = re.compile(r"\b(BEGIN|END) (SOLUTION|HIDDEN TESTS|MARK SCHEME)\b")
CLASS = 200  # students: personal questions have at least so many variants …
FEW = "few-variants"  # … unless the cell that makes them has this tag
COHORT = re.compile(r"[^\"'{}\\\x00-\x1f]{1,60}")  # it stands in a string of the tests' code
LONGEST = 1_000_000  # characters of a cell that is looked into
MAGIC = re.compile(r"^[ \t]*[%!].*$", re.M)  # a line of Jupyter's own, not of Python
ENVIRONMENT = {**check.LIKE_GRADING, "PYTHONWARNINGS": "ignore", check.RUNNING: "1"}


class MasterError(Exception):
    """A master that cannot be released; the message says what to change in it."""


def label(cell):
    """The name that nbgrader gives a cell, or None."""
    return cell.get("metadata", {}).get("nbgrader", {}).get("grade_id")


def is_test(cell):
    return cell.cell_type == "code" and is_grade(cell) and not is_solution(cell)


def by_hand(cell):
    """Is this an answer that a person reads and grades?"""
    return is_grade(cell) and is_solution(cell)


def question(cell):
    """The question that a graded cell belongs to: `slide` for the cell `slide_t`."""
    return label(cell).removesuffix("_t")


def parsed(source):
    """The tree of a cell; an empty one if the cell is no Python, or too long or too deep to read.

    What a student wrote may be anything: `ast.parse` raises five kinds of error.
    """
    source = source if len(source) < LONGEST else ""
    for text in (source, MAGIC.sub("", source)):
        wrong = SyntaxError, ValueError, RecursionError, MemoryError, OverflowError
        with contextlib.suppress(*wrong), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of `\\d` in a text, `1 is 1`
            return ast.parse(text)
    return ast.Module([], [])


def uses(source):
    """The names that a cell reads."""
    tree = parsed(source)
    return {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and _loaded(n)}


def makes(source):
    """The names that a cell gives to things, for later cells; not those inside of functions."""
    todo, found = [parsed(source)], set()
    inner = (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
    while todo:
        node = todo.pop()
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            found |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
        elif not isinstance(node, inner):
            if isinstance(node, ast.Name) and not _loaded(node):
                found.add(node.id)
            todo += ast.iter_child_nodes(node)
    return found


def asks_for(source):
    """The modules that a cell imports, also by a text: `import_module("scipy.signal")`."""
    found = set()
    for node in ast.walk(parsed(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
        elif isinstance(node, ast.Call):
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if called in ("import_module", "__import__"):
                found |= {a.value for a in node.args if isinstance(a, ast.Constant)}
    return {name.split(".")[0] for name in found if isinstance(name, str)}


def _loaded(name):
    return isinstance(name.ctx, ast.Load)


def visible(source):
    """A test without what is hidden in it."""
    return "\n".join(line for line, kind in split(source) if not kind)


def split(source):
    """Each line of a cell with the kind of region it stands in: "", "SOLUTION" or "HIDDEN TESTS".

    The lines that mark a region belong to it.
    """
    kind, lines = "", []
    for line in source.splitlines():
        mark = MARK.search(line)
        if mark and mark[1] == "BEGIN":
            kind = mark[2]
        lines.append((line, kind or (mark[2] if mark else "")))
        if mark and mark[1] == "END":
            kind = ""
    return lines


@dataclass
class Master:
    """One assignment. `cohort` is the class that takes it; variants depend on it."""

    path: Path
    cohort: str = "demo"

    @property
    def name(self):
        return self.path.stem

    @cached_property
    def notebook(self):
        """The master itself, with solutions and hidden tests."""
        text = self.path.read_text(encoding="utf-8")
        return from_text(text.replace("@CLASS@", self.cohort))

    @property
    def title(self):
        found = re.search(r"^# (.+)$", self.notebook.cells[0].source, re.M)
        return found[1] if found else self.name

    @cached_property
    def template(self):
        """The notebook to grade by: solutions out, hidden tests in."""
        return _convert(
            self.notebook,
            *(nbg.CheckCellMetadata, nbg.LockCells, nbg.ClearSolutions, nbg.ComputeChecksums),
        )

    @cached_property
    def student_copy(self):
        """What students get. *Run all* goes on after an answer that is not there yet, or wrong; it
        stops only where something is given that all the rest needs."""
        notebook = _convert(self.template, nbg.ClearHiddenTests, nbg.ComputeChecksums)
        for cell in notebook.cells:
            if cell.cell_type == "code" and label(cell) not in self.needed:
                cell.metadata.tags = [*cell.metadata.get("tags", []), "raises-exception"]
        return notebook

    @cached_property
    def graded(self):
        """The cells that carry points, in order."""
        return [cell for cell in self.template.cells if is_grade(cell)]

    @cached_property
    def points(self):
        """{question: its most points}"""
        return {question(c): float(c.metadata.nbgrader.points) for c in self.graded}

    @cached_property
    def titles(self):
        """{question: what stands above it in the notebook}"""
        found = check.titles(self.template.cells)
        return {name: found.get(name, name) for name in self.points}

    @cached_property
    def needed(self):
        """The labels of the locked cells that tests build on."""
        names, found = set(), set()
        for cell in reversed(self.template.cells):
            if cell.cell_type != "code" or is_solution(cell):
                continue
            if is_test(cell) or names & makes(cell.source):
                names |= uses(cell.source)
                found |= set() if is_test(cell) else {label(cell)}
        return found

    @cached_property
    def variants(self):
        """{question: how many variants `pick` draws its own numbers from}; runs the given cells."""
        given = [cell.source for cell in self.template.cells if label(cell) in self.needed]
        calls = [
            node
            for cell in self.notebook.cells
            for node in ast.walk(parsed(cell.source if cell.cell_type == "code" else ""))
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "pick"
        ]
        names, found = {"STUDENT": "the master"}, {}
        with contextlib.redirect_stdout(io.StringIO()):
            for source in given if calls else []:
                exec(source, names)
        for call in calls:
            with contextlib.suppress(NameError):  # in `pick` itself, or in a function
                question, options = (eval(ast.unparse(one), names) for one in call.args)
                found[question] = len(set(map(repr, options)))
        return found

    @cached_property
    def unwanted(self):
        """The modules that answers should do without: tags of its cells, `without-scipy`."""
        tags = (tag for cell in self.template.cells for tag in cell.metadata.get("tags", ()))
        return {tag.removeprefix("without-") for tag in tags if tag.startswith("without-")}

    @cached_property
    def secrets(self):
        """The lines that no student may see: those of the regions that stand nowhere else."""
        shown, secret = set(), set()
        for cell in self.notebook.cells:
            lines = split(cell.source)
            if is_solution(cell) and not any(kind for _, kind in lines):
                lines = [(line, "SOLUTION") for line, _ in lines]  # nbgrader clears all of it
            for line, kind in lines:
                (secret if kind else shown).add(line.strip())
        return {line for line in secret - shown if len(line) >= 8 and not MARK.search(line)}

    def made_for(self, notebook):
        """The class that a student's copy was made for; None if it does not tell."""
        line = re.search(r"^.*@CLASS@.*$", self.path.read_text(encoding="utf-8"), re.M)
        if not line:
            return None
        start, _, end = line[0].strip().partition("@CLASS@")
        for text in (line.strip() for cell in notebook.cells for line in cell.source.splitlines()):
            if text.startswith(start) and text.endswith(end):
                found = text[len(start) : len(text) - len(end)]
                if COHORT.fullmatch(found):
                    return found
        return None

    def model_answer(self, name):
        """What the master itself answers to a question."""
        for cell in self.notebook.cells:
            if is_solution(cell) and label(cell) == name:
                return "\n".join(line for line, _ in split(cell.source) if not MARK.search(line))
        return ""


def _convert(notebook, *steps):
    notebook, resources = copy.deepcopy(notebook), {}
    for step in steps:
        notebook, resources = step().preprocess(notebook, resources)
    return notebook


def find(folder=FOLDER, cohort="demo"):
    """All masters of a folder, by name."""
    masters = {path.stem: Master(path, cohort) for path in sorted(Path(folder).glob("*.md"))}
    if not masters:
        raise MasterError(f"There is no master (NAME.md) in {folder}.")
    return masters


def faults(master):
    """What is wrong with the text of a master, one sentence each."""
    found = []
    questions = [question(cell) for cell in master.graded]
    for name in sorted({q for q in questions if questions.count(q) > 1}):
        found.append(f"Two graded cells belong to the question {name}.")
    for cell in filter(is_test, master.template.cells):
        try:
            tree = ast.parse(cell.source)
        except SyntaxError as error:
            found.append(f"The test {label(cell)} is not plain Python: {error}.")
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Assert) and node.msg is None:
                found.append(f"The test {label(cell)}, line {node.lineno}: assert has no message.")
    if not any(is_test(cell) for cell in master.template.cells):
        found.append("There is no test that gives points.")
    return found


def scarce(master):
    """Personal questions whose variants do not go round in a class, one sentence each."""
    tags = {tag for cell in master.template.cells for tag in cell.metadata.get("tags", ())}
    return [
        f"The question {name} has {number} variants. In a class of {CLASS}, many students would "
        f"share one, and a slip would look like a copied answer. Give `pick` more to choose from; "
        f"if your class is small, give a cell of the master the tag {FEW}."
        for name, number in master.variants.items()
        if number < CLASS and FEW not in tags
    ]


def leaks(master, notebook):
    """The secret lines that are left in a students' copy."""
    text = "\n".join(f"{cell.source}\n{cell.metadata}" for cell in notebook.cells)
    lines = {line.strip() for line in text.splitlines()}
    found = sorted(s for s in master.secrets if s in lines or (len(s) >= 20 and s in text))
    found += [match[0] for match in MARK.finditer(text)]
    return found


def validate(master):
    """Let nbgrader run the master and the copy; say what is wrong, or nothing."""
    quiet = Config()
    quiet.Execute.extra_arguments = ["--log-level=ERROR"]
    quiet.Execute.timeout = 300  # a busy computer may need long to import TensorFlow
    quiet.IgnorePattern.enabled, quiet.IgnorePattern.pattern = True, "(?s)."
    steps = [*Validator().preprocessors, nbg.IgnorePattern]  # what libraries log is not a mistake
    found, before = [], dict(os.environ)
    os.environ.update(ENVIRONMENT)
    try:
        with tempfile.TemporaryDirectory() as folder:
            for notebook, invert in [(master.notebook, False), (master.student_copy, True)]:
                path = Path(folder) / f"{master.name}.ipynb"
                nbformat.write(notebook, path)
                verdict = Validator(invert=invert, config=quiet, preprocessors=steps).validate(
                    str(path)
                )
                for cell in verdict.get("failed", []):
                    found.append(
                        f"The solution fails a test:\n{cell['source']}\n{cell['raw_error']}"
                    )
                for cell in verdict.get("passed", []):
                    found.append(f"The unedited copy passes a test:\n{cell['source']}")
                if verdict.keys() & {"changed", "type_changed"}:
                    found.append("nbgrader says that a locked cell has changed.")
    finally:
        os.environ.clear()
        os.environ.update(before)
    return found


def release(master, folder=PAGES):
    """Write the students' copy, if everything about the master is as it should be."""
    try:
        wrong = faults(master) or validate(master) or scarce(master)
    except (RuntimeError, ValueError, KeyError, nbg.checkcellmetadata.ValidationError) as error:
        raise MasterError(f"{master.name}: nbgrader cannot read its labels: {error}") from None
    wrong += [
        f"This is still in the students' copy: {x}" for x in leaks(master, master.student_copy)
    ]
    if wrong:
        raise MasterError(f"{master.name} was not released.\n" + "\n".join(wrong))
    target = Path(folder) / f"{master.name}.ipynb"
    target.parent.mkdir(parents=True, exist_ok=True)
    text = nbformat.writes(master.student_copy) + "\n"
    if target.parent.resolve() != PAGES:  # it leaves the book
        text = alone(text, site())
    with written_whole(target) as part:
        part.write_text(text, encoding="utf-8", newline="\n")
    return target


def site(settings=ROOT / "_config.yml"):
    """The address of the course's site, if it is set there; else an empty text."""
    if not settings.exists():
        return ""
    return yaml.safe_load(settings.read_text(encoding="utf-8"))["html"]["baseurl"] or ""
