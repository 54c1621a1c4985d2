"""What a chapter's cells must keep to, so that a reader commits before seeing.

`broken` names, in words, each place where a chapter does not, and `given_away` each answer that
stands above its question; `make lessons` prints both.
"""

import ast
import json
import re
from html import unescape

# Tags of cells whose code a reader does not see unless they open it.
FOLDED = {"hide-input", "hide-cell", "remove-input"}
TITLE = "# @title"  # begins the line that a notebook shows instead


def calls(source, name):
    """The calls of a function by its plain name in a cell."""
    try:
        tree = ast.parse(source)
    except SyntaxError:  # a line for IPython, such as %timeit
        return []
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name
    ]


def asks(source):
    """The name of the question that a cell asks, if it asks one."""
    found = [call.args[0].value for call in calls(source, "ask")]
    return found[0] if found else None


def answers(source):
    """The names of the questions that a cell answers."""
    return [call.args[0].value for call in calls(source, "answer")]


def visible(cell):
    if cell.cell_type != "code" or cell.metadata.get("cnnlab", {}).get("fetches"):
        return False
    return not FOLDED & set(cell.metadata.get("tags", []))


def broken(notebook):
    """Sentences that say where a chapter breaks the rules."""
    return [*_lessons(notebook), *_questions(notebook)]


def _lessons(notebook):
    """A cell that teaches states no result: it only computes."""
    for number, cell in enumerate(notebook.cells, 1):
        if not visible(cell):
            continue
        where = f"cell {number} is visible and"
        try:
            tree = ast.parse(cell.source)
        except SyntaxError:
            continue
        for name in ("say", "answer", "ask"):
            if calls(cell.source, name):
                yield f"{where} calls {name}(…): give it the tag hide-input, or move that line"
        for node in ast.walk(tree):
            if isinstance(node, ast.Assert):
                yield f"{where} asserts something: move it to a cell with the tag hide-input"
            elif isinstance(node, ast.JoinedStr) and "|" in ast.unparse(node):
                yield f"{where} builds a table from texts: figures.table takes the numbers"


def _questions(notebook):
    """Each question has its answer below, in the same section, before the next question."""
    waiting, heading, asked_under, names = None, "", "", set()
    for number, cell in enumerate(notebook.cells, 1):
        if cell.cell_type == "markdown":
            headings = re.findall(r"^#+ .*", cell.source, re.M)
            heading = headings[-1] if headings else heading
            continue
        if name := asks(cell.source):
            if len(ast.parse(cell.source).body) != 1:
                yield f"cell {number}: a question has a cell of its own"
            if waiting:
                yield f"{waiting!r} is not answered before {name!r} is asked (cell {number})"
            if name in names:
                yield f"{name!r} is asked twice"
            names.add(name)
            waiting, asked_under = name, heading
        for call in calls(cell.source, "answer"):
            name, value = call.args[0].value, call.args[1]
            if name != waiting:
                yield f"cell {number} answers {name!r}, which is not the open question"
            elif heading != asked_under:
                yield f"{name!r} is asked and answered under different headings"
            waiting = None
            if typed := _typed(value):
                yield f"the answer to {name!r} is typed, not computed: {typed}"
    if waiting:
        yield f"{waiting!r} has no answer"


def _typed(value):
    """The part of an answer that no outcome could change, or nothing."""
    parts = value.values if isinstance(value, ast.Dict) else [value]
    for part in parts:
        known = any(isinstance(node, (ast.Name, ast.Attribute)) for node in ast.walk(part))
        if not known:
            return ast.unparse(part)
    return None


def given_away(notebook):
    """Sentences that name each answer which an executed chapter shows above its question.

    Looked for are numbers of three digits and more, and the words of the right option, unless
    another option is named above, too.
    """
    above = ""
    for cell in notebook.cells:
        if name := asks(cell.source) if cell.cell_type == "code" else None:
            question, truth = _shown(notebook, "prediction", name), _shown(notebook, "answer", name)
            told, words = _bare(above), _bare(truth["words"])
            if question["kind"] == "options" and "numbers" not in question:
                others = [_bare(option) for option in question["options"]]
                others = [option for option in others if option != words]
                found = words in told and not any(option in told for option in others)
            else:
                number = re.match(r"−?[\d.]+", words)
                long = number and sum(map(str.isdigit, number[0])) > 2
                found = long and re.search(rf"(?<![\d.]){re.escape(number[0])}(?![\d.]*\d)", told)
            if found:
                yield f"the answer to {name!r}, {truth['words']}, stands above the question"
        above += _seen(cell)


def _bare(text):
    """A text in small letters, with no marks of emphasis, nor of thousands: 30000."""
    return re.sub(r"[*`]|(?<=\d)[,_](?=\d)", "", text.lower())


def _seen(cell):
    """What a reader of the site sees of a cell, as text."""
    if cell.cell_type != "code":
        return cell.source + "\n"
    if "hide-cell" in cell.metadata.get("tags", []):
        return ""
    shown = [cell.source] if visible(cell) else []
    for output in cell.outputs:
        data = output.get("data", {})
        html = re.sub(r"<[^>]*>", " ", data.get("text/html", ""))
        shown += [output.get("text", ""), data.get("text/markdown", ""), unescape(html)]
        shown += [] if html else [data.get("text/plain", "")]
    return "\n".join(shown) + "\n"


def _shown(notebook, element, name):
    """What the element of a question or of its answer was given."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            html = output.get("data", {}).get("text/html", "")
            for data in re.findall(rf'<cnn-{element} data-given="([^"]*)"', html):
                given = json.loads(unescape(data))
                if given["name"] == name:
                    return given
    raise LookupError(f"the notebook shows no {element} {name!r}: run `make lessons`")
