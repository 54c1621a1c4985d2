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
import re
import signal
import unicodedata
import zipfile
import zlib
from collections import Counter, defaultdict
from concurrent import futures
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path

import nbformat
from nbgrader.utils import is_grade, is_locked, is_solution

from .masters import by_hand, is_test, label, makes, parsed, visible
from .sandbox import die_with_parent, limit

# A file's own name comes last, and may be anything; a folder's first part is the student's own.
MOODLE = re.compile(r"(?P<name>.+?)_(?P<id>\d+)_assignsubmission_(?:file|onlinetext)_?(?P<file>.*)")
MOODLE_FOLDER = re.compile(r"(?P<name>.+)_(?P<id>\d+)_assignsubmission_(?:file|onlinetext)_?")
CANVAS = re.compile(
    r"(?P<name>anon(?=_)|.+?)_(?P<late>LATE_)?(?P<id>\d+|(?<=anon_)\w+?)_(?P<upload>\d+)"
    r"_(?P<file>.+)"
)
NUMBERS = re.compile(r"\b(id|number|no|nr|lms|moodle|canvas|sis)\b", re.I)  # columns of a list
NUMBERED = re.compile(r"(?:-(\d+)| \((\d+)\))?\.ipynb$")  # Canvas and browsers number new versions
GROUP = re.compile(r"\d|\b\w$|\b(group|gruppe|team)\b", re.I)  # stands before a member's name
CHECKPOINTS = ".ipynb_checkpoints"
# What a spreadsheet takes for a formula, a number, a date or a truth value, and writes otherwise.
CHANGED = r"[\W\d]|(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\W*\d|(?:true|false)$"
CHANGED = re.compile(CHANGED, re.I)
LATE = "Canvas says: handed in late."
MISSING = "missing"  # in place of the system that a submission comes from: nothing was handed in
LARGEST = 200_000_000  # bytes of a file, outputs and all
LETTERS, CELLS = 20_000_000, 2_000  # of a notebook without its outputs
PICTURE = 4_000_000  # letters of a picture's data
PICTURE_URL = re.compile(r"data:image/(png|jpeg);base64,[A-Za-z0-9+/]+=*")
INLINE = re.compile(r"data:(image/[\w.+-]{1,40});base64,([A-Za-z0-9+/=]+)")
READING, READING_SECONDS = 4 << 30, 20  # bytes of memory, and of a core, that reading may take
DAMAGED = zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError


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
            "(unpack the download first), or one notebook to try."
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
        elif path.is_dir() or is_notebook(path) or any(map(is_notebook, packed(path))):
            name, number, lms = path.name if path.is_dir() else path.stem, "", "plain"
        else:
            ignored.append(path.name)
            continue
        name = unicodedata.normalize("NFC", name.encode("utf-8", "replace").decode())
        one = found.setdefault(
            (lms, name, number), Submission(name, name=name, lms=lms, lms_id=number)
        )
        for file in [path] if path.is_file() else notebooks(path):
            inner = packed(file)
            one.files += inner or [file]
            if inner:
                one.notes.append(f"What was handed in is a zip file, {file.name}.")
        if lms == "canvas" and match["late"] and LATE not in one.notes:
            one.notes.append(LATE)
    if ignored:
        say(f"Not notebooks, and left out: {', '.join(ignored)}.")
    submissions = list(found.values())
    keys = Counter(one.key for one in submissions)
    for one in submissions:
        if keys[one.key] > 1:  # a name that only looks like one of Canvas's
            one.lms, one.lms_id = "plain", ""
    if not submissions:
        raise Unreadable(f"There is no notebook in {folder}.")
    if roster:
        submissions = enrol(submissions, roster, say)
    names = Counter(one.student for one in submissions)
    for one in submissions:
        if names[one.student] > 1:  # two people of one name
            one.student = f"{one.student} {one.lms_id}".strip()
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
    return [p for p in paths if CHECKPOINTS not in p.parts and p.name[0] != "."]


def packed(path):
    """The files in a zip file, as paths below it; none if it is no zip file, or a whole class's."""
    with contextlib.suppress(OSError, Unreadable, *DAMAGED), open(path, "rb") as file:
        return _apart(_packed, path) if file.read(4) == b"PK\3\4" else []
    return []


def _packed(path):
    with zipfile.ZipFile(path) as archive:
        inside = [Path(name) for name in archive.namelist() if not name.endswith("/")]
    forms = MOODLE, CANVAS
    whole = sum(any(f.fullmatch(x) for f in forms for x in p.parts[-2:]) for p in inside) > 1
    out = (p.is_absolute() or ".." in p.parts or len(str(p)) > 1000 for p in inside)
    if whole or any(out) or len(inside) > CELLS:
        return []
    hidden = {"__MACOSX", CHECKPOINTS}
    return [path / p for p in inside if p.name[:1] != "." and not hidden & {*p.parts}]


def on_disk(path):
    """The file that holds what is at a path: itself, or the zip file around it."""
    return next((one for one in path.parents if one.is_file()), path)


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
        head, *rows = csv.reader(file, delimiter=max(",;\t", key=line.count))
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
    return unicodedata.normalize("NFC", text).strip().casefold()


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
                    number = plain(text).removeprefix("participant ")  # so in Moodle's own tables
                    numbers[number].add(row["student"])
    strangers, result = [], {}
    for one in submissions:
        team, _, rest = one.name.partition("-")  # Moodle: Group A-Ann Lee, but not Anne-Marie
        member = " " in rest.strip() and GROUP.search(team)  # with a whole name
        whole = names[plain(one.name)] or (names[plain(rest)] if member else ())
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
            first.notes += one.notes
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
    """The notebook in a file, whatever its version: its cells without outputs, and their labels."""
    notebook = nbformat.v4.new_notebook()
    for kind, source, labels, pictures in _apart(_contents, path):
        metadata = {"nbgrader": labels, "pictures": pictures}
        cell = {"cell_type": kind, "source": source, "metadata": metadata}
        notebook.cells.append(nbformat.from_dict(cell))
    return notebook


def _apart(work, path):
    """What `work` finds in a file, in a process of its own, since a small file may be a great deal
    of work. Raises Unreadable."""
    context = multiprocessing.get_context("fork")
    with futures.ProcessPoolExecutor(1, context, initializer=_limit) as pool:
        try:
            return pool.submit(work, path).result()
        except (futures.BrokenExecutor, MemoryError):
            raise Unreadable("The file takes too much time or memory to read.") from None


def _limit():
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one that asked
    die_with_parent()
    limit(READING, READING_SECONDS)


def _contents(path):
    """The cells of a notebook: (type, source, labels, pictures)."""
    data = _json(path)
    try:
        data = data if "cells" in data else nbformat.reads(json.dumps(data), as_version=4)
        cells = list(map(_seen, data["cells"]))
    except Exception:
        raise Unreadable("The file is damaged: its cells are not those of a notebook.") from None
    if len(cells) > CELLS or sum(len(source) for _, source, *_ in cells) > LETTERS:
        raise Unreadable(
            f"The file is too large to read: more than {CELLS} cells, or {LETTERS / 1e6:g} MB "
            "without the outputs."
        )
    # Half a character becomes a “?”.
    return json.loads(json.dumps(cells, ensure_ascii=False).encode("utf-8", "replace"))


def _seen(cell):
    """A cell's type, text, labels and pictures: as URLs, or in words what no page shows."""
    kind, source, pictures = cell["cell_type"], "".join(cell["source"]), []

    def keep(kind, data):
        data = "".join(str(data).split())
        url = f"data:{kind};base64,{data}"
        shown = len(data) <= PICTURE and PICTURE_URL.fullmatch(url)
        words = f"[a picture of {len(data) * 3e-6 / 4:.1f} MB ({kind[:40]}): see the notebook]"
        pictures.append(url if shown else words)
        return f"(picture {len(pictures)})"

    if kind == "markdown":  # Colab writes pictures into the text
        source = INLINE.sub(lambda found: keep(found[1], found[2]), source)
        for one in (cell.get("attachments") or {}).values():
            for form, data in one.items():
                keep(form, data)
    labels = (cell.get("metadata") or {}).get("nbgrader")
    if not isinstance(labels, dict) or not isinstance(labels.get("grade_id", ""), str):
        labels = {}
    labels = {name: one for name, one in labels.items() if len(repr(one)) < 200}
    return str(kind), source, labels, pictures


def _json(path):
    """What stands in a file, if that could be a notebook."""
    try:
        with open(around := on_disk(path), "rb") as file:
            if around != path:
                archive = zipfile.ZipFile(file)
                names = [name for name in archive.namelist() if Path(around, name) == path]
                file = archive.open(names[-1])
            text = file.read(LARGEST + 1)
    except OSError as error:
        raise Unreadable(f"The file cannot be read: {error.strerror}.") from None
    except DAMAGED:
        why = "it is damaged, or has a password"
        raise Unreadable(f"The zip file cannot be unpacked: {why}.") from None
    if len(text) > LARGEST:
        raise Unreadable(f"The file has more than {LARGEST / 1e6:.0f} MB: too large to read.")
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
    return data


def likeness(path, template):
    """(has a notebook half of the assignment's cells, how many of its answers are filled in, how
    many of the cells it has)"""
    try:
        cells = read(path).cells
    except Unreadable:
        return False, 0, 0
    names, texts = {label(cell) for cell in cells}, {squeeze(cell.source) for cell in cells}
    wanted = [cell for cell in template.cells if label(cell)]
    there = sum(label(cell) in names or squeeze(cell.source) in texts for cell in wanted)
    empty = sum(squeeze(cell.source) in texts for cell in wanted if is_solution(cell))
    return 2 * there >= len(wanted), sum(map(is_solution, wanted)) - empty, there


def choose(files, master):
    """The file of a student that answers this assignment, or None."""
    files = [path for path in files if is_notebook(path)]
    files = [path for path in files if "-checkpoint" not in path.name] or files

    def rank(path):
        version, canvas = NUMBERED.search(path.name), CANVAS.fullmatch(path.name)
        number = int(next(filter(None, version.groups()), 0)) if version else 0
        ours, filled, there = likeness(path, master.template)
        upload = int(canvas["upload"]) if canvas else 0
        named = master.name in path.name
        return ours, filled, number, upload, named, there, path.name

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
                    votes[master.name] += likeness(path, master.template)[2]
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
    """The names that a cell defines, also with a mistake in its syntax."""
    found = re.finditer(r"^(?:def|class) (\w+)|^(\w+) *=", source, re.M)
    return makes(source) or {match[1] or match[2] for match in found}


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
    for i, found in copies.items():  # as nbgrader does: the last one counts …
        if is_locked(goal[i]):  # … or the first that is as it was
            found.sort(key=lambda j, i=i: (squeeze(cells[j].source) == _shown(goal[i]), -j))
        match[i], used[found[-1]] = found[-1], i  # the others run, in their places
        if len(found) > 1:
            notes.append(f"The cell {label(goal[i])} was there {len(found)} times; all were run.")
    lost = len(cells) and not match

    texts = defaultdict(list)
    for j, cell in enumerate(cells):
        if j not in used:
            texts[cell.cell_type, squeeze(cell.source)].append(j)
    for i, cell in enumerate(goal):
        key, shown = (cell.cell_type, squeeze(cell.source)), (cell.cell_type, _shown(cell))
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


def _gap(i, match, end):
    """The places in the student's notebook between the neighbours of an assignment's cell."""
    first = max((match[k] for k in match if k < i), default=-1)
    last = min((match[k] for k in match if k > i and match[k] > first), default=end)
    return range(first + 1, last)


def _closest(i, cell, cells, match, used):
    """The student's cell that most likely answers in place of a missing one."""
    wanted = defined(cell.source)

    def similarity(j):
        ratio = difflib.SequenceMatcher(None, cells[j].source[:2000], cell.source[:2000]).ratio()
        return 10 * len(wanted & defined(cells[j].source)) + ratio

    free = [j for j in _gap(i, match, len(cells)) if j not in used and cells[j].source.strip()]
    free = [j for j in free if cells[j].cell_type == cell.cell_type]
    return max(free, key=similarity, default=None)


def _mended(cells, goal, match, lost):
    """What was wrong with the notebook's cells, in sentences."""
    if not any(cell.source.strip() for cell in cells):
        return ["The notebook is empty."]
    answers = [i for i, cell in enumerate(goal) if is_solution(cell)]
    if not any(i in match for i in answers):
        return ["None of the assignment's answer cells is in this notebook."]

    def changed(i):
        known = _shown(goal[i]), squeeze(goal[i].source)
        return i in match and squeeze(cells[match[i]].source) not in known

    tests = [i for i, cell in enumerate(goal) if is_test(cell)]
    given = [i for i in match if is_locked(goal[i]) and i not in tests]
    notes = {
        "Deleted tests were put back": [i for i in tests if i not in match and not lost],
        "Changed tests were restored": filter(changed, tests),
        "Changed cells were restored": filter(changed, given),
        "Answer cells were missing": [i for i in answers if i not in match],
    }
    notes = {words: ", ".join(label(goal[i]) for i in found) for words, found in notes.items()}
    first = ["The cells had lost their labels (copying or Colab does that); restored."]
    return (first if lost else []) + [f"{what}: {names}." for what, names in notes.items() if names]


def _shown(cell):
    """The text of a cell as students see it."""
    return squeeze(visible(cell.source))


def added(source, cell):
    """What a student wrote into a locked cell, as a text: the statements that neither stand in it
    nor change what it makes. Of those in a test, the ones that make something."""
    old, result = parsed(cell.source), []
    known, names = set(map(ast.unparse, old.body)), makes(cell.source)
    for statement in parsed(source).body:
        try:
            text = ast.unparse(statement)
        except RecursionError:
            continue  # so deep that it would not run
        new = makes(text)
        if not (text in known or isinstance(statement, ast.Assert) or new & names):
            result += [text] if new or not is_test(cell) else []
    return "\n".join(result)


def says(cell):
    """Is there something in a cell for a person to read? In code: a comment or a sentence."""
    if cell.cell_type != "code" or not cell.source.strip():
        return bool(cell.source.strip() or cell.metadata.get("pictures"))
    tree = parsed(cell.source)
    texts = (n.value for n in ast.walk(tree) if isinstance(n, ast.Constant))
    return not tree.body or any(isinstance(t, str) and len(t.split()) > 4 for t in texts)


def _words(i, cells, goal, match, used):
    """The student's own cells around an answer in words that belong to it."""
    code = {k: j for k, j in match.items() if goal[k].cell_type == "code"}
    return [j for j in _gap(i, code, len(cells)) if j not in used and says(cells[j])]


def _assembled(cells, goal, match, used):
    """The cells to run, in the template's order; each knows whose it is by `metadata.owner`."""
    words = {i: _words(i, cells, goal, match, used) for i, cell in enumerate(goal) if by_hand(cell)}
    read = {j for found in words.values() for j in found}
    locked = {label(cell): i for i, cell in enumerate(goal) if is_locked(cell)}
    extras, current = defaultdict(list), -1
    for j, cell in enumerate(cells):
        i, text = used.get(j, locked.get(label(cell))), cell.source
        if cell.cell_type == "code" and i is not None and is_locked(goal[i]):
            text = added(text, goal[i])
        elif j in used or (j in read and not parsed(text).body):
            text = ""
        first = j in used and is_test(goal[i])  # what was written into a test stands before it
        current = used.get(j, current)
        if cell.cell_type == "code" and text.strip():
            extras[current - first].append(_copy(cell, "student", text))
    result = extras[-1]
    for i, cell in enumerate(goal):
        mine = _copy(cell, "student" if is_solution(cell) else "assignment")
        if is_solution(cell):
            parts = sorted([*words.get(i, ()), *([match[i]] if i in match else ())])
            if parts or not by_hand(cell):  # a stub would undo an answer that stands elsewhere
                mine.source = "\n\n".join(cells[j].source for j in parts)
            seen = [cells[j].metadata.get("pictures", ()) for j in parts]
            mine.metadata.pictures = [one for pictures in seen for one in pictures]
            mine.metadata.unchanged = squeeze(mine.source) == squeeze(cell.source)
        if is_solution(cell) or is_locked(cell) or is_grade(cell) or i in match:
            result.append(mine)
        result += extras[i]
    return result


def _copy(cell, owner, text=None):
    cell = copy.deepcopy(cell)
    if text is not None:
        cell.metadata, cell.source = nbformat.NotebookNode(), text
    cell.metadata.owner = owner
    return cell
