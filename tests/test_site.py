"""The built site, read as files and in a real browser. `make book` builds it."""

import functools
import re
from pathlib import Path

import pytest
import yaml
from bs4 import BeautifulSoup
from cnnlab import pieces
from serving import served

ROOT = Path(__file__).resolve().parent.parent
SITE = ROOT / "_build" / "html"
_TOC = yaml.safe_load((ROOT / "_toc.yml").read_text())
PAGES = [_TOC["root"], *(c["file"] for part in _TOC["parts"] for c in part["chapters"])]
CHAPTERS = [name for name in PAGES if re.match(r"book/(\d|appendix)", name)]
LIVE = re.compile("^cnn-")
LOOKS = {"light": ("light", 1280), "dark": ("dark", 1280), "phone": ("light", 320)}


@functools.cache
def page(name):
    file = SITE / f"{name}.html"
    assert file.exists(), f"{file} is missing: run `make book`"
    return BeautifulSoup(file.read_text(encoding="utf-8"), "html.parser")


@pytest.mark.parametrize("name", PAGES)
def test_page_is_there_and_not_empty(name):
    article = page(name).find("article")
    assert article.find("h1").get_text(strip=True)
    assert len(article.get_text().split()) > 80


@pytest.mark.parametrize("name", PAGES)
def test_page_says_under_which_licences_it_is(name):
    footer = page(name).find("footer", class_="bd-footer-content").get_text(" ", strip=True)
    for part in ("Code: MIT", "text and figures: CC BY 4.0", "digits: MNIST, CC BY-SA 3.0"):
        assert part in footer


@pytest.mark.parametrize("name", PAGES)
def test_pictures_are_described_and_numbered(name):
    article = page(name).find("article")
    for image in article.find_all("img", src=lambda address: not address.startswith("data:")):
        assert image["alt"] or image.find_parent("a")  # a link has words of its own
        assert image["alt"] != image["src"]
        assert (SITE / "book" / image["src"]).resolve().is_file()
    for shown in article.find_all(class_=["cnn-figure", "cnn-numbers"]):
        caption = shown.find_parent("figure").find("figcaption")
        assert caption.find(class_="caption-number") and caption.find(class_="caption-text")
        if "cnn-figure" in shown["class"]:
            assert shown["role"] == "img" and len(shown["aria-label"]) > 30
            assert shown.find(["svg", "img"])


@pytest.mark.parametrize("name", CHAPTERS)
def test_computed_sentences_reached_the_page(name):
    """What cells display as Markdown is on the page as text, with its mathematics and tables."""
    told = "div.cell_output :is(p, li, td, th):not(pre *)"
    text = "\n".join(part.get_text() for part in page(name).select(f"article {told}"))
    source = ROOT / "lessons_src" / "chapters" / f"{name.removeprefix('book/')}.md"
    loads = "data.load(" in source.read_text(encoding="utf-8")
    told_which = re.search(r"The (digits|pictures) on this page: ", text)
    assert told_which or not loads or "appendix" in name  # which is about the sources' results
    assert "Traceback" not in page(name).find("article").get_text() and "**" not in text


def test_citations_lead_to_the_references():
    ids = {tag["id"] for tag in page("book/references").find_all(id=True)}
    links = [
        a["href"] for name in PAGES for a in page(name).select("article a[href*='references']")
    ]
    targets = [link.split("#")[1] for link in links if "#" in link]
    assert targets and set(targets) <= ids


def test_there_is_a_404_page():
    assert "This page does not exist" in (SITE / "404.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def address():
    with served(SITE) as found:
        yield found


@pytest.fixture
def visit(new_context, address):
    """Open a page with every other address blocked; collect what went wrong on it."""

    def open_page(path, look="light"):
        scheme, width = LOOKS[look]
        context = new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, reduced_motion="reduce"
        )
        context.set_default_timeout(120_000)  # a busy machine is slow, not wrong
        tab = context.new_page()
        tab.problems = []
        context.route(
            lambda url: not url.startswith((address, "data:", "blob:")),
            lambda route: (
                tab.problems.append(f"asks for {route.request.url}"),
                route.abort(),
            ),
        )
        tab.on(
            "console",
            lambda m: tab.problems.append(f"console: {m.text}") if m.type == "error" else None,
        )
        tab.on("pageerror", lambda error: tab.problems.append(f"script: {error}"))
        tab.goto(f"{address}/{path}", wait_until="networkidle")
        return tab

    return open_page


UNSEAL = "() => document.documentElement.classList.remove('asks')"

# Marks one text for each way that texts look on a page: ink, size, weight, and all papers below.
# axe measures contrast text by text, seconds for a chapter; what looks alike has one contrast.
SAMPLE = """() => {
    const seen = new Set();
    const look = (node, papers) => {
        const style = getComputedStyle(node), { backgroundColor, backgroundImage } = style;
        const own = [backgroundColor, backgroundImage, style.opacity, style.filter].join();
        if (own !== "rgba(0, 0, 0, 0),none,1,none") papers += `${own}/`;
        const says = [...node.childNodes].some(one => one.nodeType === 3 && one.data.trim());
        if ((says || node.matches("input, textarea, select")) && node.checkVisibility()) {
            const way = [style.color, style.fontSize, style.fontWeight, style.textShadow] + papers;
            node.toggleAttribute("data-sample", !seen.has(way));
            seen.add(way);
        }
        for (const inner of [...node.children, ...(node.shadowRoot?.children ?? [])])
            look(inner, papers);
    };
    look(document.body, "");
    axe.configure({ rules: [{ id: "color-contrast", selector: "[data-sample]" }] });
}"""


def violations(tab, look):
    """What axe finds by all rules; the contrast of each single text on the light page only."""
    from axe_playwright_python.sync_playwright import Axe

    tab.evaluate(Axe().axe_script)
    # Large enough for a finger, named by the words that stand there: these must be asked for.
    asked = ("target-size", "label-content-name-mismatch")
    rules = {rule: {"enabled": True} for rule in asked}
    options = {"resultTypes": ["violations"], "rules": rules}
    if look == "dark":
        options["runOnly"] = ["color-contrast"]  # all that differs
    if look != "light":
        tab.evaluate(SAMPLE)
    return tab.evaluate(
        """async options => (await axe.run(options)).violations.flatMap(
            ({ id, nodes }) => nodes.map(node => [id, node.html, node.failureSummary]))""",
        options,
    )


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("name", PAGES)
def test_page_in_a_browser_is_accessible_and_needs_no_network(visit, name, look):
    tab = visit(f"{name}.html", look)
    tab.evaluate(UNSEAL)
    seen = "all => all.every(place => [...place.children].every(e => e.checkVisibility()))"
    assert tab.locator(".sealed").evaluate_all(seen)
    width = LOOKS[look][1]
    assert tab.evaluate("document.documentElement.scrollWidth") <= width, "scrolls sideways"
    broken = """images => Promise.all(images.map(async (image) => {
        image.loading = "eager";
        try { await image.decode(); } catch { return image.src; }
    })).then((found) => found.filter(Boolean))"""
    assert tab.locator("article img").evaluate_all(broken) == []
    assert tab.problems == []
    assert violations(tab, look) == []


def test_in_the_dark_figures_and_tables_are_dark(visit):
    tab = visit("book/10-overfitting.html", "dark")
    tab.evaluate(UNSEAL)
    shade = "e => getComputedStyle(e).backgroundColor.match(/\\d+/g).map(Number)"
    assert max(tab.locator("body").evaluate(shade)[:3]) < 60
    cards = """shown => shown.flatMap((place) => {
        const found = [];
        for (; place.localName !== "body"; place = place.parentElement) {
            const colour = getComputedStyle(place).backgroundColor;
            const [red, green, blue, seen = 1] = colour.match(/[\\d.]+/g).map(Number);
            if (seen && Math.max(red, green, blue) > 90) found.push(place.className + colour);
        }
        return found;
    })"""
    shown = tab.locator(".cnn-table table, .cnn-numbers table, .cnn-figure svg")
    assert shown.count() > 10 and shown.evaluate_all(cards) == []
    ink = "all => all.map(e => Math.max(...getComputedStyle(e).fill.match(/\\d+/g).map(Number)))"
    assert min(tab.locator(".cnn-figure svg text").evaluate_all(ink)) > 150


@pytest.mark.parametrize("name", CHAPTERS)
def test_on_a_phone_all_words_of_a_figure_can_be_read(new_context, address, name):
    tab = new_context(viewport={"width": 390, "height": 800}).new_page()
    tab.goto(f"{address}/{name}.html")
    tab.evaluate(UNSEAL)
    sizes = """all => all.map((e) => {
        const plot = e.ownerSVGElement, shown = plot.getBoundingClientRect().width;
        const scale = shown ? shown / plot.viewBox.baseVal.width : 1; // 0: it is hidden
        return scale * parseFloat(getComputedStyle(e).fontSize);
    })"""
    assert min(tab.locator(".cnn-figure svg text").evaluate_all(sizes), default=10) >= 10
    wide = "panels => panels.map(e => e.getBoundingClientRect().width)"
    assert min(tab.locator(".cnn-panel:visible").evaluate_all(wide), default=60) >= 60


def test_solutions_open_with_the_keyboard(visit):
    tab = visit("book/02-convolution.html")
    solution = tab.locator("details:has-text('solution')").last
    inside = solution.locator(":scope > :not(summary)").first
    solution.locator("summary").first.focus()
    assert not inside.is_visible()
    tab.keyboard.press("Enter")
    assert inside.is_visible()


def live(name):
    """The live pieces of a page, questions not among them."""
    return [tag for tag in page(name)(LIVE) if tag.name[4:] in pieces.PIECES]


WITH_PIECES = [name for name in PAGES if (SITE / f"{name}.html").exists() and live(name)]


def test_every_piece_stands_on_a_page_with_its_picture_and_a_question():
    chapters = [name for name in WITH_PIECES if name != PAGES[0]]  # that one borrows a piece
    found = [piece for name in chapters for piece in live(name)]
    assert {piece.name[4:] for piece in found} == set(pieces.PIECES)
    for piece in found:
        assert len(piece.img["alt"]) > 40 and "pieces.show" in piece.get_text()
        assert "Question" in piece.find_next_sibling("p").get_text()


@pytest.mark.parametrize("name", WITH_PIECES)
def test_live_pieces_start_and_are_light(visit, address, name):
    tab = visit(f"{name}.html")
    tab.evaluate(UNSEAL)
    for piece in live(name):
        shown = tab.locator(piece.name)
        assert shown.locator(".words").inner_text()
        assert not shown.locator("img").is_visible()
    sizes = """() => Object.fromEntries(performance.getEntriesByType("resource")
        .map(e => [e.name.split("/").at(-1).split("?")[0], e.decodedBodySize]))"""
    scripts = {path.name for path in pieces.FOLDER.glob("*.js")}
    loaded = {name: size for name, size in tab.evaluate(sizes).items() if name in scripts}
    assert "piece.js" in loaded and sum(loaded.values()) < 400_000
    assert tab.problems == []


def test_live_pieces_start_on_a_page_opened_as_a_file(new_context):
    tab = new_context().new_page()
    tab.goto((SITE / "book" / "02-convolution.html").as_uri())
    assert tab.locator("cnn-conv-stepper .words").inner_text()


def test_without_javascript_the_picture_stays(new_context, address):
    tab = new_context(java_script_enabled=False).new_page()
    tab.goto(f"{address}/book/02-convolution.html")
    assert tab.locator("cnn-conv-stepper img").is_visible()
