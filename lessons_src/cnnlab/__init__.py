"""cnnlab: the small helper package of the course.

NumPy for what is taught (`conv`, `pooling`, `ledger`), Keras for what is trained (`training`),
and the data and pictures that the lessons need (`data`, `figures`).
"""

import os

# TensorFlow writes its start-up log to stderr, where a reader takes it for an error.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
