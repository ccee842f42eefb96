"""Counts times unit costs: what one image costs on a tile.

Energy = sum over components of (events x energy per event) + clock energy + leakage x time, over the whole
tile, buffers included; traffic to outside memory is not part of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bitwatt.costing.breakdown import COMPONENTS, added, column_sums, on_common_grid
from bitwatt.costing.join import unit_costs
from bitwatt.costing.memory import memory_bytes
from bitwatt.costing.units import UnitCost
from bitwatt.hardware.schedule import LayerSchedule, Schedule, schedule
from bitwatt.hardware.tile import Tile
from bitwatt.program.program import Program
from bitwatt.technology.technology import Technology


@dataclass(frozen=True)
class Cost:
    """What one image costs. Energies in J, areas in mm2, power in W (the mean over the run), time in s.

    by_layer: one record a pass, with name, kind, order, macs, cycles, utilisation (share of the multipliers
    that work, 0 to 1), energy_j and energy_j_by_component. provenance: where each component's energies come
    from; area_provenance: and its area, which depends on no operands. Layers and components sum to the totals
    exactly.
    """

    cycles: int
    runtime_s: float
    energy_j: float
    power_w: float
    area_mm2: float
    memory_bytes: Mapping[str, int]
    energy_j_by_component: Mapping[str, float]
    area_mm2_by_component: Mapping[str, float]
    by_layer: tuple[Mapping[str, Any], ...]
    provenance: Mapping[str, str]
    area_provenance: Mapping[str, str]


def cost(program: Program, tile: Tile, technology: str | Technology = "nangate45") -> Cost:
    """The cost of one image of `program` on `tile`.

    technology: a built-in name or a `Technology`. Raises `RequestError` for an unknown name, a tile of
    another precision, or a layer that does not fit.
    """
    return cost_schedule(schedule(program, tile), technology)


def cost_schedule(plan: Schedule, technology: str | Technology = "nangate45") -> Cost:
    """As `cost`, of a schedule."""
    units = unit_costs(plan.tile, technology)
    energy = on_common_grid([_energy_cells(layer, plan.tile, units) for layer in plan.layers])
    by_component = column_sums(energy)
    area = on_common_grid([{name: units[name].area_mm2 for name in COMPONENTS}])[0]
    energy_j = sum(by_component.values())
    return Cost(
        cycles=plan.cycles,
        runtime_s=plan.runtime_s,
        energy_j=energy_j,
        power_w=energy_j / plan.runtime_s,
        area_mm2=sum(area.values()),
        memory_bytes=memory_bytes([layer.work for layer in plan.layers], plan.tile),
        energy_j_by_component=by_component,
        area_mm2_by_component=area,
        by_layer=tuple(
            _layer_record(layer, cells, plan.tile) for layer, cells in zip(plan.layers, energy, strict=True)
        ),
        provenance={name: unit.energy_provenance for name, unit in units.items()},
        area_provenance={name: unit.provenance for name, unit in units.items()},
    )


def _energy_cells(layer: LayerSchedule, tile: Tile, units: Mapping[str, UnitCost]) -> dict[str, float]:
    counts = event_counts(layer)
    cells = {
        name: added(counts[event] * joule for event, joule in units[name].event_j.items())
        for name in COMPONENTS
    }
    cells["clock"] = 0.0
    for name in COMPONENTS:
        clocked = clocked_cycles(name, layer, tile)
        cells["clock"] += units[name].clock_j * clocked + units[name].idle_clock_j * (layer.cycles - clocked)
    cells["leakage"] = added(units[name].leakage_w for name in COMPONENTS) * layer.cycles / tile.clock_hz
    return cells


def event_counts(layer: LayerSchedule) -> dict[str, int]:
    """The events of a pass by name; pooling as `max_pool` or `average_pool`, which cost differently."""
    counts: dict[str, int] = dict(vars(layer.events))
    folded = counts.pop("pool")
    return counts | {
        "max_pool": 0 if layer.work.average else folded,
        "average_pool": folded if layer.work.average else 0,
    }


def clocked_cycles(component: str, layer: LayerSchedule, tile: Tile) -> float:
    """Cycles of a pass in which the registers of a component are clocked.

    Without clock gating that is all of them. With it, the datapath is clocked while it works and the output
    stages when they take a result. The buffers' gated clocks are part of the energy of their events, and
    control is never gated.
    """
    if not tile.clock_gating:
        return layer.cycles
    if component in ("weight_blocks", "adder_trees", "accumulators"):
        return layer.busy if layer.work.kind == "weighted" else 0
    if component == "output_stages":
        return min(layer.cycles, (layer.events.output_stage + layer.events.pool) / tile.neurons)
    return layer.cycles


def _layer_record(layer: LayerSchedule, cells: Mapping[str, float], tile: Tile) -> dict[str, Any]:
    peak = layer.cycles * tile.neurons * tile.synapses
    return {
        "name": layer.work.name,
        "kind": layer.work.kind,
        "order": layer.order,
        "macs": layer.work.macs,
        "cycles": layer.cycles,
        "utilisation": layer.work.macs / peak,
        "energy_j": sum(cells.values()),
        "energy_j_by_component": dict(cells),
    }
