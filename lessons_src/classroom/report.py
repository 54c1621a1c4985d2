"""What comes out: tables, upload files for Moodle and Canvas, feedback pages, statistics."""

import csv
import hashlib
import io
import json
import re
import shutil
from collections import Counter
from html import escape

from cnnlab.files import written_whole

from . import submissions
from .grading import UNANSWERED, copies, safe, stored, write
from .masters import by_hand, question
from .sandbox import KINDS

STYLE = """
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto;
  padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .4rem .6rem;
  border-bottom: 1px solid #8888; }
pre { white-space: pre-wrap; border-left: 3px solid #8888; padding-left: 1rem; font: inherit; }
p, pre, td:last-child { overflow-wrap: anywhere; }
.table { overflow-x: auto; }
""".strip()
LARGEST = 200_000  # bytes of a feedback page
ADJUST = "adjust by hand"  # a column: points to add to the total, or to take away
SEEN = "by-hand.json"  # what was typed for which answer


class Mixed(Exception):
    """Going on would mix up grades or lose some; the message says what to do."""


def column(master, name):
    """The heading of a question's column."""
    if name in hand_questions(master):
        return f"{name} by hand (of {master.points[name]:g})"
    return name


def hand_questions(master):
    return [question(cell) for cell in master.graded if by_hand(cell)]


def number(text):
    """What a person typed into a cell of the table, as a number, or None."""
    text = text.strip().replace(",", ".").replace("\u2212", "-")
    return float(text) if re.fullmatch(r"[+-]?\d{1,6}(\.\d*)?", text) else None


def typed(path, master, results):
    """{key of a submission: its row} of the table that is there, where a person may have typed.

    Raises Mixed rather than lose anything that was typed.
    """
    if not path.exists():
        return {}
    rows = submissions.read_table(path)
    headings = [ADJUST, *(column(master, name) for name in hand_questions(master))]
    for heading in headings:
        if rows and heading not in rows[0]:
            raise Mixed(
                f"{path} has lost its column “{heading}”. Nothing was overwritten: put it back, "
                f"or start from the copy before ({path}.before)."
            )
    found, strange = {}, []
    for row in rows:
        said = any(row.get(heading) for heading in headings)
        keys = [r.key for r in results if r.key == row.get("submission")]
        keys = keys or [r.key for r in results if r.student == row["student"]]
        old = found.get(keys[0]) if len(keys) == 1 else None
        if said and (len(keys) != 1 or (old and any(old.get(h) for h in headings))):
            strange.append(row["student"])
        elif len(keys) == 1 and (said or old is None):
            found[keys[0]] = row
    for row in found.values():
        if row.get(ADJUST) and number(row[ADJUST]) is None:
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
    """All results of one assignment, with the grades that people gave."""

    def __init__(self, master, folder, results):
        self.master, self.folder = master, folder
        everyone = {r.key: r for r in [*stored(folder / "results"), *results]}
        self.results = sorted(everyone.values(), key=lambda r: (r.student, r.key))
        self.typed = typed(folder / "grades.csv", master, self.results)
        mine = {"student", "status", *master.points, ADJUST, "total", "of", "seconds"}
        mine |= {"sentence", "submission", *(column(master, name) for name in master.points)}
        headings = dict.fromkeys(h for row in self.typed.values() for h in row)
        self.extra = [heading for heading in headings if heading and heading not in mine]
        try:
            self.seen = json.loads((folder / SEEN).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            self.seen = {}
        for result in self.results:
            for name in hand_questions(master):
                text, mark = self.text(result, name), self.mark(result, name)
                before = self.seen.get(f"{result.key} {name}", ["", ""])
                if text != before[0]:
                    self.seen[f"{result.key} {name}"] = [text, mark]

    def mark(self, result, name):
        return hashlib.sha256(result.answers.get(name, "").encode()).hexdigest()[:12]

    def outdated(self, result):
        """The questions whose answers changed after a person had graded them."""
        return [
            name
            for name in hand_questions(self.master)
            if self.text(result, name)
            and self.seen[f"{result.key} {name}"][1] != self.mark(result, name)
        ]

    def row(self, result):
        return self.typed.get(result.key, {})

    def text(self, result, name):
        """What a person typed for a question, unchanged."""
        return self.row(result).get(column(self.master, name)) or ""

    def points(self, result, name):
        """The points of a question; None while nobody has graded it."""
        if name not in hand_questions(self.master):
            return result.points.get(name, 0.0)
        value = number(self.text(result, name))
        if value is not None and 0 <= value <= self.master.points[name]:
            return value
        return 0.0 if result.points.get(name) == 0.0 and not self.text(result, name) else None

    def total(self, result):
        adjusted = number(self.row(result).get(ADJUST) or "") or 0.0
        return adjusted + sum(self.points(result, name) or 0.0 for name in self.master.points)

    def sentence(self, result, private=True):
        """What a person should know, in a few words."""
        if result.status == "unreadable":
            return " ".join(result.notes)
        most = sum(self.master.points.values())
        parts = [f"{self.total(result):g} of {most:g} points."]
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
        parts += [f"{q}: the answer changed after it was graded." for q in self.outdated(result)]
        adjusted = self.row(result).get(ADJUST) or ""
        if adjusted:
            parts.append(f"{adjusted} points by hand.")
        failed = [f"{name}: {text}" for name, text in result.messages.items() if text != "Not run."]
        parts += failed[:3] + ([f"({len(failed) - 3} more.)"] if len(failed) > 3 else [])
        if not failed and result.status == "graded" and len(parts) == 1:
            parts.append("Every test passed.")
        text = " ".join(parts)
        return text if len(text) <= 700 else text[:699] + "…"

    def waiting(self):
        """How many answers nobody has graded yet."""
        names = hand_questions(self.master)
        return sum(self.points(r, name) is None for r in self.results for name in names)

    # --- tables ----------------------------------------------------------------------------

    def table(self):
        names = list(self.master.points)
        head = ["student", "status", *(column(self.master, n) for n in names)]
        rows = [[*head, ADJUST, "total", "of", "seconds", "sentence", "submission", *self.extra]]
        most = sum(self.master.points.values())
        for r in self.results:
            hand = hand_questions(self.master)
            cells = [self.text(r, n) if n in hand else f"{self.points(r, n):g}" for n in names]
            end = [f"{self.total(r):g}", f"{most:g}", f"{r.seconds:g}", self.sentence(r)]
            row = self.row(r)
            end += [r.key, *(row.get(heading) or "" for heading in self.extra)]
            rows.append([r.student, r.status, *cells, row.get(ADJUST) or "", *end])
        return rows

    def canvas(self):
        """What Canvas takes under Grades → Import."""
        head = ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", self.master.title]
        most = sum(self.master.points.values())
        rows = [head, ["    Points Possible", "", "", "", "", f"{most:g}"]]
        for r in self.results:
            canvas = r.lms_id if r.lms == "canvas" else ""
            login = "" if canvas else r.student
            rows.append([r.name or r.student, canvas, "", login, "", f"{self.total(r):g}"])
        return rows

    def moodle(self):
        """What Moodle takes as an offline grading worksheet."""
        most = sum(self.master.points.values())
        head = ["Identifier", "Full name", "Grade", "Maximum Grade", "Last modified (grade)"]
        rows = [[*head, "Feedback comments"]]
        for r in self.results:
            who = f"Participant {r.lms_id}" if r.lms == "moodle" else r.student
            words = self.sentence(r, private=False)
            rows.append([who, r.name or r.student, f"{self.total(r):g}", f"{most:g}", "", words])
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

    def feedback(self, result):
        """The page that a student gets."""
        rows = [["question", "points", "what the tests say"]]
        for name, most in self.master.points.items():
            value = self.points(result, name)
            if value is None:
                words = "Not graded yet."
            elif name in result.messages and value < most:
                words = result.messages[name]
            else:
                words = "" if name in hand_questions(self.master) else "Passed."
            got = "–" if value is None else f"{value:g}"
            rows.append([self.master.titles[name], f"{got} of {most:g}", words])
        notes = [*result.notes]
        if adjusted := self.row(result).get(ADJUST):
            notes.append(f"{adjusted} points were added by hand.")
        most = sum(self.master.points.values())
        body = f"<p><b>{self.total(result):g} of {most:g} points.</b> Status: {result.status}.</p>"
        body += "".join(f"<p>{escape(note)}</p>" for note in notes) + html_table(rows)
        body += (
            "<p>A question counts when all of its tests pass: those that you have, and others "
            "with different numbers. The message above is that of the first test that failed.</p>"
        )
        text = page(f"{self.master.title}: {result.student}", body)
        if len(text.encode()) > LARGEST:
            text = page(result.student, body[:100] + "<p>Too long to show.</p>")
        return text

    def report(self, kind, sources):
        """The page for the teacher."""
        count = Counter(r.status for r in self.results)
        states = ", ".join(f"{n} {status}" for status, n in sorted(count.items()))
        body = f"<p>{len(self.results)} submissions: {states}. {self.waiting()} answers wait for a "
        body += f"grade by hand.</p><p>Sandbox: <b>{kind}</b>; {escape(KINDS[kind])}.</p>"
        body += "<h2>Questions</h2>" + html_table(self.statistics())
        copied = copies(self.results, sources)
        if copied:
            body += "<h2>Copied answers</h2><p>These answers are wrong for the student's own "
            body += "numbers and right for somebody else's. Look before you judge.</p>"
            body += html_table([["student", "question", "right for"], *copied])
        marked = [r for r in self.results if r.status != "graded" or r.look or self.outdated(r)]
        if marked:
            body += "<h2>To look at</h2>" + html_table(
                [["student", "status", "why"]]
                + [[r.student, r.status, self.sentence(r)] for r in marked]
            )
        for name in hand_questions(self.master):
            body += f"<h2>{escape(name)}: answers to grade by hand</h2><p>Enter the points in "
            body += f"<code>grades.csv</code>, column “{escape(column(self.master, name))}”, and "
            body += "run the grading again.</p><details><summary>The master's answer</summary>"
            body += f"<pre>{escape(self.master.model_answer(name))}</pre></details>"
            for r in self.results:
                if r.answers.get(name):
                    got = self.text(r, name) or "–"
                    body += f"<h3>{escape(r.student)}: {escape(got)}</h3>"
                    body += f"<pre>{escape(r.answers[name])}</pre>"
        return page(f"{self.master.title}: report", body)

    def write(self, kind, sources):
        """Write everything, each file whole or not at all."""
        pages = self.folder / "feedback"
        pages.mkdir(parents=True, exist_ok=True)
        names = Counter(r.student for r in self.results)
        wanted = {}
        for r in self.results:
            whose = r.student if names[r.student] == 1 else f"{r.student} {r.key}"
            wanted[pages / f"{safe(whose)}.html"] = self.feedback(r)
        for path in set(pages.glob("*.html")) - wanted.keys():
            path.unlink()  # of a name that nobody has any more
        for path, text in wanted.items():
            write(path, text)
        write(self.folder / SEEN, json.dumps(self.seen, indent=1))
        grades = self.folder / "grades.csv"
        table = "\ufeff" + csv_text(
            self.table(), people=True
        )  # the mark tells a spreadsheet that it is UTF-8
        if grades.exists() and grades.read_bytes() != table.encode("utf-8", "replace"):
            with written_whole(f"{grades}.before") as part:
                shutil.copy(grades, part)
        write(grades, table)
        for name, rows in {"canvas": self.canvas(), "moodle": self.moodle()}.items():
            write(self.folder / f"{name}.csv", csv_text(rows))
        write(self.folder / "statistics.csv", csv_text(self.statistics(), people=True))
        write(self.folder / "report.html", self.report(kind, sources))


def neutral(text):
    return f"'{text}" if text[:1] in set("=+-@") and number(text) is None else text


def most_common(things):
    """(the thing that is there most often, how often); the first in order among equals."""
    counts = Counter(things)
    return min(counts.items(), key=lambda item: (-item[1], item[0]), default=("", 0))


def csv_text(rows, people=False):
    """A table as CSV. For `people`, no cell is a formula: those that look so get a quote before."""
    if people:
        rows = [[neutral(str(cell)) for cell in row] for row in rows]
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows(rows)
    return file.getvalue()


def html_table(rows):
    head, *rest = [[escape(str(cell)) for cell in row] for row in rows]
    text = "<tr>" + "".join(f'<th scope="col">{cell}</th>' for cell in head) + "</tr>"
    for row in rest:
        text += "<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>"
    # Wide tables scroll by themselves, with the keyboard, too.
    place = f'class="table" role="region" tabindex="0" aria-label="table: {", ".join(head)}"'
    return f"<div {place}><table>{text}</table></div>"


def page(title, body):
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>"
        f"<body><main><h1>{escape(title)}</h1>{body}</main></body></html>"
    )


def check_folder(master, folder):
    """The results of an earlier run; refuses a folder in which something would be lost."""
    results = stored(folder / "results")
    for result in results:
        if result.assignment != master.name:
            raise Mixed(
                f"{folder} holds the grades of {result.assignment}. "
                f"Choose another folder for those of {master.name}: TO=FOLDER."
            )
    typed(folder / "grades.csv", master, results)
    return results
