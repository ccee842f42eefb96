import pytest

from bitwatt.report.interval import difference, wilson


def test_wilson_against_newcombes_worked_example() -> None:
    # R. G. Newcombe, Statistics in Medicine 17 (1998) 857-872, table I: 81 of 263, score method.
    low, high = wilson(81 / 263, 263)
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)


@pytest.mark.parametrize(
    ("hits", "count", "low", "high"),
    # The same table: 15 of 148, 0 of 20 and 1 of 29.
    [(15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_near_the_ends(hits: int, count: int, low: float, high: float) -> None:
    assert tuple(round(limit, 4) for limit in wilson(hits / count, count)) == (low, high)


def test_wilson_stays_within_0_and_1() -> None:
    assert wilson(1.0, 5)[1] == 1.0
    assert wilson(0.0, 5)[0] == 0.0


def test_difference_against_newcombes_worked_example() -> None:
    # Newcombe, Statistics in Medicine 17 (1998) 873-890, table II, (a) 56/70 less 48/80, method 10.
    low, high = difference(56 / 70, 70, 48 / 80, 80)
    assert (round(low, 4), round(high, 4)) == (0.0524, 0.3339)


def test_difference_changes_sign_with_the_order() -> None:
    low, high = difference(0.9, 100, 0.8, 200)
    assert difference(0.8, 200, 0.9, 100) == pytest.approx((-high, -low))
