"""A tile's RTL as text: RTLIL with one module a kind of block, and Verilog made of it by yosys."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tempfile
from pathlib import Path

from amaranth.back import rtlil
from amaranth.hdl import ClockDomain, Value
from amaranth.lib import wiring

from bitwatt.errors import ToolError
from bitwatt.hardware.rtl.placement import Instances, port_name
from bitwatt.hardware.rtl.tile import TileRTL
from bitwatt.hardware.tile import Tile

TOP = "tile"
"""The module of the whole tile; its clock is `clk` and its reset, synchronous and high, `rst`."""

_SCRIPT = """\
read_rtlil design.il
hierarchy -check -top tile
proc
opt_expr
opt_merge
opt_dff -nosdff
memory_collect
opt_clean -purge
write_verilog -noattr design.v
"""

_RUN = "from pyosys import libyosys as ys; ys.run_pass('script script.ys', ys.Design())"


def tile_rtlil(tile: Tile) -> str:
    """RTLIL of a tile: the modules `tile`, `neuron`, and one for each kind of block."""
    place = Instances()
    texts = [_rtlil(TileRTL(tile, place), TOP, reset=True)]
    written: set[str] = set()
    while waiting := [kind for kind in place.modules if kind not in written]:
        texts += [_rtlil(place.modules[kind], kind, reset=False) for kind in waiting]
        written.update(waiting)
    return "".join(texts)


def tile_verilog(tile: Tile) -> str:
    """Verilog of a tile. Raises `ToolError` where yosys is not installed or fails."""
    if importlib.util.find_spec("pyosys") is None:
        raise ToolError(
            "Verilog is written by yosys and it is not installed; pip install 'bitwatt[synthesis]'"
        )
    with tempfile.TemporaryDirectory(prefix="bitwatt-verilog-") as name:
        folder = Path(name)
        (folder / "design.il").write_text(tile_rtlil(tile))
        (folder / "script.ys").write_text(_SCRIPT)
        # A process of its own, because yosys ends the one it runs in where it finds a fault.
        done = subprocess.run(
            [sys.executable, "-c", _RUN],
            cwd=folder,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        if done.returncode != 0:
            last = "\n".join(done.stdout.splitlines()[-8:])
            raise ToolError(f"yosys cannot write the tile's Verilog (exit status {done.returncode}):\n{last}")
        return (folder / "design.v").read_text()


def _rtlil(component: wiring.Component, name: str, *, reset: bool) -> str:
    ports = {
        port_name(path): (Value.cast(value), None)
        for path, _, value in component.signature.flatten(component)
    }
    text: str = rtlil.convert(
        component,
        name=name,
        ports=ports,
        emit_src=False,
        missing_domain=lambda domain: ClockDomain(domain, reset_less=not reset),
    )
    return text
