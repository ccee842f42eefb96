#!/usr/bin/env python3
"""Writes docs/power.md: block by block our power beside OpenSTA's, glitches, and a tile synthesised flat.

usage: python docs/power.py        (needs the extra `synthesis` and OpenSTA; some minutes the first time)
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bitwatt.costing.blocks import block_specs
from bitwatt.hardware.tile import Tile
from bitwatt.report.quantities import MINUS, significant
from bitwatt.technology.activity import simulate
from bitwatt.technology.characterize import BlockSpec
from bitwatt.technology.liberty import Library, read_liberty
from bitwatt.technology.netlist import read_netlist
from bitwatt.technology.opensta import run_opensta
from bitwatt.technology.opensta_formula import InternalPower
from bitwatt.technology.plan import plan_synthesis
from bitwatt.technology.power import block_power
from bitwatt.technology.synthesis import synthesize_all
from bitwatt.technology.technology import technology
from bitwatt.technology.timing import analyze_timing
from bitwatt.technology.toolchain import liberty_path

sys.path.insert(0, str(Path(__file__).parent))

from flat_tile import flat_against_blocks

CLOCK_HZ = 250e6
KINDS = (
    "weight_block",
    "adder_tree",
    "accumulator",
    "output_stage",
    "control",
    "buffer",
    "buffer_read",
    "buffer_write",
)


@dataclass(frozen=True)
class Comparison:
    """A block's power at 250 MHz, in W: ours at zero delay, OpenSTA's report, and what its formulas give.

    retold: the report, from our activity by the formula of 2019. since_2020: by today's formula, with a
    flip-flop's two outputs counted as opposites.
    """

    name: str
    ours_w: float
    reported_w: float
    retold_w: float
    since_2020_w: float


def compare(specs: Iterable[BlockSpec], library: Library) -> list[Comparison]:
    """Every block by both, with the activity that was measured on its netlist."""
    specs = list(specs)
    plans = [plan_synthesis(s.name, s.rtlil, s.top, library, CLOCK_HZ) for s in specs]
    made = []
    for spec, synthesis in zip(specs, synthesize_all(plans), strict=True):
        netlist = read_netlist(synthesis.netlist_json, spec.top, library, spec.clock)
        activity, timing = simulate(netlist, spec.stimulus, warmup=spec.warmup), analyze_timing(netlist)
        power = block_power(activity, timing)
        report = run_opensta(netlist, synthesis.verilog, activity, CLOCK_HZ)
        outside = sum(cell.switching_w + cell.leakage_w for cell in report.cells.values())
        internal = sum(cell.internal_w for cell in report.cells.values())
        in_2019 = InternalPower(activity, timing, edges_averaged=False, arcs_shared=False)
        now = InternalPower(activity, timing, edges_averaged=True, arcs_shared=True)
        opposites = InternalPower(
            activity, timing, edges_averaged=True, arcs_shared=True, ignored_in_conditions=("QN",)
        )
        made.append(
            Comparison(
                spec.name,
                power.cells_j * CLOCK_HZ + power.leakage_w,
                outside + internal,
                outside + sum(in_2019.watts(i, CLOCK_HZ) for i in netlist.instances),
                outside
                + sum(
                    (opposites if i.cell.flip_flop is not None else now).watts(i, CLOCK_HZ)
                    for i in netlist.instances
                ),
            )
        )
    return made


def opensta_table(comparisons: Iterable[Comparison]) -> str:
    head = (
        "block",
        "ours, mW",
        "OpenSTA 2.0.17 reports",
        "its formula on our activity",
        "formula since 2020, mW",
        "ours against it",
    )
    rows = [
        (
            f"`{c.name}`",
            significant(1e3 * c.ours_w),
            f"{significant(1e3 * c.reported_w)} ({relative(c.reported_w, c.ours_w)})",
            relative(c.retold_w, c.reported_w),
            significant(1e3 * c.since_2020_w),
            relative(c.ours_w, c.since_2020_w),
        )
        for c in comparisons
    ]
    return table(head, rows)


def glitch_table() -> str:
    """From the carried table, which holds both."""
    carried = technology("nangate45").table
    rows = []
    for precision in ("fixed4", "fixed8", "fixed16", "fixed32", "pow2", "binary", "float32"):
        tile = Tile.preset("hashemi2017", precision)
        names = [n for n in block_specs(tile) if n.split("/")[0] in KINDS[:4]]
        for name in names:
            block = carried.block(name)
            rows.append(
                (
                    f"`{name}`",
                    f"{1e12 * (block.data_energy_j - block.glitch_j):.3g}",
                    f"{1e12 * block.data_energy_j:.3g}",
                    f"x {block.data_energy_j / (block.data_energy_j - block.glitch_j):.2f}",
                )
            )
    return table(("block", "zero delay, pJ a cycle", "with glitches", "ratio"), rows)


def relative(value: float, reference: float) -> str:
    return f"{100 * (value / reference - 1):+.1f} %".replace("-", MINUS)


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = list(head)
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def page() -> str:
    """The text of docs/power.md."""
    library = read_liberty(liberty_path("nangate45"))
    specs = {
        name: spec
        for precision in ("fixed8", "binary")
        for name, spec in block_specs(Tile.preset("hashemi2017", precision)).items()
        if name.split("/")[0] in KINDS
    }
    comparisons = compare(specs.values(), library)
    template = (Path(__file__).parent / "templates" / "power.md").read_text()
    return template.format(
        opensta=opensta_table(comparisons),
        worst=f"{max(abs(c.ours_w / c.since_2020_w - 1) for c in comparisons):.1%}",
        retold=f"{max(abs(c.retold_w / c.reported_w - 1) for c in comparisons):.1%}",
        glitches=glitch_table(),
        **flat_against_blocks(),
    )


def main() -> None:
    path = Path(__file__).parent / "power.md"
    path.write_text(page())
    print(path)


if __name__ == "__main__":
    main()
