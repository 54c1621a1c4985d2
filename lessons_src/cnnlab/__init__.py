"""cnnlab: the small helper package of the course.

NumPy for what is taught (`windows`, `conv`, `pooling`), plain arithmetic for what is counted
(`network`, `fields`, `ledger`), Keras for what is trained (`models`, `training`, `reproduce`,
`records`), SciPy for what is compared (`comparisons`), and the images, pictures and live pieces
that the lessons need (`data`, `shapes`, `figures`, `tables`, `pieces`; and, for a chapter each,
`sketches`, `walks`, `graphs`, `reach` and `labelled`).

Importing it loads nothing else. When somebody imports Keras or TensorFlow afterwards, their
start-up log stays away: it goes to stderr at every log level, where a notebook shows it in red. So
does TensorFlow's warning that Keras compiles too often, which anybody gets who compares networks.
"""

import importlib.util
import logging
import os
import sys
from contextlib import contextmanager


@contextmanager
def _silence():
    """Throw away what is written to stderr, by libraries in C++, too."""
    try:
        stderr = os.dup(2)
    except OSError:  # there is no stderr
        yield
        return
    try:
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)


class _QuietStart:
    """Finds Keras or TensorFlow, whichever comes first, and loads it in silence."""

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name not in ("keras", "tensorflow"):
            return None
        sys.meta_path.remove(cls)
        spec = importlib.util.find_spec(name)
        if spec is not None:
            load = spec.loader.exec_module

            def quietly(module):
                with _silence():
                    load(module)
                    import tensorflow as tf

                    tf.config.list_physical_devices()  # looking for GPUs is logged, too

            spec.loader.exec_module = quietly
        return spec


# On processors without AVX-512 TensorFlow leaves its faster convolutions (oneDNN) off. With them,
# networks of the sources train 1.6 to 2.4 times as fast on such a one (AMD EPYC, float32).
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

# TensorFlow would take all of a card's memory, and a second notebook would find none. It reads this
# when it first uses the card.
os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")

if not {"keras", "tensorflow"} & set(sys.modules):
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.meta_path.insert(0, _QuietStart)


def _not_keras_compiling(record):
    """Each new network is compiled once, and TensorFlow takes five for one that is changed."""
    said = str(record.msg)
    return not ("triggered tf.function retracing" in said and "TensorFlowTrainer" in said)


logging.getLogger("tensorflow").addFilter(_not_keras_compiling)
