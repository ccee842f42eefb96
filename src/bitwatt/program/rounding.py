"""The one rounding of a program, of integers that are shifted; see `bitwatt.formats.rational`."""

from __future__ import annotations

import numpy as np

from bitwatt.formats import Format
from bitwatt.formats.rational import Integers, half_even, nearest

__all__ = ["Integers", "half_even", "nearest", "nearest_integer", "shifted"]


def shifted(values: Integers, shift: Integers) -> tuple[Integers, Integers]:
    """values * 2**-shift as numerator and denominator, both of values' shape; shift is broadcast."""
    shifts = np.broadcast_to(shift, values.shape)
    widest = int(np.abs(shifts).max(initial=0))
    if values.dtype == object or int(np.abs(values).max(initial=0)).bit_length() + widest > 60:
        two, values, shifts = np.array(2, dtype=object), values.astype(object), shifts.astype(object)
    else:
        two = np.array(2, dtype=np.int64)
    return values * two ** np.maximum(-shifts, 0), two ** np.maximum(shifts, 0)


def nearest_integer(value: int, shift: int, format: Format) -> int:
    """`nearest` for one integer: value * 2**-shift."""
    numerator, denominator = shifted(np.array([value], dtype=object), np.array([shift]))
    return int(nearest(numerator, denominator, format)[0])
