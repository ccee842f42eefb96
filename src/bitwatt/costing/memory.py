"""Memory that a network takes at a precision."""

from __future__ import annotations

from collections.abc import Sequence

from bitwatt.hardware.tile import Tile
from bitwatt.hardware.widths import accumulator_bits
from bitwatt.hardware.workload import LayerWork


def memory_bytes(works: Sequence[LayerWork], tile: Tile) -> dict[str, int]:
    """Bytes of the weights and biases at their true widths, and of the most activations alive at once.

    Weights with a format of their layer's own count at its width: packed outside the tile, widened on the way
    in. A bias is as wide as the accumulator it is added to. Activations, at the activations' width: a layer's
    inputs and results, and every value made before it that is still to be read (a shortcut, or a branch that
    waits to be joined), for the layer where they are most.
    """
    weight_bits, activation_bits = tile.precision.weights.bits, tile.precision.activations.bits
    return {
        "weights": _bytes(sum(work.weights * (work.weight_bits or weight_bits) for work in works)),
        "biases": _bytes(sum(work.biases for work in works) * accumulator_bits(tile.precision, tile.fan_in)),
        "activations_peak": _bytes(max((w.alive for w in works), default=0) * activation_bits),
    }


def _bytes(bits: int) -> int:
    return -(-bits // 8)
