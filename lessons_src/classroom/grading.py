"""Running submissions: one in its sandbox, and a whole class on all cores."""

import ast
import builtins
import contextlib
import hashlib
import json
import multiprocessing
import multiprocessing.connection
import os
import re
import secrets
import shutil
import signal
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path

from cnnlab.files import written_whole
from nbformat.v4 import new_output
from nbgrader.utils import determine_grade, is_locked, is_solution

from . import sandbox, submissions
from .masters import by_hand, is_test, label, question, split
from .sandbox import Interpreter, InterpreterDied, InterpreterHangs, Limits

GUARD = (Path(__file__).parent / "guard.py").read_text(encoding="utf-8")
SOURCES = sorted(Path(__file__).parent.glob("*.py"))
VERSION = hashlib.sha256(b"".join(path.read_bytes() for path in SOURCES)).hexdigest()
NUMBER = re.compile("\u2063(\\d+)$")
KEPT = 500  # characters of a message
UNANSWERED = "Not answered."
WORKED_OUT = "was worked out for"


@dataclass
class Result:
    """What is known about one submission; one JSON file holds it."""

    student: str
    assignment: str = ""
    name: str = ""
    lms: str = "plain"
    lms_id: str = ""
    key: str = ""  # who handed in, as the download knows it
    cohort: str = ""  # the class
    status: str = "graded"
    points: dict = field(default_factory=dict)  # question → points, None where a person grades
    tests: dict = field(default_factory=dict)  # question → which test failed ("hidden 2")
    messages: dict = field(default_factory=dict)  # question → its message
    answers: dict = field(default_factory=dict)  # question → what the student wrote
    copied: dict = field(default_factory=dict)  # question → whose numbers the answer is right for
    notes: list = field(default_factory=list)
    seconds: float = 0.0
    look: bool = False  # a person should look at it
    final: bool = True  # False: try again next time
    fingerprint: str = ""


def prepared(cell, guard, given):
    """The text of a test as it is run.

    Each value in it goes through the guard's probe, each name that the assignment or Python
    defines is taken from the guard, and each assert's message carries the assert's number.
    """
    tree = ast.parse(cell.source)
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    own = {n.id for n in names if not isinstance(n.ctx, ast.Load)}
    own |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    own |= _bound(tree)
    asserts = [node for node in ast.walk(tree) if isinstance(node, ast.Assert)]
    for number, node in enumerate(sorted(asserts, key=lambda n: n.lineno), 1):
        message = [node.msg] if node.msg else []
        node.msg = _call(guard, "failed", ast.Constant(number), *message)

    class Probing(ast.NodeTransformer):
        def probed(self, node):
            self.generic_visit(node)
            return _call(guard, "probe", node) if _loaded(node) else node

        visit_Call = visit_Subscript = visit_Attribute = probed

        def visit_Name(self, node):
            if not _loaded(node) or node.id == guard:
                return node
            if node.id in given and node.id not in own:
                return _attribute(_attribute(ast.Name(guard, ast.Load()), "real"), node.id)
            return _call(guard, "probe", node)

    tree = ast.fix_missing_locations(Probing().visit(tree))
    text = ast.unparse(tree)
    last = tree.body[-1] if tree.body else None
    if isinstance(last, ast.Expr) and not cell.source.rstrip().endswith(";"):
        *first, end = [ast.unparse(node) for node in tree.body]
        text = "\n".join([*first, f"{guard}.value = ({end})"])  # nbgrader's partial credit
    return f"{guard} = __import__('sys').modules['{guard}']\n{guard}.value = None\n{text}"


def _loaded(node):
    return isinstance(getattr(node, "ctx", ast.Load()), ast.Load)


def _attribute(node, name):
    return ast.Attribute(node, name, ast.Load())


def _call(guard, name, *arguments):
    return ast.Call(_attribute(ast.Name(guard, ast.Load()), name), list(arguments), [])


def _bound(tree):
    """The names that functions, classes and imports in a cell give to things."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
    return names


class SubmissionGrader:
    """Runs one submission and grades it, cell by cell."""

    def __init__(self, interpreter, master, result, others, deadline):
        self.interpreter, self.master, self.result = interpreter, master, result
        self.others, self.deadline = others, deadline
        self.guard = f"guard_{secrets.token_hex(4)}"
        self.given = set(dir(builtins))
        self.flags, self.broken = [], False
        self.unanswered = True  # nothing was written for the next test

    def start(self):
        names = f"{{'NAME': {self.guard!r}, 'SHELL': get_ipython()}}"
        reply = self.interpreter.run(f"exec({GUARD!r}, {names})")
        if not reply.ok:
            raise RuntimeError(f"the guard did not start: {reply.name} {reply.text}")

    def run(self, source, given=False, **options):
        """Run some code. What the assignment gives (it may import TensorFlow) has no clock but
        that of the whole notebook."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise InterpreterHangs
        seconds = left if given else min(left, self.interpreter.limits.cell)
        return self.interpreter.run(source, seconds=seconds, **options)

    def cell(self, cell):
        """Run one cell of the notebook."""
        if by_hand(cell):
            self.read_answer(cell)
        if is_test(cell):
            self.test(cell)
        elif cell.cell_type == "code":
            given = cell.metadata.owner == "assignment" and is_locked(cell)
            reply = self.run(cell.source, given)
            if is_solution(cell):
                self.unanswered &= bool(cell.metadata.get("unchanged")) or not cell.source.strip()
            if given:
                names = _bound(ast.parse(cell.source))
                self.run("", values={"_": f"{self._guard}.remember({sorted(names)!r})"})
                self.given |= names
            if not reply.ok and not cell.metadata.get("unchanged"):
                self.note_error(cell, reply)

    @property
    def _guard(self):
        return f"__import__('sys').modules['{self.guard}']"

    def note_error(self, cell, reply):
        name = where(cell)
        if reply.name == "MemoryError":
            self.run("", values={"_": f"{self._guard}.spare()"})
        if reply.late:
            self.result.look = True  # was the computer too slow?
            note = f"{name} ran longer than {self.interpreter.limits.cell:g} s and was stopped"
        else:
            note = f"{name} ends with {reply.name}: {clean(reply.text)}".rstrip(": ")
        self.result.notes.append(f"{note[0].upper()}{note[1:]}.")

    def read_answer(self, cell):
        points, _ = determine_grade(cell)  # 0 if nothing was written, else None
        points = points if cell.source.strip() else 0.0
        name = question(cell)
        self.result.points[name] = None if points is None else 0.0
        self.result.answers[name] = cell.source[:20_000] if points is None else ""
        if points is not None:
            self.result.messages[name] = UNANSWERED

    def verdict(self, cell, student):
        """(reply, what was found replaced) of a test, for one student's variant."""
        before = self.run("", values={"changed": f"{self._guard}.before({student!r})"})
        text = before.values.get("changed")
        if before.name == "MemoryError":
            return before, []
        changed = ast.literal_eval(text) if text else ["the test runner"]
        code = prepared(cell, self.guard, self.given)
        reply = self.run(code, values={"value": f"{self._guard}.value"})
        nonce = secrets.token_hex(8)
        canary = self.run(f"assert 1 == 2, {nonce!r}")  # must fail
        failed = canary.name == "AssertionError" and nonce in canary.text
        if not failed and canary.name != "MemoryError":
            changed.append("the test runner")
        return reply, changed

    def test(self, cell):
        name, unanswered, self.unanswered = question(cell), self.unanswered, True
        self.result.points[name] = 0.0
        reply, changed = self.verdict(cell, self.result.student)
        cell.outputs = []
        number = NUMBER.search(reply.text)
        text = clean(NUMBER.sub("", reply.text))
        value = reply.values.get("value", "None")
        if not reply.ok:
            cell.outputs = [new_output("error", ename="x", evalue="", traceback=[])]
        elif value != "None":
            cell.outputs = [new_output("execute_result", {"text/plain": value})]
        try:
            points, _ = determine_grade(cell)
        except ValueError:  # more than there are
            points = 0.0
        touched = [c for c in changed if "runner" in c or c.split(".")[-1] in cell.source]
        if reply.name == "Tampered":
            changed, touched = [*changed, text], [text]
            text = f"Not counted: {text}."
        elif touched:
            text = f"Not counted: {', '.join(touched)} had been replaced."
        elif reply.late:
            self.result.look = True
            text = f"The test ran longer than {self.interpreter.limits.cell:g} s and was stopped."
        elif reply.name == "AssertionError":
            text = text or "A test failed."
        elif not reply.ok:
            text = f"{reply.name}: {text}"
        if points < float(cell.metadata.nbgrader.points) and unanswered and not touched:
            text = UNANSWERED
        self.flags += [c for c in changed if c not in self.flags]
        self.broken |= any("runner" in c for c in changed)
        self.result.points[name] = 0.0 if touched else points
        if text and self.result.points[name] < float(cell.metadata.nbgrader.points):
            self.result.tests[name] = assert_name(cell, number and int(number[1]), reply)
            self.result.messages[name] = hide(text, self.master)
            if "CNNLAB_STUDENT" in cell.source and reply.name == "AssertionError":
                self.look_for_the_owner(cell, name)

    def look_for_the_owner(self, cell, name):
        """A wrong answer to a student's own numbers: is it right for somebody else's?"""
        code, owners = prepared(cell, self.guard, self.given), []
        typed = self.run("", values={"id": "str(STUDENT)[:100]"}).values
        typed = ast.literal_eval(typed.get("id", "''"))
        names = dict.fromkeys([typed, *self.others] if typed else self.others)
        end = time.monotonic() + self.interpreter.limits.cell
        for other in names:
            if other == self.result.student or time.monotonic() > end:
                continue
            self.run("", values={"_": f"{self._guard}.before({other!r})"})
            if self.run(code).ok:
                owners.append(other)
        self.run("", values={"_": f"{self._guard}.before({self.result.student!r})"})
        if typed in owners and typed not in self.others:
            owners.remove(typed)
            self.result.look = True
            self.result.notes.append(
                f"{name} {WORKED_OUT} “{typed}”, not for “{self.result.student}”: is the "
                "name in the notebook right?"
            )
        if owners:
            self.result.copied[name] = owners


def where(cell):
    """How a message names a cell."""
    if label(cell):
        return f"the cell {label(cell)}"
    words = cell.source.strip().splitlines()[0][:40] if cell.source.strip() else ""
    return f"a cell of your own (`{words}`)"


def clean(text):
    """A message as a person wants it: short, one line, without the interpreter's file names."""
    text = re.sub(r"\((?:\d+\.py|<[^>]*>), line", "(line", str(text))
    text = re.sub(r"\x1b\[[0-9;]*m", "", " ".join(text.split()))
    return text if len(text) <= KEPT else text[: KEPT - 1] + "…"


def hide(text, master):
    """A message, unless a line of a hidden test or a solution is in it."""

    def bare(line):
        return re.sub(r"\W", "", line)

    public = bare("".join(cell.source for cell in master.student_copy.cells))
    secret = {s for s in map(bare, master.secrets) if len(s) >= 12 and s not in public}
    shown = "guard_" in text or any(s in bare(text) for s in secret)
    return "A test that is not shown failed." if shown else text


def assert_name(cell, number, reply):
    """Which test of a cell failed: `visible 1`, `hidden 2`, or the error that stopped it."""
    if number is None:
        return reply.name or "stopped"
    kinds = [kind for _, kind in split(cell.source)]
    nodes = [n for n in ast.walk(ast.parse(cell.source)) if isinstance(n, ast.Assert)]
    lines = sorted(node.lineno for node in nodes)
    hidden = ["hidden" if kinds[line - 1] else "visible" for line in lines]
    if not 1 <= number <= len(hidden):
        return reply.name
    kind = hidden[number - 1]
    return f"{kind} {hidden[:number].count(kind)}"


def grade(submission, master, kind, limits=Limits(), others=()):  # noqa: B008 (frozen)
    """Grade one submission; always gives a result."""
    start = time.monotonic()
    result = _blank(submission, master)
    try:
        path = submissions.choose(submission.files, master)
        if path is None:
            names = ", ".join(file.name for file in submission.files[:5]) or "nothing"
            raise submissions.Unreadable(f"There is no notebook (.ipynb), only: {names}.")
        notebook = submissions.read(path)
        cells, notes = submissions.fit(notebook, master.template)
        cohort = master.made_for(notebook) or master.cohort
        if cohort != master.cohort:
            notes.append(f"The notebook is for the class {cohort}, graded for {master.cohort}.")
        several = sum(file.suffix.lower() == ".ipynb" for file in submission.files)
        if several > 1:
            notes.append(f"{several} notebooks were handed in; {path.name} was graded.")
        result.look = cohort != master.cohort or several > 1
        result.notes += notes
        run_cells(cells, master, kind, limits, others, result)
    except submissions.Unreadable as error:
        result.status, result.notes = "unreadable", [str(error), *submission.notes]
    result.seconds = round(time.monotonic() - start, 1)
    return result


def _blank(one, master):
    """The result before anything was run."""
    result = Result(one.student, master.name, one.name, one.lms, one.lms_id, one.key, master.cohort)
    result.notes += one.notes
    result.points = {name: 0.0 for name in master.points}
    return result


def run_cells(cells, master, kind, limits, others, result):
    """Run the cells in an interpreter of their own and fill in the result."""
    number, cell = 0, None
    with Interpreter(kind, limits, result.student) as interpreter:
        grader = SubmissionGrader(
            interpreter, master, result, others, time.monotonic() + limits.total
        )
        grader.start()
        try:
            for number, cell in enumerate(cells):  # noqa: B007 (used when it stops)
                grader.cell(cell)
        except InterpreterDied as end:
            result.status = "crashed"
            result.notes.append(f"{end} in {where(cell)}; nothing after it was run.")
        except InterpreterHangs:
            result.status = "timeout"
            result.notes.append(
                f"{where(cell)[0].upper()}{where(cell)[1:]} ran too long and could not be stopped; "
                "nothing after it was run."
                if time.monotonic() < grader.deadline
                else f"The notebook ran longer than {limits.total:g} s and was stopped in "
                f"{where(cell)}."
            )
        stopped = cells[number:] if result.status != "graded" else []
        for rest in stopped:
            if by_hand(rest):
                grader.read_answer(rest)
            elif is_test(rest):
                result.messages[question(rest)] = "Not run."
    if grader.flags:
        result.status = "tampered"
        if grader.broken:
            result.points = {q: p if p is None else 0.0 for q, p in result.points.items()}
        result.notes.insert(
            0, f"Tampering: {'; '.join(grader.flags)}. What it touches gives no points."
        )
    result.notes = [hide(note, master) for note in result.notes]


# --- a whole class ----------------------------------------------------------------------------


def fingerprint(submission, master, kind, limits):
    """Changes whenever the grade could change."""
    parts = hashlib.sha256(VERSION.encode())
    for path in sorted(submission.files):
        parts.update(os.fsencode(path.name))
        try:
            with open(path, "rb") as file:
                parts.update(hashlib.file_digest(file, "sha256").digest())
        except OSError as error:
            parts.update(str(error).encode())
    for thing in (
        submission.student,
        submission.notes,
        json.dumps(master.template),
        kind,
        asdict(limits),
    ):
        parts.update(str(thing).encode())
    return parts.hexdigest()


def safe(name):
    """A name that is good for a file, different for different students."""
    plain = re.sub(r"[^\w-]+", "_", name)[:60]
    return plain if plain == name else f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:6]}"


def write(path, text):
    """Write a text whole or not at all; what no file can hold (half a character) becomes a “?”."""
    with written_whole(path) as part:
        part.write_text(text, encoding="utf-8", errors="replace", newline="")


def load(path):
    """The result in a file, or None."""
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        if "group" in known:  # what earlier versions of the course called it
            known["cohort"] = known.pop("group")
        return Result(**known)
    except (OSError, ValueError, TypeError):
        return None


def stored(folder):
    """The results in a folder; parts that a stopped run left there (.…) are none."""
    return [result for path in sorted(folder.glob("[!.]*.json")) if (result := load(path))]


def grade_all(found, master, folder, kind, limits, jobs, say=print):
    """Grade every submission whose result is not there yet; gives all results."""
    folder.mkdir(parents=True, exist_ok=True)
    earlier = [done.student for done in stored(folder)]
    todo, others = [], list(dict.fromkeys([one.student for one in found] + earlier))
    for one in found:
        target, mark = folder / f"{safe(one.key)}.json", fingerprint(one, master, kind, limits)
        done = load(target)
        if not (done and done.final and done.fingerprint == mark):
            todo.append((one, target, mark))
    if len(found) > len(todo):
        say(f"{len(found) - len(todo)} of {len(found)} were graded before.")
    sandbox.font_caches()
    context = multiprocessing.get_context("fork")
    scratch = tempfile.mkdtemp(prefix="grade-")
    running, start, ready, waiting = {}, time.monotonic(), 0, list(todo)
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                job = waiting.pop(0)
                process = context.Process(
                    target=_work, args=(*job, master, kind, limits, others, scratch)
                )
                process.start()
                running[process] = job, time.monotonic()
            multiprocessing.connection.wait([p.sentinel for p in running], timeout=1)
            for process, (job, since) in list(running.items()):
                if time.monotonic() - since > limits.total + 180:
                    process.kill()
                    process.join()
                if process.is_alive():
                    continue
                process.join()
                del running[process]
                ready += 1
                one, target, mark = job
                done = load(target)
                if not done or done.fingerprint != mark:
                    done = failed(one, master)
                    write(target, json.dumps(asdict(done), indent=1))
                left = (time.monotonic() - start) / ready * (len(todo) - ready)
                say(f"{ready} of {len(todo)}  {one.student}: {done.status}.  {left_words(left)}")
    finally:
        for process in running:
            process.kill()
        shutil.rmtree(scratch, ignore_errors=True)
    return [load(folder / f"{safe(one.key)}.json") for one in found]


def left_words(seconds):
    if seconds < 1:
        return "Done."
    return f"{seconds:.0f} s left" if seconds < 90 else f"{seconds / 60:.0f} min left"


def failed(one, master, why=""):
    """The result where the grading itself did not end."""
    result = _blank(one, master)
    result.status, result.final = "crashed", False
    result.notes = [f"The grading itself failed here{why}. Run it again: it tries anew."]
    return result


def _work(one, target, mark, master, kind, limits, others, scratch):
    """A process of its own for one submission; it dies with the one that started it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sandbox.die_with_parent()
    tempfile.tempdir = scratch
    try:
        result = grade(one, master, kind, limits, others)
    except Exception as error:
        result = failed(one, master, f" ({type(error).__name__}: {clean(error)})")
    result.fingerprint = mark
    with contextlib.suppress(OSError):  # no space: the one that started this says so
        write(target, json.dumps(asdict(result), indent=1))


def copies(results, sources):
    """[(student, question, owner)]: answers that are right for somebody else's numbers.

    Where several share those numbers, the one whose notebook is most alike is named.
    """
    found = []
    for result in results:
        for name, owners in result.copied.items():
            mine = Counter(sources.get(result.student, "").split())

            def alike(other, mine=mine):
                return sum((mine & Counter(sources.get(other, "").split())).values())

            found.append((result.student, name, max(owners, key=alike)))
    return found
