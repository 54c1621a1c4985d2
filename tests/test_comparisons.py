"""Comparing two arms of an experiment: SciPy's numbers, and what is told of them."""

import numpy as np
import pytest
from cnnlab.comparisons import compare, predict
from scipy import stats

ONE = [0.90, 0.92, 0.91, 0.94, 0.93]
OTHER = [0.88, 0.90, 0.90, 0.91, 0.92]


def test_the_interval_is_that_of_the_paired_t_test():
    found = compare(ONE, OTHER)
    wanted = stats.ttest_rel(ONE, OTHER).confidence_interval(0.95)
    assert found.low == pytest.approx(wanted.low) and found.high == pytest.approx(wanted.high)
    assert found.mean == pytest.approx(np.mean(ONE) - np.mean(OTHER))
    assert found.differences == pytest.approx(np.subtract(ONE, OTHER))


def test_settled_is_what_the_test_calls_significant():
    rng, verdicts = np.random.default_rng(0), []
    for shift in np.linspace(0, 2, 60):
        one, other = rng.normal(shift, 1, 5), rng.normal(0, 1, 5)
        settled = compare(one, other).settled
        assert settled == (stats.ttest_rel(one, other).pvalue < 0.05)
        verdicts.append(settled)
    assert {True, False} == set(verdicts)


def test_the_interval_holds_the_truth_in_95_of_100_experiments():
    rng = np.random.default_rng(0)
    luck = rng.normal(0, 5, (2000, 5))  # of a seed, which both arms share
    held = 0
    for seeds in luck:
        found = compare(seeds + rng.normal(1, 1, 5), seeds + rng.normal(0, 1, 5))
        held += found.low <= 1 <= found.high
    assert 0.935 < held / len(luck) < 0.965


def test_shares_are_compared_in_points_and_in_words():
    assert str(compare(ONE, OTHER, percent=True)) == "+1.8 points (95 % interval +0.8 to +2.8)"
    assert str(compare(OTHER, ONE, percent=True)) == "−1.8 points (95 % interval −2.8 to −0.8)"
    unclear = compare(ONE, ONE[::-1], percent=True)
    assert not unclear.settled and str(unclear).endswith("): not settled")
    assert str(compare([2.0, 3, 4], [1.0, 2, 3])) == "+1.0 (95 % interval +1.0 to +1.0)"
    large = str(compare([1000, 1100, 1200], [900, 1010, 1105]))
    assert large == "+95 (95 % interval +83 to +107)"
    small = compare([0.9902, 0.9903, 0.9902], [0.9900, 0.9900, 0.9900], percent=True)
    assert small.settled and str(small) == "+0.023 points (95 % interval +0.009 to +0.038)"


def test_no_difference_at_all_settles_nothing():
    same = compare(ONE, ONE)
    assert (same.low, same.mean, same.high) == (0, 0, 0) and not same.settled


@pytest.mark.parametrize(
    "one, other, words",
    [
        ([1, 2, 3], [1, 2, 3, 4], r"one result for each seed.*\(3,\) and \(4,\)"),
        ([1, 2], [1, 2], "three seeds or more"),
        ([[1, 2, 3]], [[1, 2, 3]], r"\(1, 3\)"),
        ([1, 2, np.nan], [1, 2, 3], "must not be left out"),
        ([1, 2, 3], [1, 2, np.inf], "not a number, or infinite"),
    ],
)
def test_what_cannot_be_compared(one, other, words):
    with pytest.raises(ValueError, match=words):
        compare(one, other)


# One more run


def test_the_next_run_lies_in_its_interval_in_95_of_100_cases():
    rng = np.random.default_rng(0)
    for n in (3, 5):
        runs = rng.normal(0.98, 0.002, (4000, n + 1))
        inside = [low <= last <= high for *rest, last in runs for low, high in [ends(rest)]]
        assert 0.94 < np.mean(inside) < 0.96


def ends(values):
    found = predict(values)
    return found.low, found.high


def test_the_range_of_three_runs_would_miss_half_of_the_next_ones():
    """Why it is not the lowest to highest."""
    runs = np.random.default_rng(0).normal(size=(4000, 4))
    missed = (runs[:, 3] > runs[:, :3].max(axis=1)) | (runs[:, 3] < runs[:, :3].min(axis=1))
    assert 0.45 < missed.mean() < 0.55


def test_a_reported_number_is_judged_with_its_rounding():
    found = predict([0.970, 0.972, 0.974])
    assert found.mean == pytest.approx(0.972) and found.runs == 3
    assert found.verdict(0.972, 4) == "inside"
    assert (found.verdict(0.99, 4), found.verdict(0.95, 4)) == ("above", "below")
    just_above = found.high + 0.0004
    assert found.verdict(just_above, 3) == "inside" and found.verdict(just_above, 4) == "above"
    assert found.verdict(found.low - 0.0004, 3) == "inside"


@pytest.mark.parametrize("values", [[], [0.9], [[0.9, 0.8]], [0.9, np.nan], [0.9, np.inf]])
def test_one_run_predicts_nothing(values):
    with pytest.raises(ValueError, match="two runs or more"):
        predict(values)
