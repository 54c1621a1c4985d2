"""A drawing of remedies, and what its words say."""

import numpy as np
from cnnlab import remedies
from cnnlab.comparisons import compare
from test_figures import check, plots, texts


def test_a_ladder_tells_what_each_network_reads_and_gains():
    own, new = np.array([1.0, 1.0, 1.0]), np.array([0.8, 0.81, 0.82])
    better = np.array([0.82, 0.84, 0.86])
    rows = {
        "nothing": (own, new, None),
        "dropout": (own, better, compare(better, new, percent=True)),
    }
    picture = remedies.ladder(rows, alt="Remedies.")
    check(picture, "3 seeds", "nothing: 100.0% of its own, 81.0% of new examples.", "Remedies.")
    assert "dropout: 100.0% of its own, 84.0% of new examples, +3.0 points" in picture.alt
    assert len(plots(picture)) == 2
    assert "100.0%, 84.0%" in texts(picture) and "+3.0 (+0.5 to +5.5)" in texts(picture)
