"""The space of a search: network designs to train, and the tiles that each may run on, costed exactly.

A network is trained once whatever tile it runs on, so tiles are not sampled: every network is costed on every
tile, by a sweep.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from bitwatt.costing.least_tile import characterized_precisions, least_tile
from bitwatt.costing.sweeps import Sweep, sweep
from bitwatt.errors import RequestError
from bitwatt.formats import Precision, parse_precision
from bitwatt.hardware.tile import Tile
from bitwatt.hardware.workload import LayerWork
from bitwatt.program.program import Program
from bitwatt.study.search.plan import SearchPlan
from bitwatt.study.search.quantities import ACCURACY, COSTS, written
from bitwatt.study.tile_plan import TilePlan
from bitwatt.technology.technology import Technology, technology

FLOAT = "float32"

Shape = tuple[float, int]
"""Width and depth."""


@dataclass(frozen=True)
class Design:
    """A network to train: its width and depth, and its precision. depth 0: not a choice.

    layers: pattern and precision of the layers that have their own.
    """

    width: float
    depth: int
    precision: str
    layers: tuple[tuple[str, str], ...] = ()

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
    """Every design with its costs.

    works: the passes of the network at each shape, and the reference's. program: of a design, trained or not;
    asked for where layers have precisions of their own.
    """

    def __init__(
        self,
        plan: SearchPlan,
        works: Mapping[Shape, Sequence[LayerWork]],
        program: Callable[[Design], Program],
    ) -> None:
        self.plan = plan
        self._tech = technology(plan.technology)
        self.precisions = _precisions(plan, self._tech)
        self.weights = tuple(dict.fromkeys(one.weights for one in characterized_precisions(self._tech)))
        """The formats of weights that the technology knows: what single layers may have."""
        self._program = program
        self._own: dict[Design, list[TileCost]] = {}
        """What was added: designs of layers with precisions of their own."""
        names = {shape: f"{shape}" for shape in works}
        swept = self._sweep(
            {names[shape]: passes for shape, passes in works.items()},
            [FLOAT, *self.precisions],
            any(work.residual for passes in works.values() for work in passes),
            any(work.clip for passes in works.values() for work in passes),
        )
        self._swept = swept
        self.refused = dict(swept.refused)
        network, precision = swept.column("network"), swept.column("precision")
        self._places = {
            Design(shape[0], shape[1], name): np.flatnonzero((network == names[shape]) & (precision == name))
            for shape in works
            for name in (FLOAT, *self.precisions)
        }
        self._within = _within(plan, swept)
        self.designs = tuple(self._with_layers() if plan.layers else self._uniform())
        """Those of which some tile is possible and within the budget."""
        if not self.designs:
            raise RequestError(self._nothing())

    def add(self, design: Design) -> bool:
        """Cost a design some of whose layers have precisions of their own; whether it is within the budget.

        It is costed on the least tile that runs every layer. Raises `RequestError` where there is none, or
        for a pattern that matches no layer.
        """
        if design not in self._own:
            program, plan = self._program(design), self.plan
            shape = TilePlan(
                preset=plan.preset, synapses=plan.synapses[0], rows=plan.rows[0], buffers=plan.buffers[0]
            )
            least = least_tile(program, shape.tile(design.precision), self._tech)
            swept = self._sweep({"": program}, [least.precision], least.residual, least.clip)
            places = np.flatnonzero(_within(plan, swept))
            self._own[design] = [_tile_cost(swept, int(place)) for place in places]
        return bool(self._own[design])

    def tiles(self, design: Design) -> list[TileCost]:
        """The possible tiles of a design; only those within the budget, but for the float network."""
        if design.layers:
            return self._own[design]
        places = self._places[design]
        mask = self._swept.possible if design.precision == FLOAT else self._within
        return [_tile_cost(self._swept, int(place)) for place in places[mask[places]]]

    def costs(self, design: Design) -> dict[str, float]:
        """The costs on the tile that is least in the first cost of the objectives."""
        first = self.plan.costs[0]
        return dict(min(self.tiles(design), key=lambda found: found.costs[first]).costs)

    def _uniform(self) -> Iterator[Design]:
        return (design for design in self._asked() if self._within[self._places[design]].any())

    def _with_layers(self) -> Iterator[Design]:
        """Those whose layers have the plan's precisions. Raises `RequestError` where no tile runs any."""
        for design in self._asked():
            own = replace(design, layers=tuple(self.plan.layers.items()))
            try:
                within = self.add(own)
            except RequestError as error:
                self.refused[str(error)] = self.refused.get(str(error), 0) + 1
                continue
            if within:
                yield own
        if not self._own:
            raise RequestError(max(self.refused, key=lambda reason: self.refused[reason]))

    def _asked(self) -> Iterator[Design]:
        """Those of the plan, whether they meet the budget or not."""
        for (width, depth), name in product(shapes_of(self.plan), self.precisions):
            yield Design(width, depth, name)

    def _sweep(
        self,
        networks: Mapping[str, Program | Sequence[LayerWork]],
        precisions: Sequence[str | Precision],
        residual: bool,
        clip: bool,
    ) -> Sweep:
        plan = self.plan
        return sweep(
            networks,
            precisions,
            technologies=[self._tech],
            neurons=plan.neurons,
            synapses=plan.synapses,
            rows=plan.rows,
            buffers=plan.buffers,
            clock_gating=[plan.clock_gating],
            residual=[residual],
            clip=[clip],
            refused="mark",
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
        found = _tile_cost(self._swept, place)
        has = ", ".join(f"{name} {written(name, found.costs[name])}" for name in limits)
        return (
            f"no network of the space meets the budget "
            f"{', '.join(f'{name}={written(name, most)}' for name, most in limits.items())}. The nearest is "
            f"{network_name(self.plan.network, design)} at {design.precision} on {found.tile.neurons} "
            f"neurons: {has}. Allow more, or add widths, precisions or tiles"
        )


def _tile_cost(swept: Sweep, place: int) -> TileCost:
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


def network_name(network: str, design: Design) -> str:
    """The network at a width and depth, as a study names it: `lenet*0.5`, `module:function*0.5^3`."""
    width = "" if design.width == 1 else f"*{design.width:g}"
    return network + width + (f"^{design.depth}" if design.depth else "")


def _precisions(plan: SearchPlan, tech: Technology) -> tuple[str, ...]:
    """Those asked for, by their short names; `all` are those that the technology has characterised."""
    known = characterized_precisions(tech)
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
