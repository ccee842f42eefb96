"""The space of a search: network designs to train, and the tiles that each may run on, costed exactly.

A network is trained once whatever tile it runs on, so tiles are not sampled: every network is costed on every
tile, by a sweep.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from bitwatt.costing.sweeps import Sweep, sweep
from bitwatt.errors import RequestError
from bitwatt.formats import Precision, parse_precision
from bitwatt.hardware.tile import Tile
from bitwatt.hardware.workload import LayerWork
from bitwatt.study.search.plan import SearchPlan
from bitwatt.study.search.quantities import ACCURACY, COSTS, written
from bitwatt.technology.technology import Technology, technology

FLOAT = "float32"

Shape = tuple[float, int]
"""Width and depth."""


@dataclass(frozen=True)
class Design:
    """A network to train: its width and depth, and the precision of all its layers. depth 0: not a choice."""

    width: float
    depth: int
    precision: str

    @property
    def shape(self) -> Shape:
        """Width and depth."""
        return self.width, self.depth


@dataclass(frozen=True)
class TileCost:
    """One tile of the space, and what an image of a network costs on it (`quantities.COSTS`)."""

    tile: Tile
    costs: Mapping[str, float]
    memory_bytes: Mapping[str, int]
    cycles: int
    by_component: Mapping[str, Mapping[str, float]]


REFERENCE = Design(1.0, 0, FLOAT)
"""The network as it is named, in float32: what others are measured by."""


def shapes_of(plan: SearchPlan) -> tuple[Shape, ...]:
    """Every width and depth of the space."""
    return tuple(product(plan.widths, plan.depths or (0,)))


class Space:
    """Every design with its costs. works: the passes of the network at each shape, and the reference's."""

    def __init__(self, plan: SearchPlan, works: Mapping[Shape, Sequence[LayerWork]]) -> None:
        self.plan = plan
        self._tech = technology(plan.technology)
        self.precisions = _precisions(plan, self._tech)
        names = {shape: f"{shape}" for shape in works}
        swept = sweep(
            {names[shape]: passes for shape, passes in works.items()},
            [FLOAT, *self.precisions],
            technologies=[self._tech],
            neurons=plan.neurons,
            synapses=plan.synapses,
            rows=plan.rows,
            buffers=plan.buffers,
            clock_gating=[plan.clock_gating],
            residual=[any(work.residual for passes in works.values() for work in passes)],
            clip=[any(work.clip for passes in works.values() for work in passes)],
            refused="mark",
        )
        self._swept = swept
        self.refused = swept.refused
        network, precision = swept.column("network"), swept.column("precision")
        self._places = {
            Design(shape[0], shape[1], name): np.flatnonzero((network == names[shape]) & (precision == name))
            for shape in works
            for name in (FLOAT, *self.precisions)
        }
        self._within = _within(plan, swept)
        self.designs = tuple(design for design in self._asked() if self._within[self._places[design]].any())
        """Those of which some tile is possible and within the budget."""
        if not self.designs:
            raise RequestError(self._nothing())

    def tiles(self, design: Design) -> list[TileCost]:
        """The possible tiles of a design; only those within the budget, but for the float network."""
        places = self._places[design]
        mask = self._swept.possible if design.precision == FLOAT else self._within
        return [self._tile_cost(int(place)) for place in places[mask[places]]]

    def costs(self, design: Design) -> dict[str, float]:
        """The costs on the tile that is least in the first cost of the objectives."""
        first = self.plan.costs[0]
        return dict(min(self.tiles(design), key=lambda found: found.costs[first]).costs)

    def _asked(self) -> Iterator[Design]:
        """Those of the plan, whether they meet the budget or not."""
        for (width, depth), name in product(shapes_of(self.plan), self.precisions):
            yield Design(width, depth, name)

    def _tile_cost(self, place: int) -> TileCost:
        swept = self._swept
        _, tile, _ = swept.point(place)
        return TileCost(
            tile=tile,
            costs={name: float(_figure(swept, name)[place]) for name in COSTS},
            memory_bytes={name: int(values[place]) for name, values in swept.memory_bytes.items()},
            cycles=int(swept.cycles[place]),
            by_component={
                "energy_j": {k: float(v[place]) for k, v in swept.energy_j_by_component.items()},
                "area_mm2": {k: float(v[place]) for k, v in swept.area_mm2_by_component.items()},
            },
        )

    def _nothing(self) -> str:
        if not self._swept.possible.any():
            reason = max(self._swept.refused, key=lambda text: self._swept.refused[text])
            return f"no tile of the search's space can be costed: {reason}"
        limits = {name: most for name, most in self.plan.budget.items() if name != ACCURACY}
        excess: NDArray[np.float64] = np.max(
            [_figure(self._swept, name) / most for name, most in limits.items()], axis=0
        )
        mine = np.concatenate([self._places[design] for design in self._asked()])
        place = int(mine[np.nanargmin(excess[mine])])
        design = next(design for design in self._asked() if place in self._places[design])
        found = self._tile_cost(place)
        has = ", ".join(f"{name} {written(name, found.costs[name])}" for name in limits)
        return (
            f"no network of the space meets the budget "
            f"{', '.join(f'{name}={written(name, most)}' for name, most in limits.items())}. The nearest is "
            f"{network_name(self.plan.network, design)} at {design.precision} on {found.tile.neurons} "
            f"neurons: {has}. Allow more, or add widths, precisions or tiles"
        )


def network_name(network: str, design: Design) -> str:
    """The network at a width and depth, as a study names it: `lenet*0.5`, `module:function*0.5^3`."""
    width = "" if design.width == 1 else f"*{design.width:g}"
    return network + width + (f"^{design.depth}" if design.depth else "")


def _precisions(plan: SearchPlan, tech: Technology) -> tuple[str, ...]:
    """Those asked for, by their short names; `all` are those that the technology has characterised."""
    pairs = [name.split("/")[1] for name in tech.table.blocks if name.startswith("output_stage/")]
    known: list[Precision] = [parse_precision(pair) for pair in dict.fromkeys(pairs)]
    found: dict[str, None] = {}
    for name in plan.precisions:
        for precision in known if name == "all" else [parse_precision(name)]:
            if not precision.is_float:
                found[str(precision)] = None
    if not found:
        raise RequestError(
            "search: precisions holds nothing but float32, which is what others are measured by"
        )
    return tuple(found)


def _figure(swept: Sweep, name: str) -> NDArray[np.float64]:
    if name == "memory":
        # Activations live in the same memory as nothing else here does, so that all three count.
        total = sum(swept.memory_bytes.values(), start=np.zeros(len(swept)))
        return np.where(swept.possible, total, np.nan)
    figure: NDArray[np.float64] = getattr(swept, COSTS[name].field)
    return figure


def _within(plan: SearchPlan, swept: Sweep) -> NDArray[np.bool_]:
    within = swept.possible.copy()
    for name, most in plan.budget.items():
        if name != ACCURACY:
            within &= _figure(swept, name) <= most
    return within
