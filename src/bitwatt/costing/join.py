"""Joins a tile with a technology: the unit cost of each component."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from bitwatt.costing.blocks import RESIDUAL, bank_rows, block_kinds, block_name, has_weight_block
from bitwatt.costing.units import UnitCost
from bitwatt.errors import RequestError
from bitwatt.hardware.tile import Tile
from bitwatt.technology.table import BlockCost
from bitwatt.technology.technology import Technology, technology

_BUFFER_ROW_BITS = 16
"""Width of the parts of a buffer that were characterised: `bitwatt.hardware.blocks.BUFFER_BITS`."""


def unit_costs(tile: Tile, where: str | Technology = "nangate45") -> dict[str, UnitCost]:
    """The unit cost of each component of a tile, by the names of `bitwatt.costing.breakdown.COMPONENTS`.

    Raises `RequestError` for an unknown technology, or a tile whose blocks it has not characterised.
    """
    return _unit_costs(tile, technology(where) if isinstance(where, str) else where)


@lru_cache(maxsize=256)
def _unit_costs(tile: Tile, tech: Technology) -> dict[str, UnitCost]:
    missing = [
        name for kind in block_kinds(tile) if (name := block_name(kind, tile)) not in tech.table.blocks
    ]
    if missing:
        raise RequestError(
            f"technology '{tech.name}' has not characterised {', '.join(missing)}, which a tile of "
            f"{tile.precision} needs: run `bitwatt characterize` for this tile, with {_options(tile)}"
        )
    neurons, blocks = tile.neurons, tile.neurons * tile.synapses
    units = {
        "adder_trees": _datapath("adder_tree", neurons, tile, tech),
        "accumulators": _datapath("accumulator", neurons, tile, tech),
        "output_stages": _output_stages(tile, tech),
        "control": _control(tile, tech),
    }
    if has_weight_block(tile.precision):
        units["weight_blocks"] = _datapath("weight_block", blocks, tile, tech)
    else:
        units["weight_blocks"] = UnitCost(0.0, 0.0, provenance="none: negation is part of the adder trees")
    for name, width in (("bin", tile.bin_bits), ("bout", tile.bout_bits), ("sb", tile.sb_bits)):
        units[name] = buffer_cost(name, width, tile, tech)
    return units


def _options(tile: Tile) -> str:
    """Those of `bitwatt characterize` that tell what a preset does not."""
    switches = (("residual", tile.residual), ("clip", tile.clip))
    return " ".join([f"--precisions {tile.precision}", *(f"--{name}" for name, on in switches if on)])


def buffer_cost(name: str, width: int, tile: Tile, tech: Technology) -> UnitCost:
    """The unit cost of the buffer `name` with rows of `width` bits; it depends on no other shape."""
    if tile.buffers == "sram":
        return _sram(name, width, tile, tech)
    return _flip_flops(name, width, tile, tech)


def _datapath(kind: str, count: int, tile: Tile, tech: Technology) -> UnitCost:
    block = tech.table.block(block_name(kind, tile))
    idle_clock_j = block.clock_energy_j
    if tile.clock_gating:
        idle_clock_j = tech.table.block(f"{block_name(kind, tile)}/idle").clock_energy_j
    return UnitCost(
        area_mm2=count * block.area_um2 * 1e-6,
        leakage_w=count * block.leakage_w,
        event_j={kind: block.data_energy_j},
        clock_j=count * block.clock_energy_j,
        idle_clock_j=count * idle_clock_j,
        provenance=_synthesised(block, tech),
        operands=_operands(block),
    )


def _output_stages(tile: Tile, tech: Technology) -> UnitCost:
    """As any block of the datapath; pooling a result, or adding a residual, costs what it adds."""
    unit = _datapath("output_stage", tile.neurons, tile, tech)
    plain, largest, mean = (
        _working_j(tech.table.block(block_name(kind, tile)))
        for kind in ("output_stage", "output_stage_max", "output_stage_average")
    )
    events = {**unit.event_j, "max_pool": largest - plain, "average_pool": mean - plain}
    if tile.residual:
        events["residual"] = _working_j(tech.table.block(block_name(RESIDUAL, tile))) - plain
    return replace(unit, event_j=events)


def _working_j(block: BlockCost) -> float:
    """Energy of a cycle at work, the clock that only work asks for included."""
    return block.data_energy_j + block.clock_energy_j


def _control(tile: Tile, tech: Technology) -> UnitCost:
    block = tech.table.block(block_name("control", tile))
    return UnitCost(
        area_mm2=block.area_um2 * 1e-6,
        leakage_w=block.leakage_w,
        event_j={"bin_reads": block.data_energy_j},
        clock_j=block.clock_energy_j,
        idle_clock_j=block.clock_energy_j,
        provenance=_synthesised(block, tech),
        operands=_operands(block),
    )


def _flip_flops(name: str, width: int, tile: Tile, tech: Technology) -> UnitCost:
    idle, read, write = (
        tech.table.block(block_name(kind, tile)) for kind in ("buffer", "buffer_read", "buffer_write")
    )
    scale = width / _BUFFER_ROW_BITS
    rest_j = idle.data_energy_j + idle.clock_energy_j
    return UnitCost(
        area_mm2=scale * idle.area_um2 * 1e-6,
        leakage_w=scale * idle.leakage_w,
        event_j={
            f"{name}_reads": scale * (read.data_energy_j + read.clock_energy_j - rest_j),
            f"{name}_writes": scale * (write.data_energy_j + write.clock_energy_j - rest_j),
        },
        clock_j=scale * idle.clock_energy_j,
        idle_clock_j=scale * idle.clock_energy_j,
        provenance=f"{_synthesised(idle, tech)}; scaled from {_BUFFER_ROW_BITS} to {width} bits a row",
        operands=_operands(idle),
    )


def _sram(name: str, width: int, tile: Tile, tech: Technology) -> UnitCost:
    """Two banks of half the rows: single-port macros, of which one is read while the other is written."""
    bank = tech.buffer(bank_rows(tile), width)
    select = tech.table.block(block_name("bank_select", tile))
    scale = width / _BUFFER_ROW_BITS
    return UnitCost(
        area_mm2=(2 * bank.area_um2 + scale * select.area_um2) * 1e-6,
        leakage_w=2 * bank.leakage_w + scale * select.leakage_w,
        event_j={f"{name}_reads": bank.read_j + scale * _working_j(select), f"{name}_writes": bank.write_j},
        provenance=(
            f"table: two banks of {bank.wide * bank.deep} macros of {bank.macro.rows} x "
            f"{bank.macro.width_bits} bits, {tech.sram.source}; what selects between them: "
            f"{_synthesised(select, tech)}, scaled from {_BUFFER_ROW_BITS} to {width} bits"
        ),
    )


def _synthesised(block: BlockCost, tech: Technology) -> str:
    return f"synthesised: {block.cells} cells, {tech.table.source()}"


def _operands(block: BlockCost) -> str:
    return block.stimulus if block.stimulus.startswith("measured") else f"assumed: {block.stimulus}"
