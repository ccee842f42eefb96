"""The least tile that runs a program, and that a technology can cost.

Of all tiles that is the one of the join of the layers' operands (`bitwatt.hardware.widest`); where it is not
characterised, the smallest of those that are and hold the operands too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from bitwatt.costing.join import unit_costs
from bitwatt.errors import RequestError
from bitwatt.formats import Precision, parse_precision
from bitwatt.hardware.schedule import schedule_work
from bitwatt.hardware.tile import Tile
from bitwatt.hardware.workload import LayerWork, fitting, needs_bounds, workload
from bitwatt.program.program import Program
from bitwatt.technology.technology import Technology, technology


def least_tile(program: Program, tile: Tile, where: str | Technology = "nangate45") -> Tile:
    """`tile` with the options that the program needs and, if its layers have their own, the precision.

    tile: shape, buffers and clock. where: the technology whose characterised tiles count. A program of one
    precision gets the tile as it is, with its options.

    Raises `RequestError` where no characterised tile runs all layers, `UnsupportedError` where none can, and
    both as `bitwatt.hardware.workload.split_passes` and `bitwatt.hardware.schedule.schedule` do.
    """
    works, fitted = workload(program), fitting(tile, program)
    if works[0].formats is None:
        return fitted
    schedule_work(works, fitted)  # what is wrong beside the formats is said of the least tile
    found = technology(where) if isinstance(where, str) else where
    try:
        unit_costs(fitted, found)
        return fitted
    except RequestError as missing:
        wider = dict(_wider(works, fitted, found))
        if not wider:
            raise RequestError(f"{missing}. No wider tile that it has runs every layer either") from None
    return min(wider, key=lambda one: wider[one])


def characterized_precisions(where: Technology) -> tuple[Precision, ...]:
    """The precisions that a technology has output stages of, in the order of its table."""
    pairs = [name.split("/")[1] for name in where.table.blocks if name.startswith("output_stage/")]
    return tuple(map(parse_precision, dict.fromkeys(pairs)))


def _wider(works: tuple[LayerWork, ...], fitted: Tile, where: Technology) -> Iterator[tuple[Tile, float]]:
    """The characterised tiles that run every layer, and their areas in mm2."""
    for precision in characterized_precisions(where):
        tile = replace(fitted, precision=precision)
        tile = replace(tile, clip=any(work.clip or needs_bounds(work, tile) for work in works))
        try:
            schedule_work(works, tile)
            area = sum(unit.area_mm2 for unit in unit_costs(tile, where).values())
        except RequestError:
            continue
        yield tile, area
