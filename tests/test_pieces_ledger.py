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
        """table => [...table.querySelectorAll(".layer, .total")].map(tr => [...tr.children]
            .filter(cell => table.matches(".split") || !cell.matches(".trainable"))
            .map(cell => [...(cell.querySelector("b") ?? cell).childNodes].map(node => node.textContent))
            .map((parts, i) => parts.filter(Boolean).join(i ? ", " : "").replace(/^\\d+\\. /, "")))"""
    )


def open_layer(tab, number):
    tab.piece.locator(".layer button").nth(number - 1).click()


def under(tab, number):
    """What stands under a layer's name."""
    return tab.piece.locator(".layer button").nth(number - 1).locator("span").all_inner_texts()


def field(tab, label):
    """A setting of the open layer."""
    return tab.piece.locator(".editor").get_by_label(label, exact=True)


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
        tab.piece.locator(".add .new").last.click()
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
    """Every row of some 390 models built by Keras; the code of a third builds them; 20 are shown."""
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
        assert left_out == sum(
            (names.split(", ") for names in re.findall("# Left out.*: (.*)[.]", text)), []
        )
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
        *("VGG16", "VGG19", "ResNet50", "ResNet101V2"),
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
    assert shown(tab)[3] == ["max_pooling2d_1", "6 × 6 × 50", "0", "0", "7,200", "10 × 10"]
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
        tab.piece.locator(".add button").tap()
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


def test_what_javascript_cannot_count_exactly_is_said(open_piece):
    tab = open_piece("network-ledger", preset="empty")
    for kind in ("Conv2D", "Conv2D", "ZeroPadding2D"):
        tab.piece.locator(".add select").select_option(kind)
        tab.piece.locator(".add button").click()
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


def functional(make):
    image = keras.Input((8, 8, 1))
    return keras.Model(image, make(image))


def two_outputs(image):
    return [layers.Flatten()(image), layers.ReLU()(image)]


def own_activation(x):
    return x * x


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda image: layers.Conv2DTranspose(2, 3, name="culprit")(image),
            "know layer 'culprit' of kind Conv2DTranspose. Known kinds: Conv2D, MaxPooling2D",
        ),
        (
            lambda image: layers.Add(name="sum")([image, layers.ReLU()(image)]),
            "know layer 'sum' of kind Add. Known kinds",
        ),
        (
            lambda image: functional(layers.ReLU())(image),
            "know layer 'functional.*' of kind Functional. Known kinds",
        ),
        (two_outputs, "one input and one output, got 1 and 2"),
        (lambda image: layers.Conv2D(1, 3, activation=own_activation)(image), "own_activation"),
        (lambda image: layers.Conv2D(1, 3, activation=layers.ReLU())(image), "activation ReLU"),
        (lambda image: layers.BatchNormalization(1, name="n")(image), "'n' normalizes axis 1"),
        (
            lambda image: layers.Conv2D(4, 3, groups=2, name="g")(layers.Conv2D(2, 1)(image)),
            "'g' has 2 groups",
        ),
    ],
)
def test_models_it_does_not_know_are_refused_in_words(make, message):
    with pytest.raises(ValueError, match=message):
        pieces.show("network-ledger", model=functional(make))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"model": 3}, "built|shapes are known.*int"),
        ({"model": keras.Sequential([layers.Dense(3)])}, "Sequential.*keras.Input"),
        ({"preset": "S16"}, 'preset must be "S1".*"S15" or "empty", got \'S16\''),
        ({"model": 3, "preset": "S1"}, "not both"),
        ({"layers": []}, "does not take layers. It takes: model, preset"),
    ],
)
def test_what_it_cannot_show_is_refused_in_words(given, message):
    with pytest.raises(ValueError, match=message):
        pieces.show("network-ledger", **given)
