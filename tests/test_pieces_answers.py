"""The answers that the chapters give to the questions about their live pieces."""

import re
from pathlib import Path

import numpy as np
from cnnlab.conv import conv2d, dense_ties
from numpy.polynomial import Polynomial
from test_pieces_curve import BETWEEN, measure, off, sine
from test_pieces_descent import CRITICAL
from test_pieces_train import USUAL

CHAPTERS = Path(__file__).resolve().parent.parent / "lessons_src" / "chapters"


def answer(piece):
    """The text under the question about a piece."""
    pages = [path.read_text("utf-8") for path in CHAPTERS.glob("*.md")]
    (after,) = (page.split(f"</cnn-{piece}>")[1] for page in pages if f"<cnn-{piece}>" in page)
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
    for stride, word in ((2, "second"), (3, "three")):
        tab.again(size=2, strides=stride)
        first, moved = np.array(tab.result()), []
        for _ in range(3):
            tab.piece.get_by_role("button", name="right").click()
            moved.append(np.array_equal(np.array(tab.result())[:, 1:], first[:, :-1]))
        assert moved == [nudge == stride for nudge in (1, 2, 3)]
        assert word in answer("pool-stepper")


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


LEARN = """async (piece, [settings, epochs]) => {
    const run = new cnn.runs.Run(await cnn.runs.unpack(cnn.digits), settings);
    while (run.steps < epochs * run.perEpoch) run.step();
    return run.measured.at(-1);
}"""


def learned(tab, epochs, **settings):
    """What train-lenet shows after so many epochs: loss, accuracy, valLoss, valAccuracy."""
    return tab.piece.evaluate(LEARN, [USUAL | settings, epochs])


def test_train_lenet(open_piece):
    tab, words = open_piece("train-lenet"), answer("train-lenet")
    true, half = learned(tab, 3), learned(tab, 3, wrong=0.5)
    assert "More than four in five; with all labels true, nine in ten." in words
    assert half["valAccuracy"] > 0.82 and 0.88 < true["valAccuracy"] < 0.95
    assert "less than half as they are labelled" in words and half["accuracy"] < 0.48
