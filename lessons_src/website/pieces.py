"""Live pieces on the site: their scripts, the way to them, and their gallery.

A chapter holds `<cnn-NAME>…</cnn-NAME>` with a picture in it. Its page loads the scripts of that
piece, says at the top that it is there, and the gallery shows it.
"""

import json
import re
from functools import cache
from pathlib import Path

import nbformat
import reading
from cnnlab import pieces
from docutils import nodes
from sphinx.util.docutils import SphinxDirective
from sphinx.util.osutil import relative_uri

ELEMENT = re.compile(r"<cnn-([a-z0-9-]+)")
OWN = re.compile(r"<cnn-([a-z0-9-]+)>")  # given nothing
TITLE = re.compile(r'static title = "(.*?)"')


def setup(app):
    """Called by Sphinx."""
    app.add_directive("live-piece", Card)
    app.connect("html-page-context", enrich, priority=700)


def title(name):
    """A piece's own title."""
    return TITLE.search((pieces.FOLDER / f"{name}.js").read_text("utf-8"))[1]


@cache
def later():
    """The scripts that a piece loads when it wants them."""
    text = (pieces.FOLDER / "load.js").read_text("utf-8")
    return json.loads(re.search(r"const LATER = (\[.*?\]);", text)[1])


@cache
def homes(folder, root):
    """{piece: the page where it stands with its own example}; the first page, which borrows one,
    is no home."""
    found = {}
    for path in sorted(Path(folder).glob("book/*.ipynb")):
        page = f"book/{path.stem}"
        if page != root:
            for name in OWN.findall(path.read_text("utf-8")):
                found.setdefault(name, page)
    return {name: found[name] for name in pieces.PIECES if name in found}


def minutes(app, chapter):
    """How long a chapter takes, as it announces itself."""
    return reading.minutes(nbformat.read(Path(app.srcdir, f"{chapter}.ipynb"), as_version=4))


def enrich(app, name, template, context, document):
    """Give a page the scripts of its pieces, a way to them, and the times of chapters."""
    if "body" not in context:
        return
    body = context["body"]
    found = list(dict.fromkeys(ELEMENT.findall(body)))
    needed = dict.fromkeys(script for piece in found for script in pieces.scripts(piece))
    for script in [*["load"] * bool(found), *needed]:
        if script not in later():
            app.add_js_file(f"{script}.js", loading_method="defer")
    live = [piece for piece in found if piece in pieces.PIECES]
    for piece in live:
        body = body.replace(f"<cnn-{piece}", f'<cnn-{piece} id="{piece}"', 1)
    # A still is for who has no scripts: the others need not load it.
    body = re.sub(
        r"<cnn-.*?</cnn-",
        lambda p: p[0].replace("<img", '<img loading="lazy"'),
        body,
        flags=re.DOTALL,
    )
    if live and re.match(r"book/\d", name):
        jumps = " ".join(f'<a href="#{p}">Jump to the live piece: {title(p)}</a>' for p in live)
        body = body.replace("</h1>", f'</h1>\n<p class="about">{jumps}</p>', 1)
    context["body"] = with_times(app, body)


def with_times(app, body):
    """A list of class `path` says with each chapter how long it takes, and at its end the sum."""

    def path(found):
        times = []

        def step(item):
            chapter = re.search(r'href="(\d\d-[\w-]+)\.html', item[0])
            times.append(minutes(app, f"book/{chapter[1]}"))
            return item[0].replace("</p>", f' <span class="time">{times[-1]} minutes</span></p>')

        steps = re.sub(r"<li>.*?</li>", step, found[1], flags=re.DOTALL)
        hours = f"{sum(times) / 60:.0f}"
        return f"{steps}<p>Together about {hours} hours, exercises not counted.</p></div>"

    return re.sub(r'(<div class="path">.*?)</div>', path, body, flags=re.DOTALL)


class Card(SphinxDirective):
    """`{live-piece} NAME` with a sentence: a piece's picture, its title, the way to it."""

    required_arguments = 1
    has_content = True

    def run(self):
        [name] = self.arguments
        page = homes(self.env.srcdir, self.config.root_doc).get(name)
        if page is None:
            known = ", ".join(homes(self.env.srcdir, self.config.root_doc))
            raise self.error(f"No chapter holds a live piece {name!r}. They hold: {known}.")
        way = relative_uri(f"{self.env.docname}.html", f"{page}.html") + f"#{name}"
        link = nodes.reference("", "", refuri=way, internal=True)
        link += nodes.image(uri=f"stills/{name}.png", alt="")
        link += nodes.strong("", title(name))
        card = nodes.container(classes=["piece-card"])
        card += nodes.paragraph("", "", link)
        self.state.nested_parse(self.content, self.content_offset, card)
        return [card]
