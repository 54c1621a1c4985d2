"""The cheat sheet: what stands in its tables is what Keras says, and what its formulas give."""

import re
from functools import cache
from math import ceil, floor
from pathlib import Path

import keras
import nbformat
import pytest
from bs4 import BeautifulSoup
from cnnlab import models
from test_site import SITE

ROOT = Path(__file__).resolve().parent.parent


@cache
def tables():
    """{caption: rows} of the tables that its cells show, the head first."""
    notebook = nbformat.read(ROOT / "book" / "cheat-sheet.ipynb", as_version=4)
    found = {}
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            html = output.get("data", {}).get("text/html", "")
            for table in BeautifulSoup(html, "html.parser")("table"):
                rows = [[part.get_text() for part in row(["th", "td"])] for row in table("tr")]
                found[table.caption.get_text()] = rows
    return found


def table(begins):
    [rows] = [rows for caption, rows in tables().items() if caption.startswith(begins)]
    return rows


def number(text):
    return int(text.replace(",", ""))


def value(formula, **letters):
    """What a formula gives: q²k²cm, or ⌊(n − k) / s⌋ + 1."""
    formula = formula.partition(", ")[0] if "max(" not in formula else formula
    parts = re.findall(r"max|\d+|[a-z]|[²()+/−⌊⌋⌈⌉,]", formula)
    code, before = "", ""
    for part in parts:
        if re.match(r"[a-z\d(⌊⌈]", part) and re.match(r"[a-z\d)²⌋⌉]", before) and before != "max":
            code += "*"
        code += {"²": "**2", "−": "-", "⌊": "floor(", "⌈": "ceil(", "⌋": ")", "⌉": ")"}.get(
            part, part
        )
        before = part
    return eval(code, {"max": max, "floor": floor, "ceil": ceil, **letters})


def built(layer, *shape):
    return keras.Sequential([keras.Input(shape), layer])


def test_formulas_are_read_as_they_are_meant():
    assert value("q²k²cm / 4 + m", q=2, k=3, c=4, m=8) == 4 * 9 * 32 / 4 + 8
    assert value("⌊(n − (k − 1)g − 1) / s⌋ + 1", n=28, k=3, g=2, s=2) == 12
    assert value("(n − 1)s + max((k − 1)g + 1, s)", n=5, k=3, g=1, s=2) == 11


def test_sizes():
    head, *rows = table("Places along an axis")
    n = int(re.search(r"n = (\d+)", next(iter(tables())))[1])
    settings = [
        {letter: int(number) for letter, number in re.findall(r"(\w)\s=\s(\d+)", name)}
        for name in head[2:]
    ]
    assert len(rows) == 4 and len(settings) == 5
    for padding, formula, *sizes in rows:
        for given, size in zip(settings, sizes, strict=True):
            letters = {"n": n, "s": 1, "g": 1, **given}
            make = keras.layers.Conv2D
            if padding.startswith("transposed"):
                make = keras.layers.Conv2DTranspose
            layer = make(
                1, letters["k"], letters["s"], padding.split()[-1], dilation_rate=letters["g"]
            )
            assert built(layer, n, n, 1).output_shape[1] == number(size)
            assert value(formula, **letters) == number(size), (padding, given)


def rows_of_layers():
    return table("What a layer costs")[1:]


@pytest.mark.parametrize("place", range(12))
def test_a_layer(place):
    call, parameters, work, gives, counted, multiply_adds = rows_of_layers()[place]
    assert len(rows_of_layers()) == 12
    n, c = 28, 16
    layer = eval(f"keras.layers.{call}")
    model = built(layer, n, n, c)
    assert model.count_params() == number(counted)
    assert model.output_shape[1:] == tuple(number(part) for part in gives.split("\u00a0×\u00a0"))
    letters = {
        "n": n,
        "c": c,
        "k": getattr(layer, "kernel_size", [0])[0],
        "m": getattr(layer, "filters", getattr(layer, "units", 0)),
        "q": model.output_shape[1],
    }
    assert value(parameters, **letters) == number(counted)
    assert value(work, **letters) == number(multiply_adds)


def test_a_network():
    model = models.lenet5()
    *rows, together = table("LeNet-5")[1:]
    assert [row[0] for row in rows] == [type(layer).__name__ for layer in model.layers]
    assert [number(row[2]) for row in rows] == [layer.count_params() for layer in model.layers]
    assert number(together[2]) == model.count_params()
    assert [number(cell) for cell in together[2:5]] == [
        sum(number(row[at]) for row in rows) for at in (2, 3, 4)
    ]


def test_it_prints_on_two_pages(browser):
    page = browser.new_page()
    page.set_default_timeout(120_000)  # a busy machine is slow, not wrong
    page.goto((SITE / "book" / "cheat-sheet.html").as_uri())
    printed = page.pdf(prefer_css_page_size=True)
    assert len(re.findall(rb"/Type /Page\b", printed)) == 2
    page.close()
