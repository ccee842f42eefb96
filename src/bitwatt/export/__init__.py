"""A program in the forms that others read: ONNX, QONNX, C99, packed weights, safetensors, memory images.

Each gives the same integers as the program, or says by name what it cannot hold; `docs/export.md` has the
table of forms, and how each is proved.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bitwatt.export.forms import FORMS, Form, build, write
    from bitwatt.export.packed import read_packed

__all__ = ["FORMS", "Form", "build", "read_packed", "write"]

_HOME = {"FORMS": "forms", "Form": "forms", "build": "forms", "read_packed": "packed", "write": "forms"}


def __getattr__(name: str) -> object:
    """The public name `name`, imported now (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module 'bitwatt.export' has no attribute '{name}'")
    value: object = getattr(import_module(f"bitwatt.export.{_HOME[name]}"), name)
    globals()[name] = value
    return value
