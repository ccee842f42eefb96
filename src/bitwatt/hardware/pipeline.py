"""How many registers lie between a buffer's read port and Bout's write port.

Integers take one register a stage at 250 MHz in 45 nm. float32 does not: its multiplier takes two, its adder
tree one behind each level. Binary weights have no stage of their own, since the adder tree does their work.
"""

from __future__ import annotations

from bitwatt.errors import RequestError
from bitwatt.formats import Binary, Precision
from bitwatt.hardware.pooling import DIVIDE_CYCLES, Pooling


def pipeline_stages(precision: Precision, synapses: int = 16) -> dict[str, int]:
    """Registers of each stage, in the order of the way of the data.

    buffer_read, weight_block, adder_tree, accumulator and output_stage are always passed; max_pool or
    average_pool only where a window is pooled. Raises `RequestError` for less than one synapse.
    """
    if synapses < 1:
        raise RequestError(f"a neuron needs at least 1 synapse, got {synapses}")
    if precision.is_float:
        weight_block, average_pool = 2, 3
        adder_tree = max((synapses - 1).bit_length(), 1)
    else:
        weight_block = 0 if isinstance(precision.weights, Binary) else 1
        average_pool = 1 + DIVIDE_CYCLES
        adder_tree = 1
    return {
        "buffer_read": 1,
        "weight_block": weight_block,
        "adder_tree": adder_tree,
        "accumulator": 1,
        "output_stage": 1,
        "max_pool": 1,
        "average_pool": average_pool,
    }


def latency_cycles(precision: Precision, synapses: int = 16, pooling: Pooling = Pooling.NONE) -> int:
    """Cycles from the one in which a window's last rows are addressed to the one that writes its result.

    Written at the end of that cycle. Raises as `pipeline_stages`.
    """
    stages = pipeline_stages(precision, synapses)
    skipped = {"max_pool": Pooling.MAX, "average_pool": Pooling.AVERAGE}
    return sum(n for stage, n in stages.items() if skipped.get(stage, pooling) == pooling)


def bypass_latency_cycles(precision: Precision, synapses: int = 16, pooling: Pooling = Pooling.NONE) -> int:
    """The same for a pooling pass, whose rows go from Bin straight to the output stages."""
    stages = pipeline_stages(precision, synapses)
    skipped = stages["weight_block"] + stages["adder_tree"] + stages["accumulator"]
    return latency_cycles(precision, synapses, pooling) - skipped
