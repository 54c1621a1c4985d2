"""What holds for every live piece, as a notebook shows it: test_pieces_*.py operate each one."""

import pytest
from cnnlab import pieces

NAMES = list(pieces.PIECES)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_it_is_accessible_and_says_what_it_shows(open_piece, name, dark):
    from axe_playwright_python.sync_playwright import Axe

    tab = open_piece(name, dark=dark)
    assert tab.piece.evaluate("piece => piece.dark") is dark
    assert len(tab.words().split()) > 4
    violations = Axe().run(tab).response["violations"]
    assert [(v["id"], node["html"]) for v in violations for node in v["nodes"]] == []


@pytest.mark.parametrize("name", NAMES)
def test_it_fits_on_a_phone(open_piece, name):
    tab = open_piece(name, width=320, touch=True)
    assert tab.evaluate("document.documentElement.scrollWidth") <= 320
    inner = tab.piece.locator("section").evaluate("s => [s.scrollWidth, s.clientWidth]")
    assert inner[0] <= inner[1], "the piece scrolls sideways"


@pytest.mark.parametrize("name", NAMES)
def test_every_control_is_reached_with_the_keyboard_and_shows_it(open_piece, name):
    tab = open_piece(name)
    outline = """() => {
        let active = document.activeElement;
        while (active?.shadowRoot) active = active.shadowRoot.activeElement;
        return getComputedStyle(active).outlineStyle;
    }"""
    controls = tab.piece.locator(".controls :is(input, select, button):enabled").count()
    seen = 0
    for _ in range(controls):
        tab.keyboard.press("Tab")
        seen += tab.evaluate(outline) == "solid"
    assert seen == controls > 0


@pytest.mark.parametrize("name", NAMES)
def test_the_same_output_twice_on_a_page_does_no_harm(open_piece, name):
    """As when a cell of a notebook runs again."""
    tab = open_piece(name)
    tab.add(pieces.show(name).html)
    assert (
        tab.piece.last.locator(".words").inner_text()
        == tab.piece.first.locator(".words").inner_text()
    )
