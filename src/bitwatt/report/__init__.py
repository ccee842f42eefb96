"""Reports: from a study's records to facts, a table, figures and a page. No torch, no amaranth."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from bitwatt.report.facts import Facts, Group, facts
from bitwatt.report.records import check_results, read_results
from bitwatt.report.rows import Row

if TYPE_CHECKING:
    from bitwatt.report.console import console_table, summary
    from bitwatt.report.figures import write_figures
    from bitwatt.report.page import render_page, write_page

__all__ = [
    "Facts",
    "Group",
    "Row",
    "check_results",
    "console_table",
    "facts",
    "read_results",
    "render_page",
    "summary",
    "write_figures",
    "write_page",
]

# Loaded when first used: matplotlib alone takes most of a second.
_HOME = {
    "console_table": "bitwatt.report.console",
    "render_page": "bitwatt.report.page",
    "summary": "bitwatt.report.console",
    "write_figures": "bitwatt.report.figures",
    "write_page": "bitwatt.report.page",
}


def __getattr__(name: str) -> object:
    """The public name `name`, imported now (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module 'bitwatt.report' has no attribute '{name}'")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value
