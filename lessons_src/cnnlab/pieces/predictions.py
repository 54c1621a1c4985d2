"""Questions that a reader answers before seeing: `ask("cost", …)`, some cells, `answer("cost", …)`.

On the website everything between the two is sealed until the reader commits. In a notebook the
cells between are not yet run. The right answer is never typed: `answer` is given what the cells
have computed, on whatever data there are.
"""

import hashlib
import json
import math
import re
from html import escape

__all__ = ["answer", "ask", "calibration"]

CODE = r"`(.+?)`"

_asked = {}  # name → Question; a kernel's own


class Question:
    """One question: its kind, and what a page needs to ask it."""

    def __init__(self, name, question, kind, given, remarks):
        self.name, self.kind, self.given, self.remarks = name, kind, given, remarks
        self.text = question
        asked = json.dumps([question, kind, given], sort_keys=True)
        # A question that has changed is asked anew.
        self.version = hashlib.sha256(asked.encode()).hexdigest()[:8]

    @property
    def start(self):
        """What the element on the page is given."""
        names = {"name": self.name, "version": self.version, "kind": self.kind}
        return {**names, "question": self.text, **self.given}


def ask(name, question, options=None, *, number=None, close=None, factor=None, between=None,
        order=None, slips=None):  # fmt: skip
    """Ask the reader to commit to a prediction; `answer` with the same name must follow.

    Exactly one of `options`, `number` and `order` says what kind of prediction it is. With each,
    the reader also says how sure they are, from 30 to 99 %.

    Args:
        name: a short name, the only one of its kind in the course.
        question: one sentence or two; `code` and *emphasis* are understood.
        options: the answers to choose from, all texts or all numbers: {option: what to say to
            a reader who chose it}. A list, if there is nothing to say.
        number: the unit of a number to guess, such as "weights" or "%"; "" for none.
        close: how far from the truth a guess still counts as right, in the unit; 0 if it must be
            exact.
        factor: the same as a ratio, for numbers whose scale is the question: 2 accepts from half
            to double the truth.
        between: (lowest, highest): guess with a slider.
        slips: {number: what to say to a reader who guessed it}.
        order: things to put into order. `answer` takes a number for each, and the order is from
            the smallest to the largest; so the question must say of what.

    Raises:
        ValueError: if the question cannot be asked like that.
    """
    if not isinstance(name, str) or not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name):
        raise ValueError(f"The name of a question is like 'two-words', and not {name!r}.")
    if sum(kind is not None for kind in (options, number, order)) != 1:
        raise ValueError(f"Question {name!r} takes exactly one of options, number and order.")
    remarks = {}
    if options is not None:
        choices = list(options)
        remarks = dict(enumerate(options.values())) if isinstance(options, dict) else {}
        kinds = {isinstance(choice, str) for choice in choices}
        if len(choices) < 2 or len(set(choices)) < len(choices) or len(kinds) > 1:
            raise ValueError(
                f"Question {name!r} needs two options or more, all different, "
                f"and all texts or all numbers. It was given {choices}."
            )
        kind, given = "options", {"options": [_plain(choice) for choice in choices]}
        if kinds == {False}:
            given["numbers"] = choices
    elif order is not None:
        if len(order) < 3 or len(set(order)) < len(order):
            raise ValueError(f"Question {name!r} needs three different things to put into order.")
        kind, given = "order", {"order": list(order)}
    else:
        if (close is None) == (factor is None) or (close or 0) < 0 or (factor or 2) <= 1:
            raise ValueError(
                f"Question {name!r} asks for a number. Say what counts as right: either close=, "
                "a distance of 0 or more, or factor=, a ratio above 1."
            )
        kind = "number"
        given = {"unit": number, "close": close, "factor": factor, "between": between}
        given = {key: value for key, value in given.items() if value is not None}
        remarks = dict(slips or {})
    _asked[name] = asked = Question(name, question, kind, given, remarks)
    things = given.get("options") or given.get("order") or []
    listed = "".join(f"<li>{_inline(thing)}</li>" for thing in things)
    fallback = f"<p><strong>{_inline(question)}</strong></p>" + (
        f"<ul>{listed}</ul>" * bool(things)
    )
    _show("prediction", asked.start, fallback, "\n".join([question, *(f"- {t}" for t in things)]))


def answer(name, value):
    """Answer the question: what the cells before have computed.

    Args:
        name: the question's name.
        value: for options that are texts, {option: whether it is the right one}, with exactly one
            that is; for options that are numbers, and for a guessed number, the number; for an
            order, {thing: a number}.

    Raises:
        ValueError: if nothing was asked by this name, or the value is no answer to it.
    """
    if name not in _asked:
        raise ValueError(f"No question {name!r} has been asked. Run the cell with the question.")
    question = _asked[name]
    given = question.given
    if question.kind == "options" and "numbers" in given:
        at = [i for i, option in enumerate(given["numbers"]) if _same(option, value)]
        if not at:
            raise ValueError(f"{value!r} is none of the options of {name!r}: {given['numbers']}.")
        truth, words = at[0], given["options"][at[0]]
    elif question.kind == "options":
        wanted = given["options"]
        if not isinstance(value, dict) or set(value) != set(wanted):
            raise ValueError(f"{name!r} must say of each option whether it is right: {wanted}.")
        right = [option for option in wanted if value[option]]
        if len(right) != 1:
            raise ValueError(f"Of the options of {name!r}, {len(right)} are right: {right}.")
        truth, words = wanted.index(right[0]), right[0]
    elif question.kind == "order":
        if not isinstance(value, dict) or set(value) != set(given["order"]):
            raise ValueError(f"{name!r} must give a number for each of {given['order']}.")
        truth = sorted(given["order"], key=lambda thing: float(value[thing]))
        sizes = [float(value[thing]) for thing in truth]
        if len(set(sizes)) < len(sizes):
            raise ValueError(f"{name!r} has no order: two of the numbers are the same, {sizes}.")
        words = " < ".join(truth)
    else:
        truth = value.item() if hasattr(value, "item") else value
        if not math.isfinite(truth):
            raise ValueError(f"The answer to {name!r} is not a number: {truth}.")
        words = f"{_plain(truth)} {given['unit']}".rstrip().replace(" %", "%")
    remarks = question.remarks
    remark = "" if question.kind == "order" else remarks.get(truth, "")
    start = {"name": name, "version": question.version, "truth": truth, "words": words,
             "remarks": {str(key): _inline(text) for key, text in remarks.items()}}  # fmt: skip
    end = "" if words.endswith((".", "?", "!")) else "."
    fallback = f"<p><strong>Answer: {_inline(words)}{end}</strong> {_inline(remark)}</p>"
    _show("answer", start, fallback, f"Answer: {words}{end} {remark}".rstrip())


def calibration(network):
    """Show how sure a network is and how often it is right, beside the reader's own predictions.

    Args:
        network: (mean probability, fraction that is right) of each bin, both in [0, 1].

    Raises:
        ValueError: if a number lies outside.
    """
    points = [[float(sure), float(right)] for sure, right in network]
    if not all(0 <= value <= 1 for point in points for value in point):
        raise ValueError(f"Probabilities and fractions lie between 0 and 1, got {points}.")
    words = "; ".join(f"{sure:.0%} sure, {right:.0%} right" for sure, right in points)
    fallback = f"<p>The network: {words}. Your own predictions need a page with scripts.</p>"
    _show("calibration", {"network": sorted(points)}, fallback, f"The network: {words}.")


def _same(a, b):
    return math.isclose(float(a), float(b), rel_tol=1e-9)


def _plain(value):
    """A number as it is written, with commas; a text as it is."""
    if isinstance(value, str):
        return value
    whole = float(value).is_integer() or abs(value) >= 1000
    number = f"{value + 0:,.0f}" if whole and abs(value) < 1e15 else f"{float(value):,.4g}"
    return number.replace("-", "−")


def _inline(text):
    """A line of text as HTML, with `code`, *emphasis* and **strong emphasis**."""
    codes = iter(re.findall(CODE, html := escape(str(text), quote=False)))
    html = re.sub(CODE, "``", html)  # what is code has no emphasis
    for pattern, tag in ((r"\*\*(.+?)\*\*", "strong"), (r"\*(.+?)\*", "em")):
        html = re.sub(pattern, rf"<{tag}>\1</{tag}>", html)
    return re.sub("``", lambda _: f"<code>{next(codes, '')}</code>", html)


def _show(name, start, fallback, words):
    from IPython.display import display

    from cnnlab.pieces import element

    html = element(name, start, fallback)
    display({"text/html": html, "text/plain": words}, raw=True)
