"""The live piece dense-to-conv, operated in a real browser and compared with cnnlab.conv."""

import re
from pathlib import Path

import numpy as np
import pytest
from cnnlab import pieces
from cnnlab.conv import conv2d, dense_ties, dense_weights
from examples import IMAGE

KERNEL = np.array([[0.9, -0.6, -0.5], [-0.4, 0.8, -0.3], [-0.2, -0.1, 0.7]])

READ = """() => {
    const root = document.querySelector("cnn-dense-to-conv").shadowRoot, page = {};
    for (const grid of root.querySelectorAll("table.grid")) {
        const cells = [...grid.querySelectorAll("td")];
        page[grid.ariaLabel] = cells.map((td) => td.firstElementChild?.value ?? td.textContent);
        page[grid.ariaLabel + " marks"] = cells.map((td) => td.className);
    }
    const layers = [...root.querySelectorAll("button")].slice(0, 3);
    page.buttons = layers.map((button) => button.textContent);
    return page;
}"""


def numbers(page, name):
    return np.array([float(text.replace("−", "-")) for text in page[name]])


def marked(tab, name):
    """Numbers of the cells that carry a mark."""
    return {at for at, mark in enumerate(tab.evaluate(READ)[f"{name} marks"]) if mark}


def layer(tab, name):
    tab.piece.get_by_role("button", name=name).click()


def press(tab, name):
    tab.piece.get_by_role("button", name=name, exact=True).click()


def cell(tab, grid, at):
    return tab.piece.get_by_role("grid", name=grid).locator("td").nth(at)


def ties_of(shape=(3, 3), size=(6, 6), **rule):
    return dense_ties(np.zeros((*shape, 1, 1)), (*size, 1), **rule)


def places(tab):
    return {tuple(place) for place in tab.piece.evaluate("piece => piece.places")}


def test_it_starts_dense_and_is_cut_and_tied(open_piece):
    tab = open_piece("dense-to-conv")
    page = tab.evaluate(READ)
    assert page["buttons"] == ["dense: 576", "cut: 144", "tied: 9"]
    assert np.array_equal(numbers(page, "image"), IMAGE.ravel())
    assert tab.words() == "Dense: 36 pixels times 16 outputs make 576 weights, each its own."
    dense = np.array(tab.result())
    assert dense.shape == (36, 16) and (dense != 0).all()
    assert np.allclose(numbers(page, "outputs"), IMAGE.ravel() @ dense)

    layer(tab, "cut")
    cut, wired = np.array(tab.result()), ties_of() >= 0
    assert np.array_equal(cut, np.where(wired, dense, 0))
    assert "keeps the 9 weights of its window. 144 of 576 weights may differ from 0" in tab.words()
    assert np.allclose(numbers(tab.evaluate(READ), "outputs"), IMAGE.ravel() @ cut)
    assert tab.piece.get_by_role("grid", name="kernel").count() == 0

    tab.piece.get_by_role("button", name="tied").press("Enter")
    assert tab.words() == "Tied: 144 places hold only 9 different weights, each in 16 places."
    assert tab.piece.get_by_role("button", name="tied").get_attribute("aria-pressed") == "true"
    assert np.array_equal(tab.result(), dense_weights(KERNEL[..., None, None], (6, 6, 1)))
    feature_map = conv2d(IMAGE[..., None], KERNEL[..., None, None])
    assert np.allclose(numbers(tab.evaluate(READ), "outputs"), feature_map.ravel())


def settings():
    rng = np.random.default_rng(0)
    while True:
        size, shape = rng.integers(1, 9, 2), rng.integers(1, 6, 2)
        padding = str(rng.choice(["valid", "same"]))
        if padding == "same" or (shape <= size).all():
            yield {
                "kernel": rng.normal(size=shape),
                "size": size.tolist(),
                "strides": int(rng.integers(1, 5)),
                "padding": padding,
            }


def test_random_settings_equal_dense_weights_and_dense_ties(open_piece):
    """Even and oblong kernels, oblong images, strides that leave a rest, windows over the edge."""
    tab, compared, odd = open_piece("dense-to-conv"), 0, 0
    read = """(piece, at) => ["dense", "cut", "tied"].map((name) => {
        piece.stages.get(name).click();
        const seen = { words: piece.words.textContent, matrix: cnn.toRows(piece.result) };
        piece.touched = { output: at % piece.ties.shape[1] };
        piece.update();
        const { counts, places } = piece;
        return { ...seen, counts, places, ties: cnn.toRows(piece.ties) };
    })"""
    for given, number in zip(settings(), range(30), strict=False):
        tab.again(**given)
        kernel, shape = given["kernel"][..., None, None], (*given["size"], 1)
        rule = {"strides": given["strides"], "padding": given["padding"]}
        ties, weights = dense_ties(kernel, shape, **rule), dense_weights(kernel, shape, **rule)
        dense, cut, tied = tab.piece.evaluate(read, number)
        output = number % ties.shape[1]
        column = [[int(p), output] for p in np.flatnonzero(ties[:, output] >= 0)]
        assert [ties.size, (ties >= 0).sum(), np.unique(ties[ties >= 0]).size] == list(
            dense["counts"].values()
        )
        assert np.array_equal(tied["ties"], ties)
        assert np.array_equal(tied["matrix"], weights)
        assert np.array_equal(np.not_equal(cut["matrix"], 0), ties >= 0)
        assert np.array_equal(np.where(ties >= 0, dense["matrix"], 0), cut["matrix"])
        assert dense["places"] == [[p, output] for p in range(len(ties))]
        assert cut["places"] == tied["places"] == column

        page = tab.evaluate(READ)
        image = numbers(page, "image")
        expected = conv2d(image.reshape(shape), kernel, **rule).ravel()
        assert np.allclose(image @ np.array(tied["matrix"]), expected)
        assert np.allclose(numbers(page, "outputs"), expected, atol=0.0051)
        assert page["buttons"] == [f"{name}: {n}" for name, n in dense["counts"].items()]
        assert f"make {ties.size} weight" in dense["words"]
        uses = np.bincount(ties[ties >= 0], minlength=kernel.size)
        used = uses[uses > 0]
        span = f"{used.min()}" + (f" to {used.max()}" if used.max() > used.min() else "")
        assert f"different weight{'s' * (used.size > 1)}, each in {span} places" in tied["words"]
        unused = f"other {kernel.size - used.size} never lie on a pixel"
        assert (unused in tied["words"]) == (used.size < kernel.size)
        odd += used.size < kernel.size
        compared += 1
    assert compared == 30 and odd


def test_touching_an_output_shows_its_inputs_in_every_layer(open_piece):
    tab, ties = open_piece("dense-to-conv", touch=True), ties_of()
    cell(tab, "outputs", 5).tap()
    assert marked(tab, "image") == set(range(36)) and marked(tab, "outputs") == {5}
    assert "row 2, column 2 sees all 36 pixels, with 36 weights of its own" in tab.words()
    layer(tab, "cut")
    cell(tab, "outputs", 5).focus()
    tab.keyboard.press("ArrowRight")
    assert marked(tab, "image") == set(np.flatnonzero(ties[:, 6] >= 0))
    assert "row 2, column 3 sees the 9 pixels of its window, with 9 weights" in tab.words()
    layer(tab, "tied")
    cell(tab, "outputs", 15).click()
    assert marked(tab, "image") == {21, 22, 23, 27, 28, 29, 33, 34, 35}
    assert marked(tab, "kernel") == set(range(9))
    assert "with the weights that all outputs share. Its value is 0.1." in tab.words()


def test_touching_a_weight_of_the_kernel_shows_all_its_places(open_piece):
    tab, ties = open_piece("dense-to-conv"), ties_of()
    layer(tab, "tied")
    tab.piece.get_by_label("kernel, row 1, column 2").click()
    assert places(tab) == {tuple(map(int, place)) for place in np.argwhere(ties == 1)}
    assert "row 1, column 2, −0.6. It stands in 16 places, one for each output." in tab.words()
    assert marked(tab, "image") == {6 * r + c for r in range(4) for c in range(1, 5)}
    assert len(marked(tab, "outputs")) == 16
    tab.keyboard.press("ArrowDown")
    assert places(tab) == {tuple(map(int, place)) for place in np.argwhere(ties == 4)}
    layer(tab, "cut")  # no kernel there
    assert "may differ from 0" in tab.words() and marked(tab, "outputs") == {0}


def test_with_padding_the_weights_stand_in_different_numbers_of_places(open_piece):
    tab, ties = open_piece("dense-to-conv"), ties_of(padding="same")
    tab.piece.get_by_label("padding").select_option("same")
    layer(tab, "cut")
    assert "keeps the 4 to 9 weights of its window. 256 of 1296" in tab.words()
    layer(tab, "tied")
    assert "9 different weights, each in 25 to 36 places" in tab.words()
    for place, number in [("row 2, column 2", 36), ("row 1, column 1", 25)]:
        tab.piece.get_by_label(f"kernel, {place}").focus()
        assert f"stands in {number} places" in tab.words()
    assert tab.words().endswith("in the other 11 windows it lies on the padding.")
    assert (ties == 4).sum() == 36 and (ties == 0).sum() == 25


def matrix_click(tab, pixel, output, shape=(36, 16)):
    """Click on a place of the matrix as drawn."""
    canvas = tab.piece.get_by_role("application")
    box = canvas.bounding_box()
    x, y = (output + 0.5) * box["width"] / shape[1], (pixel + 0.5) * box["height"] / shape[0]
    canvas.click(position={"x": x, "y": y})


def test_touching_the_matrix_by_pointer_and_by_keyboard(open_piece):
    tab, ties = open_piece("dense-to-conv"), ties_of()
    matrix_click(tab, 35, 0)
    value = f"{tab.result()[35][0]:g}".replace("-", "−")
    assert tab.words() == (
        "The weight from the pixel in row 6, column 6 to the output in row 1, column 1 is "
        f"{value}. It stands in this place only."
    )
    assert marked(tab, "image") == {35} and marked(tab, "outputs") == {0}
    layer(tab, "tied")
    matrix_click(tab, 35, 0)
    assert tab.words().startswith("There is no wire from the pixel in row 6, column 6")
    assert places(tab) == set()
    matrix_click(tab, 14, 0)
    assert "carries the kernel's weight in row 3, column 3, 0.7. It stands in 16" in tab.words()
    assert places(tab) == {tuple(map(int, place)) for place in np.argwhere(ties == 8)}
    assert marked(tab, "kernel") == {8}
    for key in ("ArrowUp", "ArrowLeft", "ArrowRight"):  # stops at the left border
        tab.keyboard.press(key)
    assert "row 3, column 2 to the output in row 1, column 2" in tab.words()
    assert "kernel's weight in row 3, column 1" in tab.words()
    for _ in range(40):
        tab.keyboard.press("ArrowDown")
    assert "There is no wire from the pixel in row 6, column 6" in tab.words()


def test_the_drawing_shows_wires_and_frames_the_touched_ones(open_piece):
    """Paper where a wire is cut; ink around the places of the touched weight, and only there."""
    tab, ties = open_piece("dense-to-conv"), ties_of()
    layer(tab, "tied")
    tab.piece.get_by_label("kernel, row 3, column 3").focus()
    colours = tab.piece.evaluate(
        """(piece, [inputs, outputs]) => {
            const width = piece.canvas.width, context = piece.canvas.getContext("2d");
            const cell = width / outputs;
            const at = (x, y) => context.getImageData(x, y, 1, 1).data.join();
            const all = (f) => Array.from({ length: inputs }, (_, p) =>
                Array.from({ length: outputs }, (_, o) => f(o * cell, p * cell)));
            return { middle: all((x, y) => at(x + cell / 2, y + cell / 2)),
                frame: all((x, y) => at(x + 1, y + cell / 2)) };
        }""",
        list(ties.shape),
    )
    paper, ink = "255,255,255,255", "27,31,36,255"
    assert np.array_equal(np.array(colours["middle"]) != paper, ties >= 0)
    assert np.array_equal(np.array(colours["frame"]) == ink, ties == 8)
    by_weight = [set(np.array(colours["middle"])[ties == k]) for k in range(9)]
    assert all(len(colour) == 1 for colour in by_weight)  # the same weight, the same colour


def test_touching_a_pixel_shows_who_sees_it(open_piece):
    tab = open_piece("dense-to-conv")
    cell(tab, "image", 0).click()
    assert "row 1, column 1 is seen by 16 of 16 outputs" in tab.words()
    layer(tab, "cut")
    cell(tab, "image", 0).focus()
    assert "seen by 1 of 16 outputs" in tab.words() and marked(tab, "outputs") == {0}
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "ArrowDown"):
        tab.keyboard.press(key)
    assert "row 3, column 3 is seen by 9 of 16 outputs" in tab.words()


def test_the_kernel_can_be_edited_and_resized(open_piece):
    tab = open_piece("dense-to-conv")
    layer(tab, "tied")
    tab.piece.get_by_label("kernel, row 2, column 2").fill("-2.5")
    kernel = KERNEL.copy()
    kernel[1, 1] = -2.5
    assert np.array_equal(tab.result(), dense_weights(kernel[..., None, None], (6, 6, 1)))
    expected = conv2d(IMAGE[..., None], kernel[..., None, None]).ravel()
    assert np.allclose(numbers(tab.evaluate(READ), "outputs"), expected)
    assert "row 2, column 2, −2.5. It stands in 16 places" in tab.words()
    tab.piece.get_by_label("kernel rows").fill("2")
    tab.piece.get_by_label("stride").fill("2")
    assert tab.evaluate(READ)["buttons"] == ["dense: 216", "cut: 36", "tied: 6"]
    rule = {"strides": 2}
    assert np.array_equal(tab.result(), dense_weights(kernel[:2, :, None, None], (6, 6, 1), **rule))
    tab.piece.get_by_label("image rows").fill("8")
    tab.piece.get_by_label("image columns").fill("8")
    assert tab.evaluate(READ)["buttons"] == ["dense: 768", "cut: 72", "tied: 6"]


def test_a_kernel_that_does_not_fit_is_explained(open_piece):
    tab = open_piece("dense-to-conv")
    tab.piece.get_by_label("image rows").fill("2")
    tab.piece.get_by_label("image columns").fill("2")
    assert "covers 3 × 3 pixels and does not fit into 2 × 2" in tab.words()
    layer(tab, "tied")
    tab.piece.get_by_label("padding").select_option("same")
    assert "9 different weights" in tab.words()
    tab.piece.get_by_label("kernel columns").fill("7")
    assert "The kernel's other 12 never lie on a pixel" in tab.words()


# ---- Learning


def chapter():
    """What the cells of chapter 3 compute, from the first to the three layers that learn."""
    source = Path(__file__).resolve().parent.parent / "lessons_src/chapters/03-dense-to-conv.md"
    text = source.read_text("utf-8")
    names = {"np": np, "image": IMAGE, "dense": np.zeros((36, 16))}
    for begins in ("def wires(", "def tie(", "hidden = "):
        cell = re.search(rf"```\{{code-cell\}} ipython3\n({re.escape(begins)}.*?)```", text, re.S)[
            1
        ]
        exec(cell, names)
    return names


def test_it_learns_as_chapter_3_does_in_numpy(open_piece):
    tab, names = open_piece("dense-to-conv"), chapter()
    press(tab, "learn")
    assert tab.words().startswith("All weights are 0.") and not np.any(tab.result())
    for _ in range(4):
        press(tab, "50 steps")
    rows = tab.piece.get_by_role("table", name="loss of the three layers").locator("tbody tr")
    for name, row in zip(("dense", "cut", "tied"), rows.all(), strict=True):
        layer(tab, name)
        weights = np.array(tab.result())
        assert np.allclose(weights, names["found"][name], atol=1e-9)
        losses = [
            0.5 * np.sum((names["halves"](left) @ (weights - names["teacher"])) ** 2)
            for left in (0, 3)
        ]
        shown = ["less than 0.001" if loss < 0.001 else f"{loss:.3f}" for loss in losses]
        assert row.locator("td").all_inner_texts() == shown
        assert f"“{name}” has the loss {shown[0]} with the images that it learns" in tab.words()
        assert f"and {shown[1]} with the strokes at the right" in tab.words()
        if name == "tied":
            assert shown[1].startswith("less") and "kernel's by less than 0.001" in tab.words()
            page = tab.evaluate(READ)
            assert np.allclose(numbers(page, "kernel that was found"), KERNEL.ravel(), atol=0.006)
        else:
            assert losses[1] == pytest.approx(12.435) and losses[0] < 0.001


def test_each_image_shows_what_is_wanted_of_it_and_what_comes_out(open_piece):
    tab, names = open_piece("dense-to-conv"), chapter()
    press(tab, "learn")
    for _ in range(3):
        press(tab, "one step")
    assert tab.words().startswith("After 3 steps, the layer “dense” has the loss")
    images = np.concatenate([names["halves"](0), names["halves"](3)])
    for at, picture in enumerate(images):
        tab.piece.get_by_label("show image").select_option(str(at))
        page = tab.evaluate(READ)
        assert np.array_equal(numbers(page, "image"), picture)
        wanted, given = picture @ names["teacher"], picture @ np.array(tab.result())
        assert np.allclose(numbers(page, "wanted outputs"), wanted, atol=0.0051)
        assert np.allclose(numbers(page, "outputs"), given, atol=0.0051)


def test_a_touched_wire_tells_what_it_has_learned(open_piece):
    tab = open_piece("dense-to-conv")
    layer(tab, "tied")
    press(tab, "learn")
    press(tab, "one step")
    matrix_click(tab, 14, 0)
    value = tab.result()[14][0]
    assert abs(value) > 0.01 and value != pytest.approx(0.7, abs=0.01)
    assert f"kernel's weight in row 3, column 3, {value:.4g}. It stands in 16" in tab.words()
    press(tab, "back to the start")
    assert not np.any(tab.result()) and tab.words().startswith("All weights are 0.")


def test_the_hidden_kernel_can_be_changed_and_is_learned_anew(open_piece):
    tab = open_piece("dense-to-conv")
    layer(tab, "tied")
    press(tab, "learn")
    press(tab, "50 steps")
    tab.piece.get_by_label("kernel, row 1, column 1").fill("-2")
    assert not np.any(tab.result())
    for _ in range(4):
        press(tab, "50 steps")
    assert np.array(tab.result())[0][0] == pytest.approx(-2, abs=0.001)
    press(tab, "learn")  # back to touching
    assert np.array(tab.result())[0][0] == -2
    assert tab.words() == "Tied: 144 places hold only 9 different weights, each in 16 places."
    assert not tab.piece.get_by_role("button", name="50 steps").is_visible()


def test_learning_is_set_up_for_one_size_and_says_so(open_piece):
    tab = open_piece("dense-to-conv")
    tab.piece.get_by_label("stride").fill("2")
    press(tab, "learn")
    assert "an image of 6 × 6, a kernel of 3 × 3, stride 1, padding" in tab.words()
    assert tab.piece.locator(".words.wrong").count() == 1
    assert tab.piece.get_by_role("button", name="50 steps").count() == 0
    tab.piece.get_by_label("stride").fill("1")
    assert tab.piece.locator(".words.wrong").count() == 0
    press(tab, "learn")
    assert tab.piece.get_by_label("stride").is_disabled()


@pytest.mark.parametrize("look", [{"width": 390}, {"dark": True}], ids=["phone", "dark"])
def test_learning_is_accessible_by_keyboard_on_a_phone_and_in_the_dark(open_piece, look):
    from axe_playwright_python.sync_playwright import Axe

    tab = open_piece("dense-to-conv", **look)
    layer(tab, "tied")
    for name in ("learn", "50 steps"):
        tab.piece.get_by_role("button", name=name, exact=True).press("Enter")
    assert tab.words().startswith("After 50 steps")
    violations = Axe().run(tab).response["violations"]
    assert [(v["id"], node["html"]) for v in violations for node in v["nodes"]] == []
    inner = tab.piece.locator("section").evaluate("s => [s.scrollWidth, s.clientWidth]")
    assert inner[0] <= inner[1]


def test_what_is_given_is_taken_as_it_is():
    prepared = pieces.PIECES["dense-to-conv"](kernel=[[[0.123456]]], size=5, strides=(2, 2))
    assert prepared["kernel"] == [[0.123456]]
    assert tuple(prepared["size"]) == (5, 5) and prepared["strides"] == 2


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"size": 28}, r"size must be at most 8, .* got \(28, 28\)"),
        ({"size": 0}, "size must be a positive integer"),
        ({"kernel": np.zeros((9, 9))}, r"kernel must .* at most 7 .*\(9, 9\)"),
        ({"kernel": np.zeros((3, 3, 1, 4))}, r"one channel .*\(3, 3, 1, 4\)"),
        ({"kernel": 3.0}, r"\(rows, columns\)"),
        ({"kernel": [[np.nan]]}, "kernel must hold finite numbers.*found nan"),
        ({"strides": (1, 2)}, "the same along rows and columns"),
        ({"strides": 5}, "strides must be from 1 to 4 here, got 5"),
        ({"padding": 1}, '"valid" or "same", got 1'),
        ({"image": 1}, "does not take image. It takes: kernel, size, strides, padding"),
    ],
)
def test_what_it_cannot_show_is_refused_in_words(given, message):
    with pytest.raises(ValueError, match=message):
        pieces.show("dense-to-conv", **given)
