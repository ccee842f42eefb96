"""A tile's blocks as gates, for tools of your own: netlists, the activity of their nets, and our figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from bitwatt.costing.blocks import block_specs
from bitwatt.hardware.operands import Operands
from bitwatt.hardware.tile import Tile
from bitwatt.technology.activity import simulate
from bitwatt.technology.characterize import BlockSpec, characterize
from bitwatt.technology.liberty import Library
from bitwatt.technology.netlist import read_netlist
from bitwatt.technology.plan import plan_synthesis
from bitwatt.technology.saif import POWER_SCRIPT, saif
from bitwatt.technology.synthesis import synthesize_all
from bitwatt.technology.table import BlockCost

_README = """\
# The {precision} tile's blocks as gates

Mapped to {library} (`{source}`, sha256 {sha256}) by {tool} for {megahertz:g} MHz: a netlist of
each kind of block. {clocks}

A `.saif` file is what every net and pin of a netlist did while operands were played through it, in the cycles
that our own figures are measured on.

{table}

Energies are those of the cells a cycle, in which nets change at most once (no glitches), without the nets
that are driven from outside the block: what a power tool reports of the same files, less the leakage. `clock`
is the part that registers take in each cycle, whatever the operands.

## In OpenSTA

    NETLIST={example} ACTIVITY={example}.saif LIBERTY=cells.lib PERIOD={period:g} sta -exit power.tcl

`LIBERTY` is the library's file; it is not ours to copy. With `read_saif` (versions since 2024) the scope is
the netlist's name. Older ones lack the command, and the script reads the file itself. The OpenSTA of Debian
12 (2.0.17, of 2019) then reports internal power up to twice as high, because it adds the energies of a rise
and a fall for each transition; and where an input port reaches logic without a register between, it takes
what it propagates itself for what was counted.

Other tools: the netlists are plain structural Verilog, ports split into bits; the SAIF files name nets as the
netlists do, and under each cell its pins.
"""


def gate_files(
    tile: Tile,
    library: Library,
    operands: Operands | None = None,
    *,
    workers: int | None = None,
    listen: Callable[[str], None] | None = None,
) -> dict[str, str]:
    """Text of each file, by name: KIND.v, KIND.saif (KIND-LOAD.saif for other loads), power.tcl, README.md.

    operands: what a neuron is fed; synthetic where None. Syntheses and measurements are cached. Raises as
    `technology.characterize` does.
    """
    specs = block_specs(tile, operands)
    clock_hz = tile.clock_hz
    table = characterize(specs, library, clock_hz, technology=library.name, workers=workers, listen=listen)
    plans = [
        plan_synthesis(spec.name, spec.rtlil, spec.top, library, clock_hz, clock_gating=spec.clock_gating)
        for spec in specs.values()
    ]
    files: dict[str, str] = {}
    for spec, synthesis in zip(specs.values(), synthesize_all(plans), strict=True):
        netlist = read_netlist(synthesis.netlist_json, spec.top, library, spec.clock)
        activity = simulate(netlist, spec.stimulus, warmup=spec.warmup)
        files[f"{spec.top}.v"] = synthesis.verilog
        files[f"{load_name(spec)}.saif"] = saif(activity, synthesis.verilog, clock_hz)
    files["power.tcl"] = POWER_SCRIPT.read_text()
    files["README.md"] = _readme(tile, library, table.tool, specs, table.blocks)
    return files


def load_name(spec: BlockSpec) -> str:
    """What the activity of a block under one load is called: its kind, and `-idle` where it rests."""
    kind, *_ = spec.name.split("/")
    return f"{kind}-idle" if spec.name.endswith("/idle") else kind


def _readme(
    tile: Tile, library: Library, tool: str, specs: Mapping[str, BlockSpec], costs: Mapping[str, BlockCost]
) -> str:
    head = ("netlist", "activity", "cells", "area, um2", "longest path, ns", "energy a cycle, pJ",
            "of it clock", "leakage, uW", "operands")  # fmt: skip
    rows = [f"| {' | '.join(head)} |", "| --- | --- |" + " ---: |" * 6 + " --- |"]
    for name, spec in specs.items():
        cost = costs[name]
        energy = cost.combinational_j + cost.register_j + cost.clock_pin_j
        rows.append(
            f"| `{spec.top}.v` | `{load_name(spec)}.saif` | {cost.cells} | {cost.area_um2:.1f} "
            f"| {1e9 * cost.delay_s:.2f} | {1e12 * energy:.4g} | {1e12 * cost.clock_pin_j:.4g} "
            f"| {1e6 * cost.leakage_w:.4g} | {spec.description} |"
        )
    gated = any(spec.clock_gating for spec in specs.values())
    first = next(iter(specs.values()))
    return _README.format(
        precision=tile.precision,
        library=library.name,
        source=Path(library.source).name,
        sha256=library.sha256[:12],
        tool=tool,
        megahertz=tile.clock_hz / 1e6,
        clocks="Registers with an enable are clocked through the library's clock gates."
        if gated
        else "No clock is gated.",
        table="\n".join(rows),
        example=first.top,
        period=1 / tile.clock_hz / library.time_s,
    )
