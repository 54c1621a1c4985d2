"""Pictures: that they are pictures, and that their words say what they show."""

import struct

import IPython.display
import numpy as np
import pytest
from cnnlab.figures import (
    Picture,
    bars,
    confusion,
    curve_panels,
    curves,
    descent,
    fits,
    images,
    maps,
    numbers,
    runs,
    say,
    ties,
)


def check(picture, *words):
    """Assert that this is a PNG with an alt text that holds these words."""
    assert isinstance(picture, Picture)
    assert picture.png.startswith(b"\x89PNG\r\n\x1a\n") and len(picture.png) > 1000
    assert picture.alt and picture.alt == " ".join(picture.alt.split())
    assert repr(picture) == picture.alt
    for word in words:
        assert str(word) in picture.alt


def pixels_wide(picture):
    return struct.unpack(">I", picture.png[16:20])[0]


def test_a_picture_shows_itself_and_falls_back_on_its_words():
    picture = Picture(lambda figure: figure.subplots(), "a  frame\n and nothing in it", (3, 2))
    check(picture, "a frame and nothing in it")
    data, metadata = picture._repr_mimebundle_()
    assert data == {"image/png": picture.png, "text/plain": picture.alt}
    assert metadata["image/png"]["width"] == 3 * 96
    assert pixels_wide(picture) > 3 * 96  # sharp on fine screens


def test_the_same_picture_has_the_same_bytes():
    """So that rebuilding the notebooks changes nothing."""
    matrix = np.arange(12).reshape(3, 4)
    assert numbers(("a", matrix)).png == numbers(("a", matrix)).png


def test_drawing_leaves_matplotlib_as_it_was():
    import matplotlib

    before = dict(matplotlib.rcParams)
    numbers(("a", np.eye(2)))
    assert dict(matplotlib.rcParams) == before


def test_say_displays_markdown(monkeypatch):
    shown = []
    monkeypatch.setattr(IPython.display, "display", shown.append)
    say("""
        There are **9** weights.

        $x^2$
    """)
    (text,) = shown
    assert isinstance(text, IPython.display.Markdown)
    assert text.data == "There are **9** weights.\n\n$x^2$"


@pytest.mark.parametrize("shape", [(7, 8, 8, 3), (7, 8, 8, 1), (7, 8, 8)])
def test_images(shape):
    pictures = np.random.default_rng(0).random(shape)
    check(images(pictures, list("abcdefg"), columns=4, source="a test"), "7 images", "a test")
    check(images(pictures, range(7)), "labelled 0, 1, 2, 3, 4, 5, 6")
    check(images(pictures[:1]), "1 image ")


def test_numbers_are_all_in_the_words():
    kernel = np.array([[0, -1], [-1, 0]])
    means = np.array([[0.5, 2.0, 1 / 3]])
    picture = numbers(("kernel", kernel), ("means", means), signs=("*",), mark=[(0, 0, 1, 2)])
    check(picture, "kernel: 0 −1; −1 0.", "means: 0.5 2 0.33.")


def test_numbers_that_round_to_nothing_have_no_sign():
    check(numbers(("small", np.array([[-0.001, 0.001]]))), "small: 0 0.")


def test_maps_say_what_they_are_told_to():
    matrices = np.random.default_rng(0).normal(size=(5, 4, 6))
    for signed in (True, False):
        picture = maps(matrices, list("abcde"), alt="five kernels", columns=3, signed=signed)
        check(picture, "five kernels")
    check(maps(np.zeros((1, 3, 3)), ["nothing"], alt="all zero"), "all zero")


def test_signed_maps_show_zero_white():
    """And unsigned ones do not: there the smallest value is black."""
    matrices = [np.full((2, 2), 0.0)]
    matrices[0][0, 0] = 1
    signed, unsigned = (maps(matrices, [""], alt="x", signed=s) for s in (True, False))
    assert signed.png != unsigned.png
    flipped = maps([-matrices[0]], [""], alt="x")
    assert flipped.png != signed.png


@pytest.mark.parametrize("weights", [9, 20])
def test_ties(weights):
    matrix = np.arange(-1, 35).reshape(6, 6) % weights
    matrix[0] = -1
    picture = ties([matrix, matrix], ["one", "two"], count=[weights] * 2, alt=f"{weights} colours")
    check(picture, f"{weights} colours")


def test_curves_tell_where_each_line_begins_and_ends():
    series = {"train": [[3.0, 2.0, 1.0], [5.0, 2.0, 0.5]], "test": [4.0, 3.0, 2.5]}
    picture = curves(series, x_label="epoch", y_label="loss", title="t", alt="Both fall.")
    check(picture, "loss against epoch", "train goes from 4 to 0.75", "test goes from 4 to 2.5")
    check(picture, "Both fall.")
    shares = curves({"net": [0.5, 0.975]}, x_label="epoch", y_label="accuracy", percent=True)
    check(shares, "net goes from 50.0% to 97.5%")


def test_fits_tell_how_far_each_curve_goes():
    picture = fits([0, 1], [0, 2], {"line": {"fit": lambda x: 2 * x}}, window=(-1, 3), alt="Up.")
    check(picture, "2 points between 0 and 2", "line: fit runs between 0 and 2", "Up.")


def test_curve_panels_tell_the_same_for_each_panel():
    panels = {"pixels": ([0, 2, 4], {"net": [[0.9, 0.5, 0.7], [0.9, 0.4, 0.7]]})}
    picture = curve_panels(panels, y_label="accuracy", percent=True, alt="It dips.")
    check(picture, "accuracy", "against pixels, net goes from 90.0% at 0 to 70.0% at 4")
    check(picture, "lowest point of 45.0%", "It dips.")


def test_descent_tells_how_far_down_each_path_gets():
    def bowl(w, b):
        return w**2 + b**2

    paths = {"slow": [[2, 0], [1, 0]], "done": [[2, 0], [1, 1], [0, 0]]}
    picture = descent(bowl, paths, best=(0, 0), window=(-3, 3, -3, 3), alt="Two paths.")
    check(
        picture, "2 paths", "slow: after 1 steps 0.25", "done: after 2 steps less than a millionth"
    )
    check(picture, "Two paths.")


def test_bars_name_the_longest():
    panels = {"all": {"net": {"cat": 0.2, "dog": 0.7}, "guess": {"cat": 0.5, "dog": 0.001}}}
    picture = bars(panels, x_label="share", percent=True)
    check(picture, "share", "all:", "net, most in dog (70%)", "guess, most in cat (50%)")


def test_runs_tell_mean_and_spread():
    results = {"MLP": {"moved": [0.25, 0.5, 0.75]}, "CNN": {"moved": [0.9, 0.9, 0.9]}}
    picture = runs(results, x_label="accuracy", percent=True, guess=0.1)
    check(picture, "accuracy, 3 runs each", "MLP, moved: 50.0% (25.0% to 75.0%)")
    check(picture, "CNN, moved: 90.0% (90.0% to 90.0%)")


def test_confusion_counts_and_names_the_worst_mistake():
    truth, predicted = [0, 0, 0, 1, 1, 2, 2, 2], [0, 1, 0, 1, 2, 0, 0, 2]
    picture = confusion(truth, predicted, ["cat", "dog", "fox"], source="a test")
    check(picture, "a test", "4 of 8 right", "2 times, takes fox for cat")


def test_confusion_without_a_mistake_names_none():
    picture = confusion([0, 1, 2], [0, 1, 2], ["cat", "dog", "fox"])
    check(picture, "3 of 3 right")
    assert "takes" not in picture.alt
