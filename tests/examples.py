"""The worked example of the lecture notes (LEE): an image of 6 × 6 and its diagonal kernel."""

import numpy as np

IMAGE = np.array(
    [
        [1, 0, 0, 0, 0, 1],
        [0, 1, 0, 0, 1, 0],
        [0, 0, 1, 1, 0, 0],
        [1, 0, 0, 0, 1, 0],
        [0, 1, 0, 0, 1, 0],
        [0, 0, 1, 0, 1, 0],
    ]
)
DIAGONAL = 2 * np.eye(3, dtype=int) - 1
