"""Which points are chosen: against plain definitions, on drawn points."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bitwatt.hardware.tile import Tile
from bitwatt.study.search import SearchPlan
from bitwatt.study.search.front import Candidate, as_accurate, best, meets, nearest, pareto, savings
from bitwatt.study.search.space import Design, TileCost

PLAN = SearchPlan(network="lenet", data="mnist-small")


def candidate(accuracy: float, energy: float, area: float, neurons: int = 16) -> Candidate:
    costs = {"energy": energy, "area": area, "memory": 10 * energy, "time": 1.0, "power": 1.0}
    on = TileCost(Tile("fixed8", neurons=neurons), costs, {}, 1, {})
    return Candidate(Design(1.0, 0, "fixed8"), on, accuracy, {})


points = st.builds(candidate, st.integers(0, 4).map(lambda n: n / 4), st.integers(1, 5), st.integers(1, 5))


def dominates(one: Candidate, other: Candidate) -> bool:
    pairs = [
        (other.accuracy, one.accuracy),
        *((one.on.costs[n], other.on.costs[n]) for n in ("energy", "area")),
    ]
    return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)


@given(st.lists(points, min_size=1, max_size=12))
def test_the_front_is_what_nothing_dominates(found: list[Candidate]) -> None:
    front = pareto(found, PLAN.objectives)
    values = {(one.accuracy, one.amount("energy"), one.amount("area")) for one in front}
    assert len(values) == len(front)
    for one in found:
        on_front = (one.accuracy, one.amount("energy"), one.amount("area")) in values
        assert on_front == (not any(dominates(other, one) for other in found))


def test_the_best_is_the_most_accurate_or_the_cheapest_that_is_accurate_enough() -> None:
    found = [candidate(0.9, 3, 1), candidate(0.8, 2, 1), candidate(0.95, 9, 1), candidate(0.9, 4, 1)]
    plan = PLAN.model_copy(update={"budget": {"energy": 5.0}})
    assert best(found, plan) is found[0]
    plan = PLAN.model_copy(update={"budget": {"energy": 5.0, "accuracy": 0.75}})
    assert best(found, plan) is found[1]
    plan = PLAN.model_copy(update={"budget": {"energy": 1.0}})
    assert best(found, plan) is None
    assert nearest(found, plan.budget) is found[1]
    assert meets(found[1], {"energy": 2.0, "accuracy": 0.8})
    assert not meets(found[1], {"energy": 2.0, "accuracy": 0.81})


def test_at_equal_accuracy_the_cheapest() -> None:
    found = [candidate(0.9, 3, 1), candidate(0.9, 2, 3), candidate(0.8, 1, 1)]
    assert as_accurate(found, 0.85, "energy") is found[1]
    assert as_accurate(found, 0.85, "area") is found[0]
    assert as_accurate(found, 0.95, "energy") is None


def test_savings_are_against_the_same_shape_and_the_best_one() -> None:
    floats = [candidate(0.9, 100, 10, neurons=16).on, candidate(0.9, 80, 5, neurons=8).on]
    found = savings(candidate(0.9, 8, 2, neurons=16).on, floats)
    assert found == {"energy": 0.92, "area": 0.8, "memory": 0.92, "energy_of_best_float": 0.9}
