"""The live piece descent, operated in a real browser and compared with chapter 6's formulas."""

import re

import numpy as np
import pytest
from cnnlab import pieces

X = np.arange(1, 9) / 2
Y = 2 * X + 5 + np.random.default_rng(0).normal(size=8)
TINY = 1e-7


# Chapter 6, word for word: the slopes and the three rules.
def slopes(w, b, x=X, y=Y):
    by_w = 2 * (w * np.sum(x**2) - np.sum((y - b) * x))
    by_b = 2 * (len(x) * b - np.sum(y - w * x))
    return np.array([by_w, by_b])


def sgd(gradient, memory, lr):
    return -lr * gradient


def momentum(gradient, memory, lr, keep=0.9):
    memory["v"] = keep * memory.get("v", 0) - lr * gradient
    return memory["v"]


def adam(gradient, memory, lr, keep=0.9, keep_squares=0.999):
    t = memory["t"] = memory.get("t", 0) + 1
    m = memory["m"] = keep * memory.get("m", 0) + (1 - keep) * gradient
    s = keep_squares * memory.get("s", 0) + (1 - keep_squares) * gradient**2
    memory["s"] = s
    m, s = m / (1 - keep**t), s / (1 - keep_squares**t)
    return -lr * m / (np.sqrt(s) + TINY)


def follow(rule, steps, lr, start=(0, 0), x=X, y=Y):
    path, memory = [np.array(start, float)], {}
    for _ in range(steps):
        gradient = slopes(*path[-1], x, y)
        path.append(path[-1] + rule(gradient, memory, lr))
    return np.array(path)


def loss(w, b, x=X, y=Y):
    return np.sum((w * x + b - y) ** 2)


RULES = {"sgd": sgd, "momentum": momentum, "adam": adam}
CURVATURE = 2 * np.array([[np.sum(X**2), np.sum(X)], [np.sum(X), len(X)]])
CRITICAL = 2 / np.linalg.eigvalsh(CURVATURE)[1]


def read(tab):
    """w, b and the loss as the sentence says them."""
    numbers = re.search(r"w = (\S+), b = (\S+), loss (\S+?)[.,]? ", tab.words() + " ").groups()
    return [float(n.replace("−", "-")) for n in numbers]


def press(tab, name, times=1):
    for _ in range(times):
        tab.piece.get_by_role("button", name=name, exact=True).click()


def test_it_starts_on_the_points_of_chapter_6(open_piece):
    tab = open_piece("descent")
    points = tab.piece.evaluate("piece => piece.points")
    assert points["x"] == X.tolist() and np.allclose(points["y"], Y, rtol=0, atol=5e-7)
    path = follow(sgd, 15, 0.015)
    assert np.allclose(tab.result(), path, rtol=1e-5)
    assert np.allclose(read(tab), [*path[-1], loss(*path[-1])], atol=0.006)
    assert tab.words().startswith("Step 15 of gradient descent with learning rate 0.015:")
    lowest = loss(*np.polyfit(X, Y, 1))
    assert f"The lowest loss is {lowest:.1f}." in tab.words()


def settings():
    rng = np.random.default_rng(1)
    for i in range(30):
        n = int(rng.integers(2, 30))
        x = rng.normal(rng.normal(), 2, n)
        y = rng.normal(0, 3) * x + rng.normal(0, 3) + rng.normal(0, 1, n)
        steep = np.linalg.eigvalsh([[np.sum(x**2), x.sum()], [x.sum(), n]])[1] * 2
        rule = ("sgd", "momentum", "adam")[i % 3]
        unit = 1 if rule == "adam" else 2 / steep  # up to 6 times what is too much for sgd
        yield {
            "x": x,
            "y": y,
            "rule": rule,
            "rate": float(unit * 10 ** rng.uniform(-2.5, 0.8)),
            "start": rng.normal(0, 5, 2),
            "steps": int(rng.integers(1, 200)),
        }


def test_random_paths_equal_the_chapters(open_piece):
    tab, diverged = open_piece("descent"), 0
    for given in settings():
        tab.again(**given)
        path = np.array(tab.result())
        x, y, rule, rate = (given[key] for key in ("x", "y", "rule", "rate"))
        expected = follow(RULES[rule], len(path) - 1, rate, given["start"], x, y)
        assert np.allclose(path, expected, rtol=1e-9, atol=1e-9)
        end = loss(*expected[-1], x, y)
        if len(path) <= given["steps"]:  # it stopped, far out
            assert end > 1e9 * loss(*given["start"], x, y) and "too far out" in tab.words()
            diverged += 1
        if np.abs([*expected[-1], end]).max() < 1e4:
            assert np.allclose(read(tab), [*expected[-1], end], atol=0.006, rtol=0.05)
    assert diverged > 2


def test_the_contour_lines_join_places_of_one_loss(open_piece):
    """Read back from the drawing, through the axes: pixels to w and b."""
    tab = open_piece("descent")
    lines = tab.piece.evaluate(
        """piece => {
            const { surface } = piece, [left, right] = surface.x, [low, high] = surface.y;
            const back = (v, a, b, from, to) => from + ((v - a) / (b - a)) * (to - from);
            const paths = surface.element.querySelectorAll('.curve[stroke="var(--line)"]');
            return [...paths].map((path) => path.getAttribute("d").match(/-?[\\d.]+/g).map(Number)
                .map((v, i) => i % 2 ? back(v, surface.py(low), surface.py(high), low, high)
                    : back(v, surface.px(left), surface.px(right), left, right)));
        }"""
    )
    assert len(lines) == 8
    lowest = loss(*np.polyfit(X, Y, 1))
    levels = []
    for line in lines:
        w, b = np.array(line).reshape(-1, 2).T
        above = np.array([loss(*place) for place in zip(w, b, strict=True)]) - lowest
        assert above.std() < 0.1 * above.mean()  # the drawing is rounded to a tenth of a pixel
        levels.append(above.mean())
    assert np.all(np.diff(levels) > 0)


def test_the_keyboard_moves_the_ball_and_steps(open_piece):
    tab = open_piece("descent")
    for _ in range(6):
        tab.keyboard.press("Tab")  # rule, learning rate, three buttons, the surface
    for key in ("ArrowRight", "ArrowRight", "ArrowUp", "ArrowLeft", "ArrowDown", "ArrowRight"):
        tab.keyboard.press(key)
    assert tab.words().startswith("The ball lies at w = 0.2, b = 0, loss ")
    assert np.allclose(read(tab), [0.2, 0, loss(0.2, 0)], atol=0.006)
    tab.keyboard.press("Shift+Tab")
    tab.keyboard.press("Shift+Tab")
    tab.keyboard.press("Shift+Tab")
    tab.keyboard.press("Enter")
    tab.keyboard.press("Space")
    assert tab.words().startswith("Step 2 of")
    expected = follow(sgd, 2, 0.015, (0.2, 0))[-1]
    assert np.allclose(read(tab), [*expected, loss(*expected)], atol=0.006)


@pytest.mark.parametrize("width", [900, 320])
def test_the_pointer_drops_the_ball_where_it_points(open_piece, width):
    tab = open_piece("descent", width=width, touch=True)
    ground = tab.piece.get_by_role("application")
    ground.scroll_into_view_if_needed()
    box = ground.locator("svg").first.bounding_box()
    place = tab.piece.evaluate(
        """(piece, { x, y }) => {
            const { surface } = piece;
            return [surface.px(4) + x, surface.py(1) + y];
        }""",
        box,
    )
    tab.touchscreen.tap(*place)
    w, b, height = read(tab)
    assert abs(w - 4) < 0.05 and abs(b - 1) < 0.1
    assert np.isclose(height, loss(w, b), atol=0.01)
    press(tab, "step", 3)
    assert np.allclose(tab.result(), follow(sgd, 3, 0.015, (w, b)), rtol=1e-4)
    press(tab, "back to the start")
    assert tab.words().startswith(f"The ball lies at w = {w:g}, b = {b:g},")


def test_the_controls_choose_rule_and_rate_and_walk_anew(open_piece):
    tab = open_piece("descent")
    tab.piece.get_by_label("rule").select_option("Adam")
    tab.piece.get_by_label("learning rate").fill("-0.3")
    assert tab.words().startswith("Step 15 of Adam with learning rate 0.5:")
    assert np.allclose(tab.result(), follow(adam, 15, 0.5), rtol=1e-5)
    press(tab, "run 100 steps")
    assert np.allclose(tab.result(), follow(adam, 115, 0.5), rtol=1e-4)
    above = np.array([loss(*place) for place in follow(adam, 115, 0.5)])
    above -= loss(*np.polyfit(X, Y, 1))
    arrived = np.flatnonzero(above > 1e-4 * above[0])[-1] + 1  # as in chapter 6
    assert f"Since step {arrived} the ball has been within a ten-thousandth" in tab.words()
    tab.piece.get_by_label("rule").select_option("momentum")
    tab.piece.get_by_label("learning rate").fill("-2.46")
    assert tab.words().startswith("Step 115 of momentum with learning rate 0.0035:")
    assert np.allclose(tab.result(), follow(momentum, 115, 0.0035), rtol=1e-4)
    notch = tab.piece.get_by_label("learning rate")
    notch.focus()
    tab.keyboard.press("ArrowRight")
    assert "learning rate 0.0036:" in tab.words()
    assert notch.get_attribute("aria-valuetext") == "0.0036"


def test_a_learning_rate_above_the_critical_one_diverges(open_piece):
    tab = open_piece("descent", steps=0)
    for rate, diverges in ((0.99 * CRITICAL, False), (1.01 * CRITICAL, True)):
        tab.again(rate=rate, steps=100)
        assert ("diverges" in tab.words()) is diverges
        first = loss(0, 0)
        assert bool(loss(*tab.result()[-1]) > first) is diverges
    times = loss(*follow(sgd, 100, 1.01 * CRITICAL)[-1]) / first
    assert f"That is {times:.2f}"[:-1] in tab.words()
    for rate, diverges in ((1.85 * CRITICAL, False), (1.95 * CRITICAL, True)):  # limit: 1.9
        tab.again(rule="momentum", rate=rate, steps=300)
        assert ("too high" in tab.words()) is diverges
    tab.again(rate=0.05, steps=1000)
    walked = len(tab.result()) - 1
    assert walked < 20 and "too far out to walk on" in tab.words() and "trillion" in tab.words()
    press(tab, "step")
    assert len(tab.result()) - 1 == walked
    tab.again(rule="adam", rate=20, steps=1)
    assert "higher now than at the start" in tab.words() and "diverges" not in tab.words()


def test_there_is_an_end_and_it_is_said(open_piece):
    tab = open_piece("descent", steps=950, rate=0.001)
    press(tab, "run 100 steps")
    press(tab, "step")
    assert len(tab.result()) == 1001 and "1000 steps are the most" in tab.words()


def test_a_run_that_is_shown_ends_there_too(open_piece):
    tab = open_piece("descent", steps=1000, rate=0.001)
    tab.emulate_media(reduced_motion="no-preference")
    press(tab, "run 100 steps")
    tab.wait_for_function("!document.querySelector('cnn-descent').goal")
    assert len(tab.result()) == 1001 and "1000 steps are the most" in tab.words()


def test_where_motion_is_welcome_a_run_is_shown_step_by_step(open_piece):
    tab = open_piece("descent", steps=0)
    tab.emulate_media(reduced_motion="no-preference")
    tab.piece.evaluate(
        """piece => {
            piece.seen = [];
            const caption = piece.caption;
            new MutationObserver(() => piece.seen.push(caption.textContent))
                .observe(caption, { childList: true });
        }"""
    )
    press(tab, "run 100 steps")
    tab.wait_for_function("document.querySelector('cnn-descent').steps === 100")
    assert tab.words().startswith("Step 100 of gradient descent")
    assert tab.piece.evaluate("piece => piece.seen.length") >= 100
    press(tab, "run 100 steps")
    press(tab, "back to the start")  # ends the run
    assert tab.words().startswith("The ball lies at w = 0, b = 0")
    tab.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert len(tab.result()) == 1


def test_a_run_waits_while_the_piece_is_taken_out(open_piece):
    tab = open_piece("descent", steps=0)
    tab.emulate_media(reduced_motion="no-preference")
    steps = tab.piece.evaluate(
        """async piece => {
            const place = piece.parentElement, next = () => new Promise(requestAnimationFrame);
            [...piece.shadowRoot.querySelectorAll("button")][1].click(); // run 100 steps
            await next(), await next();
            piece.remove();
            const before = piece.steps;
            for (let frame = 0; frame < 4; frame++) await next();
            const after = piece.steps;
            place.append(piece);
            place.prepend(piece); // once more, within the page
            return [before, after];
        }"""
    )
    assert 0 < steps[0] == steps[1] < 100
    tab.wait_for_function("document.querySelector('cnn-descent').steps === 100")
    assert tab.words().startswith("Step 100 of gradient descent")
    assert np.allclose(tab.result(), follow(sgd, 100, 0.015), rtol=1e-4)


def test_axes_have_legible_numbers_however_small_or_large(open_piece):
    tab = open_piece("descent")
    for scale in (1e-4, 1, 1e6):
        tab.again(x=[-0.5, 0.5, 1], y=np.array([-1, 1, 0.5]) * scale)
        texts = tab.piece.locator("svg.plot").last.locator("text[text-anchor=end]")
        labels = [float(text.replace("−", "-")) for text in texts.all_text_contents()]
        assert len(set(labels)) == len(labels) >= 3
        assert np.allclose(np.diff(labels), np.diff(labels)[0])
        plot = tab.piece.locator("svg.plot").last.bounding_box()
        for text in texts.all():
            box = text.bounding_box()
            assert plot["x"] <= box["x"] and box["x"] + box["width"] <= plot["x"] + plot["width"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"x": [1, 2, 3]}, "x and y belong together"),
        ({"x": [1, 2, 3], "y": [1, 2]}, "equally long, got 3 and 2"),
        ({"x": [2, 2], "y": [1, 2]}, "at least 2 different places, got only 2"),
        ({"x": np.zeros((2, 2)), "y": [1, 2]}, r"2 to 200 numbers in a row, got shape \(2, 2\)"),
        ({"x": [1, np.inf], "y": [1, 2]}, "finite"),
        ({"rule": "rmsprop"}, '"sgd", "momentum" or "adam", got \'rmsprop\''),
        ({"x": [1, 1 + 1e-9], "y": [1, 2]}, "less than a millionth do not count"),
        ({"rate": [0.1, 0.2]}, r"rate must be one number, got an array of shape \(2,\)"),
        ({"rate": 0}, "rate must be .* got 0"),
        ({"start": [1, 2, 3]}, r"start must be 2 numbers in a row, got shape \(3,\)"),
        ({"steps": -1}, "from 0 to 1000, got -1"),
        ({"speed": 3}, "does not take speed. It takes: x, y, rule"),
    ],
)
def test_what_it_cannot_start_with_is_refused_in_words(given, message):
    with pytest.raises(ValueError, match=message):
        pieces.show("descent", **given)
