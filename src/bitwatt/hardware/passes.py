"""A program as what the tile's streams carry: descriptors, rows of weights, parameters and inputs, and back.

This is the part of whoever feeds the tile: it gathers windows in the order in which the control unit reads
them, and puts the rows that leave Bout back into feature maps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bitwatt.errors import RequestError
from bitwatt.hardware.codes import from_codes, lowest, nothing, to_codes
from bitwatt.hardware.schedule import LayerSchedule, pooling_kind, schedule
from bitwatt.hardware.streams import RowStream, Words, once
from bitwatt.hardware.tile import Tile
from bitwatt.hardware.widths import LARGEST_WINDOW, LEFT_SHIFTS, WIDE_BITS, accumulator_bits
from bitwatt.hardware.windows import convolution_windows, pooling_windows, positions, window_counts
from bitwatt.hardware.workload import Pass, split_passes
from bitwatt.program import ops
from bitwatt.program.inference import ValueType
from bitwatt.program.program import Program

Descriptor = dict[str, "int | Descriptor"]


@dataclass(frozen=True, eq=False)
class TilePass:
    """One pass, ready to run.

    descriptor: fields of `rtl.tile.LAYER_DESCRIPTOR`, nested by name. weights: rows of SB, code words (rows,
    neurons * synapses). biases: integers, or words of float32, and shifts: (rows, neurons). counts: elements
    of the window of each row of means, (rows,); empty without average pooling. All of them for one image.
    source, result: types of the values that it reads and makes.
    """

    step: Pass
    plan: LayerSchedule
    tile: Tile
    descriptor: Descriptor
    weights: RowStream
    biases: RowStream
    shifts: RowStream
    counts: Words
    source: ValueType
    result: ValueType

    def inputs(self, values: NDArray[np.generic]) -> RowStream:
        """Rows of Bin for one image, code words (rows, synapses).

        values: integers (or float32 numbers) of the pass's input, of its shape: maps are (channels, height,
        width).
        """
        codes = to_codes(values, self.tile.precision.activations)
        return self._pooled_rows(codes) if self.step.weighted is None else self._window_rows(codes)

    def outputs(self, rows: Words) -> NDArray[np.generic]:
        """The integers (or float32 numbers) of the result, from the code words that left: (rows, neurons)."""
        work, plan, tile = self.plan.work, self.plan, self.tile
        values: NDArray[np.generic]
        if work.wide:
            slices = rows.reshape(-1, plan.slices, tile.neurons)
            values = _joined(slices, tile.precision.activations.bits)
        else:
            values = from_codes(rows, tile.precision.activations)
        if plan.order == "weights stay":
            values = values.reshape(plan.groups, work.pooled_positions, tile.neurons).swapaxes(0, 1)
        lanes = tile.neurons if work.kind == "weighted" else min(tile.neurons, tile.synapses)
        values = values.reshape(work.pooled_positions, work.groups, -1, tile.neurons)[..., :lanes]
        values = values.reshape(work.pooled_positions, work.groups, -1)[:, :, : work.outputs]
        return values.reshape(work.pooled_positions, -1).T.reshape(self.result.shape)

    def _window_rows(self, codes: Words) -> RowStream:
        op, plan, synapses = self.step.weighted, self.plan, self.tile.synapses
        if isinstance(op, ops.Conv2d):
            kernel = self.step.pool.kernel if self.step.pool else (1, 1)
            height, width = self.result.shape[1:]
            flat = convolution_windows(codes, op, positions(height, width, kernel))
        else:
            flat = codes.reshape(1, 1, -1)
        # Lanes behind a window's end are fed zeros.
        windows = np.zeros((*flat.shape[:2], plan.depth * synapses), dtype=np.int64)
        windows[..., : flat.shape[-1]] = flat
        neuron_groups = plan.groups // plan.work.groups  # all of which read the same windows
        if plan.order == "weights stay":
            return RowStream(windows.reshape(-1, synapses), plan.work.positions * plan.depth, neuron_groups)
        repeats = 1 if plan.bin_held else neuron_groups
        return RowStream(windows.swapaxes(0, 1).reshape(-1, synapses), plan.depth, repeats)

    def _pooled_rows(self, codes: Words) -> RowStream:
        """For each place, for each group of channels, the window's elements, one a row."""
        pool, tile, groups = self.step.pool, self.tile, self.plan.groups
        if pool is None:
            windows = codes.reshape(codes.shape[0], -1, 1)
        else:
            # What is beyond the map never wins a maximum, and adds nothing to a sum.
            activations = tile.precision.activations
            outside = lowest(activations) if isinstance(pool, ops.MaxPool2d) else nothing(activations)
            windows = pooling_windows(codes, pool, self.result.shape, outside)
        channels, places, size = windows.shape
        lanes = min(tile.neurons, tile.synapses)
        padded = np.zeros((groups * lanes, places, size), dtype=np.int64)
        padded[:channels] = windows
        rows = np.zeros((places, groups, size, tile.synapses), dtype=np.int64)
        rows[..., :lanes] = padded.reshape(groups, lanes, places, size).transpose(2, 0, 3, 1)
        return once(rows.reshape(-1, tile.synapses))


def compile_passes(program: Program, tile: Tile) -> tuple[TilePass, ...]:
    """A program's passes on a tile. Raises `RequestError` for what this tile cannot run, naming the layer."""
    plan = schedule(program, tile)
    return tuple(
        _compile(program, step, layer, tile)
        for step, layer in zip(split_passes(program), plan.layers, strict=True)
    )


def _compile(program: Program, step: Pass, plan: LayerSchedule, tile: Tile) -> TilePass:
    biases, shifts = _parameters(step, plan, tile)
    return TilePass(
        step=step,
        plan=plan,
        tile=tile,
        descriptor=_descriptor(step, plan, tile),
        weights=_weights(step, plan, tile),
        biases=biases,
        shifts=shifts,
        counts=_counts(program, step, plan),
        source=program.types[step.input],
        result=program.types[step.output],
    )


def _descriptor(step: Pass, plan: LayerSchedule, tile: Tile) -> Descriptor:
    work, weights_stay = plan.work, plan.order == "weights stay"
    outer, inner = (plan.groups, work.positions) if weights_stay else (work.positions, plan.groups)
    if work.kind == "pool":  # each element of a window is a visit of its own
        inner *= work.window
    return {
        "loops": {
            "outer": outer - 1,
            "inner": inner - 1,
            "depth": plan.depth - 1,
            "window": work.window - 1,
            "bin_hold": int(plan.bin_held),  # values of `control.Hold`: 1 is INNER, 2 is OUTER
            "sb_hold": (1 if weights_stay else 2) if plan.sb_held else 0,
            "uses_sb": int(work.kind == "weighted"),
        },
        "from_buffer": int(work.kind == "pool"),
        "relu": int(step.relu),
        "pooling": int(pooling_kind(work)),
        "wide": int(work.wide and not tile.precision.is_float),
        "slices": plan.slices - 1,
        "pause": plan.pause,
        "keep_parameters": int(weights_stay),
    }


def _weights(step: Pass, plan: LayerSchedule, tile: Tile) -> RowStream:
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


def _parameters(step: Pass, plan: LayerSchedule, tile: Tile) -> tuple[RowStream, RowStream]:
    """Biases and shifts, a row a group of neurons."""
    op, work = step.weighted, plan.work
    if op is None:
        return (once(np.zeros((0, tile.neurons), dtype=np.int64)),) * 2
    shape = (work.groups, plan.groups // work.groups * tile.neurons)
    biases = np.full(shape, nothing(tile.precision.activations), dtype=np.int64)
    shifts = np.zeros(shape, dtype=np.int64)
    if op.bias is not None:
        bias = to_codes(op.bias, tile.precision.activations) if tile.precision.is_float else op.bias
        biases[:, : work.outputs] = bias.reshape(work.groups, -1)
    if step.requantize is not None:
        shifts[:, : work.outputs] = np.resize(np.array(step.requantize.shift), (work.groups, work.outputs))
        _check_parameters(work.name, biases, shifts, work.wide, tile)
    repeats = 1 if plan.order == "weights stay" else work.positions

    def stream(values: Words) -> RowStream:
        return RowStream(values.reshape(plan.groups, tile.neurons), plan.groups, repeats)

    return stream(biases), stream(shifts)


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


def _counts(program: Program, step: Pass, plan: LayerSchedule) -> Words:
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


def _joined(slices: Words, bits: int) -> Words:
    """Signed words out of slices, least significant first: (rows, slices, neurons) to (rows, neurons)."""
    count = slices.shape[1]
    word = sum(slices[:, k].astype(object) << (bits * k) for k in range(count))
    sign = 1 << (bits * count - 1)
    return np.asarray((word ^ sign) - sign, dtype=np.int64)
