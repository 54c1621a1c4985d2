"""What all tests share: examples that are the same on every run, quiet start-up."""

import os

from hypothesis import settings

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

settings.register_profile(
    "cnnlab", derandomize=True, deadline=None, max_examples=60, database=None, print_blob=False
)
settings.load_profile("cnnlab")
