"""The live piece conv-stepper, operated in a real browser and compared with cnnlab.conv."""

import re
from fractions import Fraction

import keras
import numpy as np
import pytest
from cnnlab import pieces
from cnnlab.conv import conv2d
from examples import DIAGONAL, IMAGE


def shown(tab):
    """The numbers of the feature map as the reader sees them."""
    table = tab.piece.get_by_role("grid", name="feature map")
    rows = table.locator("tr").all()
    return [
        [float(t.replace("−", "-")) for t in row.locator("td").all_inner_texts()] for row in rows
    ]


def test_it_starts_on_the_example_of_chapter_2(open_piece):
    tab = open_piece("conv-stepper")
    expected = conv2d(IMAGE[..., None], DIAGONAL[..., None, None])[..., 0]
    assert np.array_equal(shown(tab), expected)
    assert "row 1, column 1: 9 products add up to 3" in tab.words()


def settings():
    rng = np.random.default_rng(0)
    for _ in range(30):
        channels = int(rng.integers(1, 4))
        shape = *rng.integers(4, 11, 2), channels
        kernel = *rng.integers(1, 5, 2), channels
        yield {
            "image": rng.integers(-4, 5, shape).astype(float),
            "kernel": rng.integers(-3, 4, kernel).astype(float),
            "strides": int(rng.integers(1, 4)),
            "padding": str(rng.choice(["valid", "same"])),
            "dilation": int(rng.integers(1, 3)),
        }


def test_random_settings_equal_ours_and_keras(open_piece):
    """Even kernels, strides that leave a rest, dilation, channels: with Keras's rules."""
    tab, compared = open_piece("conv-stepper"), 0
    for given in settings():
        if given["strides"] > 1 and given["dilation"] > 1:
            given["strides"] = 1  # Keras refuses both at once
        reach = (np.array(given["kernel"].shape[:2]) - 1) * given["dilation"] + 1
        if given["padding"] == "valid" and (reach > given["image"].shape[:2]).any():
            continue
        tab.again(**given)
        keras_says = keras.ops.conv(
            given["image"][None],
            given["kernel"][..., None],
            strides=given["strides"],
            padding=given["padding"],
            dilation_rate=given["dilation"],
        )[0]
        assert np.allclose(tab.result(), keras_says, atol=1e-4)
        assert np.allclose(np.array(shown(tab))[..., None], keras_says, atol=1e-2)
        compared += 1
    assert compared > 20


def test_the_keyboard_steps_the_window_and_edits(open_piece):
    tab = open_piece("conv-stepper")
    tab.piece.get_by_role("grid", name="feature map").locator("td").first.focus()
    tab.keyboard.press("ArrowRight")
    assert "row 1, column 2: 9 products add up to −1" in tab.words()
    tab.keyboard.press("ArrowDown")
    tab.keyboard.press("End")
    assert "row 2, column 4" in tab.words()
    tab.piece.get_by_label("kernel, row 1, column 1").focus()
    for key in ("ArrowDown", "ArrowRight", "ArrowUp", "ArrowLeft", "Control+a", "5"):
        tab.keyboard.press(key)
    kernel = DIAGONAL.copy()
    kernel[0, 0] = 5
    assert np.array_equal(shown(tab), conv2d(IMAGE[..., None], kernel[..., None, None])[..., 0])


def test_the_pointer_steps_the_window_and_edits(open_piece):
    tab = open_piece("conv-stepper", touch=True)
    tab.piece.get_by_role("grid", name="feature map").locator("td").nth(12).tap()
    assert "row 4, column 1: 9 products add up to 3" in tab.words()
    tab.piece.get_by_role("button", name="step").click()
    assert "row 4, column 2" in tab.words()
    tab.piece.get_by_label("image, row 4, column 2").fill("2")
    changed = IMAGE.copy()
    changed[3, 1] = 2
    assert np.array_equal(shown(tab), conv2d(changed[..., None], DIAGONAL[..., None, None])[..., 0])


def test_controls_change_the_rules(open_piece):
    tab = open_piece("conv-stepper")
    tab.piece.get_by_label("kernel rows").fill("2")
    tab.piece.get_by_label("kernel columns").fill("4")
    tab.piece.get_by_label("padding").select_option("same")
    tab.piece.get_by_label("stride").fill("2")
    assert np.shape(shown(tab)) == (3, 3)
    assert "of the window's 8 pixels lie in the padding" in tab.words()
    tab.piece.get_by_label("channels").fill("2")
    assert tab.piece.get_by_role("grid").count() == 5


def test_a_kernel_that_does_not_fit_is_explained(open_piece):
    tab = open_piece("conv-stepper")
    tab.piece.get_by_label("kernel rows").fill("7")
    assert "does not fit into 6 × 6" in tab.words() and "same" in tab.words()
    tab.piece.get_by_label("padding").select_option("same")
    assert np.shape(shown(tab)) == (6, 6)


def shown_sum(tab):
    """Both sides of the sum below, computed exactly from what is printed, and the sign between."""
    text = tab.piece.locator(".sum").inner_text().replace("−", "-")
    left, sign, right = re.match(r"(.*) ([=≈]) (\S+)", text).groups()
    number = r"\(?(-?[\d.]+(?:e-?\d+)?)\)?"
    terms = re.findall(rf"(bias )?{number}(?:·{number})?", left)
    return sum(Fraction(a) * Fraction(b or 1) for _, a, b in terms), sign, Fraction(right)


def test_the_sum_is_true_as_it_is_printed(open_piece):
    tab, rng = open_piece("conv-stepper"), np.random.default_rng(5)
    cases = [
        {"image": [[0.004, 1], [3, 4]], "kernel": [[100, 1], [1, -1]]},
        {"image": [[1e6, -1e6], [0.0001, 3]], "kernel": [[1e6, 1], [0.0001, -2.5]]},
        {"image": [[0.1, 0.2], [0.3, 0]], "kernel": [[1, 1], [-1, 1]], "bias": 1e-7},
        {"image": np.zeros((2, 2)), "kernel": np.ones((2, 2)), "bias": -0.125},
    ]
    for _ in range(12):
        image, kernel = rng.integers(-999, 1000, (4, 3, 3)), rng.integers(-99, 100, (2, 2, 3))
        scale = 10.0 ** rng.integers(-5, 3, 2)
        cases.append({"image": image * scale[0], "kernel": kernel * scale[1], "bias": 0.5})
    for case in cases:
        given = {key: np.round(value, 12) for key, value in case.items()}  # 0.3, not 0.30000000004
        tab.again(**given)
        left, sign, right = shown_sum(tab)
        assert sign == "=" and left == right, case
        assert np.isclose(float(right), tab.result()[0][0][0], rtol=1e-9, atol=1e-9)


def test_a_sum_with_too_many_digits_is_said_to_be_rounded(open_piece):
    image = np.random.default_rng(6).random((3, 3))
    tab = open_piece("conv-stepper", image=image)
    left, sign, right = shown_sum(tab)
    assert sign == "≈" and abs(left - right) < 0.01
    assert "(numbers are rounded)" in tab.piece.locator(".sum").inner_text()
    assert "9 products add up to about " in tab.words()
    assert np.isclose(float(right), tab.result()[0][0][0], atol=5e-5)


def test_the_padding_cannot_be_edited(open_piece):
    tab = open_piece("conv-stepper", padding="same")
    padding = tab.piece.get_by_label("image, padding")
    assert padding.count() == 64 - 36 and not padding.first.is_editable()
    tab.piece.get_by_label("image, row 6, column 6", exact=True).fill("7")
    assert tab.piece.evaluate("piece => cnn.toRows(piece.image)[5][5]") == [7]


def test_a_larger_image_brings_back_what_a_smaller_one_has_cut_off(open_piece):
    """As on the way to 12, which begins with 1."""
    image = np.arange(40.0).reshape(4, 10)
    tab = open_piece("conv-stepper", image=image, kernel=[[1]])
    columns = tab.piece.get_by_label("image columns")
    tab.piece.get_by_label("image, row 2, column 3").fill("-5")
    columns.focus()
    for key in ("Control+a", "1", "0"):
        tab.keyboard.press(key)
    image[1, 2] = -5
    assert np.array_equal(tab.result(), image[..., None])


def test_a_larger_kernel_brings_back_what_a_smaller_one_has_cut_off(open_piece):
    tab = open_piece("conv-stepper", image=np.ones((3, 3)))
    for at in range(9):
        cell = tab.piece.get_by_label(f"kernel, row {at // 3 + 1}, column {at % 3 + 1}")
        cell.fill(str(at + 1))
    for rows in ("2", "3"):
        tab.piece.get_by_label("kernel rows").fill(rows)
    assert tab.result() == [[[45]]]


def test_a_layer_of_the_reader(open_piece):
    layer = keras.layers.Conv2D(4, 3, strides=2, padding="same")
    image = np.random.default_rng(1).random((8, 8, 2)).round(2)
    expected = layer(image[None])[0, ..., :1]
    tab = open_piece("conv-stepper", image=image, layer=layer)
    assert np.allclose(tab.result(), expected, atol=1e-6)


def built(kernel_size=3, bias_initializer=0, channels=1, **settings):
    layer = keras.layers.Conv2D(2, kernel_size, **settings)
    layer.build((None, 12, 12, channels))
    layer.bias.assign(np.full(2, bias_initializer))
    return layer


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"image": np.zeros((28, 28))}, r"at most 12.*\(28, 28\)"),
        ({"image": np.zeros((5, 5, 4))}, "up to 3 channels, got 4"),
        ({"image": np.full((5, 5), np.nan)}, "image must hold finite numbers.*found nan"),
        ({"image": np.zeros((5, 5, 3)), "kernel": np.zeros((3, 3))}, "3 channels and the kernel 1"),
        ({"kernel": np.zeros((3, 3, 3))}, "needs an image"),
        ({"layer": keras.layers.Dense(3)}, "must be a Conv2D .* got Dense"),
        ({"layer": built(strides=5)}, "the layer's strides must be from 1 to 4 here, got 5"),
        ({"layer": built(kernel_size=9)}, r"the layer's kernel must .*at most 7.*\(9, 9, 1\)"),
        ({"layer": built(bias_initializer=np.nan)}, "the layer's bias must hold finite numbers"),
        ({"layer": built(), "kernel": np.ones((3, 3))}, "a layer has its own kernel"),
        ({"layer": built(activation="relu")}, "no activation; this one has 1 and 'relu'"),
        ({"layer": built(groups=2, channels=2)}, "one group and .* this one has 2"),
        ({"bias": np.nan}, "bias must hold finite numbers, none beyond a million, found nan"),
        ({"bias": [1, 2]}, r"bias must be one number, got an array of shape \(2,\)"),
        ({"image": np.full((5, 5), 1e308)}, r"none beyond a million, found 1e\+308"),
        ({"padding": "full"}, '"valid" or "same"'),
        ({"colour": "red"}, "does not take colour. It takes: image, kernel"),
    ],
)
def test_what_it_cannot_show_is_refused_in_words(given, message):
    with pytest.raises(ValueError, match=message):
        pieces.show("conv-stepper", **given)


def test_an_unknown_piece_is_refused_with_the_list():
    with pytest.raises(ValueError, match=r"no live piece 'conv'\. There are: conv-stepper"):
        pieces.show("conv")


def test_a_class_of_ones_own_is_no_conv2d_whatever_its_name():
    made_up = type("Conv2D", (), {"get_weights": lambda self: [np.ones((3, 3, 1, 1))]})()
    with pytest.raises(ValueError, match="layer must be a Conv2D that has seen an image"):
        pieces.show("conv-stepper", layer=made_up)


def test_a_layer_that_was_tuned_by_lora_shows_the_kernel_that_it_uses():
    import keras

    layer = keras.layers.Conv2D(1, 3, lora_rank=2)
    layer.build((None, 9, 9, 1))
    layer.lora_kernel_b.assign(np.ones(layer.lora_kernel_b.shape))
    given = pieces.PIECES["conv-stepper"](layer=layer)
    assert np.allclose(np.array(given["kernel"]), np.asarray(layer.kernel)[..., 0])


@pytest.mark.parametrize("name", [["conv-stepper"], {}, None, 3])
def test_a_name_is_a_word(name):
    with pytest.raises(ValueError, match="There is no live piece"):
        pieces.show(name)
