"""Every page of the built site, however it is met: from disk, narrow, dark, in Firefox, printed."""

import firefox
import pytest
from serving import served
from test_site import PAGES, SITE, UNSEAL

ALL = [*PAGES, "search"]
WIDTHS = (1280, 390, 320)  # the last one is also 1280 at 400 %
PAPER = 720  # pixels: A4 with margins of 1 cm
NEXT_FRAME = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
WIDE = "document.documentElement.scrollWidth"
# Live pieces that have not started.
ASLEEP = "[...document.querySelectorAll('article :not(:defined)')].map(piece => piece.localName)"


def test_from_disk_in_the_dark_at_every_width(new_context):
    context = new_context(color_scheme="dark", reduced_motion="reduce")
    context.set_default_timeout(120_000)  # a busy machine is slow, not wrong
    tab, problems = context.new_page(), []
    tab.on("console", lambda m: problems.append(m.text) if m.type == "error" else None)
    tab.on("pageerror", lambda error: problems.append(str(error)))
    tab.on(
        "request",
        lambda r: None if r.url.startswith(("file:", "data:", "blob:")) else problems.append(r.url),
    )
    found = {}
    for name in ALL:
        tab.goto((SITE / f"{name}.html").as_uri(), wait_until="load")
        tab.evaluate(UNSEAL)
        for width in WIDTHS:
            tab.set_viewport_size({"width": width, "height": 900})
            tab.evaluate(NEXT_FRAME)
            if (wide := tab.evaluate(WIDE)) > width:
                problems.append(f"at {width} it is {wide} wide")
        problems += tab.evaluate(ASLEEP)
        if problems:
            found[name] = problems[:]
            problems.clear()
    assert found == {}


@pytest.mark.skipif(firefox.PROGRAM is None, reason=firefox.MISSING)
def test_in_firefox_at_every_width_and_in_both_colours(tmp_path):
    found = {}
    dark = "document.documentElement.dataset.theme = 'dark'"
    with served(SITE) as address, firefox.firefox(tmp_path) as fox:
        for name in ALL:
            fox.open(address, f"{name}.html")
            fox.evaluate(f"({UNSEAL})()")
            for width in WIDTHS:
                fox.resize(width)
                fox.evaluate(NEXT_FRAME)
                if (wide := fox.evaluate(WIDE)) > width:
                    fox.problems.append(f"at {width} it is {wide} wide")
            fox.evaluate(f"[{dark}, {NEXT_FRAME}]")
            fox.problems += fox.evaluate(ASLEEP)
            paper = fox.evaluate("getComputedStyle(document.body).backgroundColor")
            if max(map(int, paper[4:-1].split(","))) > 60:
                fox.problems.append(f"in the dark its paper is {paper}")
            if fox.problems:
                found[name] = fox.problems[:]
                fox.problems.clear()
    assert found == {}


# Signs without an ink of their own: nobody sees what they stand for.
UNSEEN = """() => [...document.querySelectorAll(".icon")].filter(sign => sign.checkVisibility()
    && getComputedStyle(sign).backgroundColor === getComputedStyle(document.body).backgroundColor)
    .map(sign => sign.className)"""
# What is folded or sealed and has no place on paper (the cheat sheet does not print how it was
# computed); and what only a screen needs, and has one.
UNPRINTED = """() => [
    ...[...document.querySelectorAll("article details > :not(summary), article .sealed > *")]
        .filter(part => part.textContent.trim() && !part.matches("style, script, .needs-script")
            && !part.closest("#cheat-sheet") && !part.getClientRects().length),
    ...[...document.querySelectorAll("nav, .tool, .copybtn")]
        .filter(part => part.getClientRects().length)
].map(part => part.outerHTML.slice(0, 120))"""


def test_without_scripts_in_forced_colours_and_on_paper(new_context):
    context = new_context(java_script_enabled=False, forced_colors="active", color_scheme="dark")
    context.set_default_timeout(120_000)
    tab, found = context.new_page(), {}
    for name in PAGES:
        tab.emulate_media(media="screen")
        tab.set_viewport_size({"width": 320, "height": 900})
        tab.goto((SITE / f"{name}.html").as_uri(), wait_until="load")
        problems = [f"{sign} is not seen" for sign in tab.evaluate(UNSEEN)]
        if (wide := tab.evaluate(WIDE)) > 320:
            problems.append(f"{wide} wide")
        tab.emulate_media(media="print")
        tab.set_viewport_size({"width": PAPER, "height": 900})
        problems += tab.evaluate(UNPRINTED)
        if (wide := tab.evaluate(WIDE)) > PAPER:
            problems.append(f"on paper {wide} wide")
        if problems:
            found[name] = problems
    assert found == {}
