"""The students' notebooks: found in a download, read, and put into the assignment's order."""

import ast
import codecs
import contextlib
import copy
import csv
import difflib
import io
import json
import multiprocessing
import os
import re
import resource
import unicodedata
import warnings
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path

import nbformat
from nbgrader.utils import is_grade, is_locked, is_solution

from .masters import by_hand, is_test, label, parsed, visible

# A file's own name comes last, and may be anything; a folder's first part is the student's own.
MOODLE = re.compile(r"(?P<name>.+?)_(?P<id>\d+)_assignsubmission_(?:file|onlinetext)_?(?P<file>.*)")
MOODLE_FOLDER = re.compile(r"(?P<name>.+)_(?P<id>\d+)_assignsubmission_(?:file|onlinetext)_?")
CANVAS = re.compile(
    r"(?P<name>anon(?=_)|.+?)_(?P<late>LATE_)?(?P<id>\d+|(?<=anon_)\w+?)_(?P<upload>\d+)"
    r"_(?P<file>.+)"
)
NUMBERS = re.compile(r"\b(id|number|no|nr|lms|moodle|canvas|sis)\b", re.I)  # columns of a list
NUMBERED = re.compile(r"(?:-(\d+)| \((\d+)\))?\.ipynb$")  # Canvas and browsers number new versions
# What a spreadsheet takes for a formula, a number, a date or a truth value, and writes otherwise.
CHANGED = r"[\W\d]|(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\W*\d|(?:true|false)$"
CHANGED = re.compile(CHANGED, re.I)
MISSING = "missing"  # in place of the system that a submission comes from: nothing was handed in
LARGEST = 200_000_000  # bytes of a file, outputs and all
LETTERS, CELLS = 20_000_000, 2_000  # of a notebook without its outputs
READING, READING_SECONDS = 4 << 30, 20  # bytes of memory, and of a core, that reading may take


class Unreadable(Exception):
    """A file that is no notebook; the message says why, to a person."""


@dataclass
class Submission:
    student: str  # the name in the tables; the one that variants are drawn for
    files: list = field(default_factory=list)
    name: str = ""  # as the download calls the student
    lms: str = "plain"
    lms_id: str = ""
    notes: list = field(default_factory=list)
    known: bool = True  # False: the class list does not tell who this is

    @property
    def key(self):
        """Who handed in, as the download knows it: the same whatever the class list says."""
        return f"{self.lms} {self.lms_id}" if self.lms_id else self.name


def find(folder, roster=None, say=lambda text: None):
    """Every student's submission in a folder as Moodle, Canvas or a person leaves it.

    With a class list, also those who handed in nothing (`lms` is MISSING). A notebook in place of
    the folder is a trial: it is graded for the name that stands in it.
    """
    folder = Path(folder)
    if is_notebook(folder) and folder.is_file():
        return [Submission("", [folder], folder.stem)]
    if not folder.is_dir():
        raise Unreadable(
            f"There is no folder {folder}. FROM is the folder with the students' notebooks "
            "(unpack a .zip first), or one notebook to try."
        )
    found, ignored = {}, []
    for path in sorted(inside(folder).iterdir()):
        if path.name.startswith((".", "__MACOSX")) or path.is_symlink():
            continue
        if path.is_dir():
            match = MOODLE_FOLDER.fullmatch(path.name)
        else:
            match = MOODLE.fullmatch(path.name) or CANVAS.fullmatch(path.name)
        if match:
            name, number = match["name"], match["id"]
            lms = "canvas" if match.re is CANVAS else "moodle"
        elif path.is_dir() or is_notebook(path):
            name, number, lms = path.name if path.is_dir() else path.stem, "", "plain"
        else:
            ignored.append(path.name)
            continue
        name = unicodedata.normalize("NFC", name.encode("utf-8", "replace").decode())
        one = found.setdefault(
            (lms, name, number), Submission(name, name=name, lms=lms, lms_id=number)
        )
        one.files += [path] if path.is_file() else notebooks(path)
        if lms == "canvas" and match["late"] and not one.notes:
            one.notes.append("Canvas says: handed in late.")
    if ignored:
        say(f"Not notebooks, and left out: {', '.join(ignored)}.")
    submissions = list(found.values())
    if not submissions:
        raise Unreadable(f"There is no notebook in {folder}.")
    if roster:
        submissions = enrol(submissions, roster, say)
    for one, count in Counter(s.student for s in submissions).items():
        for submission in submissions:
            if submission.student == one and count > 1:  # two people of one name
                submission.student = f"{one} {submission.lms_id}".strip()
    return sorted(submissions, key=lambda s: s.student)


def inside(folder):
    """The folder itself, or the one in it that holds the whole class."""
    while True:
        things = [p for p in folder.iterdir() if not p.name.startswith((".", "__MACOSX"))]
        if len(things) != 1 or not things[0].is_dir() or MOODLE.fullmatch(things[0].name):
            return folder
        within = [p for p in things[0].iterdir() if not p.name.startswith(".")]
        known = any(form.fullmatch(p.name) for p in within for form in (MOODLE, CANVAS))
        if not known and sum(p.is_dir() for p in within) < 2:
            return folder
        folder = things[0]


def is_notebook(path):
    """Does it look like one? Browsers and mail programs change the end of a name."""
    return re.search(r"\.ipynb(\.(txt|json))?$|\.json$", path.name, re.I) is not None


def notebooks(folder):
    """The files of one student's folder."""
    paths = [p for p in sorted(folder.rglob("*")) if p.is_file() and not p.is_symlink()]
    return [p for p in paths if ".ipynb_checkpoints" not in p.parts and p.name[0] != "."]


def read_table(path):
    """The rows of a table with a column `student`, as any spreadsheet may have saved it.

    Returns [{heading: text}], without the spaces around headings and texts.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise Unreadable(f"The table {path} cannot be read: {error.strerror}.") from None
    if data[:2] == b"PK":
        raise Unreadable(f"{path} is no text: save the table as CSV.")
    try:
        utf16 = data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
        text = data.decode("utf-16" if utf16 else "utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp1252", "replace")
    lines = text.splitlines(keepends=True)
    for number, line in enumerate(lines[:5]):  # there may be a title above
        file = io.StringIO("".join(lines[number:]), newline="")
        head, *rows = csv.reader(file, delimiter=max(",;\t", key=line.count)) or [[]]
        head = [cell.strip() for cell in head]
        if "student" in [cell.lower() for cell in head]:
            head = ["student" if cell.lower() == "student" else cell for cell in head]
            rows = [[unquoted(cell.strip()) for cell in row] for row in rows]
            return [
                dict(zip_longest(head, row[: len(head)], fillvalue="")) for row in rows if any(row)
            ]
    raise Unreadable(f"The table {path} needs a line of headings, with a column `student`.")


def quoted(text):
    """A name or a key as a spreadsheet leaves it: `0071234` gets a quote before."""
    return f"'{text}" if CHANGED.match(text) else text


def unquoted(text):
    return text[1:] if text[:1] == "'" and CHANGED.match(text[1:]) else text


def plain(text):
    """A name without what systems change in it."""
    text = unicodedata.normalize("NFC", text).strip().casefold()
    return text.removeprefix("participant ")  # so in Moodle's own tables


def enrol(submissions, roster, say):
    """Name each student as the class list does: its column `student`, found by any other column."""
    names, numbers, everybody = defaultdict(set), defaultdict(set), {}
    for row in read_table(roster):
        if row["student"]:
            everybody[row["student"]] = None
            for heading, text in row.items():
                if text:
                    names[plain(text)].add(row["student"])
                if text and NUMBERS.search(heading):
                    numbers[plain(text)].add(row["student"])
    strangers, result = [], {}
    for one in submissions:
        team, _, rest = one.name.partition("-")  # Moodle: Group A-Ann Lee, but not Anne-Marie
        whole = names[plain(one.name)] or (names[plain(rest)] if re.search(r"\W|\d", team) else ())
        students = [set(s) for s in (whole, numbers[plain(one.lms_id)] if one.lms_id else ()) if s]
        students = [set.intersection(*students)] if students else []
        if not students or len(students[0]) != 1:  # nobody, or the number is another's
            strangers.append(one.name)
            one.known, result[one.key] = False, one
            continue
        (one.student,) = students[0]
        first = result.setdefault(one.student, one)
        if first is not one:  # one on Canvas, one by mail
            first.files += one.files
            if one.lms_id:
                first.name, first.lms, first.lms_id = one.name, one.lms, one.lms_id
    if strangers:
        say(f"Not on the class list, or not only once: {', '.join(strangers)}.")
    missing = sorted(everybody.keys() - {one.student for one in result.values()})
    if missing:
        say(f"On the class list, without a notebook here: {', '.join(missing)}.")
    absent = [Submission(name, name=name, lms=MISSING) for name in missing]
    return [*result.values(), *absent]


def read(path):
    """The notebook in a file, whatever its version: its cells without outputs, and their labels.

    A process of its own reads it, since a small file may be a great deal of work.
    """
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_read, args=(path, there), daemon=True)
    process.start()
    there.close()
    try:
        why, cells = here.recv()
    except (EOFError, OSError):
        why, cells = "The file takes too much time or memory to read.", []
    process.join()
    if why:
        raise Unreadable(why)
    notebook = nbformat.v4.new_notebook()
    for kind, source, labels in cells:
        cell = {"cell_type": kind, "source": source, "metadata": {"nbgrader": labels}}
        notebook.cells.append(nbformat.from_dict(cell))
    return notebook


def _read(path, pipe):
    """Send what is wrong with a file, and its cells: (type, source, nbgrader's labels)."""
    for what, most in ((resource.RLIMIT_AS, READING), (resource.RLIMIT_CPU, READING_SECONDS)):
        most = min(most, hard) if (hard := resource.getrlimit(what)[1]) >= 0 else most
        resource.setrlimit(what, (most, hard))
    try:
        cells = [(cell.cell_type, cell.source, _labels(cell)) for cell in _cells(path)]
        if len(cells) > CELLS or sum(len(source) for _, source, _ in cells) > LETTERS:
            raise Unreadable(
                f"The file is too large to read: more than {CELLS} cells, or {LETTERS / 1e6:g} MB "
                "without the outputs."
            )
        pipe.send(("", cells))
    except Unreadable as error:
        pipe.send((str(error), []))
    finally:
        pipe.close()
        os._exit(0)  # nothing of the one that asked is to be ended here


def _labels(cell):
    labels = cell.metadata.get("nbgrader", {})
    return {name: one for name, one in labels.items() if len(repr(one)) < 200}


def _cells(path):
    try:
        if path.stat().st_size > LARGEST:
            raise Unreadable(f"The file has {path.stat().st_size / 1e6:.0f} MB: too large to read.")
        text = path.read_bytes()
    except OSError as error:
        raise Unreadable(f"The file cannot be read: {error.strerror}.") from None
    if not text:
        raise Unreadable("The file is empty (0 bytes).")
    try:
        data = json.loads(text)  # whatever its encoding: UTF-8, UTF-16
    except UnicodeDecodeError:
        raise Unreadable("The file is not a notebook: it is not text.") from None
    except (ValueError, RecursionError) as error:
        where = f" (line {error.lineno})" if hasattr(error, "lineno") else ""
        raise Unreadable(f"The file is not a notebook: it is not valid JSON{where}.") from None
    except MemoryError:
        raise Unreadable("The file takes too much memory to read.") from None
    if not isinstance(data, dict) or not ("cells" in data or "worksheets" in data):
        raise Unreadable("The file is valid JSON, but it holds no cells: it is not a notebook.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of cells without an id, or two of one id
            for cell in data.get("cells", []):
                cell.setdefault("metadata", {})
                if cell["cell_type"] == "code":
                    cell.setdefault("outputs", [])
                    cell.setdefault("execution_count", None)
            text = json.dumps(data, ensure_ascii=False).encode("utf-8", "replace").decode()
            notebook = nbformat.reads(text, as_version=4)
        for cell in notebook.cells:
            cell.metadata = cell.get("metadata") or nbformat.NotebookNode()
            labels = cell.metadata.get("nbgrader", {})
            if not isinstance(labels, dict) or not isinstance(labels.get("grade_id", ""), str):
                del cell.metadata["nbgrader"]
            if not isinstance(cell.source, str) or not isinstance(cell.cell_type, str):
                raise TypeError
    except Exception:
        raise Unreadable("The file is damaged: its cells are not those of a notebook.") from None
    return notebook.cells


def likeness(path, template):
    """(how many of the assignment's cells a notebook has, how many answers are filled in)"""
    try:
        cells = read(path).cells
    except Unreadable:
        return 0, 0
    names, texts = {label(cell) for cell in cells}, {squeeze(cell.source) for cell in cells}
    wanted = [cell for cell in template.cells if label(cell)]
    there = sum(label(cell) in names or squeeze(cell.source) in texts for cell in wanted)
    empty = sum(squeeze(cell.source) in texts for cell in wanted if is_solution(cell))
    return there, sum(map(is_solution, wanted)) - empty


def choose(files, master):
    """The file of a student that answers this assignment, or None."""
    files = [path for path in files if is_notebook(path)]
    files = [path for path in files if "-checkpoint" not in path.name] or files
    half = sum(bool(label(cell)) for cell in master.template.cells) / 2

    def rank(path):
        version, canvas = NUMBERED.search(path.name), CANVAS.fullmatch(path.name)
        number = int(next(filter(None, version.groups()), 0)) if version else 0
        there, filled = likeness(path, master.template)
        upload = int(canvas["upload"]) if canvas else 0
        named = master.name in path.name
        return there >= half, filled, number, upload, named, there, path.name

    return files[0] if len(files) == 1 else max(files, key=rank, default=None)


def which(submissions, masters):
    """The assignment that most of the submissions answer."""
    votes = Counter()
    for path in (path for one in submissions for path in one.files if is_notebook(path)):
        named = [name for name in masters if name in path.name]
        votes.update([max(named, key=len)] if named else [])
    if not votes:
        for one in submissions[:20]:
            for path in filter(is_notebook, one.files):
                for master in masters.values():
                    votes[master.name] += likeness(path, master.template)[0]
    best = votes.most_common(2)
    if not best or best[0][1] == 0 or (len(best) == 2 and best[0][1] == best[1][1]):
        raise Unreadable(
            "It is not clear which assignment these notebooks answer. Say it: ASSIGNMENT=NAME, "
            f"one of {', '.join(masters)}."
        )
    return masters[best[0][0]]


def which_cohort(submissions, master, before):
    """The class of the results there are (`before`), else that of most of the submissions."""
    if any(before):
        return Counter(filter(None, before)).most_common(1)[0][0]
    votes = Counter()
    for one in submissions:
        with contextlib.suppress(Unreadable):
            path = choose(one.files, master)
            votes[path and master.made_for(read(path))] += 1
    del votes[None]
    return votes.most_common(1)[0][0] if votes else master.cohort


# --- putting a notebook into the assignment's order --------------------------------------------


def squeeze(source):
    """A cell's text without what editors change unasked."""
    return "\n".join(line.rstrip() for line in source.strip().splitlines())


def defined(source):
    """The names that a cell defines."""
    tree = parsed(source)
    if not tree.body:  # a mistake in the syntax, say
        found = re.finditer(r"^(?:def|class) (\w+)|^(\w+) *=", source, re.M)
        return {match[1] or match[2] for match in found}
    named = (ast.FunctionDef, ast.ClassDef)
    names = {node.name for node in tree.body if isinstance(node, named)}
    stored = (n for n in ast.walk(tree) if isinstance(n, ast.Name))
    return names | {n.id for n in stored if isinstance(n.ctx, ast.Store)}


def fit(notebook, template):
    """The notebook to run, and notes on what had to be mended.

    Everything locked (given code, tests) comes from the template, every answer from the student,
    and the student's own extra cells stay where they were. So it does not matter what happened to
    the tests, the labels or the order.
    """
    cells, goal = notebook.cells, template.cells
    match, used, notes = {}, {}, []  # template index → student index, and back
    places = {label(cell): i for i, cell in enumerate(goal) if label(cell)}
    copies = defaultdict(list)
    for j, cell in enumerate(cells):
        i = places.get(label(cell))
        if i is not None:
            copies[i].append(j)
    for i, found in copies.items():
        match[i] = found[-1]  # as nbgrader does: the last one counts …
        for j in found:
            used[j] = i
        if len(found) > 1 and not is_locked(goal[i]):
            for j in found[:-1]:
                del used[j]  # … and the ones before it run, in their places
        if len(found) > 1:
            notes.append(f"The cell {label(goal[i])} was there {len(found)} times; all were run.")
    lost = len(cells) and not match

    texts = defaultdict(list)
    for j, cell in enumerate(cells):
        if j not in used:
            texts[cell.cell_type, squeeze(cell.source)].append(j)
    for i, cell in enumerate(goal):
        key = cell.cell_type, squeeze(cell.source)
        shown = cell.cell_type, squeeze(visible(cell.source))
        if i not in match and (texts[key] or texts[shown]):
            match[i] = (texts[key] or texts[shown]).pop(0)
            used[match[i]] = i

    for i, cell in enumerate(goal):
        if i not in match and is_solution(cell):
            j = _closest(i, cell, cells, match, used)
            if j is not None:
                match[i], used[j] = j, i

    notes += _mended(cells, goal, match, lost)
    return _assembled(cells, goal, match, used), notes


def _closest(i, cell, cells, match, used):
    """The student's cell that most likely answers, between the neighbours of the missing one."""
    first = max((match[k] for k in match if k < i), default=-1)
    last = min((match[k] for k in match if k > i and match[k] > first), default=len(cells))
    wanted = defined(cell.source)

    def similarity(j):
        ratio = difflib.SequenceMatcher(None, cells[j].source[:2000], cell.source[:2000]).ratio()
        return 10 * len(wanted & defined(cells[j].source)) + ratio

    free = [
        j
        for j in range(first + 1, last)
        if j not in used and cells[j].cell_type == cell.cell_type and cells[j].source.strip()
    ]
    return max(free, key=similarity, default=None)


def _mended(cells, goal, match, lost):
    """What was wrong with the notebook's cells, in sentences."""
    if not any(cell.source.strip() for cell in cells):
        return ["The notebook is empty."]
    answers = [i for i, cell in enumerate(goal) if is_solution(cell)]
    if not any(i in match for i in answers):
        return ["None of the assignment's answer cells is in this notebook."]
    notes = []
    if lost:
        notes.append("The cells had lost their labels (copying or Colab does that); restored.")
    tests = [i for i, cell in enumerate(goal) if is_test(cell)]
    gone = [label(goal[i]) for i in tests if i not in match]
    if gone and not lost:
        notes.append(f"Deleted tests were put back: {', '.join(gone)}.")
    changed = [
        label(goal[i])
        for i in tests
        if i in match
        and squeeze(cells[match[i]].source)
        not in (squeeze(visible(goal[i].source)), squeeze(goal[i].source))
    ]
    if changed:
        notes.append(f"Changed tests were restored: {', '.join(changed)}.")
    missing = [label(goal[i]) for i in answers if i not in match]
    if missing:
        notes.append(f"Answer cells were missing: {', '.join(missing)}.")
    return notes


def _assembled(cells, goal, match, used):
    """The cells to run, in the template's order; each knows whose it is by `metadata.owner`."""
    extras, words, current = defaultdict(list), defaultdict(list), -1
    for j, cell in enumerate(cells):
        if j in used:
            current = used[j]
        elif cell.cell_type == "markdown" and current >= 0 and by_hand(goal[current]):
            words[current].append(cell.source)  # an answer for a person, in a cell of its own
        elif cell.cell_type == "code" and cell.source.strip():
            extras[current].append(_copy(cell, "student", after=current))
    result = extras[-1]
    for i, cell in enumerate(goal):
        mine = _copy(cell, "student" if is_solution(cell) else "assignment")
        if is_solution(cell):
            mine.metadata.unchanged = i not in match or squeeze(cells[match[i]].source) == squeeze(
                cell.source
            )
            if i in match:
                mine.source = cells[match[i]].source
            if words[i]:
                mine.source = "\n\n".join([mine.source, *words[i]])
        if is_solution(cell) or is_locked(cell) or is_grade(cell) or i in match:
            result.append(mine)
        result += extras[i]
    return result


def _copy(cell, owner, after=None):
    cell = copy.deepcopy(cell)
    if after is not None:
        cell.metadata = nbformat.NotebookNode()
        cell.cell_type = "code"
    cell.metadata.owner = owner
    return cell
