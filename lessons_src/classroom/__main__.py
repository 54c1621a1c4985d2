"""`python -m classroom release [NAME …]` and `python -m classroom grade FROM TO`."""

import argparse
import signal
import sys
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path

from . import grading, masters, report, sandbox, submissions


def chosen(known, name):
    if name not in known:
        raise masters.MasterError(f"There is no master {name}; there are {', '.join(known)}.")
    return known[name]


def release(options):
    """Masters → the students' notebooks in book/assignments/."""
    found = masters.find(options.masters, options.cohort)
    for name in options.names or found:
        master = chosen(found, name)
        print(f"{name} ...", end=" ", flush=True)
        # Our own text: a computer without a sandbox will do.
        if lost := grading.rehearse(master, sandbox.choose(unsafe=True)):
            raise masters.MasterError(
                f"{name} was not released. Graded as a submission (what a test may ask of an "
                "answer stands in book/instructors.md), its solution loses points.\n"
                + "\n".join(lost)
            )
        path = masters.release(master, options.to)
        print(f"{sum(master.points.values()):g} points, written to {path}")
        for question, number in master.variants.items():
            shared = 1 - (1 - 1 / number) ** (masters.CLASS - 1)
            print(
                f"  {number:,} variants of {question}: in a class of {masters.CLASS}, "
                f"{shared:.0%} of the students share theirs with somebody"
            )


def grade(options):
    """Submissions → grades, feedback, upload files."""
    say = partial(print, flush=True)
    trial = submissions.is_notebook(Path(options.source)) and Path(options.source).is_file()
    if trial == bool(options.to):
        raise report.Mixed(
            "Say where the grades go: TO=grades/03/. Only a single notebook (FROM=one.ipynb) is a "
            "trial, goes to no grades, and needs no TO."
        )
    options.to = options.to or tempfile.mkdtemp(prefix="trial-")
    inside, outside = Path(options.to).resolve(), Path(options.source).resolve()
    if inside == outside or outside in inside.parents:
        raise report.Mixed("TO must not lie in FROM: the grades would be taken for a student's.")
    found = submissions.find(options.source, options.roster, say)
    known = masters.find(options.masters)
    name = options.assignment
    master = chosen(known, name) if name else submissions.which(found, known)
    folder = Path(options.to)
    earlier = [result.cohort for result in report.GradeBook(master, folder, found).results]
    cohort = options.cohort or submissions.which_cohort(found, master, earlier)
    master = replace(master, cohort=cohort)
    kind = sandbox.choose(options.unsafe)
    jobs = options.jobs or sandbox.CORES
    limits = sandbox.Limits(cell=options.cell_seconds)
    handed_in = sum(one.lms != submissions.MISSING for one in found)
    varies = "@CLASS@" in master.path.read_text(encoding="utf-8")
    whose = f", class {master.cohort}" if varies else ""
    say(f"{handed_in} submissions to {master.name}{whose}, {jobs} at a time.")
    say(f"Sandbox: {kind}; {sandbox.KINDS[kind]}.")
    try:
        results = grading.grade_all(found, master, folder / "results", kind, limits, jobs, say)
    finally:  # if it was stopped: the tables of what is done
        grade_book = report.GradeBook(master, folder, found)
        grade_book.write(kind)
    if trial:
        for row in grade_book.questions(results[0]):
            print("  ".join(row))
        page = next((folder / "feedback").iterdir())
        print("\n".join([*results[0].notes, f"The student's page: {page}."]))
    else:
        report.all_together(inside.parent)
    strange = sum(grading.WORKED_OUT in note for r in results for note in r.notes)
    if strange:
        print(
            f"{strange} answers fit the name in the notebook, not that of the download: see the "
            "report. A class list (ROSTER=) tells which name is whose."
        )
    if waiting := grade_book.waiting():
        print(f"{waiting} answers wait for a grade by hand: see {folder / 'report.html'}.")
    print(f"Grades: {folder / 'grades.csv'}. Report: {folder / 'report.html'}.")


def positive(text):
    if int(text) < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return int(text)


def main():
    sys.stdout.reconfigure(errors="replace")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C
    parser = argparse.ArgumentParser(prog="classroom", description="Set and grade assignments.")
    commands = parser.add_subparsers(required=True)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--masters", default=masters.FOLDER, help="the folder with the masters")
    command = commands.add_parser("release", parents=[common], help=release.__doc__)
    command.add_argument("names", nargs="*", help="masters, without .md; all if none is given")
    command.add_argument("--to", default=masters.PAGES, help="where the notebooks go")
    command.add_argument("--class", dest="cohort", default="demo", help="variants depend on it")
    command.set_defaults(run=release)
    command = commands.add_parser("grade", parents=[common], help=grade.__doc__)
    command.add_argument("source", metavar="FROM", help="folder of notebooks, or one to try")
    command.add_argument(
        "to", metavar="TO", nargs="?", help="folder for grades, feedback and upload files"
    )
    command.add_argument("--assignment", help="the master's name, if it is not clear")
    command.add_argument("--roster", help="class list (CSV): `student`, and names or numbers")
    command.add_argument("--class", dest="cohort", help="the class, if the notebooks do not tell")
    command.add_argument("--jobs", type=positive, help="submissions at a time (default: all cores)")
    command.add_argument("--cell-seconds", type=float, default=sandbox.Limits.cell)
    command.add_argument("--unsafe", action="store_true", help="run without any sandbox")
    command.set_defaults(run=grade)
    options = parser.parse_args()
    problems = (masters.MasterError, submissions.Unreadable, sandbox.NoSandbox, report.Mixed)
    try:
        options.run(options)
    except problems as problem:
        sys.exit(f"\n{problem}")
    except OSError as problem:  # a full disk, a folder that may not be written
        sys.exit(f"\n{problem}\nWhat was graded is kept.")
    except KeyboardInterrupt:
        sys.exit("\nStopped. Start it again, and it goes on where it was.")


if __name__ == "__main__":
    main()
