"""Studies: many points, planned, run, resumed and kept; plain records out.

The names below are loaded when they are first used: a worker needs few of them, and starts at once.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bitwatt.study.events import Event, Listener
    from bitwatt.study.left import study_left
    from bitwatt.study.plan import StudyPlan
    from bitwatt.study.results import Results
    from bitwatt.study.run import Interrupted, PointsFailed, run_study
    from bitwatt.study.study_file import read_study_file
    from bitwatt.study.tile_plan import TilePlan

__all__ = [
    "Event",
    "Interrupted",
    "Listener",
    "PointsFailed",
    "Results",
    "StudyPlan",
    "TilePlan",
    "read_study_file",
    "run_study",
    "study_left",
]

_HOME = {
    "Event": "events",
    "Interrupted": "run",
    "Listener": "events",
    "PointsFailed": "run",
    "Results": "results",
    "StudyPlan": "plan",
    "TilePlan": "tile_plan",
    "read_study_file": "study_file",
    "run_study": "run",
    "study_left": "left",
}


def __getattr__(name: str) -> object:
    """The public name `name`, imported now (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module 'bitwatt.study' has no attribute '{name}'")
    value = getattr(import_module(f"bitwatt.study.{_HOME[name]}"), name)
    globals()[name] = value
    return value
