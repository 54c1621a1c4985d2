"""Drawings of walks downhill, and what their words say."""

from cnnlab import walks
from test_figures import PHONE, check, plots, texts


def test_steps_tell_the_distances_and_keep_to_half_a_phone():
    picture = walks.steps(
        lambda w: (w - 2) ** 2,
        {"halves": [0, 1, 1.5, 1.75, 1.875], "once": [0, 2]},
        best=2,
        window=(-1, 5),
        alt="Both arrive.",
    )
    check(picture, "2 walks", "halves: −2, −1, −0.5, −0.25, …; once: −2, 0.", "Both arrive.")
    assert "halves" in texts(picture)
    assert all(float(plot.get("width")) < PHONE / 2 for plot in plots(picture))


def test_hollows_tell_where_each_path_leads():
    picture = walks.hollows(
        lambda w, b: (w**2 - 1) ** 2 + b**2,
        {"left": [[-0.5, 1], [-1, 0]], "right": [[0.5, 1], [1, 0]]},
        minima=[(1, 0), (-1, 0)],
        window=(-2, 2, -1, 2),
    )
    check(picture, "2 hollows", "left: from w = −0.5, b = 1 to w = −1, b = 0")
    assert len(plots(picture)) == 1 and "right" in texts(picture)


def test_hollows_draw_more_paths_than_there_are_colours():
    paths = {f"path {i}": [[i / 4 - 1, 1], [1, 0]] for i in range(6)}
    window = (-2, 2, -1, 2)
    picture = walks.hollows(lambda w, b: w**2 + b**2, paths, minima=[(0, 0)], window=window)
    check(picture, "6 paths", "path 5: from w = 0.25")
