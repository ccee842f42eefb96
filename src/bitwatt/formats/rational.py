"""A rational number to the nearest integer of a format's grid, exactly.

Arrays are of int64, or of Python integers (dtype object) where int64 could overflow; both obey the same
operators, so that there is one formula.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwatt.formats.base import Format
from bitwatt.formats.fixed import Fixed

Integers = NDArray[Any]
"""An array of int64, or of Python integers."""


def nearest(numerator: Integers, denominator: Integers, format: Format) -> Integers:
    """The integer of `format` nearest to numerator / denominator, element by element.

    Of two equally near the one with the even code is taken; beyond the ends the result saturates.
    denominator: positive, of the same shape. Integers are in units of 2**unit_exponent.
    """
    if isinstance(format, Fixed):
        # In two's complement the code is even where the integer is.
        rounded = half_even(numerator, denominator)
        return np.asarray(np.clip(rounded, format.smallest_integer, format.largest_integer))
    table, upper_is_even = _grid(format)
    result = np.empty_like(numerator)
    for d in np.unique(denominator):
        here = denominator == d
        # n / d lies above the middle of two neighbours a < b where 2 n > (a + b) d.
        doubled = numerator[here].astype(object) * 2
        middles = (table[:-1] + table[1:]).astype(object) * int(d)
        below = np.searchsorted(middles, doubled, side="left")
        is_tie = np.searchsorted(middles, doubled, side="right") > below
        to_even = upper_is_even[np.minimum(below, len(middles) - 1)]
        result[here] = table[below + (is_tie & to_even)]
    return result


def half_even(numerator: Integers, denominator: Integers) -> Integers:
    """numerator / denominator rounded to the nearest integer, halves to the even one; denominator > 0."""
    floor = numerator // denominator
    remainder = numerator - floor * denominator
    up = (remainder * 2 > denominator) | ((remainder * 2 == denominator) & (floor % 2 == 1))
    return np.asarray(floor + up.astype(floor.dtype))


@lru_cache(maxsize=64)
def _grid(format: Format) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The format's integers, ascending; of each pair of neighbours, whether the upper one's code is even."""
    codes = format.codes()
    integers = format.integers(codes)
    order = np.argsort(integers, kind="stable")
    return integers[order], codes[order][1:] % 2 == 0
