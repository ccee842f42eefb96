"""Results to stdout, for people or for machines; all else goes to stderr."""

from __future__ import annotations

import json
import sys
from typing import Any

from rich.console import Console, RenderableType
from rich.table import Table


def print_json(value: Any) -> None:
    """One JSON value on stdout."""
    sys.stdout.write(json.dumps(value, indent=1, allow_nan=False) + "\n")


def print_result(*renderables: RenderableType) -> None:
    """Tables and lines on stdout; colours only where it is a terminal."""
    console = Console(highlight=False)
    for renderable in renderables:
        console.print(renderable)


def print_note(text: str) -> None:
    """One line on stderr."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(text, markup=False)


def table(*columns: str, title: str | None = None) -> Table:
    """A plain table; columns whose name begins with `>` are right-aligned. Text is folded, never cut off."""
    made = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for name in columns:
        right = name.startswith(">")
        made.add_column(name.removeprefix(">"), justify="right" if right else "left", overflow="fold")
    return made
