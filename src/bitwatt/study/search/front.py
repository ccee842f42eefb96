"""Which points are worth naming: the front, the best under the budget, and what equals float's accuracy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bitwatt.study.search.plan import SearchPlan
from bitwatt.study.search.quantities import ACCURACY
from bitwatt.study.search.space import Design, TileCost

SAVED = ("energy", "area", "memory")


@dataclass(frozen=True)
class Candidate:
    """A trained network on a tile. accuracy: on the validation images. record: of its training."""

    design: Design
    on: TileCost
    accuracy: float
    record: Mapping[str, Any]

    def amount(self, name: str) -> float:
        """What it has of an objective."""
        return self.accuracy if name == ACCURACY else self.on.costs[name]


def pareto(candidates: Sequence[Candidate], objectives: Sequence[str]) -> list[Candidate]:
    """Those that no other one equals or betters in everything; of equals the first. By falling accuracy."""
    table = np.array([[_small(candidate, name) for name in objectives] for candidate in candidates]).reshape(
        len(candidates), len(objectives)
    )
    kept = []
    for index, row in enumerate(table):
        no_worse = np.all(table <= row, axis=1)
        better = no_worse & np.any(table < row, axis=1)
        equals = no_worse & ~better
        if not better.any() and not equals[:index].any():
            kept.append(candidates[index])
    first = next(name for name in objectives if name != ACCURACY)
    return sorted(kept, key=lambda one: (-one.accuracy, one.amount(first)))


def best(candidates: Sequence[Candidate], plan: SearchPlan) -> Candidate | None:
    """The best within the budget: the cheapest where it names an accuracy, else the most accurate."""
    within = [one for one in candidates if meets(one, plan.budget)]
    first = plan.costs[0]
    if ACCURACY in plan.budget:
        return min(within, key=lambda one: (one.amount(first), -one.accuracy), default=None)
    return min(within, key=lambda one: (-one.accuracy, one.amount(first)), default=None)


def meets(candidate: Candidate, budget: Mapping[str, float]) -> bool:
    """Whether a point is within every limit of the budget."""
    return all(excess <= 0 for excess in excesses(candidate.accuracy, candidate.on.costs, budget).values())


def excesses(accuracy: float, costs: Mapping[str, float], budget: Mapping[str, float]) -> dict[str, float]:
    """By which share each limit is exceeded; negative where it is kept."""
    return {
        name: (limit - accuracy) / limit if name == ACCURACY else costs[name] / limit - 1
        for name, limit in budget.items()
    }


def nearest(candidates: Sequence[Candidate], budget: Mapping[str, float]) -> Candidate:
    """The one whose worst excess is least."""
    return min(candidates, key=lambda one: max(excesses(one.accuracy, one.on.costs, budget).values()))


def as_accurate(candidates: Sequence[Candidate], accuracy: float, cost: str) -> Candidate | None:
    """The cheapest, in one cost, of those that reach an accuracy."""
    reach = [one for one in candidates if one.accuracy >= accuracy]
    return min(reach, key=lambda one: (one.amount(cost), -one.accuracy), default=None)


def savings(ours: TileCost, floats: Sequence[TileCost]) -> dict[str, float]:
    """Shares of energy, area and memory saved against the float network on a tile of the same shape.

    energy_of_best_float: against the float network on whichever tile of the space costs it least energy.
    """
    same = next(one for one in floats if _shape(one) == _shape(ours))
    least = min(one.costs["energy"] for one in floats)
    return {
        **{name: 1 - ours.costs[name] / same.costs[name] for name in SAVED},
        "energy_of_best_float": 1 - ours.costs["energy"] / least,
    }


def _shape(one: TileCost) -> tuple[object, ...]:
    return one.tile.neurons, one.tile.synapses, one.tile.rows, one.tile.buffers


def _small(candidate: Candidate, name: str) -> float:
    return -candidate.accuracy if name == ACCURACY else candidate.on.costs[name]
