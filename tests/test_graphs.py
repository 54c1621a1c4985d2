"""The drawing of a small network: every number is said, seen, and in its panel's direction."""

import pytest
from cnnlab.graphs import flow
from test_figures import PHONE, check, plots, seen, texts

NAMES = [["a", "b"], ["c"]]
FORTH = ([[1, 2.5], [-4]], [[[0.5], [-2]]])
BACK = ([[8, 0.0], [-0.125]], [[[16], [32]]])


def test_every_number_is_said_and_drawn():
    picture = flow({"forth": FORTH, "back": BACK}, NAMES, alt="A note.")
    check(picture, "forth: a 1, b 2.5, c −4, a to c 0.5, b to c −2.", "A note.")
    check(picture, "back: a 8, b 0, c −0.125, a to c 16, b to c 32.")
    for number in ("2.5", "−4", "0.5", "−2", "8", "0", "−0.125", "16", "32", "a", "b", "c"):
        assert number in texts(picture).split()


def test_a_panel_for_each_direction_fits_a_phone():
    picture = flow({"forth": FORTH, "back": BACK}, NAMES)
    assert len(plots(picture)) == 2
    assert all(int(image["width"]) <= PHONE for image in seen(picture).select(".cnn-panel img"))


def test_minus_zero_is_zero():
    assert "b 0," in flow({"forth": ([[1, -0.0], [0]], [[[1], [1]]])}, NAMES).alt


def test_names_and_numbers_that_do_not_match_are_an_error():
    with pytest.raises(ValueError):
        flow({"forth": ([[1, 2, 3], [4]], [[[1], [1], [1]]])}, NAMES)
