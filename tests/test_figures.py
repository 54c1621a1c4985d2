"""Figures and tables: what they look like, and that their words say what they show."""

import base64
import io
import re
import xml.etree.ElementTree as xml
from itertools import pairwise

import IPython.display
import numpy as np
import pytest
from bs4 import BeautifulSoup
from cnnlab.comparisons import compare
from cnnlab.figures import (
    BLUE,
    architecture,
    around_zero,
    bars,
    confusion,
    curve_panels,
    curves,
    descent,
    differences,
    fits,
    images,
    maps,
    numbers,
    runs,
    say,
    table,
    ties,
)
from PIL import Image
from website.pictures import in_page

PHONE = 300  # pixels that a page gives a figure on a small phone, at least
RANDOM = np.random.default_rng(0).random


def seen(shown):
    return BeautifulSoup(shown._repr_html_(), "html.parser")


def inside(image):
    """What is in an image of a page."""
    assert image["src"].startswith("data:image/")
    return base64.b64decode(image["src"].split(",")[1])


def plots(picture):
    """The plots of a picture, without its key."""
    found = seen(picture).select(".cnn-panel img[src*=svg]")
    return [xml.fromstring(inside(image)) for image in found]


def pixels(picture):
    """The images of a picture, as arrays."""
    found = seen(picture).select(".cnn-panel img[src*=png]")
    return [np.asarray(Image.open(io.BytesIO(inside(image)))) for image in found]


def texts(picture):
    """All that can be read in a picture."""
    drawn = [node.text for plot in plots(picture) for node in plot.iter() if node.text]
    return " ".join([*drawn, seen(picture).find(class_="cnn-figure").get_text(" ")])


def check(picture, *words):
    """Assert that this is one image for those who hear it, and that its words hold these."""
    html = seen(picture)
    figure = html.find(class_="cnn-figure")
    assert figure["role"] == "img" and figure["aria-label"] == picture.alt == repr(picture)
    assert html.select_one(".cnn-panel img")["alt"] == picture.alt  # where roles are dropped
    assert picture.alt and picture.alt == " ".join(picture.alt.split())
    for image in html.find_all("img"):
        assert int(image["width"]) and int(image["height"])  # so that nothing jumps
    for word in words:
        assert str(word) in picture.alt


def test_a_notebook_shows_the_words_and_the_site_leaves_them_out(monkeypatch):
    """In a notebook nobody but a screen reader would meet the alt text otherwise."""
    pictures = np.zeros((2, 4, 4))
    words = seen(images(pictures, alt="Black < white.")).select_one("div.cnn-figure + details")
    assert words.summary.get_text() == "In words" and "Black < white." in words.get_text()
    monkeypatch.setenv("CNNLAB_SITE", "1")
    assert not seen(images(pictures, alt="Black < white.")).details


ROWS = {"MLP": {"moved": [0.25, 0.5, 0.75]}, "CNN": {"moved": [0.9, 0.9, 0.9]}}
LINES = {"train": [[3.0, 2.0, 1.0], [5.0, 2.0, 0.5]], "test": [4.0, 3.0, 2.5]}


def bowl(w, b):
    return w**2 + b**2


def small_net(*between):
    from keras import Input, Sequential, layers

    return Sequential(
        [
            Input((12, 10, 1)),
            layers.Conv2D(60, 3, strides=2, padding="same", activation="relu"),
            *between,
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(10),
        ]
    )


PLOTS = {
    "architecture": architecture(small_net(), alt="Small."),
    "curves": curves(LINES, x_label="epoch", y_label="loss", title="t", alt="Both fall."),
    "panels": curve_panels(
        {name: ([0, 2, 4], {"a": [0.9, 0.5, 0.7], "b": [0.9, 0.4, 0.7]}) for name in "xyz"},
        y_label="accuracy",
        percent=True,
    ),
    "fits": fits([0, 1], [0, 2], {"line": {"fit": lambda x: 2 * x}}, window=(-1, 3)),
    "descent": descent(bowl, {"slow": [[2, 0], [1, 0]]}, best=(0, 0), window=(-3, 3, -3, 3)),
    "bars": bars({"all": {"net": {"cat": 0.2}, "guess": {"cat": 0.5}}}, x_label="share"),
    "differences": differences(
        {
            "tied − cut": compare([0.9, 0.8, 0.9], [0.5, 0.45, 0.5], percent=True),
            "cut − dense": compare([0.4, 0.5, 0.6], [0.5, 0.4, 0.6], percent=True),
        },
        x_label="accuracy, in points",
    ),
    "runs": runs(ROWS, x_label="accuracy", percent=True, guess=0.1),
}


@pytest.mark.parametrize("name", PLOTS)
def test_a_plot_is_drawn_for_a_phone(name):
    picture = PLOTS[name]
    check(picture)
    few = int(re.search(r"--few: (\d)", str(seen(picture)))[1])
    for plot in plots(picture):
        assert few * float(plot.get("width")) + 8 * (few - 1) <= PHONE
        sizes = re.findall(r"font-size: ([\d.]+)px", xml.tostring(plot, encoding="unicode"))
        assert sizes and min(map(float, sizes)) >= 10


@pytest.mark.parametrize("name", PLOTS)
def test_a_plot_takes_its_colours_from_the_page_and_leaves_the_page_alone(name):
    for image in seen(PLOTS[name]).select("img[src*=svg]"):
        svg = inside(image).decode()
        assert "var(--cnn-" in svg and "<style" not in svg and "<metadata" not in svg
        without = re.sub(r"var\(--cnn-\w+, #\w+\)", "", svg)
        assert not re.search(r"#[0-9a-f]{6}", without), "a colour that no theme can change"


@pytest.mark.parametrize("name", PLOTS)
def test_on_the_site_plots_are_part_of_the_page(name):
    html = BeautifulSoup(in_page(PLOTS[name]._repr_html_()), "html.parser")
    assert not html.find("img") and html.find("svg")
    names = [node["id"] for node in html.find_all(id=True)]
    assert len(names) == len(set(names))


def test_two_plots_on_one_page_share_no_names():
    both = [PLOTS["curves"], curves(LINES, x_label="step", y_label="loss")]
    first, second = ({n.get("id") for p in plots(b) for n in p.iter()} - {None} for b in both)
    assert first and not first & second


def test_images_stay_images_on_the_site():
    html = images(RANDOM((1, 8, 8)))._repr_html_()
    assert in_page(html) == html


def test_the_same_picture_is_the_same_text():
    """So that rebuilding the notebooks changes nothing."""
    again = curves(LINES, x_label="epoch", y_label="loss", title="t", alt="Both fall.")
    assert again._repr_html_() == PLOTS["curves"]._repr_html_()


def test_drawing_leaves_matplotlib_as_it_was():
    import matplotlib

    before = dict(matplotlib.rcParams)
    curves(LINES, x_label="epoch", y_label="loss")
    assert dict(matplotlib.rcParams) == before


def test_what_a_key_says_is_what_is_drawn():
    key = seen(PLOTS["curves"]).find(class_="cnn-key")
    assert [span.get_text(strip=True) for span in key.find_all("span")] == ["train", "test"]
    colour = re.compile(r"stroke: (var\([^)]*\))")
    drawn = colour.findall(xml.tostring(plots(PLOTS["curves"])[0], "unicode"))
    for image in key.find_all("img"):
        assert colour.search(inside(image).decode())[1] in drawn


def test_a_name_that_is_no_html():
    picture = curves({"<b> & co": [1, 2]}, x_label="<i>", y_label='"y"', title="<u>")
    check(picture, '"y" against <i>', "<b> & co")
    assert not seen(picture).find(["b", "i", "u"])


def test_say_displays_markdown(monkeypatch):
    shown = []
    monkeypatch.setattr(IPython.display, "display", shown.append)
    say("""
        There are **9** weights.

        $x^2$
    """)
    (text,) = shown
    assert isinstance(text, IPython.display.Markdown)
    assert text.data == "There are **9** weights.\n\n$x^2$"
    say("From -1 to (-0.5): `a[-1]`, $-1$, 5-10, [E-1](a.md#b-1).")
    assert shown[1].data == "From −1 to (−0.5): `a[-1]`, $-1$, 5-10, [E-1](a.md#b-1)."


@pytest.mark.parametrize("shape", [(7, 8, 9, 3), (7, 8, 9, 1), (7, 8, 9)])
def test_images_are_shown_pixel_by_pixel(shape):
    values = RANDOM(shape)
    picture = images(values, list("abcdefg"), columns=4, source="a test", alt="Noise.")
    kind = "colour" if shape[-1] == 3 else "grey"
    check(picture, f"Noise. 7 {kind} images of 8 × 9 pixels in 2 rows of 4", "a test")
    check(picture, "labelled a, b, c, d, e, f, g")
    assert all(letter in texts(picture) for letter in "abcdefg")
    for shown, value in zip(pixels(picture), values, strict=True):
        assert np.array_equal(shown, np.squeeze(np.round(255 * value)))


def test_one_image_is_no_plural():
    check(images(RANDOM((1, 8, 8))), "1 grey image of 8 × 8 pixels. From this page.")


def test_one_row_of_pixels_stays_a_row():
    check(images(np.zeros((2, 1, 5))), "2 grey images of 1 × 5 pixels")


def test_noise_may_leave_the_range_a_little():
    assert pixels(images([[[-0.3, 0.5, 1.3]]]))[0].tolist() == [[0, 128, 255]]


BAD_IMAGES = {
    "none": ([], None, "no image"),
    "bytes": ([[[0, 255]]], None, r"from 0 to 255.*divide by 255\."),
    "nan": ([[[0, np.nan]]], None, r"between 0 and 1 .* from nan to nan"),
    "one": (np.zeros((4, 4)), None, r"got shape \(4,\).*list of them"),
    "deep": (np.zeros((1, 4, 4, 16)), None, r"got shape \(4, 4, 16\).*figures\.maps"),
    "empty": (np.zeros((1, 0, 4)), None, r"got shape \(0, 4\)"),
    "colour": (np.zeros((4, 4, 3)), None, r"shape \(4, 4, 3\) one image, or several narrow ones"),
    "titles": (np.zeros((3, 4, 4)), ["a"], "titles must be one for each of the 3 images, got 1"),
}


@pytest.mark.parametrize("case", BAD_IMAGES)
def test_images_that_cannot_be_shown_are_refused_in_words(case):
    pictures, titles, message = BAD_IMAGES[case]
    with pytest.raises(ValueError, match=message):
        images(pictures, titles)


BAD_MAPS = {
    "none": ([], [], {}, "no map"),
    "nan": ([[[0, np.nan]]], ["a"], {}, "finite"),
    "one": (np.zeros((4, 4)), ["a"] * 4, {}, r"got shape \(4,\).*list of them"),
    "deep": (np.zeros((1, 4, 4, 6)), ["a"], {}, r"got shape \(4, 4, 6\).*moveaxis"),
    "titles": (np.zeros((3, 4, 4)), ["a"], {}, "titles must be one for each of the 3 maps, got 1"),
    "signed": (np.zeros((1, 4, 4)), ["a"], {"signed": []}, "signed must be one for each .* got 0"),
}


@pytest.mark.parametrize("case", BAD_MAPS)
def test_maps_that_cannot_be_shown_are_refused_in_words(case):
    matrices, titles, settings, message = BAD_MAPS[case]
    with pytest.raises(ValueError, match=message):
        maps(matrices, titles, alt="x", **settings)


def test_maps_may_keep_their_only_channel():
    one = np.arange(6.0).reshape(1, 2, 3, 1)
    same = [maps(m, ["a"], alt="A map: a.")._repr_html_() for m in (one, one[..., 0])]
    assert same[0] == same[1]


@pytest.mark.parametrize("draw", [maps, lambda *a, **k: ties(*a, count=[9, 9], **k)])
def test_titles_of_panels_are_heard_once(draw):
    two = np.zeros((2, 3, 3), int)
    assert draw(two, ["a", "b\nc"], alt="A pair.").alt == "A pair. Panels: a, b c."
    assert draw(two, ["left", "right"], alt="The left and the right.").alt.endswith("right.")
    assert draw(two, ["", ""], alt="A pair.").alt == "A pair."
    assert draw(two, ["", "b"], alt="A b.").alt == "A b."


@pytest.mark.parametrize("count, few", [(5, 3), (15, 5)])
def test_rows_of_five_maps_stay_rows_on_a_phone(count, few):
    picture = maps([np.eye(3)] * count, ["one"] * count, alt="ones", columns=5)
    assert f"--few: {few};" in picture._repr_html_()


@pytest.mark.parametrize("columns, few", [(8, 4), (10, 5), (6, 3), (4, 4), (1, 1), (7, 3)])
def test_on_a_phone_a_row_of_images_becomes_whole_rows_where_it_can(columns, few):
    html = images(RANDOM((2 * columns, 8, 8)), columns=columns)._repr_html_()
    assert f"--few: {few};" in html and f"repeat({columns}," in html


def test_signed_maps_are_orange_above_zero_blue_below_and_let_the_paper_through_at_zero():
    (shown,) = pixels(maps([np.array([[2.0, 0.0, -1.0]])], [""], alt="three cells"))
    plus, zero, minus = shown[0].astype(int)
    assert plus[0] > 200 and plus[0] > plus[1] > plus[2] and plus[3] == 255
    assert zero[3] == 0
    assert minus[2] > minus[1] > minus[0] and abs(minus[3] - 255 / 2) < 1


def test_unsigned_maps_go_from_black_to_white():
    one, flat = pixels(maps([[[3, 4, 5]], [[7, 7, 7]]], ["a", "b"], alt="grey", signed=False))
    assert one.tolist() == [[0, 128, 255]] and flat.tolist() == [[0, 0, 0]]


def test_maps_say_what_they_are_told_to():
    matrices = np.random.default_rng(0).normal(size=(5, 4, 6))
    picture = maps(matrices, list("abcde"), alt="five kernels", columns=3, signed=[True] * 5)
    check(picture, "five kernels")
    check(maps(np.zeros((1, 3, 3)), ["nothing"], alt="all zero"), "all zero")


@pytest.mark.parametrize("weights", [9, 20])
def test_ties_have_one_colour_a_weight_and_none_where_there_is_none(weights):
    matrix = np.arange(-1, 35).reshape(6, 6) % weights
    matrix[0] = -1
    picture = ties([matrix], ["one"], count=[weights], alt=f"{weights} colours")
    check(picture, f"{weights} colours")
    (shown,) = pixels(picture)
    assert not shown[0, :, 3].any() and shown[1:, :, 3].all()
    colours = {tuple(colour) for colour in shown[1:].reshape(-1, 4)}
    assert len(colours) == len(np.unique(matrix[1:]))


def test_ties_with_lines_between_blocks():
    matrix = np.zeros((4, 6), int)
    (plain,), (ruled,) = (
        pixels(ties([matrix], [""], count=[9], alt="x", blocks=b)) for b in (None, (2, 3))
    )
    assert len(np.unique(plain.reshape(-1, 4), axis=0)) == 1
    line = ruled.shape[0] // 2  # between the second row and the third
    assert np.ptp(ruled[line, :, 0]) == 0 and (ruled[line, 1] != ruled[1, 1]).any()


def test_curves_tell_where_each_line_begins_and_ends():
    check(PLOTS["curves"], "loss against epoch", "train goes from 4 to 0.75")
    check(PLOTS["curves"], "test goes from 4 to 2.5", "Both fall.")
    shares = curves({"net": [0.5, 0.975]}, x_label="epoch", y_label="accuracy", percent=True)
    check(shares, "net goes from 50.0% to 97.5%")


def test_numbers_at_the_axes_are_those_of_the_data():
    picture = curves({"a": [0.25, 1.5]}, x_label="x", y_label="y")
    heights = {}
    for node in plots(picture)[0].iter():
        if re.fullmatch(r"[\d.]+", node.text or "") and float(node.get("x")) < 30:
            heights[float(node.text)] = float(node.get("y"))
    steps = np.diff(sorted(heights.items()), axis=0)
    slopes = steps[:, 1] / steps[:, 0]
    assert len(slopes) > 3 and np.allclose(slopes, slopes.mean(), rtol=0.02)


def test_many_lines_all_look_different():
    names = list("abcdefghij")
    key = seen(curves({name: [1, 2] for name in names}, x_label="x", y_label="y"))
    looks = {image["src"] for image in key.select(".cnn-key img")}
    assert len(looks) == len(names)


def test_fits_tell_how_far_each_curve_goes():
    picture = fits([0, 1], [0, 2], {"line": {"fit": lambda x: 2 * x}}, window=(-1, 3), alt="Up.")
    check(picture, "2 points between 0 and 2", "line: fit runs between 0 and 2", "Up.")


def test_curve_panels_tell_the_same_for_each_panel_and_have_one_scale():
    panels = {
        "pixels": ([0, 2, 4], {"net": [[0.9, 0.5, 0.7], [0.9, 0.4, 0.7]]}),
        "degrees": ([0, 1], {"net": [[0.9, 0.8]]}),
    }
    picture = curve_panels(panels, y_label="accuracy", percent=True, alt="It dips.")
    check(picture, "accuracy", "against pixels, net goes from 90.0% at 0 to 70.0% at 4")
    check(picture, "lowest point of 45.0%", "It dips.")
    ticks = [{n.text for n in plot.iter() if "%" in (n.text or "")} for plot in plots(picture)]
    assert ticks[0] == ticks[1]


def test_a_run_that_diverged_is_drawn_as_far_as_it_goes():
    picture = curve_panels({"x": ([0, 1, 2], {"net": [3, 2, np.nan]})}, y_label="loss")
    check(picture, "from 3 at 0 to no number at 2, with a lowest point of 2")
    assert "2.5" in texts(picture)
    lost = curve_panels({"x": ([0, 1], {"net": [np.nan] * 2})}, y_label="loss", percent=True)
    check(lost, "from no number at 0 to no number at 1, with a lowest point of no number")


def test_runs_of_unequal_length_are_refused_with_their_name():
    uneven, message = {"net": [[1, 2, 3], [1, 2]]}, "'net' .* one length, got 3, 2"
    with pytest.raises(ValueError, match=message):
        curves(uneven, x_label="x", y_label="y")
    with pytest.raises(ValueError, match=message):
        curve_panels({"x": ([1, 2, 3], uneven)}, y_label="y")


def test_a_first_path_that_begins_at_the_minimum_is_refused():
    paths = {"there": [[0, 0], [0, 0]], "slow": [[2, 0], [1, 0]]}
    with pytest.raises(ValueError, match=r"'there' begins no higher.*another path first"):
        descent(bowl, paths, best=(0, 0), window=(-3, 3, -3, 3))


def test_descent_tells_how_far_down_each_path_gets():
    paths = {"slow": [[2, 0], [1, 0]], "done": [[2, 0], [1, 1], [0, 0]]}
    picture = descent(bowl, paths, best=(0, 0), window=(-3, 3, -3, 3), alt="Two paths.")
    check(
        picture, "2 paths", "slow: after 1 steps 0.25", "done: after 2 steps less than a millionth"
    )
    check(picture, "Two paths.")


def test_bars_name_the_longest():
    panels = {"all": {"net": {"cat": 0.2, "dog": 0.7}, "guess": {"cat": 0.5, "dog": 0.001}}}
    picture = bars(panels, x_label="share", percent=True)
    check(picture, "share", "all:", "net, most in dog (70%)", "guess, most in cat (50%)")
    assert all(word in texts(picture) for word in ("cat", "dog", "70%", "<1%"))


def test_bars_stand_at_their_label_and_do_not_overlap():
    same = {"a": {"cat": 0.2, "dog": 0.8}, "b": {"cat": 0.4, "dog": 0.6}, "c": {"cat": 2, "dog": 1}}
    other = same | {"b": {"dog": 0.6, "cat": 0.4}, "c": {"dog": 1, "cat": 2}}
    first, second = (bars({"": series}, x_label="share") for series in (same, other))
    assert seen(first) == seen(second)
    edges = []
    for path in plots(first)[0].iter("{http://www.w3.org/2000/svg}path"):
        if "fill: var(--cnn-" in (path.get("style") or "") and path.get("d").count("L") == 3:
            heights = [float(y) for y in re.findall(r"[\d.]+", path.get("d"))[1::2]]
            edges.append((min(heights), max(heights)))
    edges.sort()
    assert len(edges) == 6
    assert all(low > high for (_, high), (low, _) in pairwise(edges))


def test_bars_with_other_labels_are_refused():
    with pytest.raises(ValueError, match="'b' has the labels dog, but 'a' has cat"):
        bars({"": {"a": {"cat": 1}, "b": {"dog": 1}}}, x_label="share")


def test_an_architecture_names_every_layer_and_what_it_gives():
    picture = PLOTS["architecture"]
    conv = "Convolution 3 × 3, stride 2, same, ReLU: 6 × 5 × 60."
    check(picture, "Image: 12 × 10 × 1.", conv, "Max pooling 2 × 2: 3 × 2 × 60.", "Small.")
    check(picture, "Flatten: 360.", "Dense: 10.")
    for shape in ("12 × 10 × 1", "6 × 5 × 60", "3 × 2 × 60", "360", "10"):
        assert shape in texts(picture).replace("\u00a0", " ")


def test_an_architecture_is_drawn_to_scale():
    [plot] = plots(PLOTS["architecture"])
    paths = [node.get("d") for node in plot.iter() if node.tag.endswith("path")]
    corners = [np.array(re.findall(r"[\d.]+", path or ""), float) for path in paths]
    fronts = [c.reshape(-1, 2) for c in corners if len(c) == 8]  # image, convolution, pooling
    (h, w), *others = [front.max(axis=0)[::-1] - front.min(axis=0)[::-1] for front in fronts[:3]]
    for (rows, columns), shape in zip(others, [(6, 5), (3, 2)], strict=True):
        np.testing.assert_allclose(
            [rows / h, columns / w], [shape[0] / 12, shape[1] / 10], atol=0.02
        )


def test_an_architecture_names_layers_that_change_no_shape_with_the_one_before():
    from keras import layers

    between = [layers.BatchNormalization(), layers.ReLU(), layers.Dropout(0.5)]
    check(architecture(small_net(*between)), "same, ReLU, batch norm, ReLU, dropout: 6 × 5 × 60.")


def test_an_architecture_with_branches_is_refused():
    import keras

    image = keras.Input((4, 4, 1))
    one = keras.layers.Conv2D(1, 1, name="one")(image)
    branched = keras.Model(image, keras.layers.Add()([one, image]), name="branched")
    with pytest.raises(ValueError, match="one after the other, but in 'branched' 'add"):
        architecture(branched)


def test_an_architecture_has_plain_names_for_layers_and_both_strides():
    from keras import Input, Sequential, layers

    kinds = [
        layers.DepthwiseConv2D(3, padding="same"),
        layers.PReLU(),
        layers.SpatialDropout2D(0.5),
        layers.Conv2D(2, 3, strides=(1, 2)),
        layers.LeakyReLU(),
        layers.UpSampling2D(),
        layers.SeparableConv2D(2, 3),
        layers.Conv2DTranspose(2, 3),
        layers.MaxPooling2D((2, 1), strides=(1, 2)),
        layers.Cropping2D(1),
    ]
    told = architecture(Sequential([Input((12, 12, 2)), *kinds])).alt
    for words in (
        "Depthwise convolution 3 × 3, same, PReLU, spatial dropout:",
        "Convolution 3 × 3, stride 1 × 2, leaky ReLU:",
        "Upsampling:",
        "Separable convolution 3 × 3:",
        "Transposed convolution 3 × 3:",
        "Max pooling 2 × 1, stride 1 × 2:",
        "Cropping:",
    ):
        assert words in told


def test_an_architecture_that_begins_with_a_matrix_is_refused():
    from keras import Input, Sequential, layers

    with pytest.raises(ValueError, match=r"its input has the shape \(28, 28\)"):
        architecture(Sequential([Input((28, 28)), layers.Flatten()]))


def test_runs_tell_mean_and_spread():
    check(PLOTS["runs"], "accuracy, 3 runs each", "MLP, moved: 50.0% (25.0% to 75.0%)")
    check(PLOTS["runs"], "CNN, moved: 90.0% (90.0% to 90.0%)")
    assert "50.0% (25.0% to 75.0%)" in texts(PLOTS["runs"])


def cells(shown):
    """The rows of each table, as texts."""
    return [
        [
            [cell.get_text().replace("\u00a0", " ") for cell in row.find_all(["td", "th"])]
            for row in one.find_all("tr")
        ]
        for one in seen(shown).find_all("table")
    ]


def test_differences_tell_what_is_settled_and_what_is_not():
    settled = "tied − cut: +38.3 points (95 % interval +31.2 to +45.5);"
    check(PLOTS["differences"], "accuracy, in points, 3 seeds each", settled)
    check(PLOTS["differences"], "cut − dense: +0.0 points (95 % interval −24.8 to +24.8): not")
    assert "not settled" in texts(PLOTS["differences"])


def test_intervals_and_means_stand_where_they_are():
    rows = {"one": ("", [-1, 1], (-2, 2), BLUE), "other": ("", [0.5], (0, 1), BLUE)}
    [svg] = plots(around_zero(rows, x_label="x", text="Two rows."))
    drawn = {}
    for path in svg.iter("{http://www.w3.org/2000/svg}path"):
        if width := re.search(r"cnn-blue.*stroke-width: ([\d.]+)", path.get("style") or ""):
            found = re.fullmatch(r"M (\S+) \S+ L (\S+) \S+ ?", path.get("d").replace("\n", ""))
            if found:
                drawn.setdefault(float(width[1]), []).append([*map(float, found.groups())])
    (left, right), (zero, one) = drawn[1.6]
    assert right - left == pytest.approx(4 * (one - zero), abs=0.5)
    assert zero == pytest.approx((left + right) / 2, abs=0.5)
    assert drawn[2.6] == [[zero, zero], [pytest.approx((zero + one) / 2, abs=0.5)] * 2]


def test_numbers_are_tables_and_all_in_the_words():
    kernel = np.array([[0, -1], [-1, 0]])
    means = np.array([[0.5, 2.0, 1 / 3]])
    shown = numbers(("kernel", kernel), ("means", means), signs=("*",), mark=[(0, 0, 1, 2)])
    assert cells(shown) == [[["0", "−1"], ["−1", "0"]], [["0.5", "2", "0.33"]]]
    assert repr(shown) == (
        "kernel, framed: row 1, columns 1 to 2: 0 −1; −1 0. * means: 0.5 2 0.33."
    )
    captions = [caption.get_text() for caption in seen(shown).find_all("caption")]
    assert captions == ["kernel, framed: row 1, columns 1 to 2", "means"]
    assert seen(shown).find(class_="cnn-sign").get_text() == "*"
    framed = [cell.get("style", "").count("border-") for cell in seen(shown).find_all("td")]
    assert framed[:4] == [3, 3, 0, 0] and not any(framed[4:])


def test_numbers_are_orange_above_zero_and_blue_below():
    styles = [td.get("style", "") for td in seen(numbers(("n", np.array([[4, 0, -2]]))))("td")]
    assert "213, 94, 0, 0.45" in styles[0] and styles[1] == "" and "0, 114, 178" in styles[2]


def test_numbers_that_round_to_nothing_have_no_sign():
    assert cells(numbers(("small", np.array([[-0.001, 0.001]])))) == [[["0", "0"]]]


@pytest.mark.parametrize("values", [[1, 2, 3], np.zeros((2, 2, 2)), [[]]])
def test_numbers_that_are_no_matrix_are_refused(values):
    with pytest.raises(ValueError, match=r"'x' must be a matrix .* got shape .*\[\[1, 2, 3\]\]\."):
        numbers(("x", values))


def test_confusion_counts_and_names_the_worst_mistake():
    truth, predicted = [0, 0, 0, 1, 1, 2, 2, 2], [0, 1, 0, 1, 2, 0, 0, 2]
    shown = confusion(truth, predicted, ["cat", "dog", "fox"], source="a test")
    for words in ("a test", "4 of 8 right", "2 times, takes fox for cat"):
        assert words in repr(shown)
    (rows,) = cells(shown)
    assert rows[0] == ["", "cat", "dog", "fox"]
    assert rows[1:] == [["cat", "2", "1", ""], ["dog", "", "1", "1"], ["fox", "2", "", "1"]]
    heads = seen(shown).find_all("th")
    assert [head["scope"] for head in heads] == ["col"] * 3 + ["row"] * 3


def test_confusion_takes_labels_in_a_column():
    column = np.array([[0], [1], [1]])
    assert "2 of 3 right" in repr(confusion(column, [0, 1, 0], ["cat", "dog"]))


@pytest.mark.parametrize("wrong", [np.eye(3), [0, 1, 3], [0, -1, 1], [0.0, 1.0, 2.0], [True] * 3])
def test_confusion_refuses_what_is_no_label(wrong):
    with pytest.raises(ValueError, match=r"predicted must be whole numbers from 0 to 2.*argmax"):
        confusion([0, 1, 2], wrong, ["cat", "dog", "fox"])


def test_confusion_needs_as_many_answers_as_images():
    with pytest.raises(ValueError, match="3 labels in truth, but 2 in predicted"):
        confusion([0, 1, 2], [0, 1], ["cat", "dog", "fox"])


def test_confusion_without_a_mistake_names_none():
    shown = confusion([0, 1, 2], [0, 1, 2], ["cat", "dog", "fox"])
    assert "3 of 3 right" in repr(shown) and "takes" not in repr(shown)


def test_a_table_writes_each_kind_of_value():
    shown = table(
        {
            "a": [784_000, 3.14159, 12345.6, None, (28, 28), [0.9, 1.0]],
            (2, 2): [-1, 0.5, 0, "x", True, [0.25]],
        },
        ["what", "whole", "other", "large", "size", "any", "runs"],
        formats={"runs": ".0%"},
        caption="All kinds",
        note="No more.",
    )
    assert cells(shown)[0][1:] == [
        ["a", "784,000", "3.14", "12,346", "–", "28 × 28", "95% (90% to 100%)"],
        ["2 × 2", "−1", "0.5", "0", "x", "yes", "25%"],
    ]
    lines = repr(shown).splitlines()
    assert lines[0] == "All kinds" and lines[-1] == "No more."
    assert "  ".join(cells(shown)[0][1][:1]) in lines[2] and "784,000" in lines[2]


def test_a_table_can_be_heard():
    html = seen(table({"net": [1, 2]}, ["network", "a", "b"], caption="Two numbers"))
    assert html.caption.get_text() == "Two numbers"
    assert [th["scope"] for th in html.find_all("th")] == ["col"] * 3 + ["row"]


def test_numbers_stand_at_the_right_and_texts_at_the_left():
    html = seen(table([["x", 1, "one"], ["y", None, "none"]], ["name", "n", "words"]))
    sides = [re.search("left|right", cell["style"])[0] for cell in html.find_all(["th", "td"])]
    assert sides == ["left", "right", "left"] * 3


def test_a_table_of_single_values_in_one_format_with_a_row_in_bold():
    shown = table(
        {"max": 0.25, "mean": -0.00001}, ["pooling", "gain"], formats="+.1%", strong="max"
    )
    assert cells(shown)[0][1:] == [["max", "+25.0%"], ["mean", "0.0%"]]
    bold = ["bold" in row.get("style", "") for row in seen(shown).find_all("tr")]
    assert bold == [False, True, False]


def test_a_table_that_does_not_fit_is_refused_in_words():
    with pytest.raises(ValueError, match=r"row 'a' has 2 cells.*3 columns: x, y, z"):
        table({"a": 1}, ["x", "y", "z"])
    with pytest.raises(ValueError, match="formats names 'w', but the columns are x, y"):
        table({"a": 1}, ["x", "y"], formats={"w": ".1%"})


def test_a_table_without_rows_is_refused():
    for nothing in ([], {}):
        with pytest.raises(ValueError, match="at least one row"):
            table(nothing, ["x", "y"])


def test_a_table_rounds_up_to_a_thousand_and_dashes_runs_that_are_not_there():
    shown = table([["a", 999.6, 999.4, []]], ["name", "up", "down", "runs"])
    assert cells(shown)[0][1] == ["a", "1,000", "999", "–"]


def test_a_table_shows_what_would_be_html_as_it_is():
    shown = table({"<b>": "&"}, ["<i>", "y"], caption="<u>", note="<s>")
    assert not seen(shown).find(["b", "i", "u", "s"]) and "&amp;" in shown._repr_html_()
