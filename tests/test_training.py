"""Training: the choice of device and precision, seeds, progress, and what goes wrong."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from cnnlab import training
from cnnlab.training import Device, Run, device, fit
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


def test_a_run_tells_what_was_done(no_measuring):
    run = fit(small_net, X, Y, epochs=3, seed=5, validation=(X[:20], Y[:20]))
    assert isinstance(run, Run) and isinstance(run.model, keras.Model)
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


def test_progress_is_one_line_written_over(no_measuring, capsys):
    fit(small_net, X, Y, epochs=3, validation=(X, Y), label="a small net")
    out = capsys.readouterr().out
    assert out.count("\n") == 1 and out.endswith("\n")
    *_, last = out.strip().split("\r")
    numbers = r"\(\d+ s\): accuracy 0\.\d{3}, loss \d\.\d{3}, val accuracy 0\.\d{3}, val loss"
    assert re.match(rf"a small net: epoch 3 of 3 {numbers} \d\.\d{{3}}", last)


def test_long_epochs_show_how_much_is_left(no_measuring, capsys, monkeypatch):
    """A clock on which every look takes a second."""
    ticks = iter(range(10_000))
    monkeypatch.setattr(training.time, "perf_counter", lambda: next(ticks))
    fit(small_net, X, Y, epochs=2, batch_size=9)
    shown = capsys.readouterr().out
    done = [int(n) for n in re.findall(r"(\d+)%, about \d+ s left", shown)]
    assert len(done) == 20 and done == sorted(done) and done[9] == 50 and done[-1] == 100


def test_in_a_notebook_progress_is_one_output_that_changes(no_measuring, capsys, monkeypatch):
    import IPython

    shown = []

    class Handle:
        def update(self, data, raw):
            shown.append(data["text/plain"])

    def display(data, raw, display_id):
        shown.append(data["text/plain"])
        return Handle()

    class Shell:
        kernel = object()

    monkeypatch.setattr(training.time, "perf_counter", lambda: 0.0)  # no time passes in an epoch
    monkeypatch.setattr(IPython, "get_ipython", Shell)
    monkeypatch.setattr(IPython.display, "display", display)
    fit(small_net, X, Y, epochs=4)
    assert [line.split(" (")[0] for line in shown] == [f"epoch {i} of 4" for i in range(1, 5)]
    assert capsys.readouterr().out == ""


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
        (dict(epochs=0), "epochs must be at least 1, got 0"),
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
