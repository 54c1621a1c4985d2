"""How fast the package is, as ratios taken in one run: `make bench`. The numbers go to bench.json.

Candidates take turns, so that a busy machine slows both, and medians are compared. A turn lasts two
seconds, and only its second half counts: a library's threads need about a second to find a core
each, while those of the library before still hold one.
"""

import contextlib
import csv
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import browser
import cnnlab  # noqa: F401 - before Keras: it sets what TensorFlow reads when it starts
import firefox
import keras
import nbformat
import numpy as np
import tensorflow as tf
from classroom import masters
from cnnlab import computer, data, pieces, recipes
from cnnlab.conv import conv2d, conv2d_loops
from cnnlab.data import shapes
from cnnlab.models import DIGITS, PHOTOGRAPHS, SYSTEMS
from cnnlab.records import records
from cnnlab.training import device_at
from scipy import signal
from serving import served

SUBMISSIONS = 4  # to each assignment
PATIENT = "--Execute.timeout=600"  # seconds for a cell; of nbgrader's 30, a busy machine takes more
TIMED = (1, 3, 4, 5)  # assignments: two without TensorFlow, two that train
# What was measured last, for the page How fast: {what: [number, unit, target]}.
KEPT = Path(__file__).with_suffix(".json")
MEASURED = {}
MOVED = 0.1  # a number that has changed by more than this share is named at the end


def note(what, number, unit, target=""):
    """Keep a number that was measured, with three digits."""
    MEASURED[what] = [float(f"{number:.3g}"), unit, target]


def moved(before, now):
    """Sentences on the numbers that are not what they were, or not there any more."""
    for what in sorted({*before, *now}):
        (old, _, _), (new, unit, _) = (
            numbers.get(what, [None, "", ""]) for numbers in (before, now)
        )
        if old is None or new is None:
            yield f"{what}: {'new' if old is None else 'not measured this time'}"
        elif abs(new - old) > MOVED * abs(old):
            yield f"{what}: {old:g} before, now {new:g} {unit}"


def keep():
    """Write all numbers; say which have moved. What was not measured this time stays."""
    before = json.loads(KEPT.read_text("utf-8"))["measured"] if KEPT.exists() else {}
    found = {"computer": computer.line(), "measured": before | MEASURED}
    KEPT.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    lines = [*moved(before, MEASURED)] if before else []
    print(
        f"\nWritten to {KEPT.name}. Moved by more than {MOVED:.0%}: {len(lines)}",
        *lines,
        sep="\n  ",
    )


def medians(*candidates, turns=3):
    """The median seconds of each candidate."""
    seconds = [[] for _ in candidates]
    for _ in range(turns):
        for candidate, taken in zip(candidates, seconds, strict=True):
            begin = end = time.perf_counter()
            while end < begin + 2:
                start = end
                candidate()
                end = time.perf_counter()
                if start > begin + 1 or end > begin + 2:
                    taken.append(end - start)
    return [float(np.median(taken)) for taken in seconds]


def correlate(image, kernels):
    """The layer by SciPy: each kernel's channels one by one, added up."""
    outputs = [
        sum(
            signal.correlate(image[..., c], kernels[..., c, k], mode="same")
            for c in range(image.shape[2])
        )
        for k in range(kernels.shape[3])
    ]
    return np.stack(outputs, axis=-1)


def row(what, ours, theirs, ratio, target):
    print(f"{what:48} {ours * 1e3:9.2f} {theirs * 1e3:9.2f}   {ratio:>14}   {target}")
    number, unit = ratio.split(" ", 1)
    note(f"Our convolution beside {what}", float(number.replace(",", "")), unit, target)


def main():
    rng = np.random.default_rng(0)
    images = rng.normal(size=(64, 14, 14, 32)).astype(np.float32)
    kernels = rng.normal(size=(4, 4, 32, 64)).astype(np.float32)
    one, few = images[:1], images[:8]

    def ours():
        return conv2d(images, kernels, padding="same")

    def tensorflow(x=images, k=kernels):
        return tf.nn.conv2d(x, k, 1, "SAME").numpy()

    ready = tf.constant(images), tf.constant(kernels)
    np.testing.assert_allclose(ours(), tensorflow(), atol=1e-3)
    print("LeNet's second layer: 14 x 14 x 32, 64 kernels 4 x 4, same, float32\n")
    print(f"{'':48} {'ours, ms':>9} {'other, ms':>9}   {'':>14}   target")

    a, b = medians(ours, tensorflow)
    row("TensorFlow, arrays to arrays, 64 images", a, b, f"{a / b:.2f} x its time", "<= 1.5")
    a, b = medians(ours, lambda: tensorflow(*ready))
    row("TensorFlow, from ready tensors, 64 images", a, b, f"{a / b:.2f} x its time", "")

    def ours_on(some):
        return lambda: conv2d(some, kernels, padding="same")

    a, b = medians(ours_on(few), lambda: conv2d_loops(few, kernels, padding="same"))
    row("plain loops, 8 images", a, b, f"{b / a:,.0f} x as fast", ">= 100")
    a, b = medians(ours_on(one), lambda: correlate(one[0], kernels))
    row("scipy.signal.correlate, one image", a, b, f"{b / a:,.0f} x as fast", "")

    (a,) = medians(lambda: shapes(2_000))
    print(f"\n`shapes` draws {2_000 / a:,.0f} images a second   target >= 5,000")
    note("`shapes` draws", 2_000 / a, "images a second", ">= 5,000")
    racing()
    reading()
    learning()
    arriving()
    grading()
    tested()
    keep()


# A recipe; a training of a source, the pass that it is best in, and for how many of its passes ours
# may last.
RACES = (
    ("mnist-quick", "S14", "best_test_accuracy_epoch", 53 / 40),
    ("mnist-best", "S14", "best_test_accuracy_epoch", 10),
    ("cifar10-quick", "S8", "best_validation_accuracy_epoch", 85 / 25),
    ("cifar10-best", "S8", "best_validation_accuracy_epoch", 16),
)
STEPS = 25  # of training in a turn


def racing():
    """Our recipes beside trainings of the sources, and beside Keras's example of a small network.

    So many steps of each are timed in turns; how many a training has stands in its recipe, and how
    much it reads in the records. XLA is left off, as in `reproduce`.
    """
    print("\nWhole trainings, by the time of a step. Ours: mean accuracy of the records")
    for name, rival, best, most in RACES:
        recipe, system = recipes.RECIPES[name], SYSTEMS[rival]
        (count, shape), told = PICTURES[recipe.data], system.recipe
        ours, theirs = medians(ours_trains(recipe, shape), theirs_trains(system, shape))
        ours *= recipe.epochs * (count // recipe.batch_size)
        theirs *= count * (1 - (told["validation"] or 0)) / told["batch_size"]
        passes, accuracy = ours / theirs, by_views(records(name))
        print(
            f"{name:16} {accuracy:.2%}: {passes:5.2f} passes of {rival}, whose best is number "
            f"{system.reported[best]}   target <= {most:.3g}"
        )
        note(f"Recipe {name}, all of it", passes, f"passes of {rival}", f"<= {most:.3g}")
    recipe, (count, shape) = recipes.RECIPES["mnist-quick"], PICTURES["mnist"]
    ours, theirs = medians(ours_trains(recipe, shape), example_trains(shape))
    ours *= recipe.epochs * (count // recipe.batch_size)
    theirs *= 15 * 0.9 * count / 128
    print(f"mnist-quick: {theirs / ours:.1f} times as fast as 15 passes of Keras's small example")
    note("Recipe mnist-quick beside Keras's small example", theirs / ours, "x as fast")


PICTURES = {"mnist": (60_000, DIGITS), "cifar10": (50_000, PHOTOGRAPHS)}  # to learn from


def by_views(kept):
    return float(np.mean([run["epochs"][-1]["views_accuracy"] for run in kept]))


def noise(count, shape):
    rng = np.random.default_rng(0)
    return rng.random((count, *shape), dtype="float32"), rng.integers(10, size=count)


def ours_trains(recipe, shape):
    """A function that trains a recipe's network for `STEPS` steps."""
    x, y = noise(STEPS * recipe.batch_size, shape)
    trainer = recipes.Trainer(recipe, x, 0, device_at("float32"))

    def train():
        shown, order = recipes.seen(recipe, x, 0, 0)
        trainer.run(shown, y, order.reshape(STEPS, -1), recipes.rates(recipe, STEPS)).numpy()

    return train


def theirs_trains(system, shape):
    """A function that trains a source's network for as many steps, as `reproduce` does."""
    told = system.recipe
    x, y = noise(STEPS * told["batch_size"], shape)
    rate = {"learning_rate": told["learning_rate"]} if told["learning_rate"] else {}
    return fitting(system.build(), getattr(keras.optimizers, told["optimizer"])(**rate), x, y)


def example_trains(shape):
    """The network of Keras's example "Simple MNIST convnet", written from its description."""
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input(shape),
            *(layers.Conv2D(32, 3, activation="relu"), layers.MaxPooling2D()),
            *(layers.Conv2D(64, 3, activation="relu"), layers.MaxPooling2D()),
            *(layers.Flatten(), layers.Dropout(0.5), layers.Dense(10)),
        ]
    )
    return fitting(model, keras.optimizers.Adam(), *noise(STEPS * 128, shape))


def fitting(model, optimizer, x, y):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(
        optimizer, loss, metrics=["accuracy"], steps_per_execution=STEPS, jit_compile=False
    )
    batch = len(x) // STEPS
    return lambda: model.fit(x, y, batch_size=batch, shuffle=False, verbose=0)


def tested():
    """How long the tests took when they last ran whole, in this folder."""
    folder = Path(__file__).resolve().parent.parent / ".pytest_cache" / "v" / "course" / "minutes"
    taken = json.loads(folder.read_text("utf-8")) if folder.exists() else {}
    for paths, what in (("tests book", "all"), ("tests/test_grading.py", "those of grading")):
        if paths in taken:
            print(f"\nThe tests, {what}: {taken[paths]:.0f} minutes, when they last ran here")
            note(f"The tests, {what}", taken[paths], "minutes")


def reading():
    """What the live piece digit-pad takes in a browser: median milliseconds."""
    if browser.PROGRAM is None:
        print(f"\ndigit-pad is not timed. {browser.MISSING}")
        return
    measure = """piece => [
        () => piece.network.run(piece.seen.data),
        () => { piece.prepared = null; piece.update(); },
    ].map(candidate => {
        const taken = [];
        for (let i = 0; i < 600; i++) {
            const start = performance.now();
            candidate();
            taken.push(performance.now() - start);
        }
        return taken.slice(300).sort((a, b) => a - b)[150];  // the first ones warm up
    })"""
    with browser.chromium() as chromium:
        tab = chromium.new_page()
        tab.set_content(pieces.show("digit-pad").html)
        network, frame = tab.locator("cnn-digit-pad").evaluate(measure)
    print(f"\ndigit-pad: {network:.1f} ms a prediction   target < 10")
    print(f"{frame:.1f} ms from the pen to all pictures   target < 16")
    note("digit-pad, a prediction", network, "ms", "< 10")
    note("digit-pad, from the pen to all pictures", frame, "ms", "< 16")


# An epoch of train-lenet's usual run: 2,000 digits and the measurement after them.
EPOCH = """
    const { unpack, Run, DEFAULTS } = cnn.runs;
    const ready = unpack(cnn.digits).then((digits) => new Run(digits, DEFAULTS));
    const epoch = async () => {
        const run = await ready, start = performance.now();
        for (let step = 0; step < run.perEpoch; step++) run.step();
        return (performance.now() - start) / 1000;
    };
"""
SCRIPTS = "piece", "training", "runs", "digits"  # what the run is made of


def learning(turns=3):
    """How long train-lenet takes for an epoch, in Node and in two browsers, beside Keras."""
    text = {name: (pieces.FOLDER / f"{name}.js").read_text("utf-8") for name in SCRIPTS}
    (lots,) = re.findall(
        r"\n  function random\(.*?\n  \}", text["piece"], re.S
    )  # all that Node needs
    small = "globalThis.cnn = { random }; globalThis.document = { dispatchEvent() {} };"
    parts = [text[name] for name in SCRIPTS if name != "piece"]
    node = "\n".join(
        [lots, small, *parts, EPOCH, "epoch().then(epoch).then((taken) => console.log(taken));"]
    )
    seconds = {"Keras": [], "Node": [], "Chromium": [], "Firefox": []}
    keras_epoch = same_in_keras()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / "node.cjs").write_text(node, encoding="utf-8")
        tab = None
        if browser.PROGRAM is not None:
            tab = stack.enter_context(browser.chromium()).new_page()
            tab.set_content("<!doctype html>")
            for script in [*text.values(), EPOCH]:
                tab.add_script_tag(content=script)
            tab.evaluate("epoch()")  # the first one warms up
        for _ in range(turns):
            seconds["Keras"].append(keras_epoch())
            if shutil.which("node"):
                told = subprocess.run(
                    ["node", folder / "node.cjs"], capture_output=True, check=True
                )
                seconds["Node"].append(float(told.stdout))
            if tab is not None:
                seconds["Chromium"].append(tab.evaluate("epoch()"))
        if firefox.PROGRAM is not None:
            scripts = "".join(f"<script>{script}</script>" for script in [*text.values(), EPOCH])
            page = f'<!doctype html><meta charset="utf-8">{scripts}'
            (folder / "page.html").write_text(page, encoding="utf-8")
            (folder / "profile").mkdir()
            fox = stack.enter_context(firefox.firefox(folder / "profile"))
            fox.open(stack.enter_context(served(folder)), "page.html")
            fox.evaluate("epoch()")  # the first one warms up
            seconds["Firefox"] = [fox.evaluate("epoch()") for _ in range(turns)]
    usual = float(np.median(seconds["Keras"]))
    print(f"\ntrain-lenet: an epoch of 2,000 digits, measured; Keras on this machine {usual:.2f} s")
    for name, taken in list(seconds.items())[1:]:
        if taken:
            found = float(np.median(taken))
            print(f"{name:10} {found:.2f} s   {found / usual:.1f} x Keras's time   target ~ 1 s")
            note(
                f"train-lenet, an epoch of 2,000 digits in {name}", found / usual, "x Keras's time"
            )
        else:
            print(f"{name:10} is not there")


def same_in_keras():
    """A function that trains the same network for an epoch in Keras, and gives the seconds."""
    layers, mnist = keras.layers, data.load("mnist", "sample")
    (x, y), check = (mnist.x_train[:2000], mnist.y_train[:2000]), slice(3000, 4000)
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            *(layers.Conv2D(6, 5, activation="relu"), layers.MaxPooling2D()),
            *(layers.Conv2D(16, 5, activation="relu"), layers.MaxPooling2D()),
            *(layers.Flatten(), layers.Dense(64, activation="relu"), layers.Dense(10)),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.003), loss, metrics=["accuracy"])
    known = mnist.x_train[check], mnist.y_train[check]

    def epoch():
        start = time.perf_counter()
        model.fit(x, y, batch_size=50, validation_data=known, verbose=0)
        return time.perf_counter() - start

    epoch()  # the first one builds
    return epoch


# A slow phone: 1.6 Mbit/s, an answer after 150 ms, a quarter of this processor.
PHONE = {"offline": False, "latency": 150, "downloadThroughput": 2e5, "uploadThroughput": 1e5}
# When a page first shows something, and when a piece on it can be used.
WATCH = """
    new PerformanceObserver((list) => { window.painted ??= list.getEntries()[0].startTime; })
        .observe({ type: "paint", buffered: true });
    (function look() {
        const piece = document.querySelector("cnn-digit-pad");
        if (piece?.network && piece.words.textContent) window.live = performance.now();
        else requestAnimationFrame(look);
    })();
"""


def arriving():
    """What a page of the built site weighs, and when its live piece can be used on a slow phone."""
    site = Path(__file__).resolve().parent.parent / "_build" / "html"
    if browser.PROGRAM is None or not (site / "index.html").exists():
        print(f"\nThe site is not timed. {browser.MISSING if site.exists() else 'Run make book.'}")
        return
    files = [path for path in site.rglob("*") if path.is_file()]
    note("The whole site", sum(path.stat().st_size for path in files) / 1e6, "MB")
    note("The archive", (site / "_static" / "course.zip").stat().st_size / 1e6, "MB", "< 15")
    print("\nOn a slow phone (1.6 Mbit/s, 150 ms, a quarter of this processor)")
    with browser.chromium() as chromium, served(site) as address:
        for name, weight, target in (("index", 250, 3), ("08-lenet-mnist", 700, 5)):
            tab = chromium.new_page(viewport={"width": 390, "height": 844})
            network, sizes = tab.context.new_cdp_session(tab), []
            network.on(
                "Network.loadingFinished", lambda e, s=sizes: s.append(e["encodedDataLength"])
            )
            network.send("Network.enable")
            network.send("Network.emulateNetworkConditions", PHONE)
            network.send("Emulation.setCPUThrottlingRate", {"rate": 4})
            tab.add_init_script(WATCH)
            tab.goto(f"{address}/book/{name}.html", wait_until="networkidle")
            tab.wait_for_function("window.live")
            painted, live = tab.evaluate("[painted, live]")
            print(
                f"{name}: {sum(sizes) / 1e3:.0f} kB   target < {weight}; painted after "
                f"{painted / 1e3:.1f} s, piece live after {live / 1e3:.1f} s   target < {target}"
            )
            note(f"{name}, what a phone loads", sum(sizes) / 1e3, "kB", f"< {weight}")
            note(f"{name}, painted on a slow phone", painted / 1e3, "s")
            note(f"{name}, piece live on a slow phone", live / 1e3, "s", f"< {target}")


def grading():
    """Our `make grade` beside plain `nbgrader autograde`, on the masters' own solutions."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, **masters.ENVIRONMENT, "PATH": path}

    def run(*command, cwd):
        start = time.perf_counter()
        done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
        return (time.perf_counter() - start) / SUBMISSIONS

    print(f"\nGrading {SUBMISSIONS} submissions to each assignment, all cores")
    known = list(masters.find().values())
    for number in TIMED:
        name, notebook = known[number - 1].name, known[number - 1].notebook
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            students = [f"s{student}" for student in range(SUBMISSIONS)]
            places = [root / "submitted" / student / name for student in students]
            places += [root / "in" / student for student in students]
            for place in [*places, root / "source" / name]:
                place.mkdir(parents=True)
                nbformat.write(notebook, place / f"{name}.ipynb")
            run("nbgrader", "generate_assignment", name, cwd=root)
            theirs = run("nbgrader", "autograde", name, PATIENT, cwd=root)
            ours = run(sys.executable, "-m", "classroom", "grade", "in", "out", cwd=root)
            with open(root / "out" / "statistics.csv", newline="") as file:
                *tested, _ = csv.DictReader(file)  # the last question waits for a person
            assert all(float(row["mean"]) == float(row["of"]) for row in tested), tested
        print(
            f"{name:36} {10 / ours:5.2f} in 10 s, plain nbgrader {10 / theirs:5.2f}   "
            f"{ours / theirs:.2f} x its time   target <= 1"
        )
        note(f"Grading {name} beside plain nbgrader", ours / theirs, "x its time", "<= 1")


if __name__ == "__main__":
    main()
