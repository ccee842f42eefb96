"""Figures add up exactly, whatever the order."""

import random

from hypothesis import given
from hypothesis import strategies as st

from bitwatt.costing.breakdown import column_sums, on_common_grid

cells = st.floats(1e-18, 1e-3)


@given(
    st.lists(st.fixed_dictionaries({name: cells for name in "abcdefgh"}), min_size=1, max_size=30),
    st.randoms(),
)
def test_sums_are_exact_in_any_order(rows: list[dict[str, float]], order: random.Random) -> None:
    moved = on_common_grid(rows)
    total = sum(sum(row.values()) for row in moved)
    assert sum(column_sums(moved).values()) == total
    flat = [value for row in moved for value in row.values()]
    order.shuffle(flat)
    assert sum(flat) == total


@given(st.lists(st.fixed_dictionaries({name: cells for name in "abc"}), min_size=1, max_size=30))
def test_no_cell_moves_by_more_than_1e_15_of_the_total(rows: list[dict[str, float]]) -> None:
    total = sum(value for row in rows for value in row.values())
    for before, after in zip(rows, on_common_grid(rows), strict=True):
        assert all(abs(before[name] - after[name]) <= 1e-15 * total for name in before)


def test_plain_addition_of_such_numbers_is_not_exact() -> None:
    """So the test of exactness above can fail."""
    drawn = random.Random(0)
    rows = [{name: drawn.uniform(1e-12, 1e-6) for name in "abcdefgh"} for _ in range(30)]
    assert sum(sum(row.values()) for row in rows) != sum(column_sums(rows).values())


def test_nothing_is_nothing() -> None:
    assert on_common_grid([{"a": 0.0}]) == [{"a": 0.0}]
