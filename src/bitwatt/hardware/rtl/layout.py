"""The tile's ports, and what its streams carry, field by field, the first in the lowest bits."""

from __future__ import annotations

from amaranth.hdl import signed
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out, Signature

from bitwatt.hardware.pooling import Pooling, divisor_bits
from bitwatt.hardware.rtl.control import LOOP_DESCRIPTOR
from bitwatt.hardware.tile import Tile
from bitwatt.hardware.widths import FLOAT_BITS, RESIDUAL_SHIFT_BITS, accumulator_bits, shift_bits

SLICE_BITS = 5
"""Width of the counters of a wide output's slices and of pauses: 32 bits in slices of at least one."""


def layer_descriptor(tile: Tile) -> data.StructLayout:
    """What describes a pass.

    from_buffer: it reads Bin alone. relu, pooling: what the output stage does (`Pooling`). wide: logits, in
    `slices` rows of a group (stored less one). pause: cycles for which no row is read after the last one of a
    pooling window, or of a wide sum. keep_parameters: a row of parameters serves a whole inner loop, else one
    visit. residual: one row of `residual_rows` is added at each visit; its unit is 2**(residual_shift -
    RESIDUAL_FRACTION) of the result's (float32: has none). clips: results are kept within low and high, code
    words.
    """
    activations = tile.precision.activations.bits
    fields: dict[str, int | data.StructLayout] = {
        "loops": LOOP_DESCRIPTOR,
        "from_buffer": 1,
        "relu": 1,
        "pooling": Pooling.bits(),
        "wide": 1,
        "slices": SLICE_BITS,
        "pause": SLICE_BITS,
        "keep_parameters": 1,
    }
    if tile.residual:
        fields["residual"] = 1
        if not tile.precision.is_float:
            fields["residual_shift"] = RESIDUAL_SHIFT_BITS
    if tile.clip:
        fields |= {"clips": 1, "low": activations, "high": activations}
    return data.StructLayout(fields)


def parameter_layout(tile: Tile) -> data.StructLayout:
    """A row of parameters: a bias and a shift for each neuron (float32: no shift)."""
    if tile.precision.is_float:
        return data.StructLayout({"bias": data.ArrayLayout(FLOAT_BITS, tile.neurons)})
    bits = accumulator_bits(tile.precision, tile.fan_in)
    return data.StructLayout(
        {
            "bias": data.ArrayLayout(signed(bits), tile.neurons),
            "shift": data.ArrayLayout(signed(shift_bits(bits)), tile.neurons),
        }
    )


def tile_signature(tile: Tile) -> Signature:
    """The tile's ports. bin_read, sb_read, bout_write, bout_read: a row is read or written in this cycle."""
    weights, activations = tile.precision.weights.bits, tile.precision.activations.bits
    words = {
        "layers": layer_descriptor(tile),
        "bin_rows": data.ArrayLayout(activations, tile.synapses),
        "sb_rows": data.ArrayLayout(weights, tile.neurons * tile.synapses),
        "parameters": parameter_layout(tile),
        "divisors": divisor_bits(tile.precision),
    }
    if tile.residual:
        words["residual_rows"] = data.ArrayLayout(activations, tile.neurons)
    flags = ("bin_read", "sb_read", "bout_write", "bout_read")
    return Signature(
        {name: In(stream.Signature(shape)) for name, shape in words.items()}
        | {"out_rows": Out(stream.Signature(data.ArrayLayout(activations, tile.neurons)))}
        | {name: Out(1) for name in flags}
    )
