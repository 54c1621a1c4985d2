"""The live piece digit-pad, operated in a real browser and compared with Keras."""

import json
import re
import shutil
import string
from pathlib import Path

import keras
import numpy as np
import pytest
from cnnlab import data, pieces, records
from cnnlab.models import SYSTEMS, VARIANTS
from keras import layers

# Of each network that comes with the course: its script and the run whose weights it holds.
SCRIPTS = {"varied": ("lenet5-varied.js", "S15-varied"), "lenet5": ("lenet5.js", "S15")}


@pytest.fixture(scope="module")
def digits():
    mnist = data.load("mnist", "sample")
    return mnist.x_test, mnist.y_test


def written(name="varied"):
    """What a network's script holds."""
    text = (pieces.FOLDER / SCRIPTS[name][0]).read_text(encoding="utf-8")
    return json.loads(text[text.index("{", text.index(f"{name} =")) : text.rindex(";\ndocument")])


def decoded(network):
    """The weights that a script writes down as letters, one array after the other."""
    letters = string.ascii_uppercase + string.ascii_lowercase + string.digits + "+/"
    sizes = [np.prod(shape) for layer in network["layers"] for shape in layer["weights"]]
    steps = np.array([letters.index(letter) - 32 for letter in network["numbers"]])
    return (steps * np.repeat(network["steps"], sizes)).astype("float32")


@pytest.fixture(scope="module")
def lenet():
    """The piece's own LeNet-5 in Keras, with the weights that its script holds."""
    return filled(SYSTEMS["S15"].build(), decoded(written()))


def filled(model, numbers):
    weights, start = [], 0
    for old in model.get_weights():
        weights.append(numbers[start : start + old.size].reshape(old.shape))
        start += old.size
    assert start == numbers.size
    model.set_weights(weights)
    return model


def asked(model, images):
    return np.asarray(keras.ops.cast(model(images, training=False), "float32"))


def softmax(logits):
    shares = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return shares / shares.sum(axis=-1, keepdims=True)


def shown(tab):
    """The probabilities as the reader sees them."""
    texts = tab.piece.get_by_role("table").locator("tr td:last-child").all_inner_texts()
    return np.array([float(text.removesuffix("\u00a0%")) for text in texts]) / 100


def compute(tab, script, *values):
    """What a function of the piece gives. Many numbers travel fast as one text."""
    script = f"(piece, text) => JSON.stringify(({script})(piece, ...JSON.parse(text)))"
    return json.loads(tab.piece.evaluate(script, json.dumps(values)))


def seen(tab, name="seen"):
    return np.array(compute(tab, f"piece => cnn.toRows(piece.{name})"))


def surveyed(tab):
    handle = tab.piece.element_handle()
    tab.wait_for_function("piece => piece.surveyed", arg=handle)
    return tab.piece.evaluate("piece => piece.surveyed")


# ---- The network


def test_logits_of_500_digits_equal_keras(open_piece, lenet, digits):
    images, truth = digits[0][:500], digits[1][:500]
    tab = open_piece("digit-pad")
    ours = compute(
        tab,
        """(piece, images) => images.map(image => Array.from(
            piece.network.run(Float64Array.from(image)).at(-1).data))""",
        images.reshape(500, -1).tolist(),
    )
    ours = np.array(ours)
    assert np.allclose(ours, asked(lenet, images), atol=1e-4)
    assert np.mean(ours.argmax(axis=1) == truth) > 0.85


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_weights_are_those_of_the_recorded_run_to_six_bits(name, digits):
    script, key = SCRIPTS[name]
    write = {"varied": pieces.networks.varied_script, "lenet5": pieces.networks.lenet5_script}[name]
    assert write() == (pieces.FOLDER / script).read_text("utf-8")
    model = SYSTEMS["S15"].build()
    model.load_weights(records.RESULTS / f"{key}-seed0.weights.h5")
    rounded = filled(SYSTEMS["S15"].build(), decoded(written(name)))
    for exact, near in zip(model.get_weights(), rounded.get_weights(), strict=True):
        assert np.abs(exact - near).max() <= np.abs(exact).max() / 62 * 1.001
    right = [np.mean(asked(one, digits[0]).argmax(axis=1) == digits[1]) for one in (model, rounded)]
    assert abs(right[0] - right[1]) < 0.005  # the rounding costs next to nothing
    run = records.records(key)[0]
    assert written(name)["about"]["trained"] == {
        "images": run["data"]["train"],
        "epochs": len(run["epochs"]),
        "seed": 0,
        "accuracy": run["epochs"][-1]["test_accuracy"],
        "variations": name == "varied",
    }


def test_the_record_says_the_variations_and_what_they_brought():
    run = records.records("S15-varied")[0]
    assert run["recipe"] == VARIANTS["S15-varied"].recipe and run["recipe"]["variations"]
    assert run["epochs"][-1]["test_accuracy"] > 0.985
    assert run["epochs"][-1]["varied_accuracy"] > 0.9


def test_it_says_what_the_network_is_from_the_record(open_piece):
    tab = open_piece("digit-pad")
    about = tab.piece.locator(".answer p")
    choice = tab.piece.locator("select[name=trained]")
    for name, how in (("lenet5", "digits"), ("varied", "digits, each also in other hands,")):
        choice.select_option(name)
        trained = written(name)["about"]["trained"]
        assert about.inner_text() == (
            f"LeNet-5, trained on {trained['images']:,} {how} for {trained['epochs']} epochs "
            f"(seed 0): test accuracy {100 * trained['accuracy']:.2f}\u00a0%"
        )


def test_either_network_reads_the_same_drawing(open_piece, lenet):
    tab = open_piece("digit-pad")
    plain = filled(SYSTEMS["S15"].build(), decoded(written("lenet5")))
    for name, model in (("lenet5", plain), ("varied", lenet)):
        tab.piece.locator("select[name=trained]").select_option(name)
        expected = softmax(asked(model, seen(tab)[None, ..., None]))
        assert np.allclose(tab.result(), expected, atol=1e-4)
        assert tab.words().startswith("The network says 3, with")


def chance(model, rng):
    """Random weights; moving averages, scales and offsets too. The values keep their size."""
    for layer in model.layers:
        weights = [rng.normal(0, w[..., 0].size ** -0.5, w.shape) for w in layer.get_weights()]
        if isinstance(layer, layers.BatchNormalization):
            weights[-1] = rng.uniform(0.1, 2, weights[-1].shape)  # the variance
        layer.set_weights(weights)
    return model


def random_chain(rng):
    """A small network of the kinds that the piece knows, with random settings."""

    def pick(*options):
        return options[rng.integers(len(options))]

    def two(low, high):
        return tuple(int(n) for n in rng.integers(low, high + 1, 2))

    def convolution():
        stride, dilation = (two(1, 2), 1) if rng.random() < 0.5 else (1, two(1, 2))
        return layers.Conv2D(
            int(rng.integers(1, 5)), two(1, 4), strides=stride, dilation_rate=dilation,
            padding=pick("valid", "same"), use_bias=bool(rng.random() < 0.7),
            activation=pick(None, "relu", "tanh", "sigmoid"),
        )  # fmt: skip

    def pooling():
        kind = pick(layers.MaxPooling2D, layers.AveragePooling2D)
        return kind(two(1, 3), strides=pick(None, 1, 2), padding=pick("valid", "same"))

    def small():
        return pick(
            layers.BatchNormalization(center=pick(True, False), scale=pick(True, False)),
            layers.ReLU(pick(None, 0.9), pick(0.0, 0.1), pick(0.0, 0.2)),
            layers.Activation("tanh"), layers.Dropout(0.5),
            layers.ZeroPadding2D((two(0, 2), two(0, 2))), layers.Rescaling(0.7, offset=-0.2),
            layers.Dense(3, activation="softmax"), layers.RandomRotation(0.1),
        )  # fmt: skip

    stack = [convolution(), small(), pooling(), small(), convolution(), small(), small()]
    end = pick(layers.Flatten(), layers.GlobalAveragePooling2D())
    last = layers.Dense(int(rng.integers(2, 13)), activation=pick(None, "softmax"))
    return chance(keras.Sequential([keras.Input((28, 28, 1)), *stack, end, last]), rng)


EVERY_LAYER = "piece => piece.outputs.map(({shape, data}) => [shape, Array.from(data)])"


def compare(tab, model, image, chain=None):
    """Every layer's output for the image that the piece sees, and the probabilities."""
    values = image[None]
    outputs = compute(tab, EVERY_LAYER)
    chain = chain or [one for one in model.layers if not isinstance(one, layers.InputLayer)]
    assert len(outputs) == len(chain)
    for layer, (shape, numbers) in zip(chain, outputs, strict=True):
        values = layer(values, training=False)
        expected = np.asarray(keras.ops.cast(values, "float32"))[0]
        assert list(expected.shape) == shape
        assert np.allclose(np.reshape(numbers, shape), expected, atol=1e-4), layer
    ours = np.array(tab.result())
    assert ours.sum() == pytest.approx(1, abs=1e-9)
    assert np.allclose(shown(tab), ours, atol=6e-4)
    return expected, ours


def test_random_networks_equal_keras_in_every_layer(open_piece, digits):
    tab, rng = open_piece("digit-pad"), np.random.default_rng(1)
    models = [random_chain(rng) for _ in range(22)]
    models += [chance(SYSTEMS[name].build(), rng) for name in ("S7", "S14", "S13")]
    for model in models:
        tab.again(model=model, image=digits[0][3])
        last, ours = compare(tab, model, digits[0][3])
        is_softmax = getattr(model.layers[-1].activation, "__name__", "") == "softmax"
        assert np.allclose(ours, last if is_softmax else softmax(last), atol=1e-4)


def test_other_ways_to_write_a_model(open_piece, digits):
    """Functional, one inside the other, other shapes, mixed precision, logits and softmax."""
    tab, image, rng = open_piece("digit-pad"), digits[0][5], np.random.default_rng(2)

    inputs = keras.Input((28, 28, 1))
    inner = keras.Sequential([layers.Conv2D(2, 5, strides=3), layers.ReLU()])
    other = layers.Dense(3)(layers.Flatten()(inputs))  # not on the way to the output
    outputs = layers.Dense(4)(layers.Flatten()(inner(inputs)))
    assert other.shape == (None, 3)
    functional = chance(keras.Model(inputs, layers.Softmax()(outputs)), rng)
    tab.again(model=functional, image=image)
    last, ours = compare(tab, functional, image, [*inner.layers, *functional.layers[2:]])
    assert np.allclose(ours, last, atol=1e-5)

    flat = keras.Sequential([keras.Input((28, 28)), layers.Flatten(), layers.Dense(7)])
    shaped = keras.Sequential([keras.Input((784,)), layers.Reshape((28, 28, -1)), *(
        layers.Conv2D(2, 9, strides=9), layers.GlobalAveragePooling2D(keepdims=True),
        layers.Flatten(), layers.Dense(2))])  # fmt: skip
    mixed = keras.Sequential([keras.Input((28, 28, 1)), layers.Flatten()])
    mixed.add(layers.Dense(3, dtype="mixed_bfloat16"))
    for model in (flat, shaped):
        chance(model, rng)
        tab.again(model=model, image=image)
        compare(tab, model, image.reshape(model.input_shape[1:]))
    tab.again(model=chance(mixed, rng), image=image)
    weights, bias = mixed.layers[-1].get_weights()
    assert weights.dtype == "float32"
    expected = softmax(image.reshape(-1) @ weights + bias)
    assert np.allclose(tab.result(), expected, atol=1e-5)


def test_a_model_that_learned_from_bytes_gets_bytes(open_piece, digits):
    tab, image, rng = open_piece("digit-pad"), digits[0][8], np.random.default_rng(3)
    first_layers = {
        "at once": [layers.Rescaling(1 / 255)],
        "to -1 … 1": [layers.Rescaling(1 / 127.5, offset=-1)],
        "behind padding": [layers.ZeroPadding2D(1), layers.Rescaling(1 / 255)],
        "behind dropout": [layers.Dropout(0.1), layers.RandomFlip(), layers.Rescaling(1 / 255)],
        "inside": [keras.Sequential([layers.Reshape((28, 28, 1)), layers.Rescaling(1 / 255)])],
        "behind a reshape": [layers.Reshape((28, 28, 1)), layers.Rescaling(1 / 255)],
        "said": [layers.Flatten()],
    }
    for name, first in first_layers.items():
        shape = (28, 28) if name == "behind a reshape" else (28, 28, 1)
        model = keras.Sequential([keras.Input(shape), *first])
        model.add(layers.Flatten())
        model.add(layers.Dense(10))
        chance(model, rng)
        tab.again(model=model, image=image, white=255 if name == "said" else None)
        chain = [one for part in model.layers for one in getattr(part, "layers", [part])]
        last, ours = compare(tab, model, 255 * image.reshape(shape), chain)
        assert np.allclose(ours, softmax(last), atol=1e-4), name


# ---- Before the network sees it


def test_pasted_digits_stay_as_they_are_and_are_read_alike(open_piece, lenet, digits):
    """MNIST's own digits are centred and scaled already."""
    images = digits[0][:200, ..., 0]
    results = compute(
        open_piece("digit-pad"),
        """(piece, images) => images.map(rows => {
            piece.paste(rows);
            piece.update();
            return [cnn.toRows(piece.prepared), Array.from(piece.result.data)];
        })""",
        images.tolist(),
    )
    prepared, probabilities = (np.array(part) for part in zip(*results, strict=True))
    alike = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(images, prepared, strict=True)]
    assert min(alike) > 0.95
    expected = asked(lenet, images[..., None])
    assert np.mean(expected.argmax(axis=1) == probabilities.argmax(axis=1)) > 0.98
    assert np.allclose(probabilities, softmax(asked(lenet, prepared[..., None])), atol=1e-4)


def strokes(rng):
    """A few random lines, of which the piece makes a drawing."""
    low, high = np.sort(rng.uniform(1.5, 26.5, 2))
    return rng.uniform(low, max(high, low + 2), (int(rng.integers(2, 7)), 2)).tolist()


def test_images_are_scaled_and_centred(open_piece):
    drawn = compute(
        open_piece("digit-pad"),
        """(piece, drawings) => drawings.map(points => {
            const fine = cnn.ink.penned([points]);
            return [fine, cnn.ink.imageAsMnist(fine), cnn.ink.asDrawn(fine)].map(cnn.toRows);
        })""",
        [strokes(rng) for rng in map(np.random.default_rng, range(40))],
    )
    for fine, image, plain in (map(np.array, three) for three in drawn):
        assert image.min() >= 0 and image.max() <= 1 + 1e-9
        heights, widths = (np.ptp(np.flatnonzero(image.any(axis=a))) + 1 for a in (1, 0))
        assert max(heights, widths) == 20
        box = [np.ptp(np.flatnonzero(fine.any(axis=a))) + 1 for a in (1, 0)]
        expected = np.array(box) * 20 / max(box)
        assert np.all(np.abs([heights, widths] - expected) < 1 + 1e-9)  # proportions are kept
        for axis in (0, 1):
            centre = np.average(np.arange(28), weights=image.sum(axis=1 - axis))
            lines = np.flatnonzero(image.any(axis=1 - axis))
            at_edge = lines[0] == 0 or lines[-1] == 27
            assert abs(centre - 14) <= 0.5 + 1e-9 or at_edge
        # The ink: as much as there was, scaled along both axes.
        assert image.sum() == pytest.approx(fine.sum() * (20 / max(box)) ** 2)
        assert np.allclose(plain, fine.reshape(28, 4, 28, 4).mean(axis=(1, 3)))


def test_strokes_are_scaled_and_centred_and_then_drawn_with_one_pen(open_piece):
    """However large the drawing and wherever it stands, the same image comes out."""
    drawings = [np.array(strokes(rng)) for rng in map(np.random.default_rng, range(40))]
    drawings = [(points / np.ptp(points, axis=0).max()).tolist() for points in drawings]
    drawn = compute(
        open_piece("digit-pad"),
        """(piece, drawings) => drawings.map(points => [20, 2].map(size => cnn.toRows(
            cnn.ink.asMnist([points.map(([x, y]) => [3 + size * x, 2 + size * y])]))))""",
        drawings,
    )
    for points, (image, small) in zip(map(np.array, drawings), drawn, strict=True):
        image = np.array(image)
        assert np.allclose(image, small, atol=0.02)
        heights, widths = (np.ptp(np.flatnonzero(image.any(axis=a))) + 1 for a in (1, 0))
        box = np.ptp(points, axis=0)
        expected = 17.6 * box[::-1] / box.max() + 2.4  # the pen adds its width
        assert np.all(np.abs([heights, widths] - expected) < 2.1)  # and touches pixels
        for axis in (0, 1):
            centre = np.average(np.arange(28), weights=image.sum(axis=1 - axis))
            lines = np.flatnonzero(image.any(axis=1 - axis))
            assert abs(centre - 14) <= 0.05 or lines[0] <= 1 or lines[-1] >= 26
    assert image.max() == pytest.approx(1)


def affine(moves):
    """The same for Keras: pixel (x, y) comes from (a0 x + a1 y + a2, b0 x + b1 y + b2)."""
    a = np.deg2rad(moves["turn"])
    c, s, mid = np.cos(a) / moves["zoom"], np.sin(a) / moves["zoom"], 13.5
    x, y = mid + moves["right"], mid + moves["down"]
    return [c, s, mid - c * x - s * y, -s, c, mid + s * x - c * y, 0, 0]


def test_random_moves_equal_keras(open_piece, digits):
    tab, rng = open_piece("digit-pad", image=digits[0][7]), np.random.default_rng(4)
    for _ in range(25):
        moves = {
            "right": int(rng.integers(-8, 9)),
            "down": int(rng.integers(-8, 9)),
            "zoom": float(rng.choice(np.arange(8, 41) / 20)),
            "turn": int(rng.integers(-36, 37)) * 5,
        }
        for name, value in moves.items():
            tab.piece.locator(f"input[name={name}]").fill(str(value))
        padded = np.pad(seen(tab, "prepared"), 30)  # Keras fills in at half a pixel's distance
        big = affine(moves)
        shift = np.array([[big[0], big[1]], [big[3], big[4]]]) @ [30, 30]
        big[2] += 30 - shift[0]
        big[5] += 30 - shift[1]
        keras_says = keras.ops.image.affine_transform(
            padded[None, ..., None].astype("float32"), np.array([big], "float32")
        )
        assert np.allclose(seen(tab), np.asarray(keras_says)[0, 30:58, 30:58, 0], atol=1e-3)


def test_shift_is_a_plain_shift_and_put_back_undoes_it(open_piece):
    tab = open_piece("digit-pad")
    before, says = seen(tab), tab.words()
    tab.piece.get_by_label("shift right").fill("3")
    tab.piece.get_by_label("shift down").fill("-2")
    assert np.allclose(seen(tab)[:-2, 3:], before[2:, :-3])
    assert "shifted 3 right, shifted 2 up." in tab.words()
    tab.piece.get_by_role("button", name="put back").click()
    assert np.array_equal(seen(tab), before) and tab.words() == says


def test_without_centring_the_drawing_stays_where_it_is(open_piece):
    tab = open_piece("digit-pad")
    centred = seen(tab)
    tab.piece.get_by_label("centre and scale as MNIST does").uncheck()
    assert np.allclose(seen(tab), seen(tab, "drawing").reshape(28, 4, 28, 4).mean(axis=(1, 3)))
    assert not np.allclose(seen(tab), centred)
    assert "neither centred nor scaled" in tab.words()
    tab.piece.get_by_role("button", name="put back").click()
    assert np.array_equal(seen(tab), centred)


# ---- What the reader does


def test_it_starts_on_a_digit_that_it_reads(open_piece):
    tab = open_piece("digit-pad")
    assert tab.words().startswith("The network says 3, with ")
    assert np.argmax(shown(tab)) == 3 and shown(tab).sum() == pytest.approx(1, abs=0.006)
    best = tab.piece.locator("tr.best")
    assert best.count() == 1 and best.inner_text().startswith("3")
    names = tab.piece.locator("figcaption").all_inner_texts()
    assert [" ".join(name.split()[:2]) for name in names[:3]] == [
        "padding (ZeroPadding2D)", "C1 (Conv2D,", "S2 (AveragePooling2D)"]  # fmt: skip
    assert [name.split("\n")[1].split(":")[0] for name in names] == [
        "32 × 32 × 1", "28 × 28 × 6", "14 × 14 × 6", "10 × 10 × 16", "5 × 5 × 16", "400", "120",
        "84", "10"]  # fmt: skip
    assert tab.piece.get_by_role("img", name="C3 (Conv2D, tanh)").locator("canvas").count() == 16


def test_the_maps_are_the_outputs_of_the_layers(open_piece):
    """The pixels of C1's third map, read back: orange above 0, blue below, as strong as far."""
    tab = open_piece("digit-pad")
    pixels, values = compute(
        tab,
        """piece => {
            const canvas = piece.shadowRoot.querySelectorAll("figure:nth-child(2) canvas")[2];
            const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            return [Array.from(data), cnn.toRows(piece.outputs[1])];
        }""",
    )
    values = np.array(values)
    share = (values[..., 2] / np.abs(values).max())[..., None]
    paper, blue, orange = (255, 255, 255), (0, 0x72, 0xB2), (0xB4, 0x5F, 0)
    end = np.where(share > 0, orange, blue)
    expected = paper + np.abs(share) * (end - paper)
    assert np.abs(np.reshape(pixels, (28, 28, 4))[..., :3] - expected).max() < 2


def test_every_ready_digit_is_read(open_piece):
    tab = open_piece("digit-pad")
    for digit in range(10):
        tab.piece.get_by_label("start from").select_option(str(digit))
        assert tab.words().startswith(f"The network says {digit}, with")


def test_moved_by_6_pixels_some_digits_are_read_as_others(open_piece):
    tab = open_piece("digit-pad")
    tab.piece.locator("select[name=trained]").select_option("lenet5")
    tab.piece.get_by_label("shift right").fill("6")
    changed = 0
    for digit in range(10):
        tab.piece.get_by_label("start from").select_option(str(digit))
        now = np.argmax(shown(tab))
        assert f"shifted 6 right. The network {'still' if now == digit else 'now'} says {now}" in (
            tab.words()
        )
        assert ("another answer" in tab.words()) == (now != digit)
        changed += now != digit
    assert changed >= 3


def test_the_strips_say_what_the_network_says_at_every_place(open_piece, lenet):
    tab = open_piece("digit-pad")
    tab.piece.get_by_role("slider", name="turn").fill("20")
    names = {"right": "px", "down": "px", "zoom": "×", "turn": "°"}
    rest = {"right": 0, "down": 0, "zoom": 1, "turn": 20}
    prepared = seen(tab, "prepared")
    says = surveyed(tab)
    strips = tab.piece.locator(".strip")
    for k, name in enumerate(names):
        cells = strips.nth(k).locator("span")
        assert cells.all_inner_texts() == [str(n) for n in says[name]]
        places = cells.evaluate_all(
            "cells => cells.map(c => parseFloat(c.title.replace('−', '-')))"
        )
        images = compute(
            tab,
            """(piece, rows, all) => all.map(
                moves => cnn.toRows(cnn.ink.moved(cnn.fromRows(rows), moves)))""",
            prepared.tolist(),
            [{**rest, name: place} for place in places],
        )
        expected = asked(lenet, np.array(images, "float32")[..., None]).argmax(axis=1)
        assert np.mean(expected == says[name]) == 1
        other = cells.evaluate_all("cells => cells.map(c => c.classList.contains('other'))")
        assert other == [bool(n != 3) for n in says[name]]
        here = cells.evaluate_all("cells => cells.findIndex(c => c.classList.contains('here'))")
        assert places[here] == rest[name]
        # The sentence below: from where to where the answer is the same.
        text = tab.piece.locator(".moves p").nth(k).inner_text()
        if "from" in text:
            low, high = (
                float(part.strip().split()[0].strip("°").replace("−", "-"))
                for part in text.removeprefix("3 from ").split(" to ")
            )
            kept = [
                n == 3 for place, n in zip(places, says[name], strict=True) if low <= place <= high
            ]
            assert all(kept) and len(kept) >= 1
            assert places.index(low) == 0 or other[places.index(low) - 1]
            assert places.index(high) == len(places) - 1 or other[places.index(high) + 1]
    # A click on a place moves the slider there.
    strips.nth(0).locator("span").nth(2).click()
    assert tab.piece.get_by_label("shift right").input_value() == "-6"
    assert "shifted 6 left" in tab.words()


def line(tab, start, end):
    """Places on the drawing surface, in pixels of the 28 × 28, as places on the page."""
    box = tab.piece.get_by_role("application").bounding_box()
    scale = box["width"] / 28
    steps = np.linspace(start, end, 8) * scale + [box["x"], box["y"]]
    return steps.tolist()


def test_the_mouse_draws(open_piece):
    tab = open_piece("digit-pad")
    tab.piece.get_by_role("button", name="erase").click()
    assert seen(tab).sum() == 0
    assert "Nothing is drawn. The network answers all the same: " in tab.words()
    first, *others = line(tab, (15, 5), (13, 23))
    tab.mouse.move(*first)
    tab.mouse.down()
    for place in others:
        tab.mouse.move(*place)
    tab.wait_for_function(  # it reads while the button is still down
        "piece => piece.words.textContent.startsWith('The network says 1, with')",
        arg=tab.piece.element_handle(),
    )
    tab.mouse.up()
    drawing = seen(tab, "drawing")
    ink = np.argwhere(drawing > 0.5) / 4
    assert np.abs(ink.min(axis=0) - [3.8, 11.8]).max() < 0.6
    assert np.abs(ink.max(axis=0) - [24, 16]).max() < 0.6
    assert tab.piece.get_by_label("start from").input_value() == "own"
    # Without the button, the mouse only passes by.
    tab.mouse.move(*line(tab, (5, 5), (5, 5))[0])
    assert np.array_equal(seen(tab, "drawing"), drawing)
    assert np.argmax(shown(tab)) == 1


def test_a_finger_draws(open_piece):
    tab = open_piece("digit-pad", width=320, touch=True)
    tab.piece.get_by_role("button", name="erase").tap()
    fingers = tab.context.new_cdp_session(tab)

    def touch(kind, places):
        points = [{"x": x, "y": y} for x, y in places]
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    for start, end in (((8, 5), (20, 5)), ((20, 5), (12, 24))):  # a seven
        first, *others = line(tab, start, end)
        touch("touchStart", [first])
        for place in others:
            touch("touchMove", [place])
        touch("touchEnd", [])
    assert tab.evaluate("scrollY") == 0  # the page stays where it is
    assert tab.words().startswith("The network says 7, with")


def test_the_keys_draw(open_piece):
    tab = open_piece("digit-pad")
    pad = tab.piece.get_by_role("application", name="drawing surface")
    pad.focus()
    tab.keyboard.press("Delete")
    assert seen(tab, "drawing").sum() == 0 and "Nothing is drawn" in tab.words()
    for _ in range(10):
        tab.keyboard.press("ArrowUp")
    assert seen(tab, "drawing").sum() == 0
    assert tab.words().startswith("Pen up, column 15, row 5. ")
    tab.keyboard.press(" ")
    assert tab.words().startswith("Pen down, column 15, row 5. The network says ")
    for _ in range(18):
        tab.keyboard.press("ArrowDown")
    assert tab.words().startswith("Pen down, column 15, row 23. The network says 1, with")
    rows, columns = np.nonzero(seen(tab, "drawing") > 0.5)
    assert (rows.min(), rows.max()) == (13, 94) and (columns.min(), columns.max()) == (53, 62)
    drawing = seen(tab, "drawing")
    tab.keyboard.press(" ")
    for key in ("ArrowLeft", "PageUp", "Home", "End", "PageDown", "ArrowRight"):
        tab.keyboard.press(key)
    assert tab.words().startswith("Pen up, column 15, row 23. ")
    assert np.array_equal(seen(tab, "drawing"), drawing)
    for _ in range(40):
        tab.keyboard.press("ArrowDown")  # as far as the edge
    assert "row 28" in tab.words()
    # The pen is seen, and lifted when the focus goes.
    tab.keyboard.press(" ")
    assert tab.piece.locator(".pen.down").is_visible()
    tab.keyboard.press("Tab")
    assert not tab.piece.locator(".pen").is_visible()
    assert tab.piece.evaluate("piece => piece.down") is False


def test_the_readers_model_reads_with_names(open_piece, lenet, digits):
    names = [f"sort {k}" for k in "ABCDEFGHIJ"]
    image = digits[0][4]
    tab = open_piece("digit-pad", model=lenet, image=image, labels=names)
    assert not re.search("(lenet5|varied) =", tab.content())  # the course's own weights stay away
    assert tab.piece.locator("select[name=trained]").count() == 0
    winner = int(asked(lenet, image[None]).argmax())
    assert f"The network says {winner} ({names[winner]}), with" in tab.words()
    assert tab.piece.locator("tr th").all_inner_texts() == [
        f"{k} {name}" for k, name in enumerate(names)
    ]
    about = tab.piece.locator(".answer p").inner_text()
    assert about == f"your model “{lenet.name}”, 61,706 parameters"
    with pytest.raises(ValueError, match=r"all 10 classes.*got \['a', 'b'\]"):
        pieces.show("digit-pad", labels=["a", "b"])


def test_the_courses_network_may_come_with_a_later_script(open_piece, lenet):
    """A notebook where the reader's own model was shown before."""
    tab = open_piece("digit-pad", model=lenet)
    tab.add(pieces.show("digit-pad").html)
    assert tab.piece.first.locator(".answer p").inner_text().startswith("your model")
    assert tab.piece.last.locator(".answer p").inner_text().startswith("LeNet-5, trained on")
    assert tab.piece.last.locator(".words").inner_text().startswith("The network says 3")


def test_a_page_of_the_site_loads_it_from_files(browser, tmp_path):
    shutil.copytree(
        pieces.FOLDER, tmp_path / "pieces", ignore=shutil.ignore_patterns("*.py", "__pycache__")
    )
    page = tmp_path / "page.html"
    page.write_text(
        '<!doctype html><meta charset="utf-8"><script src="pieces/load.js"></script>'
        "<article><cnn-digit-pad></cnn-digit-pad></article>"
    )
    tab, problems = browser.new_page(), []
    tab.on("pageerror", lambda error: problems.append(str(error)))
    tab.goto(page.as_uri())
    words = tab.locator("cnn-digit-pad .words")
    words.filter(has_text="The network says 3").wait_for()
    assert problems == []
    tab.close()
    files = pieces.scripts("digit-pad")
    assert sum(Path(pieces.FOLDER / f"{name}.js").stat().st_size for name in files) < 300_000


def test_a_network_that_does_not_come_is_asked_for_again(browser, tmp_path):
    ignore = shutil.ignore_patterns("*.py", "__pycache__", "lenet5.js")
    shutil.copytree(pieces.FOLDER, tmp_path / "pieces", ignore=ignore)
    page = tmp_path / "page.html"
    page.write_text(
        '<!doctype html><meta charset="utf-8"><script src="pieces/load.js"></script>'
        "<article><cnn-digit-pad></cnn-digit-pad></article>"
    )
    tab = browser.new_page()
    tab.goto(page.as_uri())
    piece = tab.locator("cnn-digit-pad")
    piece.locator("select[name=trained]").select_option("lenet5")
    piece.get_by_text("The network could not be loaded. Check your connection").wait_for()
    shutil.copy(pieces.FOLDER / "lenet5.js", tmp_path / "pieces")
    piece.get_by_role("button", name="erase").click()
    piece.get_by_text("Nothing is drawn").wait_for()
    tab.close()


def test_lifting_a_second_finger_ends_no_stroke(open_piece):
    tab = open_piece("digit-pad", width=320, touch=True)
    pressed = tab.piece.evaluate(
        """piece => {
            const pad = piece.shadowRoot.querySelector(".pad");
            pad.setPointerCapture = () => {};
            const send = (type, isPrimary) => pad.dispatchEvent(
                new PointerEvent(type, { isPrimary, button: 0, clientX: 50, clientY: 50 }));
            send("pointerdown", true);
            return [false, true].map((first) => (send("pointerup", first), piece.pressed));
        }"""
    )
    assert pressed == [True, False]


def test_it_goes_on_when_it_is_put_back(open_piece):
    """Taken out in the middle of a stroke, before the strips are there."""
    tab = open_piece("digit-pad")
    asked = tab.piece.evaluate(
        """async piece => {
            const place = piece.parentElement, pad = piece.shadowRoot.querySelector(".pad");
            const box = pad.getBoundingClientRect();
            pad.setPointerCapture = () => {};
            const send = (type, x) => pad.dispatchEvent(new PointerEvent(type,
                { isPrimary: true, button: 0, clientX: box.x + x, clientY: box.y + 20 }));
            send("pointerdown", 10);
            send("pointermove", 50);
            const network = piece.network, run = network.run.bind(network);
            let runs = 0;
            network.run = (image) => (runs++, run(image));
            piece.remove();
            await new Promise((done) => setTimeout(done, 300));
            const away = runs;
            place.append(piece);
            const drawn = piece.drawing.data.join();
            send("pointermove", 200); // no button is down any more
            return [away, drawn === piece.drawing.data.join()];
        }"""
    )
    assert asked == [0, True]
    says = surveyed(tab)
    assert len(says["right"]) == 17 and np.isclose(sum(tab.result()), 1)


def test_reading_follows_the_pen_once_a_frame(open_piece):
    """However many places the pen reports: the network is asked once for each picture."""
    tab = open_piece("digit-pad")
    runs = tab.piece.evaluate(
        """async piece => {
            const network = piece.network, run = network.run.bind(network);
            let runs = 0;
            network.run = image => (runs++, run(image));
            const pad = piece.shadowRoot.querySelector(".pad"), box = pad.getBoundingClientRect();
            pad.setPointerCapture = () => {};
            const send = (type, x) => pad.dispatchEvent(new PointerEvent(type,
                { isPrimary: true, button: 0, clientX: box.x + x, clientY: box.y + 100 }));
            send("pointerdown", 10);
            for (let x = 10; x < 200; x++) send("pointermove", x);
            const before = runs;
            await new Promise(requestAnimationFrame);
            return [before, runs];
        }"""
    )
    assert runs == [0, 1]


# ---- What it refuses


def functional(join):
    inputs = keras.Input((28, 28, 1))
    flat = layers.Flatten()(inputs)
    joined = join([layers.Dense(10)(flat), layers.Dense(10)(flat)])
    return keras.Model(inputs, joined)


def the_image_itself():
    image = keras.Input((28, 28, 1))
    return keras.Model(image, image)


def two_outputs():
    model = ending()
    return keras.Model(model.inputs, [model.layers[-2].output, model.outputs[0]])


def small(*stack, shape=(28, 28, 1)):
    return keras.Sequential([keras.Input(shape), *stack])


def diverged():
    model = small(layers.Flatten(), layers.Dense(2, name="lost"))
    model.set_weights([np.full_like(w, np.nan) for w in model.get_weights()])
    return model


class Mine(layers.Layer):
    def call(self, inputs):
        return inputs


def ending(*stack):
    return small(*stack, layers.Flatten(), layers.Dense(10))


def used_twice():
    same = layers.Dense(500, name="same")
    stack = layers.MaxPooling2D(2), layers.Flatten(), layers.Dense(500), same, same
    return small(*stack, layers.Dense(10))


REFUSED = {
    "'mine' is of an unknown kind, a class of your own, Mine": lambda: ending(Mine(name="mine")),
    "'deep' of kind DepthwiseConv2D cannot run here: this piece knows Conv2D, Dense": (
        lambda: ending(layers.DepthwiseConv2D(3, name="deep"))
    ),
    "of kind Dense cannot run here: the network branches before it": lambda: functional(
        layers.Add(name="sum")
    ),
    r"shape \(28, 28, 1\), not \(32, 32, 3\)": (
        lambda: small(layers.Flatten(), layers.Dense(10), shape=(32, 32, 3))
    ),
    r"556,510 parameters, 549,500 of them in layer 'wide'.*up to 500,000": (
        lambda: small(layers.Flatten(), layers.Dense(700, name="wide"), layers.Dense(10))
    ),
    r"604,510 parameters, 250,500 of them in layer 'same' \(a layer that is used twice": (
        lambda: used_twice()
    ),
    "'maps', must give one number.*26, 26, 3": lambda: small(layers.Conv2D(3, 3, name="maps")),
    "at least 2": lambda: small(layers.Flatten(), layers.Dense(1)),
    "ends with sigmoid": lambda: small(layers.Flatten(), layers.Dense(5, "sigmoid")),
    "'new' of kind Dense .* activation, gelu, is not one of linear, relu": (
        lambda: ending(layers.Dense(5, "gelu", name="new"))
    ),
    "must have one output, it has 2": lambda: two_outputs(),
    "no layer that computes anything": lambda: small(layers.Flatten(), layers.Dropout(0.5)),
    "no layer that computes": lambda: the_image_itself(),
    "was given a number that is not finite": lambda: ending(layers.Rescaling(float("nan"))),
    "'text' of kind Rescaling .* one number for all": (
        lambda: ending(layers.Rescaling("0.1", name="text"))
    ),
    "'scaled' of kind Rescaling .* one number for all": (
        lambda: ending(layers.Rescaling([0.5], name="scaled"))
    ),
    "'odd' of kind BatchNormalization .* axis must be the last": (
        lambda: ending(layers.BatchNormalization(axis=1, name="odd"))
    ),
    "'two' of kind Conv2D .* 2 groups": (
        lambda: ending(layers.Conv2D(4, 3), layers.Conv2D(4, 3, groups=2, name="two"))
    ),
    "'first' is channels-first": (
        lambda: ending(layers.ZeroPadding2D(1, data_format="channels_first", name="first"))
    ),
    "no weights yet": lambda: keras.Sequential([layers.Flatten(), layers.Dense(10)]),
    "must be a Keras model.* got str": lambda: "lenet",
    "'lost' .* not a number": diverged,
}


@pytest.mark.parametrize("message", REFUSED)
def test_a_model_it_cannot_run_is_refused_in_words(message):
    with pytest.raises(ValueError, match=message):
        pieces.show("digit-pad", model=REFUSED[message]())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"image": np.zeros((32, 32))}, r"\(28, 28\), got \(32, 32\)"),
        ({"image": np.full((28, 28), 255)}, "divide by 255"),
        ({"image": np.full((28, 28), np.nan)}, "from 0"),
        ({"image": "a digit"}, "image must be numbers"),
        ({"white": 255}, "give the model too"),
        ({"labels": "0123456789"}, "labels must name all 10 classes"),
        ({"labels": 3}, "labels must name all 10 classes"),
        ({"picture": 1}, "does not take picture. It takes: model, image, labels, white"),
    ],
)
def test_what_it_cannot_show_is_refused_in_words(given, message):
    with pytest.raises(ValueError, match=message):
        pieces.show("digit-pad", **given)


def test_a_finished_training_is_not_its_model():
    from cnnlab.training import Training

    with pytest.raises(ValueError, match=r"got Training\. Its \.model may be what you mean"):
        pieces.show("digit-pad", model=Training("model", {}, 0, 1.0, None))


@pytest.mark.parametrize("white", [np.nan, np.inf, 0, -1, "255", [255], True, 10**400])
def test_white_must_be_a_number(white):
    with pytest.raises(ValueError, match="white must be a number above 0"):
        pieces.show("digit-pad", model=ending(), white=white)
