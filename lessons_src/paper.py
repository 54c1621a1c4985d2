"""The whole book as one PDF, made from the built site: `python lessons_src/paper.py`.

Chromium prints it, twice: the first time tells on which page each part lies, the second time these
numbers stand in the contents and beside the references. On paper nothing unfolds. So answers,
solutions, hints and folded code stand at the end of their chapter: whoever prints one chapter has
all of it, and reads a question without its answer.
"""

import json
import posixpath
import re
import sys
import tomllib
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory

import pikepdf
import yaml
from browser import chromium
from bs4 import BeautifulSoup
from website import home

ROOT = Path(__file__).resolve().parent.parent
SITE = ROOT / "_build" / "html"
PDF = SITE / "_static" / "convolutional-networks.pdf"
LINK = "The whole book, to print or to read without a network"
CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))
STYLE = ROOT / "book" / "_static" / "paper.css"
# Pages that are nothing without a screen.
SCREEN_ONLY = ("book/pieces", "book/predictions")
NEEDLESS = (
    ".headerlink, .run, .about, .get, .get-pdf, .copybtn, .toctree-wrapper, script, noscript, nav, "
    ".run-here, .run-tools, .workbench, cnn-your-predictions"
)
# Attributes that hold the id of something else.
POINTERS = ("for", "headers", "aria-labelledby", "aria-describedby")
WIDE = """() => {
    const room = document.body.getBoundingClientRect().right + 1, found = [];
    for (const one of document.querySelectorAll("body *")) {
        if (one.closest("svg *, math *, pre *")) continue;  // code wraps by itself
        const { right, width } = one.getBoundingClientRect();
        if (width > 1 && right > room) found.push(`${one.localName}.${one.className}: `
            + `${Math.round(right - room)} px, in ${one.closest("section")?.id}: `
            + one.textContent.trim().slice(0, 60));
    }
    return found;
}"""


def main():
    """Print the book into the site, which then offers it on the page Install."""
    with chromium() as browser:
        make(PDF, browser)
    with pikepdf.open(PDF) as pdf:
        print(f"{PDF.relative_to(ROOT)}: {len(pdf.pages)} pages, {mega(PDF)}")
    page = SITE / "book" / "install.html"
    link = f'<p class="get-pdf"><a href="../_static/{PDF.name}">{LINK} ({mega(PDF)})</a></p>'
    text = re.sub(r'<p class="get-pdf">.*?</p>', home.PRINTED, page.read_text("utf-8"))
    page.write_text(text.replace(home.PRINTED, link), encoding="utf-8")


def make(target, browser):
    """Print the book, as the built site has it, into a PDF.

    Raises:
        SystemExit: if there is no site, or something is wider than the page.
    """
    if not (SITE / "index.html").exists():
        raise SystemExit("The book is printed from the site, which is not built: run `make book`.")
    book = Book()
    with TemporaryDirectory() as folder:
        first, second = Path(folder, "first.pdf"), Path(folder, "second.pdf")
        print_out(browser, book.html(), first, tagged=False)  # which is faster
        pages = numbers(first)
        print_out(browser, book.html(pages), second)
        if numbers(second) != pages:
            raise SystemExit("Numbers of pages moved while they were filled in: see paper.css.")
        finish(second, target)


def mega(path):
    return f"{path.stat().st_size / 1e6:.0f} MB"


def print_out(browser, html, target, tagged=True):
    """Print HTML; nothing may be wider than the page, since paper cuts it off."""
    source = SITE.parent / "paper.html"  # beside the site, whose pictures it shows
    source.write_text(html, encoding="utf-8")
    page = browser.new_page(
        viewport={"width": 657, "height": 900}, color_scheme="light", java_script_enabled=False
    )
    page.set_default_timeout(600_000)  # a busy machine is slow, not wrong
    page.route(lambda url: not url.startswith(("file:", "data:")), lambda route: route.abort())
    page.goto(source.as_uri(), wait_until="load")
    page.evaluate("document.fonts.ready")
    page.emulate_media(media="print")
    wide = page.evaluate(WIDE)
    if wide:
        raise SystemExit("These are wider than the page:\n" + "\n".join(wide[:40]))
    page.pdf(
        path=target, prefer_css_page_size=True, print_background=True, tagged=tagged, outline=tagged
    )
    page.close()


def numbers(path):
    """{id: number of the page on which it lies}, of all that is linked to."""
    with pikepdf.open(path) as pdf:
        pages = {page.objgen: number for number, page in enumerate(pdf.pages, 1)}
        return {name[1:]: pages[place[0].objgen] for name, place in pdf.Root.Dests.items()}


def finish(path, target):
    """Say whose the book is, and pack it: a third of the size."""
    with pikepdf.open(path) as pdf:
        pdf.docinfo["/Author"] = CONFIG["author"]
        pdf.save(target, object_stream_mode=pikepdf.ObjectStreamMode.generate)


class Book:
    """The parts of the book, ready to be printed."""

    def __init__(self):
        toc = yaml.safe_load((ROOT / "_toc.yml").read_text("utf-8"))
        names = [toc["root"], *(c["file"] for part in toc["parts"] for c in part["chapters"])]
        names = [name for name in names if name not in SCREEN_ONLY]
        self.chapters = [Chapter(name, names) for name in names]

    def html(self, pages=None):
        """The HTML of the book; without `pages` there is only room for the numbers."""
        project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
        licences = CONFIG["sphinx"]["config"]["html_theme_options"]["extra_footer"]
        site = self.chapters[0].site
        told = f'<p>Its website: <a href="{escape(site)}">{escape(site)}</a></p>' if site else ""
        heads = "".join(
            f"@page {chapter.key} {{ @top-left {{ content: {json.dumps(chapter.title)} }} }}\n"
            for chapter in self.chapters
        )
        text = f"""<!doctype html>
<html lang="en" data-theme="light">
<meta charset="utf-8">
<title>{CONFIG["title"]}</title>
<link rel="stylesheet" href="html/_static/site.css">
<style>{STYLE.read_text("utf-8")}{heads}</style>
<body class="bd-content">
<div class="title-page">
<p class="title">{CONFIG["title"]}</p>
<p>An executable textbook</p>
<p>{CONFIG["author"]}</p>
<p>Version {project["version"]}</p>
{told}
<div class="licences">{licences}</div>
</div>
<section class="front" id="on-paper"><h1>How to read this book on paper</h1>
<p>This is the course's website as a book. On the website and in notebooks you can change
everything and run it again, and play with the live pieces. Here stands a picture of each.</p>
<p><strong>Questions</strong> stand in a box, with a number. Commit to an answer in writing, and to
how sure you are. Cover what is below the box until you have: the text goes on and tells. What is
to be said of each answer, right and wrong, stands at the end of the chapter.</p>
<p><strong>Solutions and hints</strong> stand there, too, with their page where they belong.</p>
<p><strong>A tick with a number</strong>, such as <span class="tick-mark">✓3</span>, says that what
stands before it was computed. The code is the note of that number at the end of the chapter.</p>
</section>
<section class="front book-contents" id="book-contents"><h1>Contents</h1>
<ul>{"".join(chapter.contents() for chapter in self.chapters)}</ul></section>
{"".join(chapter.html for chapter in self.chapters)}
</body></html>"""
        if pages is None:
            return text
        room = r'(<span class="at" data-of="([^"]+)">)'
        return re.sub(room, lambda found: f"{found[1]}{pages[found[2]]}", text)


def at(place):
    """Room for the number of the page on which a place is; see `Book.html`."""
    return f'<span class="at" data-of="{place}"></span>'


class Chapter:
    """A page of the site as a part of the book: `key` begins all its ids, `html` is all of it."""

    def __init__(self, name, names):
        self.name, self.names = name, names
        self.key = key(name)
        soup = BeautifulSoup((SITE / f"{name}.html").read_text("utf-8"), "html.parser")
        address = soup.find("link", rel="canonical")
        self.site = address["href"].removesuffix(f"{name}.html") if address else ""
        self.soup, self.text = soup, soup.find("article").section
        for needless in self.text.select(NEEDLESS):
            needless.decompose()
        self.answers, self.folded, self.notes = [], [], []
        self.identify()
        self.describe()
        self.link()
        self.title = self.text.h1.get_text()
        number = re.match(r"\d+", self.title)
        self.number = f"{number[0]}." if number else ""
        self.ask()
        self.note()
        self.unfold()
        self.append_ends()
        self.text["style"] = f"page: {self.key}"
        self.text["class"] = "chapter"
        self.html = str(self.text)

    def identify(self):
        """Let ids begin with the chapter's key: they are unique in the whole book."""
        own = f"{self.key}--"
        for tag in self.text.find_all(True):
            for attribute, value in tag.attrs.items():
                if attribute == "id":
                    tag[attribute] = own + value
                elif attribute in POINTERS:
                    values = value if isinstance(value, list) else value.split()
                    tag[attribute] = " ".join(own + one for one in values)
                elif isinstance(value, str) and "url(#" in value:
                    tag[attribute] = value.replace("url(#", f"url(#{own}")
                elif attribute == "xlink:href" and value.startswith("#"):
                    tag[attribute] = f"#{own}{value[1:]}"
        self.text["id"] = self.key

    def describe(self):
        """Let drawings say themselves what they show: the words of a frame are lost in a PDF."""
        for figure in self.text.select(".cnn-figure[aria-label]:has(.cnn-panels svg)"):
            drawing = figure.select_one(".cnn-panels svg")
            del drawing["aria-hidden"], figure["role"]
            drawing["role"], drawing["aria-label"] = "img", figure.attrs.pop("aria-label")

    def link(self):
        """Let links lead to where their targets are in the book."""
        folder = posixpath.dirname(self.name)
        for image in self.text("img"):
            image.attrs.pop("loading", None)
            if not image["src"].startswith("data:"):
                image["src"] = posixpath.normpath(f"html/{folder}/{image['src']}")
        for link in self.text("a", href=True):
            target, _, section = link["href"].partition("#")
            if re.match(r"[a-z]+:", target):
                continue
            place = posixpath.normpath(posixpath.join(folder, target)) if target else self.name
            place = place.removesuffix(".html")
            if place in self.names:
                link["href"] = f"#{key(place)}" + (f"--{section}" if section else "")
            elif self.site:
                link["href"] = f"{self.site}{place}.html"
            else:
                link.unwrap()

    def new(self, html):
        return BeautifulSoup(html, "html.parser").contents[0]

    def ask(self):
        """Number the questions, and take the answers to the end of the chapter."""
        for number, question in enumerate(self.text("cnn-prediction"), 1):
            told = json.loads(question["data-given"])
            name = f"{self.number}{number}"
            here, there = f"{self.key}--q{number}", f"{self.key}--a{number}"
            sealed = self.text.find(id=f"{self.key}--sealed-{told['name']}")
            inner = sealed.find("cnn-prediction")
            if inner:  # the next question, and what follows it, stand beside this one
                while inner.parent is not sealed:
                    inner = inner.parent
                for node in reversed([inner, *inner.next_siblings]):
                    sealed.insert_after(node.extract())
            given = sealed.find("cnn-answer")
            said = json.loads(given["data-given"])
            way = self.new(
                f'<p class="way"><a href="#{there}">Answer {name}: page {at(there)}</a></p>'
            )
            box = self.new(
                f'<div class="question" id="{here}"><p class="label">Question {name}</p></div>'
            )
            box.append(question.p.extract())
            if told["kind"] == "options":
                box.append(self.new(listed(question("li"))))
                box.append(
                    self.new(
                        '<p class="write">Your answer: <i></i> How sure are you? <i></i> %</p>'
                    )
                )
            elif told["kind"] == "order":
                box.append(question.ul.extract())
                box.append(self.new('<p class="write">Your order: <i class="long"></i></p>'))
            else:
                unit = escape(told["unit"])
                box.append(
                    self.new(
                        f'<p class="write">Your answer: <i></i> {unit}, give or take <i></i></p>'
                    )
                )
            box.append(way)
            question.replace_with(box)
            entry = self.new(f'<div class="answer" id="{there}"></div>')
            entry.append(self.new(f'<p><a class="label" href="#{here}">Answer {name}</a> </p>'))
            entry.p.append(self.new(f"<strong>{right(told, said)}</strong>"))
            entry.extend(remarks(told, said, self.new))
            if box.find_parent("section")["id"] == f"{self.key}--quiz":
                given.parent.decompose() if given.parent.name == "div" else given.decompose()
                entry.append(sealed.extract())
            else:
                given.decompose()
            self.answers.append(entry)

    def note(self):
        """Take folded code to the end of the chapter, as numbered notes."""
        for number, fold in enumerate(self.text.select("details.tick, details.code-fold"), 1):
            self.one_note(number, fold)
        start = len(self.notes)
        folds = [
            fold
            for entry in self.answers
            for fold in entry.select("details.tick, details.code-fold")
        ]
        for number, fold in enumerate(folds, start + 1):
            self.one_note(number, fold)

    def one_note(self, number, fold):
        here, there = f"{self.key}--m{number}", f"{self.key}--n{number}"
        mark = self.new(f'<a class="tick-mark" id="{here}" href="#{there}">✓{number}</a>')
        before = fold.find_previous_sibling()
        if before is not None and before.name == "figure" and before.figcaption:
            before = before.figcaption.p
        if before is not None and before.name == "p":
            before.append(" ")
            before.append(mark)
        else:
            place = self.new('<p class="alone"></p>')
            place.append(mark)
            fold.insert_before(place)
        fold.summary.decompose()
        for code in fold("pre"):
            code.string = code.get_text()  # small and in one colour, and the file is half as large
        fold.name, fold["class"], fold["id"] = "div", "note", there
        fold.insert(0, self.new(f'<a class="tick-mark" href="#{here}">✓{number}</a>'))
        self.notes.append(fold.extract())

    def unfold(self):
        """Take solutions, hints and all else that is folded to the end of the chapter."""
        for number, fold in enumerate(self.text("details"), 1):
            here, there = f"{self.key}--f{number}", f"{self.key}--u{number}"
            summary = fold.summary.extract()
            words = (summary.find(class_="collapsed") or summary).get_text(strip=True)
            words = re.sub(r"^Show (the )?", "", words)
            words = words[0].upper() + words[1:]
            way = f'<a href="#{there}">{escape(words)}: page {at(there)}</a>'
            fold.insert_before(self.new(f'<p class="way" id="{here}">{way}</p>'))
            belongs = exercise(fold)
            label = f"{words}{f' of {belongs}' if belongs else ''}"
            fold.name, fold["class"], fold["id"] = "div", "unfolded", there
            back = f'<a href="#{here}">{escape(label)}, page {at(here)}</a>'
            fold.insert(0, self.new(f'<p class="label">{back}</p>'))
            self.folded.append(fold.extract())

    def append_ends(self):
        """The answers, solutions and notes, at the end of the chapter."""
        hints = "assignments/" in self.name
        parts = {
            "Answers to the questions": ("answers", self.answers),
            "Hints" if hints else "Solutions": ("solutions", self.folded),
            "How it was computed": ("notes", self.notes),
        }
        parts = {title: part for title, part in parts.items() if part[1]}
        if not parts:
            return
        end = self.new(f'<section class="ends" id="{self.key}--ends"></section>')
        what = [title.lower() for title in parts]
        name = what[0] if len(what) == 1 else f"{', '.join(what[:-1])}, and {what[-1]}"
        end.append(self.new(f"<h2>{name[0].upper()}{name[1:]}</h2>"))
        for title, (kind, entries) in parts.items():
            part = self.new(f'<section class="{kind}"></section>')
            if len(parts) > 1:
                part.append(self.new(f"<h3>{title}</h3>"))
            part.extend(entries)
            end.append(part)
        self.text.append(end)

    def contents(self):
        """Its lines in the table of contents."""
        inner, headings = "", self.text("h2")
        for heading in headings if len(headings) < 40 else []:  # the terms of the glossary are more
            place = heading.find_parent("section")["id"]
            inner += f'<li><a href="#{place}">{inside(heading)}</a>{at(place)}</li>'
        return (
            f'<li><a href="#{self.key}">{inside(self.text.h1)}</a>{at(self.key)}'
            f"<ul>{inner}</ul></li>"
        )


def key(name):
    """What begins the ids of a page: letters, digits and hyphens, with a letter first."""
    return "p-" + name.removeprefix("book/").replace("/", "-")


def inside(tag):
    return "".join(str(part) for part in tag.contents)


def listed(items):
    lines = "".join(f"<li>{inside(item)}</li>" for item in items)
    return f'<ol type="a">{lines}</ol>'


def letter(number):
    return "abcdefghijkl"[int(number)]


def right(told, said):
    """The right answer, with the letter of its option."""
    words = re.sub(r"`(.+?)`", r"<code>\1</code>", escape(said["words"]))
    words = re.sub(r"\*(.+?)\*", r"<em>\1</em>", words)
    return f"{letter(said['truth'])}) {words}" if told["kind"] == "options" else words


def remarks(told, said, new):
    """What is to be said of each answer, the right one first."""
    if not said["remarks"]:
        return []
    lines = []
    for which, remark in said["remarks"].items():
        if not remark:
            continue
        number = "" if told["kind"] == "options" else f"{float(which):,.12g}".replace("-", "−")
        lines.append(f"<li><b>{number or letter(which)})</b> {remark}</li>")
    return [new(f"<ul>{''.join(lines)}</ul>")] if lines else []


def exercise(fold):
    """The exercise to which a solution belongs, if there is one: "exercise 3"."""
    for before in fold.find_all_previous(["p", "h2"]):
        if before.name == "h2":
            return ""
        number = before.find("strong", recursive=False)
        if number and re.fullmatch(r"\d+\.", number.get_text()):
            return f"exercise {number.get_text()[:-1]}"
    return ""


if __name__ == "__main__":
    sys.exit(main())
