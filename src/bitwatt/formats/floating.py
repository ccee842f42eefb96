"""Floating point: IEEE single precision, and the small floats of the OCP standards."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar, Self, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bitwatt.formats.base import Codes, Format, Values, finite_or_saturated, require_width, without_nan


@final
@dataclass(frozen=True)
class Float32(Format):
    """IEEE 754 binary32, except that subnormals are flushed to (signed) zero and NaN is refused.

    `encode` rounds to nearest even first and flushes what is then subnormal, so that a value less than half
    a subnormal step below 2**-126 is 2**-126, and every smaller one is zero. From 2**128 - 2**103 on it
    overflows to infinity.
    """

    family: ClassVar[str] = "floating point"
    spelling: ClassVar[str] = "float32"
    has_infinity: ClassVar[bool] = True

    @property
    def bits(self) -> int:
        return 32

    @property
    def unit_exponent(self) -> int:
        return -149

    @property
    def largest(self) -> float:
        return float(np.finfo(np.float32).max)

    @property
    def smallest(self) -> float:
        return -self.largest

    def __str__(self) -> str:
        return "float32"

    @classmethod
    def parse(cls, name: str) -> Self | None:
        return cls() if name == "float32" else None

    def reserved(self, codes: ArrayLike) -> NDArray[np.bool_]:
        magnitude = np.asarray(codes, dtype=np.int64) & 0x7FFF_FFFF
        return np.asarray(magnitude > 0x7F80_0000)  # NaN; that one is infinity

    def decode(self, codes: ArrayLike) -> Values:
        words = self._checked(codes).astype(np.uint32)
        return _flushed(words.view(np.float32)).astype(np.float64)

    def encode(self, values: ArrayLike) -> Codes:
        with np.errstate(over="ignore", under="ignore"):
            single = without_nan(values, self).astype(np.float32)
        return np.asarray(_flushed(single).view(np.uint32).astype(np.int64))


def _flushed(single: NDArray[np.float32]) -> NDArray[np.float32]:
    tiny = np.abs(single) < np.finfo(np.float32).tiny
    return np.asarray(np.where(tiny, np.copysign(np.float32(0), single), single), dtype=np.float32)


@final
@dataclass(frozen=True)
class Minifloat(Format):
    """A sign, `exponent_bits` and `mantissa_bits`, with subnormals; overflow saturates.

    E5M2 keeps IEEE's infinities and NaNs, E4M3 gives only the all-ones code word to NaN, every other one is
    finite throughout: OCP 8-bit Floating Point Specification 1.0 (2023), OCP Microscaling Formats 1.0 (2023).
    Bias is 2**(exponent_bits-1) - 1. Negative zero is reserved: arithmetic on integers has one zero.

    Raises `RequestError` for an exponent outside 2 to 5 bits or a mantissa outside 1 to 10.
    """

    exponent_bits: int
    mantissa_bits: int

    family: ClassVar[str] = "small floating point"
    spelling: ClassVar[str] = "e4m3 (exponent e2 to e5, mantissa m1 to m10)"

    def __post_init__(self) -> None:
        require_width(self.family, "exponent_bits", self.exponent_bits, 2, 5)
        require_width(self.family, "mantissa_bits", self.mantissa_bits, 1, 10)

    @property
    def bits(self) -> int:
        return 1 + self.exponent_bits + self.mantissa_bits

    @property
    def unit_exponent(self) -> int:
        return 2 - int(2 ** (self.exponent_bits - 1)) - self.mantissa_bits

    @property
    def _largest_code(self) -> int:
        top = 2 ** (self.bits - 1) - 1
        match (self.exponent_bits, self.mantissa_bits):
            case (5, 2):  # the whole top exponent is infinities and NaNs
                return int(top - 2**self.mantissa_bits)
            case (4, 3):  # all ones is NaN
                return int(top - 1)
            case _:
                return int(top)

    @property
    def largest(self) -> float:
        return float(self._magnitude(np.int64(self._largest_code)))

    @property
    def smallest(self) -> float:
        return -self.largest

    def __str__(self) -> str:
        return f"e{self.exponent_bits}m{self.mantissa_bits}"

    @classmethod
    def parse(cls, name: str) -> Self | None:
        match = re.fullmatch(r"e([0-9]{1,3})m([0-9]{1,3})", name)
        return cls(int(match[1]), int(match[2])) if match else None

    def reserved(self, codes: ArrayLike) -> NDArray[np.bool_]:
        words = np.asarray(codes, dtype=np.int64)
        magnitude = words & (2 ** (self.bits - 1) - 1)
        return np.asarray((magnitude > self._largest_code) | ((magnitude == 0) & (words != 0)))

    def _magnitude(self, codes: NDArray[np.int64] | np.int64) -> Values:
        field = codes >> self.mantissa_bits
        mantissa = codes & (2**self.mantissa_bits - 1)
        significand = np.where(field > 0, 2**self.mantissa_bits, 0) + mantissa
        exponent = np.maximum(field, 1) - 1 + self.unit_exponent  # field 0 is subnormal: as 1, no leading one
        return np.asarray(np.ldexp(significand.astype(np.float64), exponent))

    def decode(self, codes: ArrayLike) -> Values:
        words = self._checked(codes)
        magnitude = self._magnitude(words & (2 ** (self.bits - 1) - 1))
        return np.where(words >> (self.bits - 1), -magnitude, magnitude)

    def encode(self, values: ArrayLike) -> Codes:
        array = finite_or_saturated(values, self)
        # In units of the smallest subnormal, a value of binade b is spaced by 2**max(b - mantissa_bits, 0).
        units = np.ldexp(np.abs(array), -self.unit_exponent)
        _, exponent = np.frexp(units)
        drop = np.maximum(exponent.astype(np.int64) - 1 - self.mantissa_bits, 0)
        significand = np.rint(np.ldexp(units, -drop)).astype(np.int64)
        # A significand that rounds up to the next binade carries into the exponent field by itself.
        magnitude = significand + drop * 2**self.mantissa_bits
        sign = (array < 0) & (magnitude > 0)
        return np.asarray(magnitude | (sign.astype(np.int64) << (self.bits - 1)))
