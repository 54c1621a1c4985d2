"""A source's numbers beside runs of our own: could each be one more run? (Appendix.)"""

from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

import numpy as np

from cnnlab.comparisons import Prediction, predict
from cnnlab.models import SYSTEMS, VARIANTS
from cnnlab.records import RESULTS, NoRecords, records

__all__ = ["ENDS", "JUDGED", "Reported", "form", "words"]

JUDGED = ("inside", "above", "below", "too wide to tell")  # verdicts that rest on our runs
# Quantities of the finished network; the others are read on the way.
ENDS = {
    "test_accuracy": "test accuracy",
    "best_test_accuracy": "best epoch, by the test set",
    "test_loss": "test loss",
    "train_loss": "training loss",
}
WIDE_LOSS, WIDE_SHARE = 100, 0.05  # intervals that hardly a number could contradict


def is_loss(what):
    return "loss" in what and not what.endswith(("_epoch", "_at_lowest_loss"))


def words(what):
    """The name of a quantity of systems.toml, for people."""
    text = what.replace("first_epoch_", "epoch 1: ").replace("train_", "training_")
    return ENDS.get(what) or text.replace("_", " ")


def form(what, value):
    """A value of a quantity as text."""
    if what.endswith("_epoch"):
        return f"{value:.0f}"
    if not is_loss(what):
        return f"{100 * value:.2f}\N{NO-BREAK SPACE}%"
    if value < 1e-4:
        return f"{value:.1e}".replace("e-0", "e-")
    return np.format_float_positional(value, precision=3, fractional=False, trim="-")


@dataclass(frozen=True)
class Reported:
    """A system of the sources and our runs of it.

    `key` is a name in `cnnlab.models.SYSTEMS` or `VARIANTS`; the records lie in `folder`. Without
    a record, `runs` is empty.
    """

    key: str
    folder: object = RESULTS

    @property
    def system(self):
        return SYSTEMS.get(self.key) or VARIANTS[self.key]

    @cached_property
    def runs(self):
        try:
            return records(self.key, self.folder)
        except NoRecords:
            return []

    @property
    def epochs(self):
        """How many epochs our runs have, and how many their recipe says."""
        return len(self.runs[0]["epochs"]), self.runs[0]["recipe"]["epochs"]

    def ours(self, what):
        """A reported quantity in each of our runs, an array; or a text: why there is none."""
        what = what.removeprefix("second_").removeprefix("text_")  # the source's, told once more
        if not self.runs:
            return "no record"
        if self.runs[0]["recipe"] != self.system.recipe | self.system.assumed:
            return "other recipe"
        if self.epochs[0] < self.epochs[1] and not what.startswith("first_epoch"):
            return "unfinished"
        if what == "train_accuracy" and self.system.source == "lee":  # it tests the finished net
            return np.array([run["train"]["accuracy"] for run in self.runs])
        return np.array([_value(run["epochs"], what) for run in self.runs])

    def one_more(self, what):
        """The 95 % interval for one more run, a `Prediction`; None without two runs.

        Losses differ by factors, so theirs is the interval of the logarithms. Shares end at 0 and
        1, epochs at the first and the last.
        """
        values = self.ours(what)
        if isinstance(values, str) or len(values) < 2:
            return None
        if is_loss(what):
            found = predict(np.log(values))
            return Prediction(found.runs, *np.exp([found.mean, found.low, found.high]))
        found = predict(values)
        least, most = (1, self.epochs[1]) if what.endswith("_epoch") else (0, 1)
        return Prediction(found.runs, found.mean, max(found.low, least), min(found.high, most))

    def verdict(self, what, theirs=None):
        """Is the reported number, with its rounding, inside the interval, "above" or "below" it?

        "too wide to tell": inside, but of an interval from a loss to more than 100 times as much,
        or over more than 5 points of accuracy, or half of all epochs. Without an interval, the
        reason. `theirs` is a number in place of the reported one.
        """
        values, found = self.ours(what), self.one_more(what)
        if found is None:
            return values if isinstance(values, str) else "one run"
        theirs = self.system.reported[what] if theirs is None else theirs
        # Programs print 0.98 for 0.9800; texts round to 99.3 %.
        places = -Decimal(repr(theirs)).as_tuple().exponent if isinstance(theirs, float) else 0
        said = found.verdict(theirs, 4 if "accuracy" in what and places < 3 else places)
        if is_loss(what):
            wide = found.high > WIDE_LOSS * found.low
        else:
            most = self.epochs[1] / 2 if what.endswith("_epoch") else WIDE_SHARE
            wide = found.high - found.low > most
        return "too wide to tell" if wide and said == "inside" else said

    def row(self, what):
        """Four texts: what, reported, one more run of ours, verdict."""
        values, found = self.ours(what), self.one_more(what)
        told = self.system.reported.get(what)
        if found:
            low, high = form(what, found.low), form(what, found.high)
            mine = f"{low.removesuffix(high[-2:]) if '%' in low else low} to {high}"
        else:
            mine = "–" if isinstance(values, str) else form(what, values[0])
        if not told:
            return [words(what), "none", mine, "–"]
        said = self.verdict(what) + " (two runs)" * (found is not None and found.runs == 2)
        return [words(what), form(what, told), mine, said]

    def rows(self, names):
        """The rows of the reported quantities that a function wants, those of the end first."""
        told = sorted(self.system.reported, key=lambda what: [*ENDS, what].index(what))
        if not told and self.runs:  # a control of ours
            told = ["test_accuracy"]
        return [self.row(what) for what in told if names(what)]

    @property
    def recipe(self):
        """How our runs were made, in a line."""
        if not self.runs:
            return "No record of it yet."
        run, (done, wanted), count = self.runs[0], self.epochs, len(self.runs)
        told, held = run["recipe"], run["data"]["validation"]
        rate = f" {told['learning_rate']:g}" if told["learning_rate"] else ""
        part = "the last " if told.get("skip") else ""
        part = part or "the first " * (0 < (told["images"] or 0) < 60_000)
        kind = {"mnist": "digits", "cifar10": "photographs"}[told["data"]]
        return (
            f"{count} seed{'s' * (count > 1)}, {done} of {wanted} epochs, {run['precision']}; "
            f"{told['optimizer']}{rate}, batch {told['batch_size']}; {part}"
            f"{run['data']['train']:,} {kind}"
            f"{f', {held:,} more for validation' if held else ''}"
            f"{'; the recipe is partly assumed' if self.system.assumed else ''}"
        )


def _value(epochs, what):
    """A quantity of systems.toml, read from the epochs of a record."""
    base = what.removesuffix("_epoch").removesuffix("_at_lowest_loss")
    kind = next((k for k in ("first_epoch_", "best_", "lowest_") if base.startswith(k)), "")
    name = base.removeprefix(kind).removeprefix("train_")
    column = np.array([row[name] for row in epochs])
    if what.endswith("_at_lowest_loss"):
        place = np.argmin([row["validation_loss"] for row in epochs])
    else:
        places = {"first_epoch_": 0, "best_": column.argmax(), "lowest_": column.argmin()}
        place = places.get(kind, len(column) - 1)
    return int(place) + 1 if what.endswith("_epoch") else column[place]
