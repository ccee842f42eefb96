"""What a number format is: a finite set of reals, and the code words that stand for them.

Every finite value is an integer times a power of two, so nothing here rounds but `encode`. A scale (the
radix point of a tensor) is not part of a format: a layer multiplies the format's values by a power of two
of its own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Self, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bitwatt.errors import RequestError

Codes = NDArray[np.int64]
"""Code words as unsigned integers below 2**bits, held in int64."""

Values = NDArray[np.float64]
"""Reals, exact: no format here needs more than the 53 bits of a float64."""

EXHAUSTIBLE_BITS = 16
"""Formats of at most this many bits are small enough to list every code word."""


@dataclass(frozen=True)
class Format(ABC):
    """A number format. Subclasses are frozen dataclasses, one family a file; instances are hashable.

    `decode` is the definition; everything else (rounding, fake quantisation, the integer program, the
    decoder in hardware) follows from it.
    """

    family: ClassVar[str]
    """What the family is called in tables."""

    spelling: ClassVar[str]
    """The names that `parse` takes, for messages: "fixed2 to fixed32"."""

    has_infinity: ClassVar[bool] = False
    """True where overflow rounds to an infinity, as IEEE 754 has it; everywhere else it saturates."""

    @property
    @abstractmethod
    def bits(self) -> int:
        """Width of a code word."""

    @property
    @abstractmethod
    def unit_exponent(self) -> int:
        """Every finite value is a whole multiple of 2**unit_exponent, and one of them is an odd multiple."""

    @property
    @abstractmethod
    def largest(self) -> float:
        """The largest finite value."""

    @property
    @abstractmethod
    def smallest(self) -> float:
        """The most negative finite value (0.0 where the format has no sign)."""

    @abstractmethod
    def __str__(self) -> str:
        """The name that `bitwatt.formats.parse_format` reads back."""

    @classmethod
    @abstractmethod
    def parse(cls, name: str) -> Self | None:
        """The family's format of that name, or None where the name is not one of its own.

        Raises `RequestError` where the name is the family's but its width is not allowed.
        """

    @abstractmethod
    def reserved(self, codes: ArrayLike) -> NDArray[np.bool_]:
        """True for code words that stand for no number; they never leave `encode`. Shape is kept."""

    @abstractmethod
    def decode(self, codes: ArrayLike) -> Values:
        """The value of each code word. Shape is kept.

        Raises `RequestError` for a code word that is out of range or reserved.
        """

    @abstractmethod
    def encode(self, values: ArrayLike) -> Codes:
        """The code word of the nearest value; of two equally near ones the even code; overflow saturates.

        Values are taken as float64; shape is kept. Raises `RequestError` for NaN.
        """

    @final
    def quantize(self, values: ArrayLike) -> Values:
        """Each value moved to the format's nearest: decode(encode(values))."""
        return self.decode(self.encode(values))

    @final
    def codes(self) -> Codes:
        """Every code word that is not reserved, ascending. Raises `RequestError` beyond 16 bits."""
        if self.bits > EXHAUSTIBLE_BITS:
            raise RequestError(
                f"{self} has 2**{self.bits} code words; they are listed for formats of up to "
                f"{EXHAUSTIBLE_BITS} bits"
            )
        words = np.arange(2**self.bits, dtype=np.int64)
        return words[~self.reserved(words)]

    @final
    def integers(self, codes: ArrayLike) -> NDArray[np.int64]:
        """The integers n with value = n * 2**unit_exponent.

        Raises `RequestError` as `decode` does, and where an integer does not fit in int64.
        """
        values = self.decode(codes)
        scaled = np.ldexp(values, -self.unit_exponent)
        wide = np.abs(scaled) >= 2.0**63
        if np.any(wide):
            raise RequestError(
                f"{values[wide].flat[0]!s} of {self} is no int64 in units of 2**{self.unit_exponent}"
            )
        return scaled.astype(np.int64)

    @final
    @property
    def largest_integer(self) -> int:
        """`largest` in units of 2**unit_exponent."""
        return int(self.largest * 2.0**-self.unit_exponent)

    @final
    @property
    def smallest_integer(self) -> int:
        """`smallest` in units of 2**unit_exponent."""
        return int(self.smallest * 2.0**-self.unit_exponent)

    @final
    @property
    def is_signed(self) -> bool:
        """True where the format has negative values."""
        return self.smallest < 0

    @final
    def _checked(self, codes: ArrayLike) -> Codes:
        """Code words as int64, refused where out of range or reserved."""
        words = np.asarray(codes)
        if words.dtype.kind not in "iu":
            raise RequestError(f"code words of {self} must be integers, got dtype {words.dtype}")
        words = words.astype(np.int64)
        bad = (words < 0) | (words >= 2**self.bits)
        bad |= self.reserved(np.where(bad, 0, words))
        if np.any(bad):
            raise RequestError(f"{int(words[bad].flat[0]):#x} is no code word of {self} ({self.bits} bits)")
        return words


def finite_or_saturated(values: ArrayLike, who: Format) -> Values:
    """Values as float64, those beyond the format's ends brought to them. Raises `RequestError` for NaN."""
    return np.clip(without_nan(values, who), who.smallest, who.largest)


def without_nan(values: ArrayLike, who: Format) -> Values:
    """Values as float64. Raises `RequestError` for NaN, which no code word stands for."""
    array = np.asarray(values, dtype=np.float64)
    if np.any(np.isnan(array)):
        raise RequestError(f"NaN has no code word in {who}")
    return array


def nearest_by_table(format_: Format, values: ArrayLike) -> Codes:
    """`encode` for any format of 16 bits or fewer, by search in the table of its values.

    Slow and plain: the default for families that have no faster rule, and the check of those that do. Where
    several codes stand for one value (signed zeros) the least is taken.
    """
    codes = format_.codes()
    table = format_.decode(codes)
    order = np.lexsort((codes, table))
    table, first = np.unique(table[order], return_index=True)
    codes = codes[order][first]
    array = finite_or_saturated(values, format_)
    above = np.clip(np.searchsorted(table, array), 1, len(table) - 1)
    below = above - 1
    middle = (table[below] + table[above]) / 2  # exact, unlike the two distances
    take_above = (array > middle) | ((array == middle) & (codes[above] % 2 == 0))
    return np.where(take_above, codes[above], codes[below])


def require_width(family: str, field: str, width: object, least: int, most: int) -> None:
    """Refuse a width that the family does not have."""
    if isinstance(width, bool) or not isinstance(width, int) or not least <= width <= most:
        raise RequestError(f"{family}: {field} must be a whole number from {least} to {most}, got {width!r}")
