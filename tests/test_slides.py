"""Slides for teachers, made from the built site: `make slides`."""

import json
import re

import pytest
import slides
from bs4 import BeautifulSoup
from test_site import CHAPTERS, SITE, page

NUMBERED = [name for name in CHAPTERS if "appendix" not in name]


@pytest.fixture(scope="module")
def made():
    slides.main()


def deck(name):
    path = SITE / "slides" / f"{name.removeprefix('book/')}.html"
    return BeautifulSoup(path.read_text("utf-8"), "html.parser")


@pytest.mark.parametrize("name", NUMBERED)
def test_a_deck_asks_shows_and_then_tells(made, name):
    kinds = [part["class"][1] for part in deck(name).select("section.slide")]
    assert kinds[0] == "title" and kinds[-1] == "says"
    asked = [json.loads(tag["data-given"]) for tag in page(name)("cnn-prediction")]
    assert kinds.count("asks") == kinds.count("tells") == len(asked)
    assert [kind for kind in kinds if kind in ("asks", "tells")] == ["asks", "tells"] * len(asked)
    told = [json.loads(tag["data-given"])["words"] for tag in page(name)("cnn-answer")]
    for words, truth in zip(told, deck(name).select(".truth"), strict=True):
        assert re.sub("[`*]", "", words) in truth.get_text()
    # All in the order in which the page has it: what decides a question before its answer.
    parts = page(name).find("article").find_all(["cnn-prediction", "cnn-answer", "figure"])
    kept = [part for part in parts if not part.find_parent("details")]
    kept = [part for part in kept if part.find_parent("section")["id"] not in slides.LEFT_OUT]
    names = {"cnn-prediction": "asks", "cnn-answer": "tells", "figure": "shows"}
    shown = [part["class"][1] for part in deck(name).select(".asks, .tells, .shows:has(figure)")]
    assert shown == [names[part.name] for part in kept] and "shows" in shown


@pytest.mark.parametrize("name", [NUMBERED[3], NUMBERED[9]])
def test_a_deck_in_a_browser(made, new_context, name):
    tab = new_context(viewport={"width": 1024, "height": 600}).new_page()
    tab.set_default_timeout(120_000)  # a busy machine is slow, not wrong
    problems = []
    tab.on("request", lambda r: r.url.startswith(("file:", "data:")) or problems.append(r.url))
    tab.on("console", lambda m: m.type == "error" and problems.append(m.text))
    tab.on("pageerror", lambda error: problems.append(str(error)))
    tab.goto((SITE / "slides" / f"{name.removeprefix('book/')}.html").as_uri())
    outside = """slides => slides.flatMap((slide) => {
        const room = slide.getBoundingClientRect();
        return [...slide.querySelectorAll("li, p, img, svg, td, th")].filter((one) => {
            const { right, bottom, width } = one.getBoundingClientRect();
            return width > 1 && (right > room.right + 1 || bottom > room.bottom + 1);
        }).map((one) => one.outerHTML.slice(0, 80));
    })"""
    assert tab.locator(".slide").evaluate_all(outside) == []
    assert tab.evaluate("document.documentElement.scrollWidth") <= 1024
    seen = """() => [...document.querySelectorAll(".slide")].findIndex(
        (slide) => Math.abs(slide.getBoundingClientRect().top) < 5)"""
    assert tab.evaluate(seen) == 0
    for step, key in enumerate(["ArrowRight", "PageDown", " "], 1):
        tab.keyboard.press(key)
        tab.wait_for_function(f"({seen})() === {step}")
    tab.keyboard.press("ArrowLeft")
    tab.wait_for_function(f"({seen})() === 2")
    broken = "images => images.filter(i => !i.naturalWidth).map(i => i.src)"
    assert tab.locator("img").evaluate_all(broken) == []
    assert problems == []


def test_the_list_leads_to_every_deck(made):
    text = (SITE / "slides" / "index.html").read_text("utf-8")
    links = re.findall('<li><a href="([^"]+)">', text)
    assert [f"book/{link.removesuffix('.html')}" for link in links] == NUMBERED
