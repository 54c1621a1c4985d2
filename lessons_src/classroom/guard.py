"""What stands beside the tests in the student's own process. Its text is run in each interpreter.

It catches casual cheating, not a determined attacker: whoever shares a process with the tests can
in the end change anything in it. That is why a flagged notebook is shown to a person.
"""

import builtins
import math
import os
import resource
import sys
import types

import numpy
import numpy.testing

CHANGING = {"input", "get_ipython"}  # Jupyter sets these anew for each cell
TRUSTED = {int, float, complex, bool, str, bytes, type(None), type, types.FunctionType}
TRUSTED |= {types.ModuleType, types.MethodType, types.BuiltinFunctionType}
# What decides whether a test passes. A course never replaces any of it.
RUNNER = {"run_cell", "run_cell_async", "_run_cell", "run_ast_nodes", "run_code"}
RUNNER |= {"transform_cell", "transform_ast", "showtraceback", "_showtraceback"}
RUNNER |= {"showsyntaxerror", "user_expressions", "do_execute", "execute_request"}


class Tampered(BaseException):
    """An answer that would pass any test."""


class Guard:
    def __init__(self, shell):
        shell.ask_exit = lambda *_: None  # `exit()` in a cell must not end the grading
        self.real = types.SimpleNamespace(**vars(builtins))
        self.shell = shell
        self.watched = {}  # (owner, name): what is there before the student's code runs
        for module in (builtins, math, numpy, numpy.linalg, numpy.testing):
            for name, value in vars(module).items():
                if callable(value) and not name.startswith("_") and name not in CHANGING:
                    self.watched[module, name] = value
        self.watched[builtins, "__import__"] = builtins.__import__
        for owner in (shell, shell.kernel):
            for place in (owner, *type(owner).__mro__):
                for name in RUNNER:
                    self.watched[place, name] = vars(place).get(name)

    def remember(self, names):
        """Keep what the assignment's own cells define, so that the tests use just that."""
        for name in names:
            if name in self.shell.user_ns:
                setattr(self.real, name, self.shell.user_ns[name])

    def spare(self):
        """Memory is used up: give what was kept back for the tests."""
        _, most = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (most, most))

    def before(self, student):
        """Put back what was replaced, and tell: [names]. `student` decides the variant."""
        os.environ["CNNLAB_STUDENT"] = student
        changed = set()
        for (owner, name), original in self.watched.items():
            if vars(owner).get(name) is not original:
                is_module = isinstance(owner, types.ModuleType)
                changed.add(
                    f"{owner.__name__}.{name}" if is_module else f"the test runner ({name})"
                )
                if original is None:
                    delattr(owner, name)
                else:
                    setattr(owner, name, original)
        return sorted(changed)

    def probe(self, value, depth=3):
        """Give the value back, unless it claims to equal what it cannot know."""
        kind = type(value)
        if kind in TRUSTED:
            return value
        for strange in (object(), 982451653.125, "982451653"):
            try:
                equal = bool(numpy.any(kind.__eq__(value, strange) is True or value == strange))
            except Exception:
                equal = False
            if equal:
                raise Tampered("an answer claims to be equal to everything")
        if isinstance(value, (int, float)) and not isinstance(value, numpy.generic):
            try:
                both = value > math.inf or value < -math.inf
            except Exception:
                both = False
            if both:
                raise Tampered("an answer claims to be larger than everything")
        if depth and isinstance(value, (list, tuple, set, dict)):
            for item in list(value.values() if isinstance(value, dict) else value)[:1000]:
                self.probe(item, depth - 1)
        if depth and isinstance(value, numpy.ndarray) and value.dtype == object:
            for item in value.ravel()[:1000]:
                self.probe(item, depth - 1)
        return value

    def failed(self, number, message=""):
        """The message of a failed assert, with the assert's number hidden behind it."""
        return f"{str(message)[:600]}\u2063{number}"


sys.modules[NAME] = Guard(SHELL)  # noqa: F821 (both are given when this text is run)
