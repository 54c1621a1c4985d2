"""What stands around a page's text: its head, its menus, and the pages that are no chapters.

The template is templates/layout.html. Nothing here asks a network for anything.
"""

import re
import shutil
from html import unescape
from pathlib import Path

from docutils import nodes

TEMPLATES = Path(__file__).with_name("templates")
# Scripts of the theme and of Sphinx that the pages do without.
NEEDLESS = re.compile("sphinx-book-theme|doctools|sphinx_highlight|mathjax", re.IGNORECASE)
NEEDLESS_FILES = (
    "scripts vendor/fontawesome locales images doctools.js sphinx_highlight.js searchtools.js "
    "language_data.js webpack-macros.html sbt-webpack-macros.html styles/*.map *.png "
    "paper.css slides.css slides.js"  # for paper.py and slides.py
)
PREVIEW = "book/stills/digit-pad-compact.png"
MARKER = "_static/site.css"  # where this is, there is the course


def setup(app):
    """Called by Sphinx."""
    app.config.templates_path.insert(0, str(TEMPLATES))
    app.add_js_file("shell.js", loading_method="defer")
    app.connect("html-page-context", frame, priority=900)
    app.connect("html-collect-pages", pages)
    app.connect("build-finished", site_map)
    app.connect("build-finished", sweep, priority=900)


def frame(app, name, template, context, document):
    """Fill in what the template asks for."""
    course, root = app.config.html_title, name == app.config.root_doc
    title = unescape(re.sub("<.*?>", "", context.get("title", "")))
    context["docstitle"] = course
    context["page_title"] = course if root or not title else f"{title} — {course}"
    context["root_doc"] = app.config.root_doc
    context["author"] = app.config.author
    context["script_files"] = [script for script in context["script_files"] if wanted(script)]
    source = context.get("sourcename") or ""
    context["notebook"] = f"_sources/{source}" if source.endswith(".ipynb") else None
    context["contents"] = contents(context.get("toc") or "")
    context["preview"] = preview(app)
    context["head"] = head(context, root, title, description(document))


def wanted(script):
    """Whether a page loads this script; it then does so without waiting for it."""
    told = f"{script.filename} {script.attributes.get('body', '')}"
    if NEEDLESS.search(told) or "DOCUMENTATION_OPTIONS." in told:
        return False
    if script.filename and "async" not in script.attributes:
        script.attributes["defer"] = "defer"
    return True


def contents(toc):
    """The list of a page's sections, without the page's own title; nothing if there are not two."""
    inner = re.search(r"</a>\s*(<ul>.*</ul>)\s*</li>\s*</ul>", toc, re.DOTALL)
    return inner[1] if inner and inner[1].count("<li>") > 1 else ""


def description(document):
    """What the first paragraph says, in at most 160 letters."""
    if document is None:
        return ""
    texts = (" ".join(p.astext().split()) for p in document.findall(nodes.paragraph))
    text = next((text for text in texts if len(text) > 40), "")
    if len(text) <= 160:
        return text
    sentences = re.match(r".{60,158}[.?!](?=\s)", text)
    return sentences[0] if sentences else text[:158].rsplit(" ", 1)[0] + " …"


def head(context, root, title, text):
    """Descriptions for search engines and for who shares a link.

    The address of a page, and pictures, must be absolute there: they are only known where
    `html: baseurl:` is set in _config.yml.
    """
    found = {
        "description": text,
        "og:title": title,
        "og:description": text,
        "og:type": "website" if root else "article",
        "og:site_name": context["docstitle"],
        "og:url": context.get("pageurl"),
        "og:image": context["preview"],
    }
    return {key: value for key, value in found.items() if value}


def preview(app):
    """The address of the picture beside a shared link; nothing if the site's address is unknown."""
    base, name = app.config.html_baseurl, app.env.images.get(PREVIEW, (None, None))[1]
    return f"{base.rstrip('/')}/_images/{name}" if base and name else None


def pages(app):
    """The page at the site's root, and the one for addresses that do not exist."""
    first = app.env.get_doctree(app.config.root_doc)
    yield "index", {"description": description(first)}, "root.html"
    yield "404", {"marker": MARKER}, "404.html"


def site_map(app, error):
    """Write sitemap.xml, which may hold absolute addresses only: none without a base address."""
    base = app.config.html_baseurl
    if error or app.builder.format != "html" or not base:
        return
    address = base.rstrip("/") + "/"
    places = [address + app.builder.get_target_uri(name) for name in sorted(app.env.found_docs)]
    urls = "".join(f"<url><loc>{place}</loc></url>\n" for place in places)
    Path(app.outdir, "sitemap.xml").write_text(
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n{urls}</urlset>\n',
        encoding="utf-8",
    )


def sweep(app, error):
    """Take the theme's files that no page loads out of the site: more than half of it."""
    static = Path(app.outdir, "_static")
    for pattern in NEEDLESS_FILES.split():
        for path in static.glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
