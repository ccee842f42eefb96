"""Training: float networks, and quantised ones through their rounding.

The names below are loaded when they are first used: a plan needs recipes, and torch only where it is run.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bitwatt.training.checkpoint import (
        decode_checkpoint,
        encode_checkpoint,
        load_checkpoint,
        save_checkpoint,
    )
    from bitwatt.training.defaults import pretraining_recipe, retraining_recipe
    from bitwatt.training.loop import Progress, train
    from bitwatt.training.recipe import Recipe
    from bitwatt.training.state import EpochRecord, TrainingResult, TrainingState

__all__ = [
    "EpochRecord",
    "Progress",
    "Recipe",
    "TrainingResult",
    "TrainingState",
    "decode_checkpoint",
    "encode_checkpoint",
    "load_checkpoint",
    "pretraining_recipe",
    "retraining_recipe",
    "save_checkpoint",
    "train",
]

_HOME = {
    "EpochRecord": "state",
    "Progress": "loop",
    "Recipe": "recipe",
    "TrainingResult": "state",
    "TrainingState": "state",
    "decode_checkpoint": "checkpoint",
    "encode_checkpoint": "checkpoint",
    "load_checkpoint": "checkpoint",
    "pretraining_recipe": "defaults",
    "retraining_recipe": "defaults",
    "save_checkpoint": "checkpoint",
    "train": "loop",
}


def __getattr__(name: str) -> object:
    """The public name `name`, imported now (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module 'bitwatt.training' has no attribute '{name}'")
    value = getattr(import_module(f"bitwatt.training.{_HOME[name]}"), name)
    globals()[name] = value
    return value
