"""The live piece curve-fit, operated in a real browser and compared with NumPy's fit."""

import re

import numpy as np
import pytest
from cnnlab import pieces
from numpy.polynomial import Polynomial


# Chapter 10, word for word.
def sine(x):
    return np.sin(2 * np.pi * x)


def measure(seed, n=15):
    x = np.linspace(0, 1, n)
    return x, sine(x) + np.random.default_rng(seed).normal(0, 0.2, n)


def off(a, b):
    return np.sqrt(np.mean((a - b) ** 2))


BETWEEN = np.linspace(0, 1, 1001)


def slider(tab, name):
    return tab.piece.get_by_role("slider", name=name, exact=True)


def read(tab):
    """The two errors as the sentence says them; the caption must say the same."""
    found = re.findall(r"(?:training|test) error ([\d.]+\d|\d)", tab.words())
    caption = tab.piece.locator(".stage p").nth(1).inner_text()
    assert all(f"error {number}" in caption.split("Now:")[1] for number in found)
    return [float(number) for number in found]


def test_it_starts_on_the_points_of_chapter_9(open_piece):
    tab, (x, y) = open_piece("curve-fit"), measure(0)
    points = tab.piece.evaluate("piece => piece.data")
    assert np.allclose(points["x"], x, rtol=0, atol=1e-15)
    assert np.allclose(points["y"], y, rtol=0, atol=2e-7)  # rounded to 6 decimals
    assert np.allclose(points["testX"], BETWEEN, rtol=0, atol=1e-15)
    assert np.allclose(points["testY"], sine(BETWEEN), rtol=0, atol=1e-14)
    assert slider(tab, "degree").get_attribute("aria-valuetext") == "3"
    training, test = tab.piece.evaluate("piece => [piece.training, piece.test]")
    for degree in range(15):
        fit = Polynomial.fit(x, y, degree)
        assert np.isclose(training[degree], off(fit(x), y), atol=1e-6)
        assert np.isclose(test[degree], off(fit(BETWEEN), sine(BETWEEN)), atol=1e-5)
        slider(tab, "degree").fill(str(degree))
        assert np.allclose(read(tab), [training[degree], test[degree]], atol=0.00501)
        assert ("passes through every point" in tab.words()) is (degree == 14)


def test_other_numbers_of_points_are_the_chapters_too(open_piece):
    tab = open_piece("curve-fit")
    for n in (3, 8, 30, 40):
        slider(tab, "number of points").fill(str(n))
        points = tab.piece.evaluate("piece => piece.data")
        assert np.allclose((points["x"], points["y"]), measure(0, n), rtol=0, atol=3e-7)


def settings():
    rng = np.random.default_rng(3)
    for i in range(36):
        n = int(rng.integers(2, 16)) if i % 3 else int(rng.integers(16, 60))
        low, wide = rng.normal(0, 50), 10 ** rng.uniform(-2, 3)
        x = np.arange(n) + rng.uniform(-0.35, 0.35, n)  # no two of them very near
        x = low + wide * (rng.permutation(x) - x.min()) / (x.max() - x.min())
        if i % 5 == 1:  # some places twice
            x[: n // 3] = x[n - n // 3 :]
        most = min(14, len(set(x)) - 1)
        degree = most if i % 3 == 1 else int(rng.integers(0, most + 1))
        y = rng.normal(0, 10 ** rng.uniform(-2, 2), n)
        yield {"x": x, "y": y, "degree": degree}


def test_random_fits_equal_numpys(open_piece):
    tab, passing = open_piece("curve-fit"), 0
    for given in settings():
        x, y, degree = given.values()
        test = np.sort(x)[1:] * 0.9 + np.sort(x)[:-1] * 0.1
        tab.again(**given, test_x=test, test_y=np.cos(test))
        fit = Polynomial.fit(x, y, degree)
        dense = np.linspace(x.min(), x.max(), 401)
        expected = fit(dense)
        result, training, tested = tab.piece.evaluate(
            "piece => [cnn.toRows(piece.result), piece.training, piece.test]"
        )
        size = np.abs(expected).max()
        assert np.allclose(result, expected, rtol=0, atol=1e-6 * size)
        assert np.isclose(training[degree], off(fit(x), y), atol=1e-6 * size)
        assert np.isclose(tested[degree], off(fit(test), np.cos(test)), atol=1e-6 * size)
        assert np.all(np.diff(training) < 1e-9 * size)  # a higher degree is never farther off
        if degree == len(x) - 1:
            assert "passes through every point" in tab.words()
            passing += 1
    assert passing >= 6


def test_the_keyboard_sets_everything(open_piece):
    tab = open_piece("curve-fit")
    tab.keyboard.press("Tab")
    for key in ("ArrowRight", "ArrowRight", "End", "ArrowLeft"):
        tab.keyboard.press(key)
    x, y = measure(0)
    fit = Polynomial.fit(x, y, 13)
    assert tab.words().startswith("Degree 13, fitted to 15 points")
    assert np.allclose(read(tab), [off(fit(x), y), off(fit(BETWEEN), sine(BETWEEN))], atol=0.00501)
    tab.keyboard.press("Tab")
    tab.keyboard.press("Home")  # no noise: then even a high degree is right
    assert read(tab) == [0, 0]
    tab.keyboard.press("Tab")
    tab.keyboard.press("End")
    assert "fitted to 40 points" in tab.words()


def test_the_pointer_chooses_a_degree_and_measures_again(open_piece):
    tab = open_piece("curve-fit", width=320, touch=True)
    plot = tab.piece.locator("svg.errors")
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    across = tab.piece.evaluate("piece => piece.errors.px(9.3)")
    tab.touchscreen.tap(box["x"] + across, box["y"] + 100)
    assert tab.words().startswith("Degree 9,") and slider(tab, "degree").input_value() == "9"
    assert tab.piece.locator(".at").first.inner_text() == "9"
    before = tab.words()
    tab.piece.get_by_role("button", name="measure again").click()
    assert tab.words() != before
    x, y = (np.array(tab.piece.evaluate("piece => piece.data")[axis]) for axis in "xy")
    fit = Polynomial.fit(x, y, 9)
    assert np.allclose(read(tab), [off(fit(x), y), off(fit(BETWEEN), sine(BETWEEN))], atol=0.00501)


def test_new_measurements_have_normal_errors(open_piece):
    tab = open_piece("curve-fit")
    slider(tab, "number of points").fill("40")
    draws = tab.piece.evaluate(
        """piece => Array.from({ length: 25 }, () => {
            piece.shadowRoot.querySelector("button").click();
            return piece.data.y;
        })"""
    )
    errors = (np.array(draws) - sine(np.linspace(0, 1, 40))).ravel() / 0.2
    assert abs(errors.mean()) < 4 / np.sqrt(1000) and abs(errors.std() - 1) < 0.1
    within = [np.mean(np.abs(errors) < z) for z in (0.674, 1, 2)]
    assert np.allclose(within, [0.5, 0.683, 0.954], atol=0.06)
    assert len({tuple(draw) for draw in draws}) == 25


def test_a_degree_too_high_for_the_points_is_explained(open_piece):
    tab = open_piece("curve-fit")
    slider(tab, "number of points").fill("6")
    assert "Degree 3, fitted to 6 points" in tab.words()
    slider(tab, "degree").fill("6")
    assert "7 coefficients: too many for points at 6 places" in tab.words()
    assert "Use degree 5 at most" in tab.words() and tab.result() is None
    slider(tab, "degree").fill("5")
    assert "passes through every point" in tab.words()


def test_own_points_without_test_points_have_no_test_error(open_piece):
    tab = open_piece("curve-fit", x=[1, 2, 4, 4], y=[3, 5, 1, 2], degree=1)
    fit = Polynomial.fit([1, 2, 4, 4], [3, 5, 1, 2], 1)
    assert np.allclose(read(tab), [off(fit(np.array([1, 2, 4, 4])), [3, 5, 1, 2])], atol=0.00501)
    assert "test" not in tab.words() and tab.piece.get_by_role("slider").count() == 1
    slider(tab, "degree").fill("2")  # through three places, but two points share one
    assert "every point" not in tab.words() and read(tab) == [0.35]


def test_places_very_near_to_each_other_count_as_one(open_piece):
    """A polynomial through them would be all rounding errors."""
    tab = open_piece("curve-fit", x=[0, 1e-12, 1], y=[0, 1, 2], degree=1)
    assert np.isclose(read(tab)[0], off(np.array([0.5, 0.5, 2]), [0, 1, 2]), atol=0.00501)
    slider(tab, "degree").fill("2")
    assert "too many for points at 2 places" in tab.words()
    tab.again(x=[0, 1], y=[0, 1e-3], test_x=[1e6], test_y=[0], degree=1)  # far outside
    assert "test error 1000." in tab.words()
    assert "Infinity" not in tab.piece.locator("section").inner_text()
    tab.again(x=[0, 1, 2], y=[0, 0.003, 0], degree=1)
    assert "training error 0.001." in tab.words()  # not 0


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"degree": 15}, "degree must be a whole number from 0 to 14, got 15"),
        ({"degree": 2.5}, "got 2.5"),
        ({"y": [1, 2]}, "x and y belong together"),
        ({"x": [1, 1, 1], "y": [1, 2, 3]}, "at least 2 different places, got only 1"),
        ({"x": [1, 2], "y": [1, np.nan]}, "y must hold finite numbers"),
        ({"x": [1, 2], "y": [1, 2], "test_x": [1]}, "test_x and test_y belong together"),
        ({"x": [1, 2], "y": [1, 2], "test_x": [1], "test_y": [1, 2]}, "got 1 and 2 numbers"),
        ({"test_x": [1], "test_y": [1]}, "need points of your own"),
        ({"noise": 0.1}, "does not take noise. It takes: x, y, degree"),
    ],
)
def test_what_it_cannot_start_with_is_refused_in_words(given, message):
    with pytest.raises(ValueError, match=message):
        pieces.show("curve-fit", **given)
