"""The examination room: a Python for tests only, and its wire to a submission's Python."""

import ast
import json
from pathlib import Path

from . import sandbox
from .sandbox import PATIENCE, Interpreter, InterpreterDied, InterpreterHangs, Stopwatch

LOAD = """
import sys, types
module = sys.modules[{name!r}] = types.ModuleType({name!r})
exec(compile({text!r}, {name!r}, "exec"), vars(module))
"""
END = "get_ipython().ask_exit = lambda *_: None"  # `exit()` in a cell must not end the grading
SERVE = "__import__('sys').modules['wire'].serve({!r}, get_ipython().user_ns)"
EXAMINER = "__import__('sys').modules['examiner'].EXAMINER"


class TestsDied(Exception):
    """The tests' own Python ended, or ran too long, over an answer."""


def load(name):
    """The text that makes a module of ours in another Python, and leaves no name there."""
    text = Path(__file__).with_name(f"{name}.py").read_text(encoding="utf-8")
    return f"exec({LOAD.format(name=name, text=text)!r}, {{}})\n"


WIRE, EXAM = load("wire"), load("examiner")


class Room:
    """Where tests run: `with Room(kind, limits) as room`. It serves one submission after the other.

    No submitted code ever enters. If an answer kills the tests' Python, the next question gets a
    new one.
    """

    def __init__(self, kind, limits, inside=None):
        self.inside = inside  # a folder of its own
        self.kind, self.limits, self.python, self.asked = kind, limits, None, 0

    def __enter__(self):
        self.folder = self.inside or sandbox.scratch()
        return self

    def __exit__(self, *_):
        self.close()
        sandbox.remove(self.folder)

    def submission(self, student):
        """A Python for a submission, not started."""
        return Interpreter(self.kind, self.limits, student, inside=self.folder)

    def close(self):
        if self.python is not None:
            self.python.__exit__()
        self.python = None

    def begin(self, python):
        """Take on a submission, whose Python has started."""
        done = python.run(WIRE + END)
        if not done.ok:
            raise RuntimeError(f"the wire was not laid: {done.name} {done.text}")
        if self.python is None:
            self.python = Interpreter(
                self.kind, self.limits, inside=self.folder, sees=[self.folder]
            ).__enter__()
            done = self.python.run(WIRE + EXAM, seconds=120)
            if not done.ok:
                raise RuntimeError(f"the tests' Python did not start: {done.name} {done.text}")
        if not self.python.run(f"{EXAMINER}.begin()").ok:
            self.close()  # what the submission before left must not serve this one
            raise RuntimeError("the tests' Python did not begin anew")

    def ask(self, python, seconds, method, *arguments):
        """(what a method of the examiner gives, was it late) while a submission's Python answers.

        Raises InterpreterDied or InterpreterHangs for the submission, TestsDied for our own.
        """
        self.asked += 1
        address = f"ipc://{python.folder}/{self.asked}"
        serving = python.send(SERVE.format(address))
        call = f"{EXAMINER}.{method}{(address, *arguments)!r}"
        asked = self.python.send("", {"given": call})
        reply, late = self._answer(asked, python, serving, seconds), False
        if reply is None:
            late = True
            python.interrupt()
            reply = self._answer(asked, python, serving, PATIENCE)
            if reply is None:
                self._stop(asked)
                raise InterpreterHangs
        if python.wait(serving, 2) is None:  # it does not listen
            python.interrupt()
            if python.wait(serving, PATIENCE) is None:
                raise InterpreterHangs
        text = ast.literal_eval(reply.values.get("given", "None"))
        return json.loads(text) if text else None, late

    def _answer(self, asked, python, serving, seconds):
        """The Reply of the tests' Python, or None if it takes longer."""
        clock, gone = Stopwatch(python, self.python), False
        while clock.seconds() < seconds:
            try:
                reply = self.python.wait(asked, 0.5)
            except InterpreterDied as death:
                self.close()
                raise TestsDied(str(death)) from None
            if reply is not None:
                return reply
            try:
                python.watch()
                if gone:
                    raise InterpreterDied("Python no longer answered")
            except InterpreterDied:
                self._stop(asked)
                raise
            gone = python.wait(serving, 0.01) is not None
        return None

    def _stop(self, asked):
        """End what the tests' Python does, or that Python."""
        self.python.interrupt()
        try:
            if self.python.wait(asked, PATIENCE) is not None:
                return
        except InterpreterDied:
            pass
        self.close()
