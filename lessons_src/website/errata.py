"""The mistakes that readers found: `{errata}` lists what stands in book/errata.toml."""

import tomllib
from datetime import date
from pathlib import Path

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

KEYS = {"date": date, "page": str, "was": str, "now": str, "found_by": str}
WORDS = {date: "a date", str: "a text"}


def setup(app):
    """Called by Sphinx."""
    app.add_directive("errata", Errata)


def read(text):
    """The mistakes in the text of errata.toml, newest first.

    Raises:
        ValueError: that says what is wrong with the text, and where.
    """
    found = tomllib.loads(text)
    mistakes = found.pop("mistake", [])
    if found or not isinstance(mistakes, list):
        wrong = ", ".join(found) or "[mistake]"
        raise ValueError(f"In errata.toml, each entry begins with [[mistake]], and not {wrong}.")
    for number, mistake in enumerate(mistakes, 1):
        kinds = {key: type(value) for key, value in mistake.items()}
        if kinds != KEYS:
            wanted = ", ".join(f"{key} ({WORDS[kind]})" for key, kind in KEYS.items())
            raise ValueError(f"Entry {number} of errata.toml needs {wanted}. It is {mistake}.")
    return sorted(mistakes, key=lambda mistake: mistake["date"], reverse=True)


def told(mistakes, version, repository=""):
    """The list as Markdown, for the page; the address of the repository, if it is known."""
    lines = [f"This is version {version}."]
    lines[0] += f" Its repository is at <{repository}>." if repository else ""
    lines.append("")
    if not mistakes:
        lines.append(
            "No mistake has been reported yet. That says how new the course is, not how right."
        )
    for mistake in mistakes:
        thanks = f" Found by {mistake['found_by']}." if mistake["found_by"] else ""
        lines.append(
            f"- {mistake['date']}, [](/book/{mistake['page']}): “{mistake['was']}” Now: "
            f"“{mistake['now']}”{thanks}"
        )
    return "\n".join(lines)


class Errata(SphinxDirective):
    """`{errata}`: the version of the course, and its mistakes that were found."""

    def run(self):
        root = Path(self.env.srcdir)
        project, listed = root / "pyproject.toml", root / "book" / "errata.toml"
        for path in (project, listed):
            self.env.note_dependency(str(path))
        try:
            mistakes = read(listed.read_text("utf-8"))
        except ValueError as problem:  # which a mistake in the TOML is, too
            raise self.error(str(problem)) from None
        version = tomllib.loads(project.read_text("utf-8"))["project"]["version"]
        shown = nodes.Element()
        lines = told(mistakes, version, self.config.course_home.get("repository")).splitlines()
        self.state.nested_parse(StringList(lines, str(listed)), self.content_offset, shown)
        return shown.children
