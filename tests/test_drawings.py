"""Digits in other hands: what the network of digit-pad learns from."""

from dataclasses import replace

import numpy as np
import pytest
from cnnlab import data
from cnnlab.drawings import PEN, lines, varied
from cnnlab.models import VARIANTS
from cnnlab.reproduce import reproduce

HANDS = VARIANTS["S15-varied"].recipe["variations"]
STEADY = {**dict.fromkeys(HANDS, 0), "pens": [PEN, PEN]}  # nothing added, nothing bent


@pytest.fixture(scope="module")
def digits():
    mnist = data.load("mnist", "sample")
    return mnist.x_train[:300], mnist.y_train[:300]


def again(digits, seed=0, **hands):
    images, labels = digits
    return varied(lines(images), labels, np.random.default_rng(seed), **{**STEADY, **hands})


def middles(images):
    """The centre of mass of each, (N, 2): row and column, counted from 0."""
    ink, place = images[..., 0], np.arange(28)
    return np.stack([(ink.sum(axis=3 - a) @ place) / ink.sum(axis=(1, 2)) for a in (1, 2)], axis=1)


def heights_and_widths(images):
    inked = images[..., 0] > 0.1
    spans = [[np.ptp(np.flatnonzero(one.any(axis=a))) + 1 for a in (1, 0)] for one in inked]
    return np.array(spans)


def test_the_lines_of_a_bar_and_of_a_ring():
    images = np.zeros((2, 28, 28, 1), np.float32)
    images[0, 4:24, 12:17] = 1
    row, column = np.mgrid[:28, :28]
    images[1, ..., 0] = np.abs(np.hypot(row - 14, column - 14) - 8) < 1.6
    bar, ring = lines(images)
    assert np.abs(bar[:, 0] - 14).max() <= 1 and 14 <= np.ptp(bar[:, 1]) <= 20
    assert np.abs(np.hypot(*(ring - 14).T) - 8).max() < 1.2
    angles = np.sort(np.arctan2(*(ring - 14).T))
    assert np.diff(angles).max() < 0.2  # without a gap


def test_steady_hands_draw_the_same_digits(digits):
    images = again(digits)
    assert images.shape == digits[0].shape and images.dtype == np.float32
    assert images.min() == 0 and images.max() == 1
    # It may still be a little wider or less wide than it was.
    alike = [
        np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(images, digits[0], strict=True)
    ]
    assert np.median(alike) > 0.75  # hands that are not narrow still differ in width
    assert np.all(np.abs(middles(images) - 14) < 1)
    assert np.all(np.abs(heights_and_widths(images).max(axis=1) - 20) <= 1)


def test_the_generator_decides_everything(digits):
    same, other = (again(digits, seed, **HANDS) for seed in (0, 1))
    assert np.array_equal(same, again(digits, 0, **HANDS))
    assert not np.array_equal(same, other)


@pytest.mark.parametrize(
    ("added", "digit", "where"),
    [
        ({"slash": 1}, 0, (slice(11, 17), slice(11, 17))),  # the middle of a zero is empty
        ({"upstroke": 1, "foot": 1}, 1, (slice(20, 26), slice(6, 12))),
    ],
)
def test_hands_add_to_the_digits_that_it_is_meant_for(digits, added, digit, where):
    before, after = again(digits), again(digits, **added)
    its = digits[1] == digit
    ink = [images[its][(slice(None), *where)].sum() for images in (before, after)]
    assert ink[1] > 1.2 * ink[0]
    assert np.array_equal(before[~its], after[~its])


def test_hands_underline(digits):
    def gaps(images):
        """The share of the digits with an empty row between others."""
        inked = images[..., 0].any(axis=2)
        return np.mean((np.diff(inked.astype(int), axis=1) == 1).sum(axis=1) > 1)

    assert gaps(again(digits)) < 0.02 and gaps(again(digits, underline=1)) > 0.15


def angle(image):
    """How the ink lies, along its longer axis: in degrees, clockwise."""
    row, column = np.argwhere(image[..., 0] > 0.5).T
    (yy, xy), (_, xx) = np.cov(row, column)
    return np.rad2deg(np.arctan2(2 * xy, xx - yy)) / 2


def test_hands_write_narrow_and_turned(digits):
    zeros = digits[0][digits[1] == 0], digits[1][digits[1] == 0]
    height, width = heights_and_widths(again(zeros)).T
    narrow = heights_and_widths(again(zeros, narrow=1)).T
    assert np.mean(narrow[1] / narrow[0]) < 0.85 * np.mean(width / height)
    ones = digits[0][digits[1] == 1], digits[1][digits[1] == 1]
    by = [angle(b) - angle(a) for a, b in zip(again(ones), again(ones, turn=15), strict=True)]
    assert 10 < np.std((np.array(by) + 90) % 180 - 90) < 20


def test_a_recipe_with_variations_trains_and_tells_both_accuracies(tmp_path, monkeypatch):
    digits = data.load("mnist", "sample")  # every second one: enough to learn, in half the time
    half = {part: getattr(digits, part)[::2] for part in ("x_train", "y_train", "x_test", "y_test")}
    monkeypatch.setattr(data, "load", lambda name, tier: replace(digits, **half))
    record = reproduce("S15-varied", epochs=1, folder=tmp_path)
    (row,) = record["epochs"]
    assert record["recipe"]["variations"] == HANDS
    assert row["test_accuracy"] > 0.7 and 0.4 < row["varied_accuracy"] < row["test_accuracy"]
    longer = reproduce("S15-varied", epochs=2, folder=tmp_path)
    assert longer["epochs"][0] == row and longer["epochs"][1]["loss"] < row["loss"]
