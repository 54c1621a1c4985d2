"""Three readers walk through every chapter of the built site, in a real browser.

One commits to every question, one reads straight through, one has no JavaScript.
"""

import json
import re
from html import unescape

import pytest
from test_site import PAGES, SITE, address, page  # noqa: F401

CHAPTERS = [name for name in PAGES if (SITE / f"{name}.html").exists() and page(name)("cnn-answer")]
WAYS = {  # how the reader who commits comes: from a server with a mouse, from disk on a dark phone
    "server, light, pointer": ("server", "light", 1280, "pointer"),
    "disk, dark, phone, keyboard": ("disk", "dark", 390, "keyboard"),
}
SURE = [50, 70, 90, 99]
CHAPTER = "book/02-convolution"
OPEN = "places => places.every(place => [...place.children].every(e => e.checkVisibility()))"


def asked(name):
    """The questions of a page, in order, each with its answer, as the page holds them."""

    def given(tag):
        return json.loads(unescape(tag["data-given"]))

    answers = {given(tag)["name"]: given(tag) for tag in page(name)("cnn-answer")}
    return [(q := given(tag), answers[q["name"]]) for tag in page(name)("cnn-prediction")]


@pytest.fixture
def reader(new_context, address):  # noqa: F811
    """A browser that reads pages of the site; at the end nothing may have gone wrong."""
    contexts, problems = [], []

    def start(place="server", look="light", width=1280, **settings):
        context = new_context(
            viewport={"width": width, "height": 900},
            color_scheme=look,
            reduced_motion="reduce",
            **settings,
        )
        contexts.append(context)
        context.set_default_timeout(60_000)
        tab = context.new_page()
        tab.on("console", lambda m: problems.append(m.text) if m.type == "error" else None)
        tab.on("pageerror", lambda error: problems.append(str(error)))
        root = SITE.as_uri() if place == "disk" else address
        tab.read = lambda path: tab.goto(f"{root}/{path}", wait_until="load")
        return tab

    yield start
    for context in contexts:
        context.close()
    assert problems == []


def commit(tab, box, question, turn, how):
    """Answer one question; return what was said, as the element keeps it."""
    sure, kind = SURE[turn % 4], question["kind"]
    button = box.get_by_label(f"Commit, {sure} per cent sure")
    if kind == "options":
        at = turn % len(question["options"])
        choice = box.get_by_role("radio").nth(at)
        if how == "pointer":
            choice.check()
        else:
            box.get_by_role("radio").first.focus()
            tab.keyboard.press("Space")
            for _ in range(at):
                tab.keyboard.press("ArrowDown")
            assert choice.is_checked()
        said = at
    elif kind == "order":
        said = [
            re.sub(r"[↑↓]", "", text).strip() for text in box.locator("ol li").all_inner_texts()
        ]
        box.locator("ol button:enabled").first.focus()
    elif "between" in question:
        low, high = question["between"]
        box.get_by_role("slider").focus()
        tab.keyboard.press("Home" if turn % 2 else "End")
        said = low if turn % 2 else high
    else:
        said = 5 * turn + 1
        box.get_by_label("your guess").fill(str(said))
    if how == "pointer":
        button.click()
    else:  # with the tabulator from where the reader is now
        label = "document.activeElement.shadowRoot?.activeElement?.ariaLabel"
        for _ in range(30):
            tab.keyboard.press("Tab")
            if tab.evaluate(label) == f"Commit, {sure} per cent sure":
                break
        tab.keyboard.press("Enter")
    return said, sure


def is_right(question, said, truth):
    if question["kind"] != "number":
        return said == truth
    if "factor" in question:
        return said * truth > 0 and max(said / truth, truth / said) <= question["factor"]
    return abs(said - truth) <= question["close"]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", CHAPTERS)
def test_who_commits_sees_nothing_before_and_is_told_the_truth(reader, name, way):
    from axe_playwright_python.sync_playwright import Axe

    place, look, width, how = WAYS[way]
    tab, told, right = reader(place, look, width), [], 0
    tab.read(f"{name}.html")
    for turn, (question, truth) in enumerate(asked(name)):
        box = tab.locator("cnn-prediction section").nth(turn)
        seal = tab.locator(f"#sealed-{question['name']}")
        answer = seal.locator("cnn-answer section").first
        box.get_by_role("button", name="show me").wait_for()
        assert not answer.evaluate("a => a.checkVisibility()")
        said, sure = commit(tab, box, question, turn, how)
        assert f"{sure} % sure" in box.get_by_role("status").inner_text()
        assert answer.evaluate("a => a.checkVisibility()")
        good = is_right(question, said, truth["truth"])
        assert re.match(
            r"(Right|Close)" if good else r"(Not this time|Inside)", answer.inner_text()
        )
        assert truth["words"].replace("`", "").replace("*", "") in answer.inner_text()
        told.append((sure, good))
        right += good
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    if how == "pointer":
        # What the reader's answers changed; test_site.py checks the rest of the page.
        changed = "cnn-prediction, cnn-answer"
        options = {"resultTypes": ["violations"]}
        violations = Axe().run(tab, changed, options).response["violations"]
        assert [(v["id"], node["html"]) for v in violations for node in v["nodes"]] == []
    for _ in range(20):  # a busy browser writes down a little later what a page keeps
        tab.reload()
        if tab.locator(".sealed").evaluate_all(OPEN):  # remembered, and open from the start
            break
        tab.wait_for_timeout(300)
    assert tab.locator(".sealed").evaluate_all(OPEN)
    for _ in range(20):
        tab.read("book/predictions.html")
        words = tab.locator("cnn-your-predictions section").first.inner_text()
        if f"committed to {len(told)} and" in words:
            break
        tab.wait_for_timeout(300)
    assert f"You have committed to {len(told)} and were shown 0" in words
    assert f"Of the {len(told)} that have met their answer, {right} " in words


@pytest.mark.parametrize(("place", "chapters"), [("server", CHAPTERS), ("disk", CHAPTERS[:2])])
def test_who_reads_straight_through_is_asked_nothing(reader, place, chapters):
    """From disk two chapters are enough: whether the choice is kept from one file to another."""
    tab = reader(place)
    tab.read(f"{CHAPTER}.html")
    tab.get_by_role("button", name="read without questions").first.click()
    for name in chapters:
        tab.read(f"{name}.html")
        tab.locator("cnn-answer section").last.wait_for()
        assert tab.locator(".sealed").evaluate_all(OPEN)
        assert tab.locator("cnn-prediction [type=radio], cnn-prediction [type=number]").count() == 0
        answers = tab.locator("cnn-answer section").all_inner_texts()
        assert len(answers) == len(asked(name)) and all(a.startswith("Answer:") for a in answers)
    tab.read("book/predictions.html")
    tab.get_by_label("read without questions").uncheck()
    tab.read(f"{CHAPTER}.html")
    assert not tab.locator(".sealed").evaluate_all(OPEN)


@pytest.mark.parametrize("name", CHAPTERS)
def test_who_has_no_javascript_reads_everything(reader, name):
    tab = reader(java_script_enabled=False)
    tab.read(f"{name}.html")
    for question, truth in asked(name):
        assert tab.locator(f"#sealed-{question['name']}").is_visible()
        words = tab.locator(f"#sealed-{question['name']} cnn-answer").first.inner_text()
        told = re.sub("[`*]", "", truth["words"])
        assert words.startswith("Answer: ") and told[:20] in words
    texts = tab.locator("cnn-prediction").all_inner_texts()
    assert len(texts) == len(asked(name)) and all(len(text) > 10 for text in texts)


def test_show_me_opens_one_part_only(reader):
    tab = reader()
    tab.read(f"{CHAPTER}.html")
    tab.get_by_role("button", name="show me").first.click()
    first, second = (q["name"] for q, _ in asked(CHAPTER)[:2])
    assert tab.locator(f"#sealed-{first}").is_visible()
    assert not tab.locator(f"#sealed-{second} cnn-answer").is_visible()


def test_a_search_hit_a_link_and_paper_open_what_is_sealed(reader):
    tab, name = reader(), CHAPTER
    tab.read(f"{name}.html?highlight=network")
    assert tab.locator(".sealed").evaluate_all(OPEN)
    figure = page(name).select_one(".sealed figure[id]")
    holding = {place["id"] for place in figure.find_parents(class_="sealed")}
    tab.read(f"{name}.html#{figure['id']}")
    tab.reload()
    for place in page(name).select(".sealed"):
        opened = tab.locator(f"#{place['id']}").evaluate_all(OPEN)
        assert opened == (place["id"] in holding)
    tab.emulate_media(media="print")
    assert tab.locator(".sealed").evaluate_all(OPEN)


def test_nothing_stays_sealed_if_a_script_is_missing(new_context, address):  # noqa: F811
    tab = new_context().new_page()
    tab.route("**/prediction.js*", lambda route: route.fulfill(status=404))
    tab.goto(f"{address}/{CHAPTER}.html")
    tab.wait_for_function("!document.documentElement.classList.contains('asks')")
    assert tab.locator(".sealed").evaluate_all(OPEN)


def test_predictions_go_into_a_file_and_come_back(reader, tmp_path):
    tab, name = reader(), CHAPTER
    tab.read(f"{name}.html")
    question = asked(name)[0][0]
    commit(tab, tab.locator("cnn-prediction section").first, question, 0, "pointer")
    tab.read("book/predictions.html")
    with tab.expect_download() as download:
        tab.get_by_role("button", name="save as a file").click()
    file = tmp_path / "mine.json"
    download.value.save_as(file)

    other = reader()
    other.read("book/predictions.html")
    told = other.locator("cnn-your-predictions section").first
    (tmp_path / "wrong.json").write_text('{"course": "another"}')
    other.locator("[type=file]").set_input_files(tmp_path / "wrong.json")
    other.get_by_text("holds no predictions of this course").wait_for()
    other.locator("[type=file]").set_input_files(file)
    other.get_by_text("1 predictions read, 1 of them new here").wait_for()
    assert "You have committed to 1" in told.inner_text()
    other.get_by_role("button", name="forget them all").click()
    assert "You have committed to 1" in told.inner_text()
    other.get_by_role("button", name="really forget them all?").click()
    assert "You have committed to 0" in told.inner_text()


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "none"])
def test_the_list_of_predictions_says_what_it_is_where_it_stays_empty(reader, scripts):
    tab = reader(java_script_enabled=scripts)
    tab.read("book/predictions.html")
    assert tab.get_by_text("This page is filled in by a script").is_visible() != scripts
