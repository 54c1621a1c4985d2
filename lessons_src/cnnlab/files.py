"""Files that are written whole or not at all."""

import os
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def written_whole(path):
    """Gives a path beside `path` to write to; at the end it takes the place of `path`.

    If writing fails or is stopped, what was at `path` before is still there, and the part is gone.
    """
    path = Path(path)
    part = path.with_name(
        f".{os.getpid()}.part.{path.name}"
    )  # ends as path does: Keras looks there
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
