"""Our own recipes: what their parts do to images, runs that resume, one training on two hosts."""

import json
import os
import re
import socket
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from cnnlab import recipes
from cnnlab.recipes import PARTS, RECIPES, rates, seen, shifted, train, views, without
from cnnlab.records import RecordMismatch, records
from cnnlab.training import device_at

CHAPTER = Path(__file__).parents[1] / "lessons_src" / "chapters" / "12-further-and-faster.md"
SMALL = RECIPES["mnist-quick"]
RNG = np.random.default_rng(0)
IMAGES = RNG.random((200, 8, 8, 3)).astype("float32")


def test_shifted_images_are_the_same_a_few_pixels_away():
    moved = shifted(IMAGES, 2, np.random.default_rng(1))
    framed = np.pad(IMAGES, ((0, 0), (2, 2), (2, 2), (0, 0)))
    moves = set()
    for image, frame in zip(moved, framed, strict=True):
        found = [
            (down - 2, right - 2)
            for down in range(5)
            for right in range(5)
            if np.array_equal(image, frame[down : down + 8, right : right + 8])
        ]
        assert len(found) == 1
        moves.add(found[0])
    assert len(moves) == 25


def test_each_image_is_mirrored_in_every_second_epoch():
    recipe = replace(SMALL, shift=0, flip=True)
    shown = [seen(recipe, IMAGES, 3, epoch)[0] for epoch in range(3)]
    mirrored = np.array([(each == IMAGES[:, :, ::-1]).all(axis=(1, 2, 3)) for each in shown])
    same = np.array([(each == IMAGES).all(axis=(1, 2, 3)) for each in shown])
    assert (mirrored != same).all() and (mirrored[0] != mirrored[1]).all()
    assert (mirrored[0] == mirrored[2]).all() and 70 < mirrored[0].sum() < 130


def test_every_epoch_has_an_order_of_its_own_that_the_seed_decides():
    orders = [seen(SMALL, IMAGES, seed, epoch)[1] for seed, epoch in ((0, 0), (0, 1), (1, 0))]
    assert all(sorted(order) == list(range(200)) for order in orders)
    assert len({order.tobytes() for order in orders}) == 3
    np.testing.assert_array_equal(seen(SMALL, IMAGES, 0, 1)[1], orders[1])


def test_the_rate_rises_for_a_fifth_of_the_steps_and_falls_to_nothing():
    planned = rates(SMALL, 1000)
    assert planned.argmax() in range(195, 205) and planned.max() <= SMALL.rate
    assert (np.diff(planned[:195]) > 0).all() and (np.diff(planned[205:]) < 0).all()
    assert planned[0] < 0.01 * SMALL.rate and planned[-1] < 0.01 * SMALL.rate
    assert (rates(replace(SMALL, schedule=False), 10) == np.float32(SMALL.rate)).all()


def test_other_views_are_a_pixel_away():
    assert len(views(replace(SMALL, shift=0), IMAGES)) == 1
    assert len(views(SMALL, IMAGES)) == 5
    assert len({view.tobytes() for view in views(SMALL, IMAGES)}) == 5
    *_, last = every = views(replace(SMALL, flip=True), IMAGES)
    assert len({view.tobytes() for view in every}) == 10
    assert np.array_equal(last[:, :, ::-1], every[4])


@pytest.mark.parametrize("key", RECIPES)
def test_a_recipe_without_a_part_differs_in_that_alone(key):
    recipe, left_out = RECIPES[key], 0
    for part, changes in PARTS.items():
        if all(getattr(recipe, name) == value for name, value in changes.items()):
            with pytest.raises(ValueError, match=f"^{key} has no {part} that could be left out"):
                without(recipe, part)
            continue
        assert without(recipe, part) == replace(recipe, **changes)
        left_out += 1
    assert left_out >= 4


@pytest.mark.parametrize("key", RECIPES)
def test_records_were_made_by_the_recipe_as_it_is(key):
    recipe = RECIPES[key]
    model = recipes.network(recipe, (28, 28, 1) if recipe.data == "mnist" else (32, 32, 3))
    convolutions = [layer for layer in model.layers if "conv" in layer.name]
    assert len(convolutions) == bool(recipe.first) + len(recipe.channels) * (1 + recipe.deep)
    for run in records(key):
        assert run["recipe"] == json.loads(json.dumps(asdict(recipe)))
        assert run["parameters"] == model.count_params()
        assert len(run["epochs"]) == recipe.epochs and run["precision"] == "float32"


def test_what_cannot_be_trained_is_said():
    with pytest.raises(ValueError, match=r"'mnist' is no recipe. There are: mnist-quick"):
        train("mnist")
    with pytest.raises(ValueError, match=r"'dropout' is no part of a recipe. There are: batch"):
        train("mnist-quick", part="dropout")
    with pytest.raises(ValueError, match=r"'shift' is no part of a recipe. There are: batch"):
        without(SMALL, "shift")
    with pytest.raises(ValueError, match="seed must be a whole number"):
        train("mnist-quick", seed=-1)
    few = IMAGES[:9], np.zeros(9, int)
    with pytest.raises(ValueError, match=r"lesson needs equally many .* at least 64. It has 9"):
        recipes.learn(SMALL, few, few)
    with pytest.raises(ValueError, match=r"exam needs equally many .* It has 0 and 9"):
        recipes.learn(replace(SMALL, batch_size=3), few, (IMAGES[:0], few[1]))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["mnist-best", "cifar10-bset"], "'cifar10-bset' is no recipe"),
        (["cifar10-best", "mnist-best", "--without", "flips"], "mnist-best has no flips"),
    ],
)
def test_the_command_line_refuses_before_anything_is_trained(monkeypatch, options, says):
    monkeypatch.setattr(recipes, "train", lambda key, **settings: pytest.fail(f"trains {key}"))
    monkeypatch.setattr(sys, "argv", ["recipes", *options])
    with pytest.raises(SystemExit, match=says):
        recipes.main()


@pytest.mark.parametrize(
    ("options", "keys"),
    [([], [*RECIPES]), (["--without", "flips"], ["cifar10-quick", "cifar10-best"])],
)
def test_by_default_all_recipes_are_trained_that_have_the_part(monkeypatch, options, keys):
    trained = []
    row = {"test_accuracy": 1, "views_accuracy": 1, "seconds": 1}

    def done(key, **settings):
        trained.append(key)
        return {"system": key, "epochs": [row]}

    monkeypatch.setattr(recipes, "train", done)
    monkeypatch.setattr(sys, "argv", ["recipes", *options])
    recipes.main()
    assert trained == keys


@pytest.mark.parametrize("damaged", [b"", b"PK\x03\x04", b"nonsense"])
def test_a_damaged_draft_is_said_in_words(tmp_path, monkeypatch, damaged):
    trainer = recipes.Trainer(SMALL, IMAGES, 0, device_at("float32"))
    draft = tmp_path / "mnist-quick-seed0.npz"
    draft.write_bytes(damaged)
    with pytest.raises(ValueError, match=r"seed0\.npz cannot be read \(.*\)\. Delete it, and the"):
        trainer.go_on(draft, {})
    with monkeypatch.context() as held:  # by a virus scanner, say: nothing to delete
        held.setattr(np, "load", lambda path: (_ for _ in ()).throw(PermissionError("held")))
        with pytest.raises(PermissionError, match=r"^held"):
            trainer.go_on(draft, {})
    record = dict.fromkeys(("system", "recipe", "parameters", "data", "versions", "precision"))
    trainer.save(draft, {**record, "epochs": []})
    with pytest.raises(RecordMismatch, match="made in another way; move it"):
        trainer.go_on(draft, record | {"recipe": "another"})
    assert trainer.go_on(draft, record)["epochs"] == []


# --- On one host and on two ---


def example(language):
    """The example for a scheduler in chapter 12."""
    text = CHAPTER.read_text(encoding="utf-8")
    return re.search(rf"```{language}\n(.*?)```", text, re.DOTALL)[1]


def test_the_example_for_slurm_starts_a_worker_on_each_host(tmp_path):
    """With commands in place of Slurm's that say what they are given."""
    tools = {
        "scontrol": "printf 'n1\\nn2\\n'",
        "srun": 'SLURM_PROCID=1 "$@"',
        "python": 'echo "$@"',
    }
    for name, does in tools.items():
        (tmp_path / name).write_text(f"#!/bin/bash\n{does}\n")
        (tmp_path / name).chmod(0o755)
    script = tmp_path / "job"
    script.write_text(example("bash"))
    done = subprocess.run(
        ["bash", script],
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}", "SLURM_JOB_NODELIST": "n[1-2]"},
        capture_output=True,
        text=True,
    )
    command = "-m cnnlab.recipes mnist-quick --workers n1:12345,n2:12345 --worker 1"
    assert done.stdout.split() == command.split(), done.stderr
    assert re.search(r"^#SBATCH --nodes=2$", script.read_text(), re.M)


def test_the_example_for_kubernetes_names_each_worker():
    service, job = yaml.safe_load_all(example("yaml"))
    assert (service["kind"], job["kind"]) == ("Service", "Job")
    spec, pod = job["spec"], job["spec"]["template"]["spec"]
    assert spec["completionMode"] == "Indexed" and spec["completions"] == spec["parallelism"]
    assert service["spec"]["selector"] == {"job-name": job["metadata"]["name"]}
    assert service["metadata"]["name"] == pod["subdomain"]
    (container,) = pod["containers"]
    (command,) = container["args"]
    names = [
        f"{job['metadata']['name']}-{index}.{pod['subdomain']}:12345"
        for index in range(spec["completions"])
    ]
    assert f"--workers {','.join(names)} --worker $JOB_COMPLETION_INDEX" in command
    (mount,), (volume,) = container["volumeMounts"], pod["volumes"]
    assert f"--results {mount['mountPath']}" in command and mount["name"] == volume["name"]


# In float64: in float32 rounding grows, step by step.
STEPS = """
import json, sys
from dataclasses import replace
from pathlib import Path
import numpy as np
from cnnlab import recipes
from cnnlab.training import device_at

recipe = replace(recipes.RECIPES["mnist-quick"], batch_size=32)
rng = np.random.default_rng(0)
images, labels = rng.random((160, 28, 28, 1)).astype("float32"), rng.integers(0, 10, 160)
dense = recipes.layers.Dense
recipes.layers.Dense = lambda units, dtype: dense(units)  # in float64, too
trainer = recipes.Trainer(recipe, images, 0, device_at("float64"))
batches, rates = np.arange(160).reshape(5, 32), np.full(1, 0.05, "float32")
losses = [float(trainer.run(images, labels, batches[i : i + 1], rates)) for i in range(5)]
weights = [w.ravel() for net in (trainer.tested(), trainer.model) for w in net.get_weights()]
np.savez(sys.argv[1], losses=losses, weights=np.concatenate(weights))
"""


def free_ports(count):
    """Ports of this computer that nobody uses."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("localhost", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def hosts_of(command, folder, hosts=()):
    """The command, started once for each host, each with its TF_CONFIG."""
    started = []
    for index in range(len(hosts) or 1):
        task = {"cluster": {"worker": list(hosts)}, "task": {"type": "worker", "index": index}}
        environment = {**os.environ, "CNNLAB_TIER": "sample", "CUDA_VISIBLE_DEVICES": "-1"}
        if hosts:
            environment["TF_CONFIG"] = json.dumps(task)
        told = [sys.executable, *(word.format(index=index) for word in command)]
        with open(folder / f"{index}.log", "w") as said:
            started.append(
                subprocess.Popen(told, env=environment, stdout=said, stderr=subprocess.STDOUT)
            )
    return started


def ended(processes, folder):
    """The exit status of each, after at most four minutes; what they said, where one failed."""
    end = time.monotonic() + 240
    for process in processes:
        try:
            process.wait(max(1, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    said = [path.read_text()[-2000:] for path in sorted(folder.glob("*.log"))]
    return [process.returncode for process in processes], said


def test_two_hosts_train_like_one(tmp_path):
    hosts = [f"localhost:{port}" for port in free_ports(2)]
    for name, several in (("one", ()), ("two", hosts)):
        folder = tmp_path / name
        folder.mkdir()
        codes, said = ended(
            hosts_of(["-c", STEPS, f"{folder}/{{index}}.npz"], folder, several), folder
        )
        assert not any(codes), said
    one, first, second = (
        np.load(tmp_path / name) for name in ("one/0.npz", "two/0.npz", "two/1.npz")
    )
    assert first["losses"].std() > 0.01  # it learned something
    np.testing.assert_allclose(first["losses"], one["losses"], rtol=1e-7)
    np.testing.assert_allclose(first["weights"], one["weights"], atol=1e-12)
    np.testing.assert_array_equal(first["weights"], second["weights"])


def test_a_host_that_is_killed_costs_only_the_epoch(tmp_path):
    results = tmp_path / "results"
    draft = results / "unfinished" / "mnist-quick-seed0.npz"

    def start():
        hosts = [f"localhost:{port}" for port in free_ports(2)]
        command = ["-m", "cnnlab.recipes", "mnist-quick", "--results", str(results)]
        return hosts_of(command, tmp_path, hosts)

    first, second = start()
    end = time.monotonic() + 240
    while not draft.exists() and first.poll() is None and time.monotonic() < end:
        time.sleep(0.1)
    assert draft.exists(), ended([first, second], tmp_path)
    second.kill()
    codes, (said, _) = ended([first, second], tmp_path)
    assert codes[0] == 1 and re.search("The other hosts do not answer.*go on after", said), said
    assert "Traceback" not in said
    with np.load(draft) as file:
        before = json.loads(str(file["record"]))["epochs"]
    assert len(before) == 1
    codes, said = ended(start(), tmp_path)
    assert codes == [0, 0], said
    (run,) = records("mnist-quick", results)
    assert run["epochs"][:1] == before and len(run["epochs"]) == SMALL.epochs
    assert run["hosts"] == 2 and not draft.exists()


def test_a_run_that_was_stopped_goes_on_and_gives_the_same(tmp_path, monkeypatch):
    monkeypatch.setenv("CNNLAB_TIER", "sample")
    whole = train("mnist-quick", part="shifts", seed=1, folder=tmp_path / "whole")
    save = recipes.Trainer.save

    def save_and_stop(*args):
        save(*args)
        raise KeyboardInterrupt

    monkeypatch.setattr(recipes.Trainer, "save", save_and_stop)
    with pytest.raises(KeyboardInterrupt):
        train("mnist-quick", part="shifts", seed=1, folder=tmp_path)
    monkeypatch.setattr(recipes.Trainer, "save", save)
    resumed = train("mnist-quick", part="shifts", seed=1, folder=tmp_path)
    assert records("mnist-quick-without-shifts", tmp_path) == [resumed]
    assert resumed["recipe"]["shift"] == 0 and SMALL.shift
    for ours, theirs in zip(resumed["epochs"], whole["epochs"], strict=True):
        assert ours["loss"] == pytest.approx(theirs["loss"], rel=0.02)
        assert ours["test_accuracy"] == pytest.approx(theirs["test_accuracy"], abs=0.02)
    assert whole["epochs"][-1]["test_accuracy"] > 0.9
    assert train("mnist-quick", part="shifts", seed=1, folder=tmp_path) == resumed
