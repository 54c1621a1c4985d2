"""The search index: every section of the built pages, as a script that the search loads.

`book/_static/search.js` searches in it. A script, since a page that was opened from disk may not
fetch anything else.
"""

import json
import re
import tomllib
from pathlib import Path
from urllib.parse import urldefrag

from bs4 import BeautifulSoup

WORDS = Path(__file__).with_name("search.toml")
GLOSSARY = "book/glossary"
# Not prose: code and what it prints, pictures, live pieces, and the build's own signs.
NO_PROSE = (
    "pre, script, style, svg, img, noscript, annotation, .headerlink, .cell_input,"
    ".cell_output table, details.tick, details.code-fold, .about, .run"
)
# What a reader opens only after an answer of their own. It is found, but not quoted.
CLOSED = ".sealed, details"
CHINESE = re.compile(r"[\u4e00-\u9fff]+")


def setup(app):
    """Called by Sphinx."""
    app.connect("builder-inited", without_sphinx_search)
    app.connect("html-collect-pages", lambda app: [("search", {"title": "Search"}, "search.html")])
    app.connect("build-finished", write)
    app.add_css_file("search.css")
    app.add_js_file("search.js", loading_method="defer")


def without_sphinx_search(app):
    """Neither Sphinx's own index nor the scripts that read it."""
    app.builder.search = False


def write(app, error):
    """Write `_static/search-index.js` beside the pages that have just been built."""
    if error or app.builder.format != "html":
        return
    pages = {}
    for name in sorted(app.env.found_docs):
        html = Path(app.builder.get_outfilename(name)).read_text(encoding="utf-8")
        pages[name] = BeautifulSoup(html, "html.parser")
    index = make(
        pages, tomllib.loads(WORDS.read_text(encoding="utf-8")), app.builder.get_target_uri
    )
    text = json.dumps(index, ensure_ascii=False, separators=(",", ":"))
    target = Path(app.outdir, "_static", "search-index.js")
    target.write_text(f"(globalThis.cnn ??= {{}}).searchIndex = {text};\n", encoding="utf-8")


def make(pages, words, address):
    """The index of all pages.

    `pages` are parsed pages by name, the glossary's among them; `words` says by which other words
    a term of the glossary may be found; `address(name)` gives a page's address below the site's
    root. Returns plain lists:

    - terms: for each term of the glossary, its name and all other words for it;
    - pages: address, title;
    - sections: number of the page, anchor, title, numbers of the terms that are taught in it (twice
      where it is their main place), its text, and the text that is closed until the reader answers.
    """
    articles = {name: prose(page) for name, page in pages.items()}
    terms = glossary(articles[GLOSSARY], words)
    names = [name for name, *_ in terms]
    index = {"terms": terms, "pages": [], "sections": []}
    for name, article in articles.items():
        if not article.h1:
            continue  # an address that only leads to another page
        index["pages"].append([address(name), plain(article.h1)])
        closed = {id(section) for section in article.select(f":is({CLOSED}) section")}
        for section in article.find_all("section"):
            anchor, title, numbers, text, hidden = read(section, names)
            if id(section) in closed:
                text, hidden = "", f"{text} {hidden}".strip()
            number = len(index["pages"]) - 1
            index["sections"].append([number, anchor, title, numbers, text, hidden])
    return index


def prose(page):
    """What stands on a page, without what is not prose."""
    article = page.find("article") or page
    for part in article.select(NO_PROSE) + article.find_all(re.compile("^cnn-")):
        part.decompose()
    for block in article.select("p, li, td, th, dt, dd, div, label, summary, figcaption, br"):
        block.append(" ")
    return article


def glossary(article, words):
    """`[name, other words, …]` for each term: the Chinese ones from the page, all others typed."""
    entries = {plain(e.h2): plain(e.p) for e in article.select("section section")}
    unknown = words.keys() - entries.keys()
    if unknown:
        raise ValueError(
            f"{WORDS.name} has words for {', '.join(sorted(unknown))}, which the glossary does not "
            f"explain. It explains {', '.join(entries)}. Correct the name, or explain the term in "
            f"{GLOSSARY}.md."
        )
    return [
        [name, *CHINESE.findall(text.split(". ")[0]), *words.get(name, [])]
        for name, text in entries.items()
    ]


def read(section, names):
    """A section's anchor, title, terms (their numbers), open text, closed text.

    Sections in it are not part of it. Takes its text away, so that it is read once.
    """
    for inner in section.find_all("section"):
        inner.extract()
    heading = section.find(re.compile("^h[1-6]$"))
    title = plain(heading)
    numbers = taught(section, title, names)
    heading.extract()
    closed = [part.extract() for part in section.select(CLOSED)]
    return section["id"], title, numbers, plain(section), " ".join(map(plain, closed)).strip()


def taught(section, title, names):
    """The numbers of the terms that a section teaches: those that stand in it in bold type.

    A number comes twice if the term begins a paragraph, an entry of a list or the section's title.
    """
    title = re.sub(r"^\d+\. ", "", title)
    somewhere, first = set(), {key(title[: len(name)]) for name in names}
    for bold in section.find_all("strong"):
        link, block = bold.find_parent("a"), bold.find_parent(["p", "li", "td"])
        keys = {key(plain(bold)), key(urldefrag(link["href"]).fragment if link else "")}
        somewhere |= keys
        if block and plain(block).startswith(plain(bold)):
            first |= keys
    return [
        number
        for number, name in enumerate(names)
        for place in (somewhere | first, first)
        if key(name) in place
    ]


def key(text):
    """For comparing a term with an anchor or with a word in a sentence."""
    return text.casefold().replace("-", " ")


def plain(tag):
    """Its text in one line."""
    return " ".join(tag.get_text().split()) if tag else ""
