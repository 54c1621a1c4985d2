"""The page How fast: what was measured, and nothing that was not."""

import json

import bench
import nbformat
import pytest
from test_site import CHAPTERS, ROOT, page
from website import speed


def test_every_lesson_stands_there_with_what_its_notebook_noted():
    [table, *_] = page("book/how-fast")("table")
    rows = table.tbody("tr")
    assert len(rows) == len(CHAPTERS)
    for row, name in zip(rows, CHAPTERS, strict=True):
        told = nbformat.read(ROOT / f"{name}.ipynb", as_version=4).metadata["cnnlab"]
        link, seconds, memory = row("td")
        assert link.a["href"] == f"{name.removeprefix('book/')}.html"
        assert int(seconds.get_text()) == told["seconds"]
        known = told.get("megabytes")
        assert memory.get_text() == (f"{known:,}" if known else "not measured")


def test_what_bench_measured_stands_there():
    text = page("book/how-fast").find("article").get_text().replace("’", "'")
    if not bench.KEPT.exists():
        assert "Nothing has been measured yet" in text
        return
    found = json.loads(bench.KEPT.read_text("utf-8"))
    assert found["computer"] in text
    assert all(f"{number:,g} {unit}" in text for number, unit, _ in found["measured"].values())


def test_a_number_without_a_target_and_one_with():
    lines = speed.bench(
        {"computer": "a", "measured": {"b": [1234.5, "ms", "<= 2"], "c": [1, "", ""]}}
    )
    assert "| b | 1,234.5 ms | ≤ 2 |" in lines and "| c | 1  |  |" in lines
    assert lines[-1] == "Measured on: a."


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """Numbers that an earlier run has left."""
    path = tmp_path / "bench.json"
    before = {"same": [1.0, "x", ""], "slower": [2.0, "ms", ""], "gone": [3.0, "s", ""]}
    path.write_text(json.dumps({"computer": "another", "measured": before}))
    monkeypatch.setattr(bench, "KEPT", path)
    monkeypatch.setattr(bench, "MEASURED", {})
    return path


def test_bench_says_which_numbers_moved_and_keeps_them(kept, capsys):
    bench.note("same", 1.08, "x")
    bench.note("slower", 2.2301, "ms")
    bench.note("fresh", 5, "kB")
    bench.keep()
    said = capsys.readouterr().out
    assert "Moved by more than 10%: 3" in said and "same" not in said
    assert "slower: 2 before, now 2.23 ms" in said
    assert "gone: not measured this time" in said and "fresh: new" in said
    found = json.loads(kept.read_text())
    assert found["measured"]["slower"][0] == 2.23 and found["measured"]["gone"][0] == 3
    assert "Python 3." in found["computer"] and "tensorflow" in found["computer"]
