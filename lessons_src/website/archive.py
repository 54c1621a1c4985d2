"""The course to take away: `_static/course.zip`, and each page's notebook without outputs.

The archive is for who learns: lessons, assignments, package, records and the lock, but neither the
masters with their solutions nor what builds and tests the site.
"""

import zipfile
from fnmatch import fnmatch
from pathlib import Path

from classroom.notebooks import alone, without_outputs

NAME = "cnn-course"  # the folder in the archive
PARTS = [
    ["CITATION.cff", "LICENSE", "LICENSE-TEXT", "Makefile", "pyproject.toml"],
    ["requirements.txt", "requirements-classroom.txt"],
    ["book", "results", "lessons_src/cnnlab", "lessons_src/classroom"],
]
# Files of the site, and what Python leaves behind.
WITHOUT = ["_static", "__pycache__", ".*", "*.pyc", "unfinished", "index.ipynb", "*.bib"]
README = Path(__file__).with_name("archive-README.md")


def setup(app):
    """Called by Sphinx."""
    app.connect("build-finished", write)


def write(app, error):
    """Write the archive, and take the outputs out of the notebooks that the site offers."""
    if error or app.builder.format != "html":
        return
    archive(Path(app.srcdir), Path(app.outdir, "_static", "course.zip"))
    for path in Path(app.outdir, "_sources").rglob("*.ipynb"):
        text = without_outputs(path.read_text("utf-8"))
        if path.parent.name == "assignments":  # who takes one has no book beside it
            text = alone(text, app.config.html_baseurl)
        path.write_text(text, "utf-8", newline="\n")


def archive(root, target):
    """Write the archive of the course in `root`; the same course gives the same bytes."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as packed:
        add(packed, "README.md", README.read_bytes())
        for path in files(root):
            content = path.read_bytes()
            if path.suffix == ".ipynb":
                content = without_outputs(content.decode()).encode()
            add(packed, path.relative_to(root).as_posix(), content)


def add(packed, name, content):
    entry = zipfile.ZipInfo(
        f"{NAME}/{name}", (1980, 1, 1, 0, 0, 0)
    )  # no clock, no rights of a user
    entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
    packed.writestr(entry, content)


def files(root):
    """The files of the archive, sorted."""
    *single, folders = PARTS
    found = [root / name for names in single for name in names]
    found += [path for folder in folders for path in (root / folder).rglob("*") if path.is_file()]
    return sorted(
        path
        for path in found
        if not any(fnmatch(part, p) for part in path.relative_to(root).parts for p in WITHOUT)
    )
