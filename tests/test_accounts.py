"""Tables in groups, and runs beside a reported number."""

import pytest
from cnnlab import accounts
from test_figures import check, plots

GROUPS = [
    ("S1 a <net>", "3 seeds", [["accuracy", "96 %", "below"], ["loss", "0.1", "inside"]]),
    ("S2", "", [["accuracy", "98 %", "inside"]]),
]


def test_a_group_has_a_line_of_its_own_over_all_columns():
    shown = accounts.stacked(
        GROUPS, ["what", "reported", "verdict"], caption="All.", note="End.", strong=["below"]
    )
    html = shown._repr_html_()
    assert html.count("<tbody>") == 2 and html.count('colspan="3"') == 2
    assert "<b>S1 a &lt;net&gt;</b><br><small>3 seeds</small>" in html
    assert html.count("<small>") == 1 and "<b>below</b>" in html and "<b>inside</b>" not in html
    assert repr(shown).splitlines() == [
        "All.",
        "S1 a <net> (3 seeds)",
        "  what: accuracy; reported: 96 %; verdict: below",
        "  what: loss; reported: 0.1; verdict: inside",
        "S2",
        "  what: accuracy; reported: 98 %; verdict: inside",
        "End.",
    ]


def test_a_row_has_a_text_for_each_column():
    with pytest.raises(ValueError, match="'S1 a <net>' has 3 cells, but there are 2"):
        accounts.stacked(GROUPS, ["what", "reported"])


def test_runs_are_drawn_beside_the_number_at_0():
    rows = {"S1": ([0.1, -0.2, 0.3], -1.0, 1.2), "S2": ([0.5, 0.6], 0.2, 0.9)}
    picture = accounts.intervals(rows, x_label="ours − reported, in points")
    check(picture, "S1: 3 runs, one more from −1.00 to +1.20", "S2: 2 runs", "in points")
    [svg] = plots(picture)
    texts = [node.text for node in svg.iter() if node.text]
    assert "S2" in texts and "+0.20 to +0.90" in texts
