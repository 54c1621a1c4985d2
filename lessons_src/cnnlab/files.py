"""Files that are written whole or not at all, and by one process at a time."""

import os
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout


class InUse(OSError):
    """Another process works on this file."""


@contextmanager
def alone(path, what):
    """Keeps other processes that ask for it away from `path`, until the end or their crash.

    Raises:
        InUse: if another process was first; `what` names the work.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.with_suffix(".lock")
    try:
        held = FileLock(lock).acquire(timeout=0)
    except Timeout:
        raise InUse(f"{what}: another process is at it, in {path.parent}.") from None
    with held:
        try:
            yield
        finally:
            with suppress(OSError):  # Windows keeps what is open
                lock.unlink()


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
