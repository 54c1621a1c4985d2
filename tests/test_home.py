"""What a site says of its home: all that the build was told, and nothing that it was not."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from test_site import CHAPTERS, PAGES, SITE
from website import home

ROOT = Path(__file__).resolve().parent.parent
FIRST = "book/notation"
CHAPTER = "book/02-convolution"
TOLD = {
    "COURSE_SITE": "https://example.org/course/",
    "COURSE_REPOSITORY": "https://github.com/ann/cnn",
    "COURSE_LESSONS": "lessons",
    "COURSE_HUB": "https://hub.example.org",
}


def built(folder, told, pages):
    """A site of these pages, of a page Install and of the glossary, built as if it had a home."""
    course = folder / "course"
    passing = shutil.ignore_patterns(".*", "_build", "work", "__pycache__", "tests", "chapters")
    shutil.copytree(ROOT, course, ignore=passing)
    files = "".join(f"  - file: {page}\n" for page in ["book/install", *pages, "book/glossary"])
    (course / "_toc.yml").write_text(f"format: jb-book\nroot: {FIRST}\nchapters:\n{files}")
    (course / "book" / "install.md").write_text("# Install\n\n```{get-course}\n```\n")
    clean = {key: value for key, value in os.environ.items() if not key.startswith("COURSE_")}
    path = {"PYTHONPATH": str(course / "lessons_src")}
    command = [Path(sys.executable).with_name("jupyter-book"), "build", course, "-q"]
    done = subprocess.run(
        command, env=clean | path | told, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return course / "_build" / "html"


@pytest.fixture(scope="module")
def hosted(tmp_path_factory):
    return built(tmp_path_factory.mktemp("hosted"), TOLD, [CHAPTER, "book/assignments/03-counting"])


def read(site, name):
    return BeautifulSoup((site / f"{name}.html").read_text(encoding="utf-8"), "html.parser")


def ways(soup):
    return {link.get_text(): link["href"] for link in soup.select("p.run a")}


def test_a_page_with_a_home_can_be_run_there(hosted):
    file = "book/02-convolution.ipynb"
    assert ways(read(hosted, CHAPTER)) == {
        "Binder": f"https://mybinder.org/v2/gh/ann/cnn/lessons?urlpath=lab/tree/{file}",
        "JupyterHub": "https://hub.example.org/hub/user-redirect/git-pull?"
        f"repo=https%3A//github.com/ann/cnn&urlpath=lab/tree/cnn/{file}&branch=lessons",
        "Colab": f"https://colab.research.google.com/github/ann/cnn/blob/lessons/{file}",
        "your computer": "install.html",
    }
    assignment = ways(read(hosted, "book/assignments/03-counting"))
    assert assignment["Colab"].endswith("/lessons/book/assignments/03-counting.ipynb")
    assert assignment["your computer"] == "../install.html"
    assert not ways(read(hosted, "book/install"))


def test_a_host_that_nobody_knows_gets_no_buttons_and_a_sentence(tmp_path):
    repository = "https://git.example.org/ann/cnn"
    site = built(
        tmp_path, TOLD | {"COURSE_REPOSITORY": repository}, ["book/assignments/03-counting"]
    )
    assert ways(read(site, "book/assignments/03-counting")).keys() == {"your computer"}
    install = read(site, "book/install")
    assert install.find("a", href=repository) and home.NO_BUTTONS in install.get_text()


def test_the_branch_that_is_opened_is_the_unpacked_archive(hosted):
    names = zipfile.ZipFile(hosted / "_static" / "course.zip").namelist()
    for name in (CHAPTER, "book/assignments/03-counting"):
        way = ways(read(hosted, name))["Colab"]
        assert f"cnn-course/{way.split('/lessons/')[1]}" in names
    for needed in ("requirements.txt", "pyproject.toml", "results/S8-seed0.json"):
        assert f"cnn-course/{needed}" in names


def test_notebooks_know_where_they_come_from(hosted):
    course = 'COURSE = "https://example.org/course/_static/course.zip"'
    packed = zipfile.ZipFile(hosted / "_static" / "course.zip")
    texts = [packed.read(f"cnn-course/{CHAPTER}.ipynb").decode()]
    for text in texts:
        assert course in "".join(json.loads(text)["cells"][fetched(text)]["source"])
    lone = (hosted / "_sources" / f"{CHAPTER}.ipynb").read_text()
    assert "](https://example.org/course/book/glossary.html#" in lone
    assert "](glossary.md" not in lone


def fetched(text):
    kinds = [cell["cell_type"] for cell in json.loads(text)["cells"]]
    return kinds.index("code")


def test_addresses_that_are_known_are_told(hosted):
    install = read(hosted, "book/install")
    assert install.find("a", href="https://github.com/ann/cnn")
    assert home.NO_BUTTONS not in install.get_text()
    address = "https://example.org/course/book/install.html"
    assert install.find("link", rel="canonical")["href"] == address
    assert install.find("meta", property="og:url")["content"] == address
    assert address in (hosted / "sitemap.xml").read_text()


HOSTS = r"https?://[\w.]*(github|gitlab|binder|colab|jupyterhub|example)[\w.]*"


@pytest.mark.skipif(any(os.environ.get(name) for name in TOLD), reason="this site has a home")
def test_without_a_home_no_address_is_invented_and_every_notebook_says_how_to_run_it():
    for name in PAGES:
        text = (SITE / f"{name}.html").read_text(encoding="utf-8")
        runs = re.findall('<p class="run">(.*?)</p>', text)
        runnable = name in [*CHAPTERS, "book/cheat-sheet"] or name.startswith("book/assignments/")
        assert len(runs) == runnable, name
        way = "../install.html" if name.count("/") > 1 else "install.html"
        assert runs in ([], [f'Run this page on <a href="{way}">your computer</a>.'])
        head = text[: text.index("</head>")]
        assert not re.search(HOSTS, head) and "canonical" not in head  # chapters may name such
    assert not re.search(HOSTS, (SITE / "book" / "install.html").read_text(encoding="utf-8"))
    assert not (SITE / "sitemap.xml").exists()


@pytest.mark.parametrize("address", ["", "https://github.com/ann", "https://my.org/github.com/x/y"])
def test_what_is_no_repository_of_a_known_host(address):
    assert not home.hosted({"repository": address})
    assert home.hosted({"repository": "https://gitlab.com/group/part/cnn"})


@pytest.mark.parametrize(
    ("known", "course"),
    [
        ({}, "./course.zip"),
        ({"repository": "https://git.example.org/cnn"}, "git+https://git.example.org/cnn"),
        (
            {"site": "https://example.org", "repository": "x"},
            "https://example.org/_static/course.zip",
        ),
    ],
)
def test_what_pip_installs_the_course_from(known, course):
    assert home.course(known, "./course.zip") == course
