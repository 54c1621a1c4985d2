"""How fast the package is, as ratios taken in one run: `python tests/bench.py`.

Candidates take turns, so that a busy machine slows both, and medians are compared. A turn lasts two
seconds, and only its second half counts: a library's threads need about a second to find a core
each, while those of the library before still hold one.
"""

import time

import numpy as np
import tensorflow as tf
from cnnlab.conv import conv2d, conv2d_loops
from cnnlab.data import shapes
from scipy import signal


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


if __name__ == "__main__":
    main()
