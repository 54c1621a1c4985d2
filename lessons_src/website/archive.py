"""The course to take away: `_static/course.zip`, and each page's notebook without outputs.

The notebooks install the course where it is missing, from its home if the build knows that.
The archive is for who learns: lessons, assignments, package, records and the lock, but neither the
masters with their solutions nor what builds and tests the site.
"""

import re
import zipfile
from fnmatch import fnmatch
from pathlib import Path

from classroom.notebooks import ARCHIVE
from classroom.plain import SITE_ONLY, for_jupyter

from website import home

NAME = "cnn-course"  # the folder in the archive
PARTS = [
    ["CITATION.cff", "LICENSE", "LICENSE-TEXT", "Makefile", "install.py", "pyproject.toml"],
    ["requirements.txt", "requirements-classroom.txt"],
    ["book", "results", "lessons_src/cnnlab", "lessons_src/classroom"],
]
# Files of the site, and what Python leaves behind.
WITHOUT = ["_static", "__pycache__", ".*", "*.pyc", "unfinished", "*.bib", *SITE_ONLY]
README = Path(__file__).with_name("archive-README.md")


def setup(app):
    """Called by Sphinx."""
    app.connect("build-finished", write)


def write(app, error):
    """Write the archive, and take the outputs out of the notebooks that the site offers."""
    if error or app.builder.format != "html":
        return
    root, site = Path(app.srcdir), app.config.html_baseurl
    course = home.course(app.config.course_home, ARCHIVE)
    archive(root, Path(app.outdir, home.ARCHIVE), course)
    for path in list(Path(app.outdir, "_sources").rglob("*.ipynb")):
        source = root / path.relative_to(Path(app.outdir, "_sources"))
        if not source.exists():  # renamed since an earlier build
            path.unlink()
            continue
        text = for_jupyter(source, root / "book", course=course, lone=True, site=site)
        path.write_text(text, "utf-8", newline="\n")


def archive(root, target, course=ARCHIVE):
    """Write the archive of the course in `root`; the same course gives the same bytes.

    `course` is where the notebooks find the course, once they are taken out of it.
    """
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as packed:
        add(packed, "README.md", readme(root).encode())
        for path in files(root):
            content = path.read_bytes()
            if path.suffix in (".ipynb", ".md") and root / "book" in path.parents:
                content = for_jupyter(path, root / "book", course=course).encode()
            add(packed, path.relative_to(root).as_posix(), content)


def readme(root):
    """The archive's own README; how to install stands in the course's, and is taken from there."""
    text = (root / "README.md").read_text("utf-8")
    install = re.search(r"<!-- install: .*? -->\n\n(.*?)\n\n<!-- /install -->", text, re.DOTALL)
    return README.read_text("utf-8").replace("@INSTALL@", install[1])


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
