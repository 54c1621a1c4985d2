"""The systems of the sources: the parameters they must have, and that each one runs."""

import keras
import numpy as np
import pytest
from cnnlab import data
from cnnlab.ledger import ledger
from cnnlab.models import SYSTEMS, VARIANTS, System, polynomial

# Recomputed for the course's ledger of facts; None where the source leaves the network open.
PARAMETERS = {
    "S1": 898_510,
    "S2": 137_660,
    "S3": 3_255_914,
    "S4": 3_255_914,
    "S5": 4_239_978,
    "S6": 4_239_978,
    "S7": 93_322,
    "S8": 2_168_362,
    "S9": 4,
    "S10": None,
    "S11": 2,
    "S12": 535_818,
    "S13": 101_770,
    "S14": 207_626,
    "S15": 61_706,
}
PRINTED = {"S1": 898_510, "S2": 138_110, "S4": 3_255_914, "S6": 4_239_978}
TEST_ACCURACY = {
    "S1": 0.9661,
    "S2": 0.98,
    "S3": 0.9884,
    "S4": 0.9785,
    "S5": 0.6361,
    "S6": 0.7414,
    "S7": 0.9918,
    "S8": 0.7853,
    "S10": 0.993,
    "S13": 0.9806,
    "S14": 0.9896,
}
RECIPE = ["data", "images", "optimizer", "learning_rate", "batch_size", "epochs", "validation"]
ALL = pytest.mark.parametrize("key", PARAMETERS)


def test_all_systems_are_there_in_order():
    assert list(SYSTEMS) == list(PARAMETERS)


@ALL
def test_fields_are_filled(key):
    system = SYSTEMS[key]
    assert isinstance(system, System) and system.id == key
    assert system.name and system.source in {"lee", "tfk", "dlp", "habr", "tf2notes"}
    assert list(system.recipe) == RECIPE + ["skip"] * (key in {"S3", "S4"})
    assert system.parameters == PARAMETERS[key]
    assert system.printed == PRINTED.get(key)
    assert system.reported.get("test_accuracy") == TEST_ACCURACY.get(key)
    assert system.reported or key in {"S11", "S12", "S15"}  # the sources report nothing there
    assert all(0 < v <= 1 for k, v in system.reported.items() if k.endswith("accuracy"))
    with pytest.raises(AttributeError):
        system.name = "another"


@ALL
def test_what_the_source_leaves_open_is_said(key):
    system = SYSTEMS[key]
    if system.parameters is None or system.printed not in (None, system.parameters):
        assert len(system.note) > 30


@ALL
def test_parameters_agree_with_the_table_and_the_ledger_with_keras(key):
    model = SYSTEMS[key].build()
    assert ledger(model).parameters == model.count_params()
    if PARAMETERS[key] is not None:
        assert model.count_params() == PARAMETERS[key]
    for row, layer in zip(ledger(model).rows, model.layers, strict=True):
        assert row.output_shape == layer.output.shape[1:]


@ALL
def test_each_works_on_a_batch_and_learns_a_step(key):
    keras.utils.set_random_seed(0)
    model = SYSTEMS[key].build()
    assert not model.compiled
    x = np.random.default_rng(0).random((4, *model.input_shape[1:]), "float32")
    out = np.asarray(model(x))
    assert out.dtype == np.float32 and np.isfinite(out).all()
    if key in ("S9", "S11"):
        assert out.shape == (4, 1)
        model.compile("sgd", "mse", jit_compile=False)
        labels = x.sum(axis=1)
    else:
        assert out.shape == (4, 10)
        assert not np.allclose(out.sum(axis=1), 1)  # logits, not probabilities
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile("sgd", loss, jit_compile=False)
        labels = np.arange(4)
    before = model.get_weights()
    assert np.isfinite(model.train_on_batch(x, labels))
    assert any(not np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


@ALL
def test_build_gives_a_new_model_each_time(key):
    first, second = SYSTEMS[key].build(), SYSTEMS[key].build()
    assert first is not second and first.layers[-1].kernel is not second.layers[-1].kernel


@ALL
def test_logits_stay_at_32_bits_under_mixed_precision(key):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = SYSTEMS[key].build()
    finally:
        keras.config.set_dtype_policy("float32")
    if key not in ("S9", "S11"):
        assert model.layers[-1].compute_dtype == "float32"


def test_images_are_those_that_the_data_module_gives():
    for system in SYSTEMS.values():
        shapes = {"mnist": (28, 28, 1), "cifar10": (32, 32, 3)}
        if system.recipe["data"] in shapes:
            assert system.build().input_shape[1:] == shapes[system.recipe["data"]]


def test_the_polynomial_has_one_parameter_more_than_its_degree():
    assert polynomial(14).count_params() == 15
    model = polynomial(3)
    model.set_weights([np.array([[2.0], [0.0], [1.0]]), np.array([5.0])])
    x = np.array([[1.5]], "float32")
    powers = x ** np.arange(1, 4)
    assert np.allclose(model(powers.astype("float32")), 5 + 2 * 1.5 + 1.5**3)


@pytest.mark.parametrize("key, deviation", [("S3", 0.1), ("S5", 0.01)])
def test_the_low_level_systems_start_as_their_code_says(key, deviation):
    keras.utils.set_random_seed(0)
    model = SYSTEMS[key].build()
    weights = [w.ravel() for w in model.get_weights()[0::2]]
    biases = np.concatenate(model.get_weights()[1::2])
    assert all(abs(w.std() / deviation - 1) < 0.1 for w in weights)
    assert all(abs(w.mean()) < deviation / 5 for w in weights)
    assert 0.95 < biases.std() < 1.05 and abs(biases.mean()) < 0.1


@pytest.mark.parametrize("system", [*SYSTEMS.values(), *VARIANTS.values()], ids=lambda s: s.id)
def test_only_what_the_source_leaves_open_is_assumed_and_then_nothing_is_open(system):
    assert all(system.recipe[entry] is None for entry in system.assumed)
    if system.recipe["data"] in data.NAMES:
        full = system.recipe | system.assumed
        assert hasattr(keras.optimizers, full["optimizer"])
        assert full["batch_size"] >= 1 and full["epochs"] >= 1


def test_the_variants_are_named_and_built_like_systems():
    assert list(VARIANTS) == [
        "S2-printed", "S10-plain", "MLP", "S4-few", "S15-few", "S15-varied", "S15-colour",
        "challenge", "challenge-faster", "challenge-fastest",
    ]  # fmt: skip
    for key, system in VARIANTS.items():
        assert system.id == key
        assert system.parameters in (None, system.build().count_params())


def test_the_challenge_gives_ten_logits_and_changes_images_in_training_only():
    system = VARIANTS["challenge"]
    assert list(system.recipe) == RECIPE and system.source == "tfk"
    keras.utils.set_random_seed(0)
    model = system.build()
    assert model.count_params() == system.parameters
    x = np.random.default_rng(0).random((4, 32, 32, 3), "float32")
    out = np.asarray(model(x, training=False))
    assert out.shape == (4, 10) and out.dtype == np.float32 and np.isfinite(out).all()
    assert np.allclose(out, model.predict(x, verbose=0), atol=1e-4)
    for layer in model.layers[:2]:
        assert np.array_equal(layer(x, training=False), x)
        assert not np.array_equal(layer(x, training=True), x)
