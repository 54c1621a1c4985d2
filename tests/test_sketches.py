"""The drawings of windows: what their numbers, frames and words say."""

import numpy as np
import pytest
from cnnlab import sketches
from cnnlab.conv import conv2d
from test_figures import check, plots, seen

IMAGE = np.random.default_rng(0).integers(0, 2, (6, 6))
KERNEL = np.random.default_rng(1).integers(-1, 2, (3, 3))
DRAWN = {
    "stride": sketches.stride(IMAGE, KERNEL, 2),
    "padding": sketches.padding(IMAGE, KERNEL),
    "block": sketches.block(6, 3, ["red", "green", "blue"]),
}


def texts(picture):
    return [node.text.replace("−", "-") for node in plots(picture)[0].iter() if node.text]


def numbers(picture):
    return [int(text) for text in texts(picture)]


def convolved(**settings):
    return conv2d(IMAGE[..., None], KERNEL[..., None, None], **settings)[..., 0]


def test_stride_shows_the_image_and_its_map():
    shown = numbers(DRAWN["stride"])
    assert shown == [*IMAGE.ravel(), *convolved(strides=2).ravel()]
    check(DRAWN["stride"], "4 frames of 3 by 3", "the last row and the last column")
    assert "No window" not in sketches.stride(IMAGE, KERNEL, 3).alt
    assert "last 2 rows" in sketches.stride(IMAGE[:5, :5], KERNEL, 3).alt


def test_padding_shows_zeros_around_the_image_and_a_map_as_large():
    shown = numbers(DRAWN["padding"])
    assert shown == [*np.pad(IMAGE, 1).ravel(), *convolved(padding="same").ravel()]
    check(DRAWN["padding"], "4 by 4")


def test_a_block_has_the_sizes_of_a_convolution():
    said = texts(DRAWN["block"])
    assert {"6 × 6 × 3", "3 × 3 × 3", "4 × 4 × 1", "27 products,"} <= set(said)
    check(DRAWN["block"], "6 by 6 by 3", "red, green, blue")


@pytest.mark.parametrize("name", DRAWN)
def test_nothing_is_drawn_outside(name):
    [svg] = plots(DRAWN[name])
    _, _, width, height = map(float, svg.get("viewBox").split())
    assert width == 300
    for node in svg.iter():
        if node.tag.endswith("rect"):
            x, y, w, h = (float(node.get(key)) for key in ("x", "y", "width", "height"))
            assert x >= 0 and y >= 0 and x + w <= width and y + h <= height
        if node.tag.endswith("polygon"):
            corners = np.array([pair.split(",") for pair in node.get("points").split()], float)
            assert corners.min() >= 0 and (corners.max(axis=0) <= (width, height)).all()
    assert seen(DRAWN[name]).select_one(".cnn-panel img")


def test_the_photograph_is_grey_and_has_the_wanted_size():
    photo = sketches.photograph(64)
    assert photo.shape == (64, 64) and photo.dtype.kind == "i"
    assert 0 <= photo.min() < 40 and 215 < photo.max() <= 255


@pytest.mark.parametrize("k, how", [(3, "overlap"), (2, "lie edge to edge"), (1, "leave gaps")])
def test_stride_tells_how_the_frames_lie(k, how):
    check(sketches.stride(IMAGE[:5, :5], KERNEL[:k, :k], 2), f"2 pixels apart and {how}.")


def test_one_frame_is_no_plural():
    alone = sketches.stride(IMAGE[:4, :4], KERNEL, 2).alt
    assert "1 frame of 3 by 3. Beside" in alone
