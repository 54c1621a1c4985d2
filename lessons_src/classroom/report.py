"""What comes out: tables, upload files for Moodle and Canvas, feedback pages, statistics."""

import ast
import csv
import hashlib
import io
import itertools
import json
import math
import os
import re
import shutil
import zipfile
from collections import Counter, defaultdict
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

import jinja2
import nbformat
from cnnlab.files import written_whole
from markupsafe import Markup
from nbformat.v4 import new_markdown_cell, new_notebook

from . import submissions
from .grading import UNANSWERED, Result, asserts, safe, stored, write
from .masters import by_hand, is_test, question
from .sandbox import KINDS
from .submissions import MISSING, quoted

TEMPLATE = Path(__file__).with_name("pages.html").read_text(encoding="utf-8")
PAGES = jinja2.Template(TEMPLATE, autoescape=True, trim_blocks=True, lstrip_blocks=True).module
LARGEST = 199_000  # bytes of a feedback page
SHOWN = 3_000  # characters of an answer that failed a test
NOT_YET = "not graded"  # a status, after a run that was stopped
ABSENT = {MISSING: "Nothing was handed in.", NOT_YET: "Not graded yet."}
AGAIN = "Type the points anew, or confirm them with a mark: 2!"
SAME = " (same answer)"  # after points that were typed for another who gave the same answer
ADJUST = "adjust by hand"  # a column: points to add to the total, or to take away
SEEN = "by-hand.json"  # what was typed for which answer


class Mixed(Exception):
    """Going on would mix up grades or lose some; the message says what to do."""


def column(master, name):
    """The heading of the column for the points that a person gives."""
    return f"{name} by hand (of {master.points[name]:g})"


def comment(name):
    """The heading of the column for what a person says to an answer."""
    return f"{name} comment"


def hand_questions(master):
    return [question(cell) for cell in master.graded if by_hand(cell)]


def number(text):
    """What a person typed into a cell of the table, as a number, or None."""
    text = text.strip().replace(",", ".").replace("\u2212", "-")
    return float(text) if re.fullmatch(r"[+-]?\d{1,6}(\.\d*)?", text) else None


def marks(text):
    """The points that were typed for an answer, or None: `1.5`, its parts `1+0.5`; a `!` confirms
    those of an answer that changed."""
    parts = [number(part) for part in text.strip("! ").removeprefix("+").split("+")]
    return None if None in parts else sum(parts)


class Row(dict):
    """A row of a table; a cell that it lacks is empty."""

    def __missing__(self, heading):
        return ""


def typed(path, master, results):
    """{key of a submission: its row} of the table that is there, where a person may have typed.

    Raises Mixed rather than lose anything that was typed.
    """
    if not path.exists():
        return {}
    rows = list(map(Row, submissions.read_table(path)))
    headings = [ADJUST, *(column(master, name) for name in hand_questions(master))]
    anything = [*headings, *map(comment, hand_questions(master))]
    for heading in headings:
        if rows and heading not in rows[0]:
            raise Mixed(
                f"{path} has lost its column “{heading}”. Nothing was overwritten: put it back, "
                f"or start from the copy before ({path}.before)."
            )
    found, strange = {}, []
    for row in rows:
        row |= {heading: "" for heading in headings if row[heading].endswith(SAME)}
        said = any(row[heading] for heading in anything)
        keys = [r.key for r in results if r.key == row["submission"]]
        keys = keys or [r.key for r in results if r.student == row["student"]]
        old = found.get(keys[0]) if len(keys) == 1 else None
        if said and (len(keys) != 1 or (old and any(old[h] for h in anything))):
            strange.append(row["student"])
        elif len(keys) == 1 and (said or old is None):
            found[keys[0]] = row
    for row in found.values():
        if row[ADJUST] and number(row[ADJUST]) is None:
            raise Mixed(
                f"In {path}, the row of {row['student']}, “{row[ADJUST]}” in the column “{ADJUST}” "
                "is not a number of points, such as 1.5 or -2. Nothing was overwritten."
            )
    if strange:
        raise Mixed(
            f"In {path}, points were typed for {', '.join(strange)}, and it is not clear whose "
            "submission that is (changed names? two rows?). Nothing was overwritten: mend the "
            f"columns “student” and “submission”, or start from the copy before ({path}.before)."
        )
    return found


class GradeBook:
    """All results of one assignment, with the grades that people gave.

    `found` are the submissions of this run and, with a class list, those who handed in nothing.
    Raises Mixed if something in the folder would be lost.
    """

    def __init__(self, master, folder, found=()):
        self.master, self.folder, self.found = master, folder, found
        self.most, self.hand = sum(master.points.values()), hand_questions(master)
        self.results = sorted(stored(folder / "results"), key=lambda r: (r.student, r.key))
        for result in self.results:
            if result.assignment != master.name:
                raise Mixed(
                    f"{folder} holds the grades of {result.assignment}. "
                    f"Choose another folder for those of {master.name}: TO=FOLDER."
                )
        keys, names = ({getattr(r, what) for r in self.results} for what in ("key", "student"))
        self.absent = [
            Result(one.student, status=one.lms if one.lms == MISSING else NOT_YET, key=one.key)
            for one in found
            if (one.student not in names if one.lms == MISSING else one.key not in keys)
        ]
        self.typed = typed(folder / "grades.csv", master, [*self.results, *self.absent])
        try:
            self.seen = json.loads((folder / SEEN).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            self.seen = {}
        # {key: the questions whose answers changed after a person had graded them}
        self.outdated = defaultdict(list)
        for r, name in itertools.product(self.results, self.hand):
            answer = "".join([r.answers.get(name, ""), *r.pictures.get(name, [])])
            now = [self.text(r, name), hashlib.sha256(answer.encode()).hexdigest()[:12]]
            before = self.seen.get(f"{r.key} {name}", ["", ""])
            if now[0] != before[0]:
                self.seen[f"{r.key} {name}"] = now
            elif now[0] and now != before:
                self.outdated[r.key].append(name)

    @cached_property
    def files(self):
        """{key: the notebook that was handed in} of this run."""
        paths = {one.key: submissions.choose(one.files, self.master) for one in self.found}
        return {key: path for key, path in paths.items() if path}

    def column(self, name):
        return column(self.master, name)

    def row(self, result):
        return self.typed.get(result.key, Row())

    def text(self, result, name):
        """What a person typed for a question, unchanged."""
        return self.row(result)[self.column(name)]

    def adjusted(self, result):
        return self.row(result)[ADJUST]

    def groups(self, name):
        """The results with an answer to read; what differs in spaces only is together."""
        found = defaultdict(list)
        for result in self.results:
            if result.answers.get(name):
                words, pictures = result.answers[name].split(), result.pictures.get(name, [])
                found[" ".join(words), *pictures].append(result)
        return list(found.values())

    @cached_property
    def same(self):
        """{(key, question): the result with the same answer whose points count here, too}"""
        found = {}
        for name in self.hand:
            for group in self.groups(name):
                graded = [r for r in group if marks(self.text(r, name)) is not None]
                graded = [r for r in graded if name not in self.outdated[r.key]]
                if len({marks(self.text(r, name)) for r in graded}) == 1:
                    found |= {(r.key, name): graded[0] for r in group if not self.text(r, name)}
        return found

    def given(self, result, name):
        """(the points as typed here or for the same answer, the comment)"""
        whose = self.same.get((result.key, name), result)
        words = self.row(result)[comment(name)] or self.row(whose)[comment(name)]
        return self.text(whose, name), words

    def points(self, result, name):
        """The points of a question; None while nobody has graded it."""
        if name not in self.hand:
            return result.points.get(name, 0.0)
        value = marks(self.given(result, name)[0])
        if value is not None and 0 <= value <= self.master.points[name]:
            return value
        return 0.0 if result.points.get(name) == 0.0 and not self.text(result, name) else None

    def total(self, result):
        adjusted = number(self.adjusted(result)) or 0.0
        return adjusted + sum(self.points(result, name) or 0.0 for name in self.master.points)

    def sentence(self, result, private=True):
        """What a person should know, in a few words."""
        if result.status in ABSENT:
            return ABSENT[result.status]
        if result.status == "unreadable":
            return " ".join(result.notes)
        parts = [f"{self.total(result):g} of {self.most:g} points."]
        parts += result.notes
        for name, owners in result.copied.items() if private else ():
            parts.append(f"{name}: the answer is right for the numbers of {', '.join(owners[:5])}.")
        for name in self.master.points:
            text, value = self.text(result, name), self.points(result, name)
            if value is None and text:
                most = self.master.points[name]
                parts.append(f"{name}: “{text}” is not a grade from 0 to {most:g}.")
            elif value is None:
                parts.append(f"{name} waits for a grade by hand.")
        for name in self.outdated[result.key]:
            parts.append(f"{name}: the answer changed after it was graded. {AGAIN}")
        if self.adjusted(result):
            parts.append(f"{self.adjusted(result)} points by hand.")
        failed = [f"{name}: {text}" for name, text in result.messages.items() if text != "Not run."]
        said = [(q, self.given(result, q)[1]) for q in self.hand]
        parts += [f"{name}: {words}" for name, words in said if words]
        parts += failed[:3] + ([f"({len(failed) - 3} more.)"] if len(failed) > 3 else [])
        if not failed and result.status == "graded" and len(parts) == 1:
            parts.append("Every test passed.")
        text = " ".join(parts)
        return text if len(text) <= 700 else text[:699] + "…"

    def waiting(self):
        """How many answers nobody has graded yet."""
        names = self.hand
        return sum(self.points(r, name) is None for r in self.results for name in names)

    # --- tables ----------------------------------------------------------------------------

    def table(self):
        """The rows of grades.csv. Columns that somebody added are kept, at the end."""
        rows = []
        for r in sorted([*self.results, *self.absent], key=lambda r: (r.student, r.key)):
            typed, there = self.row(r), r.status not in ABSENT
            row = {"student": quoted(r.student), "status": r.status}
            for name in self.master.points:
                if name in self.hand:
                    shared = SAME if (r.key, name) in self.same else ""
                    row[self.column(name)] = self.given(r, name)[0] + shared
                    row[comment(name)] = typed[comment(name)]
                else:
                    row[name] = f"{self.points(r, name):g}" if there else ""
            row[ADJUST] = self.adjusted(r)
            row["total"] = f"{self.total(r):g}" if there or self.adjusted(r) else ""
            row |= {"of": f"{self.most:g}", "seconds": f"{r.seconds:g}"}
            row |= {"sentence": self.sentence(r), "submission": quoted(r.key)}
            rows.append(row | {h: text for h, text in typed.items() if h and h not in row})
        head = list(dict.fromkeys(heading for row in rows for heading in row))
        return [head, *([row.get(heading, "") for heading in head] for row in rows)]

    def canvas(self):
        """What Canvas takes under Grades → Import."""
        head = ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", self.master.title]
        rows = [head, ["    Points Possible", "", "", "", "", f"{self.most:g}"]]
        for r in self.results:
            canvas = r.lms_id if r.lms == "canvas" else ""
            login = "" if canvas else r.student
            rows.append([r.name or r.student, canvas, "", login, "", f"{self.total(r):g}"])
        return rows

    def moodle(self):
        """What Moodle takes as an offline grading worksheet."""
        head = ["Identifier", "Full name", "Grade", "Maximum Grade", "Last modified (grade)"]
        rows = [[*head, "Feedback comments"]]
        for r in self.results:
            who = f"Participant {r.lms_id}" if r.lms == "moodle" else r.student
            words = self.sentence(r, private=False)
            rows.append(
                [who, r.name or r.student, f"{self.total(r):g}", f"{self.most:g}", "", words]
            )
        return rows

    def statistics(self):
        head = ["question", "of", "mean", "all points", "no points", "not answered"]
        rows = [[*head, "most failed test", "students", "its message"]]
        for name, most in self.master.points.items():
            values = [v for r in self.results if (v := self.points(r, name)) is not None]
            skipped = [r for r in self.results if r.messages.get(name) == UNANSWERED]
            failed = [r for r in self.results if name in r.tests and r not in skipped]
            test, count = most_common(r.tests[name] for r in failed)
            message, _ = most_common(r.messages[name] for r in failed if r.tests[name] == test)
            mean = f"{sum(values) / len(values):.2f}" if values else ""
            full, none = sum(v == most for v in values), sum(v == 0 for v in values)
            rows.append([name, f"{most:g}", mean, full, none, len(skipped), test, count, message])
        return rows

    # --- pages -----------------------------------------------------------------------------

    def questions(self, result):
        """What a student is told: [question, points, words] for each."""
        rows = []
        for name, most in self.master.points.items():
            value, hand = self.points(result, name), name in self.hand
            words = "" if hand else "Passed."
            if value is None:
                words = "Not graded yet."
            elif name in result.messages and value < most:
                words = result.messages[name]
            if hand and value is not None:
                text, said = self.given(result, name)
                words = " ".join([words, f"Points: {text}." if "+" in text else "", said]).strip()
            got = "–" if value is None else f"{value:g}"
            rows.append([self.master.titles[name], f"{got} of {most:g}", words])
        return rows

    def feedback(self, result):
        """The page that a student gets, from below its heading on."""
        text = PAGES.feedback(self, result)
        if len(text.encode("utf-8", "replace")) > LARGEST:
            return Markup(f"<p>{self.total(result):g} points. The rest is too long to show.</p>")
        return text

    def uploads(self, pages):
        """{zip: {name: text}} of feedback {key: page} as the systems take it.

        Moodle finds the student by the folder's name. Canvas finds the file that was handed in,
        and gives its name to what it got: so that is a notebook, too.
        """
        moodle, canvas = {}, {}
        for r in self.results:
            if r.lms == "moodle":
                moodle[f"{r.name}_{r.lms_id}_assignsubmission_file_/feedback.html"] = pages[r.key]
            path = self.files.get(r.key)
            around = path and submissions.on_disk(path)
            if path and submissions.CANVAS.fullmatch(around.name):
                text = Markup("<h1>{}</h1>").format(self.master.title) + self.feedback(r)
                cell = new_markdown_cell(" ".join(text.split()), id="feedback")
                name = around.name if around == path else f"{around.stem}.ipynb"
                name = os.fsencode(name).decode("utf-8", "replace")
                canvas[name] = nbformat.writes(new_notebook(cells=[cell]))
        return {"moodle-feedback.zip": moodle, "canvas-feedback.zip": canvas}

    def link(self, result):
        """A student's name, with a link to the notebook if it is there."""
        path = self.files.get(result.key)
        if path is None:
            return result.student
        place = os.path.relpath(submissions.on_disk(path), self.folder)
        place = quote(os.fsencode(place))
        return Markup('<a href="{}">{}</a>').format(place, result.student or path.name)

    def histogram(self):
        tenth = [min(9, max(0, int(10 * self.total(r) / self.most))) for r in self.results]
        for n in range(10):
            bar = "█" * math.ceil(30 * tenth.count(n) / len(tenth)) if tenth else ""
            bar = Markup('<span aria-hidden="true">{}</span>').format(bar)
            yield f"{self.most * n / 10:g}", tenth.count(n), bar

    def tested(self, cell):
        """What became of each test of a question, and {(test, message, answer): who failed}."""
        name, tests = question(cell), dict(asserts(cell.source))
        failed = [r for r in self.results if name in r.tests]
        first = Counter(r.tests[name] for r in failed)
        passed = sum(r.points.get(name) == self.master.points[name] for r in self.results)
        passed += sum(first[test] for test in tests)
        rows, answers = [], defaultdict(list)
        for test, node in tests.items():
            code = ast.get_source_segment(cell.source, node)
            passed -= first[test]
            rows.append([test, passed, first[test], Markup("<code>{}</code>").format(code)])
        rows += [[error, "", first[error], ""] for error in sorted(first.keys() - tests.keys())]
        for r in failed:
            if r.messages[name] != UNANSWERED and r.answers.get(name):
                wrong = r.tests[name], r.messages[name], r.answers[name][:SHOWN]
                answers[wrong].append(self.link(r))
        return name, rows, sorted(answers.items(), key=lambda one: one[0])

    def copied(self):
        links = {r.student: self.link(r) for r in self.results}
        for r in self.results:
            for name, owners in r.copied.items():
                whose = [links.get(owner, owner) for owner in owners[:5]]
                yield self.link(r), name, Markup(", ").join(whose)

    def report(self, kind):
        """The page for the teacher, from below its heading on."""
        count = Counter(r.status for r in self.results)
        marked = [r for r in self.results if r.status != "graded" or r.look or self.outdated[r.key]]
        rows = {
            "states": ", ".join(f"{n} {status}" for status, n in sorted(count.items())),
            "histogram": self.histogram(),
            "everybody": [[self.link(r), r.status, f"{self.total(r):g}"] for r in self.results],
            "statistics": self.statistics(),
            "strangers": [[one.name, one.lms_id, one.key] for one in self.found if not one.known],
            "missing": [r.student for r in self.absent if r.status == MISSING],
            "copied": list(self.copied()),
            "marked": [[self.link(r), r.status, self.sentence(r)] for r in marked],
            "tested": map(self.tested, filter(is_test, self.master.graded)),
        }
        return PAGES.report(self, kind, KINDS[kind], rows)

    def write(self, kind):
        """Write everything, each file whole or not at all."""
        pages = self.folder / "feedback"
        pages.mkdir(parents=True, exist_ok=True)
        names = Counter(r.student for r in self.results)
        wanted, texts = {}, {}
        for r in self.results:
            alone = r.student and names[r.student] == 1
            whose = r.student if alone else f"{r.student} {r.key}".strip()
            text = PAGES.page(f"{self.master.title}: {r.student}", self.feedback(r))
            wanted[pages / f"{safe(whose)}.html"] = texts[r.key] = text
        for path in set(pages.glob("*.html")) - wanted.keys():
            path.unlink()  # of a name that nobody has any more
        for path, text in wanted.items():
            write(path, text)
        for name, files in self.uploads(texts).items():
            if not files:
                (self.folder / name).unlink(missing_ok=True)
                continue
            with written_whole(self.folder / name) as part, zipfile.ZipFile(part, "w") as archive:
                for inside, text in files.items():
                    archive.writestr(inside, text.encode("utf-8", "replace"), zipfile.ZIP_DEFLATED)
        write(self.folder / SEEN, json.dumps(self.seen, indent=1))
        grades = self.folder / "grades.csv"
        # The mark tells a spreadsheet that it is UTF-8.
        table = "\ufeff" + csv_text(self.table(), people=True)
        if grades.exists() and grades.read_bytes() != table.encode("utf-8", "replace"):
            with written_whole(f"{grades}.before") as part:
                shutil.copy(grades, part)
        write(grades, table)
        for name, rows in {"canvas": self.canvas(), "moodle": self.moodle()}.items():
            write(self.folder / f"{name}.csv", csv_text(rows))
        write(self.folder / "statistics.csv", csv_text(self.statistics(), people=True))
        report = PAGES.page(f"{self.master.title}: report", self.report(kind))
        write(self.folder / "report.html", report)


def all_together(folder):
    """Write all.csv, a row for each student, if the grades of several assignments lie side by side.

    `folder` is the one that holds theirs.
    """
    totals = {}
    for path in sorted(folder.glob("*/grades.csv")):
        if path.with_name("results").is_dir():
            rows = submissions.read_table(path)
            one = totals[path.parent.name] = {}
            for row in rows:
                who = row["student"]
                who = f"{who} ({row['submission']})" if who in one else who  # two of one name
                one[who] = row.get("total") or ""
    table = [["student", *totals, "sum"]]
    for student in sorted(set().union(*totals.values())):
        points = [one.get(student, "") for one in totals.values()]
        table.append([quoted(student), *points, f"{sum(number(p) or 0 for p in points):g}"])
    if len(totals) > 1:
        write(folder / "all.csv", "\ufeff" + csv_text(table, people=True))


def neutral(text):
    return f"'{text}" if text[:1] in set("=+-@") and number(text) is None else text


def most_common(things):
    """(the thing that is there most often, how often); the first in order among equals."""
    return next(iter(Counter(sorted(things)).most_common(1)), ("", 0))


def csv_text(rows, people=False):
    """A table as CSV. For `people`, no cell is a formula: those that look so get a quote before."""
    if people:
        rows = [[neutral(str(cell)) for cell in row] for row in rows]
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows(rows)
    return file.getvalue()
