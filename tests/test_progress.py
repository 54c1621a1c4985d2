"""The page Your course: what has been read, and what is asked again, and when."""

import json
from datetime import datetime, timedelta
from html import unescape

import pytest
from test_readers import reader  # noqa: F401
from test_site import PAGES, address, page  # noqa: F401

PAGE, CHAPTER = "book/progress.html", "book/02-convolution"
CHAPTERS = [name for name in PAGES if page(name).find("article").find("cnn-answer")][1:]
MINUTE = timedelta(minutes=1)
START = datetime(2026, 1, 1, 12)


def quizzes(name):
    """{name of a quiz: [its question, its answer]} of a chapter, as its page holds them."""
    found = {}
    for element in ("cnn-prediction", "cnn-answer"):
        for tag in page(name)(element):
            given = json.loads(unescape(tag["data-given"]))
            found.setdefault(given["name"], []).append(given)
    return {key: both for key, both in found.items() if key.startswith("quiz-")}


def met(name, right=True):
    """What a browser keeps of a chapter's quizzes, answered at the start."""
    common = {"sure": 70, "words": "this", "said": 0, "truth": "that", "right": right, "hit": right}
    at = START.isoformat() + "Z"
    return {
        key: common | {"version": asked["version"], "kind": asked["kind"], "at": at}
        for key, (asked, _) in quizzes(name).items()
    }


@pytest.fixture
def course(reader):  # noqa: F811
    """Open the page at some time after the start, with predictions that this browser has kept."""

    def open_page(after, predictions=None, **settings):
        tab = reader(timezone_id="UTC", **settings)
        tab.clock.set_fixed_time(START + after)
        tab.read("book/notation.html")
        keep = "text => localStorage.setItem('cnnlab.predictions.1', text)"
        tab.evaluate(keep, json.dumps(predictions or {}))
        tab.read(PAGE)
        tab.box = tab.locator("cnn-your-course section").first
        tab.words = lambda: tab.box.get_by_role("status").inner_text()
        questions = "cnn-your-course cnn-prediction .question"
        tab.asked = lambda: tab.locator(questions).all_inner_texts()
        tab.later = lambda after: (tab.clock.set_fixed_time(START + after), tab.read(PAGE))
        return tab

    return open_page


def test_a_chapter_whose_end_was_seen_is_read_and_the_tick_can_be_changed(reader):  # noqa: F811
    tab = reader(width=390, look="dark")
    tab.read(f"{CHAPTER}.html")
    tab.locator(".prev-next").scroll_into_view_if_needed()
    tab.wait_for_function("localStorage.getItem('cnnlab.read.1')")
    tab.read("book/assignments/01-convolution-by-hand.html")
    tab.locator(".prev-next").scroll_into_view_if_needed()
    tab.read(PAGE)
    box = tab.locator("cnn-your-course section").first
    words, count = box.get_by_role("status"), len(CHAPTERS)
    assert words.inner_text().startswith(f"1 of {count} chapters read, 0 of ")
    assert box.get_by_role("link", name="1. Why").first.get_attribute("href").endswith("dense.html")
    assert box.get_by_text("Go on with").inner_text() == "Go on with 1. Why not a dense network?."
    assert box.get_by_role("row").count() == count + 1
    tab.get_by_label("Read: 1. Why not a dense network?").focus()
    tab.keyboard.press("Space")
    assert words.inner_text().startswith(f"2 of {count} ")
    assert tab.get_by_label("Read: 1. Why not a dense network?").evaluate(
        "tick => tick.getRootNode().activeElement === tick"
    )
    tab.get_by_label("Read: 2. Convolution").uncheck()
    tab.read(PAGE)
    assert words.inner_text().startswith(f"1 of {count} ")
    assert not tab.get_by_label("Read: 2. Convolution").is_checked()
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390


def test_quizzes_of_earlier_chapters_come_again_after_a_day_two_at_a_time(course):
    first, second = quizzes(CHAPTERS[0]), quizzes(CHAPTER)
    predictions = met(CHAPTERS[0]) | met(CHAPTER)
    for key in second:  # met a day later
        predictions[key]["at"] = (START + timedelta(days=1)).isoformat() + "Z"
    tab = course(timedelta(days=1) - MINUTE, predictions)
    total = len(first) + len(second)
    assert f"{total} of " in tab.words() and f"answered, {total} of them right" in tab.words()
    assert tab.asked() == [] and "comes again in a day" in tab.box.inner_text()
    tab.later(timedelta(days=1) + MINUTE)
    plain = [asked["question"].replace("*", "") for asked, _ in first.values()]
    assert tab.asked() == plain[:2]
    assert not tab.locator("cnn-your-course cnn-answer").first.is_visible()


@pytest.mark.parametrize("right", [True, False])
def test_what_was_answered_comes_again_later_and_is_no_prediction(course, right):
    """After a right answer in three days, after a wrong one in a day; what was said stays."""
    name = CHAPTERS[0]
    [key, (asked, answer)] = next(iter(quizzes(name).items()))
    assert asked["kind"] == "options"
    tab = course(timedelta(days=2), {key: met(name)[key]})
    at = answer["truth"] if right else (answer["truth"] + 1) % len(asked["options"])
    tab.locator("cnn-your-course").get_by_role("radio").nth(at).check()
    tab.get_by_label("Commit, 90 per cent sure").click()
    told = tab.locator("cnn-your-course cnn-answer section").inner_text()
    assert told.startswith("Right." if right else "Not this time.") and answer["words"] in told
    kept = json.loads(tab.evaluate("localStorage.getItem('cnnlab.predictions.1')"))
    assert kept[key] == met(name)[key] and kept[f"again-1-{key}"]["right"] is right
    gap = timedelta(days=3 if right else 1)
    tab.later(timedelta(days=2) + gap - MINUTE)
    assert tab.asked() == []
    tab.later(timedelta(days=2) + gap + MINUTE)
    assert len(tab.asked()) == 1
    tab.read("book/predictions.html")
    assert "committed to 1 and" in tab.locator("cnn-your-predictions section").first.inner_text()
    words = tab.locator("cnn-calibration section").inner_text()
    assert "so far one has met its answer" in words


def test_what_is_known_after_five_times_is_not_asked_any_more(course):
    [key, entry] = next(iter(met(CHAPTER).items()))
    again = {f"again-{round}-{key}": entry for round in range(1, 6)}
    tab = course(timedelta(days=400), {key: entry} | again)
    assert tab.asked() == []
    tab = course(timedelta(days=400), {key: entry} | dict(list(again.items())[:4]))
    assert len(tab.asked()) == 1


def test_forgetting_takes_two_presses_and_leaves_nothing(course):
    tab = course(timedelta(days=2), met(CHAPTER))
    tab.get_by_label("Read: 2. Convolution").check()
    tab.get_by_role("button", name="forget all of it").click()
    assert tab.words().startswith("1 of ") and len(tab.asked()) == 2
    tab.get_by_role("button", name="really forget all of it?").click()
    assert tab.words().startswith("0 of ") and "0 of them right" in tab.words()
    assert tab.asked() == []
    keys = ("cnnlab.predictions.1", "cnnlab.read.1")
    assert [tab.evaluate("key => localStorage.getItem(key)", key) for key in keys] == ["{}", "{}"]


def test_it_works_from_disk_and_without_scripts_says_what_it_is(reader):  # noqa: F811
    tab = reader("disk")
    tab.read(f"{CHAPTER}.html")
    tab.locator(".prev-next").scroll_into_view_if_needed()
    tab.wait_for_function("localStorage.getItem('cnnlab.read.1')")
    tab.read(PAGE)
    assert tab.get_by_label("Read: 2. Convolution").is_checked()
    tab = reader(java_script_enabled=False)
    tab.read(PAGE)
    assert tab.get_by_text("This page is filled in by a script").is_visible()
