"""What all tests share: examples that are the same on every run, quiet start-up."""

import os
import time

import browser
import cnnlab  # noqa: F401 - before Keras: it sets what TensorFlow reads when it starts
import pytest
from hypothesis import settings

MINUTES = "course/minutes"

settings.register_profile(
    "cnnlab", derandomize=True, deadline=None, max_examples=60, database=None, print_blob=False
)
settings.load_profile("cnnlab")


def pytest_sessionstart(session):
    session.config.course_start = time.perf_counter()


def pytest_sessionfinish(session, exitstatus):
    """Keep what a whole run took, for `make bench`: {paths that were given: minutes}."""
    config, cache = session.config, getattr(session.config, "cache", None)
    whole = exitstatus == 0 and not config.option.keyword and not hasattr(config, "workerinput")
    if whole and cache:
        minutes = (time.perf_counter() - config.course_start) / 60
        cache.set(MINUTES, cache.get(MINUTES, {}) | {" ".join(config.args): minutes})


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args):
    """The machine's own Chromium for pytest-playwright: no browser needs to be downloaded."""
    if browser.PROGRAM is None:
        pytest.fail(browser.MISSING) if os.environ.get("CI") else pytest.skip(browser.MISSING)
    return browser_type_launch_args | browser.LAUNCH


ADD = """html => {
    const place = document.createElement("div");
    place.innerHTML = html;
    document.body.append(place);
    const script = place.querySelector("script"), again = document.createElement("script");
    again.textContent = script.textContent;  // as Jupyter does: innerHTML runs no script
    script.replaceWith(again);
}"""


@pytest.fixture
def open_piece(new_context):
    """Open a live piece as a notebook shows it, alone on a page without a network.

    `open_piece("conv-stepper", image=…)` gives the page; `page.piece` is the element,
    `page.words()` the sentence that follows what happens, `page.again(image=…)` starts it anew
    with something else, `page.add(html)` adds another output below, as a notebook does.
    At the end of the test nothing may have gone wrong.
    """
    from cnnlab import pieces

    contexts, problems = [], []

    def open_one(name, *, width=900, dark=False, touch=False, **given):
        context = new_context(
            viewport={"width": width, "height": 900}, reduced_motion="reduce", has_touch=touch
        )
        contexts.append(context)
        context.set_default_timeout(120_000)  # a busy machine is slow, not wrong
        context.route("**", lambda route: (problems.append(route.request.url), route.abort()))
        tab = context.new_page()
        tab.on("console", lambda m: problems.append(m.text) if m.type == "error" else None)
        tab.on("pageerror", lambda error: problems.append(str(error)))
        colours = "background: #121212; color: #eee" if dark else "background: #fff"
        html = pieces.show(name, **given)._repr_html_()
        tab.set_content(
            f'<!doctype html><html lang="en"><title>{name}</title>'
            f'<body style="margin: 4px; {colours}"><main><h1>{name}</h1>{html}</main></body></html>'
        )
        tab.piece = tab.locator(f"cnn-{name}")
        tab.words = lambda: tab.piece.locator(".words").inner_text()
        tab.result = lambda: tab.piece.evaluate("piece => piece.result && cnn.toRows(piece.result)")
        tab.add = lambda html: tab.evaluate(ADD, html)
        tab.again = lambda **given: tab.piece.evaluate(
            """(piece, given) => {
                const fresh = document.createElement(piece.localName);
                fresh.dataset.given = JSON.stringify(given);
                piece.replaceWith(fresh);
            }""",
            pieces.PIECES[name](**given),
        )
        return tab

    yield open_one
    for context in contexts:
        context.close()  # what a page still has to say comes before it closes
    assert problems == []
