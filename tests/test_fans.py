"""The drawing of a spread: what it says in words, and how wide it is."""

import numpy as np
from cnnlab.fans import fans
from test_figures import PHONE, check, plots, texts

RNG = np.random.default_rng(0)


def test_each_panel_is_told_by_its_middle_half():
    narrow, wide = RNG.normal(0, 1, (5, 4000)), RNG.normal(0, 1e9, (5, 4000))
    picture = fans(
        {"narrow": narrow, "wide": wide},
        x_label="step",
        y_label="sums",
        reach=4,
        marks=(-2, 2),
        alt="Look.",
    )
    check(picture, "sums against step", "narrow: −0.6", "wide: −6.", "e+08", "Look.")
    assert {"step", "sums"} <= set(texts(picture).split())
    assert len(plots(picture)) == 2
    assert all(float(plot.get("width")) < PHONE / 2 for plot in plots(picture))
