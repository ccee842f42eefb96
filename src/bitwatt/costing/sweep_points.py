"""A run of tiles in arrays, and what one image of a network costs on each: counts times unit costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add

import numpy as np

from bitwatt.costing.breakdown import COMPONENTS, ENERGY_COMPONENTS, GRID_BITS
from bitwatt.costing.sweep_axes import Axes, Floats, Ints
from bitwatt.costing.sweep_schedule import PassCounts, PassProbe, TileShapes, clocked_cycles, count
from bitwatt.costing.sweep_units import EVENTS, Units, UnitTables
from bitwatt.hardware.tile import Tile
from bitwatt.hardware.widths import accumulator_bits
from bitwatt.hardware.workload import LayerWork


@dataclass(frozen=True)
class PointCosts:
    """Figures of one network on each of the tiles, as `bitwatt.costing.Cost` has them."""

    cycles: Ints
    runtime_s: Floats
    energy_j: Floats
    power_w: Floats
    area_mm2: Floats
    memory_bytes: Mapping[str, Ints]
    energy_j_by_component: Mapping[str, Floats]
    area_mm2_by_component: Mapping[str, Floats]


class Tiles:
    """Some of the tiles of `axes`, by their numbers, with their unit costs."""

    def __init__(self, axes: Axes, kinds: Sequence[Tile], tables: UnitTables, numbers: Ints) -> None:
        indices = axes.indices(numbers)
        kind = axes.kind(indices)
        self.kind = kind
        self._neurons = axes.column("neurons", indices)
        synapses = axes.column("synapses", indices)
        self._clock_hz = axes.column("clock_hz", indices)
        self._gated = axes.column("clock_gating", indices)
        self._weight_bits = np.array([tile.precision.weights.bits for tile in kinds])[kind]
        self._activation_bits = np.array([tile.precision.activations.bits for tile in kinds])[kind]
        self._bias_bits = np.array([accumulator_bits(tile.precision, tile.fan_in) for tile in kinds])[kind]
        self._shapes = TileShapes(
            kind=kind,
            neurons=self._neurons,
            synapses=synapses,
            rows=axes.column("rows", indices),
            bin_bits=synapses * self._activation_bits,
            sb_bits=self._neurons * synapses * self._weight_bits,
            is_float=np.array([tile.precision.is_float for tile in kinds])[kind],
        )
        self._units = tables.units(kind, indices["neurons"], self._neurons, synapses)
        self._leakage_w = reduce(add, (self._units[name].leakage_w for name in COMPONENTS))
        self._area = _on_grid([{name: self._units[name].area_mm2 for name in COMPONENTS}])[0]

    def cost(self, works: Sequence[LayerWork], probes: Sequence[PassProbe]) -> PointCosts:
        """What one image of a network costs on each."""
        counts = [count(work, self._shapes, found) for work, found in zip(works, probes, strict=True)]
        layers = _on_grid([self._energy(work, each) for work, each in zip(works, counts, strict=True)])
        energy = {name: reduce(add, (layer[name] for layer in layers)) for name in ENERGY_COMPONENTS}
        cycles = reduce(add, (each.cycles for each in counts))
        runtime_s = cycles / self._clock_hz
        energy_j = reduce(add, energy.values())
        return PointCosts(
            cycles=cycles,
            runtime_s=runtime_s,
            energy_j=energy_j,
            power_w=energy_j / runtime_s,
            area_mm2=reduce(add, self._area.values()),
            memory_bytes=self._memory(works),
            energy_j_by_component=energy,
            area_mm2_by_component=self._area,
        )

    def _energy(self, work: LayerWork, counts: PassCounts) -> dict[str, Floats]:
        """Energy of a pass by component, each sum in the order of `bitwatt.costing.model`."""
        cells = {name: _events_j(name, self._units[name], counts) for name in COMPONENTS}
        clock = np.zeros(len(counts.cycles))
        for name in COMPONENTS:
            unit, at_work = self._units[name], clocked_cycles(name, work, counts, self._neurons, self._gated)
            clock += unit.clock_j * at_work + unit.idle_clock_j * (counts.cycles - at_work)
        cells["clock"] = clock
        cells["leakage"] = self._leakage_w * counts.cycles / self._clock_hz
        return cells

    def _memory(self, works: Sequence[LayerWork]) -> dict[str, Ints]:
        alive = max(work.alive for work in works)
        own = sum(work.weights * work.weight_bits for work in works if work.weight_bits)
        bits = {
            "weights": own + sum(w.weights for w in works if not w.weight_bits) * self._weight_bits,
            "biases": sum(work.biases for work in works) * self._bias_bits,
            "activations_peak": alive * self._activation_bits,
        }
        return {name: -(-count // 8) for name, count in bits.items()}


def _events_j(name: str, unit: Units, counts: PassCounts) -> Floats:
    return reduce(add, (counts.events[event] * unit.event_j[event] for event in EVENTS[name]))


def _on_grid(cells: Sequence[Mapping[str, Floats]]) -> list[dict[str, Floats]]:
    """`bitwatt.costing.breakdown.on_common_grid` of every point."""
    total = reduce(add, (np.abs(value) for row in cells for value in row.values()))
    unit = np.frexp(total)[1] - GRID_BITS
    inward, outward = np.ldexp(1.0, -unit), np.ldexp(1.0, unit)
    return [{name: np.rint(value * inward) * outward for name, value in row.items()} for row in cells]
