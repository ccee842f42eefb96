"""The unit costs of many tiles at once: figures of a kind of tile, times the number of copies.

Each figure is taken from the scalar model (`bitwatt.costing.join`) and multiplied in its order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from bitwatt.costing.blocks import block_name, has_weight_block
from bitwatt.costing.breakdown import COMPONENTS
from bitwatt.costing.join import buffer_cost, unit_costs
from bitwatt.costing.sweep_axes import Axes, Floats, Ints
from bitwatt.errors import RequestError
from bitwatt.hardware.tile import Tile
from bitwatt.technology.technology import Technology

BLOCK_OF = {
    "weight_blocks": "weight_block",
    "adder_trees": "adder_tree",
    "accumulators": "accumulator",
    "output_stages": "output_stage",
}
"""The datapath's components, each so many copies of a block."""

BUFFERS = ("bin", "bout", "sb")

EVENTS: Mapping[str, tuple[str, ...]] = {
    **{component: (block,) for component, block in BLOCK_OF.items()},
    "output_stages": ("output_stage", "max_pool", "average_pool", "residual"),
    **{name: (f"{name}_reads", f"{name}_writes") for name in BUFFERS},
    "control": ("bin_reads",),
}
"""The events of each component, in the order in which the scalar model adds them."""


@dataclass(frozen=True)
class Units:
    """`bitwatt.costing.units.UnitCost` of one component on every tile; events by name, in `EVENTS`' order."""

    area_mm2: Floats
    leakage_w: Floats
    event_j: Mapping[str, Floats]
    clock_j: Floats
    idle_clock_j: Floats

    def of(self, index: Ints) -> Units:
        """Those of the tiles at an index."""
        return Units(
            self.area_mm2[index],
            self.leakage_w[index],
            {name: joule[index] for name, joule in self.event_j.items()},
            self.clock_j[index],
            self.idle_clock_j[index],
        )


class UnitTables:
    """Unit costs of every kind of tile, and of every buffer width that occurs.

    refused: the kinds whose blocks are not characterised, and what the scalar model says of them.
    """

    def __init__(self, axes: Axes, kinds: Sequence[tuple[Technology, Tile]]) -> None:
        self.refused: dict[int, str] = {}
        self._neurons = np.asarray(axes.values["neurons"], dtype=np.int64)
        usable = []
        for index, (tech, tile) in enumerate(kinds):
            try:
                unit_costs(tile, tech)
                usable.append(index)
            except RequestError as error:
                self.refused[index] = str(error)
        self._copies = {name: _copies(name, kinds, usable) for name in BLOCK_OF}
        self._control = _control(kinds, usable)
        self._buffers = {name: self._widths(name, kinds, usable) for name in BUFFERS}

    def units(self, kind: Ints, neuron: Ints, neurons: Ints, synapses: Ints) -> dict[str, Units]:
        """By component. kind, neuron: of each tile its kind, and its place on the axis of neurons."""
        found = {}
        for name, table in self._copies.items():
            each = table.of(kind)
            copies = neurons * synapses if name == "weight_blocks" else neurons
            found[name] = Units(
                copies * each.area_mm2 * 1e-6,
                copies * each.leakage_w,
                each.event_j,
                copies * each.clock_j,
                copies * each.idle_clock_j,
            )
        place = kind * len(self._neurons) + neuron
        found |= {name: table.of(place) for name, table in self._buffers.items()}
        found["control"] = self._control.of(kind)
        return {name: found[name] for name in COMPONENTS}

    def _widths(self, name: str, kinds: Sequence[tuple[Technology, Tile]], usable: Sequence[int]) -> Units:
        """Of each kind and number of neurons, the kind's slowest: the buffer's figures, each width once."""
        count = len(self._neurons)
        table = [np.zeros((len(kinds), count)) for _ in range(6)]
        for index in usable:
            tech, tile = kinds[index]
            width = {
                "bin": np.full(count, tile.bin_bits),
                "bout": self._neurons * tile.precision.activations.bits,
                "sb": self._neurons * tile.synapses * tile.precision.weights.bits,
            }[name]
            alone = Tile("fixed8", rows=tile.rows, buffers=tile.buffers, clock_gating=tile.clock_gating)
            each, places = np.unique(width, return_inverse=True)
            for column, figures in zip(table, _buffers(name, tuple(each.tolist()), alone, tech), strict=True):
                column[index] = figures[places]
        area, leakage, read, write, clock, idle = (column.reshape(-1) for column in table)
        return Units(area, leakage, dict(zip(EVENTS[name], (read, write), strict=True)), clock, idle)


@lru_cache(maxsize=2**10)
def _buffers(name: str, widths: tuple[int, ...], tile: Tile, tech: Technology) -> Floats:
    """The figures of a buffer at each width, (6, widths)."""
    return np.array([_buffer(name, width, tile, tech) for width in widths]).T


@lru_cache(maxsize=2**18)
def _buffer(name: str, width: int, tile: Tile, tech: Technology) -> tuple[float, ...]:
    unit = buffer_cost(name, width, tile, tech)
    read, write = (unit.event_j[event] for event in EVENTS[name])
    return unit.area_mm2, unit.leakage_w, read, write, unit.clock_j, unit.idle_clock_j


def _copies(name: str, kinds: Sequence[tuple[Technology, Tile]], usable: Sequence[int]) -> Units:
    """Of each kind one copy of a component's block, its area in um2."""
    table = {field: np.zeros(len(kinds)) for field in ("area", "leakage", "clock", "idle", *EVENTS[name])}
    for index in usable:
        tech, tile = kinds[index]
        if name == "weight_blocks" and not has_weight_block(tile.precision):
            continue
        block = tech.table.block(block_name(BLOCK_OF[name], tile))
        idle = block
        if tile.clock_gating:
            idle = tech.table.block(f"{block_name(BLOCK_OF[name], tile)}/idle")
        events = unit_costs(tile, tech)[name].event_j
        figures = (block.area_um2, block.leakage_w, block.clock_energy_j, idle.clock_energy_j)
        for field, figure in zip(
            table, (*figures, *(events.get(event, 0.0) for event in EVENTS[name])), strict=True
        ):
            table[field][index] = figure
    return Units(
        table["area"],
        table["leakage"],
        {event: table[event] for event in EVENTS[name]},
        table["clock"],
        table["idle"],
    )


def _control(kinds: Sequence[tuple[Technology, Tile]], usable: Sequence[int]) -> Units:
    table = np.zeros((5, len(kinds)))
    (event,) = EVENTS["control"]
    for index in usable:
        tech, tile = kinds[index]
        unit = unit_costs(tile, tech)["control"]
        table[:, index] = unit.area_mm2, unit.leakage_w, unit.event_j[event], unit.clock_j, unit.idle_clock_j
    area, leakage, joule, clock, idle = table
    return Units(area, leakage, {event: joule}, clock, idle)
