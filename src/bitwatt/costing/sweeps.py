"""Many design points at once: every network on every tile, equal to the scalar model on each.

A sweep does in arrays what `bitwatt.costing.cost` does for one program on one tile, in the same order of
operations, so that every figure is the same to the last bit; a property test holds them together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bitwatt.costing.breakdown import COMPONENTS, ENERGY_COMPONENTS
from bitwatt.costing.sweep_axes import TILE, Axes, Ints, axes_of
from bitwatt.costing.sweep_points import PointCosts, Tiles
from bitwatt.costing.sweep_schedule import KINDS, PassProbe, probe
from bitwatt.costing.sweep_units import UnitTables
from bitwatt.errors import RequestError, UnsupportedError
from bitwatt.formats import Precision
from bitwatt.hardware.tile import Tile
from bitwatt.hardware.workload import LayerWork, workload
from bitwatt.program.program import Program
from bitwatt.technology.technology import Technology

CHUNK = 4096
"""Tiles that are reckoned together: their arrays stay in the cache."""

_FLOATS = ("runtime_s", "energy_j", "power_w", "area_mm2")
_GROUPS: Mapping[str, tuple[str, ...]] = {
    "memory_bytes": ("weights", "biases", "activations_peak"),
    "energy_j_by_component": ENERGY_COMPONENTS,
    "area_mm2_by_component": COMPONENTS,
}


@dataclass(frozen=True)
class Sweep(PointCosts):
    """What one image of each network costs on each tile: arrays of one length, an element a point.

    Points are ordered by network, then by the tile's axes (`TILE`, the last varying fastest). Energies in J,
    areas in mm2, power in W, time in s, memory in bytes. possible: False for points that were refused, whose
    figures are NaN or 0; refused: why, and how many points each reason is for.
    """

    networks: tuple[str, ...]
    axes: Axes
    possible: NDArray[np.bool_]
    refused: Mapping[str, int]

    def __len__(self) -> int:
        return len(self.cycles)

    def point(self, index: int) -> tuple[str, Tile, Technology]:
        """Network, tile and technology of a point, as the scalar model takes them."""
        network, number = divmod(int(index), self.axes.tiles)
        tech, tile = self.axes.tile(number)
        return self.networks[network], tile, tech

    def column(self, name: str) -> NDArray[Any]:
        """What each point has on an axis: `network`, `technology`, `precision` (names), `neurons`, ..."""
        if name == "network":
            return np.repeat(np.array(self.networks), self.axes.tiles)
        values = self.axes.values[name]
        if name in ("technology", "precision"):
            values = tuple(value.name for value in values)
        of_tiles = np.asarray(values)[self.axes.indices(np.arange(self.axes.tiles))[name]]
        return np.tile(of_tiles, len(self.networks))

    def columns(self) -> dict[str, NDArray[Any]]:
        """Axes and figures by name, one array each: what `pandas.DataFrame` takes."""
        figures = {name: getattr(self, name) for name in ("possible", "cycles", *_FLOATS)}
        for group, names in _GROUPS.items():
            figures |= {f"{group}.{name}": getattr(self, group)[name] for name in names}
        return {**{name: self.column(name) for name in ("network", *TILE)}, **figures}


def sweep(
    networks: Mapping[str, Program | Sequence[LayerWork]],
    precisions: Sequence[str | Precision],
    *,
    technologies: Sequence[str | Technology] = ("nangate45",),
    neurons: Sequence[int] = (16,),
    synapses: Sequence[int] = (16,),
    rows: Sequence[int] = (64,),
    buffers: Sequence[str] = ("sram",),
    clock_gating: Sequence[bool] = (True,),
    clock_hz: Sequence[float] = (250e6,),
    fan_in: Sequence[int] = (8192,),
    residual: Sequence[bool] = (False,),
    clip: Sequence[bool] = (False,),
    refused: Literal["raise", "mark"] = "raise",
) -> Sweep:
    """The cost of every network on every combination of the others.

    networks: by name; a program stands for the shapes of its passes, whatever its own precision. The others
    are those of `bitwatt.Tile`. refused: what becomes of a point that the scalar model refuses (a tile that
    is not characterised, a layer that does not fit): "raise" its `RequestError`, or "mark" it.

    Raises `RequestError` also for an axis without values or a value that no tile has, `UnsupportedError` for
    a pass that is neither weighted nor pooling.
    """
    works = _works(networks)
    axes = axes_of(
        technologies,
        precisions,
        synapses=synapses,
        fan_in=fan_in,
        clock_gating=clock_gating,
        buffers=buffers,
        rows=rows,
        neurons=neurons,
        clock_hz=clock_hz,
        residual=residual,
        clip=clip,
    )
    kinds = axes.kinds()
    tiles_of_kinds = [tile for _, tile in kinds]
    tables = UnitTables(axes, kinds)
    probes: list[list[PassProbe]] = []
    reasons: list[dict[int, str]] = []
    for passes in works.values():
        found = [probe(work, tiles_of_kinds) for work in passes]
        probes.append([probed for probed, _ in found])
        # As the scalar model, which counts before it costs: a pass that does not fit comes first.
        reasons.append(dict(tables.refused) | {k: why[k] for _, why in reversed(found) for k in why})
        if reasons[-1] and refused == "raise":
            raise RequestError(reasons[-1][min(reasons[-1])])
    whole = _Whole(len(works), axes.tiles)
    for first in range(0, axes.tiles, CHUNK):
        numbers = np.arange(first, min(first + CHUNK, axes.tiles))
        tiles = Tiles(axes, tiles_of_kinds, tables, numbers)
        for place, passes in enumerate(works.values()):
            whole.put(place, first, tiles.cost(passes, probes[place]))
            whole.refuse(place, first, tiles.kind, reasons[place])
    return whole.sweep(tuple(works), axes)


def _works(networks: Mapping[str, Program | Sequence[LayerWork]]) -> dict[str, tuple[LayerWork, ...]]:
    if not networks:
        raise RequestError("a sweep needs at least one network, got none")
    works = {
        name: workload(one) if isinstance(one, Program) else tuple(one) for name, one in networks.items()
    }
    for name, passes in works.items():
        if not passes:
            raise RequestError(f"network '{name}' of the sweep has no pass")
        for work in passes:
            if work.kind not in KINDS:
                raise UnsupportedError(
                    f"network '{name}' of the sweep has a pass '{work.name}' ({work.kind})"
                )
    return works


class _Whole:
    """The figures of all points, filled network by network and run by run."""

    def __init__(self, networks: int, tiles: int) -> None:
        shape = (networks, tiles)
        self._figures: dict[str, NDArray[Any]] = {"cycles": np.zeros(shape, np.int64)}
        self._figures |= {name: np.zeros(shape) for name in _FLOATS}
        for group, names in _GROUPS.items():
            kind = np.int64 if group == "memory_bytes" else np.float64
            self._figures |= {f"{group}.{name}": np.zeros(shape, kind) for name in names}
        self._possible = np.ones(shape, dtype=np.bool_)
        self._refused: Counter[str] = Counter()

    def put(self, network: int, first: int, costs: PointCosts) -> None:
        """Keep what a network costs on a run of tiles from number `first` on."""
        run = slice(first, first + len(costs.cycles))
        for name, figures in self._figures.items():
            group, _, part = name.partition(".")
            found = getattr(costs, group)
            figures[network, run] = found[part] if part else found

    def refuse(self, network: int, first: int, kind: Ints, reasons: Mapping[int, str]) -> None:
        """Mark those of a run whose kind is refused."""
        for index, reason in reasons.items():
            at = first + np.flatnonzero(kind == index)
            if not len(at):
                continue
            self._refused[reason] += len(at)
            self._possible[network, at] = False
            for figures in self._figures.values():
                figures[network, at] = np.nan if figures.dtype == np.float64 else 0

    def sweep(self, networks: tuple[str, ...], axes: Axes) -> Sweep:
        """All of it."""
        figures: dict[str, Any] = {
            name: values.reshape(-1) for name, values in self._figures.items() if "." not in name
        }
        for group, names in _GROUPS.items():
            figures[group] = {name: self._figures[f"{group}.{name}"].reshape(-1) for name in names}
        possible = self._possible.reshape(-1)
        return Sweep(networks=networks, axes=axes, possible=possible, refused=dict(self._refused), **figures)
