"""How wide products, sums and accumulators are: exactly as wide as their extreme values ask, and no wider."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from bitwatt.errors import RequestError
from bitwatt.formats import Format, Precision

FLOAT_BITS = 32
"""Width of every word of the float32 datapath."""

WIDE_BITS = 32
"""Most bits of what leaves the tile off the activations' grid (logits): `bitwatt.program`'s LOGIT_BITS."""

LEFT_SHIFTS = 4
"""How far the output stage can shift left (a negative shift); rightwards it reaches every accumulator bit."""

RESIDUAL_FRACTION = 8
"""How many binary places below the result's unit the unit of a residual may lie: 2**-8 of it at least."""

RESIDUAL_SHIFT_BITS = 4
"""Width of a residual's alignment: its unit lies 2**-RESIDUAL_FRACTION to 2**7 above the result's."""

ONE_STAGE_BITS = 48
"""Widest accumulator that the output stage shifts and rounds between two registers at 250 MHz in 45 nm."""

LARGEST_WINDOW = 128
"""Most elements of an average-pooling window: 8 x 8, 9 x 9, 25 x 5, ..."""


@dataclass(frozen=True)
class Span:
    """The integers from `least` to `most`, both included."""

    least: int
    most: int

    def __post_init__(self) -> None:
        if self.least > self.most:
            raise RequestError(f"a span needs least <= most, got {self.least} and {self.most}")

    @property
    def bits(self) -> int:
        """Bits of the narrowest two's complement word that holds them all (at least 1)."""
        return (
            max(
                (~self.least if self.least < 0 else self.least).bit_length(),
                (~self.most if self.most < 0 else self.most).bit_length(),
            )
            + 1
        )

    def times(self, count: int) -> Span:
        """Where a sum of `count` such integers lies."""
        if count < 1:
            raise RequestError(f"a sum needs at least 1 term, got {count}")
        return Span(self.least * count, self.most * count)


def span_of(format_: Format) -> Span:
    """The integers of a format, in units of 2**unit_exponent."""
    return Span(format_.smallest_integer, format_.largest_integer)


def product_span(weights: Format, activations: Format) -> Span:
    """Where the product of an integer of each format lies; its unit is the product of the two units."""
    w, a = span_of(weights), span_of(activations)
    corners = [x * y for x in (w.least, w.most) for y in (a.least, a.most)]
    return Span(min(corners), max(corners))


def product_bits(weights: Format, activations: Format) -> int:
    """Signed bits of a product; 32 for float32."""
    return sum_bits(Precision(weights, activations), 1)


@lru_cache(maxsize=4096)
def sum_bits(precision: Precision, terms: int) -> int:
    """Signed bits of a sum of `terms` products; 32 for float32.

    Raises `RequestError` for less than one term.
    """
    if precision.is_float:
        return FLOAT_BITS
    return product_span(precision.weights, precision.activations).times(terms).bits


def accumulator_bits(precision: Precision, fan_in: int) -> int:
    """Signed bits of an accumulator that is exact for every layer of at most `fan_in` products an output.

    Raises `RequestError` for a fan-in below one.
    """
    return sum_bits(precision, fan_in)


def shift_bits(accumulator: int) -> int:
    """Signed bits of the output stage's shift: -LEFT_SHIFTS (left) .. accumulator (right)."""
    return Span(-LEFT_SHIFTS, accumulator).bits


def wide_bits(accumulator: int) -> int:
    """Bits of a wide result (logits): all of accumulator plus bias, up to 32; beyond that it saturates."""
    return min(accumulator + 1, WIDE_BITS)


def wide_slices(accumulator: int, activation_bits: int) -> int:
    """Words of the activations' width that a wide result takes, least significant first."""
    return -(-wide_bits(accumulator) // activation_bits)


def pool_bits(activations: Format) -> int:
    """Signed bits of the sum of an average-pooling window of up to LARGEST_WINDOW activations."""
    return span_of(activations).times(LARGEST_WINDOW).bits
