"""cnnlab: the small helper package of the course.

NumPy for what is taught (`conv`, `pooling`, `ledger`), Keras for what is trained (`training`),
and the data and pictures that the lessons need (`data`, `figures`).
"""

import os


def _import_keras_quietly():
    """Import Keras once, here, so that TensorFlow's start-up log does not reach the reader.

    The log goes to stderr at every log level, where a notebook shows it as if it were an error.
    Looking for GPUs writes there too, so that is done here as well.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    stderr = os.dup(2)
    try:
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        import keras  # noqa: F401
        import tensorflow as tf

        tf.config.list_physical_devices()
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)


_import_keras_quietly()
