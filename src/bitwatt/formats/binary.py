"""Binary and ternary: weights that need no multiplier, only a negation (and, for ternary, a gate)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bitwatt.formats.base import Codes, Format, Values, finite_or_saturated


@final
@dataclass(frozen=True)
class Binary(Format):
    """+1 (code 0) and -1 (code 1). There is no zero; 0 is a tie and goes to the even code, +1."""

    family: ClassVar[str] = "binary"
    spelling: ClassVar[str] = "binary"

    @property
    def bits(self) -> int:
        return 1

    @property
    def unit_exponent(self) -> int:
        return 0

    @property
    def largest(self) -> float:
        return 1.0

    @property
    def smallest(self) -> float:
        return -1.0

    def __str__(self) -> str:
        return "binary"

    @classmethod
    def parse(cls, name: str) -> Self | None:
        return cls() if name == "binary" else None

    def reserved(self, codes: ArrayLike) -> NDArray[np.bool_]:
        return np.zeros(np.shape(codes), dtype=np.bool_)

    def decode(self, codes: ArrayLike) -> Values:
        return (1 - 2 * self._checked(codes)).astype(np.float64)

    def encode(self, values: ArrayLike) -> Codes:
        return (finite_or_saturated(values, self) < 0).astype(np.int64)


@final
@dataclass(frozen=True)
class Ternary(Format):
    """-1, 0 and +1 in two's complement of two bits; the code of -2 is reserved."""

    family: ClassVar[str] = "ternary"
    spelling: ClassVar[str] = "ternary"

    @property
    def bits(self) -> int:
        return 2

    @property
    def unit_exponent(self) -> int:
        return 0

    @property
    def largest(self) -> float:
        return 1.0

    @property
    def smallest(self) -> float:
        return -1.0

    def __str__(self) -> str:
        return "ternary"

    @classmethod
    def parse(cls, name: str) -> Self | None:
        return cls() if name == "ternary" else None

    def reserved(self, codes: ArrayLike) -> NDArray[np.bool_]:
        return np.asarray(np.asarray(codes, dtype=np.int64) == 2)

    def decode(self, codes: ArrayLike) -> Values:
        words = self._checked(codes)
        return (words - 4 * (words >> 1)).astype(np.float64)

    def encode(self, values: ArrayLike) -> Codes:
        return np.rint(finite_or_saturated(values, self)).astype(np.int64) & 3
