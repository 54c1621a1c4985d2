"""The reader's own copy of the lessons, opened in JupyterLab: `python -m classroom.lab`.

`python -m classroom.lab FROM TO` only copies. What a reader has changed is never overwritten; what
nobody has touched follows the course, and where both have changed, that is said.
"""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
from cnnlab.files import written_whole

from .notebooks import from_text
from .plain import SITE_ONLY, for_jupyter

COURSE = Path(__file__).resolve().parents[2]
HANDED = ".handed-out.json"  # {file: digest of what was copied}, in the reader's folder
SETTINGS = Path(__file__).with_name("jupyterlab")  # pages open as pages, not as their text


def hand_out(source, target):
    """Copy notebooks, pages and pictures of a folder to another, each whole or not at all.

    A master becomes a notebook with its solutions and all of its tests.

    Returns:
        The names of files that the reader has changed, and of which there is a newer version.
    """
    source, target = Path(source), Path(target)
    note = target / HANDED
    handed, newer = noted(note), []
    try:
        for path in sorted(source.rglob("*.*")):
            name = path.relative_to(source)
            hidden = any(part.startswith((".", "_")) for part in name.parts)
            if path.is_dir() or hidden or path.suffix == ".bib" or name.as_posix() in SITE_ONLY:
                continue
            name, content = ready(path, source, name)
            own, digest = target / name, digest_of(content)
            before = handed.get(name.as_posix())
            there = digest_of(own.read_bytes()) if own.exists() else None
            if there not in (None, before, digest):  # the reader's
                newer += [name.as_posix()] if before not in (None, digest) else []
                continue
            if there != digest:
                own.parent.mkdir(parents=True, exist_ok=True)
                with written_whole(own) as part:
                    part.write_bytes(content)
            handed[name.as_posix()] = digest
    finally:  # what is there counts, even if the rest could not be copied
        if handed:
            with written_whole(note) as part:
                part.write_text(json.dumps(handed, indent=1, sort_keys=True), "utf-8")
    return newer


def noted(note):
    """What the note of an earlier time says; nothing if it is missing or damaged."""
    try:
        return dict(json.loads(note.read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return {}


def ready(path, folder, name):
    """(name, content) of a file as it is handed out."""
    if path.suffix not in (".md", ".ipynb"):
        return name, path.read_bytes()
    text = path.read_text("utf-8")
    if text.startswith("---\njupytext:"):
        notebook = from_text(text.replace("@CLASS@", "demo"))
        return name.with_suffix(".ipynb"), (nbformat.writes(notebook) + "\n").encode()
    return name, for_jupyter(path, folder).encode()


def digest_of(content):
    return hashlib.sha256(content).hexdigest()[:16]


def copy(source, target):
    """Hand out, and say which lessons are newer than the reader's, or what went wrong."""
    try:
        tell(hand_out(source, target), target)
    except OSError as problem:
        sys.exit(
            f"The lessons could not be copied: {problem}. Make room, or close what uses the file, "
            "or choose a folder in which you may write; then start again."
        )


def tell(newer, target):
    """Say which lessons are newer than the reader's."""
    for name in newer:
        print(
            f"There is a newer version of {name}. Yours, in {target}, stays as it is. To get the "
            "new one, rename yours, and start this again."
        )


def main(arguments):
    if arguments and not arguments[0].startswith("-"):
        if len(arguments) != 2 or not Path(arguments[0]).is_dir():
            wrong = "" if Path(arguments[0]).is_dir() else f"There is no folder {arguments[0]}. "
            sys.exit(
                f"{wrong}Say which folder to copy, and where to: python -m classroom.lab FROM TO"
            )
        copy(*arguments)
        print(f"The notebooks are in {arguments[1]}.")
        return 0
    if not (COURSE / "book").is_dir():
        sys.exit(
            "The lessons are not beside this package. Get course.zip from the course's page "
            "Install, unpack it, and follow that page."
        )
    os.chdir(COURSE)
    copy("book", "work")
    lab = [sys.executable, "-m", "jupyterlab", "work", f"--LabApp.app_settings_dir={SETTINGS}"]
    server = subprocess.Popen([*lab, *arguments])
    while True:
        try:
            return server.wait()
        except KeyboardInterrupt:  # JupyterLab hears it, too, and asks whether to end
            pass


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
