"""The book as a PDF, printed from the built site: `make pdf`."""

import json
import re

import paper
import pikepdf
import pytest
from bs4 import BeautifulSoup
from test_site import CHAPTERS, PAGES, page

ON_PAPER = [name for name in PAGES if name not in paper.SCREEN_ONLY]


@pytest.fixture(scope="module")
def printed(browser, tmp_path_factory):
    """The path of the PDF, which is made once."""
    path = tmp_path_factory.mktemp("paper") / "book.pdf"
    paper.make(path, browser)
    return path


@pytest.fixture(scope="module")
def pdf(printed):
    with pikepdf.open(printed) as found:
        yield found


@pytest.fixture(scope="module")
def text(printed):
    """What was printed, as HTML."""
    return BeautifulSoup((paper.SITE.parent / "paper.html").read_text("utf-8"), "html.parser")


def title(name):
    heading = page(name).find("article").h1
    return heading.get_text().removesuffix("#")


def pages(pdf):
    return {each.objgen: number for number, each in enumerate(pdf.pages, 1)}


@pytest.fixture(scope="module")
def outline(pdf):
    """[(level, title, page)] of the PDF's own list of contents."""
    found, numbers = [], pages(pdf)

    def walk(items, level):
        for item in items:
            place = item.destination
            place = pdf.Root.Dests[place] if isinstance(place, pikepdf.Name) else place
            found.append((level, item.title, numbers[place[0].objgen]))
            walk(item.children, level + 1)

    with pdf.open_outline() as root:
        walk(root.root, 1)
    return found


def test_every_page_of_the_book_is_in_the_outline_and_begins_a_page(pdf, outline):
    tops = [(name, number) for level, name, number in outline if level == 1]
    assert [name for name, _ in tops[2:]] == [title(name) for name in ON_PAPER]
    numbers = [number for _, number in tops]
    assert numbers == sorted(set(numbers)) and numbers[-1] <= len(pdf.pages)
    assert len(pdf.pages) > 150
    assert sum(level == 2 and name == "Quiz" for level, name, _ in outline) == len(CHAPTERS)


def test_the_contents_name_the_right_pages(text, outline):
    told = {
        (line.a.get_text(), int(line.find(class_="at", recursive=False).get_text()))
        for line in text.select(".book-contents li")
    }
    there = {(name, number) for level, name, number in outline if level < 3}
    assert len(told) > 150 and told <= there


def test_links_lead_somewhere(pdf):
    inside = outside = 0
    for sheet in pdf.pages:
        for link in sheet.get("/Annots", []):
            if "/Dest" in link:
                assert str(link.Dest) in pdf.Root.Dests
                inside += 1
            else:
                assert re.match("https?://|mailto:", str(link.A.URI)), link.A.URI
                outside += 1
    assert inside > 1000 and outside > 5


def test_every_figure_is_there_with_its_words_and_number(text):
    drawn = [one for name in ON_PAPER for one in page(name).select("article .cnn-figure")]
    there = [
        one["aria-label"]
        for one in text.select(".cnn-figure[aria-label], .cnn-figure svg[aria-label]")
    ]
    assert len(drawn) > 70 and sorted(there) == sorted(one["aria-label"] for one in drawn)
    wanted = [
        one.get_text()
        for name in ON_PAPER
        for one in page(name).select("figcaption .caption-number")
    ]
    assert sorted(one.get_text() for one in text.select("figcaption .caption-number")) == sorted(
        wanted
    )


def test_pictures_are_read_aloud(pdf):
    """What is a figure to the PDF has its words, or is made of tables."""
    known = {True: 0, False: 0}

    def below(part):
        kids = part.get("/K", [])
        kids = kids if isinstance(kids, pikepdf.Array) else [kids]
        return [kid for kid in kids if isinstance(kid, pikepdf.Dictionary)]

    def told(part):
        kind, words = str(part.get("/S", "")), str(part.get("/Alt", ""))
        return (
            kind == "/Table" or (kind == "/Figure" and words != "") or any(map(told, below(part)))
        )

    waiting = [pdf.Root.StructTreeRoot]
    while waiting:
        part = waiting.pop()
        if str(part.get("/S", "")) == "/Figure":
            known[told(part)] += 1
        else:
            waiting += below(part)
    assert known[True] > 100 and known[False] == 0


def test_nothing_is_raw_dead_or_from_elsewhere(text):
    said = " ".join(t for t in text.find_all(string=True) if not t.find_parent(["pre", "code"]))
    assert not re.search(r"\{[a-z:-]+\}`|\{cite|```|:::|Traceback", said)
    assert text.select("button, input, script, details, [loading]") == []
    assert [i["src"] for i in text("img") if re.match("https?:|//", i["src"])] == []


def test_answers_stand_behind_their_chapter_with_what_is_to_be_said_of_each(text):
    asked = [tag for name in ON_PAPER for tag in page(name)("cnn-prediction")]
    assert len(text.select(".question")) == len(text.select(".ends .answer")) == len(asked)
    assert text("cnn-answer") == [] == text("cnn-prediction")
    for name in ON_PAPER:
        chapter = text.find(id=paper.key(name))
        answers = chapter.select(".ends .answer")
        given = [json.loads(tag["data-given"]) for tag in page(name)("cnn-answer")]
        for told, shown in zip(given, answers, strict=True):
            assert re.sub("[`*]", "", told["words"]) in shown.p.get_text()
            remarks = [BeautifulSoup(r, "html.parser").get_text() for r in told["remarks"].values()]
            assert all(remark in shown.get_text() for remark in remarks)


def test_folded_code_is_a_numbered_note_and_its_mark_leads_there(text):
    for name in ON_PAPER:
        folded = page(name).select("details.tick, details.code-fold")
        chapter = text.find(id=paper.key(name))
        notes = chapter.select(".ends .note")
        assert len(notes) == len(folded) and all(note.pre.get_text().strip() for note in notes)
        marks = {
            mark["href"]: mark for mark in chapter.select("a.tick-mark") if mark.has_attr("id")
        }
        assert all(f"#{note['id']}" in marks for note in notes)


def test_what_is_wider_than_the_page_is_refused(browser, tmp_path):
    with pytest.raises(SystemExit, match="wider than the page"):
        paper.print_out(browser, "<body><p style='width: 3000px'>far", tmp_path / "no.pdf")
