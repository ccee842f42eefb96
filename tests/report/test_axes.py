from collections.abc import Callable
from typing import Any

import pytest

from bitwatt.report.axes import accuracy_axis, energy_axis, nice_step
from bitwatt.report.facts import facts
from bitwatt.report.rows import Row

Make = Callable[..., dict[str, Any]]


@pytest.fixture
def rows(make_results: Make, make_point: Make) -> Callable[..., tuple[Row, ...]]:
    def make(*points: tuple[int, float]) -> tuple[Row, ...]:
        names = ["float32", "fixed16", "fixed8", "fixed4"]
        records = make_results(*(make_point(n, c, e) for n, (c, e) in zip(names, points, strict=False)))
        return facts(records).groups[0].rows

    return make


def test_energy_is_logarithmic(rows: Callable[..., tuple[Row, ...]]) -> None:
    axis = energy_axis(rows((1960, 1e-5), (1960, 1e-6)))
    assert axis.at(axis.low) == 0
    assert axis.at(axis.high) == pytest.approx(1)
    assert axis.at(1e-5) - axis.at(2e-6) == pytest.approx(axis.at(5e-6) - axis.at(1e-6))
    assert [text for _, text in axis.ticks()] == ["1", "2", "5", "10"]
    assert axis.unit.symbol == "µJ"


def test_many_decades_get_a_tick_each(rows: Callable[..., tuple[Row, ...]]) -> None:
    axis = energy_axis(rows((1960, 1e-3), (1960, 1e-7)))
    assert [round(value / 1e-9) for value, _ in axis.ticks()] == [100, 1000, 10_000, 100_000, 1_000_000]


def test_one_point_still_has_ticks(rows: Callable[..., tuple[Row, ...]]) -> None:
    axis = energy_axis(rows((1960, 1.7e-6)))
    assert [text for _, text in axis.ticks()] == ["1.5", "2"]
    assert axis.at(1.7e-6) == pytest.approx(0.5)


def test_no_energy_at_all_is_drawn_nowhere_but_does_not_fail(rows: Callable[..., tuple[Row, ...]]) -> None:
    assert energy_axis(rows((1960, 0.0))).low > 0


def test_near_accuracies_are_linear_and_hold_their_intervals(rows: Callable[..., tuple[Row, ...]]) -> None:
    found = rows((1960, 1e-5), (1940, 1e-6))
    axis = accuracy_axis(found)
    assert not axis.stretched
    assert all(0 < axis.at(r.accuracy.low) < axis.at(r.accuracy.high) < 1 for r in found)
    assert axis.at(0.98) - axis.at(0.975) == pytest.approx(axis.at(0.975) - axis.at(0.97))
    assert [text for _, text in axis.ticks()] == ["96.5", "97.0", "97.5", "98.0", "98.5"]


def test_a_collapsed_row_stretches_the_axis(rows: Callable[..., tuple[Row, ...]]) -> None:
    axis = accuracy_axis(rows((1980, 1e-5), (1976, 1e-6), (200, 1e-7)))
    assert axis.stretched
    # The last two percent take as much room as the first eighty: 99 to 98 is a factor of 2 in errors.
    assert axis.at(0.99) - axis.at(0.98) == pytest.approx(axis.at(0.5) - axis.at(0.0), rel=0.01)
    assert [text for _, text in axis.ticks()] == ["20", "50", "80", "90", "95", "98", "99"]


def test_nothing_wrong_is_still_on_the_axis(rows: Callable[..., tuple[Row, ...]]) -> None:
    for found in (rows((2000, 1e-5)), rows((2000, 1e-5), (200, 1e-6))):
        axis = accuracy_axis(found)
        assert 0 <= axis.at(1.0) <= 1


@pytest.mark.parametrize(("span", "step"), [(2.0, 0.5), (6.0, 1.0), (7.0, 2.0), (0.5, 0.1), (100.0, 20.0)])
def test_nice_steps(span: float, step: float) -> None:
    assert nice_step(span, 6) == pytest.approx(step)
