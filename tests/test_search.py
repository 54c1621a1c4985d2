"""The site's search, in a browser: from a server, and as a page opened from disk."""

import json
import re
import tomllib
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from serving import served
from test_site import SITE
from website import search

PAGE = "book/notation.html"  # a small one


@pytest.fixture(scope="module")
def server():
    with served(SITE) as address:
        yield address


@pytest.fixture(params=["server", "file"])
def visit(request, new_context, server):
    """Open a page of the site, and nothing from elsewhere; nothing may go wrong on it."""
    root = server if request.param == "server" else SITE.as_uri()
    contexts, problems = [], []

    def open_page(path, *, width=1280, scheme="light", scripts=True):
        context = new_context(
            viewport={"width": width, "height": 800},
            color_scheme=scheme,
            reduced_motion="reduce",
            java_script_enabled=scripts,
        )
        contexts.append(context)
        context.set_default_timeout(60_000)  # a busy machine is slow, not wrong
        context.route(
            lambda url: not url.startswith((root, "data:", "blob:")),
            lambda route: (problems.append(route.request.url), route.abort()),
        )
        tab = context.new_page()
        tab.asked = []
        tab.on("request", lambda request: tab.asked.append(request.url.split("/")[-1]))
        tab.on("console", lambda m: problems.append(m.text) if m.type == "error" else None)
        tab.on("pageerror", lambda error: problems.append(str(error)))
        tab.goto(f"{root}/{path}")
        return tab

    yield open_page
    for context in contexts:
        context.close()
    assert problems == []


def ask(tab, query):
    """Type a query into the search field; the results, [page, section], once they are there."""
    place = tab.locator(".course-search")
    before = place.get_by_role("status").inner_text()
    place.get_by_role("searchbox").fill(query)
    tab.wait_for_function(
        """before => {
            const now = document.querySelector(".course-search [role=status]").textContent;
            return now && now !== before && now !== "Searching …";
        }""",
        arg=before,
    )
    return place.locator("li").evaluate_all(
        """items => items.map(item => [item.querySelector(".where") ?? item.querySelector("a"),
            item.querySelector("a")].map(node => node.textContent))"""
    )


def open_search(tab):
    tab.keyboard.press("Control+k")
    tab.locator("dialog.course-search").wait_for()


def test_the_page_that_teaches_a_word_comes_first_in_whatever_language_it_is_asked(visit):
    tab = visit(PAGE)
    open_search(tab)
    for query, chapter in {
        "dropout": "10.",
        "padding": "2.",
        "stride": "2.",
        "卷积层": "2.",
        "свёртка": "2.",
        "свертки": "2.",
        "池化": "4.",
        "переобучение": "10.",
        "dropot": "10.",
        "Max-Pool": "4.",
        "softmax": "7.",
        "batch normalization": "8.",
        "what is the learning rate": "6.",
    }.items():
        pages = [page for page, _ in ask(tab, query)]
        assert pages[0].startswith(chapter), (query, pages)


def test_what_is_written_in_two_ways_is_found_in_both(visit):
    tab = visit(PAGE)
    open_search(tab)
    assert ask(tab, "1x1") == ask(tab, "1 × 1") != []
    assert ask(tab, "strides")[0] == ask(tab, "stride")[0]
    assert ["2. Convolution", "Shift in, shift out"] in ask(tab, "equivariance")


def test_a_word_that_is_nowhere_gets_helpful_words(visit):
    tab = visit(PAGE)
    open_search(tab)
    assert ask(tab, "zzyzx") == []
    words = tab.locator("dialog [role=status]")
    assert "Nothing is found for “zzyzx”" in words.inner_text()
    words.get_by_role("link", name="glossary").click()
    tab.wait_for_url("**/book/glossary.html")


def test_a_misspelt_word_is_named_as_it_is_meant(visit):
    tab = visit(PAGE)
    open_search(tab)
    ask(tab, "dropot")
    assert "Did you mean “dropout”?" in tab.locator("dialog [role=status]").inner_text()


def test_a_hit_opens_its_section_with_the_words_marked(visit):
    tab = visit(PAGE)
    open_search(tab)
    ask(tab, "padding")
    first = tab.locator("dialog li").first
    title = first.locator("a").inner_text()
    assert first.locator("mark").first.inner_text().lower() == "padding"
    first.locator("a").click()
    tab.wait_for_url("**/book/02-convolution.html?highlight=padding#*")
    heading = tab.get_by_role("heading", name=title)
    tab.wait_for_function("CSS.highlights.get('found')?.size > 3")
    assert 0 <= heading.bounding_box()["y"] < 300
    tab.keyboard.press("Escape")
    assert tab.evaluate("CSS.highlights.has('found')") is False


def test_what_stands_in_an_answer_is_found_and_shown_but_not_quoted(visit):
    index = built_index()
    shown = " ".join(f"{title} {text}" for _, _, title, _, text, _ in index["sections"]).lower()
    url, anchor, word = next(
        (index["pages"][page][0], anchor, word)
        for page, anchor, *_, hidden in index["sections"]
        for word in re.findall(r"\b[a-z]{9,}\b", hidden)
        if word[:6] not in shown
    )
    tab = visit(PAGE)
    open_search(tab)
    ask(tab, word)
    hit = tab.locator(f"dialog li:has(a[href*='{url}'][href$='#{anchor}'])")
    assert "In an answer" in hit.inner_text() and hit.locator("mark").count() == 0
    hit.locator("a").click()
    tab.wait_for_function(
        """() => [...(CSS.highlights.get("found") ?? [])].some(range =>
            range.startContainer.parentElement.checkVisibility())"""
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_marked_words_have_contrast(visit, scheme):
    tab = visit("book/02-convolution.html?highlight=padding", scheme=scheme)
    ink, paper = tab.locator("article p").first.evaluate(
        """p => {
            const style = getComputedStyle(p, "::highlight(found)");
            return [style.color, style.backgroundColor].map(c => c.match(/\\d+/g).map(Number));
        }"""
    )
    light, dark = sorted((luminance(ink), luminance(paper)), reverse=True)
    assert (light + 0.05) / (dark + 0.05) > 7


def luminance(colour):
    """Of an sRGB colour, 0 to 1, as the accessibility guidelines define it."""
    parts = [v / 255 for v in colour[:3]]
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in parts]
    return sum(w * v for w, v in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_nothing_is_loaded_before_somebody_searches(visit):
    tab = visit(PAGE)
    tab.wait_for_load_state("networkidle")
    mine = {"search-index.js", "minisearch.js", "searchindex.js", "searchtools.js"}
    assert mine.isdisjoint(tab.asked)
    open_search(tab)
    ask(tab, "pooling")
    assert {"search-index.js", "minisearch.js"} <= set(tab.asked)


@pytest.mark.parametrize("width", [320, 1280])
def test_the_keyboard_goes_through_the_results_and_back(visit, width):
    tab = visit(PAGE, width=width)
    link = tab.locator(".search-open:visible").first
    link.focus()
    tab.keyboard.press("Enter")
    dialog = tab.locator("dialog.course-search")
    dialog.wait_for()
    assert ask(tab, "kernel")
    focused = "document.activeElement.textContent"
    tab.keyboard.press("Enter")  # to the first result
    first = tab.evaluate(focused)
    tab.keyboard.press("ArrowDown")
    assert tab.evaluate(focused) != first
    tab.keyboard.press("ArrowUp")
    tab.keyboard.press("ArrowUp")
    assert tab.evaluate("document.activeElement.localName") == "input"
    assert dialog.evaluate("d => d.scrollWidth <= d.clientWidth"), "scrolls sideways"
    tab.keyboard.press("Escape")
    tab.keyboard.press("Escape")  # the first one may only empty the field
    assert not dialog.is_visible()
    assert link.evaluate("link => link === document.activeElement")


def violations(tab, where):
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(tab, where, {"resultTypes": ["violations"]}).response["violations"]
    return [(v["id"], node["html"]) for v in found for node in v["nodes"]]


@pytest.mark.parametrize("visit", ["server"], indirect=True)  # where axe can read style sheets
@pytest.mark.parametrize(("scheme", "width"), [("light", 320), ("dark", 1280)])
def test_the_search_is_accessible(visit, scheme, width):
    tab = visit(PAGE, width=width, scheme=scheme)
    open_search(tab)
    ask(tab, "pooling")
    assert violations(tab, "dialog") == []
    tab = visit("search.html?q=pooling", width=width, scheme=scheme)
    tab.locator(".course-search li").first.wait_for()
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    assert violations(tab, "main") == []


def test_the_page_of_the_search_has_all_results_and_an_address(visit):
    tab = visit("search.html?q=dropout")
    tab.locator(".course-search li").first.wait_for()
    many = tab.locator(".course-search li").count()
    assert (
        tab.locator(".course-search [role=status]").inner_text()
        == f"{many} sections for “dropout”."
    )
    ask(tab, "padding")
    assert tab.url.endswith("?q=padding")
    open_page = visit(PAGE)
    open_search(open_page)
    ask(open_page, "dropout")
    open_page.get_by_role("link", name=f"More of the {many} sections").click()
    open_page.wait_for_url("**/search.html?q=dropout")


def test_without_javascript_the_page_says_what_else_finds_a_word(visit):
    tab = visit(PAGE, scripts=False)
    tab.locator(".search-open").first.evaluate("link => link.href")
    tab = visit("search.html", scripts=False)
    assert "needs JavaScript" in tab.locator("article").inner_text()
    assert tab.get_by_role("link", name="glossary").first.is_visible()


# --- The index ---


def built_index():
    text = (SITE / "_static" / "search-index.js").read_text(encoding="utf-8")
    return json.loads(text[text.index("{", text.index("searchIndex")) : text.rindex(";")])


def test_the_index_is_light_and_holds_no_code_and_no_furniture():
    index = built_index()
    text = json.dumps(index)
    for furniture in (
        "Show the code",
        "import numpy",
        "Link to this heading",
        "A picture of a live piece",
    ):
        assert furniture not in text
    addresses = [url for url, _ in index["pages"]]
    assert "book/10-overfitting.html" in addresses
    for page, anchor, title, *_ in index["sections"]:
        html = (SITE / addresses[page]).read_text(encoding="utf-8")
        assert title and f'id="{anchor}"' in html


def index(chapter, words=None):
    """The sections of a small site."""
    glossary = (
        '<article><section id="glossary"><h1>Glossary</h1>'
        '<section id="kernel"><h2>kernel</h2><p>卷积核. A grid.</p></section></section></article>'
    )
    pages = {
        "book/glossary": glossary,
        "book/01": f'<article><section id="one"><h1>1. One</h1>{chapter}</section></article>',
    }
    soups = {name: BeautifulSoup(html, "html.parser") for name, html in pages.items()}
    found = search.make(soups, words or {}, lambda name: f"{name}.html")
    number = [url for url, _ in found["pages"]].index("book/01.html")
    return found, [section[1:] for section in found["sections"] if section[0] == number]


def test_a_section_has_its_own_text_only_and_not_what_is_behind_a_question():
    _, sections = index(
        "<p>Above.</p><pre>code</pre>"
        '<section id="two"><h2>Two<a class="headerlink">#</a></h2><p>Below.</p>'
        '<div class="sealed"><p>Eighteen.</p></div></section>'
    )
    assert sections == [
        ["one", "1. One", [], "Above.", ""],
        ["two", "Two", [], "Below.", "Eighteen."],
    ]


def test_a_section_that_is_sealed_as_a_whole_shows_nothing():
    _, sections = index('<div class="sealed"><section id="two"><h2>2</h2><p>x</p></section></div>')
    assert sections[1] == ["two", "2", [], "", "x"]


@pytest.mark.parametrize(
    ("html", "times"),
    [
        ("<p>A kernel.</p>", 0),
        ("<p>A <strong>kernel</strong>.</p>", 1),
        ('<p>Two <a href="glossary.html#kernel"><strong>kernels</strong></a>.</p>', 1),
        ("<ul><li><p><strong>Kernel</strong>: a grid.</p></li></ul>", 2),
        ('<section id="k"><h2>Kernels that find edges</h2></section>', 2),
    ],
)
def test_bold_terms_are_taught_where_they_stand(html, times):
    _, sections = index(html)
    assert sections[-1][2] == [0] * times


def test_words_for_a_term_that_the_glossary_lacks_are_refused():
    found, _ = index("", {"kernel": ["filter"]})
    assert found["terms"] == [["kernel", "卷积核", "filter"]]
    with pytest.raises(ValueError, match=r"words for colonel, which the glossary does not explain"):
        index("", {"colonel": ["filter"]})


def test_all_typed_words_belong_to_terms_and_are_typed_once():
    words = tomllib.loads(search.WORDS.read_text(encoding="utf-8"))
    terms = re.findall(r"^## (.+)$", Path(SITE.parent.parent, "book/glossary.md").read_text(), re.M)
    assert set(words) <= set(terms)
    every = [word for others in words.values() for word in others]
    assert len(every) == len(set(every))
