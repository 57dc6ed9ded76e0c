"""Imported first by the steady process: what the standard library would load and nobody here needs stays out (D15)."""

from __future__ import annotations

import importlib
import sys
import types


def _without_inspect() -> None:
    """`dataclasses` loads `inspect`, a megabyte of parsers, to describe classes that have no docstring. Ours have one; should it be
    needed after all, it is loaded then."""
    if "dataclasses" in sys.modules or "inspect" in sys.modules:
        return
    later = types.ModuleType("inspect")
    vars(later)["__getattr__"] = lambda name: getattr(importlib.import_module("inspect"), name)
    sys.modules["inspect"] = later
    try:
        importlib.import_module("dataclasses")
    finally:
        del sys.modules["inspect"]


_without_inspect()
