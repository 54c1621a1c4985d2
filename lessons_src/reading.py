"""How long a chapter takes, computed from what a reader meets in it, exercises excepted."""

import re
from math import ceil

from rules import asks, visible

MARK = "{minutes}"  # stands in a chapter's source for the number

# What is assumed of a reader; a live piece is something to play with.
WORDS_A_MINUTE = 200
SECONDS = {"line of code": 5, "figure or table": 15, "prediction": 60, "live piece": 120}
PIECE = re.compile(r"<cnn-(?!prediction|answer|calibration)")


def size(notebook):
    """What a reader meets in an executed chapter: {what: how many}."""
    found = dict.fromkeys(["word", *SECONDS], 0)
    for cell in _lesson(notebook):
        if cell.cell_type != "code":
            found["word"] += words(cell.source)
            found["live piece"] += len(PIECE.findall(cell.source))
            continue
        if asks(cell.source):
            found["prediction"] += 1  # with the reading of it
            continue
        if visible(cell):
            found["line of code"] += sum(bool(line.strip()) for line in cell.source.splitlines())
        figure = cell.metadata.get("mystnb", {}).get("figure", {})
        found["word"] += words(figure.get("caption", ""))
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            html = "".join(data.get("text/html", ""))
            found["live piece"] += len(PIECE.findall(html))
            if html and "<cnn-" not in html:
                found["figure or table"] += 1
            found["word"] += words("".join(data.get("text/markdown", "")))
    return found


def _lesson(notebook):
    """The cells outside of the exercises."""
    section = ""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            for heading in re.findall(r"^## (.*)", cell.source, re.M):
                section = heading
        if section != "Exercises":
            yield cell


def words(markdown):
    """How many words a reader reads in a text: no addresses, tags or citations."""
    text = re.sub(r"\]\([^)]*\)|<[^>]*>|\{cite:\w\}`[^`]*`", " ", markdown)
    return len(re.findall(r"\w[\w’'.,·×-]*", text))


def minutes(notebook):
    """The minutes for an executed chapter, the running of its code included, up to the next 5."""
    found = size(notebook)
    seconds = 60 * found["word"] / WORDS_A_MINUTE
    seconds += sum(each * found[what] for what, each in SECONDS.items())
    seconds += notebook.metadata.get("cnnlab", {}).get("seconds", 0)
    return 5 * ceil(seconds / 300)


def announce(notebook):
    """Say in an executed chapter how long it takes, where its source has left room for it."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = cell.source.replace(MARK, str(minutes(notebook)))
