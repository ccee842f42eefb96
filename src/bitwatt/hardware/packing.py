"""What one pass sends over the tile's ports, as packed words: the same for every simulator."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from amaranth.lib.data import StructLayout
from numpy.typing import NDArray

from bitwatt.errors import RequestError
from bitwatt.hardware.passes import Descriptor, TilePass
from bitwatt.hardware.pooling import divisor_bits, divisor_word
from bitwatt.hardware.rtl.layout import LAYER_DESCRIPTOR
from bitwatt.hardware.streams import Bytes, RowStream, Words, pack, row_bytes, unpack
from bitwatt.hardware.widths import FLOAT_BITS, accumulator_bits, shift_bits

STREAMS = ("layers", "bin_rows", "sb_rows", "parameters", "divisors")
"""The tile's input streams."""


@dataclass(frozen=True, eq=False)
class PackedStream:
    """Rows as a port takes them, (rows, bytes); each run of `block` rows is sent `repeats` times."""

    rows: Bytes
    block: int
    repeats: int = 1

    def __len__(self) -> int:
        """Rows that are sent."""
        return len(self.rows) * self.repeats


def layer_streams(step: TilePass) -> dict[str, PackedStream]:
    """Every stream but bin_rows: the same for each image."""
    tile = step.tile
    word = descriptor_word(step)
    size = row_bytes(LAYER_DESCRIPTOR.size)
    divisors = np.array([divisor_word(tile.precision, int(n)) for n in step.counts], dtype=np.int64).reshape(
        -1, 1
    )
    parameters: list[tuple[Words, int]] = [(step.biases.rows, FLOAT_BITS)]
    if not tile.precision.is_float:
        bits = accumulator_bits(tile.precision, tile.fan_in)
        parameters = [(step.biases.rows, bits), (step.shifts.rows, shift_bits(bits))]
    return {
        "layers": PackedStream(np.frombuffer(word.to_bytes(size, "little"), np.uint8).reshape(1, -1), 1),
        "sb_rows": _packed(step.weights, (step.weights.rows, tile.precision.weights.bits)),
        "parameters": _packed(step.biases, *parameters),
        "divisors": PackedStream(pack((divisors, divisor_bits(tile.precision))), max(len(divisors), 1)),
    }


def input_stream(step: TilePass, values: NDArray[np.generic]) -> PackedStream:
    """bin_rows for one image. values: as `TilePass.inputs` takes them."""
    rows = step.inputs(values)
    return _packed(rows, (rows.rows, step.tile.precision.activations.bits))


def output_values(step: TilePass, rows: Bytes) -> NDArray[np.generic]:
    """The pass's result out of the rows of one image that left the tile, packed: (rows, bytes)."""
    return step.outputs(unpack(rows, step.tile.precision.activations.bits, step.tile.neurons))


def descriptor_word(step: TilePass) -> int:
    """The pass's descriptor as the word that `layers` carries.

    Raises `RequestError` where the control unit's counters are too narrow for the layer.
    """
    loops = step.descriptor["loops"]
    for name, field in LAYER_DESCRIPTOR["loops"].shape:
        if isinstance(loops, dict) and isinstance(stored := loops[name], int) and stored >> field.width:
            raise RequestError(
                f"layer '{step.plan.work.name}' has {stored + 1} turns of '{name}'; the tile's control unit "
                f"counts to {2**field.width}"
            )
    return _struct_word(LAYER_DESCRIPTOR, step.descriptor)


def _struct_word(layout: StructLayout, fields: Descriptor) -> int:
    word: int = 0
    for name, field in layout:
        value = fields[name]
        word |= (_struct_word(field.shape, value) if isinstance(value, dict) else value) << field.offset
    return word


def _packed(stream: RowStream, *fields: tuple[Words, int]) -> PackedStream:
    return PackedStream(pack(*fields), stream.block, stream.repeats)
