"""How fast the course is: `{how-fast}` lists what was measured, and where.

What a lesson takes stands in its notebook, since it was run; the rest in tests/bench.json, which
`make bench` writes.
"""

import json
from pathlib import Path

import nbformat
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

BENCH = Path("tests", "bench.json")


def setup(app):
    """Called by Sphinx."""
    app.add_directive("how-fast", HowFast)


def lessons(known):
    """A table of the lessons, and where they ran: Markdown lines. `known`: {page: its metadata}."""
    lines = ["| Lesson | To run it, in seconds | Memory at most, in MB |", "|---|--:|--:|"]
    for page, found in known.items():
        memory = found.get("megabytes")
        memory = f"{memory:,}" if memory else "not measured"
        lines.append(f"| [](/{page}) | {found['seconds']} | {memory} |")
    seconds = sum(found["seconds"] for found in known.values())
    lines += ["", f"All of them: {seconds / 60:.0f} minutes, one after the other."]
    where = dict.fromkeys(found["computer"] for found in known.values() if "computer" in found)
    return lines + where_told(where)


def where_told(where):
    """On which computers something was measured."""
    return [line for computer in where for line in ("", f"Measured on: {computer}.")]


def bench(found):
    """A table of what `make bench` measured, and where: Markdown lines."""
    if not found:
        return ["Nothing has been measured yet: `make bench` does it."]
    lines = ["| What | Measured | Wanted |", "|---|--:|--:|"]
    for what, (number, unit, target) in found["measured"].items():
        lines.append(
            f"| {what} | {number:,g} {unit} | {target.replace('<=', '≤').replace('>=', '≥')} |"
        )
    return lines + where_told([found["computer"]])


class HowFast(SphinxDirective):
    """`{how-fast} lessons` and `{how-fast} bench`."""

    required_arguments = 1

    def run(self):
        root = Path(self.env.srcdir)
        if self.arguments == ["lessons"]:
            known = {}
            for path in sorted(root.glob("book/[0-9a]*.ipynb")):  # chapters and the appendix
                self.env.note_dependency(str(path))
                metadata = nbformat.read(path, as_version=4).metadata
                known[f"book/{path.stem}"] = metadata["cnnlab"]
            lines = lessons(known)
        elif self.arguments == ["bench"]:
            path = root / BENCH
            self.env.note_dependency(str(path))
            lines = bench(json.loads(path.read_text("utf-8")) if path.exists() else None)
        else:
            raise self.error(f"how-fast knows lessons and bench, and not {self.arguments[0]}.")
        shown = nodes.Element()
        self.state.nested_parse(StringList(lines, str(BENCH)), self.content_offset, shown)
        return shown.children
