"""Slides for each chapter, made from the built site by rule: `python lessons_src/slides.py`.

A chapter's slides are its title with what it teaches, then in its own order each question, figure,
table, live piece and answer, and at the end what a reader can now say. So a question is asked, what
decides it is shown, and then the answer is told. Exercises and code stay on the page.
"""

import json
import re
import sys
from html import escape

from bs4 import BeautifulSoup
from paper import CONFIG, ROOT, SITE, inside, listed, remarks, right

SLIDES = SITE / "slides"
STYLE = ROOT / "book" / "_static" / "slides.css"
SCRIPT = STYLE.with_suffix(".js")
LEFT_OUT = ("exercises", "read-more", "what-you-can-now-say")


def main():
    """Write `slides/NAME.html` for each chapter into the site, and a list of them."""
    if not (SITE / "index.html").exists():
        raise SystemExit("Slides are made from the site, which is not built: run `make book`.")
    SLIDES.mkdir(exist_ok=True)
    decks = []
    for path in sorted((SITE / "book").glob("[0-9]*.html")):
        name, slides = deck(BeautifulSoup(path.read_text("utf-8"), "html.parser"), path.name)
        (SLIDES / path.name).write_text(page(name, "".join(slides)), encoding="utf-8")
        decks.append(f'<li><a href="{path.name}">{name}</a>, {len(slides)} slides</li>')
    way = "Arrow keys turn the pages; what a question asks is decided before its answer is told."
    body = f'<main class="list"><h1>Slides</h1><p>{way}</p><ul>{"".join(decks)}</ul></main>'
    (SLIDES / "index.html").write_text(page("Slides", body), encoding="utf-8")
    print(f"Slides for {len(decks)} chapters: open {SLIDES / 'index.html'}")


def page(name, body):
    """A whole HTML file, which asks for nothing but the site's own style sheet and pictures."""
    return f"""<!doctype html>
<html lang="en" data-theme="light">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(name)} — {escape(CONFIG["title"])}</title>
<link rel="stylesheet" href="../_static/site.css">
<style>{STYLE.read_text("utf-8")}</style>
<body class="bd-content">
{body}
<script>{SCRIPT.read_text("utf-8")}</script>
</body></html>"""


def deck(soup, address):
    """(title, slides) of a chapter; each slide is the HTML of a section."""
    text = soup.find("article").section
    for needless in text.select(".headerlink, .copybtn, script, .run, .about"):
        needless.decompose()
    for image in text("img"):
        image.attrs.pop("loading", None)
    title = text.h1.get_text()
    goals = text.find("strong", string="Afterwards you can").find_next("ul")
    slides = [slide("", f"<h1>{inside(text.h1)}</h1><p>Afterwards you can</p>{goals}", "title")]
    asked = {}
    for part in text.find_all([re.compile("^cnn-"), "figure", "div", "table"]):
        home = part.find_parent("section")
        if (home.get("id") in LEFT_OUT) or part.find_parent(["details", "cnn-prediction"]):
            continue
        head = inside(home.find(["h1", "h2", "h3"]))
        if part.name == "cnn-prediction":
            told = json.loads(part["data-given"])
            asked[told["name"]] = told, inside(part.p)
            options = listed(part("li")) if told["kind"] == "options" else part.ul or ""
            slides.append(slide(head, f'<div class="ask">{inside(part.p)}</div>{options}', "asks"))
        elif part.name == "cnn-answer":
            said = json.loads(part["data-given"])
            told, question = asked[said["name"]]
            more = "".join(map(str, remarks(told, said, str)))
            answer = f'<div class="again">{question}</div><p class="truth">{right(told, said)}</p>'
            slides.append(slide(head, answer + more, "tells"))
        elif part.name.startswith("cnn-") and part.img:
            link = f"../book/{address}#{part['id']}"
            live = f'<p><a href="{link}">Open the live piece</a></p>{part.img}'
            slides.append(slide(head, live, "play"))
        elif shown(part):
            slides.append(slide(head, str(part), "shows"))
    says = text.find(id="what-you-can-now-say")
    slides.append(slide("", f"<h2>{inside(says.h2)}</h2>{says.ul}", "says"))
    return title, slides


def shown(part):
    """Whether a part is a picture or a table of its own, and not inside of another."""
    if part.name == "div" and "cnn-table" not in part.get("class", []):
        return False
    return (
        part.find_parent(["figure", "table"]) is None
        and part.find_parent(class_="cnn-table") is None
    )


def slide(head, content, kind):
    """A slide: the heading of the section that it is from, and what it shows."""
    top = f'<p class="head">{head}</p>' if head else ""
    room = f'<div class="room"><div class="content">{content}</div></div>'
    return f'<section class="slide {kind}">{top}{room}</section>\n'


if __name__ == "__main__":
    sys.exit(main())
