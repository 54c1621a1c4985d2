"""Recipes of our own, which leave the sources behind; each part is measured. (Chapter 12.)

`python -m cnnlab.recipes mnist-quick --seeds 3` trains one three times. With `--workers
first:12345,second:12345 --worker 0` on the host first, and `--worker 1` on second, two hosts train
it together.
"""

import argparse
import json
import os
import sys
import time
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from functools import cache
from itertools import chain
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from tqdm import tqdm

from cnnlab import data, records
from cnnlab.files import InUse, alone, written_whole
from cnnlab.reproduce import STEPS_AT_ONCE, _earlier, _finish, _images, _saving, _scores, runs
from cnnlab.training import LAST_SEED, device_at, diverged, whole

__all__ = ["PARTS", "RECIPES", "Recipe", "learn", "train", "without"]


@dataclass(frozen=True)
class Recipe:
    """A network, and how it is trained.

    `data`: "mnist" or "cifar10"; `first`: channels, kernel size and stride of the first
    convolution, or None; `channels` of the blocks behind it: a 3 × 3 convolution, and a pooling
    that halves the maps; `deep`: each block has a second convolution, behind the pooling.
    `epochs`, `batch_size`; `rate`: the highest learning rate, reached after a fifth of the steps,
    from and to 0 on lines; `decay`: weight decay.

    What can be left out: `normed`: batch norm behind every convolution; `schedule`: without it,
    the rate is `rate` from beginning to end; `smoothing`: so much of each label is spread over all
    classes; `shift`: images are moved by up to so many pixels; `flip`: every second epoch shows an
    image mirrored.
    """

    data: str
    first: tuple
    channels: tuple
    epochs: int
    batch_size: int
    rate: float
    decay: float
    deep: bool = False
    normed: bool = True
    schedule: bool = True
    smoothing: float = 0.0
    shift: int = 0
    flip: bool = False


RECIPES = {
    "mnist-quick": Recipe(
        "mnist", (16, 5, 2), (32, 64), epochs=2, batch_size=64, rate=0.3, decay=5e-3,
        smoothing=0.1, shift=1,
    ),
    "mnist-best": Recipe(
        "mnist", None, (16, 32, 64), epochs=10, batch_size=128, rate=0.2, decay=5e-3, deep=True,
        smoothing=0.1, shift=2,
    ),
    "cifar10-quick": Recipe(
        "cifar10", (32, 5, 2), (64, 128), epochs=5, batch_size=128, rate=0.3, decay=5e-4, deep=True,
        smoothing=0.1, shift=1, flip=True,
    ),
    "cifar10-best": Recipe(
        "cifar10", None, (48, 96, 192), epochs=15, batch_size=128, rate=0.3, decay=5e-4, deep=True,
        smoothing=0.1, shift=2, flip=True,
    ),
}  # fmt: skip

# What is left out of a recipe, and so what it becomes. Without these two, 0.3 is too high: of 0.01,
# 0.03, 0.1 and 0.3 these were best for mnist-quick, on 9,000 digits that were kept back.
PARTS = {
    "batch norm": {"normed": False, "rate": 0.1},
    "schedule": {"schedule": False, "rate": 0.03},
    "smoothing": {"smoothing": 0.0},
    "shifts": {"shift": 0},
    "flips": {"flip": False},
}


def without(recipe, part):
    """The recipe with one of its `PARTS` left out."""
    if part not in list(PARTS):
        raise ValueError(f"{part!r} is no part of a recipe. There are: {', '.join(PARTS)}.")
    changed = replace(recipe, **PARTS[part])
    if changed == recipe:
        name = next((key for key, each in RECIPES.items() if each == recipe), "This recipe")
        raise ValueError(f"{name} has no {part} that could be left out.")
    return changed


def _chosen(key, part):
    """The recipe of a name, without a part if one is named."""
    if key not in list(RECIPES):
        raise ValueError(f"{key!r} is no recipe. There are: {', '.join(RECIPES)}.")
    return RECIPES[key] if part is None else without(RECIPES[key], part)


# --- The network ---


def network(recipe, shape):
    """The untrained Keras model of a recipe, for images of a shape (height, width, channels).

    It gives logits of 10 classes.
    """
    stack = _convolution(recipe, *recipe.first) if recipe.first else []
    for channels in recipe.channels:
        stack += _convolution(recipe, channels, 3, pooled=True)
        stack += _convolution(recipe, channels, 3) if recipe.deep else []
    stack += [layers.GlobalMaxPooling2D(), layers.Dense(10, dtype="float32")]
    return keras.Sequential([keras.Input(shape), *stack])


def _convolution(recipe, channels, size, stride=1, pooled=False):
    """A convolution and what follows it. Pooling first leaves the rest a quarter of the work."""
    parts = [layers.Conv2D(channels, size, stride, padding="same", use_bias=not recipe.normed)]
    parts += [layers.MaxPooling2D(2)] * pooled
    if recipe.normed:  # over the whole batch, wherever its parts are
        parts += [layers.BatchNormalization(momentum=0.9, synchronized=True)]
    return [*parts, layers.Activation("relu")]


# --- The images of an epoch ---


def shifted(images, most, rng):
    """The images, each moved by up to `most` pixels in both directions; zeros move in."""
    wide = 2 * most + 1
    height, width = images.shape[1:3]
    framed = np.pad(images, ((0, 0), (most, most), (most, most), (0, 0)))
    moves, moved = rng.integers(wide**2, size=len(images)), np.empty_like(images)
    for move in range(wide**2):  # all that move alike, at once
        down, right = divmod(move, wide)
        these = np.flatnonzero(moves == move)
        moved[these] = framed[these, down : down + height, right : right + width]
    return moved


def seen(recipe, images, seed, epoch):
    """The images as an epoch shows them, and the order in which it does."""
    rng = np.random.default_rng([seed, epoch])
    if recipe.shift:
        images = shifted(images, recipe.shift, rng)
    if recipe.flip:  # half of them in this epoch, the others in the next
        first = np.random.default_rng(seed).integers(2, size=len(images))
        mirrored = (first + epoch) % 2 == 1
        images = np.where(mirrored[:, None, None, None], images[:, :, ::-1], images)
    return images, rng.permutation(len(images))


def rates(recipe, steps):
    """The learning rate of each of so many steps, shape (steps,)."""
    if not recipe.schedule:
        return np.full(steps, recipe.rate, "float32")
    done = np.arange(1, steps + 1) / (steps + 1)
    return (recipe.rate * np.minimum(done / 0.2, (1 - done) / 0.8)).astype("float32")


# --- Training ---


class Trainer:
    """One network in training, on one device, several GPUs or several hosts alike."""

    def __init__(self, recipe, images, seed, where):
        self.recipe, self.where = recipe, where
        self.strategy = _strategy()
        with where.scope():
            keras.utils.set_random_seed(seed)
            # To ask: the other may be spread over hosts.
            self.plain = network(recipe, images.shape[1:])
            with self.strategy.scope():
                self.model = network(recipe, images.shape[1:])
                self.optimizer = keras.optimizers.SGD(
                    recipe.rate, momentum=0.9, nesterov=True, weight_decay=recipe.decay or None
                )
                self.optimizer.build(self.model.trainable_variables)
        self.model.set_weights(self.plain.get_weights())
        self.variables = [*self.model.variables, *self.optimizer.variables]
        spec = tf.TensorSpec
        self.run = tf.function(self._run, input_signature=[  # of any number of steps: traced once
            spec([None, *images.shape[1:]]), spec([None], "int64"),
            spec([None, recipe.batch_size], "int64"), spec([None]),
        ])  # fmt: skip

    def save(self, path, record):
        """Write down where the training stands; of several hosts, the first does."""
        values = [variable.numpy() for variable in self.variables]  # all hosts ask together
        if _hosts()[1] == 0:
            path.parent.mkdir(parents=True, exist_ok=True)
            with _saving(f"Epoch {len(record['epochs'])}", path), written_whole(path) as part:
                np.savez(part, *values, record=json.dumps(record))

    def go_on(self, path, new):
        """Go on from what `save` wrote, and give its record, if it is of the same kind."""
        try:
            with np.load(path) as file:
                saved = dict(file)
            record = json.loads(str(saved["record"]))
        except (OSError, MemoryError):  # no fault of the file's
            raise
        except Exception as problem:  # NumPy raises whatever the damage leads to
            raise ValueError(
                f"{path} cannot be read ({type(problem).__name__}). Delete it, and the run starts "
                "from its beginning."
            ) from None
        advice = f"{path} was made in another way; move it, or give another folder"
        records.check_same(new, record, advice)
        for number, variable in enumerate(self.variables):
            variable.assign(saved[f"arr_{number}"])
        return record

    def tested(self):
        """The network as it is now, to ask it."""
        self.plain.set_weights([variable.numpy() for variable in self.model.variables])
        return self.plain

    def _run(self, images, labels, batches, rates):
        """The sum of the losses of some steps; each replica takes its share of each batch."""
        parts, size = self.strategy.num_replicas_in_sync, self.recipe.batch_size

        def step(rows):
            part = tf.distribute.get_replica_context().replica_id_in_sync_group
            mine = rows[part::parts]
            spread, smoothing = tf.one_hot(tf.gather(labels, mine), 10), self.recipe.smoothing
            with tf.GradientTape() as tape:
                logits = self.model(tf.gather(images, mine), training=True)
                losses = keras.losses.categorical_crossentropy(
                    spread, logits, from_logits=True, label_smoothing=smoothing
                )
                loss = tf.reduce_sum(losses) / size  # of the whole batch: the parts are added
            gradients = tape.gradient(loss, self.model.trainable_variables)
            self.optimizer.apply(gradients)  # adds those of all replicas
            return loss

        total = tf.constant(0.0)
        for number in tf.range(tf.shape(batches)[0]):
            self.optimizer.learning_rate.assign(rates[number])
            parted = self.strategy.run(step, (batches[number],))
            total += tf.cast(self.strategy.reduce("SUM", parted, axis=None), total.dtype)
        return total


@cache  # TensorFlow connects the hosts once
def _strategy():
    """One device, several GPUs, or the hosts that the environment's TF_CONFIG names."""
    if len(_hosts()[0]) > 1:
        return tf.distribute.MultiWorkerMirroredStrategy()
    if len(tf.config.list_physical_devices("GPU")) > 1:
        return tf.distribute.MirroredStrategy()
    return tf.distribute.get_strategy()


def _hosts():
    """The addresses of all hosts, and which of them this one is."""
    told = json.loads(os.environ.get("TF_CONFIG") or "{}")
    hosts = told.get("cluster", {}).get("worker", ["here"])
    return hosts, told.get("task", {}).get("index", 0)


def learn(recipe, lesson, exam, *, seed=0):
    """Train by a recipe on images of your own; nothing is saved.

    Args:
        recipe: a Recipe.
        lesson, exam: (images, labels) to train on and to test after each epoch: float32 of shape
            (N, height, width, channels), and integers from 0 to 9.
        seed: as for `train`.

    Returns:
        A list with a dict for each epoch, as in the records of `train`.

    Raises:
        ValueError: if images and labels are not equally many, there are none, or those to train on
            do not fill a batch; if the training diverges.
    """
    for what, (images, labels), least in (
        ("lesson", lesson, recipe.batch_size), ("exam", exam, 1),
    ):  # fmt: skip
        if len(images) != len(labels) or len(images) < least:
            raise ValueError(
                f"{what} needs equally many images and labels, at least {least}. It has "
                f"{len(images)} and {len(labels)}."
            )
    trainer = Trainer(recipe, lesson[0], seed, device_at("float32"))
    record = {"system": "recipe", "seed": seed, "epochs": []}
    _train(trainer, record, {"train": lesson, "test": exam}, None)
    return record["epochs"]


def train(key, *, part=None, seed=0, precision="float32", folder=records.RESULTS):
    """Train by a recipe on the full data, and write a record of it like those of `reproduce`.

    After each epoch everything is saved under `folder/unfinished`; a run that was stopped goes on
    from there. Where TF_CONFIG names several hosts, this is to be called on each, and they have to
    share the folder.

    Args:
        key: a name in `RECIPES`.
        part: a name in `PARTS` to leave out of it, or None.
        seed: decides first weights, order and moves; from 0 to 2**32 - 1.
        precision: a Keras precision policy.
        folder: where the record goes, as `KEY-seedN.json`, or `KEY-without-PART-seedN.json`.

    Returns:
        The record, as `cnnlab.records.records` describes it. Its rows also hold `input_seconds`,
        which moving and mirroring took, and the last one `views_accuracy`.

    Raises:
        ValueError: for an unknown recipe or part, or a seed that cannot be one; if the training
            diverges.
        RecordMismatch: if a record or an unfinished run of this name was made in another way.
        DataUnavailable: if the full data cannot be had (and `CNNLAB_TIER` is not "sample").
        OSError: if the record cannot be written; what was saved before stays.
        InUse: an OSError, if another process trains the same in this folder.
    """
    recipe = _chosen(key, part)
    seed = whole(seed, "seed", 0, LAST_SEED)
    pairs, source = _images({"data": recipe.data, "images": None, "validation": None})
    del pairs["validation"]  # there are none: the recipe is chosen
    trainer = Trainer(recipe, pairs["train"][0], seed, device_at(precision))
    name = f"{key}-without-{part.replace(' ', '-')}" if part else key
    record = {
        "system": name,
        "seed": seed,
        "recipe": json.loads(json.dumps(asdict(recipe))),  # as it will be read
        "parameters": trainer.plain.count_params(),
        "source": source,
        "data": {what: len(labels) for what, (_, labels) in pairs.items()}
        | {"digest": records.digest(*chain(*pairs.values()))},
        "versions": records.versions(),
        "precision": trainer.where.policy,
        "device": trainer.where.name,
        "processor": records.processor(),
        "hosts": len(_hosts()[0]),
        "epochs": [],
    }
    path = Path(folder) / f"{name}-seed{seed}.json"
    draft = path.parent / "unfinished" / f"{path.stem}.npz"
    with alone(draft, f"{name}, seed {seed}") if _hosts()[1] == 0 else nullcontext():
        if path.exists():
            return _earlier(path, record)
        if draft.exists():
            record = trainer.go_on(draft, record)
        _train(trainer, record, pairs, draft)
        record["train"] = _scores(trainer.tested(), *pairs["train"])
        if _hosts()[1] == 0:
            _finish(path, record)
            draft.unlink()
    return record


def _train(trainer, record, pairs, draft):
    """Train until the recipe's epochs are done; a row of the record for each, and all saved."""
    recipe, seed = trainer.recipe, record["seed"]
    images, labels = pairs["train"][0], pairs["train"][1].astype("int64")
    steps = len(images) // recipe.batch_size  # what does not fill a batch waits for another epoch
    planned = rates(recipe, steps * recipe.epochs).reshape(recipe.epochs, steps)
    done = len(record["epochs"])
    bar = tqdm(
        desc=f"{record['system']}, seed {seed}", total=steps * recipe.epochs,
        initial=steps * done, bar_format="{desc} |{bar:10}| {elapsed}, {remaining} left",
    )  # fmt: skip
    with bar:
        for epoch in range(done, recipe.epochs):
            start = time.perf_counter()
            shown, order = seen(recipe, images, seed, epoch)
            batches = order[: steps * recipe.batch_size].reshape(steps, -1)
            ready = time.perf_counter()
            loss = 0.0
            shown = tf.constant(shown)
            for some in np.array_split(np.arange(steps), -(-steps // STEPS_AT_ONCE)):
                loss += float(trainer.run(shown, labels, batches[some], planned[epoch, some]))
                bar.update(len(some))
            end = time.perf_counter()
            if diverged(loss, trainer.model):
                raise ValueError(
                    f"{record['system']}, seed {seed}: in epoch {epoch + 1} the loss or a weight "
                    "is no longer a number."
                )
            row = {"loss": loss / steps}
            row |= _scores(trainer.tested(), *pairs["test"], "test_", halves=True)
            if epoch + 1 == recipe.epochs:
                row["views_accuracy"] = by_views(recipe, trainer.plain, *pairs["test"])
            row["seconds"] = round(end - start, 2)
            row["input_seconds"] = round(ready - start, 2)
            record["epochs"].append(row)
            if draft:
                trainer.save(draft, record)


def by_views(recipe, model, images, labels):
    """The accuracy of the mean answer to all views of each image."""
    logits = sum(model.predict(view, batch_size=500, verbose=0) for view in views(recipe, images))
    return float((logits.argmax(axis=1) == labels).mean())


def views(recipe, images):
    """The images, and what training shows beside them: a pixel away in each direction, mirrored."""
    moves = [(axis, by) for axis in (1, 2) for by in (-1, 1)] if recipe.shift else []
    seen = [images, *(np.roll(images, by, axis) for axis, by in moves)]
    return [*seen, *(image[:, :, ::-1] for image in seen)] if recipe.flip else seen


def main():
    parser = argparse.ArgumentParser(
        prog="python -m cnnlab.recipes",
        description="Train by recipes that leave the sources behind.",
    )
    add = parser.add_argument
    add("recipes", nargs="*", help=f"of {', '.join(RECIPES)}; by default all (that have the part)")
    add("--without", dest="part", choices=PARTS, help="a part to leave out")
    add("--seeds", type=int, default=1, help="how many seeds, from 0 on")
    add("--job", type=int, help="only one of these trainings, by its number, from 0 on")
    add("--precision", default="float32", help="a Keras policy, such as mixed_bfloat16")
    add("--results", dest="folder", default=records.RESULTS, help="folder of records")
    add("--workers", help="host:port,host:port,... of several hosts that train together")
    add("--worker", type=int, default=0, help="which of these this one is, from 0 on")
    options = vars(parser.parse_args())
    recipes, seeds, job = (options.pop(name) for name in ("recipes", "seeds", "job"))
    workers, worker = options.pop("workers"), options.pop("worker")
    if workers:
        cluster, task = {"worker": workers.split(",")}, {"type": "worker", "index": worker}
        os.environ["TF_CONFIG"] = json.dumps({"cluster": cluster, "task": task})
    part = options["part"]
    able = [
        key for key, each in RECIPES.items() if not part or replace(each, **PARTS[part]) != each
    ]
    try:
        for key in recipes:
            _chosen(key, part)  # an unknown one is named before the first has taken hours
        for key, seed in runs(recipes or able, seeds, job):
            try:
                run = train(key, seed=seed, **options)
            except InUse as taken:  # two that are started alike share the work
                print(taken)
                continue
            last, seconds = run["epochs"][-1], sum(row["seconds"] for row in run["epochs"])
            print(
                f"{run['system']}, seed {seed}: test accuracy {last['test_accuracy']:.2%}, "
                f"by all views {last['views_accuracy']:.2%}, after {seconds:.0f} s"
            )
    except KeyboardInterrupt:
        sys.exit("\nStopped. Start again to go on from the last whole epoch.")
    except tf.errors.OpError as problem:
        if len(_hosts()[0]) == 1:
            raise
        sys.exit(
            f"\nThe other hosts do not answer ({type(problem).__name__}). Start the same command "
            "on all of them again: they go on after the last whole epoch."
        )
    except (ValueError, OSError, data.DataUnavailable) as problem:
        sys.exit(f"\n{problem}")


if __name__ == "__main__":
    main()
