"""The site's frame in a real browser and as files: weight, theme, menus, print, the archive."""

import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import pytest
from bs4 import BeautifulSoup
from classroom import lab
from cnnlab import pieces
from serving import served
from test_site import CHAPTERS, PAGES, ROOT, SITE, WITH_PIECES, live, page
from website import accessible, archive, formulas, shell, styles

FIRST = PAGES[0]
INK = "e => getComputedStyle(e).color.match(/\\d+/g).map(Number)"
SHADE = "e => getComputedStyle(e).backgroundColor.match(/\\d+/g).map(Number)"


@pytest.fixture(scope="module")
def address():
    with served(SITE) as found:
        yield found


# --- What a page weighs ---


@pytest.mark.parametrize("name", [FIRST, *CHAPTERS])
def test_a_page_is_light(new_context, address, name):
    """All that a phone loads, as a server sends it, and nothing that the page does not need."""
    tab = new_context(viewport={"width": 390, "height": 844}).new_page()
    loaded = {}
    network = tab.context.new_cdp_session(tab)
    network.send("Network.enable")
    network.on("Network.responseReceived", lambda e: loaded.update({e["requestId"]: [e, 0]}))
    network.on(
        "Network.loadingFinished",
        lambda e: loaded[e["requestId"]].__setitem__(1, e["encodedDataLength"]),
    )
    tab.goto(f"{address}/{name}.html", wait_until="networkidle")
    files = {e["response"]["url"].rsplit("/", 1)[1]: size for e, size in loaded.values()}
    assert sum(files.values()) < (250_000 if name == FIRST else 700_000), files
    formulas_there = bool(page(name).select("article math"))
    assert any("stix" in file for file in files) == formulas_there
    for needless in ("fontawesome", "bootstrap", "mathjax", "searchindex", "search-index"):
        assert not any(needless in file.lower() for file in files)


# --- Light and dark ---


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no-scripts"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_first_thing_painted_has_the_theme(new_context, scheme, scripts):
    """Also where no script of the site ever comes."""
    context = new_context(color_scheme=scheme, java_script_enabled=scripts)
    context.route("**/*.js*", lambda route: route.abort())
    tab = context.new_page()
    tab.goto((SITE / f"{FIRST}.html").as_uri())
    shade = tab.locator("body").evaluate(SHADE)[:3]
    ink = tab.locator("article p").first.evaluate(INK)[:3]
    assert (max(shade) < 60 and min(ink) > 180) if scheme == "dark" else min(shade) > 240


def test_the_theme_switch_changes_at_once_is_kept_and_says_what_it_does(new_context, address):
    tab = new_context(color_scheme="light").new_page()
    tab.goto(f"{address}/{FIRST}.html")
    switch = tab.locator(".theme-switch-button")
    theme = "document.documentElement.dataset.theme"
    assert (tab.evaluate(theme), switch.get_attribute("aria-label")) == (
        "light",
        "Colours: as the system",
    )
    switch.focus()
    tab.keyboard.press("Enter")
    assert (tab.evaluate(theme), switch.get_attribute("aria-label")) == ("dark", "Colours: dark")
    tab.goto(f"{address}/book/glossary.html")
    assert tab.evaluate(theme) == "dark"
    tab.locator(".theme-switch-button").click()
    assert tab.evaluate(theme) == "light"
    tab.locator(".theme-switch-button").click()
    tab.emulate_media(color_scheme="dark")
    tab.wait_for_function(f"{theme} === 'dark'")  # follows the system again


def test_style_sheets_lose_only_what_no_page_can_use():
    css = """@charset "utf-8"; @font-face { font-family: "Font Awesome 6 Free"; src: url(x) }
    .used, .unused b { color: red } .unused { color: blue } a:not(.unused) { color: green }
    html[data-theme="dark"] p { color: white } html[data-theme=light] p { color: black }
    @media (min-width: 3px) { .used { top: 0 } .unused { top: 1px } }
    @media print { #gone { top: 0 } }
    """
    small = styles.shrink(css, {"used"})
    assert ".used{color: red;}" in small.replace(" }", ";}").replace("red}", "red;}")
    assert "blue" not in small and "green" in small and "Awesome" not in small
    assert "top: 1px" not in small and "gone" not in small
    assert "(prefers-color-scheme:dark){html[data-theme=auto] p{" in small
    assert "@media print{html[data-theme] p{color: black" in small
    with pytest.raises(ValueError, match="mistake"):
        styles.shrink(".used { top: 0 } .used", {"used"})


# --- Menus, focus, deep links ---


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no-scripts"])
def test_a_phone_has_its_menus_also_without_scripts(new_context, scripts):
    context = new_context(viewport={"width": 320, "height": 640}, java_script_enabled=scripts)
    tab = context.new_page()
    tab.goto((SITE / "book" / "02-convolution.html").as_uri())
    assert not tab.locator("#chapters").is_visible()
    tab.locator(".tool-chapters").focus()
    tab.keyboard.press("Enter")
    tab.keyboard.press("Escape")
    assert not tab.locator("#chapters").is_visible()
    tab.locator(".tool-contents").click()
    tab.locator("#contents a", has_text="Shift in, shift out").click()
    assert tab.url.endswith("#shift-in-shift-out")
    if scripts:  # it goes away by itself
        assert not tab.locator("#contents").is_visible()
    tab.keyboard.press("Escape")
    tab.locator(".tool-chapters").click()
    tab.locator("#chapters a", has_text="4. Pooling").click()
    assert tab.locator("h1").inner_text().startswith("4. Pooling")
    assert tab.locator("article details").first.is_visible() or scripts


@pytest.mark.parametrize("width", [1280, 390])
def test_every_control_shows_that_it_has_the_focus(new_context, width):
    tab = new_context(viewport={"width": width, "height": 800}).new_page()
    tab.goto((SITE / "book" / "06-gradient-descent.html").as_uri())
    seen = []
    for _ in range(60):
        tab.keyboard.press("Tab")
        look = tab.evaluate("""() => {
            const at = document.activeElement, look = getComputedStyle(at);
            const name = at.className || at.localName, width = parseFloat(look.outlineWidth);
            return [name, look.outlineStyle, width, !!at.shadowRoot];
        }""")
        seen.append(look[0])
        assert look[3] or (look[1] != "none" and look[2] >= 2), look
    assert "skip" in seen[0] or seen[0] == "a"
    assert not any("math" in name for name in seen)  # no formula is a stop


def test_a_link_into_a_page_lands_there_and_stays(new_context, address):
    context = new_context(viewport={"width": 390, "height": 844})
    tab = context.new_page()
    tab.goto(f"{address}/book/06-gradient-descent.html#exercises", wait_until="networkidle")
    tab.wait_for_timeout(300)
    top = tab.locator("#exercises").evaluate("e => e.getBoundingClientRect().top")
    assert -5 < top < 150


# --- What stands in a page ---


@pytest.mark.parametrize("name", PAGES)
def test_a_page_says_what_it_is(name):
    found = page(name)
    text = found.find("meta", attrs={"name": "description"})["content"]
    assert 30 < len(text) <= 160 and text != page(FIRST if name != FIRST else PAGES[1])
    told = {tag["property"]: tag["content"] for tag in found.find_all("meta", property=True)}
    assert told["og:description"] == text and told["og:title"] in found.h1.get_text()
    assert found.title.get_text().count("Convolutional networks, computed") == 1
    assert found.html["lang"] == "en"


def test_no_description_is_used_twice():
    texts = [page(n).find("meta", attrs={"name": "description"})["content"] for n in PAGES]
    assert len(set(texts)) == len(texts)


@pytest.mark.parametrize("name", PAGES)
def test_tables_and_foreign_words_are_marked(name):
    article = page(name).find("article")
    for table in article.find_all("table"):
        assert table.find("caption") or table.get("aria-label")
        assert all(head.get("scope") for head in table.select("thead th"))
    chinese = re.compile("[\u4e00-\u9fff]")
    for text in page(name).find_all(string=chinese):
        assert text.find_parent(lang="zh") or text.find_parent(["script", "style"])
    for link in article.find_all("a"):
        assert link.get_text(strip=True) or link.img["alt"]


def test_marking_leaves_attributes_and_what_is_marked_alone():
    html = '<h2>One "two"</h2><table title="卷积"><thead><tr><th>卷积 a</th></tr></thead></table>'
    better = accessible.improved(html)
    assert 'title="卷积"' in better and '<span lang="zh">卷积</span> a' in better
    assert 'aria-label="Table in: One two"' in better and 'scope="col"' in better
    captioned = "<table><caption>c</caption><tr><th scope='row'>r</th></tr></table>"
    assert accessible.improved(captioned) == captioned


@pytest.mark.parametrize("name", [name for name in PAGES if page(name).find("math")])
def test_formulas_need_no_script_and_their_font_has_every_sign(new_context, name):
    assert not any("\\" in formula.get_text() for formula in page(name)("math"))
    tab = new_context(java_script_enabled=False).new_page()
    tab.goto((SITE / f"{name}.html").as_uri(), wait_until="networkidle")
    tools = tab.context.new_cdp_session(tab)
    for domain in ("DOM", "CSS"):
        tools.send(f"{domain}.enable")
    root = tools.send("DOM.getDocument")["root"]["nodeId"]
    query = {"nodeId": root, "selector": "article :is(mi, mo, mn, mtext)"}
    for node in tools.send("DOM.querySelectorAll", query)["nodeIds"]:
        fonts = tools.send("CSS.getPlatformFontsForNode", {"nodeId": node})["fonts"]
        assert {font["familyName"] for font in fonts} <= {"STIX Two Math"}, fonts


def test_tex_that_cannot_be_shown_is_refused_in_words():
    assert "<msup>" in formulas.mathml("f'")
    with pytest.raises(Exception, match=r"cannot be shown: .*unknwn.*math-core"):
        formulas.mathml(r"\unknwn{x}")


# --- Live pieces ---


@pytest.mark.parametrize("name", [name for name in WITH_PIECES if name in CHAPTERS])
def test_the_top_of_a_chapter_leads_to_its_pieces(name):
    about = page(name).select_one("p.about")
    found = {piece.name[4:] for piece in live(name)}
    assert {link["href"] for link in about("a")} == {f"#{piece}" for piece in found}
    assert all(page(name).find(id=piece).name == f"cnn-{piece}" for piece in found)


def test_the_gallery_leads_to_every_piece():
    cards = page("book/pieces").select(".piece-card")
    found = [card.a["href"].split("#") for card in cards]
    assert {piece for _, piece in found} == set(pieces.PIECES)
    for place, piece in found:
        assert page(f"book/{place.removesuffix('.html')}").find(f"cnn-{piece}")["id"] == piece
    assert all(len(card.find_all("p")[-1].get_text()) > 30 for card in cards)
    assert page(FIRST).find("article").find("a", href="pieces.html")


def test_the_path_on_the_first_page_says_the_times_that_the_chapters_announce():
    steps = page(FIRST).select(".path li")
    assert steps
    for step in steps:
        chapter = page(f"book/{step.a['href'].removesuffix('.html')}").find("article").get_text()
        announced = re.search(r"About (\d+) minutes, without the exercises", chapter)
        assert step.select_one(".time").get_text() == f"{announced[1]} minutes"


def test_the_first_page_begins_with_the_pad_a_question_and_one_path(new_context, address):
    tab = new_context(viewport={"width": 390, "height": 844}).new_page()
    tab.goto(f"{address}/{FIRST}.html")
    pad = tab.locator("cnn-digit-pad")
    pad.locator(".words").filter(has_text="says").wait_for()
    box = pad.bounding_box()
    assert box["y"] + box["height"] < 844  # above the fold, on a phone
    order = [tab.locator(s).first.bounding_box()["y"] for s in (".get", "cnn-prediction", ".path")]
    assert box["y"] < order[0] < order[1] < order[2]
    assert not tab.locator("#fig-hero").is_visible()  # until somebody commits
    times = tab.locator(".path .time").all_inner_texts()
    assert len(times) == tab.locator(".path li").count() >= 5
    total = sum(int(time.split()[0]) for time in times)
    assert f"about {total / 60:.0f} hours" in tab.locator(".path").inner_text()
    assert "mistake" not in tab.locator("article").inner_text()


# --- Print ---


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no-scripts"])
def test_on_paper_all_is_light_and_nothing_folded(new_context, scripts):
    context = new_context(color_scheme="dark", java_script_enabled=scripts)
    tab = context.new_page()
    tab.goto((SITE / "book" / "02-convolution.html").as_uri())
    tab.emulate_media(media="print", color_scheme="dark")
    assert min(tab.locator("body").evaluate(SHADE)[:3]) > 240
    assert max(tab.locator("article p:not(.about, .run)").first.evaluate(INK)[:3]) < 100
    for code in tab.locator("article .highlight pre").all()[:4]:
        assert max(code.evaluate(INK)[:3]) < 120
    assert tab.locator("h1").is_visible() and not tab.locator(".tools").is_visible()
    folded = tab.locator("article details:not([open]) pre")
    assert folded.count() and all(code.bounding_box()["height"] > 5 for code in folded.all()[:5])


# --- Addresses ---


def test_a_wrong_address_leads_back_wherever_the_site_lies(new_context, tmp_path):
    (tmp_path / "course").symlink_to(SITE)
    with served(tmp_path) as address:
        tab = new_context().new_page()
        wrong = f"{address}/course/book/nothing/here.html"
        tab.route(
            wrong, lambda route: route.fulfill(path=SITE / "404.html", content_type="text/html")
        )
        tab.goto(wrong)
        tab.locator("#home[href='/course/']").click()
        tab.wait_for_url("**/course/book/index.html")


def test_the_root_leads_to_the_first_page_and_says_so():
    root = BeautifulSoup((SITE / "index.html").read_text(encoding="utf-8"), "html.parser")
    assert root.title.get_text() and root.a["href"] == f"{FIRST}.html" and root.h1
    for told in ("title", "description", "type"):  # this is the address that people share
        assert root.find("meta", property=f"og:{told}")["content"]
    assert not (SITE / "genindex.html").exists()


def test_addresses_are_listed_only_where_they_are_known(tmp_path):
    class App:
        outdir = str(tmp_path)

        class env:
            found_docs = ("book/b", "book/a")
            images = {shell.PREVIEW: ({"book/a"}, "pad.png")}  # noqa: RUF012

        class builder:
            format = "html"
            get_target_uri = staticmethod("{}.html".format)

        class config:
            html_baseurl = ""

    shell.site_map(App, None)
    assert not list(tmp_path.iterdir()) and not shell.preview(App)
    App.config.html_baseurl = "https://example.org/course"
    shell.site_map(App, None)
    text = (tmp_path / "sitemap.xml").read_text()
    assert re.findall("<loc>(.*?)</loc>", text) == [
        "https://example.org/course/book/a.html",
        "https://example.org/course/book/b.html",
    ]
    assert shell.preview(App) == "https://example.org/course/_images/pad.png"


# --- To take away ---


@pytest.fixture(scope="module")
def packed():
    return zipfile.ZipFile(SITE / "_static" / "course.zip")


def test_the_archive_holds_the_lessons_without_outputs_and_no_solutions(packed, tmp_path):
    packed.extractall(tmp_path)
    course = tmp_path / archive.NAME
    notebooks = sorted((course / "book").rglob("*.ipynb"))
    assert {f"book/{p.stem}" for p in notebooks} >= set(CHAPTERS)
    assert any("assignments" in p.parts for p in notebooks)
    for path in notebooks:
        cells = nbformat.read(path, as_version=4).cells
        assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells)
    names = packed.namelist()
    texts = [packed.read(name).decode() for name in names if name.endswith(".ipynb")]
    assert len(texts) > 12 and not any("### BEGIN SOLUTION" in text for text in texts)
    for needless in ("__pycache__", "/tests/", "/.git", "_build", "/website/", ".bib"):
        assert not any(needless in name for name in names)
    assert Path(packed.filename).stat().st_size < 15e6


def test_the_archive_is_enough_for_make_lab(packed, tmp_path):
    """All that `make lab` names is there, and the package in it works."""
    packed.extractall(tmp_path)
    course = tmp_path / archive.NAME
    command = [sys.executable, "-m", "classroom.lab", "book", "work"]
    clean = {"PATH": "/usr/bin:/bin", "PYTHONPATH": "lessons_src", "HOME": str(tmp_path)}
    assert " ".join(command[1:3]) in (course / "Makefile").read_text()
    subprocess.run(command, cwd=course, check=True, env=clean)
    assert (course / "work" / "01-why-not-dense.ipynb").exists()
    assert (course / "work" / "assignments" / "03-counting.ipynb").exists()
    use = "from cnnlab import data, pieces as p; print(data.__file__, data.load('mnist', 'sample'))"
    done = subprocess.run(
        [sys.executable, "-c", use],
        cwd=course,
        check=True,
        env=clean,
        capture_output=True,
        text=True,
    )
    assert str(course) in done.stdout
    lists = ("requirements.txt", "requirements-classroom.txt")
    for name in (*lists, "install.py", "pyproject.toml", "README.md", "LICENSE", "LICENSE-TEXT"):
        assert (course / name).is_file()


def test_an_assignment_taken_from_the_site_has_no_dead_links():
    """Beside the downloaded file there is no book."""
    texts = [p.read_text() for p in (SITE / "_sources" / "book" / "assignments").glob("*.ipynb")]
    assert len(texts) == 5 and not any("](../" in text for text in texts)


def test_the_archive_is_the_same_each_time(tmp_path):
    one, two = tmp_path / "one.zip", tmp_path / "two.zip"
    archive.archive(ROOT, one)
    archive.archive(ROOT, two)
    assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_page_offers_its_notebook_without_outputs(name):
    link = page(name).find("a", download=True)
    notebook = json.loads((SITE / "book" / link["href"]).resolve().read_text(encoding="utf-8"))
    assert notebook["cells"] and not any(cell.get("outputs") for cell in notebook["cells"])


def test_own_work_is_not_overwritten(tmp_path):
    source, work = tmp_path / "book", tmp_path / "work"
    source.mkdir(), work.mkdir()
    output = nbformat.v4.new_output("stream", text="576")
    cell = nbformat.v4.new_code_cell("print(576)", outputs=[output], execution_count=1)
    for name in ("a.ipynb", "b.ipynb"):
        nbformat.write(nbformat.v4.new_notebook(cells=[cell]), source / name)
    (work / "a.ipynb").write_text("mine")
    assert lab.hand_out(source, work) == []
    assert (work / "a.ipynb").read_text() == "mine"
    assert not nbformat.read(work / "b.ipynb", as_version=4).cells[0].outputs


def lesson(path, code):
    """A notebook of one cell that has been run."""
    output = nbformat.v4.new_output("stream", text="576")
    cell = nbformat.v4.new_code_cell(code, outputs=[output], execution_count=1, id="one")
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), path)


def test_a_newer_lesson_is_told_and_the_readers_stays(tmp_path, capsys):
    """Untouched copies follow the course, what the reader changed never does."""
    source, work = tmp_path / "book", tmp_path / "work"
    source.mkdir()
    for name in ("changed", "untouched", "deleted"):
        lesson(source / f"{name}.ipynb", "print(1)")
    (source / "page.md").write_text("old")
    assert lab.hand_out(source, work) == lab.hand_out(source, work) == []
    lesson(work / "changed.ipynb", "print('mine')")
    (work / "deleted.ipynb").unlink()
    assert lab.hand_out(source, work) == []  # changed by the reader alone
    for path in source.glob("*.ipynb"):
        lesson(path, "print(2)")
    (source / "page.md").write_text("new")
    mine = (work / "changed.ipynb").read_bytes()
    for _ in range(2):  # told each time
        assert lab.hand_out(source, work) == ["changed.ipynb"]
    lab.tell(["changed.ipynb"], "work")
    assert "newer version of changed.ipynb. Yours, in work, stays" in capsys.readouterr().out
    assert (work / "changed.ipynb").read_bytes() == mine
    assert (work / "page.md").read_text() == "new"
    for name in ("untouched", "deleted"):
        [cell] = nbformat.read(work / f"{name}.ipynb", as_version=4).cells
        assert cell.source == "print(2)" and not cell.outputs
    (work / "changed.ipynb").rename(work / "kept.ipynb")
    assert lab.hand_out(source, work) == []
    assert "print(2)" in (work / "changed.ipynb").read_text()
