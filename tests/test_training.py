"""Training: the choice of device and precision, seeds, progress, and what goes wrong."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from cnnlab import training
from cnnlab.training import Device, Training, device, each_seed, fit, progress
from keras import layers

CPU = Device("a test CPU", 0, "float32", 1.0)
RNG = np.random.default_rng(0)
Y = RNG.integers(0, 3, 90)
X = (RNG.normal(size=(90, 6)) + 2 * np.eye(3, 6)[Y]).astype(np.float32)


def small_net(learning_rate=0.1, **compiled):
    model = keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(8, activation="relu"),
            layers.Dropout(0.2),
            layers.Dense(3, activation="softmax", dtype="float32"),
        ]
    )
    options = dict(loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    model.compile(keras.optimizers.SGD(learning_rate), **options | compiled)
    return model


@pytest.fixture
def fresh_device():
    device.cache_clear()
    yield
    device.cache_clear()


@pytest.fixture
def no_measuring(monkeypatch):
    """Training that starts at once, as it does after the session's first measurement."""
    monkeypatch.setattr(training, "device", lambda: CPU)


# The device


def test_device_measures_this_machine_and_says_so_in_one_line(fresh_device):
    found = device()
    assert isinstance(found, Device) and found.speedup > 0
    assert str(found) and "\n" not in str(found) and found.name in str(found)
    if not tf.config.list_physical_devices("GPU"):
        assert found.gpus == 0 and "CPU" in found.name
    assert device() is found


def machine(monkeypatch, gpus, seconds):
    """Pretend to have these GPUs and these seconds for a step in each precision."""
    devices = [
        tf.config.PhysicalDevice(f"/physical_device:GPU:{i}", "GPU") for i in range(len(gpus))
    ]
    names = dict(zip(devices, gpus, strict=True))
    monkeypatch.setattr(
        tf.config, "list_physical_devices", lambda kind=None: devices if kind == "GPU" else []
    )
    monkeypatch.setattr(
        tf.config.experimental,
        "get_device_details",
        lambda gpu: {"device_name": names[gpu]} if names[gpu] else {},
    )
    monkeypatch.setattr(training, "_step_seconds", seconds.__getitem__)


@pytest.mark.parametrize(
    ("gpus", "seconds", "policy", "words"),
    [
        ([], {"float32": 0.1, "mixed_bfloat16": 0.2}, "float32", "the CPU"),
        ([], {"float32": 0.119, "mixed_bfloat16": 0.1}, "float32", "stay with float32"),
        ([], {"float32": 0.121, "mixed_bfloat16": 0.1}, "mixed_bfloat16", "so we use it"),
        (["Tesla T4"], {"float32": 0.3, "mixed_float16": 0.1}, "mixed_float16", "on Tesla T4;"),
        (["Tesla K80"], {"float32": 0.1, "mixed_float16": 0.1}, "float32", "on Tesla K80;"),
        ([None], {"float32": 0.1, "mixed_float16": 0.1}, "float32", "on GPU;"),
        (["A", "B"], {"float32": 0.2, "mixed_float16": 0.1}, "mixed_float16", r"2 GPUs \(A, B\)"),
    ],
)
def test_mixed_precision_is_chosen_where_it_pays(
    gpus, seconds, policy, words, fresh_device, monkeypatch
):
    machine(monkeypatch, gpus, seconds)
    found = device()
    assert found.gpus == len(gpus) and found.policy == policy
    other = next(s for name, s in seconds.items() if name != "float32")
    assert found.speedup == pytest.approx(seconds["float32"] / other)
    assert re.search(words, str(found)) and f"{found.speedup:.1f} times" in str(found)


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_scope_sets_the_precision_and_takes_it_back(policy):
    before = keras.config.dtype_policy().name
    with Device("x", 0, policy, 1.0).scope():
        assert keras.config.dtype_policy().name == policy
        assert small_net().layers[0].compute_dtype == policy.removeprefix("mixed_")
    assert keras.config.dtype_policy().name == before


@pytest.mark.parametrize("gpus", [0, 2])
def test_scope_takes_it_back_after_an_error_too(gpus):
    with pytest.raises(KeyError), Device("x", gpus, "mixed_bfloat16", 1.0).scope():
        raise KeyError
    assert keras.config.dtype_policy().name == "float32"
    assert not tf.distribute.has_strategy()


def test_several_gpus_get_a_copy_each():
    """Where there are none, TensorFlow's mirrored strategy makes do with the CPU."""
    with Device("x", 1, "float32", 1.0).scope():
        assert not tf.distribute.has_strategy()
    with Device("x", 2, "float32", 1.0).scope():
        assert isinstance(tf.distribute.get_strategy(), tf.distribute.MirroredStrategy)
    assert not tf.distribute.has_strategy()


@pytest.mark.parametrize("gpus", [1, 2])
def test_fit_builds_the_model_in_the_scope_of_its_device(gpus, monkeypatch):
    monkeypatch.setattr(training, "device", lambda: Device("x", gpus, "mixed_bfloat16", 2.0))
    run = fit(small_net, X, Y, epochs=1)
    assert run.model.layers[0].compute_dtype == "bfloat16"
    assert isinstance(run.model.distribute_strategy, tf.distribute.MirroredStrategy) == (gpus == 2)
    assert keras.config.dtype_policy().name == "float32"


# Training


def test_a_training_tells_what_was_done(no_measuring):
    run = fit(small_net, X, Y, epochs=3, seed=5, validation=(X[:20], Y[:20]))
    assert isinstance(run, Training) and isinstance(run.model, keras.Model)
    assert sorted(run.history) == ["accuracy", "loss", "val_accuracy", "val_loss"]
    for values in run.history.values():
        assert len(values) == 3 and all(type(value) is float for value in values)
    assert run.seed == 5 and run.seconds > 0 and run.device is CPU
    loss, accuracy = run.model.evaluate(X[:20], Y[:20], verbose=0)
    assert run.history["val_loss"][-1] == pytest.approx(loss, rel=1e-4)
    assert run.history["val_accuracy"][-1] == pytest.approx(accuracy)


def test_training_learns(no_measuring):
    history = fit(small_net, X, Y, epochs=15, batch_size=10).history
    assert history["loss"][-1] < 0.6 * history["loss"][0]
    assert history["accuracy"][-1] > 0.75


def test_the_seed_decides_everything(no_measuring):
    """First weights, order and dropout; whatever ran before."""

    def losses(seed):
        return fit(small_net, X, Y, epochs=3, batch_size=10, seed=seed).history["loss"]

    first = losses(1)
    keras.random.uniform((3,))
    np.random.random()
    assert losses(1) == pytest.approx(first, rel=1e-5)
    assert losses(2) != pytest.approx(first, rel=1e-3)


def test_batch_size_decides_the_number_of_steps(no_measuring):
    run = fit(small_net, X, Y, epochs=2, batch_size=40)
    assert int(run.model.optimizer.iterations.numpy()) == 2 * 3


def test_numpy_numbers_are_numbers(no_measuring):
    run = fit(small_net, X, Y, epochs=np.int64(1), batch_size=np.int32(45), seed=np.uint8(4))
    assert len(run.history["loss"]) == 1 and type(run.seed) is int and run.seed == 4


def test_progress_is_one_line_written_over(no_measuring, capsys):
    """On stderr, where it is seen and no notebook compares it; several trainings, several lines."""
    for seed in range(2):
        fit(small_net, X, Y, epochs=3, validation=(X, Y), seed=seed, label=f"a small net, {seed}")
    out, shown = capsys.readouterr()
    assert out == "" and shown.count("\n") == 2 and shown.endswith("\n")
    for seed, line in enumerate(shown.split("\n")[:2]):
        *_, last = line.split("\r")
        metrics = ", ".join(rf"{name}=\d\S*" for name in ("accuracy", "loss", "val_accuracy"))
        assert re.match(rf"a small net, {seed}: epoch 3 of 3 .* left, {metrics}, val_loss=\d", last)


def test_long_epochs_show_how_much_is_left(no_measuring, capsys, monkeypatch):
    """A clock on which every look takes a second."""
    ticks = iter(range(10_000))
    monkeypatch.setattr("tqdm.std.time", lambda: next(ticks))
    fit(small_net, X, Y, epochs=2, batch_size=9)
    shown = capsys.readouterr().err.split("\r")
    found = [re.match(r"epoch (\d) of 2 .* (\d\d):(\d\d) left, \w+=", line) for line in shown]
    found = [tuple(map(int, match.groups())) for match in found if match]
    assert {epoch for epoch, *_ in found} == {1, 2}
    left = [60 * minutes + seconds for _, minutes, seconds in found]
    assert len(set(left)) > 10 and max(left[:10]) > left[10] > left[-5] > left[-1] == 0


def test_a_stopped_training_ends_its_line(no_measuring, capsys, monkeypatch):
    def stop(*args, **settings):
        raise KeyboardInterrupt

    monkeypatch.setattr(keras.Sequential, "fit", stop)
    with pytest.raises(KeyboardInterrupt):
        fit(small_net, X, Y, epochs=1)
    assert capsys.readouterr().err.endswith("\n")


def test_in_a_notebook_progress_is_text_that_is_seen_and_no_widget(tmp_path):
    import nbformat
    from nbclient import NotebookClient

    code = """
import cnnlab, keras, numpy as np
from cnnlab import training

def build():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model

training.device = lambda: training.Device("a test CPU", 0, "float32", 1.0)
training.fit(build, np.ones((8, 2)), np.ones(8), epochs=2, batch_size=4, label="tiny");
"""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    NotebookClient(notebook, kernel_name="python3", timeout=600).execute(cwd=str(tmp_path))
    outputs = notebook.cells[0].outputs
    assert {(output.output_type, output.get("name")) for output in outputs} == {
        ("stream", "stderr")
    }
    assert re.search(r"\rtiny: epoch 2 of 2 .*loss=", "".join(output.text for output in outputs))


def not_compiled():
    return keras.Sequential([keras.Input((6,)), layers.Dense(3)])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (dict(build=small_net()), "function that builds your model, not the model"),
        (dict(build="small_net"), "function that builds"),
        (dict(build=not_compiled), "return a compiled Keras model"),
        (dict(build=lambda: None), "return a compiled Keras model"),
        (dict(y=Y[:-1]), "equally long.*90 and 89"),
        (dict(x=X[:0], y=Y[:0]), "not empty.*0 and 0"),
        (dict(epochs=0), "epochs must be a whole number from 1 on, got 0"),
        (dict(epochs=-1), "epochs must be a whole number.*got -1"),
        (dict(epochs=1.0), "epochs must be a whole number.*got 1.0"),
        (dict(epochs=True), "epochs must be a whole number.*got True"),
        (dict(epochs=None), "epochs must be a whole number.*got None"),
        (dict(batch_size=0), "batch_size must be a whole number from 1 on, got 0"),
        (dict(batch_size=2.5), "batch_size must be a whole number.*got 2.5"),
        (dict(seed=-1), "seed must be a whole number from 0 to 4294967295, got -1"),
        (dict(seed=2**32), "seed must be a whole number from 0 to 4294967295"),
        (dict(seed="0"), "seed must be a whole number.*got '0'"),
    ],
)
def test_bad_input_is_named(change, words, no_measuring):
    with pytest.raises(ValueError, match=words):
        fit(**dict(build=small_net, x=X, y=Y, epochs=1) | change)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_inputs_that_are_no_numbers_are_an_error(bad, no_measuring):
    """Although ReLU turns them into zeros, and the loss stays a number."""
    broken = X.copy()
    broken[7] = bad
    with pytest.raises(ValueError, match=r"no longer a number.*x holds numbers only"):
        fit(small_net, broken, Y, epochs=2, batch_size=10)


@pytest.mark.parametrize("steps", [3, 20])
def test_a_learning_rate_that_explodes_is_an_error(steps, no_measuring):
    """The loss first becomes infinite, and later is no number at all."""

    def explosive():
        model = keras.Sequential([keras.Input((6,)), layers.Dense(1)])
        model.compile(keras.optimizers.SGD(1e12), loss="mse")
        return model

    few = slice(0, 10)
    with pytest.raises(ValueError, match=r"diverged.*smaller learning rate"):
        fit(explosive, X[few], Y[few].astype(np.float32), epochs=steps, batch_size=10)


# One network for each seed


def plain(width=8, dropout=0.2):
    def build():
        return keras.Sequential(
            [
                keras.Input((6,)),
                layers.Dense(width, activation="relu"),
                layers.BatchNormalization(),
                layers.Dropout(dropout),
                layers.Dense(3),
            ]
        )

    return build


def seeds_of(build=None, lesson=(X, Y), **options):
    settings = dict(seeds=3, epochs=2, batch_size=10, rate=0.01) | options
    return each_seed(build or plain(), lesson, **settings)


def test_the_same_seeds_give_the_same_runs_and_different_seeds_different_ones():
    one, other = seeds_of(), seeds_of()
    assert np.array_equal(one.losses, other.losses) and one.losses.shape == (3, 2)
    assert len(np.unique(one.losses[:, 0])) == 3
    alone = seeds_of(seeds=1)
    assert alone.losses[0] == pytest.approx(one.losses[0])  # whatever came before a seed


def test_each_seed_learns_as_keras_does():
    """The same first weights, batches and optimizer, by Keras's own training step."""
    runs = seeds_of(plain(dropout=0), seeds=2, epochs=3)
    keras.utils.set_random_seed(1)
    model, rng, losses = plain(dropout=0)(), np.random.default_rng(1), []
    model.compile(
        keras.optimizers.Adam(0.01), keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    for _ in range(3):
        batches = rng.permutation(90).reshape(-1, 10)
        losses.append(np.mean([model.train_on_batch(X[r], Y[r]) for r in batches[:1]]))
        for rows in batches[1:]:
            model.train_on_batch(X[rows], Y[rows])
    mine = runs.model(1)
    for one, other in zip(mine.get_weights(), model.get_weights(), strict=True):
        assert one == pytest.approx(other, abs=1e-4)


def test_each_seed_shows_the_model_after_each_epoch():
    seen = []
    lesson = np.eye(10, dtype="float32"), np.arange(10)

    def watch(seed, epoch, model):
        seen.append((seed, epoch, [*map(np.array, model.get_weights())]))

    def build():
        return keras.Sequential([keras.Input((10,)), keras.layers.Dense(10)])

    runs = each_seed(build, lesson, seeds=2, epochs=3, batch_size=5, watch=watch)
    assert [at[:2] for at in seen] == [(s, e) for s in range(2) for e in range(3)]
    assert not np.allclose(seen[0][2][0], seen[1][2][0])
    assert np.array_equal(seen[2][2][0], runs.model(0).get_weights()[0])


def test_accuracy_is_that_of_each_seeds_network():
    runs = seeds_of(epochs=8, validation=(X[:30], Y[:30]))
    shares = runs.accuracy(X, Y)
    for seed in (2, 0, 1):
        right = np.asarray(runs.model(seed)(X)).argmax(axis=1) == Y
        assert shares[seed] == pytest.approx(right.mean())
    assert shares.min() > 0.6 and runs.losses[:, -1].max() < runs.losses[:, 0].min()
    assert runs.validation[:, -1] == pytest.approx(runs.accuracy(X[:30], Y[:30]))
    assert runs.accuracy(lambda seed: (X, np.full(90, seed)))[0] != pytest.approx(shares[0])
    assert seeds_of().validation is None and seeds_of().device


def test_labels_in_a_column_are_labels_and_others_are_named():
    """As `keras.datasets.cifar10` gives them. Compared with a row, they would make a table."""
    runs, column = seeds_of(), Y[:, np.newaxis]
    assert runs.accuracy(X, column) == pytest.approx(runs.accuracy(X, Y))
    assert seeds_of(validation=(X, column)).validation[:, -1] == pytest.approx(runs.accuracy(X, Y))
    for wrong in (np.eye(3)[Y], Y[:5]):
        with pytest.raises(ValueError, match="one whole number as a label for each of the 90"):
            runs.accuracy(X, wrong)


def test_a_lesson_and_an_optimizer_of_ones_own():
    def lesson(seed):
        rows = np.random.default_rng(seed).permutation(90)[:40]
        return X[rows], Y[rows]

    chosen = seeds_of(lesson=lesson, optimizer=lambda: keras.optimizers.SGD(0.0))
    start, later = seeds_of(lesson=lesson), seeds_of(lesson=lesson, epochs=3)
    assert not np.allclose(chosen.losses, start.losses)
    assert later.losses[:, :2] == pytest.approx(start.losses)
    squares = keras.losses.MeanSquaredError()
    assert seeds_of(lesson=(X, np.eye(3)[Y]), loss=squares, epochs=9).accuracy(X, Y).min() > 0.5


def test_a_list_of_rates_gives_the_runs_of_each():
    sgd = keras.optimizers.SGD
    tried = seeds_of(rate=[0.1, 1e9, 0.01], optimizer=sgd, validation=(X, Y))
    assert list(tried) == [0.1, 1e9, 0.01]
    for rate in (0.1, 0.01):
        alone = seeds_of(optimizer=lambda: sgd(rate), validation=(X, Y))  # noqa: B023
        assert tried[rate].losses == pytest.approx(alone.losses, rel=1e-4)
        assert tried[rate].validation.shape == (3, 2)
        assert tried[rate].accuracy(X, Y) == pytest.approx(alone.accuracy(X, Y), abs=0.03)
    assert tried[1e9].validation[:, -1].max() < 0.9  # diverged, and not in the way of the next
    adam = seeds_of(rate=[0.01])[0.01]
    assert adam.losses == pytest.approx(seeds_of().losses, rel=1e-4)


def test_more_seeds_are_what_they_would_have_been():
    two, five = seeds_of(seeds=2, validation=(X, Y)), seeds_of(seeds=5, validation=(X, Y))
    grown = two.more(5)
    assert grown.losses == pytest.approx(five.losses, rel=1e-4)
    assert grown.validation == pytest.approx(five.validation, abs=0.03)
    assert grown.accuracy(X, Y) == pytest.approx(five.accuracy(X, Y), abs=0.03)
    assert len(two.losses) == 2 and np.array_equal(two.losses, grown.losses[:2])
    chosen = seeds_of(seeds=1, rate=[0.1, 0.001])[0.1].more(3)  # the other rate ran since
    assert chosen.losses == pytest.approx(seeds_of(seeds=3, rate=0.1).losses, rel=1e-4)
    with pytest.raises(ValueError, match="seeds must be a whole number from 2"):
        two.more(1)
    with pytest.raises(ValueError, match="no longer a number"):
        seeds_of(seeds=1, rate=[1e38])[1e38].more(2)


@pytest.mark.parametrize(
    "options, words",
    [
        (dict(build=plain()()), "without brackets"),
        (dict(build=lambda: None), "function that builds"),
        (dict(lesson=(X, Y[:20])), "90 and 20"),
        (dict(batch_size=91), "fill a batch of 91"),
        (dict(seeds=0), "seeds must be a whole number from 1"),
        (dict(epochs=1.5), "epochs must be a whole number"),
        (dict(lesson=(X * np.nan, Y)), "no longer a number"),
    ],
)
def test_what_each_seed_refuses(options, words):
    with pytest.raises(ValueError, match=words):
        seeds_of(**options)


def test_the_progress_line_counts_every_step_of_a_call_and_none_beyond(capsys):
    x, y = np.zeros((300, 2), "float32"), np.zeros((300, 1), "float32")
    model = keras.Sequential([keras.Input((2,)), layers.Dense(1)])
    model.compile("sgd", "mse", steps_per_execution=25)
    with progress(2, 30) as line:  # 30 steps an epoch: 25, and 5
        model.fit(x, y, batch_size=10, epochs=2, verbose=0, callbacks=[line])
    assert "|██████████|" in capsys.readouterr().err.rsplit("\r", 1)[-1]
