"""What turns the notebooks into the website, beside Jupyter Book: one module a concern."""

import hashlib
from importlib import import_module
from pathlib import Path

MODULES = [
    "home",
    "cells",
    "search",
    "shell",
    "accessible",
    "pieces",
    "errata",
    "speed",
    "pictures",
    "formulas",
    "styles",
    "archive",
    "run_here",
]


def setup(app):
    """Called by Sphinx."""
    for name in MODULES:
        import_module(f"website.{name}").setup(app)
    return {"env_version": version(), "parallel_read_safe": True, "parallel_write_safe": False}


def version():
    """Another number when this package has changed: then Sphinx reads every page anew."""
    sources = b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))
    return int(hashlib.sha256(sources).hexdigest()[:8], 16)
