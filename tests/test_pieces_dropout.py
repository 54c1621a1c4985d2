"""The live piece dropout-view, operated in a real browser and compared with Keras's Dropout."""

import re

import keras
import numpy as np
import pytest
from cnnlab import pieces


def shown(tab, name):
    """The numbers of one grid as the reader sees them."""
    rows = tab.piece.get_by_role("grid", name=name, exact=True).evaluate(
        "table => [...table.rows].map((row) => [...row.cells].map((cell) => cell.textContent))"
    )
    return np.array([[float(text.replace("−", "-")) for text in row] for row in rows])


def state(tab):
    return tab.piece.evaluate(
        """piece => ({
            result: cnn.toRows(piece.result), mean: cnn.toRows(piece.mean),
            distance: piece.distances.at(-1), passes: piece.passes, words: piece.words.textContent,
            before: cnn.toRows(piece.activations),
        })"""
    )


def press(tab, name):
    tab.piece.get_by_role("button", name=name).click()


def test_it_starts_with_one_pass_in_training(open_piece):
    tab = open_piece("dropout-view")
    values, mask, result = (shown(tab, name) for name in ("activations", "mask", "result"))
    assert values.shape == (6, 8) and values.min() > 0
    assert 0 < mask.sum() < 48
    assert np.array_equal(result, np.where(mask, values / 0.5, 0).round(2))
    assert np.array_equal(shown(tab, "mean"), result)
    assert f"pass 1: {48 - mask.sum():.0f} of 48 values dropped, the others divided by 0.5." in (
        tab.words()
    )
    said = float(re.search(r"The result is on average (\S+) away", tab.words())[1])
    assert np.isclose(said, np.abs(result - values).mean(), rtol=0, atol=0.00051)
    crossed = tab.piece.get_by_role("grid", name="mask").locator("td.out")
    assert crossed.count() == 48 - mask.sum()
    assert "gradient" in crossed.first.evaluate("cell => getComputedStyle(cell).backgroundImage")


def settings():
    rng = np.random.default_rng(4)
    for _ in range(24):
        values = rng.normal(0, 10 ** rng.uniform(-1, 1), rng.integers(1, 9, 2))
        yield values, float(rng.choice([0, 0.05, 0.1, 0.3, 0.5, 0.7, 0.9]))


def test_every_pass_drops_or_divides_as_keras_does(open_piece):
    tab = open_piece("dropout-view")
    dropped, expected, variance = [0, 0], 0, 0
    for values, rate in settings():
        tab.again(activations=values, rate=rate)
        layer = keras.layers.Dropout(rate, seed=1)
        theirs = np.asarray(layer(values.astype("float32"), training=True))
        ours = state(tab)["result"]
        for i, result in enumerate((np.array(ours), theirs)):
            tolerance = {"rtol": 1e-15} if i == 0 else {"rtol": 1e-5}
            kept = result != 0
            assert np.allclose(result[kept], (values / (1 - rate))[kept], atol=0, **tolerance)
            dropped[i] += np.sum(~kept)
        expected += rate * values.size
        variance += rate * (1 - rate) * values.size
        seen = shown(tab, "activations")
        assert np.allclose(seen, values, rtol=0, atol=0.00501) and np.all(
            (seen == 0) == (values == 0)
        )
    assert np.all(np.abs(np.array(dropped) - expected) < 3.5 * np.sqrt(variance))


@pytest.mark.parametrize("rate", [0.2, 0.5, 0.85])
def test_many_passes_keep_the_mean_like_keras(open_piece, rate):
    passes, tab = 2000, open_piece("dropout-view", rate=rate)
    tab.piece.evaluate("piece => { piece.run(1999); piece.update(); }")
    after = state(tab)
    values, mean = np.array(after["before"]), np.array(after["mean"])
    assert after["passes"] == passes and f"The mean of {passes} passes is" in after["words"]
    error = values * np.sqrt(rate / (1 - rate) / passes)
    z = (mean - values) / error
    assert np.abs(z).max() < 4 and abs(z.mean()) < 0.6 and 0.5 < np.mean(z**2) < 1.6
    assert np.isclose(after["distance"], np.abs(mean - values).mean())
    assert np.allclose(shown(tab, "mean"), mean, atol=0.00501)

    layer = keras.layers.Dropout(rate, seed=2)
    stack = np.broadcast_to(values, (passes, *values.shape)).astype("float32")
    theirs = np.sum(np.asarray(layer(stack, training=True)) == 0, axis=(1, 2))
    ours = np.array(
        tab.piece.evaluate(
            """piece => Array.from({ length: 2000 }, () => {
                piece.run(1);
                return piece.result.data.reduce((count, v) => count + (v === 0), 0);
            })"""
        )
    )
    spread = np.sqrt(48 * rate * (1 - rate))
    assert abs(ours.mean() - theirs.mean()) < 4 * spread * np.sqrt(2 / passes)
    assert np.allclose([ours.std(), theirs.std()], spread, rtol=0.1)


def test_inference_changes_nothing(open_piece):
    tab = open_piece("dropout-view", rate=0.7)
    tab.piece.get_by_label("mode").select_option("inference")
    for _ in range(2):
        after = state(tab)
        assert after["result"] == after["before"] and after["distance"] < 1e-12
        assert np.allclose(after["mean"], after["before"], rtol=1e-12)
        assert "nothing is dropped and nothing is divided" in tab.words()
        press(tab, "100 passes")
    assert tab.words().startswith("Inference, rate 0.7, pass 201:")
    assert tab.piece.get_by_role("grid", name="mask").count() == 0
    values = np.asarray(after["before"], "float32")
    assert np.array_equal(keras.layers.Dropout(0.7)(values, training=False), values)
    tab.piece.get_by_label("mode").select_option("training")
    assert tab.words().startswith("Training, rate 0.7, pass 1:")
    assert tab.piece.get_by_role("grid", name="mask").count() == 1


def test_the_keyboard_passes_and_looks_at_a_cell(open_piece):
    tab = open_piece("dropout-view")
    for _ in range(3):
        tab.keyboard.press("Tab")
    tab.keyboard.press("Enter")
    first = shown(tab, "result")
    assert "pass 2:" in tab.words() and "The mean of 2 passes" in tab.words()
    tab.keyboard.press("Tab")
    before = state(tab)["distance"]
    tab.keyboard.press("Enter")
    after = state(tab)
    assert after["passes"] == 102 and after["distance"] < before / 3
    assert not np.array_equal(shown(tab, "result"), first)
    for _ in range(2):
        tab.keyboard.press("Tab")
    for key in ("ArrowRight", "ArrowDown", "ArrowDown"):
        tab.keyboard.press(key)
    value, result, mean = (np.array(after[key])[2, 1] for key in ("before", "result", "mean"))
    fate = "kept" if result else "dropped"
    assert f"Row 3, column 2: activation {value:g}, {fate}, result {result:g}" in tab.words()
    seen = float(re.search(r"mean ([\d.]+)\.$", tab.words())[1])
    assert np.isclose(seen, mean, atol=0.00501)
    rate = tab.piece.get_by_label("rate")
    rate.focus()
    tab.keyboard.press("Home")
    assert "rate 0, pass 1: 0 of 48 values dropped, the others divided by 1." in tab.words()
    tab.keyboard.press("ArrowRight")
    assert rate.get_attribute("aria-valuetext") == "0.05"


def test_the_pointer_passes_starts_again_and_looks_at_a_cell(open_piece):
    tab = open_piece("dropout-view", width=320, touch=True)
    start, first = tab.words(), shown(tab, "result")
    tab.piece.get_by_role("button", name="100 passes").tap()
    tab.piece.get_by_role("button", name="one pass").tap()
    assert "pass 102:" in tab.words()
    tab.piece.get_by_role("button", name="start again").tap()
    assert tab.words() == start and np.array_equal(shown(tab, "result"), first)
    tab.piece.get_by_role("grid", name="result").locator("td").nth(11).tap()
    assert "Row 2, column 4: activation" in tab.words()
    assert tab.piece.locator("td.here").count() == 4


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"rate": 1}, "rate must be from 0 to 0.9, the share that is dropped, got 1"),
        ({"rate": np.nan}, "rate must hold finite numbers"),
        ({"activations": np.zeros(5)}, r"shape \(rows, columns\) with at most 8.*got \(5,\)"),
        ({"activations": np.zeros((3, 9))}, r"got \(3, 9\)"),
        (
            {"activations": [[np.inf, 1]]},
            "activations must hold finite numbers, none beyond a million, found inf",
        ),
        ({"training": "no"}, "training must be True or False, got 'no'"),
        ({"activations": [[1], [2, 3]]}, "activations must hold numbers only"),
        ({"seed": 1}, "does not take seed. It takes: activations, rate, training"),
    ],
)
def test_what_it_cannot_start_with_is_refused_in_words(given, message):
    with pytest.raises(ValueError, match=message):
        pieces.show("dropout-view", **given)
