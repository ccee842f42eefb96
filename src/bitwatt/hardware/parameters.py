"""What a pass keeps for all images: rows of weights, of biases and shifts, and the counts of means."""

from __future__ import annotations

import numpy as np

from bitwatt.errors import RequestError
from bitwatt.hardware.codes import nothing, to_codes
from bitwatt.hardware.schedule import LayerSchedule
from bitwatt.hardware.streams import RowStream, Words, once
from bitwatt.hardware.tile import Tile
from bitwatt.hardware.widths import (
    LARGEST_WINDOW,
    LEFT_SHIFTS,
    RESIDUAL_FRACTION,
    RESIDUAL_SHIFT_BITS,
    WIDE_BITS,
    accumulator_bits,
)
from bitwatt.hardware.windows import window_counts
from bitwatt.hardware.workload import LayerWork, Pass, needs_bounds
from bitwatt.program import ops
from bitwatt.program.program import Program


def weight_rows(step: Pass, plan: LayerSchedule, tile: Tile) -> RowStream:
    """Weight n * synapses + s of a row belongs to neuron n and input s; missing ones are code word 0."""
    op, work = step.weighted, plan.work
    if op is None:
        return once(np.zeros((0, tile.neurons * tile.synapses), dtype=np.int64))
    matrix = op.weight.transpose(0, 2, 3, 1) if isinstance(op, ops.Conv2d) else op.weight
    codes = to_codes(matrix, tile.precision.weights).reshape(work.groups, work.outputs, -1)
    padded = np.zeros(
        (work.groups, plan.groups // work.groups * tile.neurons, plan.depth * tile.synapses), np.int64
    )
    padded[:, : work.outputs, : codes.shape[-1]] = codes
    rows = padded.reshape(plan.groups, tile.neurons, plan.depth, tile.synapses).swapaxes(1, 2)
    repeats = 1 if plan.sb_held else work.positions
    block = plan.depth if plan.order == "weights stay" else plan.groups * plan.depth
    return RowStream(rows.reshape(plan.groups * plan.depth, -1), block, repeats)


def parameter_rows(
    program: Program, step: Pass, plan: LayerSchedule, tile: Tile
) -> tuple[RowStream, RowStream]:
    """Biases and shifts, a row a group of neurons; none for a pass that neither weighs nor adds."""
    op, work = step.weighted, plan.work
    if op is None and step.residual is None:
        return (once(np.zeros((0, tile.neurons), dtype=np.int64)),) * 2
    shape = (work.groups, plan.groups // work.groups * tile.neurons)
    biases = np.full(shape, nothing(tile.precision.activations), dtype=np.int64)
    shifts = np.zeros(shape, dtype=np.int64)
    if op is not None and op.bias is not None:
        bias = to_codes(op.bias, tile.precision.activations) if tile.precision.is_float else op.bias
        biases[:, : work.outputs] = bias.reshape(work.groups, -1)
    if step.requantize is not None:
        shift = _shifts(program, step, step.requantize)
        _check_parameters(work.name, biases, shift, work.wide, tile)
        if op is None:  # one shift for all that Bin has
            shifts[:] = shift
        else:
            shifts[:, : work.outputs] = np.resize(shift, (work.groups, work.outputs))
    repeats = 1 if plan.order == "weights stay" else work.positions

    def stream(values: Words) -> RowStream:
        return RowStream(values.reshape(plan.groups, tile.neurons), plan.groups, repeats)

    return stream(biases), stream(shifts)


def _shifts(program: Program, step: Pass, requantize: ops.Requantize) -> Words:
    """From the sums' exponents to the result's, one entry or one a channel.

    Where a residual is added the program first moves the sums to the common exponent; the tile adds it behind
    the shift.
    """
    sums = program.types[step.weighted.name if step.weighted else step.input].exponent
    made = program.types[requantize.name].exponent
    shifts: Words = np.array(made) - np.array(sums)
    return shifts


def output_options(program: Program, step: Pass, plan: LayerSchedule, tile: Tile) -> dict[str, int]:
    """The descriptor's fields of what only some tiles' output stages do: a residual's alignment, bounds.

    Raises `RequestError` for a residual that lies too far from the result.
    """
    fields = {}
    if tile.residual:
        fields["residual"] = int(step.residual is not None)
        if not tile.precision.is_float:
            fields["residual_shift"] = _residual_shift(program, step)
    if tile.clip:
        ends = _bounds(step, plan.work, tile)
        low, high = (int(to_codes(np.array(end), tile.precision.activations)) for end in ends or (0.0, 0.0))
        fields |= {"clips": int(ends is not None), "low": low, "high": high}
    return fields


def _bounds(step: Pass, work: LayerWork, tile: Tile) -> tuple[float, float] | None:
    """What a pass's results are kept within, beside the ends of the tile's format; None: nothing."""
    if step.clip is not None:  # within the ends of whatever format it has
        return step.clip.low, step.clip.high
    if work.formats is None or work.formats.rounds is None or not needs_bounds(work, tile):
        return None
    return float(work.formats.rounds.smallest_integer), float(work.formats.rounds.largest_integer)


def _residual_shift(program: Program, step: Pass) -> int:
    """Where the residual's unit lies: the logarithm of its ratio to the result's, plus RESIDUAL_FRACTION."""
    if step.residual is None or step.requantize is None:
        return 0
    (ours,), (its,) = (program.types[name].exponent for name in (step.requantize.name, step.residual))
    most = 2**RESIDUAL_SHIFT_BITS - 1 - RESIDUAL_FRACTION
    if not -RESIDUAL_FRACTION <= its - ours <= most:
        raise RequestError(
            f"layer '{step.name}' adds the residual '{step.residual}', whose unit is 2**{its - ours} of the "
            f"result's; the tile's output stages add those of 2**-{RESIDUAL_FRACTION} to 2**{most}"
        )
    return its - ours + RESIDUAL_FRACTION


def _check_parameters(name: str, biases: Words, shifts: Words, wide: bool, tile: Tile) -> None:
    bits = accumulator_bits(tile.precision, tile.fan_in)
    # A wide result that is moved left could need more bits than the tile keeps of an accumulator.
    least = 0 if wide and bits < WIDE_BITS else -LEFT_SHIFTS
    if shifts.min() < least or shifts.max() > bits:
        raise RequestError(
            f"layer '{name}' shifts by {shifts.min()} to {shifts.max()}; "
            f"the tile's output stage shifts it by {least} to {bits}"
        )
    largest = int(max(biases.max(), -1 - biases.min()))
    if largest.bit_length() >= bits:
        raise RequestError(
            f"layer '{name}' has a bias of {largest.bit_length() + 1} bits and the tile's accumulators have "
            f"{bits}: build Tile(..., fan_in={tile.fan_in << (largest.bit_length() + 1 - bits)})"
        )


def mean_counts(program: Program, step: Pass, plan: LayerSchedule) -> Words:
    """In the order in which the rows of means leave."""
    pool, work = step.pool, plan.work
    if not isinstance(pool, ops.AvgPool2d) or work.window == 1:
        return np.zeros(0, dtype=np.int64)
    if work.window > LARGEST_WINDOW:
        raise RequestError(
            f"layer '{pool.name}' averages {work.window} elements; "
            f"the tile's output stage divides by {LARGEST_WINDOW} at most"
        )
    counts = window_counts(pool, *program.types[pool.input].shape[1:])
    return np.tile(counts, plan.groups) if plan.order == "weights stay" else np.repeat(counts, plan.groups)
