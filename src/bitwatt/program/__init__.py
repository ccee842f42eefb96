"""Programs: a network as exact arithmetic, to be run, saved, costed and built.

The operations and the types of their values need neither torch nor safetensors; what does is loaded when it
is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from bitwatt.program.inference import INPUT, ValueType
from bitwatt.program.program import LOGIT_BITS, Program

if TYPE_CHECKING:
    from bitwatt.program.bounds import accumulator_bits
    from bitwatt.program.evaluation import Evaluation, evaluate
    from bitwatt.program.executor import explain, trace
    from bitwatt.program.file import load
    from bitwatt.program.lowering import lower

__all__ = [
    "INPUT",
    "LOGIT_BITS",
    "Evaluation",
    "Program",
    "ValueType",
    "accumulator_bits",
    "evaluate",
    "explain",
    "load",
    "lower",
    "trace",
]

_HOME = {
    "Evaluation": "evaluation",
    "accumulator_bits": "bounds",
    "evaluate": "evaluation",
    "explain": "executor",
    "load": "file",
    "lower": "lowering",
    "trace": "executor",
}


def __getattr__(name: str) -> object:
    """The public name `name`, imported now (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module 'bitwatt.program' has no attribute '{name}'")
    value: object = getattr(import_module(f"bitwatt.program.{_HOME[name]}"), name)
    globals()[name] = value
    return value
