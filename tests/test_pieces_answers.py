"""The answers that the chapters give to the questions about their live pieces."""

import json
import re
from pathlib import Path

import numpy as np
from cnnlab.conv import conv2d, dense_ties
from numpy.polynomial import Polynomial
from test_pieces_curve import BETWEEN, measure, off, sine
from test_pieces_descent import CRITICAL
from test_pieces_train import USUAL

CHAPTERS = Path(__file__).resolve().parent.parent / "lessons_src" / "chapters"


def answer(piece, chapter="*"):
    """The text under the question about a piece; of several, in the chapter of that number."""
    [page] = [
        text
        for path in CHAPTERS.glob(f"{chapter}.md" if chapter == "*" else f"{chapter}-*.md")
        if f"<cnn-{piece}" + ">" * (chapter == "*") in (text := path.read_text("utf-8"))
    ]
    after = page.split(f"</cnn-{piece}>")[1]
    return re.search(r"<summary>Answer</summary>(.*?)</details>", after, re.S)[1]


def test_conv_stepper():
    rows = ["100001", "010010", "001100", "100010", "010010", "001010"]
    image = np.array([[[int(pixel)] for pixel in row] for row in rows])

    def threes(kernel):
        found = conv2d(image, np.reshape(kernel, (3, 3, 1, 1)))[:, :, 0]
        assert found.max() == 3
        return np.argwhere(found == 3).tolist()

    words = answer("conv-stepper")
    assert threes(2 * np.eye(3) - 1) == [[0, 0], [3, 0]]
    assert "At the top left and at the bottom left." in words
    assert threes([[-1, 1, -1]] * 3) == [[3, 3]] and "its column at the lower right." in words


def test_dense_to_conv():
    ties = dense_ties(np.zeros((3, 3, 1, 1)), (6, 6, 1), padding="same")
    places = [int(np.sum(ties == weight)) for weight in range(9)]
    assert places.count(max(places)) == 1 and places[4] == max(places)
    assert f"The central one, in all {max(places)}." in answer("dense-to-conv")


def test_pool_stepper(open_piece):
    tab = open_piece("pool-stepper")
    for stride in (2, 3):
        tab.again(size=2, strides=stride)
        first, moved = np.array(tab.result()), []
        for _ in range(3):
            tab.piece.get_by_role("button", name="right").click()
            moved.append(np.array_equal(np.array(tab.result())[:, 1:], first[:, :-1]))
        assert moved == [nudge == stride for nudge in (1, 2, 3)]
    assert "After every third one" in answer("pool-stepper")


def test_network_ledger(open_piece):
    tab = open_piece("network-ledger", preset="S2")
    before = int(re.search(r"([\d,]+) parameters", tab.words())[1].replace(",", ""))
    words = answer("network-ledger")
    more, total = (int(n.replace(",", "")) for n in re.findall(r"\d+,\d+", words))
    assert before + more == total and more == (6 * 6 - 5 * 5) * 50 * 100


def test_descent(open_piece):
    assert f"just above {CRITICAL:.4f}, momentum just above {1.9 * CRITICAL:.3f}" in answer(
        "descent"
    )
    tab = open_piece("descent", rule="adam")
    slider = tab.piece.get_by_label("learning rate")
    for key in ("Home", "End"):
        slider.press(key)
        for _ in range(3):
            tab.piece.get_by_role("button", name="run 100 steps").click()
            assert "diverges" not in tab.words() and "too high" not in tab.words()


def test_curve_fit():
    def errors(n, degree):
        x, y = measure(0, n)
        fit = Polynomial.fit(x, y, degree)
        return off(fit(x), y), off(fit(BETWEEN), sine(BETWEEN))

    training, test = np.transpose([errors(15, degree) for degree in range(15)])
    assert f"It would choose {training.argmin()}, where" in answer("curve-fit")
    assert f"Degree {test.argmin()} comes nearest" in answer("curve-fit")
    assert errors(40, 14)[1] < 2 * errors(40, 5)[1] and test[14] > 8 * test[5]


def test_digit_pad(open_piece):
    tab = open_piece("digit-pad")
    tab.piece.locator("select[name=trained]").select_option("lenet5")
    says = {}
    for pixels in range(6):
        tab.piece.get_by_label("shift right").fill(str(pixels))
        says[pixels] = re.search(r"says (\d), with ([\d.]+)\s%", tab.words()).groups()
    assert [digit for digit, _ in says.values()] == ["3"] * 5 + ["2"] and float(says[5][1]) > 90
    assert "stays 3 up to four pixels; at five it is 2, with over 90 %" in answer("digit-pad")


LEARN = """async (piece, [settings, epochs, often]) => {
    const run = new cnn.runs.Run(await cnn.runs.unpack(cnn.digits), settings);
    run.every = often ? run.perEpoch : epochs * run.perEpoch;
    while (run.steps < epochs * run.perEpoch) run.step();
    return run.measured;
}"""


def placed(chapter):
    """What train-lenet is given in a chapter; answers are about that and its usual seed."""
    (path,) = CHAPTERS.glob(f"{chapter}-*.md")
    given = re.search("<cnn-train-lenet data-given='(.*?)'>", path.read_text("utf-8"))[1]
    return json.loads(given)


def learned(tab, epochs, *, often=False, **settings):
    """What train-lenet measures after so many epochs, or before the first and after each: loss,
    accuracy, valLoss, valAccuracy."""
    measured = tab.piece.evaluate(LEARN, [USUAL | settings, epochs, often])
    return measured if often else measured[-1]


def test_train_lenet_left_and_right(open_piece):
    tab, words, given = open_piece("train-lenet"), answer("train-lenet", "01"), placed("01")
    dense, lenet = learned(tab, 3, **given), learned(tab, 3, **given | {"network": "lenet"})
    assert given["network"] == "dense" and dense["accuracy"] > 0.92
    assert "more than nine in ten" in words and "about as many as by guessing" in words
    assert "LeNet fails just as badly" in words and lenet["accuracy"] > 0.8
    assert max(dense["valAccuracy"], lenet["valAccuracy"]) < 0.12


def test_train_lenet_at_two_rates(open_piece):
    tab, words, given = open_piece("train-lenet"), answer("train-lenet", "07"), placed("07")
    slow, fast = (learned(tab, 6, often=True, **given | more) for more in ({}, given.pop("second")))
    assert slow[0] == fast[0] and 2.31 < slow[0]["loss"] < 2.5
    assert "Near log 10 = 2.3" in words and "a little higher" in words
    assert slow[1]["accuracy"] > fast[1]["accuracy"] + 0.18
    assert slow[1]["valAccuracy"] > fast[1]["valAccuracy"] + 0.18 and "15 points" in words
    slow_rises, fast_rises = (np.diff([each["loss"] for each in run]) for run in (slow, fast))
    assert slow_rises.max() < -0.02 and "Its loss falls at every epoch" in words
    assert fast_rises.max() > 0.05 and "The loss at rate 1 rises again in between" in words


def test_train_lenet_on_few_digits(open_piece):
    tab, words, given = open_piece("train-lenet"), answer("train-lenet", "10"), placed("10")
    assert tab.words().startswith("19,670 weights")  # "almost 20,000"
    plain = learned(tab, 40, **given)
    assert plain["accuracy"] == 1
    tamed = learned(tab, 40, **given, dropout=0.5), learned(tab, 40, **given, decay=3)
    more = learned(tab, 4, **given | {"digits": 1000})
    assert "All three lower the loss" in words
    assert max(each["valLoss"] for each in (*tamed, more)) < plain["valLoss"] - 0.1
    assert "at least four points" in words
    assert more["valAccuracy"] > plain["valAccuracy"] + 0.05
    assert "stays within four points" in words
    assert max(abs(each["valAccuracy"] - plain["valAccuracy"]) for each in tamed) < 0.04


def test_train_lenet_with_wrong_labels(open_piece):
    tab, words = open_piece("train-lenet"), answer("train-lenet")
    true, half = learned(tab, 3), learned(tab, 3, wrong=0.5)
    assert "More than four in five; with all labels true, nine in ten." in words
    assert half["valAccuracy"] > 0.82 and 0.88 < true["valAccuracy"] < 0.95
    assert "less than half as they are labelled" in words and half["accuracy"] < 0.48
