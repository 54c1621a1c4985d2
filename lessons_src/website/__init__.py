"""What turns the notebooks into the website, beside Jupyter Book: one module a concern."""

from importlib import import_module

MODULES = [
    "cells",
    "search",
    "shell",
    "accessible",
    "pieces",
    "pictures",
    "formulas",
    "styles",
    "archive",
]


def setup(app):
    """Called by Sphinx."""
    for name in MODULES:
        import_module(f"website.{name}").setup(app)
    return {"parallel_read_safe": True, "parallel_write_safe": False}
