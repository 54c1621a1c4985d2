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

from .notebooks import from_text
from .plain import SITE_ONLY, for_jupyter

COURSE = Path(__file__).resolve().parents[2]
HANDED = ".handed-out.json"  # {file: digest of what was copied}, in the reader's folder
SETTINGS = Path(__file__).with_name("jupyterlab")  # pages open as pages, not as their text


def hand_out(source, target):
    """Copy notebooks, pages and pictures of a folder to another.

    A master becomes a notebook with its solutions and all of its tests.

    Returns:
        The names of files that the reader has changed, and of which there is a newer version.
    """
    source, target = Path(source), Path(target)
    note = target / HANDED
    handed = json.loads(note.read_text("utf-8")) if note.exists() else {}
    newer = []
    for path in sorted(source.rglob("*.*")):
        name = path.relative_to(source)
        hidden = any(part.startswith((".", "_")) for part in name.parts)
        if path.is_dir() or hidden or path.suffix == ".bib" or name.as_posix() in SITE_ONLY:
            continue
        name, content = ready(path, source, name)
        own, digest = target / name, digest_of(content)
        before = handed.get(name.as_posix())
        if own.exists():
            if digest_of(own.read_bytes()) != before:  # the reader's
                newer += [name.as_posix()] if before not in (None, digest) else []
                continue
            if before == digest:
                continue
        own.parent.mkdir(parents=True, exist_ok=True)
        own.write_bytes(content)
        handed[name.as_posix()] = digest
    if handed:
        note.write_text(json.dumps(handed, indent=1, sort_keys=True), "utf-8")
    return newer


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


def tell(newer, target):
    """Say which lessons are newer than the reader's."""
    for name in newer:
        print(
            f"There is a newer version of {name}. Yours, in {target}, stays as it is. To get the "
            "new one, rename yours, and start this again."
        )


def main(arguments):
    if arguments and not arguments[0].startswith("-"):
        source, target = arguments
        tell(hand_out(source, target), target)
        return 0
    if not (COURSE / "book").is_dir():
        sys.exit(
            "The lessons are not beside this package. Get course.zip from the course's page "
            "Install, unpack it, and follow that page."
        )
    os.chdir(COURSE)
    tell(hand_out("book", "work"), "work")
    lab = [sys.executable, "-m", "jupyterlab", "work", f"--LabApp.app_settings_dir={SETTINGS}"]
    try:
        return subprocess.call([*lab, *arguments])
    except KeyboardInterrupt:  # how JupyterLab is ended
        return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
