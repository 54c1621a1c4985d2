"""What holds for every live piece, as a notebook shows it: test_pieces_*.py operate each one."""

import inspect
import json
from fractions import Fraction
from io import BytesIO

import numpy as np
import pytest
from cnnlab import pieces
from PIL import Image

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
    controls = tab.piece.locator(".controls :is(input, select, button):enabled:visible").count()
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


# ---- Dark and light


PICTURE = "url(data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw==)"
BEHIND = [  # what the page is like, and whether that is dark
    ("background: oklch(1 0 0)", False),
    ("background: oklch(0.2 0.02 260)", True),
    ("background: color(srgb 1 1 1)", False),
    ("background: lab(95 0 0)", False),
    ("background: lab(10 5 5)", True),
    ("background: hsl(50 100% 90%)", False),
    ("background: color-mix(in srgb, white 80%, black)", False),
    ("background: rgba(0, 0, 0, .04)", False),
    ("background: rgba(0, 0, 0, .9)", True),
    ("background: oklch(0 0 0 / .05)", False),
    ("background: linear-gradient(#101010, #303030)", True),
    ("background: linear-gradient(white, oklch(0.9 0 0))", False),
    ("background: linear-gradient(rgba(0, 0, 0, .8), rgba(0, 0, 0, .6))", True),
    (f"background: {PICTURE}; color: #eee", True),
    (f"background: {PICTURE}; color: #222", False),
    (f"background: #111 {PICTURE}", True),
    ("color-scheme: dark", True),
    ("", False),
]


def test_it_is_dark_where_the_page_is_dark_however_the_colour_is_written(open_piece):
    tab = open_piece("curve-fit")
    style = """style => {
        document.body.style.background = "none";
        document.documentElement.style.cssText = style;
    }"""
    for page, dark in BEHIND:
        tab.evaluate(style, page)
        tab.again()
        assert tab.piece.evaluate("piece => piece.dark") is dark, page
        assert tab.piece.get_attribute("dark") == ("" if dark else None)


def test_half_transparent_backgrounds_lie_on_what_is_behind_them(open_piece):
    tab = open_piece("curve-fit")
    wrap = """([outer, inner]) => {
        document.body.style.background = outer;
        document.querySelector("main").style.background = inner;
    }"""
    for outer, inner, dark in [
        ("#fff", "rgba(0, 0, 0, .3)", False),
        ("#fff", "rgba(0, 0, 0, .6)", True),
        ("#222", "rgba(255, 255, 255, .2)", True),
        ("rgba(0, 0, 0, .35)", "rgba(0, 0, 0, .35)", True),  # neither is alone
        ("#000", "transparent", True),
    ]:
        tab.evaluate(wrap, [outer, inner])
        tab.again()
        assert tab.piece.evaluate("piece => piece.dark") is dark, (outer, inner)


def test_it_sees_what_is_behind_the_shadow_that_it_stands_in(open_piece):
    tab = open_piece("curve-fit")
    tab.piece.evaluate(
        """piece => {
            const host = document.createElement("div");
            host.style.background = "#111";
            piece.replaceWith(host);
            host.attachShadow({ mode: "open" }).append(piece);
            globalThis.moved = piece;
        }"""
    )
    assert tab.evaluate("moved.dark") is True


def becomes(tab, dark):
    tab.wait_for_function(f"document.querySelector('main > :not(h1, script)').dark === {dark}")


def test_it_follows_the_theme_also_after_it_was_taken_out_and_put_back(open_piece):
    tab = open_piece("curve-fit")
    for dark, colour in ((True, "#111"), (False, "#fafafa")):
        tab.evaluate("colour => { document.body.style.background = colour; }", colour)
        becomes(tab, str(dark).lower())
    tab.evaluate(
        """() => {
            const piece = document.querySelector("cnn-curve-fit");
            piece.remove();
            document.body.style.background = "#222";
            document.querySelector("main").append(piece);
        }"""
    )
    assert tab.piece.evaluate("piece => piece.dark") is True  # at once
    tab.evaluate("document.body.style.background = '#eee'")
    becomes(tab, "false")
    tab.evaluate("document.querySelector('main').style.background = '#111'")  # not the body
    becomes(tab, "true")
    tab.evaluate("document.querySelector('main').removeAttribute('style')")
    becomes(tab, "false")
    tab.evaluate("document.body.style.cssText = ''")
    style = ":root { color-scheme: light dark } body { transition: background .2s }"
    tab.add_style_tag(content=style)
    tab.emulate_media(color_scheme="dark")
    becomes(tab, "true")
    tab.evaluate("document.body.style.background = '#fff'")  # slowly
    becomes(tab, "false")


@pytest.mark.parametrize("name", NAMES)
def test_a_piece_that_is_gone_listens_to_nothing(open_piece, name):
    tab = open_piece("curve-fit")
    tab.add(pieces.show(name).html)
    tab.evaluate(
        """() => {
            globalThis.listening = 0;
            const wrap = (method, by) => {
                const old = EventTarget.prototype[method];
                EventTarget.prototype[method] = function (...args) {
                    const media = this instanceof MediaQueryList;
                    if (this === document || this === window || media) listening += by;
                    return old.apply(this, args);
                };
            };
            wrap("addEventListener", 1);
            wrap("removeEventListener", -1);
        }"""
    )
    counts = tab.evaluate(
        """name => {
            const piece = document.createElement(`cnn-${name}`), counts = [];
            for (let time = 0; time < 3; time++) {
                document.querySelector("main").append(piece);
                counts.push(listening);
                piece.remove();
                counts.push(listening);
            }
            return counts;
        }""",
        name,
    )
    assert counts[0] > 0 and counts == [counts[0], 0] * 3


# ---- High contrast


@pytest.mark.parametrize("name", NAMES)
def test_it_is_accessible_in_the_readers_own_colours(open_piece, name):
    from axe_playwright_python.sync_playwright import Axe

    tab = open_piece(name)
    tab.evaluate("document.documentElement.style.colorScheme = 'light dark'")
    for scheme in ("light", "dark"):
        tab.emulate_media(forced_colors="active", color_scheme=scheme)
        becomes(tab, str(scheme == "dark").lower())
        page, own = tab.piece.evaluate(
            """piece => {
                const probe = document.createElement("p");
                probe.style.cssText = "color: CanvasText; background: Canvas";
                document.querySelector("main").append(probe);
                const read = (node) => getComputedStyle(node), section = "section";
                const styles = [read(probe), read(piece.shadowRoot.querySelector(section))];
                return styles.map((style) => [style.color, style.backgroundColor]);
            }"""
        )
        assert own == page  # ink and paper are the reader's
        violations = Axe().run(tab).response["violations"]
        assert [(v["id"], node["html"]) for v in violations for node in v["nodes"]] == []


IMAGE, MAP, OUTPUT = "[aria-label=image]", "[aria-label='feature map']", "[aria-label=output]"
MARKED = {  # what is marked in a piece, and what is like it but for the mark
    "conv-stepper": [
        (f"{IMAGE} tr:nth-child(2) td:nth-child(3)", f"{IMAGE} tr:nth-child(2) td:nth-child(4)"),
        (f"{MAP} td.here", f"{MAP} tr:nth-child(4) td:first-child"),
    ],
    "pool-stepper": [
        (f"{IMAGE} tr:nth-child(1) td:nth-child(2)", f"{IMAGE} tr:nth-child(4) td:nth-child(4)"),
        (f"{IMAGE} td.winner", f"{IMAGE} tr:nth-child(1) td:first-child"),
        (f"{OUTPUT} td.here", f"{OUTPUT} td:nth-child(2)"),
    ],
    "dense-to-conv": [
        ("[aria-label=outputs] td.here", "[aria-label=outputs] td:not(.here)"),
        ("button[aria-pressed=true]", "button[aria-pressed=false]"),
    ],
    "dropout-view": [("[aria-label=mask] td.out", "[aria-label=mask] td:not(.out)")],
    "digit-pad": [
        ("tr.best td:nth-child(2)", "tr:not(.best) td:nth-child(2)"),
        (".strip .here", ".strip span:not(.here)"),
    ],
}


@pytest.mark.parametrize("name", MARKED)
def test_marks_are_seen_in_the_readers_own_colours(open_piece, name):
    """Frames, bars and what is pressed: as drawn, without the text in them."""
    tab = open_piece(name)
    tab.emulate_media(forced_colors="active")
    tab.piece.evaluate(
        """piece => {
            const style = document.createElement("style");
            style.textContent = "section * { color: transparent !important; }";
            piece.shadowRoot.append(style);
        }"""
    )
    for places in MARKED[name]:
        marked, plain = (colours(tab.piece.locator(place).first) for place in places)
        assert marked - plain, places


def colours(node):
    """The colours that are there in more than a few pixels."""
    picture = Image.open(BytesIO(node.screenshot())).convert("RGB")
    return {colour for count, colour in picture.getcolors(10**6) if count > 20}


# ---- Room


@pytest.mark.parametrize("name", ["descent", "curve-fit"])
def test_plots_share_the_room_and_measure_again(open_piece, name):
    tab = open_piece(name, width=340)
    plots = tab.piece.locator("svg.plot")

    def boxes():
        return [plots.nth(i).bounding_box() for i in (0, 1)]

    def settles(condition):
        tab.wait_for_function(
            f"""piece => {{
                const [a, b] = [...piece.shadowRoot.querySelectorAll("svg.plot")]
                    .map((plot) => plot.getBoundingClientRect());
                return {condition};
            }}""",
            arg=tab.piece.element_handle(),
        )
        inner = tab.piece.locator("section").evaluate("s => [s.scrollWidth, s.clientWidth]")
        assert inner[0] <= inner[1]

    small = boxes()
    assert small[1]["y"] > small[0]["y"] + small[0]["height"]  # one below the other
    tab.set_viewport_size({"width": 696, "height": 900})  # 664 pixels inside
    settles("b.left > a.right && a.width > 350 && b.width > 270")
    tab.set_viewport_size({"width": 1280, "height": 900})
    settles("a.width === 370 && b.width === 290")
    tab.set_viewport_size({"width": 600, "height": 900})
    settles("b.left > a.right && a.width < 330")
    tab.set_viewport_size({"width": 340, "height": 900})
    settles("b.top > a.bottom")
    assert [box["width"] for box in boxes()] == [box["width"] for box in small]


def test_a_piece_that_was_hidden_takes_its_room_when_it_is_shown(open_piece):
    tab = open_piece("dropout-view", width=320)
    tab.evaluate("document.querySelector('main').hidden = true")
    tab.again()
    tab.evaluate("document.querySelector('main').hidden = false")
    tab.wait_for_function("document.querySelector('cnn-dropout-view').room < 320")
    plot = tab.piece.locator("svg.plot")
    tab.wait_for_function("document.querySelector('cnn-dropout-view').plot.width < 300")
    assert abs(plot.bounding_box()["width"] - tab.piece.evaluate("piece => piece.room")) < 1


# ---- What is typed


EDITABLE = {"conv-stepper": "image", "pool-stepper": "image", "dense-to-conv": "kernel"}


@pytest.mark.parametrize("name", EDITABLE)
def test_a_cell_refuses_what_is_no_number_or_too_large_and_says_so(open_piece, name):
    tab = open_piece(name)
    if name == "dense-to-conv":
        tab.piece.get_by_role("button", name="tied").click()
    cell = tab.piece.get_by_label(f"{EDITABLE[name]}, row 1, column 1", exact=True)
    before, result = cell.input_value(), tab.result()
    for typed in ("1e308", "-1e999", "1000001", "Infinity", "abc", "", "1e"):
        cell.focus()
        tab.keyboard.press("Control+a")
        tab.keyboard.insert_text(typed) if typed else tab.keyboard.press("Delete")
        cell.press("Enter")
        assert f"“{typed}” does not fit here: cells hold numbers" in tab.words()
        assert tab.words().endswith(f"This one stays at {before}.")
        assert tab.piece.locator(".words.wrong").count() == 1
        assert cell.input_value() == before and tab.result() == result
    cell.fill("1e6")  # the largest
    cell.blur()
    assert cell.input_value() == "1000000" and tab.result() != result
    assert "Infinity" not in tab.piece.locator("section").inner_text()
    cell.focus()
    for key in "1e308":  # one after the other: those that are refused do not land
        tab.keyboard.press("Control+a") if key == "1" else None
        tab.keyboard.press(key)
    assert "“1e38” does not fit here" in tab.words() and tab.words().endswith("stays at 1000.")
    cell.press("Tab")
    assert cell.input_value() == "1000"


@pytest.mark.parametrize("name", EDITABLE)
def test_a_cell_shows_small_numbers_and_all_digits_while_it_is_edited(open_piece, name):
    tab = open_piece(name)
    if name == "dense-to-conv":
        tab.piece.get_by_role("button", name="tied").click()
    cell = tab.piece.get_by_label(f"{EDITABLE[name]}, row 1, column 1", exact=True)
    for typed, shown in [("0.12345", "0.12"), ("-0.0042", "−0.004"), ("1,5", "1.5"), ("0", "0")]:
        cell.fill(typed)
        cell.blur()
        assert cell.input_value() == shown
        cell.focus()
        assert cell.input_value() == typed.replace("-", "−").replace(",", ".")


def test_a_cell_takes_commas_between_groups_of_three_as_thousands(open_piece):
    tab = open_piece("conv-stepper")
    cell = tab.piece.get_by_label("image, row 1, column 1", exact=True)
    numbers = {"1,000": "1000", "−1,000,000": "−1000000", "1,234.5": "1234.5", "1,125": "1.13"}
    for typed, stands in numbers.items():
        cell.fill(typed)
        cell.blur()
        assert cell.input_value() == stands
    cell.focus()
    cell.fill("1,00,000")
    cell.blur()
    assert "“1,00,000” does not fit here" in tab.words()


def test_a_number_out_of_range_goes_and_the_range_is_said(open_piece):
    tab = open_piece("conv-stepper")
    for label, typed, said in [
        ("image rows", "13", "image rows: a whole number from 1 to 12."),
        ("kernel rows", "0", "kernel rows: a whole number from 1 to 7."),
        ("stride", "1.5", "stride: a whole number from 1 to 4."),
        ("dilation", "", "dilation: a whole number from 1 to 3."),
    ]:
        field = tab.piece.get_by_label(label)
        before = field.input_value()
        field.focus()
        tab.keyboard.press("Control+a")
        tab.keyboard.insert_text(typed) if typed else tab.keyboard.press("Delete")
        field.press("Enter")
        assert tab.words() == said and field.input_value() == before


@pytest.mark.parametrize(
    ("name", "given", "sizes"),
    [
        ("conv-stepper", {"image": np.ones((4, 9))}, (4, 9)),
        ("pool-stepper", {"image": np.ones((12, 1)), "size": 1}, (12, 1)),
        ("dense-to-conv", {"size": (3, 8)}, (3, 8)),
    ],
)
def test_the_settings_say_how_many_rows_and_columns_an_image_has(open_piece, name, given, sizes):
    tab = open_piece(name, **given)
    rows, columns = tab.piece.get_by_label("image rows"), tab.piece.get_by_label("image columns")
    assert (int(rows.input_value()), int(columns.input_value())) == sizes
    rows.fill("5")
    assert tab.piece.get_by_text(f"image 5 × {sizes[1]}").is_visible()
    columns.fill("6")
    assert tab.piece.get_by_text("image 5 × 6").is_visible()


# ---- What pieces.show takes


def values():
    """Anything that somebody may give, by mistake."""
    yield from (np.nan, np.inf, -np.inf, None, "3", "", b"3", [], (), {}, {1: 2}, True, np.True_)
    yield from (np.array(2), np.array(2.5), np.array([1, 2]), np.array("3"), [[1], [2, 3]], ["a"])
    yield from (10**400, -(10**400), [10**400], 1e308, 2j, np.array([[1 + 2j]]), object(), float)
    yield from ([[1, 2], [3, None]], [[np.nan, 1]], np.zeros((0, 3)), np.zeros((3, 3, 0)), range(3))
    yield from (np.zeros((3, 3, 1, 1)), -1, 0, 1.5, 2.0, 3, Fraction(1, 2), np.float32(0.5), {1, 2})
    yield from (np.array(["2020"], "datetime64[Y]"), "valid", [5e-324, 0], np.longdouble("1e4000"))


ARGUMENTS = [
    (name, argument)
    for name in NAMES
    if pieces.PIECES[name].__module__ == "cnnlab.pieces.given"
    for argument in inspect.signature(pieces.PIECES[name]).parameters
]


@pytest.mark.parametrize(("name", "argument"), ARGUMENTS)
def test_every_argument_works_or_is_refused_by_its_name(name, argument):
    others = {}
    if argument in ("x", "y", "test_x", "test_y"):
        others = {"x": [1, 2], "y": [3, 4]}
    if argument.startswith("test"):
        others |= {"test_x": [1, 2], "test_y": [3, 4]}
    refused = 0
    for value in values():
        try:
            given = pieces.PIECES[name](**others | {argument: value})
        except ValueError as problem:
            assert argument in str(problem), f"{value!r}: {problem}"
            refused += 1
        else:
            json.dumps(given, allow_nan=False)
    assert refused > 10
