"""What the tests make of answers: both ends of the wire in one process, without a sandbox."""

import collections
import decimal
import fractions
import json
import re
import sys
import threading

import numpy as np
import pytest
from classroom import grading, masters, wire

sys.modules.setdefault("wire", wire)  # as the tests' Python knows it
from classroom import examiner  # noqa: E402

MASTERS = masters.find()
NAMES = ["", " ", "None", "Strange", "AssertionError", "StopIteration", "a: b", "x" * 99]


class Desk:
    """An examiner, and a submission that answers with `names`."""

    def __init__(self, folder):
        self.folder, self.asked, self.examiner = folder, 0, examiner.Examiner()
        self.examiner.begin()

    def ask(self, method, names, *arguments):
        self.asked += 1
        address = f"ipc://{self.folder}/{self.asked}"
        answering = threading.Thread(target=wire.serve, args=(address, names), daemon=True)
        answering.start()
        try:
            return getattr(self.examiner, method)(address, *arguments)
        finally:
            answering.join(10)

    def verdict(self, source, **names):
        return json.loads(self.ask("test", names, source, "ann"))


@pytest.fixture
def desk(tmp_path, monkeypatch):
    monkeypatch.setenv("CNNLAB_STUDENT", "ann")
    return Desk(tmp_path)


class Raises(dict):
    """A submission in which whatever a test asks for is a function that raises."""

    def __init__(self, error):
        self.error = error

    def __contains__(self, name):
        return True

    def __getitem__(self, name):
        def answer(*arguments, **options):
            raise self.error

        return answer


@pytest.mark.parametrize("master", MASTERS.values(), ids=MASTERS)
def test_no_exception_however_it_is_called_is_a_pass(desk, master):
    given = [c for c in master.template.cells if masters.label(c) in master.needed]
    for cell in given:
        desk.ask("give", {}, cell.source, "ann")
    for name in NAMES:
        names = Raises(type(name, (Exception,), {})())
        for cell in filter(masters.is_test, master.template.cells):
            verdict = json.loads(desk.ask("test", names, cell.source, "ann"))
            assert verdict["passed"] is False, (name, cell.source)


@pytest.mark.parametrize("name", NAMES)
def test_a_lying_exception_neither_passes_nor_speaks_for_the_test(desk, name):
    def lie(*_):
        raise type(name, (Exception,), {})("all is well")

    for test in ("f(1)", "assert f(1) == 1, 'hm'", "assert all(map(f, [1])), 'hm'"):
        verdict = desk.verdict(test, f=lie)
        assert verdict["passed"] is False and verdict["number"] is None
        assert verdict["name"] == "Exception" and "\n" not in verdict["text"]
        start = "The tests cannot read an answer: " if name == "Strange" else "your code raised "
        assert verdict["text"].startswith(start)
    _, found = json.loads(desk.ask("owners", {"f": lie}, "f(1)", ["bob"], 5))
    assert found == []


def test_a_verdict_says_what_a_test_found(desk):
    assert desk.verdict("assert f(2) == 4, 'hm'", f=lambda x: 2 * x) == {
        "passed": True, "name": "", "text": "", "number": None,
    }  # fmt: skip
    verdict = desk.verdict("assert True, 'a'\nassert f(2) == 4, 'hm'", f=lambda x: x)
    assert (verdict["passed"], verdict["number"], verdict["text"]) == (False, 2, "hm")
    verdict = desk.verdict("f(0)", f=lambda x: 1 / x)
    assert verdict["name"] == "ZeroDivisionError"
    assert (
        verdict["text"] == "your code raised ZeroDivisionError: division by zero [in <lambda>(0)]"
    )
    assert desk.verdict("missing")["text"].startswith("NameError: ")


def wreck(layers, array, table, dice):
    """An answer that changes all it can, and gives one of them back."""
    layers.clear()
    array[...] = 0
    table.clear()
    dice.bit_generator.state = np.random.default_rng(0).bit_generator.state
    return layers


GIVES = """
import numpy as np
layers, array, table, dice = [1, 2], np.ones(3), {"a": [1]}, np.random.default_rng(5)
got = f(layers, array, table, dice)
kept = (layers, table, array.sum()) == ([1, 2], {"a": [1]}, 3)
kept = kept and dice.random() == np.random.default_rng(5).random()
"""


def test_an_answer_does_not_rewrite_what_it_is_compared_with(desk):
    verdict = desk.verdict(GIVES + "assert kept and got == [], 'hm'", f=wreck)
    assert verdict["passed"], verdict
    here = desk.verdict("x = [1]\nassert f(lambda y: y.append(2), x) == [1, 2], 'hm'",
                        f=lambda g, x: g(x) or x)  # fmt: skip
    assert here["passed"], here


def test_a_test_that_asks_sees_what_an_answer_does_to_its_arguments(desk):
    test = GIVES + "assert not kept and got is layers and table == {} and not array.any(), 'hm'"
    verdict = json.loads(desk.ask("test", {"f": wreck}, test, "ann", True))
    assert verdict["passed"], verdict


def test_every_test_of_changed_arguments_asks_to_see_them():
    """Its message says so; without the tag it could not fail."""
    for master in MASTERS.values():
        for cell in filter(masters.is_test, master.template.cells):
            says = re.search(r"(changes|modifies) the \w+ that it was given", cell.source)
            tagged = grading.SEES_CHANGES in cell.metadata.get("tags", ())
            assert tagged >= bool(says), masters.label(cell)


def count(shape, layers):
    """The right answer, which uses up the list that it is given."""
    found = []
    while layers:
        kind, size, *rest = layers.pop(0)
        if kind == "dense":
            inputs, shape = int(np.prod(shape)), (size,)
            found.append((shape, (inputs + 1) * size, inputs * size))
            continue
        lost = size - 1 if kind == "conv" and rest[1] == "valid" else 0
        weights = size * size * shape[2] * rest[0] if kind == "conv" else 0
        divide, maps = (1, rest[0]) if kind == "conv" else (size, shape[2])
        shape = (shape[0] - lost) // divide, (shape[1] - lost) // divide, maps
        found.append((shape, weights + maps if weights else 0, shape[0] * shape[1] * weights))
    return found


def test_an_honest_count_may_use_up_its_list_and_a_liar_may_not(desk):
    def liar(shape, layers):
        if len(layers) == 6:
            return count(shape, layers)
        layers.clear()
        return []

    (test,) = [c for c in MASTERS["03-counting"].graded if masters.label(c) == "count_t"]
    desk.ask("give", {}, "import numpy as np", "ann")
    assert desk.verdict(test.source, count=count)["passed"]
    assert desk.verdict(test.source, count=liar)["text"].startswith("an image of 20 × 31")


def test_of_the_sizes_typed_for_question_1_only_known_mistakes_are_carried_on(desk):
    """Assignment 3: whatever `flat` is, (flat + 1) times the neurons was right."""
    master = MASTERS["03-counting"]
    for cell in master.template.cells:
        if masters.label(cell) in ("setup", "network"):
            desk.ask("give", {}, cell.source, "ann")
    cells = {masters.label(cell): cell.source for cell in master.graded}
    rows, columns, k1, n1, k2, n2, neurons = desk.examiner.names["pick"](
        "network", desk.examiner.names["NETWORKS"]
    )
    up, left = [((size - k1 + 1) // 2 - k2 + 1) // 2 for size in (rows, columns)]
    same = (rows // 2 // 2) * (columns // 2 // 2) * n2  # "same" padding taken
    for flat, passed in [(up * left * n2, True), (same, True), (1, False), (up * left, False)]:
        parameters = [(k1 * k1 * 3 + 1) * n1, (k2 * k2 * n1 + 1) * n2, (flat + 1) * neurons]
        parameters.append((neurons + 1) * 10)
        places = (rows - k1 + 1) * (columns - k1 + 1)
        work = [places * k1 * k1 * 3 * n1, 0, flat * neurons, neurons * 10]
        r, c = [(size - k1 + 1) // 2 - k2 + 1 for size in (rows, columns)]
        work[1] = r * c * k2 * k2 * n1 * n2
        names = {"flat": flat, "parameters": parameters, "total": sum(parameters)}
        assert desk.verdict(cells["parameters_t"], **names)["passed"] is passed
        assert desk.verdict(cells["work_t"], flat=flat, multiply_adds=work)["passed"] is passed


def models():
    import keras
    from keras import layers

    def model(*inside, **options):
        made = keras.Sequential([keras.Input((8, 8, 3)), *inside, layers.Flatten()])
        made.add(layers.Dense(2))
        if options:
            made.compile(**options)
        return made

    x = keras.Input((8, 8, 3))
    sliced = keras.ops.squeeze(keras.ops.expand_dims(x[:, 1:, ..., 0], -1), -1)
    cosine = keras.optimizers.schedules.CosineDecay(0.1, 100)
    glorot = keras.initializers.GlorotUniform(keras.random.SeedGenerator(10**9))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return {
        "schedule": model(optimizer=keras.optimizers.Adam(cosine), loss=loss),
        "metric": model(loss=loss, metrics=[keras.metrics.SparseCategoricalAccuracy()]),
        "own loss": model(loss=lambda y, z: keras.ops.mean(z), metrics=[lambda y, z: z]),
        "ftrl": model(optimizer=keras.optimizers.Ftrl(), loss="mse"),
        "seed": model(layers.Dropout(0.5, seed=10**9), layers.Dense(3, kernel_initializer=glorot)),
        "sizes": model(layers.Resizing(4, 4), layers.CenterCrop(2, 2)),
        "normal": model(layers.Normalization(mean=[0.5] * 3, variance=[2.0] * 3)),
        "orthogonal": model(layers.Dense(3, kernel_regularizer="orthogonal_regularizer")),
        "sliced": keras.Model(x, sliced),
    }


def test_how_a_model_was_trained_does_not_keep_it_from_being_tested(desk):
    pixels = np.random.default_rng(0).random((2, 8, 8, 3)).astype("float32")
    for name, model in models().items():
        verdict = desk.verdict(
            "import numpy as np\nx = np.random.default_rng(0).random((2, 8, 8, 3))\n"
            "assert np.allclose(model(x.astype('float32')), said, atol=1e-5), 'other numbers'",
            model=model, said=np.asarray(model(pixels)),
        )  # fmt: skip
        assert verdict["passed"], (name, verdict)


@pytest.mark.parametrize("shape", [(784,), (28, 28), (28, 28, 1), (4, 4)])
def test_numbers_that_nobody_counts_are_no_weights(desk, shape):
    import keras

    scale = np.ones(shape).tolist()
    rows = (*shape, 1)[:3] if len(shape) > 1 else shape
    net = keras.Sequential([keras.Input(rows), keras.layers.Rescaling(1.0)])
    net.layers[0].scale = scale
    verdict = desk.verdict("net(0)", net=net)
    assert f"a list of {np.prod(shape)} numbers" in verdict["text"]


def test_whatever_is_like_a_number_or_a_list_comes_as_one(desk):
    answers = {
        "sees": collections.deque([3, 4]), "half": fractions.Fraction(1, 2), "rows": {1: 2}.items(),
        "tenth": decimal.Decimal("0.1"), "user": collections.UserList([1]), "z": 1 + 0j,
        "whole": fractions.Fraction(4), "many": range(3),
    }  # fmt: skip
    verdict = desk.verdict(
        "assert isinstance(sees, list) and sees == [3, 4], sees\nassert half == 0.5, half\n"
        "assert tenth == 0.1 and whole == 4 and z == 1, 'hm'\n"
        "assert rows == [(1, 2)] and user == [1] and many == [0, 1, 2], 'hm'",
        **answers,
    )
    assert verdict["passed"], verdict


@pytest.mark.parametrize("test", ["assert sees == [3], 'Five numbers.'", "assert f(1) == 3, 'No.'",
                                  "list(sees)", "assert f(2)[0] == 3, 'No.'"])  # fmt: skip
def test_of_what_cannot_be_read_the_message_says_so(desk, test):
    verdict = desk.verdict(test, sees=iter([3]), f=lambda x: iter([3]) if x < 2 else [iter([3])])
    assert re.search(
        r"The tests cannot read `(sees|<lambda>\(\d\))`: .*list_iterator", verdict["text"]
    )
    assert not verdict["passed"] and (verdict["number"] == 1 or "TypeError" in verdict["text"])
