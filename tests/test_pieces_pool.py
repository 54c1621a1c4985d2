"""The live piece pool-stepper, operated in a real browser, compared with cnnlab and Keras."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from cnnlab import pieces
from cnnlab.pooling import max_pool_gradient, pool2d

START = np.pad([[1, 3, 2, 0], [7, 5, 4, 6], [0, 2, 3, 9], [8, 2, 1, 3]], (0, 2))
STEPS = {"left": (0, -1), "right": (0, 1), "up": (-1, 0), "down": (1, 0)}


READ = """() => {
    const page = {}, rows = (grid) => [...grid.rows].map((row) => [...row.cells]);
    const root = document.querySelector("cnn-pool-stepper").shadowRoot;
    for (const grid of root.querySelectorAll("table.grid")) {
        page[grid.ariaLabel] = {
            text: rows(grid).map((r) => r.map(
                (td) => td.firstElementChild?.value ?? td.textContent)),
            marks: rows(grid).flatMap((r, i) => r.map((td, j) => [i, j, td.className])),
        };
    }
    return page;
}"""


def shown(tab, name):
    """The numbers of a grid as the reader sees them; empty cells (padding) are left out."""
    return numbers(tab.evaluate(READ)[name])


def numbers(grid):
    rows = [[float(t.replace("−", "-")) for t in row if t] for row in grid["text"]]
    return np.array([row for row in rows if row])


def marked(tab, name, mark):
    """[row, column] of the cells of a grid that carry a mark."""
    return with_mark(tab.evaluate(READ)[name], mark)


def with_mark(grid, mark):
    return [[row, column] for row, column, marks in grid["marks"] if mark in marks.split()]


def output_cell(tab, at):
    return tab.piece.get_by_role("grid", name="output", exact=True).locator("td").nth(at)


def send_back(tab, what):
    tab.piece.get_by_label("gradient sent back").select_option(what)


def test_it_starts_on_the_map_of_chapter_4(open_piece):
    tab = open_piece("pool-stepper")
    assert np.array_equal(shown(tab, "image"), START)
    assert shown(tab, "output").tolist() == [[7, 6, 0], [8, 9, 0], [0, 0, 0]]
    assert tab.words() == (
        "Output, row 1, column 1: the largest of 4 values is 7, at image row 2, column 1."
    )
    assert marked(tab, "image", "window") == [[0, 0], [0, 1], [1, 0], [1, 1]]
    assert marked(tab, "image", "winner") == [[1, 0]]
    tab.piece.locator("[name=mode]").select_option("average")
    assert shown(tab, "output")[:2, :2].tolist() == [[4, 3], [3, 4]]
    assert "the mean of 4 values is 4" in tab.words()
    assert "(1 + 3 + 7 + 5) / 4 = 4" in tab.piece.locator(".sum").inner_text()
    assert marked(tab, "image", "winner") == []


def settings():
    """Few different values, so that there are many ties; overlaps, gaps, windows over the edge."""
    rng = np.random.default_rng(0)
    while True:
        size, strides = int(rng.integers(1, 5)), int(rng.integers(1, 5))
        padding = str(rng.choice(["valid", "same"]))
        shape = rng.integers(2, 10, 2)
        if padding == "same" or size <= shape.min():
            image = rng.integers(-2, 3, shape) * rng.choice([1.0, 0.25])
            yield image, {"size": size, "strides": strides, "padding": padding}


def test_random_settings_equal_ours_and_keras_forward_and_backward(open_piece):
    tab, compared, ties = open_piece("pool-stepper"), 0, 0
    choose = """(piece, [what, at]) => {
        const columns = piece.result.shape[1];
        [piece.row, piece.column] = [Math.floor(at / columns), at % columns];
        piece.inputs.back.value = what;
        piece.inputs.back.dispatchEvent(new Event("input"));
        return cnn.toRows(piece.gradient);
    }"""
    for (image, rule), number in zip(settings(), range(24), strict=False):
        mode = ["max", "average"][number % 2]
        tab.again(image=image, mode=mode, **rule)
        ours = pool2d(image[..., None], mode=mode, **rule)
        pool = keras.ops.max_pool if mode == "max" else keras.ops.average_pool
        assert np.allclose(tab.result(), ours[..., 0], atol=1e-12)
        assert np.allclose(shown(tab, "output"), ours[..., 0], atol=0.0051)

        only = np.zeros(ours.shape)
        at = int(np.random.default_rng(number).integers(ours.size))
        only.flat[at] = 1
        for what, upstream in [("all", np.ones(ours.shape)), ("here", only)]:
            gradient = tab.piece.evaluate(choose, [what, at])
            batch = tf.Variable(image[None, :, :, None])
            with tf.GradientTape() as tape:
                theirs = pool(batch, *rule.values())
                value = tf.reduce_sum(theirs * upstream)
            assert np.allclose(ours, theirs[0], atol=1e-6)
            assert np.allclose(gradient, tape.gradient(value, batch)[0, ..., 0], atol=1e-6)
            if mode == "max":
                expected = max_pool_gradient(image[..., None], upstream, **rule)
                assert np.array_equal(gradient, expected[..., 0])
            page = tab.evaluate(READ)
            assert np.allclose(numbers(page["gradient of the image"]), gradient, atol=0.0051)
            assert np.array_equal(numbers(page["arriving gradient"]), upstream[..., 0])
            words = tab.words()
            ties += "tie" in words
            reached = f"reaches {np.count_nonzero(gradient)} of the {image.size} pixels"
            assert what == "here" or reached in words
        compared += 1
    assert compared == 24 and ties > 2


def moved(image, down, right):
    """The image after a shift; zeros come in. Each shift is from the start, so nothing is lost."""
    far = 12
    wide = np.pad(image, far)
    return wide[far - down :, far - right :][: len(image), : len(image[0])]


def test_nudges_move_the_image_and_count_what_changed(open_piece):
    """By keyboard and by pointer in turn; decimals, so that sums could differ in the last digit."""
    rng = np.random.default_rng(3)
    tab = open_piece("pool-stepper")
    for size, strides, mode, padding in [
        (2, 2, "max", "valid"),
        (3, 2, "average", "same"),
        (3, 1, "average", "valid"),
    ]:
        image = (rng.integers(0, 4, (7, 8)) * (rng.random((7, 8)) < 0.6)) / 10
        rule = {"size": size, "strides": strides, "mode": mode, "padding": padding}
        tab.again(image=image, **rule)
        first = before = pool2d(image[..., None], **rule)[..., 0]
        at = np.array([0, 0])
        for number, name in enumerate(["right", "right", "down", "left", "left", "up"]):
            button = tab.piece.get_by_role("button", name=name)
            if number % 2:
                button.click()
            else:
                button.press("Enter")
            at += STEPS[name]
            here = moved(image, *at)
            after = pool2d(here[..., None], **rule)[..., 0]
            changed = ~np.isclose(after, before)
            page, words = tab.evaluate(READ), tab.words()
            assert np.array_equal(numbers(page["image"]), here)
            assert np.allclose(numbers(page["output"]), after, atol=0.0051)
            assert with_mark(page["output"], "changed") == np.argwhere(changed).tolist()
            assert f"1 pixel {name}: {changed.sum()} of {after.size} output values changed" in words
            if (at % strides).any():
                assert f"not a multiple of the stride, {strides}," in words
            elif at.any():
                steps = at // strides
                inside = moved(np.ones(after.shape), *steps) > 0
                same = np.isclose(after, moved(first, *steps))[inside].sum()
                assert f": {same} of the {inside.sum()} value" in words
                assert padding == "same" or same == inside.sum()  # equivariant for such shifts
            else:
                assert "back where it started" in words
            before = after


def test_a_chosen_output_tells_what_it_was_before_the_nudge(open_piece):
    tab = open_piece("pool-stepper")
    tab.piece.get_by_role("button", name="right").click()
    assert "4 of 9 output values changed, marked by a corner" in tab.words()
    output_cell(tab, 4).click()
    assert tab.words().endswith("Before the nudge it was 9.")
    tab.piece.get_by_role("button", name="right").click()
    assert "moved 2 pixels right and the output 1 place right: 6 of the 6 values" in tab.words()
    for _ in range(4):
        tab.piece.get_by_role("button", name="right").click()
    assert "nothing of the first output is left" in tab.words()


def test_the_keyboard_steps_edits_and_makes_a_tie(open_piece):
    tab = open_piece("pool-stepper")
    output_cell(tab, 0).focus()
    tab.keyboard.press("ArrowDown")
    tab.keyboard.press("ArrowRight")
    assert "row 2, column 2: the largest of 4 values is 9, at image row 3, column 4" in tab.words()
    tab.piece.get_by_label("image, row 2, column 1").focus()
    tab.keyboard.press("ArrowRight")
    tab.keyboard.press("Control+a")
    tab.keyboard.press("7")
    send_back(tab, "all")
    tied = START.copy()
    tied[1, 1] = 7
    expected = max_pool_gradient(tied[..., None], np.ones((3, 3, 1)))[..., 0]
    assert np.array_equal(shown(tab, "gradient of the image"), expected)
    assert expected[1, :2].tolist() == [1, 0]  # the first takes all
    send_back(tab, "none")
    output_cell(tab, 0).focus()
    assert "2 pixels tie; the first in reading order counts as the winner" in tab.words()
    assert marked(tab, "image", "winner") == [[1, 0]]
    assert tab.piece.get_by_role("grid").count() == 2


def test_the_pointer_steps_and_edits(open_piece):
    tab = open_piece("pool-stepper", touch=True)
    output_cell(tab, 3).tap()
    assert "row 2, column 1: the largest of 4 values is 8" in tab.words()
    tab.piece.get_by_role("button", name="step").tap()
    assert "row 2, column 2" in tab.words()
    tab.piece.get_by_label("image, row 4, column 4").fill("12")
    assert shown(tab, "output")[1, 1] == 12
    tab.piece.get_by_role("button", name="left").tap()
    tab.piece.get_by_label("image, row 1, column 6").fill("5")  # came in as a 0
    tab.piece.get_by_role("button", name="right").tap()  # and leaves again
    assert shown(tab, "image")[3, 3] == 12 and 5 not in shown(tab, "image")[0]


def test_the_padding_takes_no_part_and_cannot_be_edited(open_piece):
    image = -np.arange(1.0, 26).reshape(5, 5)
    tab = open_piece("pool-stepper", image=image, size=3, strides=2, padding="same")
    assert tab.words().endswith("5 of the window's 9 places lie in the padding and take no part.")
    assert np.array_equal(shown(tab, "image"), image)
    assert np.array_equal(
        shown(tab, "output"), pool2d(image[..., None], 3, strides=2, padding="same")[..., 0]
    )
    padding = tab.piece.get_by_label("image, padding")
    assert padding.count() == 49 - 25 and not padding.first.is_editable()
    assert tab.piece.get_by_label("image, row 1, column 1", exact=True).input_value() == "−1"
    tab.piece.locator("[name=mode]").select_option("average")
    send_back(tab, "here")
    assert "Each of the 4 pixels in the window gets 1/4 of it" in tab.words()
    assert shown(tab, "gradient of the image").sum() == 1
    tab.piece.locator("[name=padding]").select_option("valid")
    assert tab.piece.get_by_label("image, padding").count() == 0


def test_what_stands_below_is_true_as_it_is_printed(open_piece):
    tab = open_piece("pool-stepper")
    below = tab.piece.locator(".sum")
    tab.again(image=[[0.004, 0.0041], [0.003, -0.002]])
    assert below.inner_text() == "max(0.004, 0.0041, 0.003, −0.002) = 0.0041"
    assert "the largest of 4 values is 0.0041, at image row 1, column 2" in tab.words()
    tab.again(image=[[0.004, 0.001], [0.003, -0.002]], mode="average")
    assert below.inner_text() == "(0.004 + 0.001 + 0.003 + (−0.002)) / 4 = 0.0015"
    tab.again(image=[[1, 1, 0]], size=3, padding="same", mode="average")
    assert below.inner_text() == "(1 + 1 + 0) / 3 ≈ 0.6667 (numbers are rounded)"
    assert "the mean of 3 values is about 0.6667." in tab.words()
    tab.again(image=[[1 / 3, 1 / 7]], padding="same")
    assert below.inner_text() == "max(0.3333, 0.1429) ≈ 0.3333 (numbers are rounded)"


def test_pixels_that_no_window_sees_are_told(open_piece):
    tab = open_piece("pool-stepper")
    tab.piece.get_by_label("image rows").fill("7")
    tab.piece.get_by_label("image columns").fill("7")
    assert tab.piece.get_by_text("image 7 × 7; 13 pixels in no window").is_visible()
    unseen = marked(tab, "image", "unread")
    assert len(unseen) == 13 and all(6 in place for place in unseen)
    tab.piece.get_by_label("window").fill("1")
    tab.piece.get_by_label("stride").fill("3")
    assert tab.piece.get_by_text("40 pixels in no window").is_visible()
    assert np.shape(shown(tab, "output")) == (3, 3)


def test_a_window_that_does_not_fit_is_explained(open_piece):
    tab = open_piece("pool-stepper")
    send_back(tab, "all")
    tab.piece.get_by_label("image rows").fill("4")
    tab.piece.get_by_label("image columns").fill("4")
    tab.piece.get_by_label("window").fill("5")
    assert re.search("covers 5 × 5 pixels and does not fit into 4 × 4.*same", tab.words())
    assert tab.piece.get_by_role("grid").count() == 1
    tab.piece.get_by_role("button", name="right").click()
    tab.piece.get_by_role("button", name="step").click()
    tab.piece.locator("[name=padding]").select_option("same")
    assert np.shape(shown(tab, "output")) == (2, 2)


def test_what_is_given_is_taken_as_it_is():
    """Not rounded: these two would tie."""
    prepared = pieces.PIECES["pool-stepper"](image=np.array([[[0.12341], [0.12339]]]), size=(2, 2))
    assert prepared["image"] == [[0.12341, 0.12339]]
    assert prepared["size"] == prepared["strides"] == 2  # windows side by side unless told


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"image": np.zeros((28, 28))}, r"at most 12.*\(28, 28\)"),
        ({"image": np.zeros((5, 5, 3))}, r"one channel.*image\[:, :, 0\].*\(5, 5, 3\)"),
        ({"image": np.zeros(5)}, r"\(rows, columns\).*\(5,\)"),
        ({"image": [[np.inf]]}, "image must hold finite numbers.*found inf"),
        ({"size": (2, 3)}, r"size must be the same along rows and columns here, got \(2, 3\)"),
        ({"size": 7}, "size must be from 1 to 6 here, got 7"),
        ({"strides": 0}, "strides must be a positive integer.*got 0"),
        ({"padding": "full"}, 'padding must be "valid" or "same", got \'full\''),
        ({"mode": "min"}, 'mode must be "max" or "average", got \'min\''),
        ({"kernel": 3}, "does not take kernel. It takes: image, size, strides, padding, mode"),
    ],
)
def test_what_it_cannot_show_is_refused_in_words(given, message):
    with pytest.raises(ValueError, match=message):
        pieces.show("pool-stepper", **given)
