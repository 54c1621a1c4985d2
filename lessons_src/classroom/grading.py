"""Running submissions: one in its sandbox, and a whole class on all cores."""

import ast
import contextlib
import hashlib
import json
import math
import multiprocessing
import multiprocessing.connection
import os
import re
import signal
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path

from cnnlab.files import written_whole
from nbgrader.utils import is_locked, is_solution

from . import sandbox, submissions
from .masters import (
    MAGIC,
    asks_for,
    by_hand,
    is_test,
    label,
    makes,
    parsed,
    question,
    split,
    uses,
    visible,
)
from .room import Room, TestsDied
from .sandbox import InterpreterDied, InterpreterHangs, Limits, Stopwatch

SOURCES = sorted(Path(__file__).parent.glob("*.py"))
VERSION = hashlib.sha256(b"".join(path.read_bytes() for path in SOURCES)).hexdigest()
KEPT = 500  # characters of a message
SHOWN = 20_000  # characters of an answer
UNANSWERED = "Not answered."
MEMORY = 8 << 30  # bytes that one worker may use
WORKED_OUT = "was worked out for"
SEES_CHANGES = "sees-changes"  # a tag: the test looks at what an answer does to its arguments
# After a cell that used up all memory: what was kept back.
GIVE_BACK = "__import__('sys').modules['wire'].give_back()"


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
    pictures: dict = field(default_factory=dict)  # question → its pictures, as URLs of data
    copied: dict = field(default_factory=dict)  # question → whose numbers the answer is right for
    tried: list | None = None  # with whose numbers a wrong answer was tried
    notes: list = field(default_factory=list)
    seconds: float = 0.0
    look: bool = False  # a person should look at it
    final: bool = True  # False: try again next time
    fingerprint: str = ""


class SubmissionGrader:
    """Runs one submission and grades it, cell by cell; if need be again, without some cells."""

    def __init__(self, room, cells, master, result, others):
        self.room, self.cells, self.master, self.result = room, cells, master, result
        self.others, self.most = others, room.limits.cell  # seconds of a cell
        self.total = room.limits.total  # seconds that are left
        self.left_out, self.judged = set(), set()  # numbers of cells
        self.wrong = {}  # question → the right answer, where the student's is wrong
        self.number = 0  # of the cell that runs
        answers = [cell.source for cell in cells if cell.metadata.owner == "student"]
        self.used = set().union(*map(uses, answers))
        rest = (cell.source for cell in cells if cell.metadata.owner != "student")
        self.given = set().union(*map(makes, rest))  # names

    def run(self, python):
        """Run the cells in a fresh Python."""
        self.python, self.unanswered = python, True
        self.clock = Stopwatch(python)
        self.room.begin(python)
        for number, cell in enumerate(self.cells):
            self.number = number
            if number in self.left_out:
                self.unanswered = is_test(cell)
            else:
                self.cell(cell)

    def mine(self):
        """The numbers of the student's cells of code that the test now running is about."""
        found, number = [], self.number - 1
        while number >= 0 and not is_test(cell := self.cells[number]):
            if cell.cell_type == "code" and cell.metadata.owner == "student":
                found.insert(0, number)
            number -= 1
        return found

    def leave_out(self):
        """The cell that ended its Python is not run again; if it is a test, the answer is to blame
        and is not run either."""
        self.left_out.add(self.number)
        if is_test(self.cells[self.number]):
            self.left_out.update(self.mine())

    def ask(self, seconds, method, *arguments):
        return self.room.ask(self.python, seconds, method, *arguments)

    def left(self, most=math.inf):
        """Seconds that something may take."""
        left = self.total - self.clock.seconds()
        if left <= 0:
            raise InterpreterHangs
        return min(left, most)

    def cell(self, cell):
        """Run one cell of the notebook."""
        if is_test(cell):
            if makes(visible(cell.source)) & self.used:  # an answer may build on it
                self.python.run(visible(cell.source), seconds=self.left(self.most))
            if self.number not in self.judged:
                self.test(cell)
                self.judged.add(self.number)
            self.unanswered = True
        elif cell.cell_type == "code":
            given = cell.metadata.owner == "assignment" and is_locked(cell)
            # What the assignment gives (it may import TensorFlow) has no clock but the notebook's.
            if given:  # with what the course was written for, whatever an answer chose
                self.python.run("__import__('os').environ.pop('KERAS_BACKEND', None)")
            seconds = self.left(math.inf if given else self.most)
            reply = self.python.run(cell.source, seconds=seconds)
            if cell.metadata.owner == "student":
                for module in sorted(asks_for(cell.source) & self.master.unwanted):
                    self.result.look = True
                    self.note(f"{where(cell)} uses {module}, which this assignment does without")
                reply = self.without_missing(cell, self.without_magic(cell, reply))
            if is_solution(cell):
                self.unanswered &= bool(cell.metadata.get("unchanged")) or not cell.source.strip()
            if not reply.ok and not cell.metadata.get("unchanged"):
                self.note_error(cell, reply)
            if given and label(cell) in self.master.needed:
                self.result.look |= not reply.ok  # what answers and tests build on
                self.ask(self.left(), "give", cell.source, self.result.student)

    def without_magic(self, cell, reply):
        """If a line for the notebook's own computer (`%…`, `!…`) stops the cell, run it without."""
        rest = MAGIC.sub("", cell.source)
        if reply.ok or reply.late or rest == cell.source or reply.name in ("", "MemoryError"):
            return reply
        again = self.python.run(rest, seconds=self.left(self.most))
        if again.ok:
            self.note(f"{where(cell)} was run without its lines that begin with % or !")
            cell.source = rest
            self.result.look = True
        return again if again.ok else reply

    def without_missing(self, cell, reply):
        """If a module is missing here, run the cell without the lines that ask for it."""
        source = cell.source
        while not reply.ok and (missing := re.search(r"No module named '(\w+)", reply.text)):
            rest = without_module(source, missing[1])
            if rest == source:
                break
            source, self.result.look = rest, True
            self.note(
                f"{where(cell)} was run without its lines for {missing[1]}, which is not here"
            )
            reply = self.python.run(source, seconds=self.left(self.most))
        return reply

    def note(self, text):
        text = f"{text[0].upper()}{text[1:]}."
        if text not in self.result.notes:
            self.result.notes.append(text)

    def note_error(self, cell, reply):
        name = where(cell)
        if reply.name == "MemoryError":
            self.python.run(GIVE_BACK)
        if reply.late:
            self.result.look = True  # was the computer too slow?
            self.note(f"{name} ran longer than {self.most:g} s and was stopped")
        else:
            self.note(f"{name} ends with {reply.name}: {clean(reply.text)}".rstrip(": "))

    def read_answer(self, cell):
        name, wordless = question(cell), cell.metadata.unchanged or not cell.source.strip()
        self.result.points[name] = 0.0 if wordless else None
        more = len(cell.source) - SHOWN
        end = f"\n[… {more} more characters stand in the notebook]" if more > 0 else ""
        self.result.answers[name] = "" if wordless else cell.source[:SHOWN] + end
        self.result.pictures[name] = cell.metadata.get("pictures", [])
        if wordless:
            self.result.messages[name] = UNANSWERED

    def verdict(self, cell):
        """How a test ended."""
        seconds = self.left(self.most)
        changes = SEES_CHANGES in cell.metadata.get("tags", ())
        verdict, late = self.ask(seconds, "test", cell.source, self.result.student, changes)
        verdict = verdict or {"passed": False, "name": "stopped", "text": "The test was stopped."}
        return verdict | {"passed": verdict["passed"] is True and not late, "late": late}

    def with_right_ones(self, cell):
        """How a test ends if the answer stands on right answers to the questions before; None if it
        stands on no wrong one."""
        mine = [self.cells[number].source for number in self.mine()]
        used = set().union(*map(uses, [cell.source, *mine]))
        for one in reversed(self.cells[: self.number]):  # and what that stands on
            if one.metadata.owner == "student" and makes(one.source) & used:
                used |= uses(one.source)
        if not any(makes(right) & used for right in self.wrong.values()):
            return None
        wrong = ", ".join(self.wrong)
        self.note(f"the question {question(cell)} and those after it had right answers to {wrong}")
        for source in [*self.wrong.values(), *mine]:
            self.python.run(source, seconds=self.left(self.most))
        return self.verdict(cell)

    def test(self, cell):
        name, most = question(cell), float(cell.metadata.nbgrader.points)
        self.result.points[name] = 0.0
        self.unanswered &= all(map(is_solution, self.answer(cell)))
        verdict = self.verdict(cell)
        if not verdict["passed"] and not self.unanswered:
            again = self.with_right_ones(cell)
            if again and again["passed"]:
                verdict = again
            else:
                self.wrong[name] = self.master.model_answer(name)
        passed = verdict["passed"]
        self.result.points[name] = most if passed else 0.0
        text = clean(verdict["text"]) or "A test failed."
        if verdict["late"]:
            self.result.look = True
            text = f"The test ran longer than {self.most:g} s and was stopped."
        if self.unanswered:
            text = UNANSWERED
        if not passed:
            self.result.tests[name] = assert_name(cell, verdict)
            answer = "\n\n".join(one.source for one in self.answer(cell))
            self.result.answers[name] = answer[:SHOWN]
            self.result.messages[name] = hide(text, self.master)
            if "pick" in uses(cell.source) and verdict["name"] == "AssertionError":
                self.look_for_the_owner(cell, name)

    def answer(self, test):
        """What the test is about: of those cells the ones in their place, and before it any cell of
        the student's own that makes what the test uses."""
        asked = uses(test.source) - self.given
        own = [c for c in self.cells[: self.number] if c.metadata.owner == "student"]
        own = [c for c in own if not is_solution(c) and makes(c.source) & asked]
        return [*own, *(c for n in self.mine() if is_solution(c := self.cells[n]))]

    def look_for_the_owner(self, cell, name):
        """A wrong answer to a student's own numbers: is it right for somebody else's?"""
        others = [other for other in self.others if other != self.result.student]
        seconds = self.left(2 * self.most)
        given, _ = self.ask(seconds, "owners", cell.source, others, self.most)
        typed, owners = given or ("", [])
        if given is None:
            self.result.look = True
            self.note(f"{name} could not be tried with the numbers of others")
        if typed in owners:  # a slip in the name explains it
            self.result.look = True
            self.result.notes.append(
                f"{name} {WORKED_OUT} “{typed}”, not for “{self.result.student}”: is the "
                "name in the notebook right?"
            )
            return
        self.result.tried = others
        if owners:
            self.result.copied[name] = owners


def where(cell):
    """How a message names a cell."""
    if label(cell):
        return f"the cell {label(cell)}"
    words = cell.source.strip().splitlines()[0][:40] if cell.source.strip() else ""
    return f"a cell of your own (`{words}`)"


def without_module(source, module):
    """A cell without its lines for a module: imports, what uses them at once, Jupyter's own."""
    lines, lost = MAGIC.sub("", source).split("\n"), set()
    for node in parsed(source).body:
        text = "\n".join(lines[node.lineno - 1 : node.end_lineno])
        if isinstance(node, (ast.Import, ast.ImportFrom)) and module in asks_for(text):
            whole = isinstance(node, ast.ImportFrom)
            names = [a for a in node.names if whole or a.name.split(".")[0] == module]
            lost |= {(a.asname or a.name).split(".")[0] for a in names}
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)) or not uses(text) & lost:
            continue
        lines[node.lineno - 1 : node.end_lineno] = [""] * (node.end_lineno - node.lineno + 1)
    return "\n".join(lines)


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
    shown = any(s in bare(text) for s in secret)
    return "A test that is not shown failed." if shown else text


def assert_name(cell, verdict):
    """Which test of a cell failed: `visible 1`, `hidden 2`, or the error that stopped it."""
    line = verdict.get("number") or 0
    found = (name for name, node in asserts(cell.source) if node.lineno <= line <= node.end_lineno)
    return next(found, verdict["name"] or "stopped")


def asserts(source):
    """(name, node) of the tests in a cell, in their order: `visible 1`, `hidden 1`, …"""
    kinds, count = [kind for _, kind in split(source)], Counter()
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Assert)]
    for node in sorted(nodes, key=lambda node: node.lineno):
        kind = "hidden" if kinds[node.lineno - 1] else "visible"
        count[kind] += 1
        yield f"{kind} {count[kind]}", node


def grade(submission, master, room, others=()):
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
        ours, *_ = submissions.likeness(path, master.template)
        foreign = not ours and any(c.source for c in notebook.cells)
        if foreign:
            notes.append("It lacks most of this assignment's cells: is it that of another one?")
        result.look = cohort != master.cohort or several > 1 or foreign
        result.notes += notes
        run_cells(cells, master, room, others, result)
    except submissions.Unreadable as error:
        result.status, result.notes = "unreadable", [str(error), *submission.notes]
    result.seconds = round(time.monotonic() - start, 1)
    return result


def _blank(one, master):
    """The result before anything was run."""
    points, notes = dict.fromkeys(master.points, 0.0), [*one.notes]
    who = one.student, master.name, one.name, one.lms, one.lms_id, one.key, master.cohort
    return Result(*who, points=points, notes=notes)


def run_cells(cells, master, room, others, result):
    """Run the cells, each time in a Python of their own, until they come to an end; fill in the
    result. A cell that ends its Python is left out the next time, so that the others count."""
    grader = SubmissionGrader(room, cells, master, result, others)
    for _ in cells:
        try:
            with room.submission(result.student) as python:
                grader.run(python)
            break
        except (InterpreterDied, InterpreterHangs, TestsDied) as end:
            name = where(cells[grader.number])
            grader.total -= grader.clock.seconds()
            result.look = True
            if isinstance(end, InterpreterHangs):
                result.status = "timeout"
                why = f"{name} ran too long and could not be stopped"
            else:
                result.status = "crashed"
                why = f"{end} in {name}"
            if grader.total <= 0:
                result.status, total = "timeout", f"{room.limits.total:g} s"
                grader.note(f"the notebook ran longer than {total} and was stopped in {name}")
                break
            if is_test(cells[grader.number]):
                result.messages[question(cells[grader.number])] = f"{why}."
            grader.note(f"{why}; the rest was run without it")
            grader.leave_out()
    for number, cell in enumerate(cells):
        if by_hand(cell):
            grader.read_answer(cell)
        elif is_test(cell) and number not in grader.judged:
            result.messages.setdefault(question(cell), "Not run.")
    result.notes = [hide(note, master) for note in result.notes]


def rehearse(master, kind):
    """What keeps the master's own solution from earning every point, in sentences."""
    result = Result("", points=dict.fromkeys(master.points, 0.0))
    cells, _ = submissions.fit(master.notebook, master.template)
    with Room(kind, Limits()) as room:
        run_cells(cells, master, room, (), result)
    lost = [q for q, most in master.points.items() if result.points[q] not in (most, None)]
    return [*result.notes, *(f"{q}: {result.messages.get(q, 'no points')}" for q in lost)]


# --- a whole class ----------------------------------------------------------------------------


def fingerprint(submission, master, kind, limits):
    """Changes whenever the grade could change."""
    parts = hashlib.sha256(VERSION.encode())
    for path in sorted(set(map(submissions.on_disk, submission.files))):
        parts.update(os.fsencode(path.name))
        try:
            with open(path, "rb") as file:
                parts.update(hashlib.file_digest(file, "sha256").digest())
        except OSError as error:
            parts.update(str(error).encode())
    rest = submission.student, submission.notes, json.dumps(master.template), kind, limits
    parts.update(repr(rest).encode())
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
    """Grade every submission whose result is not there yet; gives all results.

    A wrong answer to somebody's own numbers is tried with the numbers of all who are known. If
    somebody is new, it is graded again.
    """
    folder.mkdir(parents=True, exist_ok=True)
    earlier = [done.student for done in stored(folder)]
    todo, others = [], list(dict.fromkeys([one.student for one in found] + earlier))
    found = [one for one in found if one.lms != submissions.MISSING]
    for one in found:
        target, mark = folder / f"{safe(one.key)}.json", fingerprint(one, master, kind, limits)
        done = load(target)
        new = done and done.tried is not None and set(others) - {*done.tried, one.student}
        if not (done and done.final and done.fingerprint == mark) or new:
            todo.append((one, target, mark))
    if len(found) > len(todo):
        say(f"{len(found) - len(todo)} of {len(found)} were graded before.")
    sandbox.font_caches()
    scratch = sandbox.scratch()
    workers = min(jobs, len(todo))
    workers = [Worker(kind, limits, master, others, scratch) for _ in range(workers)]
    start, ready, waiting = time.monotonic(), 0, list(todo)
    try:
        while ready < len(todo):
            for worker in workers:
                if worker.job is None and waiting:
                    worker.give(waiting.pop(0))
            busy = [worker for worker in workers if worker.job]
            multiprocessing.connection.wait([w.pipe for w in busy], timeout=1)
            for worker in busy:
                if (done := worker.done()) is None:
                    continue
                one, target, done.fingerprint = worker.job
                worker.job, ready = None, ready + 1
                write(target, json.dumps(asdict(done), indent=1))
                left = (time.monotonic() - start) / ready * (len(todo) - ready)
                who = one.student or one.name
                say(f"{ready} of {len(todo)}  {who}: {done.status}.  {left_words(left)}")
    finally:
        for worker in workers:
            worker.process.kill()
        for worker in workers:
            worker.process.join()
        sandbox.remove(scratch)
    return [load(folder / f"{safe(one.key)}.json") for one in found]


class Worker:
    """A process that grades one submission after the other. If it dies, that costs one of them."""

    def __init__(self, kind, limits, master, *rest):
        self.rest, self.job = (kind, limits, master, *rest), None
        self.longest, self.master = 5 * limits.total + 180, master
        self.begin()

    def begin(self):
        context = multiprocessing.get_context("fork")
        self.pipe, other = context.Pipe()
        self.process = context.Process(target=_work, args=(other, *self.rest))
        self.process.start()
        other.close()

    def give(self, job):
        self.job, self.since = job, time.monotonic()
        with contextlib.suppress(OSError):  # it has died: `done` sees it
            self.pipe.send(job[0])

    def done(self):
        """The Result, or None while it works. One that died, or takes far too long, is begun
        anew."""
        if time.monotonic() - self.since > self.longest:
            self.process.kill()
        try:
            return self.pipe.recv() if self.pipe.poll() else None
        except (EOFError, OSError):  # it has died
            self.process.join()
            self.begin()
            return failed(self.job[0], self.master)


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


def _work(jobs, kind, limits, master, others, scratch):
    """A worker's life; it dies with the process that started it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sandbox.die_with_parent()
    tempfile.tempdir = scratch
    sandbox.limit(MEMORY)  # an answer may be an endless text
    with Room(kind, limits, tempfile.mkdtemp()) as room:
        while True:
            one = jobs.recv()
            try:
                result = grade(one, master, room, others)
            except Exception as error:
                room.close()
                result = failed(one, master, f" ({type(error).__name__}: {clean(error)})")
            jobs.send(result)
