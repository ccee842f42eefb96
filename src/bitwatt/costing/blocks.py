"""The blocks of a tile under the names by which a characterised table holds them.

A name says everything that decides the block's RTL: its kind, then the formats, sizes and options it depends
on, then `gated` where its enabled registers are clocked through clock gates. Of a gated block there is a
second entry, `/idle`, with every enable low: what is left of its clock when it rests.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from bitwatt.formats import Binary, Precision
from bitwatt.hardware.tile import Tile
from bitwatt.technology.characterize import BlockSpec

if TYPE_CHECKING:
    from bitwatt.hardware.blocks import Block
    from bitwatt.hardware.operands import Operands

DATAPATH = ("weight_block", "adder_tree", "accumulator", "output_stage")
POOLING = ("output_stage_max", "output_stage_average")
RESIDUAL = "output_stage_residual"
BUFFER = ("buffer", "buffer_read", "buffer_write")
BANKED = ("bank_select",)
"""What an SRAM buffer has besides its macros."""

UNGATED = ("control", *BANKED)
"""Blocks whose registers are too few, or too busy, for clock gates."""


def block_name(kind: str, tile: Tile) -> str:
    """The name of one of a tile's blocks; gated where the tile gates its clock."""
    pair = f"{tile.precision.weights}:{tile.precision.activations}"
    options = [name for name in ("residual", "clip") if getattr(tile, name)]
    sizes = {
        "weight_block": (pair,),
        "adder_tree": (pair, tile.synapses),
        "accumulator": (pair, tile.synapses, tile.fan_in),
        **{stage: (pair, tile.fan_in, *options) for stage in ("output_stage", *POOLING, RESIDUAL)},
        "control": (tile.rows, *(("banked",) if tile.buffers == "sram" else ())),
        "bank_select": (),
    }.get(kind, (tile.rows,))
    gated = ("gated",) if tile.clock_gating and kind not in UNGATED else ()
    return "/".join(map(str, (kind, *sizes, *gated)))


def has_weight_block(precision: Precision) -> bool:
    """False for binary weights, whose negations are part of the adder tree."""
    return not isinstance(precision.weights, Binary)


def bank_rows(tile: Tile) -> int:
    """Rows of each of the two banks of an SRAM buffer."""
    return tile.rows // 2


def block_kinds(tile: Tile) -> tuple[str, ...]:
    """The kinds of block of which a tile is made."""
    datapath = tuple(kind for kind in DATAPATH if kind != "weight_block" or has_weight_block(tile.precision))
    residual = (RESIDUAL,) if tile.residual else ()
    return (*datapath, *POOLING, *residual, "control", *(BUFFER if tile.buffers == "flops" else BANKED))


def block_specs(tile: Tile, operands: Operands | None = None) -> dict[str, BlockSpec]:
    """Everything that has to be characterised for a tile, by name.

    operands: what a neuron is fed; synthetic where None. Buffers and control have loads of their own.
    """
    from bitwatt.hardware.blocks import blocks
    from bitwatt.hardware.control_block import control_block

    found: Mapping[str, Block] = {
        **blocks(tile, operands),
        "control": control_block(tile.rows, tile.buffers == "sram"),
    }
    specs = {}
    for kind in block_kinds(tile):
        block, name = found[kind], block_name(kind, tile)
        gated = name.endswith("/gated")
        specs[name] = _spec(name, block, gated)
        if gated and kind in DATAPATH:
            specs[f"{name}/idle"] = _spec(f"{name}/idle", block, gated, idle=True)
    return specs


def _spec(name: str, block: Block, gated: bool, idle: bool = False) -> BlockSpec:
    stimulus = dict(block.stimulus)
    if idle:
        stimulus = {
            port: np.zeros_like(words) if port.endswith("enable") else np.full_like(words, words.flat[0])
            for port, words in stimulus.items()
        }
    return BlockSpec(
        name=name,
        rtlil=block.rtlil,
        top=block.top,
        clock=block.clock,
        stimulus=stimulus,
        description=f"{block.description}; idle: every enable low" if idle else block.description,
        warmup=block.warmup,
        clock_gating=gated,
    )
