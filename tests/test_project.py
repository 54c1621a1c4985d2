"""What people who join the project are told: true, and the same in all places."""

import ast
import importlib.util
import re
import tomllib
from datetime import date
from functools import cache
from pathlib import Path

import pytest
import yaml
from PIL import Image
from scipy.stats import binom
from website import errata, home

ROOT = Path(__file__).resolve().parent.parent
CODE = ROOT / "lessons_src"
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
TEXTS = sorted(ROOT.glob("*.md"))
HOOKS = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*"))
_MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
TARGETS = set(re.findall(r"^([a-z][a-z-]*):", _MAKEFILE, re.M))
# What is there only once something has been built or installed.
BUILT = re.compile(r"_build/|\.venv/|work/|~/|\.keras")


def read(name):
    return (ROOT / name).read_text("utf-8")


def anchors(path):
    """The anchors that headings of a Markdown file have."""
    headings = re.findall(r"^#{1,4} (.+)$", path.read_text("utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in headings}


# ---- The texts for authors


def test_there_are_texts():
    wanted = {"README", "CONTRIBUTING", "STYLE", "ARCHITECTURE", "CHANGELOG"}
    assert wanted <= {path.stem for path in TEXTS}
    assert {"book", "test", "lessons"} < TARGETS


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.stem)
def test_their_links_lead_somewhere(path):
    for target, anchor in re.findall(r"\]\(([^)#:]*)(?:#([^)]+))?\)", path.read_text("utf-8")):
        place = ROOT / target if target else path
        assert place.exists(), f"{path.name} links to {target}"
        assert not anchor or anchor in anchors(place), f"{path.name}: {target}#{anchor}"


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.stem)
def test_what_they_name_is_there(path):
    """Commands of make, and paths: `lessons_src/build.py`, `tests/test_rules.py`."""
    named = re.findall(r"`([^`\n]+)`", path.read_text("utf-8"))
    for text in named:
        if text.startswith("make "):
            assert text.split()[1] in TARGETS, f"{path.name} names `{text}`"
        for place in re.findall(r"[\w.-]+/[\w./-]*", text):
            if BUILT.search(place) or re.search("NAME|NN-|FOLDER|…", text):
                continue
            parts = ("", "lessons_src", "lessons_src/cnnlab")
            found = any((ROOT / part / place).exists() for part in parts)
            assert found or "=" in text, f"{path.name} names `{text}`"


def test_the_readme_begins_with_a_picture_two_commands_and_three_doors():
    text = read("README.md")
    assert "badge" not in text and "shields" not in text  # there is no host that could tell
    [picture] = re.findall(r"!\[[^\]]{40,}\]\(([^)]+)\)", text)
    assert (ROOT / picture).stat().st_size < 100_000
    with Image.open(ROOT / picture) as image:
        assert image.width > 500
    first = text.partition("### ")[0]  # before what only some need
    for wanted in ("make book", "make test", "**To read", "**To learn", "**To teach", picture):
        assert wanted in first, wanted


def test_the_version_is_the_same_everywhere():
    assert yaml.safe_load(read("CITATION.cff"))["version"] == VERSION
    released = re.findall(r"^## \[(\d[\d.]*)\] - (\d{4}-\d\d-\d\d)$", read("CHANGELOG.md"), re.M)
    _, unreleased, *_ = re.split(r"^## ", read("CHANGELOG.md"), flags=re.M)
    assert unreleased.startswith("[Unreleased]\n")
    assert VERSION in [version for version, _ in released[:1]] or VERSION in unreleased
    assert released == sorted(released, key=lambda one: one[1], reverse=True)
    page = ROOT / "_build" / "html" / "book" / "errata.html"
    assert page.exists(), f"{page} is missing: run `make book`"
    assert f"This is version {VERSION}." in page.read_text("utf-8")


# ---- The drawing


@cache
def drawing():
    """{name in the drawing: path}, its imports, [(from, command, to)] of its files."""
    [text] = re.findall(r"```mermaid\n(.*?)```", read("ARCHITECTURE.md"), re.DOTALL)
    places = dict(re.findall(r'^ +(\w+)\["([^"]+/[^"]*)"\]$', text, re.M))
    imports = set(re.findall(r"^ +(\w+) --> (\w+)$", text, re.M))
    files = re.findall(r'^ +(\w+) -\. "([^"]+)" \.-> (\w+)$', text, re.M)
    drawn = [line for line in text.splitlines() if "->" in line]
    assert len(drawn) == len(imports) + len(files)
    return places, imports, files


@cache
def modules():
    """{dotted name: file} of all that is in lessons_src."""
    names = {}
    for path in CODE.rglob("*.py"):
        parts = path.relative_to(CODE).with_suffix("").parts
        names[".".join(parts).removesuffix(".__init__")] = path
    return names


def imported(name):
    """The modules of the course that a module imports."""
    path = modules()[name]
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        wanted = []
        if isinstance(node, ast.Import):
            wanted = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                base = importlib.util.resolve_name("." * node.level + base, package)
            wanted = [f"{base}.{alias.name}" for alias in node.names]
        for module in wanted:
            while module and module not in modules():
                module = module.rpartition(".")[0]
            if module and module != name:
                yield module


def test_the_drawing_names_what_is_there():
    places, imports, files = drawing()
    for place in places.values():
        assert place == "_build/html/" or list(ROOT.glob(place.rstrip("/"))), place
    ends = {end for pair in imports for end in pair} | {end for a, _, b in files for end in (a, b)}
    assert ends == set(places)  # nothing stands alone, and every arrow has two ends
    for _, command, _ in files:
        assert command.split()[0] == "make" and command.split()[1] in TARGETS
    programs = {place for place in places.values() if place.startswith("lessons_src")}
    there = {f"lessons_src/{p.name}" + "/" * p.is_dir() for p in CODE.iterdir() if p.name[0] != "."}
    there = {place for place in there if not re.search("__pycache__|egg-info", place)}
    masked = {re.sub(r"\*\.md$", "", place) for place in programs}
    assert masked - {"lessons_src/cnnlab/pieces/"} == there  # all of it is drawn


def test_the_drawing_shows_every_import_between_the_parts_and_no_other():
    places, drawn, _ = drawing()
    parts = {
        place.removeprefix("lessons_src/").removesuffix(".py").rstrip("/").replace("/", "."): key
        for key, place in places.items()
        if place.startswith("lessons_src/") and "*" not in place
    }

    def part(module):
        return parts[max((p for p in parts if f"{module}.".startswith(f"{p}.")), key=len)]

    found = {(part(name), part(other)) for name in modules() for other in imported(name)}
    assert drawn == {(one, other) for one, other in found if one != other}


def test_no_module_of_the_package_imports_from_a_floor_below_its_own():
    [table] = re.findall(r"## The floors.*?(\| floor.*)", read("ARCHITECTURE.md"), re.DOTALL)
    rows = [re.findall(r"`(\w+)`", row) for row in table.splitlines()[2:]]
    floor = {name: number for number, row in enumerate(rows) for name in row}
    names = {name for name in modules() if name.startswith("cnnlab.")}
    assert sorted(name for row in rows for name in row) == sorted({n.split(".")[1] for n in names})
    for name in names:
        for other in imported(name):
            if other != "cnnlab":
                here, there = (floor[module.split(".")[1]] for module in (name, other))
                assert there <= here, f"{name} imports {other}"


# ---- Hooks and workflow files


def test_hooks_use_what_is_installed_and_need_no_network():
    ignored = read(".gitignore").splitlines()
    assert ".venv/" in ignored
    hooks = [hook for repository in HOOKS["repos"] for hook in repository["hooks"]]
    assert {repository["repo"] for repository in HOOKS["repos"]} == {"local"}
    assert [hook["id"] for hook in hooks] == ["ruff", "ruff-format", "notebooks"]
    for hook in hooks:
        program, *arguments = hook["entry"].split()
        assert hook["language"] == "system" and program.startswith(".venv/bin/")
        assert program == ".venv/bin/ruff" or (ROOT / arguments[0]).is_file()


def test_the_hook_for_notebooks_is_called_for_chapters_alone():
    [hook] = [h for r in HOOKS["repos"] for h in r["hooks"] if h["id"] == "notebooks"]
    tracked = [p.relative_to(ROOT).as_posix() for p in ROOT.glob("book/**/*.ipynb")]
    tracked += [p.relative_to(ROOT).as_posix() for p in CODE.glob("**/*.md")]
    called = {Path(path).stem for path in tracked if re.search(hook["files"], path)}
    assert called == {path.stem for path in (CODE / "chapters").glob("*.md")}


def triggers(workflow):
    return workflow.get("on", workflow.get(True))  # YAML takes the word for a truth


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_runs_what_exists(path):
    workflow = yaml.safe_load(path.read_text("utf-8"))
    assert triggers(workflow) and workflow["permissions"] == {"contents": "read"}
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    for step in steps:
        assert ("run" in step) != ("uses" in step)
        assert {name.removeprefix("COURSE_").lower() for name in step.get("env", {})} <= {
            *home.PARTS
        }
        if "uses" in step:
            assert re.fullmatch(r"actions/[\w-]+@(v\d+|[0-9a-f]{40})", step["uses"])
            continue
        program, *arguments = step["run"].split()
        if program == "make":
            assert arguments and set(arguments) <= TARGETS
        else:
            assert (ROOT / program).is_file() and (ROOT / program).stat().st_mode & 0o100
    for job in workflow["jobs"].values():
        assert job["timeout-minutes"] and set(job.get("needs", "").split()) <= set(workflow["jobs"])


def test_workflows_check_publish_and_look_ahead():
    found = {path.stem: yaml.safe_load(path.read_text("utf-8")) for path in WORKFLOWS}
    runs = {
        name: [
            step["run"] for job in flow["jobs"].values() for step in job["steps"] if "run" in step
        ]
        for name, flow in found.items()
    }
    assert runs == {
        "check": [".ci/run", "make book pdf slides"],
        "links": ["make links"],
        "newest": ["make newest"],
    }
    assert {"push", "pull_request"} <= set(triggers(found["check"]))
    for name, fields in {"links": [2, 3], "newest": [3, 4]}.items():  # any day of a month; any week
        [when] = triggers(found[name])["schedule"]
        assert [
            number for number, field in enumerate(when["cron"].split()) if field == "*"
        ] == fields
    # What strangers propose is checked and kept to look at; it is published from the main branch.
    publish = found["check"]["jobs"]["publish"]
    assert publish["needs"] == "check" and publish["if"] == "github.ref == 'refs/heads/main'"


def test_the_texts_say_that_the_workflows_have_not_been_run():
    assert "never been run" in read("CONTRIBUTING.md")


# ---- Errata

ENTRY = """
[[mistake]]
date = 2026-12-24
page = "04-pooling"
was = "Max pooling is invariant."
now = "It is not."
found_by = "A. Reader"
"""


def test_the_list_of_errata_can_be_read_and_names_pages():
    for mistake in errata.read(read("book/errata.toml")):
        assert list((ROOT / "book").glob(f"{mistake['page']}.*")), mistake


def test_an_empty_list_of_errata_is_a_sentence():
    assert errata.read("# nothing yet") == []
    none = "No mistake has been reported yet. That says how new the course is, not how right."
    assert errata.told([], "9.9").splitlines() == ["This is version 9.9.", "", none]
    first, *rest = errata.told([], "9.9", "https://example.org/cnn").splitlines()
    assert first == "This is version 9.9. Its repository is at <https://example.org/cnn>."
    assert rest == ["", none]


def test_errata_name_who_found_them_and_come_newest_first():
    unnamed = ENTRY.replace("A. Reader", "").replace("2026-12-24", "2027-01-02")
    mistakes = errata.read(ENTRY + unnamed)
    assert [mistake["date"] for mistake in mistakes] == [date(2027, 1, 2), date(2026, 12, 24)]
    first, second = errata.told(mistakes, "1.0").splitlines()[2:]
    assert (
        first == "- 2027-01-02, [](/book/04-pooling): “Max pooling is invariant.” Now: “It is not.”"
    )
    assert second.endswith("Now: “It is not.” Found by A. Reader.")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            ENTRY.replace("found_by", "by"),
            "Entry 1 of errata.toml needs date (a date), page (a text)",
        ),
        (
            ENTRY.replace("2026-12-24", '"Christmas"'),
            "Entry 1 of errata.toml needs date (a date), page (a text)",
        ),
        (ENTRY.replace("mistake", "error"), "[[mistake]], and not error."),
        (ENTRY.replace("[[mistake]]", "[mistake]"), "[[mistake]], and not [mistake]."),
        (ENTRY.replace('"A. Reader"', '"A. Reader'), "line 7"),
    ],
)
def test_a_mistake_in_the_list_is_told_in_words(text, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        errata.read(text)


def test_what_pages_say_of_luck():
    """Chances in words, on pages that run no code."""
    assert "every seventh has five or fewer of ten" in read("book/predictions.md")
    assert round(1 / binom.cdf(5, 10, 0.7)) == 7
    master = read("lessons_src/assignments/04-a-lenet-of-your-own.md")
    assert "95 % of many digits hardly ever falls below 93 % of 1,000" in master
    assert "one that reads 93.5 % often does" in master
    assert binom.cdf(929, 1000, 0.95) < 0.01 and binom.cdf(929, 1000, 0.935) > 0.2
