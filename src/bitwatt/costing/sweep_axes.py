"""The axes of a sweep: what may vary of a tile, and every combination of it as arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwatt.errors import RequestError
from bitwatt.formats import Precision, parse_precision
from bitwatt.hardware.tile import Tile
from bitwatt.technology.technology import Technology, technology

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

KIND = (
    "technology",
    "precision",
    "synapses",
    "fan_in",
    "clock_gating",
    "buffers",
    "rows",
    "residual",
    "clip",
)
"""Axes of which a component's unit costs are made, but for the number of its copies."""

TILE = (*KIND, "neurons", "clock_hz")
"""All axes but the network, the first varying slowest."""


@dataclass(frozen=True)
class Axes:
    """The values of each axis of `TILE`; the tiles are all their combinations, numbered in that order."""

    values: Mapping[str, tuple[Any, ...]]

    @property
    def shape(self) -> tuple[int, ...]:
        """How many values each axis has."""
        return tuple(len(self.values[name]) for name in TILE)

    @property
    def tiles(self) -> int:
        """How many combinations there are."""
        return prod(self.shape)

    def indices(self, numbers: Ints) -> dict[str, Ints]:
        """For each axis, which of its values each of the numbered tiles has."""
        return dict(zip(TILE, np.unravel_index(numbers, self.shape), strict=True))

    def column(self, name: str, indices: Mapping[str, Ints]) -> NDArray[Any]:
        """The values themselves, of a numeric axis."""
        return np.asarray(self.values[name])[indices[name]]

    def tile(self, number: int) -> tuple[Technology, Tile]:
        """One of them, as the scalar model takes it."""
        place = {name: int(index[0]) for name, index in self.indices(np.array([number])).items()}
        chosen = {name: self.values[name][index] for name, index in place.items()}
        return chosen.pop("technology"), Tile(**chosen)

    def kinds(self) -> list[tuple[Technology, Tile]]:
        """A tile of every kind, in their order; of the axes beyond `KIND` it has the first value."""
        chosen = product(*(self.values[name] for name in KIND))
        first = {name: self.values[name][0] for name in TILE[len(KIND) :]}
        return [
            (combination[0], Tile(**dict(zip(KIND[1:], combination[1:], strict=True)), **first))
            for combination in chosen
        ]

    def kind(self, indices: Mapping[str, Ints]) -> Ints:
        """Which of `kinds` each tile is of."""
        shape = self.shape[: len(KIND)]
        return np.ravel_multi_index(tuple(indices[name] for name in KIND), shape)


def axes_of(
    technologies: Sequence[str | Technology], precisions: Sequence[str | Precision], **others: Sequence[Any]
) -> Axes:
    """The axes, every value looked at: raises `RequestError` for one that no tile has, or an empty axis."""
    values: dict[str, tuple[Any, ...]] = {
        "technology": tuple(technology(one) if isinstance(one, str) else one for one in technologies),
        "precision": tuple(parse_precision(one) if isinstance(one, str) else one for one in precisions),
        **{name: tuple(chosen) for name, chosen in others.items()},
    }
    for name in TILE:
        if not values[name]:
            raise RequestError(f"a sweep needs at least one value of '{name}', got none")
    first = Tile(**{name: values[name][0] for name in TILE[1:]})
    for name in TILE[1:]:
        for value in values[name]:
            replace(first, **{name: value})
    values["clock_hz"] = tuple(float(clock) for clock in values["clock_hz"])
    return Axes(values)
