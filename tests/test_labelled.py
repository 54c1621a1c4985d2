"""The drawing of an image with an answer at each of many places."""

import numpy as np
from cnnlab.labelled import labelled
from test_figures import PHONE, check, plots, texts


def test_every_label_stands_in_the_drawing():
    image = np.eye(30, 60)
    picture = labelled(image, [(5, 5, "3", True), (20, 40, "8", False)], alt="A 3 and a false 8.")
    check(picture, "A 3 and a false 8.")
    assert {"3", "8"} <= set(texts(picture))
    assert all(float(plot.get("width")) <= PHONE for plot in plots(picture))
