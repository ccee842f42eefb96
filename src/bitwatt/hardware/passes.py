"""A program as what its streams carry: descriptors, rows of weights, parameters and inputs, and back.

This is the part of whoever feeds the tile: it gathers windows in the order in which the control unit reads
them, and puts the rows that leave Bout back into feature maps. Code words throughout.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from bitwatt.errors import RequestError
from bitwatt.formats import Float32, Format
from bitwatt.hardware.pooling import Pooling
from bitwatt.hardware.schedule import LayerSchedule, schedule
from bitwatt.hardware.tile import Tile
from bitwatt.hardware.widths import LARGEST_WINDOW, LEFT_SHIFTS, accumulator_bits
from bitwatt.hardware.workload import Pass, split_passes
from bitwatt.program import ops
from bitwatt.program.inference import ValueType
from bitwatt.program.program import Program
from bitwatt.program.reference import windows

Words = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class TilePass:
    """One pass, ready to run.

    descriptor: fields of `rtl.tile.LAYER_DESCRIPTOR`, nested by name. sb_rows: code words (rows, neurons *
    synapses) in stream order, for one image. biases, shifts: (rows, neurons) in stream order. counts:
    elements of the window of each row of means, (rows,); empty without average pooling.
    """

    step: Pass
    plan: LayerSchedule
    descriptor: dict[str, object]
    sb_rows: Words
    biases: NDArray[np.generic]
    shifts: Words
    counts: Words
    source: ValueType
    result: ValueType
    tile: Tile

    def bin_rows(self, inputs: NDArray[np.generic]) -> Words:
        """Rows of Bin for one image in stream order: code words (rows, synapses).

        inputs: integers (or float32 numbers) of the pass's input value, of its shape, feature maps as
        (channels, height, width).
        """
        codes = to_codes(inputs, self.tile.precision.activations)
        if self.step.weighted is None:
            return self._pooled_rows(codes)
        windows = self._windows(codes)  # (groups of channels, positions, depth, synapses)
        of_group = _neuron_groups(self.plan, self.tile)
        if self.plan.order == "weights stay":
            rows = windows[of_group]
        elif _bin_held(self.plan, self.tile):
            rows = windows[0]
        else:
            rows = windows[of_group].swapaxes(0, 1)
        return rows.reshape(-1, self.tile.synapses)

    def outputs(self, rows: Words) -> NDArray[np.generic]:
        """The integers (or float32 numbers) of the pass's output value, from the rows that left: (rows, neurons)."""
        work, tile = self.plan.work, self.tile
        slices = int(self.plan.events.bout_writes // max(self._groups() * work.pooled_positions, 1))
        if slices > 1 or self._is_wide():
            values = _joined(rows.reshape(-1, slices, tile.neurons), tile.precision.activations.bits)
        else:
            values = from_codes(rows, tile.precision.activations)
        if self.step.weighted is not None and self.plan.order == "weights stay":
            values = values.reshape(self._groups(), work.pooled_positions, tile.neurons).swapaxes(0, 1)
        lanes = tile.neurons if self.step.weighted is not None else min(tile.neurons, tile.synapses)
        values = values.reshape(work.pooled_positions, work.groups, -1, tile.neurons)[..., :lanes]
        values = values.reshape(work.pooled_positions, work.groups, -1)[:, :, : work.outputs]
        return values.reshape(work.pooled_positions, -1).T.reshape(self.result.shape)

    def _is_wide(self) -> bool:
        return bool(self.descriptor["wide"])

    def _groups(self) -> int:
        if self.step.weighted is None:
            return -(-self.plan.work.outputs // min(self.tile.neurons, self.tile.synapses))
        return len(_neuron_groups(self.plan, self.tile))

    def _windows(self, codes: Words) -> Words:
        """Input windows (groups of channels, positions, depth, synapses), zeros behind each window's end."""
        op, tile = self.step.weighted, self.tile
        if isinstance(op, ops.Conv2d):
            flat = _convolution_windows(codes, op, list(self._positions()))
        else:
            flat = codes.reshape(1, 1, -1)
        depth = -(-flat.shape[-1] // tile.synapses)
        padded = np.zeros((*flat.shape[:2], depth * tile.synapses), dtype=np.int64)
        padded[..., : flat.shape[-1]] = flat
        return padded.reshape(*flat.shape[:2], depth, tile.synapses)

    def _positions(self) -> Iterator[tuple[int, int]]:
        """Places at which outputs are computed, one pooling window after the other."""
        height, width = self.result.shape[1:]
        kernel = self.step.pool.kernel if self.step.pool else (1, 1)
        for y, x, ky, kx in product(range(height), range(width), range(kernel[0]), range(kernel[1])):
            yield y * kernel[0] + ky, x * kernel[1] + kx

    def _pooled_rows(self, codes: Words) -> Words:
        """Rows of a pooling pass: for each place, for each group of channels, the window's elements.

        Elements outside the map are the least value for a maximum, zero for a mean.
        """
        tile, activations = self.tile, self.tile.precision.activations
        lanes = min(tile.neurons, tile.synapses)
        groups = self._groups()
        flat = codes.reshape(codes.shape[0], 1, -1) if codes.ndim == 1 else codes
        pool = self.step.pool
        if pool is None:
            windows = flat.reshape(flat.shape[0], -1, 1)
        else:
            outside = 0
            if isinstance(pool, ops.MaxPool2d):
                outside = int(to_codes(np.array(lowest(activations)), activations))
            windows = _pooling_windows(flat, pool, self.result.shape, outside)
        channels, places, size = windows.shape
        rows = np.zeros((places, groups, size, tile.synapses), dtype=np.int64)
        padded = np.zeros((groups * lanes, places, size), dtype=np.int64)
        padded[:channels] = windows
        rows[..., :lanes] = padded.reshape(groups, lanes, places, size).transpose(2, 0, 3, 1)
        return rows.reshape(-1, tile.synapses)


def compile_passes(program: Program, tile: Tile) -> tuple[TilePass, ...]:
    """A program's passes on a tile. Raises `RequestError` for what this tile cannot run, naming the layer."""
    plan = schedule(program, tile)
    return tuple(
        _compile(program, step, layer, tile) for step, layer in zip(split_passes(program), plan.layers, strict=True)
    )


def to_codes(values: NDArray[np.generic], activations: Format) -> Words:
    """Code words of integers of a format's grid, or of float32 numbers."""
    if isinstance(activations, Float32):
        return np.asarray(values, dtype=np.float32).view(np.uint32).astype(np.int64)
    return activations.encode(np.ldexp(np.asarray(values, dtype=np.float64), activations.unit_exponent))


def from_codes(codes: Words, activations: Format) -> NDArray[np.generic]:
    """The integers, or float32 numbers, of code words."""
    if isinstance(activations, Float32):
        return codes.astype(np.uint32).view(np.float32)
    return activations.integers(codes)


def lowest(activations: Format) -> float:
    """What never wins a maximum: the least integer, or minus infinity."""
    return float("-inf") if isinstance(activations, Float32) else float(activations.smallest_integer)


def _compile(program: Program, step: Pass, plan: LayerSchedule, tile: Tile) -> TilePass:
    work = plan.work
    if work.average and work.window > LARGEST_WINDOW:
        raise RequestError(
            f"layer '{step.pool.name if step.pool else step.name}' averages {work.window} elements; "
            f"the tile's output stage divides by {LARGEST_WINDOW} at most"
        )
    pooling = Pooling.NONE if work.window == 1 else Pooling.AVERAGE if work.average else Pooling.MAX
    of_group = _neuron_groups(plan, tile)
    depth = -(-work.reduction // tile.synapses) if step.weighted is not None else work.window
    groups = len(of_group) if step.weighted is not None else -(-work.outputs // min(tile.neurons, tile.synapses))
    weights_stay = plan.order == "weights stay"
    outer, inner = (groups, work.positions) if weights_stay else (work.positions, groups)
    slices = plan.events.bout_writes // (work.pooled_positions * groups)
    pooling_pass = step.weighted is None
    descriptor: dict[str, object] = {
        "loops": {
            "outer": outer - 1,
            "inner": inner - 1,
            # A pooling pass reads a window's rows one by one: each is a visit of its own.
            "depth": 0 if pooling_pass else depth - 1,
            "window": work.window - 1,
            "bin_hold": _hold(_bin_held(plan, tile), weights_stay),
            "sb_hold": _sb_hold(plan, groups, depth, tile),
            "uses_sb": 0 if pooling_pass else 1,
        },
        "from_buffer": int(pooling_pass),
        "relu": int(step.relu),
        "pooling": int(pooling),
        "wide": int(work.wide and not tile.precision.is_float),
        "slices": slices - 1,
        "keep_parameters": int(weights_stay),
    }
    if pooling_pass:
        descriptor["loops"] |= {"outer": work.positions - 1, "inner": groups * work.window - 1}  # type: ignore[operator]
    sb_rows, biases, shifts = _weight_rows(step, plan, of_group, depth, tile)
    return TilePass(
        step=step,
        plan=plan,
        descriptor=descriptor,
        sb_rows=sb_rows,
        biases=biases,
        shifts=shifts,
        counts=_counts(program, step, groups, weights_stay),
        source=program.types[step.input],
        result=program.types[step.output],
        tile=tile,
    )


def _hold(held: bool, weights_stay: bool) -> int:
    """Bin keeps a window for all groups where inputs stay: `control.Hold`."""
    return 1 if held and not weights_stay else 0


def _sb_hold(plan: LayerSchedule, groups: int, depth: int, tile: Tile) -> int:
    """SB keeps a group's rows for all positions, or all groups' rows for the whole layer: `control.Hold`."""
    if plan.order == "weights stay":
        return 1 if depth <= tile.rows else 0
    return 2 if groups * depth <= tile.rows else 0


def _bin_held(plan: LayerSchedule, tile: Tile) -> bool:
    depth = -(-plan.work.reduction // tile.synapses)
    return plan.work.groups == 1 and depth <= tile.rows and plan.work.kind == "weighted"


def _neuron_groups(plan: LayerSchedule, tile: Tile) -> NDArray[np.intp]:
    """The group of channels that each group of neurons reads."""
    return np.repeat(np.arange(plan.work.groups), -(-plan.work.outputs // tile.neurons))


def _weight_rows(
    step: Pass, plan: LayerSchedule, of_group: NDArray[np.intp], depth: int, tile: Tile
) -> tuple[Words, NDArray[np.generic], Words]:
    op, work = step.weighted, plan.work
    if op is None:
        empty = np.zeros((0, tile.neurons), dtype=np.int64)
        return np.zeros((0, tile.neurons * tile.synapses), dtype=np.int64), empty, empty
    per_group = len(of_group) // work.groups
    shape = (work.groups, work.outputs, -1)
    # A window is read kernel row by kernel row, channels fastest.
    matrix = op.weight.transpose(0, 2, 3, 1) if isinstance(op, ops.Conv2d) else op.weight
    codes = to_codes(matrix, tile.precision.weights).reshape(shape)
    rows = np.zeros((work.groups, per_group * tile.neurons, depth * tile.synapses), dtype=np.int64)
    rows[:, : work.outputs, : codes.shape[-1]] = codes
    rows = rows.reshape(len(of_group), tile.neurons, depth, tile.synapses).swapaxes(1, 2)
    rows = rows.reshape(len(of_group), depth, -1)

    dtype = np.float32 if tile.precision.is_float else np.int64
    biases = np.zeros((work.groups, per_group * tile.neurons), dtype=dtype)
    if op.bias is not None:
        biases[:, : work.outputs] = op.bias.reshape(work.groups, -1)
    shifts = np.zeros((work.groups, per_group * tile.neurons), dtype=np.int64)
    if step.requantize is not None:
        shift = np.broadcast_to(np.array(step.requantize.shift), work.groups * work.outputs)
        if shift.min() < -LEFT_SHIFTS or shift.max() > accumulator_bits(tile.precision, tile.fan_in):
            raise RequestError(
                f"layer '{step.name}' shifts by {shift.min()} to {shift.max()}; the tile's output stage shifts "
                f"by {-LEFT_SHIFTS} to {accumulator_bits(tile.precision, tile.fan_in)}"
            )
        shifts[:, : work.outputs] = shift.reshape(work.groups, -1)
    biases, shifts = biases.reshape(len(of_group), -1), shifts.reshape(len(of_group), -1)

    if plan.order == "weights stay":
        repeats = 1 if depth <= tile.rows else work.positions
        rows = np.repeat(rows, repeats, axis=0).reshape(-1, rows.shape[-1])
        return rows, biases, shifts
    rows = rows.reshape(-1, rows.shape[-1])
    once = len(of_group) * depth <= tile.rows
    rows = np.tile(rows, (1 if once else work.positions, 1))
    return rows, np.tile(biases, (work.positions, 1)), np.tile(shifts, (work.positions, 1))


def _counts(program: Program, step: Pass, groups: int, weights_stay: bool) -> Words:
    """Elements of each window of means, in the order in which their rows leave."""
    pool = step.pool
    if not isinstance(pool, ops.AvgPool2d):
        return np.zeros(0, dtype=np.int64)
    blank = np.zeros((1, 1, *program.types[pool.input].shape[1:]), dtype=np.int64)
    counts = np.array([count for _, _, count in windows(pool, blank)])
    return np.tile(counts, groups) if weights_stay else np.repeat(counts, groups)


def _convolution_windows(codes: Words, op: ops.Conv2d, positions: list[tuple[int, int]]) -> Words:
    """(groups, positions, kernel rows * columns * channels of a group)."""
    padded = np.pad(codes, ((0, 0), (op.padding[0],) * 2, (op.padding[1],) * 2))
    height, width = op.weight.shape[2:]
    y = np.array([p[0] for p in positions])[:, None, None] * op.stride[0]
    x = np.array([p[1] for p in positions])[:, None, None] * op.stride[1]
    rows = y + (np.arange(height) * op.dilation[0])[None, :, None]
    columns = x + (np.arange(width) * op.dilation[1])[None, None, :]
    gathered = padded.reshape(op.groups, -1, *padded.shape[1:])[:, :, rows, columns]
    return gathered.transpose(0, 2, 3, 4, 1).reshape(op.groups, len(positions), -1)


def _pooling_windows(codes: Words, pool: ops.Pool, shape: tuple[int, ...], outside: int) -> Words:
    """(channels, places, elements of a window)."""
    channels, height, width = codes.shape
    bottom = (shape[1] - 1) * pool.stride[0] + pool.kernel[0]
    right = (shape[2] - 1) * pool.stride[1] + pool.kernel[1]
    padded = np.full((channels, max(bottom, height + pool.padding[0]), max(right, width + pool.padding[1])), outside)
    padded[:, pool.padding[0] : pool.padding[0] + height, pool.padding[1] : pool.padding[1] + width] = codes
    rows = (np.arange(shape[1]) * pool.stride[0])[:, None, None, None] + np.arange(pool.kernel[0])[:, None]
    columns = (np.arange(shape[2]) * pool.stride[1])[None, :, None, None] + np.arange(pool.kernel[1])
    return padded[:, rows, columns].reshape(channels, shape[1] * shape[2], -1)


def _joined(slices: Words, bits: int) -> Words:
    """Signed words out of slices, least significant first: (rows, slices, neurons) to (rows, neurons)."""
    count = slices.shape[1]
    word = sum(slices[:, k].astype(object) << (bits * k) for k in range(count))
    sign = 1 << (bits * count - 1)
    return np.asarray((word ^ sign) - sign, dtype=np.int64)
