"""Is one network better than another? What would one more run give? Both judged by an interval."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

__all__ = ["Comparison", "Prediction", "compare", "predict"]


@dataclass(frozen=True)
class Comparison:
    """What `compare` found: the `differences`, one for each seed, their `mean`, and the ends `low`
    and `high` of its 95 % interval; all in `unit`, which may be empty."""

    differences: np.ndarray
    mean: float
    low: float
    high: float
    unit: str = ""

    @property
    def settled(self):
        """Whether the interval leaves 0 out."""
        return self.low > 0 or self.high < 0

    def __str__(self):
        numbers = self.mean, self.low, self.high
        places = [-int(np.floor(np.log10(abs(each) or 1))) for each in numbers]
        digits = 1 if self.unit else max(0, 1 + min(places))
        if self.settled:  # then no end is written as 0
            digits = max(digits, *places)
        mean, low, high = (f"{each:+.{digits}f}".replace("-", "−") for each in numbers)
        unit = f" {self.unit}" if self.unit else ""
        verdict = "" if self.settled else ": not settled"
        return f"{mean}{unit} (95 % interval {low} to {high}){verdict}"


def compare(first, second, *, percent=False):
    """Compare the results of two arms of an experiment, paired: `first` minus `second`.

    Both arms had the same seeds, in the same order: each pair shares its data, their order and,
    where the shapes allow it, the first weights. So the luck of a seed falls out of the difference.
    The interval is that of Student's paired t-test: if the differences are about normally
    distributed, it holds their true mean in 95 of 100 such experiments.

    Args:
        first, second: one number for each seed, at least three.
        percent: the numbers are shares of 1; count their differences in points, which are
            hundredths.

    Returns:
        Comparison. Printed, it is a phrase that says "not settled" if the interval holds 0.

    Raises:
        ValueError: for results that are not finite, or not as many in both arms, or too few.
    """
    first, second = np.asarray(first, float), np.asarray(second, float)
    if first.shape != second.shape or first.ndim != 1 or len(first) < 3:
        raise ValueError(
            "compare needs one result for each seed, from the same three seeds or more in both "
            f"arms; got arrays of shapes {first.shape} and {second.shape}."
        )
    if not np.isfinite([first, second]).all():
        raise ValueError(
            "A result is not a number, or infinite. Look for a run that diverged, and say what "
            "became of it: it must not be left out."
        )
    scale, unit = (100, "points") if percent else (1, "")
    differences = scale * (first - second)
    if np.ptp(differences) == 0:  # no spread, so no interval that SciPy could compute
        low = high = differences[0]
    else:
        low, high = stats.ttest_1samp(differences, 0).confidence_interval(0.95)
    return Comparison(differences, float(differences.mean()), float(low), float(high), unit)


@dataclass(frozen=True)
class Prediction:
    """Where one more run of a recipe would lie, from `low` to `high`, with 95 % certainty; `mean`
    is that of the `runs` there are."""

    runs: int
    mean: float
    low: float
    high: float

    def verdict(self, value, digits):
        """Where a value lies that somebody else got, and gave rounded to so many digits after the
        point: "above", "inside" or "below"."""
        rounded = 0.5 * 10**-digits
        if value - rounded > self.high:
            return "above"
        return "below" if value + rounded < self.low else "inside"


def predict(values):
    """The 95 % prediction interval for one more run of a recipe, from the runs there are.

    It is m ± t·s·√(1 + 1/n), with Student's t for n − 1 degrees of freedom: if runs are about
    normally distributed, it holds the next one in 95 of 100 such cases. With two runs it is so wide
    that it says little. It only asks whether luck alone would do: other causes, such as another
    library, may act and stay unseen.

    Args:
        values: a result of each run, at least two. (Epochs of one run are not runs.)

    Returns:
        Prediction.

    Raises:
        ValueError: for fewer than two values, or one that is not finite.
    """
    values = np.asarray(values, float)
    if values.ndim != 1 or len(values) < 2 or not np.isfinite(values).all():
        raise ValueError(
            f"predict needs a finite result of each of two runs or more, got {values.tolist()}."
        )
    n, mean = len(values), float(values.mean())
    reach = stats.t.ppf(0.975, n - 1) * values.std(ddof=1) * np.sqrt(1 + 1 / n)
    return Prediction(n, mean, float(mean - reach), float(mean + reach))
