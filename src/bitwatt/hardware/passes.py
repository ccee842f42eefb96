"""A program as what the tile's streams carry: descriptors, rows of weights, parameters and inputs, and back.

This is the part of whoever feeds the tile: it gathers windows in the order in which the control unit reads
them, and puts the rows that leave Bout back into feature maps.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwatt.hardware.codes import from_codes, lowest, nothing, to_codes
from bitwatt.hardware.parameters import mean_counts, output_options, parameter_rows, weight_rows
from bitwatt.hardware.schedule import LayerSchedule, pooling_kind, schedule
from bitwatt.hardware.streams import RowStream, Words, once
from bitwatt.hardware.tile import Tile
from bitwatt.hardware.windows import Position, convolution_windows, pooling_windows, positions
from bitwatt.hardware.workload import Pass, split_passes
from bitwatt.program import ops
from bitwatt.program.inference import ValueType
from bitwatt.program.program import Program

Descriptor = dict[str, "int | Descriptor"]


@dataclass(frozen=True, eq=False)
class TilePass:
    """One pass, ready to run.

    descriptor: fields of `rtl.layout.layer_descriptor`, nested by name. weights: rows of SB, code words
    (rows, neurons * synapses). biases: integers, or words of float32, and shifts: (rows, neurons). counts:
    elements of the window of each row of means, (rows,); empty without average pooling. All of them for one
    image. source, result: types of the values that it reads and makes.
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

    def residuals(self, values: NDArray[np.generic]) -> RowStream:
        """Rows of residuals for one image, code words (rows, neurons), one for each visit of a group of
        neurons.

        values: integers (or float32 numbers) that are added, of the shape in which the sums are computed.
        """
        work, plan, neurons = self.plan.work, self.plan, self.tile.neurons
        codes = to_codes(values, self.tile.precision.activations)
        if codes.ndim == 3 and self.step.weighted is not None:
            y, x = np.array(self._positions()).T
            flat = codes[:, y, x].T
        else:
            flat = codes.reshape(len(codes), -1).T
        lanes = self._lanes
        rows = np.zeros((work.positions, work.groups, plan.groups // work.groups * lanes), dtype=np.int64)
        rows[..., : work.outputs] = flat.reshape(work.positions, work.groups, -1)
        rows = rows.reshape(work.positions, plan.groups, lanes)
        padded = np.zeros((work.positions, plan.groups, neurons), dtype=np.int64)
        padded[..., :lanes] = rows
        if plan.order == "weights stay":
            padded = padded.swapaxes(0, 1)
        return once(padded.reshape(-1, neurons))

    def outputs(self, rows: Words) -> NDArray[np.generic]:
        """The integers (or float32 numbers) of the result, from the code words that left: (rows, neurons)."""
        activations = self.tile.precision.activations
        values: NDArray[np.generic]
        if self.plan.work.wide:
            values = _joined(rows.reshape(-1, self.plan.slices, self.tile.neurons), activations.bits)
        else:
            values = from_codes(rows, activations)
        return values.reshape(-1)[self._places]

    def output_rows(self, values: NDArray[np.generic]) -> tuple[Words, NDArray[np.bool_]]:
        """The inverse of `outputs`: rows, and which of their words stand for something; (rows, neurons) each.

        What the other words are, neurons that are left over, is of no account.
        """
        plan, neurons = self.plan, self.tile.neurons
        activations = self.tile.precision.activations
        codes = np.zeros((plan.events.bout_writes // plan.slices * neurons, plan.slices), dtype=np.int64)
        matter = np.zeros(codes.shape, dtype=np.bool_)
        matter[self._places] = True
        if plan.work.wide:
            cuts = activations.bits * np.arange(plan.slices)
            codes[self._places] = (values[..., None].astype(np.int64) >> cuts) & (2**activations.bits - 1)
        else:
            codes[self._places, 0] = to_codes(values, activations)

        def rows(grid: NDArray[np.generic]) -> NDArray[Any]:
            return grid.reshape(-1, neurons, plan.slices).swapaxes(1, 2).reshape(-1, neurons)

        return rows(codes), rows(matter)

    @cached_property
    def _places(self) -> Words:
        """For each element of the result, of its shape, its place among all words of all rows that leave.

        The slices of a wide word count as one.
        """
        work, plan, tile = self.plan.work, self.plan, self.tile
        lanes = self._lanes
        places: Words = np.arange(work.pooled_positions * plan.groups * tile.neurons).reshape(
            -1, tile.neurons
        )
        if plan.order == "weights stay":
            places = places.reshape(plan.groups, work.pooled_positions, tile.neurons).swapaxes(0, 1)
        places = places.reshape(work.pooled_positions, work.groups, -1, tile.neurons)[..., :lanes]
        places = places.reshape(work.pooled_positions, work.groups, -1)[:, :, : work.outputs]
        return places.reshape(work.pooled_positions, -1).T.reshape(self.result.shape)

    @property
    def _lanes(self) -> int:
        """Outputs that are computed at once."""
        tile = self.tile
        return tile.neurons if self.plan.work.kind == "weighted" else min(tile.neurons, tile.synapses)

    def _positions(self) -> list[Position]:
        """Places of the map that a convolution computes, in order."""
        height, width = self.result.shape[1:]
        return positions(height, width, self.step.pool.kernel if self.step.pool else (1, 1))

    def _window_rows(self, codes: Words) -> RowStream:
        op, plan, synapses = self.step.weighted, self.plan, self.tile.synapses
        if isinstance(op, ops.Conv2d):
            flat = convolution_windows(codes, op, self._positions())
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
    biases, shifts = parameter_rows(program, step, plan, tile)
    return TilePass(
        step=step,
        plan=plan,
        tile=tile,
        descriptor=_descriptor(step, plan, tile) | output_options(program, step, plan, tile),
        weights=weight_rows(step, plan, tile),
        biases=biases,
        shifts=shifts,
        counts=mean_counts(program, step, plan),
        source=program.types[step.input],
        result=program.types[step.output],
    )


def _descriptor(step: Pass, plan: LayerSchedule, tile: Tile) -> Descriptor:
    """The fields that every tile has."""
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


def _joined(slices: Words, bits: int) -> Words:
    """Signed words out of slices, least significant first: (rows, slices, neurons) to (rows, neurons)."""
    count = slices.shape[1]
    word = sum(slices[:, k].astype(object) << (bits * k) for k in range(count))
    sign = 1 << (bits * count - 1)
    return np.asarray((word ^ sign) - sign, dtype=np.int64)
