"""How many registers lie between a buffer's read port and Bout's write port.

Integers take one register a stage at 250 MHz in 45 nm, but for the output stages of wide accumulators,
which shift before a register and round behind it. So do those that add residuals, which enter between the
two (and a wide one has yet another register behind them), or that have bounds. float32's multiplier takes
two, its adder tree one behind each level, and its output stage one more each for residuals and bounds.
Binary weights have no stage of their own, since the adder tree does their work.
"""

from __future__ import annotations

from bitwatt.formats import Binary
from bitwatt.hardware.pooling import DIVIDE_CYCLES, Pooling
from bitwatt.hardware.tile import Tile
from bitwatt.hardware.widths import ONE_STAGE_BITS, accumulator_bits


def pipeline_stages(tile: Tile) -> dict[str, int]:
    """Registers of each stage, in the order of the way of the data.

    buffer_read, weight_block, adder_tree, accumulator and output_stage are always passed; max_pool or
    average_pool only where a window is pooled.
    """
    if tile.precision.is_float:
        weight_block, average_pool = 2, 3
        adder_tree = max((tile.synapses - 1).bit_length(), 1)
    else:
        weight_block = 0 if isinstance(tile.precision.weights, Binary) else 1
        average_pool = 1 + DIVIDE_CYCLES
        adder_tree = 1
    return {
        "buffer_read": 1,
        "weight_block": weight_block,
        "adder_tree": adder_tree,
        "accumulator": 1,
        "output_stage": output_registers(tile),
        "max_pool": 1,
        "average_pool": average_pool,
    }


def output_registers(tile: Tile) -> int:
    """Registers of the output stage, pooling apart."""
    if tile.precision.is_float:
        return 1 + tile.residual + tile.clip
    is_wide = accumulator_bits(tile.precision, tile.fan_in) > ONE_STAGE_BITS
    if tile.residual:
        return 2 + is_wide
    return 2 if is_wide or tile.clip else 1


def latency_cycles(tile: Tile, pooling: Pooling = Pooling.NONE) -> int:
    """Cycles from the one in which a window's last rows are addressed to the one that writes its result.

    Written at the end of that cycle.
    """
    skipped = {"max_pool": Pooling.MAX, "average_pool": Pooling.AVERAGE}
    return sum(n for stage, n in pipeline_stages(tile).items() if skipped.get(stage, pooling) == pooling)


def bypass_latency_cycles(tile: Tile, pooling: Pooling = Pooling.NONE) -> int:
    """The same for a pass whose rows go from Bin straight to the output stages."""
    stages = pipeline_stages(tile)
    skipped = stages["weight_block"] + stages["adder_tree"] + stages["accumulator"]
    return latency_cycles(tile, pooling) - skipped
