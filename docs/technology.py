#!/usr/bin/env python3
"""Writes docs/technology.md: technologies of one's own, and two open libraries beside each other.

usage: bitwatt characterize --liberty sky130hd_tt.lib.gz --out sky130.json
       python docs/technology.py sky130.json
"""

from __future__ import annotations

import sys
from pathlib import Path

from bitwatt.costing.tile_cost import TileCost, tile_cost
from bitwatt.formats import PAPER
from bitwatt.hardware.tile import Tile
from bitwatt.report.quantities import significant

HEAD = (
    "| precision | Nangate 45: area mm² | power mW | largest clock MHz "
    "| sky130: area mm² | power mW | largest clock MHz |"
)


def cells(cost: TileCost) -> tuple[str, ...]:
    clock = f"{cost.largest_clock_hz / 1e6:.0f}"
    return significant(cost.area_mm2), significant(1e3 * cost.power_w), clock


def closing(costs: dict[str, list[TileCost]]) -> str:
    """Which tiles do not close at their clock."""
    told = []
    for name, found in costs.items():
        slow = [cost.precision for cost in found if cost.too_slow]
        if slow:
            told.append(f"in {name} {'none does' if len(slow) == len(PAPER) else 'not ' + ', '.join(slow)}")
    which = f" ({'; '.join(told)})" if told else ""
    return f"A tile that does not close 250 MHz{which}"


def page(sky130: str) -> str:
    costs = {
        name: [tile_cost(Tile.preset("modern", precision), where) for precision in PAPER]
        for name, where in (("Nangate 45", "nangate45"), ("sky130", sky130))
    }
    rows = [
        f"| `{precision}` | {' | '.join((*cells(left), *cells(right)))} |"
        for precision, left, right in zip(PAPER, *costs.values(), strict=True)
    ]
    text = (Path(__file__).parent / "templates" / "technology.md").read_text()
    table = "\n".join([HEAD, "|---|---:|---:|---:|---:|---:|---:|", *rows])
    return text.format(libraries=table, closing=closing(costs))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    path = Path(__file__).parent / "technology.md"
    path.write_text(page(str(Path(sys.argv[1]).resolve())))
    print(path)
