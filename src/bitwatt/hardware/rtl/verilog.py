"""A tile's RTL as text: RTLIL with one module a kind of block, and Verilog made of it by yosys."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from amaranth.back import rtlil
from amaranth.hdl import ClockDomain, Value
from amaranth.lib import wiring

from bitwatt.errors import ToolError
from bitwatt.hardware.rtl.placement import Instances, port_name
from bitwatt.hardware.rtl.tidy import tidy
from bitwatt.hardware.rtl.tile import TileRTL
from bitwatt.hardware.tile import Tile

TOP = "tile"
"""The module of the whole tile; its clock is `clk` and its reset, synchronous and high, `rst`."""

# Registers need no initial values: those that matter are reset, and so a memory starts with what it holds.
_TO_NETLIST = """\
read_rtlil design.il
hierarchy -check -top tile
proc
delete t:$meminit_v2
memory_collect
opt -nosdff
wreduce
pmuxtree
opt_clean -purge
setattr -unset init */w:*
write_json design.json
"""

_TO_VERILOG = """\
read_json design.json
hierarchy -check -top tile
opt_clean
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


def tile_verilog(tile: Tile) -> dict[str, str]:
    """Verilog of a tile: the text of each module, by name.

    Raises `ToolError` where yosys is not installed or fails.
    """
    if importlib.util.find_spec("pyosys") is None:
        raise ToolError(
            "Verilog is written by yosys and it is not installed; pip install 'bitwatt[synthesis]'"
        )
    with tempfile.TemporaryDirectory(prefix="bitwatt-verilog-") as name:
        folder = Path(name)
        (folder / "design.il").write_text(tile_rtlil(tile))
        _yosys(folder, _TO_NETLIST)
        netlist = tidy(json.loads((folder / "design.json").read_text()))
        (folder / "design.json").write_text(json.dumps(netlist))
        _yosys(folder, _TO_VERILOG)
        modules = re.split(r"^(?=module )", (folder / "design.v").read_text(), flags=re.MULTILINE)[1:]
        return {re.split(r"\W+", text, maxsplit=2)[1]: text for text in modules}


def _yosys(folder: Path, script: str) -> None:
    """In a process of its own, because yosys ends the one it runs in where it finds a fault."""
    (folder / "script.ys").write_text(script)
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
