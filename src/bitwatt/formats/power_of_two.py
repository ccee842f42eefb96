"""Powers of two: a weight is a sign and an exponent, so that a multiplier becomes a shifter."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar, Self, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bitwatt.formats.base import Codes, Format, Values, finite_or_saturated, require_width

WIDEST_WINDOW = 15
"""Most exponents a format has: the window bounds the shifter, and so the product's width."""


@final
@dataclass(frozen=True)
class PowerOfTwo(Format):
    """0 and +-2**k for k = 0 .. exponents-1: a sign bit above an exponent field of bits-1 bits.

    Field 0 stands for zero, field f for 2**(f-1); there are min(2**(bits-1)-1, 15) exponents, and fields
    beyond them, like a signed zero, are reserved. Where the window lies is the layer's power-of-two scale.
    Rounding is to the nearest value (not the nearest exponent), as for every format.

    Raises `RequestError` for a width outside 2 to 8.
    """

    width: int = 6

    family: ClassVar[str] = "powers of two"
    spelling: ClassVar[str] = "pow2 (6 bits), pow2-2 to pow2-8"

    def __post_init__(self) -> None:
        require_width("powers of two", "width", self.width, 2, 8)

    @property
    def bits(self) -> int:
        return self.width

    @property
    def exponents(self) -> int:
        """How many exponents the window holds."""
        return int(min(2 ** (self.width - 1) - 1, WIDEST_WINDOW))

    @property
    def unit_exponent(self) -> int:
        return 0

    @property
    def largest(self) -> float:
        return float(2 ** (self.exponents - 1))

    @property
    def smallest(self) -> float:
        return -self.largest

    def __str__(self) -> str:
        return "pow2" if self.width == 6 else f"pow2-{self.width}"

    @classmethod
    def parse(cls, name: str) -> Self | None:
        match = re.fullmatch(r"pow2(?:-([0-9]{1,3}))?", name)
        return cls(int(match[1] or 6)) if match else None

    def reserved(self, codes: ArrayLike) -> NDArray[np.bool_]:
        words = np.asarray(codes, dtype=np.int64)
        field = words & (2 ** (self.width - 1) - 1)
        return np.asarray((field > self.exponents) | ((field == 0) & (words != 0)))

    def decode(self, codes: ArrayLike) -> Values:
        words = self._checked(codes)
        field = words & (2 ** (self.width - 1) - 1)
        magnitude = np.where(field == 0, 0.0, np.ldexp(1.0, field - 1))
        return np.where(words >> (self.width - 1), -magnitude, magnitude)

    def encode(self, values: ArrayLike) -> Codes:
        array = finite_or_saturated(values, self)
        # |v| = m * 2**e with 0.5 <= m < 1 lies between 2**(e-1), whose field is e, and 2**e, whose field is
        # e+1. frexp is exact where floor(log2) is not. Below 1 the lower neighbour is zero, field 0.
        mantissa, exponent = np.frexp(np.abs(array))
        field = np.maximum(exponent.astype(np.int64), 0)
        magnitude = np.where(exponent >= 0, mantissa, 0.0)
        middle = np.where(exponent > 0, 0.75, 0.5)
        up = (magnitude > middle) | ((magnitude == middle) & (field % 2 == 1))
        field = field + up
        sign = (array < 0) & (field > 0)
        codes: Codes = field | (sign.astype(np.int64) << (self.width - 1))
        return codes
