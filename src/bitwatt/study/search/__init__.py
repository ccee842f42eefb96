"""Search: the best network for a budget, over precision, width, depth and the tile."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bitwatt.study.search.file import read_search_file
    from bitwatt.study.search.finish import NothingFound
    from bitwatt.study.search.plan import SearchPlan
    from bitwatt.study.search.run import run_search

__all__ = ["NothingFound", "SearchPlan", "read_search_file", "run_search"]

_HOME = {
    "NothingFound": "finish",
    "SearchPlan": "plan",
    "read_search_file": "file",
    "run_search": "run",
}


def __getattr__(name: str) -> object:
    """The public name `name`, imported now (PEP 562): the plan needs none of what the run does."""
    if name not in _HOME:
        raise AttributeError(f"module 'bitwatt.study.search' has no attribute '{name}'")
    value = getattr(import_module(f"bitwatt.study.search.{_HOME[name]}"), name)
    globals()[name] = value
    return value
