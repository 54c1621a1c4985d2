"""Questions: what `ask` and `answer` accept, and what a reader meets on a page of a notebook."""

import json
import re
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from cnnlab import pieces
from cnnlab.pieces import answer, ask, calibration, predictions
from scipy.stats import binomtest
from website.cells import HEAD

NETS = {
    "the dense one": "It has no idea of neighbours.",
    "the windowed one": "Its windows need neighbours.",
    "neither": "One of them does.",
}


@pytest.fixture
def shown(monkeypatch):
    """What was displayed since: a list of {mime type: text}."""
    found = []
    monkeypatch.setattr("IPython.display.display", lambda data, raw: found.append(data))
    return found


def given(output):
    return json.loads(unescape(re.search('data-given="([^"]*)"', output["text/html"])[1]))


def right(name, options=NETS):
    return {option: option == name for option in options}


# ---- What they accept


def test_the_answer_is_what_was_computed(shown):
    ask("nets", "Which minds?", NETS)
    answer("nets", right("the windowed one"))
    ask("sizes", "How many?", {25: "", 75: "", 576: ""})
    answer("sizes", np.int64(75))
    ask("cost", "How many weights?", number="weights", close=0)
    answer("cost", np.float32(1234))
    ask("share", "How many per cent?", number="%", close=5)
    answer("share", 37.21)
    ask("order", "From few weights to many", order=["dense", "conv", "pool"])
    answer("order", {"dense": 30, "conv": 20.5, "pool": 0})
    words = [given(output)["words"] for output in shown[1::2]]
    assert words == ["the windowed one", "75", "1,234 weights", "37.21%", "pool < conv < dense"]
    assert [given(output)["truth"] for output in shown[1::2]][:3] == [1, 1, 1234]
    assert shown[1]["text/plain"] == "Answer: the windowed one. Its windows need neighbours."
    assert "conv" in shown[8]["text/plain"] and "From few" in shown[8]["text/plain"]


def test_a_question_says_nothing_of_its_answer(shown):
    ask("secret", "Which minds?", NETS)
    ask("number", "How many?", number="", close=1, slips={12: "You forgot the bias."})
    assert "neighbours" not in shown[0]["text/html"].split("<script>")[0]
    assert "bias" not in shown[1]["text/html"].split("<script>")[0]


def test_a_changed_question_has_another_version(shown):
    ask("same", "Which minds?", NETS)
    ask("same", "Which minds?", {option: "another remark" for option in NETS})
    ask("same", "Which minds?", [*NETS, "both"])
    ask("same", "Which one minds?", NETS)
    versions = [given(output)["version"] for output in shown]
    assert versions[0] == versions[1] and len(set(versions)) == 3


def test_words_are_safe_and_may_be_code(shown):
    ask("safe", "Is `a < b` *true* & <b>sure</b>?", ["yes", "no"])
    html = shown[0]["text/html"].split("<script>")[0]
    assert "<code>a &lt; b</code>" in html and "<em>true</em>" in html and "<b>" not in html


# In Python, for pages without scripts, and in the pieces: what is code has no emphasis.
INLINE = {
    "`a * b` or `c * d`": "<code>a * b</code> or <code>c * d</code>",
    "**`x`** is *it*": "<strong><code>x</code></strong> is <em>it</em>",
    "1 * 2": "1 * 2",
}


def test_stars_in_code_are_stars(page):
    page.add_script_tag(path=Path(predictions.__file__).with_name("piece.js"))
    for text, html in INLINE.items():
        assert predictions._inline(text) == html == page.evaluate("text => cnn.inline(text)", text)


def test_an_answer_is_written_as_a_reader_would():
    numbers = {12345.6: "12,346", 9999.6: "10,000", 0.12345: "0.1235", -0.0: "0", -3: "−3"}
    assert {number: predictions._plain(number) for number in numbers} == numbers


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (dict(name="Two Words", options=NETS), "two-words"),
        (dict(name="q"), "exactly one of"),
        (dict(name="q", options=NETS, number=""), "exactly one of"),
        (dict(name="q", options=["only one"]), "two options or more"),
        (dict(name="q", options=["same", "same"]), "all different"),
        (dict(name="q", options=["text", 3]), "all texts or all numbers"),
        (dict(name="q", order=["a", "b"]), "three different things"),
        (dict(name="q", number="weights"), "close=.*or factor="),
        (dict(name="q", number="weights", close=1, factor=2), "close=.*or factor="),
        (dict(name="q", number="weights", close=-1), "0 or more"),
        (dict(name="q", number="weights", factor=1), "above 1"),
    ],
)
def test_a_question_that_cannot_be_asked_is_refused(shown, arguments, words):
    with pytest.raises(ValueError, match=words):
        ask(arguments.pop("name"), "Which?", **arguments)
    assert not shown


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("the dense one", "of each option"),
        ({"the dense one": True}, "of each option"),
        (dict.fromkeys(NETS, False), "0 are right"),
        (dict.fromkeys(NETS, True), "3 are right"),
    ],
)
def test_an_answer_that_is_none_is_refused(shown, value, words):
    ask("which", "Which?", NETS)
    with pytest.raises(ValueError, match=words):
        answer("which", value)


def test_more_answers_that_are_none(shown):
    with pytest.raises(ValueError, match="No question 'never-asked'"):
        answer("never-asked", 1)
    ask("sizes", "How many?", [25, 75])
    with pytest.raises(ValueError, match=r"none of the options of 'sizes': \[25, 75\]"):
        answer("sizes", 76)
    ask("count", "How many?", number="", close=0)
    with pytest.raises(ValueError, match="not a number"):
        answer("count", np.nan)
    ask("order", "Order", order=["a", "b", "c"])
    with pytest.raises(ValueError, match="two of the numbers are the same"):
        answer("order", {"a": 1, "b": 1, "c": 2})
    with pytest.raises(ValueError, match="a number for each of"):
        answer("order", {"a": 1})
    with pytest.raises(ValueError, match="between 0 and 1"):
        calibration([(0.5, 1.2)])


# ---- What a reader meets


@pytest.fixture
def notebook(new_context, shown):
    """Open outputs one after the other on a page that keeps what it is told."""
    contexts, problems = [], []

    def open_page(outputs, context=None, width=700):
        html = "".join(output["text/html"] for output in outputs)
        head = '<!doctype html><html lang="en"><meta charset="utf-8"><title>t</title>'
        page = f"{head}<body><main><h1>t</h1>{html}</main>"
        if context is None:
            context = new_context(viewport={"width": width, "height": 900}, reduced_motion="reduce")
            contexts.append(context)
        context.set_default_timeout(60_000)
        context.unroute_all()
        context.route("**", lambda route: route.fulfill(body=page, content_type="text/html"))
        tab = context.new_page()
        tab.on("console", lambda m: problems.append(m.text) if m.type == "error" else None)
        tab.on("pageerror", lambda error: problems.append(str(error)))
        tab.goto("http://notebook.test/")
        tab.question, tab.answer = (
            tab.locator(f"cnn-{element} section") for element in ("prediction", "answer")
        )
        tab.commit = lambda sure: tab.get_by_label(f"Commit, {sure} per cent sure").click()
        return tab

    yield open_page
    for context in contexts:
        context.close()
    assert problems == []


def test_committing_to_an_option(shown, notebook):
    ask("nets", "Which minds?", NETS)
    answer("nets", right("the windowed one"))
    tab = notebook(shown)
    tab.commit(70)
    assert "Choose one of the answers first" in tab.question.inner_text()
    tab.get_by_label("the dense one").check()
    tab.commit(70)
    assert "You said: the dense one (70 % sure)" in tab.question.get_by_role("status").inner_text()
    words = tab.answer.inner_text()
    assert "Not this time. Answer: the windowed one." in words
    assert "It has no idea of neighbours." in words and "Its windows need neighbours." in words
    # Another day, the same browser: it is remembered.
    again = notebook(shown, tab.context)
    assert "Not this time" in again.answer.inner_text()
    assert again.question.get_by_role("radio").count() == 0
    # The question has changed: it is asked anew.
    shown.clear()
    ask("nets", "Which one minds?", NETS)
    answer("nets", right("neither"))
    anew = notebook(shown, tab.context)
    assert anew.question.get_by_role("radio").count() == 3
    assert anew.answer.inner_text().startswith("Answer: neither.")
    anew.get_by_label("neither").check()
    anew.commit(99)
    assert anew.answer.inner_text().startswith("Right. Answer: neither.")


def test_in_a_notebook_the_answer_comes_later(shown, notebook):
    ask("nets", "Which minds?", NETS)
    tab = notebook(shown)
    tab.get_by_label("neither").check()
    tab.commit(50)
    assert "Run the cells below" in tab.question.inner_text()
    answer("nets", right("neither"))
    later = notebook(shown, tab.context)
    assert later.answer.inner_text().startswith("Right. Answer: neither.")


@pytest.mark.parametrize(
    ("guess", "within", "verdict"),
    [
        ("42", None, "Right."),
        ("42.2", None, "Right."),
        ("46", None, "Not this time."),
        ("50", "15", "Inside the range that you gave, but not close."),
        ("41", "1", "Close, but outside the range that you gave."),
        ("-37.2", None, "Not this time."),
    ],
)
def test_guessing_a_number(shown, notebook, guess, within, verdict):
    ask("share", "How many?", number="%", close=5, slips={46: "You counted twice."})
    answer("share", 37.2)
    tab = notebook(shown)
    tab.commit(90)
    assert "Type a number first" in tab.question.inner_text()
    tab.get_by_label("your guess").fill(guess)
    if within:
        tab.get_by_label("give or take").fill(within)
    assert "So you say: " in tab.question.inner_text()
    tab.commit(90)
    assert tab.answer.inner_text().startswith(f"{verdict} Answer: 37.2%.")
    assert ("You counted twice." in tab.answer.inner_text()) == (guess == "46")


def test_guessing_exactly_by_factor_and_with_a_slider(shown, notebook):
    ask("exact", "How many?", number="weights", close=0)
    answer("exact", 30_000_000)
    tab = notebook(shown)
    tab.get_by_label("your guess").fill("30000000")
    assert tab.get_by_label("give or take").count() == 0
    tab.commit(99)
    assert tab.answer.inner_text().startswith("Right. Answer: 30,000,000 weights.")
    assert "You said 30,000,000 weights, 99 % sure." in tab.answer.inner_text()

    shown.clear()
    ask("scale", "How many times?", number="times", factor=2)
    answer("scale", 400)
    tab = notebook(shown)
    tab.get_by_label("your guess").fill("801")
    tab.get_by_label("give or take").fill("4")
    tab.commit(50)
    assert tab.answer.inner_text().startswith("Inside the range that you gave, but not close.")

    shown.clear()
    ask("slide", "How many?", number="%", close=5, between=(0, 100))
    answer("slide", 37.2)
    tab = notebook(shown)
    tab.commit(70)
    assert "Move the slider first" in tab.question.inner_text()
    tab.get_by_role("slider").fill("40")
    tab.commit(70)
    assert tab.answer.inner_text().startswith("Right.")


def test_putting_things_into_order_with_the_keyboard(shown, notebook):
    things = ["dense", "conv", "pool", "flatten"]
    ask("order", "From few weights to many", order=things)
    answer("order", {"dense": 0, "conv": 20, "pool": 1, "flatten": 30})
    tab = notebook(shown)
    wanted = ["dense", "pool", "conv", "flatten"]
    for place, thing in enumerate(wanted):
        items = [re.sub(r"\W", "", text) for text in tab.locator("ol li").all_inner_texts()]
        for _ in range(items.index(thing) - place):
            tab.get_by_label(f"Move {thing} up").focus()
            tab.keyboard.press("Enter")
            assert f"{thing} is now number" in tab.question.get_by_role("status").inner_text()
    tab.commit(90)
    assert tab.answer.inner_text().startswith("Right. Answer: dense < pool < conv < flatten.")


def test_show_me(shown, notebook):
    ask("nets", "Which minds?", NETS)
    answer("nets", right("neither"))
    tab = notebook(shown)
    tab.get_by_role("button", name="show me").click()
    assert "You asked to be shown" in tab.question.inner_text()
    assert tab.answer.inner_text().startswith("Answer: neither.")


def test_read_without_questions_stays(shown, notebook):
    ask("nets", "Which minds?", NETS)
    answer("nets", right("neither"))
    tab = notebook(shown)
    tab.get_by_role("button", name="read without questions").click()
    assert tab.get_by_role("radio").count() == 0
    again = notebook(shown, tab.context)
    assert again.get_by_role("radio").count() == 0
    assert "Which minds?" in again.question.inner_text()
    again.get_by_role("button", name="ask me such questions").click()
    assert again.get_by_role("radio").count() == 3


def test_where_nothing_can_be_kept_it_works_as_long_as_the_page_is_open(shown, new_context):
    ask("nets", "Which minds?", NETS)
    answer("nets", right("neither"))
    tab = new_context().new_page()  # about:blank has no storage
    tab.set_content("".join(output["text/html"] for output in shown))
    tab.get_by_label("neither").check()
    tab.get_by_label("Commit, 90 per cent sure").click()
    assert tab.locator("cnn-answer section").inner_text().startswith("Right.")


FULL = "void (Storage.prototype.setItem = () => { throw new Error('full') })"


def test_where_nothing_more_fits_it_works_as_long_as_the_page_is_open_and_says_so(shown, notebook):
    for name in ("nets", "other"):
        ask(name, "Which minds?", NETS)
    tab = notebook(shown)
    for kept in (True, False):
        tab.get_by_label("neither").first.check()
        tab.get_by_label("Commit, 90 per cent sure").first.click()
        said = tab.question.nth(0 if kept else 1).inner_text()
        assert ("You said: neither" in said) and ("could not keep it: it is gone" in said) != kept
        tab.evaluate(FULL)
    answer("nets", right("neither"))
    tab.context.add_init_script(FULL)
    later = notebook(shown, tab.context)
    assert later.answer.inner_text().startswith("Right. Answer: neither.")
    assert "could not keep" not in later.question.first.inner_text()
    later.get_by_role("button", name="read without questions").click()
    assert later.get_by_role("radio").count() == 0


def test_an_address_that_is_none_stops_no_question(shown, notebook):
    ask("nets", "Which minds?", NETS)
    tab = notebook(shown)
    tab.goto("http://notebook.test/#100%")
    tab.reload()
    assert tab.get_by_role("radio").count() == 3


# ---- What only the site has


def alone(name, *questions):
    """An element of the site, in a course of these questions."""
    course = [{"page": "book/01", "title": "One", "questions": questions}]
    parts = [
        f"cnn.questions = {json.dumps(course)};"
        if part == "questions"
        else (pieces.FOLDER / f"{part}.js").read_text("utf-8")
        for part in pieces.scripts(name)
    ]
    return {"text/html": f"<cnn-{name}></cnn-{name}><script>{chr(10).join(parts)}</script>"}


def test_a_chapter_is_read_as_long_as_the_page_is_open_where_nothing_more_fits(notebook):
    question = {"name": "quiz-nets", "version": "0" * 8, "question": "Which?", "kind": "options"}
    tab = notebook([alone("your-course", question)])
    tab.evaluate(FULL)
    tab.get_by_label("Read: One").check()
    assert tab.locator("cnn-your-course .words").inner_text().startswith("1 of 1 chapters read")


def test_of_two_predictions_that_of_the_question_as_it_is_asked_now_counts(notebook):
    def said(words, version, day, **other):
        common = {"kind": "options", "said": 0, "sure": 70, "words": words, "version": version}
        return common | {"at": f"2026-01-0{day}T12:00:00Z"} | other

    now, before = "a" * 8, "b" * 8
    names = ("mine", "again-1-mine", "theirs", "older", "both")
    question = {"version": now, "question": "Which?", "kind": "options", "section": "s"}
    asked = [question | {"name": name} for name in names if not name.startswith("again")]
    tab = notebook([alone("your-predictions", *asked)])
    mine = {
        "mine": said("mine", now, 2),
        "again-1-mine": said("mine", now, 2),
        "theirs": said("mine", before, 1),
        "older": said("mine", now, 2),
        "both": said("mine", before, 1),
    }
    theirs = {
        "mine": said("theirs", before, 1),
        "again-1-mine": said("theirs", before, 1),
        "theirs": said("theirs", now, 2),
        "older": said("theirs", now, 1),
        "both": said("theirs", before, 2),
    }
    tab.evaluate("mine => cnn.predictions.keep(mine)", mine)

    def load(predictions):
        text = json.dumps({"course": "cnnlab", "format": 1, "predictions": predictions})
        file = {"name": "p.json", "mimeType": "application/json", "buffer": text.encode()}
        tab.locator("[type=file]").set_input_files(file)
        words = "document.querySelector('cnn-your-predictions').words.textContent"
        tab.wait_for_function(f"{words} !== ''")
        told = tab.evaluate(words)
        tab.evaluate("document.querySelector('cnn-your-predictions').say('')")
        return told

    assert load(theirs) == "5 predictions read, 2 of them new here."
    kept = tab.evaluate("cnn.predictions.all()")
    counts = {name: entry["words"] for name, entry in kept.items()}
    assert counts == dict(zip(names, ["mine", "mine", "theirs", "theirs", "mine"], strict=True))
    for wrong in (
        {"x</style><script>": said("theirs", now, 1)},
        {"mine": said("theirs", '"]</style>', 1)},
        {"mine": said("theirs", now, 1, kind="unknown")},
        {"mine": said("theirs", now, 1, said=None)},
        {"mine": said("theirs", now, 1, kind="order")},
    ):
        assert "holds no predictions of this course" in load(wrong)
    assert tab.evaluate("cnn.predictions.all()") == kept


SEALED = '<div class="sealed" id="sealed-nets" data-version="aaaaaaaa" style="display: none">'


def test_what_a_browser_has_kept_opens_seals_and_is_no_script(notebook):
    tab = notebook([{"text/html": f"{HEAD}{SEALED}open</div>"}])
    bad = "x</style><script>globalThis.bad = true</script>"
    kept = {"nets": {"version": "a" * 8}, bad: {"version": "a" * 8}, "none": None}
    kept["version"] = {"version": bad}
    tab.evaluate("p => localStorage.setItem('cnnlab.predictions.1', JSON.stringify(p))", kept)
    tab.reload()
    assert tab.evaluate("globalThis.bad") is None
    assert tab.locator("#sealed-nets").is_visible()


def test_a_script_that_is_missing_later_unseals_nothing(notebook):
    tab = notebook([{"text/html": HEAD}])
    asks = """() => {
        const script = document.head.appendChild(document.createElement("script"));
        script.dispatchEvent(new Event("error"));
        return document.documentElement.classList.contains("asks");
    }"""
    assert tab.evaluate(asks)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_questions_are_accessible_and_fit(shown, notebook, dark):
    from axe_playwright_python.sync_playwright import Axe

    ask("nets", "Which minds?", NETS)
    answer("nets", right("neither"))
    ask("number", "How many?", number="weights", factor=2)
    ask("slide", "What share?", number="%", close=5, between=(0, 100))
    ask("order", "From few to many", order=["a longer name for a layer", "b", "c"])
    calibration([(0.5, 0.4), (0.9, 0.95)])
    tab = notebook(shown, width=320)
    if dark:
        tab.evaluate("document.body.style = 'background: #121212; color: #eee'")
        tab.evaluate("document.body.setAttribute('class', 'dark')")
        tab.wait_for_function("document.querySelector('cnn-answer').dark === true")
    assert tab.evaluate("document.documentElement.scrollWidth") <= 320
    violations = Axe().run(tab).response["violations"]
    assert [(v["id"], node["html"]) for v in violations for node in v["nodes"]] == []


# ---- Calibration


def test_the_curve_waits_for_enough_predictions_and_has_the_right_intervals(shown, notebook):
    calibration([(0.6, 0.5), (0.95, 0.97)])
    tab = notebook(shown)
    curve = tab.locator("cnn-calibration section")
    assert "so far 0 have met their answers" in curve.inner_text()
    assert "95 % sure, 97 % right" in curve.inner_text()
    counts = {50: (3, 6), 70: (1, 5), 90: (9, 10), 99: (2, 4)}
    entries = {
        f"{sure}-{i}": dict(version="1", sure=sure, words="", right=i < hits, hit=i < hits)
        for sure, (hits, n) in counts.items()
        for i in range(n)
    }
    entries["shown"] = dict(version="1", shown=True)
    entries["open"] = dict(version="1", sure=99, words="")  # its answer has not been met
    tab.evaluate("entries => cnn.predictions.keep(entries)", entries)
    words = curve.inner_text()
    assert "Of your 25 predictions, 60 % came true; on average you were 78 % sure: " in words
    whole = binomtest(15, 25).proportion_ci(method="wilson")
    sure = sum(sure * n for sure, (_, n) in counts.items()) / 25 / 100
    assert ("78 % sure: too sure." in words) == (sure > whole.high)
    levels = tab.evaluate("cnn.calibration(cnn.predictions.all()).levels")
    for level, (sure, (hits, n)) in zip(levels, counts.items(), strict=True):
        interval = binomtest(hits, n).proportion_ci(method="wilson")
        assert (level["sure"], level["n"], level["hits"]) == (sure / 100, n, hits)
        assert level["low"] == pytest.approx(interval.low, abs=1e-4)
        assert level["high"] == pytest.approx(interval.high, abs=1e-4)
        fits = interval.low <= sure / 100 <= interval.high
        verdict = "no contradiction" if fits else "too sure"
        assert f"at {sure} %, {hits} of {n}: {verdict}" in words


def test_scripts_are_left_out_for_the_site_only(shown, monkeypatch):
    ask("nets", "Which minds?", NETS)
    monkeypatch.setenv("CNNLAB_SITE", "1")
    ask("nets", "Which minds?", NETS)
    assert "<script>" in shown[0]["text/html"] and "<script>" not in shown[1]["text/html"]
    assert "<script>" not in pieces.show("conv-stepper").html
