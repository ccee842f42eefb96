"""What one pass sends over the tile's ports, as packed words: the same for every simulator."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from amaranth.lib.data import StructLayout
from numpy.typing import NDArray

from bitwatt.errors import RequestError
from bitwatt.hardware.passes import Descriptor, TilePass
from bitwatt.hardware.pooling import divisor_bits, divisor_word
from bitwatt.hardware.rtl.layout import layer_descriptor
from bitwatt.hardware.streams import Bytes, RowStream, Words, once, pack, row_bytes, unpack
from bitwatt.hardware.tile import Tile
from bitwatt.hardware.widths import FLOAT_BITS, accumulator_bits, shift_bits


def input_streams(tile: Tile) -> tuple[str, ...]:
    """The names of a tile's input streams."""
    names = ("layers", "bin_rows", "sb_rows", "parameters", "divisors")
    return (*names, "residual_rows") if tile.residual else names


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
    """Every stream that is the same for each image."""
    tile = step.tile
    word = descriptor_word(step)
    size = row_bytes(layer_descriptor(tile).size)
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


def image_streams(
    step: TilePass, values: NDArray[np.generic], residuals: NDArray[np.generic] | None = None
) -> dict[str, PackedStream]:
    """The streams of one image.

    values: as `TilePass.inputs` takes them; residuals: as `TilePass.residuals` does, where some are added.
    """
    bits, neurons = step.tile.precision.activations.bits, step.tile.neurons
    inputs = step.inputs(values)
    streams = {"bin_rows": _packed(inputs, (inputs.rows, bits))}
    if step.tile.residual:
        rows = once(np.zeros((0, neurons), np.int64)) if residuals is None else step.residuals(residuals)
        streams["residual_rows"] = _packed(rows, (rows.rows, bits))
    return streams


def output_values(step: TilePass, rows: Bytes) -> NDArray[np.generic]:
    """The pass's result out of the rows of one image that left the tile, packed: (rows, bytes)."""
    return step.outputs(unpack(rows, step.tile.precision.activations.bits, step.tile.neurons))


def descriptor_word(step: TilePass) -> int:
    """The pass's descriptor as the word that `layers` carries.

    Raises `RequestError` where the control unit's counters are too narrow for the layer.
    """
    loops, layout = step.descriptor["loops"], layer_descriptor(step.tile)
    for name, field in layout["loops"].shape:
        if isinstance(loops, dict) and isinstance(stored := loops[name], int) and stored >> field.width:
            raise RequestError(
                f"layer '{step.plan.work.name}' has {stored + 1} turns of '{name}'; the tile's control unit "
                f"counts to {2**field.width}"
            )
    return _struct_word(layout, step.descriptor)


def _struct_word(layout: StructLayout, fields: Descriptor) -> int:
    word: int = 0
    for name, field in layout:
        value = fields[name]
        word |= (_struct_word(field.shape, value) if isinstance(value, dict) else value) << field.offset
    return word


def _packed(stream: RowStream, *fields: tuple[Words, int]) -> PackedStream:
    return PackedStream(pack(*fields), stream.block, stream.repeats)
