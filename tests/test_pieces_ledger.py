"""The live piece network-ledger, operated in a real browser and compared with cnnlab.ledger."""

import inspect
import re

import keras
import numpy as np
import pytest
from cnnlab import pieces
from cnnlab.ledger import ledger
from cnnlab.models import SYSTEMS
from cnnlab.network import KINDS, MERGING, RESTING, describe, settings
from cnnlab.pieces.networks import keras_script
from keras import layers
from networks import ANY, Random

NUMBERS = "parameters", "multiply_adds", "activation_bytes"


def forget():
    """Keras numbers its layers from the start again."""
    keras.utils.clear_session(free_memory=False)


def lines(book):
    """A ledger's rows and totals as the reader sees them."""

    def text(shape):
        return " × ".join(f"{n:,}" for n in shape)

    def sees(row):
        seen, free = text(row.receptive_field), text(row.unclipped)
        return seen if seen == free else f"{seen}, clipped from {free}"

    numbers = list(NUMBERS)
    if book.trainable < book.parameters:
        numbers.insert(1, "trainable")
    rows = [
        [
            row.name,
            text(row.output_shape),
            *(f"{getattr(row, name):,}" for name in numbers),
            sees(row),
        ]
        for row in book.rows
    ]
    return [*rows, ["total", "", *(f"{getattr(book, n):,}" for n in numbers), ""]]


def shown(tab):
    """The table as the reader sees it; the layers without their number."""
    return tab.piece.locator("table").evaluate(
        """table => {
            const list = cell => [...cell.childNodes].map(node => node.textContent).filter(Boolean);
            return [...table.querySelectorAll(".layer, .total")].map(tr => [...tr.children]
                .filter(cell => table.matches(".split") || !cell.matches(".trainable"))
                .map(cell => cell.querySelector("b")?.textContent ?? list(cell).join(", "))
                .map(text => text.replace(/^\\d+\\. /, "")));
        }"""
    )


def open_layer(tab, number):
    tab.piece.locator(".layer button").nth(number - 1).click()


def under(tab, number):
    """What stands under a layer's name."""
    return tab.piece.locator(".layer button").nth(number - 1).locator("span").all_inner_texts()


def field(tab, label):
    """A setting of the open layer."""
    return tab.piece.locator(".editor").get_by_label(re.compile(f"^{label}"))


def press(tab, name):
    tab.piece.get_by_role("button", name=name, exact=True).click()


def control(tab, name):
    return tab.piece.locator(f".controls [name={name}]")


def code(tab):
    return tab.piece.get_by_label("Keras code").input_value()


def run(text, **own):
    """The model that a reader builds who pastes the code into a fresh notebook."""
    forget()
    space = dict(own)
    exec(text, space)
    return space["model"]


def sees(book):
    """Everything the ledger says, without the names and the order of branches."""
    return sorted(str({**vars(row), "name": None}) for row in book.rows)


def counted(tab, models):
    """[ledger of the page, Keras code] of each model; the page runs no layer of them."""
    given = [pieces.PIECES["network-ledger"](model=model) for model in models]
    return tab.piece.evaluate(
        """({constructor: {count, code}}, given) => given.map(({model: {input, layers}}) =>
            [count(input, layers), code(input, layers)])""",
        given,
    )


def same(said, book):
    """The page's rows and totals are those of the ledger."""
    assert said["problem"] is None
    totals = {name: getattr(book, name) for name in (*NUMBERS, "trainable")}
    assert said["totals"] == totals
    for ours, row in zip(said["rows"], book.rows, strict=True):
        assert {name: tuple(v) if isinstance(v, list) else v for name, v in ours.items()} == vars(
            row
        )


def test_every_system_of_the_sources(open_piece):
    """Chosen from the list: title, all rows, totals; and its code builds the same network."""
    tab = open_piece("network-ledger")
    choice = control(tab, "preset")
    titles = choice.locator("option").all_inner_texts()
    assert titles[:-2] == [f"{key}: {system.name}" for key, system in SYSTEMS.items()]
    for key, system in SYSTEMS.items():
        forget()
        model = system.build()
        choice.select_option(key)
        assert shown(tab) == lines(ledger(model))
        assert f"{key}, {system.name}: in total {model.count_params():,} par" in tab.words()
        built = run(code(tab))
        assert lines(ledger(built)) == shown(tab)
        ours, theirs = (
            [layer | {"name": 0} for layer in describe(each).plain()["layers"]]
            for each in (built, model)
        )
        assert ours == theirs


def test_keras_js_is_what_keras_says():
    assert (pieces.FOLDER / "keras.js").read_text("utf-8") == keras_script()


def test_every_layer_can_be_added_and_starts_as_keras_makes_it(open_piece):
    """What Keras has no usual value for is filled in; all else is Keras's own."""
    tab = open_piece("network-ledger", preset="empty")
    offered = tab.piece.locator(".add option").all_inner_texts()
    assert sorted(offered) == sorted({*KINDS, "Dropout"})
    assert offered[:5] == ["Conv2D", "MaxPooling2D", "Flatten", "Dense", "Dropout"]
    for kind in offered:
        tab.piece.locator(".add select").select_option(kind)
        tab.piece.locator(".add button.new").click()
        layer = tab.piece.evaluate("piece => piece.stack[0]")
        make = getattr(layers, kind)
        needed = [
            name
            for name, argument in inspect.signature(make).parameters.items()
            if argument.default is argument.empty and name in layer
        ]
        if kind == "GroupNormalization":
            needed.append("groups")  # Keras's 32 fit few networks
        assert layer == {"kind": kind, **settings(make(**{name: layer[name] for name in needed}))}
        fields = tab.piece.locator(".editor label, .editor .pair")
        hidden = {"epsilon", "antialias", "crop_to_aspect_ratio", "pad_to_aspect_ratio"}
        sides = {"ZeroPadding1D": 1, "Cropping1D": 1, "ZeroPadding2D": 3, "Cropping2D": 3}
        shown = len(set(layer) - hidden - {"kind", "input_mean"}) + sides.get(kind, 0)
        assert fields.count() == shown, kind
        press(tab, "remove")


CHAIN = [*(k for k in ANY if k not in ("add", "concatenate", "gate", "shared", "operator"))]


def rare():
    """What the random networks seldom or never hold."""
    image = keras.Input((9, 8, 4))
    yield keras.Model(image, layers.GlobalMaxPooling2D(keepdims=True)(image))
    row = layers.Reshape((8, 36))(image)
    yield keras.Model(image, layers.GlobalMaxPooling1D()(layers.MaxPooling1D(3)(row)))
    yield keras.Model(image, layers.AveragePooling1D(2, padding="same")(row))
    both = [image, layers.Conv2D(4, 3, padding="same", dtype="mixed_float16")(image)]
    for merge in (layers.Maximum, layers.Minimum, layers.Average, layers.Multiply):
        yield keras.Model(image, merge()(both))
    for how in ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5"):
        smaller = layers.Resizing(5, 13, interpolation=how)(image)
        yield keras.Model(image, layers.UpSampling2D((3, 1), interpolation=how)(smaller))
    for padding in ("valid", "same"):
        x = layers.Conv2DTranspose(2, 3, strides=3, padding=padding, output_padding=(0, 2))(image)
        yield keras.Model(image, layers.Conv2DTranspose(2, 3, dilation_rate=2, padding=padding)(x))
    x = layers.DepthwiseConv2D(2, strides=2, dilation_rate=2, depth_multiplier=2)(image)
    yield keras.Model(image, layers.Softmax(axis=[1, 2])(layers.Permute((3, 1, 2))(x)))
    yield keras.Model(image, layers.LayerNormalization(axis=[1, 3], epsilon=1e-4)(image))
    yield keras.Model(image, layers.GroupNormalization(-1, axis=1)(layers.PReLU()(image)))
    x = layers.Conv2D(8, 2, groups=4, activation="softmax")(layers.Permute((3, 1, 2))(image))
    yield keras.Model(image, layers.Dense(3)(layers.Flatten()(x)))
    x = layers.Normalization(axis=None)(layers.Rescaling([1.0, 2.0, 3.0, 4.0], offset=0.5)(image))
    yield keras.Model(image, layers.Normalization(mean=[0.1] * 4, variance=[2.0] * 4)(x))
    yield keras.Model(image, [layers.ReLU(1.0, 0.1, 0.5)(image), layers.Flatten()(image)])
    yield keras.Model(
        image, layers.Add()([layers.Flatten()(image), layers.Dense(288)(layers.Flatten()(image))])
    )
    vector = keras.Input((48,))
    picture = layers.Reshape((4, 4, 3))(vector)
    yield keras.Model(vector, layers.Conv2D(2, 3)(picture))
    yield keras.Model(
        vector, layers.Conv1D(2, 3, padding="causal", strides=2)(layers.Reshape((-1, 3))(vector))
    )
    encoder = keras.Sequential(
        [layers.Conv2D(4, 3, padding="same", name="a b"), layers.ReLU()], name="encoder"
    )
    head = keras.Sequential(
        [keras.Input((9, 8, 4)), encoder, encoder, layers.Flatten()], name="head"
    )
    head.trainable = False
    yield keras.Model(
        image,
        layers.Dense(2, name="encoder_a b")(
            layers.Concatenate()([head(image), head(image * image)])
        ),
    )


def random_models():
    for seed in range(300):
        yield Random(seed).model()
    for seed in range(60):
        yield Random(1000 + seed, CHAIN).model()
    yield from rare()


def test_random_networks_equal_our_ledger(open_piece):
    """Every row of 388 models built by Keras; the code of a third builds them; 20 are shown."""
    tab, models = open_piece("network-ledger"), list(random_models())
    books, networks = [ledger(model) for model in models], [describe(model) for model in models]
    sequential = 0
    for number, (book, network, (said, text)) in enumerate(
        zip(books, networks, counted(tab, models), strict=True)
    ):
        same(said, book)
        chain = all(layer.inputs == (at - 1,) for at, layer in enumerate(network.layers))
        plain = not any(
            layer.shares is not None or layer.kind in MERGING for layer in network.layers
        )
        assert ("keras.Sequential" in text) == (chain and plain)
        sequential += chain and plain
        left_out = [
            layer.name
            for layer in network.layers
            if layer.kind in RESTING and layer.kind != "Identity" and not layer.settings
        ]
        said_so = re.search(r"# Left out, .*: (.*)\.", text)
        assert left_out == (said_so[1].split(", ") if said_so else [])
        kept = [row for row in book.rows if row.name not in left_out]
        if kept and (number % 3 == 0 or number >= 360):
            assert sees(ledger(run(text))) == sorted(
                str({**vars(row), "name": None}) for row in kept
            )
    assert 60 < sequential < 300
    for model, book in list(zip(models, books, strict=True))[:20]:
        tab.again(model=model)
        assert shown(tab) == lines(book)
    assert {row.kind for book in books for row in book.rows} >= {*KINDS, *MERGING}


@pytest.mark.parametrize(
    "name",
    [
        *("VGG16", "ResNet50", "ResNet101V2"),
        *("MobileNetV2", "EfficientNetB0", "DenseNet121", "Xception"),
    ],
)
def test_well_known_networks_equal_our_ledger(open_piece, name):
    """Row by row; and as the reader sees it."""
    forget()
    model = getattr(keras.applications, name)(weights=None)
    book, tab = ledger(model), open_piece("network-ledger", model=model)
    [[said, text]] = counted(tab, [model])
    del model
    keras.utils.clear_session()
    same(said, book)
    assert shown(tab) == lines(book)
    assert text.count("layers.") >= len(book.rows)


def test_the_keyboard_edits_moves_adds_and_removes(open_piece):
    tab = open_piece("network-ledger", preset="S2")
    forget()
    tab.piece.get_by_role("button", name="1. conv2d").focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowUp", "ArrowDown", "ArrowDown", "Enter"):
        tab.keyboard.press(key)
    box = tab.piece.get_by_role("group", name="settings of max_pooling2d_1")
    box.get_by_label("padding").focus()
    tab.keyboard.press("s")  # same
    assert shown(tab)[3] == [
        "max_pooling2d_1",
        *("6 × 6 × 50", "0", "0", "7,200", "10 × 10"),
    ]
    assert "max_pooling2d_1 gives 6 × 6 × 50 and has 0 parameters now" in tab.words()
    assert "192,660 parameters (55,000 more)" in tab.words()
    assert "dense_1, sees all 28 × 28 pixels" in tab.words()
    assert control(tab, "preset").input_value() == "own"

    tab.piece.locator(".add select").focus()
    tab.keyboard.press("D")  # Dense
    tab.keyboard.press("D")  # Dropout
    tab.keyboard.press("Tab")
    tab.keyboard.press("Enter")
    assert "dropout is layer 5 now" in tab.words()
    tab.keyboard.press("Alt+ArrowDown")  # the new layer has the focus
    tab.keyboard.press("Alt+ArrowDown")
    assert "dropout is layer 7 now. In total 192,660 parameters" in tab.words()
    tab.keyboard.press("Alt+ArrowUp")
    tab.keyboard.press("ArrowUp")
    tab.keyboard.press("ArrowUp")
    tab.keyboard.press("ArrowUp")
    tab.keyboard.press("Delete")
    assert "Layer 3, conv2d_1, is gone" in tab.words()
    expected = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(25, 3),
            layers.MaxPooling2D(2),
            layers.MaxPooling2D(2, padding="same"),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(100, activation="relu"),
            layers.Dense(10),
        ]
    )
    assert shown(tab) == lines(ledger(expected))
    for _ in range(7):
        tab.keyboard.press("Delete")
    assert "no layers yet" in tab.words()
    assert shown(tab) == [["total", "", "0", "0", "0", ""]]
    assert tab.evaluate(
        "document.activeElement.shadowRoot.activeElement.localName"
    )  # the focus is somewhere


def test_the_pointer_edits_moves_adds_and_removes(open_piece):
    tab = open_piece("network-ledger", touch=True, width=360)
    forget()
    control(tab, "preset").select_option("empty")
    for kind in ("Flatten", "Dense", "ZeroPadding2D", "Conv2D", "BatchNormalization"):
        tab.piece.locator(".add select").select_option(kind)
        tab.piece.locator(".add button.new").tap()
    for number, ups in ((3, 2), (4, 2), (5, 2)):
        tab.piece.get_by_role("button", name=f"{number}. ").tap()
        for _ in range(ups):
            tab.piece.get_by_role("button", name="move up").tap()
    assert "batch_normalization is layer 3 now" in tab.words()
    tab.piece.get_by_role("button", name="move down").tap()
    tab.piece.get_by_role("button", name="remove").tap()
    assert "Layer 4, batch_normalization, is gone" in tab.words()
    open_layer(tab, 1)
    field(tab, "bottom").fill("3")
    open_layer(tab, 2)
    field(tab, "kernels").fill("6")
    field(tab, "size, rows").fill("5")
    field(tab, "size, columns").fill("4")
    field(tab, "dilation, rows").fill("2")
    field(tab, "bias").tap()
    field(tab, "activation").select_option("tanh")
    control(tab, "rows").fill("20")
    control(tab, "channels").fill("3")
    assert "The input is 20 × 28 × 3 now" in tab.words()
    expected = keras.Sequential(
        [
            keras.Input((20, 28, 3)),
            layers.ZeroPadding2D(((1, 3), (1, 1))),
            layers.Conv2D(6, (5, 4), dilation_rate=2, use_bias=False, activation="tanh"),
            layers.Flatten(),
            layers.Dense(10),
        ]
    )
    assert shown(tab) == lines(ledger(expected))
    assert (
        code(tab)
        == """import keras
from keras import layers

model = keras.Sequential([
    keras.Input((20, 28, 3)),
    layers.ZeroPadding2D(((1, 3), (1, 1))),
    layers.Conv2D(6, (5, 4), dilation_rate=2, use_bias=False, activation="tanh"),
    layers.Flatten(),
    layers.Dense(10),
])
"""
    )


def test_the_stride_of_a_pooling_follows_its_size_as_in_keras(open_piece):
    tab = open_piece("network-ledger", preset="S2")
    open_layer(tab, 2)
    field(tab, "size, rows").fill("3")
    assert field(tab, "stride, columns").input_value() == "3"
    assert "layers.MaxPooling2D(3)," in code(tab)
    field(tab, "stride, rows").fill("2")
    field(tab, "size, columns").fill("4")
    assert "layers.MaxPooling2D((3, 4), strides=2)," in code(tab)
    assert shown(tab)[1][1] == "12 × 12 × 25"


def test_what_cannot_be_typed_changes_nothing(open_piece):
    tab = open_piece("network-ledger", preset="S2")
    before = shown(tab)
    open_layer(tab, 1)
    kernels = field(tab, "kernels")
    for typed in ("0", "-3", "2.5", "", "99999"):
        kernels.fill(typed)
        assert shown(tab) == before
    kernels.blur()
    assert kernels.input_value() == "25"


def test_inputs_without_channels_and_without_columns(open_piece):
    tab = open_piece("network-ledger", preset="S13")
    forget()
    flat = [layers.Flatten, lambda: layers.Dense(128), lambda: layers.Dropout(0.2)]
    for choice, shape in (("2", (28, 28)), ("1", (784,))):
        control(tab, "rank").select_option(choice)
        model = keras.Sequential([keras.Input(shape), *(make() for make in flat), layers.Dense(10)])
        numbers = [line[1:] for line in lines(ledger(model))]
        assert [line[1:] for line in shown(tab)] == numbers
        assert sees(ledger(run(code(tab)))) == sees(ledger(model))
    control(tab, "numbers").fill("3")
    assert "sees all 3 numbers" in tab.words()


MISFITS = {
    "window larger than the map": (
        "S7",
        lambda tab: (open_layer(tab, 3), field(tab, "size, rows").fill("13")),
        4,
        "Layer 4, max_pooling2d_1, has a window that reaches over 2 × 2 and does not fit into maps "
        'of 1 × 1. Use a smaller size, padding "same"',
    ),
    "dilation": (
        "S2",
        lambda tab: (open_layer(tab, 3), field(tab, "dilation, columns").fill("7")),
        3,
        "Layer 3, conv2d_1, has a window that reaches over 3 × 15 and does not fit into maps of "
        "13 × 13. Use a smaller size or dilation",
    ),
    "stride and dilation": (
        "S2",
        lambda tab: (
            open_layer(tab, 3),
            field(tab, "dilation, rows").fill("2"),
            field(tab, "stride, rows").fill("2"),
        ),
        3,
        "Layer 3, conv2d_1, has a stride and a dilation above 1, which Keras does not allow",
    ),
    "convolution after flatten": (
        "S2",
        lambda tab: (
            open_layer(tab, 5),
            tab.piece.get_by_role("button", name="add below flatten").click(),
        ),
        6,
        "Layer 6, conv2d_2, needs maps (rows × columns × channels) and gets 1,250 numbers in one "
        "row. Move it above flatten, or remove one of the two.",
    ),
    "no channels": (
        "S2",
        lambda tab: control(tab, "rank").select_option("2"),
        1,
        "Layer 1, conv2d, needs maps (rows × columns × channels) and gets 28 × 28 numbers. Choose",
    ),
}


@pytest.mark.parametrize(("preset", "act", "layer", "words"), MISFITS.values(), ids=MISFITS)
def test_layers_that_do_not_fit_are_explained(open_piece, preset, act, layer, words):
    """As Keras: it refuses the code, and the rows before the layer are right."""
    tab = open_piece("network-ledger", preset=preset)
    act(tab)
    assert tab.words().startswith(words)
    assert "wrong" in tab.piece.locator(".words").get_attribute("class")
    table = shown(tab)
    assert table[layer - 1][1:] == ["does not fit", "", "", "", ""]
    assert all(cell == "" for line in table[layer:] for cell in line[1:])
    text = code(tab)
    assert f"# Keras will refuse this: layer {layer} does not fit." in text
    with pytest.raises(ValueError):
        run(text)
    head, *stack = text.split("    layers.")
    above = run("    layers.".join([head, *stack[: layer - 1]]).removesuffix("])\n") + "])\n")
    if layer > 1:
        assert table[: layer - 1] == lines(ledger(above))[:-1]
    control(tab, "preset").select_option(preset)  # all is well again
    assert "does not fit" not in str(shown(tab)) and tab.words().startswith(preset)


# What a reader may set, fitting or not.
VALUES = {
    **{"filters": [3, 4], "groups": [1, 2, 4], "depth_multiplier": [1, 2], "units": [3]},
    **{"kernel_size": [1, 2, 5], "pool_size": [1, 2, 5], "strides": [1, 1, 1, 2], "size": [1, 2]},
    **{"dilation_rate": [1, 1, 1, 2], "padding": ["valid", "same"], "height": [3], "width": [9]},
    **{"output_padding": [None, 0, 1, [0, 1], 2], "cropping": [0, 1, 3], "keepdims": [True, False]},
    "axis": [-1, 1, 2, 3, 4, 0, -2, -4],
    "shared_axes": [None, [1], [1, 2], [3], [9], [2, 3]],
    "dims": [[1], [2, 1], [1, 2], [2, 1, 3], [3, 2, 1], [1, 1, 2], [4, 1, 2], [1, 2, 3, 4]],
    "target_shape": [[-1], [5, -1], [6], [-1, -1], [2, 3], [140], [0, -1], [7, 5, 4], [-3, 2], []],
}
SIZES = "kernel_size", "pool_size", "strides", "dilation_rate", "size"


def tries(rng, kind, usual, shape):
    """A layer that may or may not fit on this shape: as the page has it, and as Keras takes it."""
    told, given = dict(usual), {}
    for key, value in usual.items():
        if key in VALUES and rng.random() < 0.7:
            value = VALUES[key][rng.integers(len(VALUES[key]))]
            value = [value] * len(usual[key]) if key in SIZES and kind != "UpSampling1D" else value
        if key in ("padding", "cropping") and kind.startswith(("Zero", "Crop")):
            low, high = (int(n) for n in rng.integers(0, 4, 2))
            value = [low, high] if kind.endswith("1D") else [[low, high], [1, low]]
        told[key] = value
        given[{"input_mean": "mean"}.get(key, key)] = value
    return told, given


def test_what_does_not_fit_is_what_keras_refuses(open_piece):
    """Any kind, any settings, on a vector, a row of vectors and an image."""
    tab, rng = open_piece("network-ledger"), np.random.default_rng(1)
    usual = tab.evaluate("cnn.keras.kinds")
    cases = []
    for kind in sorted({*KINDS, "Dropout", "Reshape"}):
        for shape in [(6,), (5, 28), (5, 7, 4)] * 12:
            told, given = tries(rng, kind, usual[kind], shape)
            if kind == "Resizing" and len(shape) < 3:
                continue  # Keras takes the batch for rows
            if kind == "Softmax" and not 0 < abs(told["axis"]) <= len(shape):
                continue  # Keras builds what it then cannot run
            cases.append((shape, {"kind": kind, **told}, given))
    said = tab.piece.evaluate(
        "({constructor: {count}}, cases) => cases.map(([shape, layer]) => count(shape, [layer]))",
        [[shape, layer] for shape, layer, _ in cases],
    )
    outcomes = set()
    for (shape, layer, given), ours in zip(cases, said, strict=True):
        image, problem = keras.Input(shape), ours["problem"]
        try:
            model = keras.Model(image, getattr(layers, layer["kind"])(**given)(image))
        except Exception as refusal:  # of any kind
            assert problem and problem["refused"], (shape, layer, refusal)
            assert problem["text"][0] == "L" and problem["text"][-1] == "."
            outcomes.add((layer["kind"], "refused"))
            continue
        try:
            book = ledger(model)
        except Exception as unclear:
            assert problem and not problem["refused"], (shape, layer, problem, unclear)
            continue
        assert not problem, (shape, layer, problem)
        row = vars(book.rows[0]) | {"name": 0}
        theirs = ours["rows"][0] | {"name": 0}
        assert {k: tuple(v) if isinstance(v, list) else v for k, v in theirs.items()} == row
        outcomes.add((layer["kind"], "fits"))
    assert {kind for kind, outcome in outcomes if outcome == "fits"} == {*KINDS, "Dropout"}
    assert len([kind for kind, outcome in outcomes if outcome == "refused"]) > 20


def residual():
    """A small network that branches, with batch norm and a layer that is used twice."""
    image = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, padding="same", name="conv2d")(image)
    y = layers.BatchNormalization(name="norm")(x)
    twice = layers.Conv2D(4, 3, padding="same", name="twice")
    joined = layers.Add(name="add")([x, twice(twice(y))])
    both = layers.Concatenate(name="both")([joined, image])
    return keras.Model(image, layers.Reshape((64, 7), name="reshape")(both))


BRANCHED = {
    "sum": (
        1,
        ("kernels", "5"),
        "Layer 5, add, gets 8 × 8 × 5 and 8 × 8 × 4, which do not fit together: sizes must be the "
        "same, or 1. Change a layer before it.",
    ),
    "axis": (
        6,
        ("axis", "4"),
        "Layer 6, both, has axis 4 for 8 × 8 × 4. Axes count from 1 to 3, or from the end: −1 is "
        "the last.",
    ),
    "other axis": (
        6,
        ("axis", "2"),
        "Layer 6, both, gets 8 × 8 × 4 and 8 × 8 × 3, which do not fit together: all sizes but "
        "that of axis 2 must be the same. Change a layer before it.",
    ),
    "size": (
        7,
        ("shape", "64, 8"),
        "Layer 7, reshape, cannot make the shape 64 × 8 of 8 × 8 × 7, which are 448 numbers. The "
        "sizes multiplied must give this number; one of them may be −1, for what is left.",
    ),
    "groups": (
        3,
        ("groups", "3"),
        "Layer 3, twice, has 3 groups, which must divide both its 4 channels and its 4 kernels. "
        "Change one of these numbers.",
    ),
}


@pytest.mark.parametrize(("layer", "typed", "words"), BRANCHED.values(), ids=BRANCHED)
def test_what_does_not_fit_in_a_network_that_branches(open_piece, layer, typed, words):
    tab = open_piece("network-ledger", model=residual())
    open_layer(tab, layer)
    field(tab, typed[0]).fill(typed[1])
    field(tab, typed[0]).press("Enter")
    assert tab.words() == words
    assert shown(tab)[int(words[6]) - 1][1] == "does not fit"
    with pytest.raises((ValueError, IndexError)):
        run(code(tab))
    press(tab, "undo")
    assert "does not fit" not in str(shown(tab))
    assert sees(ledger(run(code(tab)))) == sees(ledger(residual()))


STACKED = {
    "1-D on an image": (
        [layers.Conv2D(2, 3)],
        "MaxPooling1D",
        "Layer 2, max_pooling1d, needs a row of vectors (places × channels) and gets 6 × 6 × 2 "
        "numbers. Choose an input of rows × columns, or take MaxPooling2D, or remove this layer.",
    ),
    "2-D after a reshape": (
        [layers.Reshape((16, 4), name="reshape")],
        "Conv2D",
        "Layer 2, conv2d, needs maps (rows × columns × channels) and gets 16 × 4 numbers. Move it "
        "above reshape, or remove one of the two.",
    ),
    "order of axes": (
        [layers.Flatten(name="flatten")],
        "Permute",
        "Layer 2, permute, has the order 2, 1, 3 for 64. It must name each axis from 1 to 1 once.",
    ),
    "all cut off": (
        [layers.AveragePooling2D(4), layers.Cropping2D(((0, 0), (0, 1)), name="cut")],
        "Cropping2D",
        "Layer 3, cropping2d, cuts 2 off, and there are 2. Cut less.",
    ),
}


@pytest.mark.parametrize(("stack", "kind", "words"), STACKED.values(), ids=STACKED)
def test_what_does_not_fit_in_a_stack(open_piece, stack, kind, words):
    model = keras.Sequential([keras.Input((8, 8, 1)), *stack])
    tab = open_piece("network-ledger", model=model)
    tab.piece.locator(".add select").select_option(kind)
    tab.piece.locator(".add button.new").click()
    if kind == "Cropping2D":
        assert shown(tab)[-2][1] == "2 × 1 × 1"  # 0 on each side
        field(tab, "top").fill("2")
    assert tab.words() == words
    with pytest.raises(ValueError):
        run(code(tab))


def test_a_network_that_branches(open_piece):
    """Where the inputs come from; settings can be changed, layers stay where they are."""
    model = residual()
    tab = open_piece("network-ledger", model=model)
    assert shown(tab) == lines(ledger(model))
    assert [under(tab, number)[-1] for number in (1, 2)] == [
        "4 kernels of 3 × 3, same",
        "BatchNormalization",
    ]
    assert under(tab, 4) == ["Conv2D, 4 kernels of 3 × 3, same, again"]
    assert under(tab, 5) == ["from conv2d and twice"]
    assert under(tab, 6) == ["Concatenate", "from add and the image"]
    before = shown(tab)
    tab.piece.locator(".layer button").nth(2).focus()
    for key in ("Delete", "Alt+ArrowDown", "Alt+ArrowUp"):
        tab.keyboard.press(key)
    assert shown(tab) == before and not tab.piece.get_by_label("new layer").is_visible()
    open_layer(tab, 4)
    assert (
        tab.piece.locator(".editor").inner_text()
        == "This is layer 3 again: open it there to change it."
    )
    open_layer(tab, 3)
    assert (
        "layers cannot be moved, added or removed here" in tab.piece.locator(".editor").inner_text()
    )
    assert tab.piece.locator(".editor button").count() == 0
    field(tab, "size, rows").fill("5")  # in both places
    field(tab, "bias").uncheck()
    image = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, padding="same")(image)
    twice = layers.Conv2D(4, 5, padding="same", use_bias=False)
    x = layers.Add()([x, twice(twice(layers.BatchNormalization()(x)))])
    x = layers.Reshape((64, 7))(layers.Concatenate()([x, image]))
    expected = ledger(keras.Model(image, x))
    assert sees(ledger(run(code(tab)))) == sees(expected)
    assert [line[1:] for line in shown(tab)] == [line[1:] for line in lines(expected)]
    assert (
        code(tab)
        == """import keras
from keras import layers

# What does not count, such as initializers, is left out.
inputs = keras.Input((8, 8, 3))
x_conv2d = layers.Conv2D(4, 3, padding="same")(inputs)
x = layers.BatchNormalization(name="norm")(x_conv2d)
shared_twice = layers.Conv2D(4, 5, padding="same", use_bias=False, name="twice")
x = shared_twice(x)
x = shared_twice(x)
x = layers.Add()([x_conv2d, x])
x = layers.Concatenate(name="both")([x, inputs])
x = layers.Reshape((64, 7))(x)
model = keras.Model(inputs, x)
"""
    )


def swish_of_my_own(x):
    return x * keras.ops.sigmoid(x)


def test_parts_of_ones_own_and_parts_inside(open_piece):
    """Own activations, a frozen model inside, augmentation, numbers beside tensors."""
    image = keras.Input((6, 6, 1))
    inside = keras.Sequential(
        [layers.Conv2D(3, 3, activation=swish_of_my_own, name="first")], name="encoder"
    )
    x = inside(layers.RandomFlip(name="flip")(image))
    inside.trainable = False
    x = layers.Dense(2, activation=lambda x: x, name="encoder_first")(layers.Flatten()(x * 2.0))
    model = keras.Model(image, x)
    tab = open_piece("network-ledger", model=model)
    assert shown(tab) == lines(ledger(model))
    assert under(tab, 2) == ["Conv2D, 3 kernels of 3 × 3, your own swish_of_my_own, frozen"]
    text = code(tab)
    assert "# Left out, since their settings are not known here: flip.\n" in text
    assert "# Of your own, to be defined first: swish_of_my_own, _lambda_.\n" in text
    assert "# Numbers beside tensors are not known here: write yours for 0.0 or 1.0.\n" in text
    assert "# layers.RandomFlip(…) is left out\n" in text
    assert 'activation=swish_of_my_own, trainable=False, name="encoder_first")(inputs)' in text
    built = run(text, swish_of_my_own=swish_of_my_own, _lambda_=swish_of_my_own)
    assert lines(ledger(built))[1:] != []
    rows = [row for row in ledger(model).rows if row.kind != "RandomFlip"]
    assert [vars(row) | {"name": 0} for row in ledger(built).rows] == [
        vars(row) | {"name": 0} for row in rows
    ]
    assert built.layers[1].activation is swish_of_my_own


def test_names_in_the_code_meet_no_name_of_keras(open_piece):
    """A dense layer called conv2d beside one that Keras would call so."""
    image = keras.Input((6, 6, 1))
    x = layers.Conv2D(2, 3, name="my_first")(image)
    x = layers.Conv2D(2, 3, name="conv2d_7")(layers.Dense(2, name="conv2d")(x))
    model = keras.Model(image, layers.Dense(2, name="None")(x))
    tab = open_piece("network-ledger", model=model)
    built = run(code(tab))
    names = [layer.name for layer in built.layers[-4:]]
    assert names == ["my_first", "conv2d", "conv2d_7", "None"]


def test_trainable_parameters_and_clipped_views_are_told(open_piece):
    """In a column of their own where some are not trainable; and in the sentence."""
    image = keras.Input((12, 10, 1))
    x = layers.Conv2D(3, 9, padding="same", name="wide")(image)
    model = keras.Model(image, layers.Conv2D(3, 3, padding="same", name="last")(x))
    tab = open_piece("network-ledger", model=model, width=1000)
    assert not tab.piece.get_by_role("columnheader", name="trainable").is_visible()
    assert "trainable" not in tab.words()
    assert shown(tab)[1][-1] == "11 × 10, clipped from 11 × 11"
    assert "last, sees 11 × 10 of 12 × 10 pixels, clipped from 11 × 11." in tab.words()
    tab.piece.locator(".add select").select_option("BatchNormalization")
    tab.piece.locator(".add button.new").click()
    assert tab.piece.get_by_role("columnheader", name="trainable").is_visible()
    expected = ledger(keras.Model(image, layers.BatchNormalization()(model(image))))
    assert [line[1:] for line in shown(tab)] == [line[1:] for line in lines(expected)]
    assert "In total 342 parameters (12 more), 336 of them trainable, " in tab.words()
    field(tab, "offset").uncheck()
    assert shown(tab)[2][2:4] == ["9", "3"]


def test_every_change_can_be_undone(open_piece):
    tab = open_piece("network-ledger", preset="S2")
    stack = "piece => JSON.stringify([piece.stack, piece.input, piece.state.preset])"
    states = [tab.piece.evaluate(stack)]

    def done():
        states.append(tab.piece.evaluate(stack))
        assert states[-1] != states[-2]

    open_layer(tab, 3)
    field(tab, "kernels").fill("8")
    done()
    field(tab, "bias").uncheck()
    done()
    press(tab, "move up")
    done()
    press(tab, "add below conv2d_1")
    done()
    tab.piece.locator(".layer button").nth(5).focus()
    tab.keyboard.press("Delete")
    done()
    control(tab, "rows").fill("30")
    done()
    control(tab, "preset").select_option("S5")
    done()
    control(tab, "preset").select_option("empty")
    done()
    undone = [
        *("the choice of no layers yet", "the choice of S5: ", "the change of the input"),
        *("the removal of flatten", "the new layer conv2d_2", "the move of conv2d_1"),
        *("the change of bias of conv2d_1", "the change of kernels of conv2d_1"),
    ]
    for number, what in enumerate(undone):
        states.pop()
        if number % 2:
            press(tab, "undo")
        else:
            tab.piece.locator(".add select").focus()
            tab.keyboard.press("Control+z" if number % 4 else "Meta+z")
        assert tab.words().startswith(f"Undone: {what}")
        assert tab.piece.evaluate(stack) == states[-1]
    tab.piece.get_by_role("button", name="undo").press("Enter")
    assert tab.words() == "There is nothing to undo."
    assert tab.piece.evaluate(stack) == states[-1]


def test_undo_where_something_is_typed(open_piece):
    """In a field it takes the change back and stays there; what is half typed is the browser's."""
    tab = open_piece("network-ledger", preset="S2")
    open_layer(tab, 1)
    kernels = field(tab, "kernels")
    kernels.focus()
    tab.keyboard.press("Control+a")
    tab.keyboard.type("12")
    assert kernels.input_value() == "12"
    tab.keyboard.press("Control+z")
    tab.keyboard.press("Control+z")
    assert field(tab, "kernels").input_value() == "25"
    assert tab.piece.evaluate("piece => piece.shadowRoot.activeElement.value") == "25"
    open_layer(tab, 1)
    tab.piece.locator(".add select").select_option("Reshape")
    tab.piece.locator(".add button.new").click()
    field(tab, "shape").focus()
    tab.keyboard.type("7, 7")
    before = shown(tab)
    tab.keyboard.press("Control+z")
    assert shown(tab) == before and field(tab, "shape").is_visible()


def test_backspace_removes_nothing(open_piece):
    tab = open_piece("network-ledger", preset="S2")
    before = shown(tab)
    tab.piece.get_by_role("button", name="1. conv2d").focus()
    tab.keyboard.press("Backspace")
    assert shown(tab) == before
    tab.keyboard.press("Delete")
    assert len(shown(tab)) == len(before) - 1
    tab.keyboard.press("Control+z")
    assert shown(tab) == before


def test_lists_of_numbers_are_typed(open_piece):
    tab = open_piece("network-ledger", preset="S12")
    tab.piece.locator(".add select").select_option("Reshape")
    tab.piece.locator(".add button.new").click()
    field(tab, "shape").fill("2, 5, −1")
    field(tab, "shape").press("Enter")
    assert shown(tab)[4][1] == "2 × 5 × 1"
    assert "layers.Reshape((2, 5, -1))," in code(tab)
    for typed in ("2, 5.5", "two", ""):
        field(tab, "shape").fill(typed)
        field(tab, "shape").press("Enter")
        assert tab.words() == "shape: whole numbers with commas between them, such as 7, 7, 64."
        assert field(tab, "shape").input_value() == "2, 5, -1"
    tab.piece.locator(".add select").select_option("PReLU")
    tab.piece.locator(".add button.new").click()
    field(tab, "shared along axes").fill("1 2")
    field(tab, "shared along axes").press("Enter")
    assert "layers.PReLU(shared_axes=(1, 2))," in code(tab)
    field(tab, "shared along axes").fill("")
    field(tab, "shared along axes").press("Enter")
    assert "layers.PReLU()," in code(tab)


MARKS = {  # what is marked, and what is like it but for the mark
    "the open layer": (".layer:nth-child(1) th", ".layer:nth-child(3) th"),
    "a share of the total": (".layer td.multiply_adds:has(.bar)", ".layer td.output_shape"),
    "what does not fit": (".misfit th", ".layer:not(.misfit):nth-child(3) th"),
}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_marks_are_seen_in_the_readers_own_colours(open_piece, scheme):
    from io import BytesIO

    from PIL import Image

    tab = open_piece("network-ledger", preset="S2")
    tab.emulate_media(forced_colors="active", color_scheme=scheme)
    tab.evaluate("document.documentElement.style.colorScheme = 'light dark'")
    open_layer(tab, 1)
    blank = "section * { color: transparent !important; } svg { display: none; }"
    tab.piece.evaluate(
        """(piece, css) => {
            const style = document.createElement("style");
            style.textContent = css;
            piece.shadowRoot.append(style);
        }""",
        blank,
    )

    def colours(selector):
        picture = Image.open(BytesIO(tab.piece.locator(selector).first.screenshot()))
        return {colour for count, colour in picture.convert("RGB").getcolors(10**6) if count > 20}

    for what, (marked, plain) in MARKS.items():
        if "fit" in what:
            open_layer(tab, 6)
            open_layer(tab, 6)
            control(tab, "rows").fill("8")
        tab.mouse.move(0, 0)
        assert colours(marked) != colours(plain), what


def test_a_long_network_scrolls_in_its_own_frame_and_changes_what_changed(open_piece):
    """378 layers do not make a page of 378 rows, and a change touches the rows that it changes."""
    model = keras.applications.ResNet101V2(weights=None)
    tab = open_piece("network-ledger", model=model, width=320)
    layers_there = len(model.layers) - 1  # without the input
    del model
    keras.utils.clear_session()
    assert tab.piece.locator(".layer").count() == layers_there
    assert tab.piece.evaluate("piece => piece.offsetHeight") < 2500
    for width in (320, 640, 800, 900, 1200):
        tab.set_viewport_size({"width": width, "height": 900})
        tab.wait_for_function(f"document.querySelector('cnn-network-ledger').room > {width - 80}")
        for box in ("section", ".many"):
            wide, seen = tab.piece.locator(box).evaluate("b => [b.scrollWidth, b.clientWidth]")
            assert wide <= seen, (width, box)
        stacked = tab.piece.locator("table").evaluate("table => table.matches('.narrow')")
        assert stacked == (width < 850)
    tab.piece.locator(".layer button").nth(0).focus()
    tab.keyboard.press("ArrowDown")
    assert tab.piece.locator(".layer button").nth(1).evaluate("b => b.matches(':focus')")
    open_layer(tab, layers_there)  # the last one
    touched = tab.piece.evaluate(
        """async piece => {
            const touched = new Set(), [{input}] = piece.fields;
            const seen = new MutationObserver(all => all.forEach(one => touched.add(one.target)));
            seen.observe(piece.table, {childList: true, subtree: true});
            input.value = "999";
            input.dispatchEvent(new Event("input"));
            await new Promise(requestAnimationFrame);
            return [...touched].filter(node => node.closest(".layer")).length;
        }"""
    )
    assert "predictions gives 999" in tab.words()
    assert 0 < touched < layers_there  # buttons and cells; all of them are seven times as many


def test_a_large_image_may_be_flattened(open_piece):
    tab = open_piece("network-ledger", preset="empty")
    forget()
    for name in ("rows", "columns"):
        control(tab, name).fill("224")
    for kind in ("Conv2D", "Flatten", "Dropout", "Dense"):
        tab.piece.locator(".add select").select_option(kind)
        tab.piece.locator(".add button.new").click()
        if kind == "Conv2D":
            field(tab, "kernels").fill("64")
    stack = [layers.Conv2D(64, 3), layers.Flatten(), layers.Dropout(0.5), layers.Dense(10)]
    assert shown(tab) == lines(ledger(keras.Sequential([keras.Input((224, 224, 1)), *stack])))


def test_what_javascript_cannot_count_exactly_is_said(open_piece):
    tab = open_piece("network-ledger", preset="empty")
    for kind in ("Conv2D", "Conv2D", "ZeroPadding2D"):
        tab.piece.locator(".add select").select_option(kind)
        tab.piece.locator(".add button.new").click()
        if kind == "Conv2D":
            field(tab, "kernels").fill("4096")
            field(tab, "padding").select_option("same")
            field(tab, "size, rows").fill("99")
    control(tab, "rows").fill("1000")
    control(tab, "columns").fill("1000")
    assert "Layer 2, conv2d_1, makes the network too large to be counted exactly" in tab.words()


def test_the_code_is_copied_or_marked(open_piece):
    tab = open_piece("network-ledger")
    tab.evaluate(  # this page is not secure, so there is no clipboard: give it one
        """Object.defineProperty(navigator, "clipboard", {configurable: true, value:
            {writeText: async text => { window.copied = text; }}})"""
    )
    button = tab.piece.get_by_role("button", name="copy as Keras code")
    button.click()
    tab.piece.get_by_text("Copied: 7 layers as Keras code.").wait_for()
    assert tab.evaluate("copied") == code(tab)
    tab.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    button.focus()
    tab.keyboard.press("Enter")
    tab.piece.get_by_text("did not let us copy").wait_for()
    marked = tab.piece.get_by_label("Keras code").evaluate(
        "area => area.value.slice(area.selectionStart, area.selectionEnd)"
    )
    assert marked == code(tab)
    assert tab.piece.get_by_label("Keras code").is_visible()


def test_a_model_of_the_reader(open_piece):
    """Names stay, and settings that the lists do not offer; after changes the way back is open."""
    model = keras.Sequential(
        [
            keras.Input((28, 28)),
            layers.Flatten(name='the "flat" one'),
            layers.Dense(7, activation="gelu", name="middle"),
            layers.Dense(3, dtype="mixed_bfloat16", name="dense"),
        ]
    )
    tab = open_piece("network-ledger", model=model)
    assert shown(tab) == lines(ledger(model))
    assert tab.words().startswith("Your model: in total")
    assert lines(ledger(run(code(tab)))) == shown(tab)
    open_layer(tab, 2)
    assert field(tab, "activation").input_value() == "gelu"
    field(tab, "neurons").fill("8")
    assert "middle gives 8" in tab.words()
    control(tab, "preset").select_option("model")
    assert shown(tab) == lines(ledger(model))


def test_nothing_scrolls_sideways_at_any_width(open_piece):
    for width in (320, 660, 700):
        tab = open_piece("network-ledger", width=width)
        for key in ("S1", "S3", "S8", "S15"):
            control(tab, "preset").select_option(key)
            open_layer(tab, 2)
            wide, seen = tab.piece.locator("section").evaluate(
                "s => [s.scrollWidth, s.clientWidth]"
            )
            assert wide <= seen, (width, key)


def test_an_open_layer_is_accessible(open_piece):
    from axe_playwright_python.sync_playwright import Axe

    for dark in (False, True):
        tab = open_piece("network-ledger", dark=dark)
        open_layer(tab, 3)
        field(tab, "size, rows").fill("9")
        field(tab, "dilation, rows").fill("3")
        tab.piece.get_by_text("Keras code", exact=True).click()
        violations = Axe().run(tab).response["violations"]
        assert [(v["id"], node["html"]) for v in violations for node in v["nodes"]] == []


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"model": 3}, "must be a Keras model made of layers .*, got int"),
        ({"model": keras.Sequential([layers.Dense(3)])}, "Sequential.*keras.Input"),
        ({"preset": "S16"}, 'preset must be "S1".*"S15" or "empty", got \'S16\''),
        ({"model": 3, "preset": "S1"}, "not both"),
        ({"layers": []}, "does not take layers. It takes: model, preset"),
    ],
)
def test_what_it_cannot_show_is_refused_in_words(given, message):
    with pytest.raises(ValueError, match=message):
        pieces.show("network-ledger", **given)
