"""The engine of the live piece train-lenet, in a real browser, compared with Keras."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from cnnlab import data, pieces
from keras import layers

RATES = {"sgd": 0.1, "momentum": 0.02, "adam": 0.003}
STEPS, BATCH = 10, 12


@pytest.fixture(scope="module")
def digits():
    mnist = data.load("mnist", "sample")
    return np.rint(15 * mnist.x_train[: STEPS * BATCH]) / 15, mnist.y_train[: STEPS * BATCH]


@pytest.fixture
def compute(new_context):
    """What a function of the page gives, for values that JSON can hold."""
    tab = new_context().new_page()
    tab.evaluate("globalThis.cnn = {}")
    tab.add_script_tag(content=(pieces.FOLDER / "training.js").read_text("utf-8"))

    def run(script, *values):
        script = f"text => JSON.stringify(({script})(...JSON.parse(text)))"
        return json.loads(tab.evaluate(script, json.dumps(values)))

    return run


def keras_network(name, rate):
    """The network in Keras, with the mask of its dropout as a second input."""
    image = x = keras.Input((28, 28, 1))
    if name != "dense":
        x = layers.Conv2D(6, 5, activation="relu")(x)
    if name == "lenet":
        x = layers.MaxPooling2D()(x)
        x = layers.MaxPooling2D()(layers.Conv2D(16, 5, activation="relu")(x))
    x = layers.Flatten()(x)
    if name != "shared":
        x = layers.Dense(64, activation="relu")(x)
    mask = keras.Input(x.shape[1:])
    x = layers.Dense(10)(layers.Multiply()([x, mask]) if rate else x)
    return keras.Model([image, mask], x)


def keras_rule(name, decay):
    kinds = {
        "sgd": keras.optimizers.SGD,
        "momentum": lambda *args, **more: keras.optimizers.SGD(*args, momentum=0.9, **more),
        "adam": keras.optimizers.Adam,
    }
    return kinds[name](RATES[name], weight_decay=decay or None)


def in_line(arrays):
    return np.concatenate([np.ravel(a) for a in arrays])


TRAIN = """({ network, rule, rate, decay, dropped, values, images, labels, lots, batch }) => {
    const { Network, layersOf, step } = cnn.training, memory = {}, told = [];
    const net = new Network(layersOf(network, dropped));
    net.values.set(values);
    let at = 0;
    for (let from = 0; from < images.length; from += batch) {
        const [some, its] = [images, labels].map((list) => list.slice(from, from + batch));
        const loss = net.gradient(some, its, () => lots[at++]);
        const slopes = Array.from(net.slopes), sizes = net.sizes();
        step(net, rule, rate, decay, memory);
        told.push({ loss, sizes, slopes: from ? null : slopes });
    }
    const measured = net.measure(images, labels);
    return { told, values: Array.from(net.values), drawn: at, measured };
}"""


@pytest.mark.parametrize(("decay", "dropped"), [(0, 0), (0.3, 0.4)], ids=["plain", "regularized"])
@pytest.mark.parametrize("rule", RATES)
@pytest.mark.parametrize("network", ["dense", "shared", "lenet"])
def test_loss_gradient_and_ten_steps_equal_keras(compute, digits, network, rule, decay, dropped):
    keras.utils.set_random_seed(3)
    model, optimizer = keras_network(network, dropped), keras_rule(rule, decay)
    start = in_line(model.get_weights())
    units = model.inputs[1].shape[1]
    images, labels = digits
    lots = np.random.default_rng(1).random((len(labels), units))
    masks = ((lots >= dropped) / (1 - dropped)).astype("float32")
    given = {
        **{"network": network, "rule": rule, "rate": RATES[rule], "decay": decay},
        **{"dropped": dropped, "values": start.tolist(), "labels": labels.tolist()},
        **{"images": images.reshape(len(images), -1).tolist(), "batch": BATCH},
        "lots": lots.ravel().tolist() if dropped else [],
    }
    ours = compute(TRAIN, given)
    assert ours["drawn"] == (lots.size if dropped else 0)
    loss_of = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    for number, told in enumerate(ours["told"]):
        part = slice(number * BATCH, (number + 1) * BATCH)
        with tf.GradientTape() as tape:
            loss = loss_of(labels[part], model([images[part], masks[part]]))
        slopes = tape.gradient(loss, model.trainable_variables)
        assert told["loss"] == pytest.approx(float(loss), abs=1e-4)
        pairs = zip(slopes[::2], slopes[1::2], strict=True)  # of the weights, of the biases
        sizes = [np.linalg.norm(in_line(pair)) for pair in pairs]
        assert np.allclose(told["sizes"], sizes, atol=1e-4)
        if number == 0:
            assert np.allclose(told["slopes"], in_line(slopes), atol=1e-5)
            assert np.abs(told["slopes"]).max() > 0.01
        optimizer.apply_gradients(zip(slopes, model.trainable_variables, strict=True))
    end = in_line(model.get_weights())
    assert np.allclose(ours["values"], end, atol=1e-4)
    assert np.abs(end - start).max() > 0.01  # it has gone somewhere
    scores = model([images, np.ones_like(masks)])
    assert ours["measured"]["loss"] == pytest.approx(float(loss_of(labels, scores)), abs=1e-4)
    assert ours["measured"]["answers"] == np.argmax(scores, axis=1).tolist()


def test_the_worked_example_of_chapter_7(compute):
    """Two inputs, two hidden values, one prediction: see "Backwards, number by number" there."""
    found = compute(
        """(into, outOf, inputs) => inputs.map((pair) => {
            const { Convolution, ReLU, Network } = cnn.training;
            const whole = (shape, count) => new Convolution(shape, [1, 1], count);
            const net = new Network([whole([1, 1, 2], 2), new ReLU(), whole([1, 1, 2], 1)]);
            net.values.set([...into, 0, 0, ...outOf, 0]);
            const [prediction] = net.forward(pair), error = [prediction - 3];
            net.layers.reduceRight((errors, layer) => layer.backward(errors), error);
            return [prediction, Array.from(net.slopes)];
        })""",
        [2, -1, 1, 2], [1, -1], [[1, 2], [3, 1]],
    )  # fmt: skip
    # The label is 3; weights and biases in a line, as they are given.
    assert found[0] == [1, [-2, 2, -4, 4, -2, 2, -8, -6, -2]]
    assert found[1] == [7, [12, 0, 4, 0, 4, 0, 28, 0, 4]]
