"""What an output stage does with a pooling window."""

from __future__ import annotations

from enum import IntEnum

import numpy as np

from bitwatt.errors import RequestError
from bitwatt.formats import Precision
from bitwatt.hardware.widths import FLOAT_BITS, LARGEST_WINDOW

DIVIDE_CYCLES = 5
"""Cycles that a mean of integers takes; two windows may not end closer to each other than that."""


class Pooling(IntEnum):
    """The value of the output stage's `pooling` port."""

    NONE = 0
    MAX = 1
    AVERAGE = 2

    @staticmethod
    def bits() -> int:
        """Width of the port."""
        return 2


def divisor_bits(precision: Precision) -> int:
    """Width of the output stage's `divisor` port."""
    return FLOAT_BITS if precision.is_float else LARGEST_WINDOW.bit_length()


def divisor_word(precision: Precision, count: int) -> int:
    """What the `divisor` port takes for a mean of `count` elements.

    For integers the count itself; for float32 the word of the float32 nearest 1 / count. Raises
    `RequestError` for a count outside 1 to LARGEST_WINDOW.
    """
    if not 1 <= count <= LARGEST_WINDOW:
        raise RequestError(f"average pooling takes 1 to {LARGEST_WINDOW} elements a window, got {count}")
    return int(np.float32(1 / count).view(np.uint32)) if precision.is_float else count
