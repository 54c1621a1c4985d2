"""Cells as the site shows them: what lies behind a question is sealed, checks open from a tick.

A cell with the tag `hide-input` that shows something is a claim: first what it shows, then a small
tick, "how this was computed", which opens the code. What follows a cell with `ask(…)`, up to the
next heading, lies in an element with the class `sealed`; `answer(…)` is in there. A page without
scripts, a printed page and a page reached by a search (`?highlight=`) hide nothing.
"""

import json
import re
from html import escape, unescape
from pathlib import Path

from docutils import nodes
from rules import TITLE
from sphinx.errors import ExtensionError

# In <head>, before anything is painted: whether this page asks, and what is open already. If a
# script cannot be loaded, nothing stays sealed.
HEAD = """<script>
try {
  const page = document.documentElement, keep = localStorage;
  if (!keep.getItem("cnnlab.read-through") && !/[?&]highlight=/.test(location.search)) {
    page.classList.add("asks");
    const give_up = (e) => e.target.tagName === "SCRIPT" && page.classList.remove("asks");
    addEventListener("error", give_up, true);
    addEventListener("load", () => removeEventListener("error", give_up, true));
    const known = Object.entries(JSON.parse(keep.getItem("cnnlab.predictions.1") ?? "{}"))
      .filter(([name, p]) => /^[a-z0-9-]+$/.test(name) && /^[0-9a-f]{8}$/.test(p?.version));
    const open = known.map(([name, p]) => `#sealed-${name}[data-version="${p.version}"]`).join();
    if (open) document.write(`<style>:is(${open}) { display: block !important; }</style>`);
  }
} catch { /* nothing can be kept here: every question is asked */ }
</script>"""


class Sealed(nodes.container):
    """What a reader sees after committing to a prediction."""


class Tick(nodes.container):
    """Code that opens."""


def visit_sealed(self, node):
    name, version = escape(node["name"]), escape(node["version"])
    self.body.append(f'<div class="sealed" id="sealed-{name}" data-version="{version}">\n')


def visit_tick(self, node):
    label = escape(node["label"])
    kind = " ".join(["tick" if node["shows"] else "code-fold", *node["classes"]])
    self.body.append(f'<details class="{kind}"><summary><span>{label}</span></summary>\n')


def cells(document):
    """The code cells of a page."""
    return [n for n in document.findall(nodes.container) if n.get("nb_element") == "cell_code"]


def fold(cell):
    """Put the code of a cell behind a tick, after what the cell shows."""
    for code in cell.findall(nodes.literal_block):
        if code.astext().startswith(TITLE):  # for notebooks: the tick says it already
            text = code.astext().partition("\n")[2]
            code.rawsource, code.children = text, []
            code += nodes.Text(text)
    if cell.get("hide_mode") != "input":
        return
    del cell["hide_mode"]  # myst-nb would make a box of it
    code = cell.children[0]
    shows = len(cell.children) > 1
    label = "how this was computed" if shows else "the code of this step"
    tick = Tick(label=label, shows=shows)
    cell.remove(code)
    tick.append(code)
    (cell.children[-1] if shows else cell).append(tick)


def given(cell, element, name):
    """The data of a question, or of its answer, in a cell that shows it."""
    for raw in cell.findall(nodes.raw):
        for data in re.findall(rf'<cnn-{element} data-given="([^"]*)"', raw.astext()):
            found = json.loads(unescape(data))
            if found["name"] == name:
                return found
    raise ExtensionError(f"The cell of {name!r} shows no {element}: run `make lessons`.")


def seal(document):
    """Seal what lies between questions and answers; return the questions of the page."""
    questions = []
    for cell in cells(document):
        name = cell["cell_metadata"].get("cnnlab", {}).get("asks")
        if not name:
            continue
        question, place = given(cell, "prediction", name), cell.parent
        start = place.index(cell) + 1
        end, answer = start, None
        # To the next heading, since what follows the answer may repeat it, and what is asked next
        # may rest on it. The questions of a quiz stand beside each other.
        for node in place.children[start:]:
            marks = node.get("cell_metadata", {}).get("cnnlab", {})
            if isinstance(node, nodes.section) or marks.get("asks", "").startswith("quiz-"):
                break
            if name in marks.get("answers", []):
                answer = given(node, "answer", name)
            end += 1
        if answer is None:
            raise ExtensionError(f"The answer to {name!r} must stand in the question's section.")
        sealed = Sealed(name=name, version=question["version"])
        sealed.extend(place.children[start:end])
        place[start:end] = [sealed]
        while isinstance(place, Sealed):
            place = place.parent
        section = place["ids"][0] if isinstance(place, nodes.section) else ""
        told = {key: question[key] for key in ("name", "version", "question", "kind")}
        if name.startswith("quiz-"):  # these stand by themselves, and are asked again
            told = question | {"answer": answer}
        questions.append(told | {"section": section})
    return questions


def read(app, document):
    for cell in cells(document):
        fold(cell)
    ticks = [tick for tick in document.findall(Tick) if tick["shows"]]
    for tick in ticks[:1]:
        tick["classes"].append("first")
    env = app.env
    if not hasattr(env, "cnnlab_questions"):
        env.cnnlab_questions = {}
    env.cnnlab_questions[env.docname] = seal(document)


def forget(app, env, name):
    getattr(env, "cnnlab_questions", {}).pop(name, None)


def merge(app, env, names, other):
    found = {name: other.cnnlab_questions.get(name, []) for name in names}
    env.cnnlab_questions = getattr(env, "cnnlab_questions", {}) | found


def begin(app, name, template, context, document):
    context["metatags"] = context.get("metatags", "") + HEAD


def write(app, problem):
    """All questions of the course, for the pages on the reader's predictions and progress."""
    if problem or app.builder.format != "html":
        return
    known = getattr(app.env, "cnnlab_questions", {})
    pages = [
        {"page": name, "title": app.env.titles[name].astext(), "questions": known[name]}
        for name in [app.config.root_doc, *app.env.toctree_includes.get(app.config.root_doc, [])]
        if known.get(name)
    ]
    text = f"globalThis.cnn ??= {{}};\ncnn.questions = {json.dumps(pages, ensure_ascii=False)};\n"
    (Path(app.outdir) / "_static" / "questions.js").write_text(text, encoding="utf-8")


def setup(app):
    close = (lambda self, node: self.body.append("</div>\n"),)
    app.add_node(Sealed, html=(visit_sealed, *close))
    close = (lambda self, node: self.body.append("</details>\n"),)
    app.add_node(Tick, html=(visit_tick, *close))
    app.add_css_file("cells.css")
    app.connect("doctree-read", read)
    app.connect("env-purge-doc", forget)
    app.connect("env-merge-info", merge)
    app.connect("html-page-context", begin)
    app.connect("build-finished", write)
