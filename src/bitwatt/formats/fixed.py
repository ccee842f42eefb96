"""Fixed point: integers in two's complement (or unsigned), the radix point being the tensor's own scale."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar, Self, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bitwatt.errors import RequestError
from bitwatt.formats.base import Codes, Format, Values, finite_or_saturated, require_width


@final
@dataclass(frozen=True)
class Fixed(Format):
    """Whole numbers of `width` bits: -2**(width-1) .. 2**(width-1)-1, or 0 .. 2**width-1 unsigned.

    Raises `RequestError` for a width outside 2 to 32.
    """

    width: int
    signed: bool = True

    family: ClassVar[str] = "fixed point"
    spelling: ClassVar[str] = "fixed2 to fixed32, ufixed2 to ufixed32"

    def __post_init__(self) -> None:
        require_width("fixed point", "width", self.width, 2, 32)
        if not isinstance(self.signed, bool):
            raise RequestError(f"fixed point: signed must be True or False, got {self.signed!r}")

    @property
    def bits(self) -> int:
        return self.width

    @property
    def unit_exponent(self) -> int:
        return 0

    @property
    def largest(self) -> float:
        return float(2 ** (self.width - self.signed) - 1)

    @property
    def smallest(self) -> float:
        return float(-(2 ** (self.width - 1))) if self.signed else 0.0

    def __str__(self) -> str:
        return f"{'' if self.signed else 'u'}fixed{self.width}"

    @classmethod
    def parse(cls, name: str) -> Self | None:
        match = re.fullmatch(r"(u?)fixed([0-9]{1,3})", name)
        return cls(int(match[2]), signed=not match[1]) if match else None

    def reserved(self, codes: ArrayLike) -> NDArray[np.bool_]:
        return np.zeros(np.shape(codes), dtype=np.bool_)

    def decode(self, codes: ArrayLike) -> Values:
        words = self._checked(codes)
        if self.signed:
            words = words - ((words >> (self.width - 1)) << self.width)
        return words.astype(np.float64)

    def encode(self, values: ArrayLike) -> Codes:
        rounded = np.rint(finite_or_saturated(values, self)).astype(np.int64)
        codes: Codes = rounded & ((1 << self.width) - 1)
        return codes
