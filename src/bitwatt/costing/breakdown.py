"""Figures that add up: by layer, by component, and in total, exactly."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from math import frexp, ldexp
from operator import add

COMPONENTS = (
    "weight_blocks",
    "adder_trees",
    "accumulators",
    "output_stages",
    "bin",
    "bout",
    "sb",
    "control",
)
"""Parts of the tile that have an area."""

ENERGY_COMPONENTS = (*COMPONENTS, "clock", "leakage")
"""What the energy is divided into: the parts' own, the clock of all of them, the leakage of all of them."""

GRID_BITS = 50


def added(terms: Iterable[float]) -> float:
    """Their sum, one after the other: from Python 3.12 on `sum` compensates, and has other last bits."""
    return reduce(add, terms, 0.0)


def on_common_grid(cells: Sequence[Mapping[str, float]]) -> list[dict[str, float]]:
    """The cells, each moved to the nearest multiple of one power of two about 2**-50 of their sum.

    Sums of such numbers are exact in float64 whatever the order, so that rows and columns of a breakdown add
    up to one total to the last bit. A cell moves by less than 1e-15 of the total.
    """
    total = added(abs(value) for row in cells for value in row.values())
    if total == 0:
        return [dict(row) for row in cells]
    unit = frexp(total)[1] - GRID_BITS
    return [{name: ldexp(round(ldexp(value, -unit)), unit) for name, value in row.items()} for row in cells]


def column_sums(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Sum of each named column."""
    names = rows[0] if rows else {}
    return {name: sum(row[name] for row in rows) for name in names}
