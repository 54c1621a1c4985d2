"""The live piece train-lenet, operated in a real browser and compared with Keras."""

import base64
import re
import shutil
import zlib

import firefox
import keras
import numpy as np
import pytest
from cnnlab import data, pieces
from cnnlab.pieces import given, networks
from serving import served

SMALL = {"digits": 50, "network": "dense"}  # an epoch is one step, and quick
USUAL = {
    **{"digits": 2000, "network": "lenet", "rule": "adam", "rate": 0.003, "batch": 50},
    **{"dropout": 0, "decay": 0, "pixels": "usual", "wrong": 0, "seed": 1},
}


def press(tab, name):
    tab.piece.get_by_role("button", name=name, exact=True).click()


def wait(tab, condition):
    """For something that the piece has."""
    tab.wait_for_function(f"piece => {condition}", arg=tab.piece.element_handle())


def rest(tab):
    press(tab, "pause")
    wait(tab, "piece.runs.every(run => !run.busy)")


DIRECTLY = """async (piece, [settings, steps]) => {
    const digits = await cnn.runs.unpack(cnn.digits), run = new cnn.runs.Run(digits, settings);
    for (let step = 0; step < steps; step++) run.step();
    return [Array.from(run.net.values), run.measured, run.answers];
}"""


def directly(tab, steps, **settings):
    """The same run without a worker: its weights, what it has measured, its last answers."""
    return tab.piece.evaluate(DIRECTLY, [USUAL | settings, steps])


def weights(tab, run=0):
    return tab.piece.evaluate("(piece, at) => Array.from(piece.runs[at].net.values)", run)


def images(tab, name="images", **settings):
    """What a run learns from, as the page makes it: (N, 28, 28, 1)."""
    script = """async (piece, [settings, name]) => {
        const made = cnn.runs.prepare(await cnn.runs.unpack(cnn.digits), settings);
        return made[name].map((image) => Array.from(image));
    }"""
    made = tab.piece.evaluate(script, [USUAL | settings, name])
    return np.reshape(made, (-1, 28, 28, 1))


# ---- The digits


def test_the_script_holds_the_digits_of_the_course():
    text = (pieces.FOLDER / "digits.js").read_text("utf-8")
    assert networks.digits_script() == text and len(text) < 400_000
    labels, numbers = re.search(r'"labels":"(\d+)","numbers":"(.*?)"', text).groups()
    pairs = np.frombuffer(zlib.decompress(base64.b64decode(numbers)), np.uint8)
    grey = np.stack([pairs >> 4, pairs & 15], axis=1).reshape(-1, 28, 28, 1)
    mnist = data.load("mnist", "sample")
    learn, check = np.random.default_rng(0).permutation(2000), slice(3000, 4000)
    assert np.abs(grey[:2000] / 15 - mnist.x_train[learn]).max() < 0.5 / 15 + 1e-6
    assert np.abs(grey[2000:] / 15 - mnist.x_train[check]).max() < 0.5 / 15 + 1e-6
    truth = np.concatenate([mnist.y_train[learn], mnist.y_train[check]])
    assert labels == "".join(map(str, truth))
    assert len(set(labels[:50])) == 10  # the smallest choice has all digits


# ---- The same in Keras


def code(tab, **settings):
    return tab.piece.evaluate("(piece, settings) => cnn.runs.kerasCode(settings)", settings)


@pytest.mark.parametrize(
    "settings",
    [
        {"network": "lenet", "rule": "adam", "rate": 0.003, "batch": 10, "seed": 7},
        {"network": "shared", "rule": "momentum", "rate": 0.03, "pixels": "sides", "wrong": 0.5},
        {"network": "dense", "rule": "sgd", "rate": 0.1, "decay": 1, "pixels": "shuffled"},
    ],
    ids=["lenet", "shared", "dense"],
)
def test_the_copied_code_gives_the_same_training(open_piece, settings):
    tab = open_piece("train-lenet")
    settings = USUAL | {"digits": 50, "batch": 10} | settings
    text = code(tab, **settings).replace("epochs = 5\n", "epochs = 2\n")
    names = {}
    exec(text.replace("verbose=2", "verbose=0"), names)
    model = names["model"]
    values, *_ = directly(tab, 10, **settings)
    end = np.concatenate([w.ravel() for w in model.get_weights()])
    start = np.concatenate([w.ravel() for w in names["weights"]])
    assert np.abs(end - start).max() > 0.003
    assert np.allclose(values, end, atol=1e-4)
    assert np.allclose(images(tab, **settings), names["x_train"], atol=1e-6)
    assert np.allclose(images(tab, "valImages", **settings), names["x_val"], atol=1e-6)


def test_code_with_dropout_says_that_it_draws_its_own_lots(open_piece):
    tab = open_piece("train-lenet")
    text = code(tab, **USUAL | {"digits": 50, "dropout": 0.5})
    names = {}
    exec(text.replace("epochs = 5\n", "epochs = 1\n").replace("verbose=2", "verbose=0"), names)
    *_, dropout, last = names["model"].layers
    assert isinstance(dropout, keras.layers.Dropout) and dropout.rate == 0.5 and last.units == 10
    assert "Dropout draws lots of its own here" in text


def own_model(end=None, **convolution):
    """A model that is none of the piece's own."""
    keras.utils.set_random_seed(5)
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            keras.layers.Conv2D(8, **{"kernel_size": 3, "activation": "relu"} | convolution),
            keras.layers.MaxPooling2D(),
            keras.layers.Conv2D(5, 4, activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(33, activation="relu"),
            keras.layers.Dense(10, activation=end),
        ]
    )


@pytest.mark.parametrize("end", [None, "softmax"])
def test_ten_steps_from_a_model_of_the_readers_own_equal_keras(open_piece, end):
    model = own_model(end)
    start = np.concatenate([w.ravel() for w in model.get_weights()])
    tab = open_piece("train-lenet", model=model, digits=50, batch=10)
    assert tab.words().startswith(f"{start.size:,} weights, as your model has them.")
    assert np.array_equal(np.float32(weights(tab)), start)
    press(tab, "one step")
    wait(tab, "piece.runs[0].told?.steps === 1")
    tab.piece.evaluate("piece => piece.runs[0].go(9)")
    wait(tab, "piece.runs[0].told.steps === 10")
    text = tab.piece.evaluate("piece => piece.runs[0].code.value")
    names = {"model": model}
    exec(text.replace("epochs = 5\n", "epochs = 2\n").replace("verbose=2", "verbose=0"), names)
    ended = np.concatenate([w.ravel() for w in names["model"].get_weights()])
    assert np.allclose(weights(tab), ended, atol=1e-4) and np.abs(ended - start).max() > 0.01
    assert np.array_equal(np.concatenate([w.ravel() for w in model.get_weights()]), start)
    press(tab, "back to the start")
    assert np.array_equal(np.float32(weights(tab)), start)
    sizes = tab.piece.get_by_role("table", name="size of the gradient").locator("th")
    assert sizes.all_inner_texts() == [
        *("convolution", "convolution 2", "dense", "output"),
    ]
    tab.piece.get_by_label("a second run beside it").check()
    second = tab.piece.get_by_role("group", name="second run")
    second.get_by_label("network").select_option("LeNet")
    assert len(weights(tab, 1)) == 19_670
    second.get_by_label("network").select_option("your model")
    second.get_by_label("dropout").select_option("50 %")
    assert np.array_equal(np.float32(weights(tab, 1)), start)


def layered(*layers, size=(28, 28, 1)):
    return keras.Sequential([keras.Input(size), *layers])


Conv2D, Dense, Flatten = keras.layers.Conv2D, keras.layers.Dense, keras.layers.Flatten


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda: own_model(activation="tanh"), "'conv2d.*' .*activation must be relu, not tanh"),
        (lambda: own_model(strides=2), "conv2d.* strides 1, padding"),
        (lambda: own_model(padding="same"), "conv2d.* strides 1, padding"),
        (lambda: own_model(use_bias=False), "conv2d.* it has no biases"),
        (lambda: own_model(trainable=False), "conv2d.* it is frozen"),
        (lambda: own_model(kernel_size=(3, 5)), "square, not 3 × 5"),
        (lambda: own_model("relu"), "'dense.*' .*must be linear or softmax, not relu"),
        (lambda: layered(Flatten(), Dense(9)), "there are ten digits, and it has 9 neurons"),
        (lambda: layered(Dense(9, activation="relu"), Flatten()), "it needs a Flatten before it"),
        (lambda: layered(Flatten()), "must end with one Dense layer of 10. train-lenet can train"),
        (
            lambda: layered(Flatten(), keras.layers.Dropout(0.5), Dense(10)),
            "dropout.* leave it out, and choose the dropout in the piece",
        ),
        (lambda: layered(Flatten(), keras.layers.BatchNormalization(), Dense(10)), "not known to"),
        (
            lambda: layered(keras.layers.MaxPooling2D(3), Flatten(), Dense(10)),
            "its windows must be 2 × 2",
        ),
        (
            lambda: layered(Flatten(), Dense(10), size=(32, 32, 1)),
            r"\(28, 28, 1\), not \(32, 32, 1\)",
        ),
        (
            lambda: layered(Flatten(), Dense(500, activation="relu"), Dense(10)),
            "397,510 parameters; train-lenet takes up to 300,000",
        ),
        (lambda: "lenet", "model"),
    ],
)
def test_a_model_that_the_page_cannot_train_is_refused_in_words(model, message):
    with pytest.raises(ValueError, match=message):
        pieces.show("train-lenet", model=model())


def test_a_model_and_a_network_cannot_both_be_given():
    with pytest.raises(ValueError, match="a model or a network, not both"):
        pieces.show("train-lenet", model=own_model(), network="dense")


def test_it_measures_loss_and_accuracy_as_keras_does(open_piece):
    tab = open_piece("train-lenet")
    settings = USUAL | SMALL | {"wrong": 0.2}
    names = {}
    exec(code(tab, **settings).replace("epochs = 5\n", "epochs = 0\n"), names)
    values, measured, _ = directly(tab, 30, **settings)
    model, used, arrays = names["model"], 0, []
    for old in model.get_weights():
        arrays.append(np.reshape(values[used : used + old.size], old.shape))
        used += old.size
    model.set_weights(arrays)
    assert [point["epoch"] for point in measured] == [0, 10, 20, 30]
    for part, loss, accuracy in (("train", "loss", "accuracy"), ("val", "valLoss", "valAccuracy")):
        found = model.evaluate(names[f"x_{part}"], names[f"y_{part}"], verbose=0)
        assert np.allclose([measured[-1][loss], measured[-1][accuracy]], found, atol=1e-4)
    assert measured[-1]["accuracy"] > 0.9 and measured[-1]["valAccuracy"] < 0.7


def test_wrong_labels_are_wrong_and_about_as_many_as_wanted(open_piece):
    tab = open_piece("train-lenet")
    taught = """async (piece, settings) => {
        const digits = await cnn.runs.unpack(cnn.digits);
        const { labels } = cnn.runs.prepare(digits, settings);
        return [labels, Array.from(digits.labels.slice(0, labels.length))];
    }"""
    for share, spread in ((0, 0), (0.2, 0.03), (1, 0)):
        labels, truth = map(np.array, tab.piece.evaluate(taught, USUAL | {"wrong": share}))
        assert abs(np.mean(labels != truth) - share) <= spread
        assert labels.min() == 0 and labels.max() == 9


# ---- Training


def test_the_worker_trains_as_told_and_the_page_shows_it(open_piece):
    tab = open_piece("train-lenet", **SMALL)
    assert tab.words().startswith("50,890 weights by lot, seed 1. It has not learned anything.")
    assert tab.workers == []
    press(tab, "train")
    wait(tab, "piece.runs[0].history.length > 1")
    assert len(tab.workers) == 1 and tab.workers[0].url.startswith("blob:")
    rest(tab)
    steps = tab.piece.evaluate("piece => piece.runs[0].told.steps")
    values, measured, answers = directly(tab, steps, **SMALL)
    assert weights(tab) == values
    assert tab.piece.evaluate("piece => piece.runs[0].history") == measured
    last = measured[-1]
    assert tab.words().startswith(
        f"Step {steps}. After {last['epoch']} epochs it reads {100 * last['accuracy']:.1f}\u00a0% "
        f"of the training digits and {100 * last['valAccuracy']:.1f}\u00a0% of the validation"
    )
    # The mistakes: as many as there are, the first ones shown with what the network says.
    truth = data.load("mnist", "sample").y_train[3000:4000]
    wrong = np.flatnonzero(np.array(answers) != truth)
    caption = tab.piece.locator("figcaption").filter(has_text="validation digits are read wrongly")
    assert caption.inner_text().startswith(f"{len(wrong)} of 1,000 validation digits")
    shown = tab.piece.locator(".mistake").all_inner_texts()
    assert [int(text) for text in shown] == [answers[i] for i in wrong[:16]]
    seen = tab.piece.locator(".mistake canvas").first.evaluate(
        "c => Array.from(c.getContext('2d').getImageData(0, 0, 28, 28).data)"
    )
    first = data.load("mnist", "sample").x_train[3000 + wrong[0]]
    assert np.corrcoef(seen[::4], first.ravel())[0, 1] > 0.99


def test_one_step_and_back_to_the_start(open_piece):
    tab = open_piece("train-lenet", **SMALL, batch=10)
    start = weights(tab)
    for steps in (1, 2):
        press(tab, "one step")
        wait(tab, f"piece.runs[0].told?.steps === {steps}")
    assert tab.words().startswith("Step 2. Before the first step it reads ")
    assert weights(tab) == directly(tab, 2, **SMALL, batch=10)[0]
    sizes = tab.piece.get_by_role("table", name="size of the gradient").locator("td:last-child")
    told = tab.piece.evaluate("piece => piece.runs[0].told.sizes")
    assert [float(text) for text in sizes.all_inner_texts()] == pytest.approx(told, abs=6e-4)
    press(tab, "back to the start")
    assert weights(tab) == start and "It has not learned anything" in tab.words()
    tab.piece.get_by_label("seed").fill("2")
    assert weights(tab) != start and "seed 2" in tab.words()
    press(tab, "one step")
    wait(tab, "piece.runs[0].told?.steps === 1")
    assert weights(tab) == directly(tab, 1, **SMALL, batch=10, seed=2)[0]


def test_a_second_run_has_the_same_start_and_keeps_step(open_piece):
    tab = open_piece("train-lenet", **SMALL)
    press(tab, "train")
    wait(tab, "piece.runs[0].epoch >= 10")
    rest(tab)
    before = tab.piece.evaluate("piece => piece.runs[0].epoch")
    tab.piece.get_by_label("a second run beside it").check()
    second = tab.piece.get_by_role("group", name="second run")
    second.get_by_label("dropout").select_option("50 %")
    assert weights(tab, 1) == directly(tab, 0, **SMALL)[0]  # the first run's start
    press(tab, "go on")
    wait(tab, f"piece.runs[0].epoch > {before} && piece.runs[1].epoch > {before}")
    rest(tab)
    first, other = tab.piece.evaluate("piece => piece.runs.map(run => run.epoch)")
    assert abs(first - other) <= 10  # not more than from one measurement to the next
    assert weights(tab, 1) == directly(tab, round(other), **SMALL, dropout=0.5)[0]
    assert weights(tab) == directly(tab, round(first), **SMALL)[0]
    assert "First run: Step" in tab.words() and "Second run: Step" in tab.words()
    axes = [plot.text_content() for plot in tab.piece.locator("svg.plot").all()]
    assert axes[:2] == axes[2:]  # of both runs alike
    second.get_by_label("learning rate").select_option("0.01")  # only this one begins anew
    assert tab.piece.evaluate("piece => piece.runs.map(run => run.epoch)") == [first, 0]
    tab.piece.get_by_label("a second run beside it").uncheck()
    assert tab.piece.get_by_role("group", name="second run").count() == 0


def test_a_run_that_diverges_stops_and_says_so(open_piece):
    tab = open_piece("train-lenet", digits=50, network="dense", rule="momentum", rate=1, decay=3)
    press(tab, "train")
    wait(tab, "piece.runs[0].told?.diverged")
    assert "the training has diverged. Go back to the start with a lower learning" in tab.words()
    assert tab.piece.get_by_role("button", name="go on", exact=True).is_visible()
    assert "NaN" not in tab.piece.locator("section").inner_text()


def test_a_network_that_has_diverged_answers_nothing(open_piece):
    tab = open_piece("train-lenet", digits=50, network="dense", rate=1)
    press(tab, "one step")
    wait(tab, "piece.runs[0].told?.answers && !piece.runs[0].busy")
    tab.piece.evaluate(
        """piece => {
            const [run] = piece.runs;
            run.net.values.fill(NaN);
            run.told.answers.fill(-1);
            run.told.sizes.fill(NaN);
            run.told.diverged = true;
            Object.assign(run.history.at(-1), { loss: NaN, valLoss: NaN });
            piece.update();
        }"""
    )
    text = tab.piece.locator("section").inner_text()
    assert "the training has diverged" in text and "It gives no answers any more." in text
    assert "Of the drawing" not in text and "NaN" not in text and "-1" not in text
    assert tab.piece.locator(".mistake").count() == 0
    for table in ("what the network says", "size of the gradient of each layer"):
        last = tab.piece.get_by_role("table", name=table).locator("td:last-child")
        assert set(last.all_inner_texts()) == {"–"}
    assert "to no number" in tab.piece.locator("svg.plot").first.get_attribute("aria-label")


def test_a_run_waits_while_the_piece_is_taken_out(open_piece):
    tab = open_piece("train-lenet", **SMALL)
    press(tab, "train")
    wait(tab, "piece.runs[0].history.length > 0")
    tab.evaluate(
        """async () => {
            globalThis.gone = document.querySelector("cnn-train-lenet");
            gone.remove();
            const idle = () => !gone.runs[0].busy;
            while (!idle()) await new Promise((done) => setTimeout(done, 20));
            globalThis.steps = gone.runs[0].told.steps;
        }"""
    )
    assert tab.evaluate("gone.runs[0].told.steps === steps && !gone.runs[0].busy")
    tab.evaluate("document.querySelector('main').append(gone)")
    wait(tab, "piece.runs[0].told.steps > steps")


# ---- Drawing


def test_the_network_just_trained_reads_the_drawing(open_piece):
    tab = open_piece("train-lenet", digits=200, network="dense", rate=0.01)
    press(tab, "train")
    wait(tab, "piece.runs[0].epoch >= 6")
    rest(tab)
    steps = tab.piece.evaluate("piece => piece.runs[0].told.steps")
    values, *_ = directly(tab, steps, digits=200, network="dense", rate=0.01)
    seen = np.reshape(tab.piece.evaluate("piece => cnn.toRows(piece.prepared)"), (1, 784))
    w1, b1, w2, b2 = np.split(np.array(values), np.cumsum([784 * 64, 64, 640]))
    hidden = np.maximum(seen @ w1.reshape(784, 64) + b1, 0)
    scores = hidden @ w2.reshape(64, 10) + b2
    shares = np.exp(scores - scores.max()) / np.exp(scores - scores.max()).sum()
    assert np.allclose(tab.result(), shares[0], atol=1e-4)
    assert np.argmax(shares) == 3 and "Of the drawing it says 3, with" in tab.words()
    pad = tab.piece.get_by_role("application", name="drawing surface")
    pad.focus()
    tab.keyboard.press("Delete")
    assert "Of the drawing" not in tab.words()
    tab.keyboard.press("Home")
    for key in (" ", *["ArrowDown"] * 9, " "):
        tab.keyboard.press(key)
    assert "Of the drawing it says" in tab.words() and tab.words().startswith("Pen up, column")
    assert tab.result() != pytest.approx(shares[0], abs=1e-3)
    tab.keyboard.press("Control+z")
    assert "Of the drawing" not in tab.words()


# ---- In a page of the site


def site(tmp_path, name="page.html"):
    """A page as the site builds them, on disk."""
    ignore = shutil.ignore_patterns("*.py", "__pycache__")
    shutil.copytree(pieces.FOLDER, tmp_path / "pieces", ignore=ignore)
    page = tmp_path / name
    page.write_text(
        '<!doctype html><meta charset="utf-8"><script src="pieces/load.js"></script>'
        '<body><article><cnn-train-lenet data-given=\'{"network":"dense"}\'></cnn-train-lenet>'
    )
    return page


def test_from_disk_the_digits_come_when_they_are_wanted_and_the_address_keeps_the_settings(
    browser, tmp_path
):
    page = site(tmp_path)
    tab, asked, problems = browser.new_page(), [], []
    tab.on("request", lambda request: asked.append(request.url.rpartition("/")[2]))
    tab.on("pageerror", lambda error: problems.append(str(error)))
    tab.goto(page.as_uri() + "?x=1#train-lenet")
    tab.piece = tab.locator("cnn-train-lenet")
    tab.words = lambda: tab.piece.locator(".words").inner_text()
    assert tab.words().startswith("50,890 weights by lot")
    assert "training.js" in asked and "digits.js" not in asked
    sizes = sum((pieces.FOLDER / name).stat().st_size for name in asked if name.endswith(".js"))
    assert sizes < 200_000
    tab.piece.get_by_label("digits").select_option("50")
    tab.piece.get_by_label("learning rate").select_option("0.01")
    tab.piece.get_by_label("a second run beside it").check()
    tab.piece.get_by_label("dropout").last.select_option("50 %")
    assert tab.url.endswith("?x=1&train-lenet=digits-50_rate-0.01__dropout-0.5#train-lenet")
    press(tab, "one step")
    wait(tab, "piece.runs.every(run => run.told?.steps === 1)")
    assert "digits.js" in asked
    kept = tab.piece.evaluate("piece => piece.runs.map(run => run.settings)")
    tab.reload()
    assert tab.piece.evaluate("piece => piece.runs.map(run => run.settings)") == kept
    assert kept[0] == USUAL | {"network": "dense", "digits": 50, "rate": 0.01}
    assert kept[1] == kept[0] | {"dropout": 0.5}
    tab.goto(page.as_uri() + "?train-lenet=digits-51_rate-0.03_network-x_constructor-1_seed-5000_x")
    settings = tab.piece.evaluate("piece => piece.runs[0].settings")
    assert settings == USUAL | {"network": "dense", "rate": 0.03}  # what is not known is left out
    assert problems == []
    tab.close()


def test_digits_that_do_not_come_are_asked_for_again(browser, tmp_path):
    tab = browser.new_page()
    tab.goto(site(tmp_path).as_uri())
    tab.piece = tab.locator("cnn-train-lenet")
    digits, away = tmp_path / "pieces" / "digits.js", tmp_path / "digits.js"
    digits.rename(away)
    press(tab, "train")
    tab.piece.get_by_text("The digits could not be loaded. Check your connection").wait_for()
    away.rename(digits)
    press(tab, "train")
    wait(tab, "piece.runs[0].history.length > 0")
    tab.close()


def test_a_notebook_keeps_its_own_address(open_piece):
    tab = open_piece("train-lenet", **SMALL)
    before = tab.url
    tab.piece.get_by_label("batch").select_option("10")
    assert tab.url == before


TRAIN = """(async () => {
    const piece = document.querySelector("cnn-train-lenet");
    const until = async (holds) => {
        while (!holds()) await new Promise((done) => setTimeout(done, 50));
    };
    await until(() => piece.shadowRoot);
    const buttons = [...piece.shadowRoot.querySelectorAll("button")];
    buttons.find((button) => button.textContent === "train").click();
    await until(() => piece.runs[0].epoch >= 10);
    return [piece.runs[0].told.steps, piece.runs[0].history];
})()"""


@pytest.mark.skipif(firefox.PROGRAM is None, reason=firefox.MISSING)
def test_firefox_and_chromium_train_alike(open_piece, tmp_path):
    page = site(tmp_path, "firefox.html")
    page.write_text(page.read_text().replace('"network":"dense"', '"network":"lenet","digits":50'))
    profile = tmp_path / "profile"
    profile.mkdir()
    with served(tmp_path) as address, firefox.firefox(profile) as fox:
        fox.open(address, page.name)
        steps, history = fox.evaluate(TRAIN)
    tab = open_piece("train-lenet")
    _, measured, _ = directly(tab, steps, digits=50)
    assert history == measured[: len(history)] and len(history) >= 2


# ---- What it takes


def test_python_and_the_page_know_the_same_choices(open_piece):
    tab = open_piece("train-lenet")
    choices = tab.piece.evaluate("piece => cnn.runs.CHOICES")
    assert {name: tuple(options) for name, options in choices.items()} == given.TRAINING
    assert tab.piece.evaluate("piece => cnn.runs.DEFAULTS") == pieces.PIECES["train-lenet"]()
    tab.again(second={"dropout": 0.5, "network": "shared"}, seed=3, digits=100)
    settings = tab.piece.evaluate("piece => piece.runs.map(run => run.settings)")
    assert settings[0] == USUAL | {"seed": 3, "digits": 100}
    assert settings[1] == settings[0] | {"dropout": 0.5, "network": "shared"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"digits": 60}, "digits must be one of 50, 100, .*, 2000, got 60"),
        ({"network": "LeNet-5"}, '"dense", "shared" or "lenet", got \'LeNet-5\''),
        ({"rate": [0.1, 0.2]}, "rate must be one of"),
        ({"wrong": True}, "wrong must be one of 0, 0.1, 0.2, 0.5, 1, got True"),
        ({"seed": 1000}, "seed must be a whole number from 0 to 999"),
        ({"second": {"speed": 1}}, "second must be a dict of settings .* some of digits, network"),
        ({"second": {"dropout": 0.3}}, r'second\["dropout"\] must be one of 0, 0.2'),
    ],
)
def test_what_it_cannot_start_with_is_refused_in_words(settings, message):
    with pytest.raises(ValueError, match=message):
        pieces.show("train-lenet", **settings)


def test_with_two_runs_it_is_accessible_too(open_piece):
    from axe_playwright_python.sync_playwright import Axe

    tab = open_piece("train-lenet", **SMALL, second={"rate": 0.01}, width=390)
    press(tab, "one step")
    wait(tab, "piece.runs.every(run => run.told?.steps === 1)")
    violations = Axe().run(tab).response["violations"]
    assert [(v["id"], node["html"]) for v in violations for node in v["nodes"]] == []
    inner = tab.piece.locator("section").evaluate("s => [s.scrollWidth, s.clientWidth]")
    assert inner[0] <= inner[1]
