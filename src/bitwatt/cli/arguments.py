"""Options that several verbs share, declared once."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class ProgressMode(StrEnum):
    """How progress is shown on stderr. auto: bars on a terminal, else lines."""

    AUTO = "auto"
    BARS = "bars"
    LINES = "lines"
    JSON = "json"
    NONE = "none"


Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines in place of a table.")]

DataName = Annotated[
    str,
    typer.Option("--data", metavar="NAME", help="A data set, FILE.npz, or module:function of your own."),
]

DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", metavar="DIR", help="Where data files lie, and are downloaded to."),
]

Technology = Annotated[
    str,
    typer.Option(
        "--technology",
        metavar="NAME",
        help="What gates and memories cost: nangate45, or a .json of your own.",
    ),
]

Preset = Annotated[
    str, typer.Option("--preset", metavar="NAME", help="Tile: modern (SRAM, gated clocks) or hashemi2017.")
]

ProgramFile = Annotated[Path, typer.Argument(metavar="PROGRAM", help="A .bitwatt file.")]


def example(*lines: str) -> str:
    """The end of a verb's help: how it is called."""
    return "Example:\n\n" + "\n\n".join(f"  {line}" for line in lines)
