"""Runs the tests, in a Python that no submitted code ever enters. Its text is run there.

A test is an ordinary cell. Names that neither it nor the assignment defines are looked up in the
submission's Python, at the other end of a wire: data come as copies, functions can be called.
"""

import builtins
import contextlib
import json
import os
import time
import traceback

import numpy as np
import zmq
from wire import LARGEST, Strange, Thing, Wire

TEXT = "<the assignment>"  # the file that tests are said to stand in


class Names(dict):
    """The names that tests see; what is missing comes from the submission."""

    look = None  # a function: name → value, or KeyError

    def __missing__(self, name):
        if self.look is None or hasattr(builtins, name) or name.startswith("__"):
            raise KeyError(name)
        return self.look(name)

    def __contains__(self, name):
        return dict.__contains__(self, name) or self.get(name, self) is not self

    def get(self, name, default=None):
        try:
            return self[name]
        except KeyError:
            return default


class Examiner:
    """Examines one submission after the other."""

    def begin(self):
        """Take on the next submission: nothing is left of the one before."""
        self.names = Names(
            __name__="__main__", __builtins__=builtins, display=lambda *_, **__: None
        )

    def look(self, name):
        """What the submission calls so. Its data are copies, made anew after each call."""
        if name not in self.seen:
            self.seen[name] = self.wire.look(name)
        return self.seen[name]

    def call(self, function, arguments, options):
        self.seen = {name: one for name, one in self.seen.items() if isinstance(one, Thing)}
        return Wire.call(self.wire, function, arguments, options)

    @contextlib.contextmanager
    def asking(self, address, changes=False):
        """A wire to the submission is open, and nobody reads what is printed."""
        with (
            zmq.Context() as context,
            context.socket(zmq.PAIR) as socket,
            open(os.devnull, "w") as nobody,
            contextlib.redirect_stdout(nobody),
        ):
            socket.maxmsgsize, socket.rcvhwm, socket.reconnect_ivl = LARGEST, 2, 10
            socket.linger = 1000  # milliseconds for the last message
            socket.connect(address)
            self.wire, self.seen = Wire(socket), {}
            self.wire.changes = changes
            self.wire.call, self.names.look = self.call, self.look
            try:
                yield
            finally:
                self.names.look = None
                self.wire.send({"do": "end"})

    def give(self, address, source, student):
        """Run a cell that the assignment gives. What it makes stays as it is."""
        os.environ["CNNLAB_STUDENT"] = student
        with self.asking(address), contextlib.suppress(Exception):
            exec(compile(source, TEXT, "exec"), self.names)
        for value in self.names.values():
            if isinstance(value, np.ndarray):
                value.flags.writeable = False

    def test(self, address, source, student, changes=False):
        """Run a test. Gives, as JSON, how it ended: did it pass, else the exception's name and what
        to say, and the line of the assert that failed.

        What an answer does to its arguments comes back only with `changes`: else it could rewrite
        what a test compares with.
        """
        os.environ["CNNLAB_STUDENT"] = student
        with self.asking(address, changes):
            return json.dumps(self.verdict(source))

    def owners(self, address, source, others, seconds):
        """As JSON: the name that stands in the notebook, and the students among the others (and
        that name) for whom a test would succeed."""
        found, end, typed = [], time.monotonic() + seconds, ""
        with self.asking(address):
            with contextlib.suppress(Exception):
                typed = str(self.wire.look("STUDENT"))[:100].encode("utf-8", "replace").decode()
                typed = typed.replace("\0", "?")
            for other in dict.fromkeys([typed, *others] if typed else others):
                os.environ["CNNLAB_STUDENT"] = other
                if time.monotonic() < end and self.verdict(source)["passed"]:
                    found.append(other)
        return json.dumps([typed, found])

    def verdict(self, source):
        names = Names(self.names)  # a test's own names are gone after it
        names.look = self.look
        passed, name, text, number = False, "", "", None
        try:
            exec(compile(source, TEXT, "exec"), names)
            passed = True  # and nothing else means that
        except Exception as error:
            name, text = type(error).__name__, str(error)
            if isinstance(error, Strange) or getattr(error, "far", "") == "Strange":
                text = f"The tests cannot read an answer: {error}."
            elif hasattr(error, "far"):
                text = f"your code raised {error.far}: {text}"
            elif isinstance(error, AssertionError):
                trace = traceback.extract_tb(error.__traceback__)
                number = [frame.lineno for frame in trace if frame.filename == TEXT][-1]
            else:
                text = f"{name}: {text}"
            for what, kind in list(self.wire.unread.items())[:1]:
                text += f" (The tests cannot read `{what}`: there is a {kind} in it. Make it plain"
                text += " numbers, texts, lists or arrays.)"
        return {"passed": passed, "name": name, "text": text[:2000], "number": number}


EXAMINER = Examiner()  # the one of this Python
