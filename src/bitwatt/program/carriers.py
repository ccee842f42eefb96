"""How the sums of a layer are computed in floating point: records, each with the bound that proves it exact.

Floating point adds whole numbers exactly while no partial sum leaves +-2**24 (float32) or +-2**53 (float64).
Where the sums of a layer can, it is computed as several *terms*, none of which can:

    sum_i w_i x_i + b  =  sum over terms t of  factor_t * (sum_i w_ti p_t(x_i))  +  b

with smaller weights w_t and a piece p_t of the input. `bitwatt.program.choosing` finds them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bitwatt.program.bounds import Range

LIMIT = {"float32": 2**24, "float64": 2**53}
"""Largest magnitude up to which every integer is exact."""

Weights = NDArray[np.int64]


@dataclass(frozen=True)
class Piece:
    """What a term reads of the input: channels start to stop, and of those integers one digit.

    digit: "whole"; "high", floor(x / 2**bits); "low", x - 2**bits * high; "both", high + low.
    """

    start: int
    stop: int
    digit: str = "whole"
    bits: int = 0

    def range(self, whole: Range) -> Range:
        """Where the piece lies if the input lies in `whole`."""
        high = Range(whole.low >> self.bits, whole.high >> self.bits)
        low = Range(0, 2**self.bits - 1)
        match self.digit:
            case "high":
                return high
            case "low":
                return low
            case "both":
                return Range(high.low + low.low, high.high + low.high)
            case _:
                return whole


@dataclass(frozen=True, eq=False)
class Term:
    """One exact product of weights (outputs, channels of the piece, ...) with a piece, times `factor`."""

    piece: Piece
    weight: Weights
    factor: int
    bound: int
    """No partial sum exceeds this magnitude (a bias, where there is one term only, included)."""


@dataclass(frozen=True, eq=False)
class Carrier:
    """How a layer is computed, and the proof."""

    arithmetic: str
    """"float32" or "float64": that of each term."""

    split: str
    """"none", "reduction", "digits", "weights" or "tiles"."""

    terms: tuple[Term, ...]
    bound: int
    """No partial sum of the factored terms, the bias and a residual exceeds this magnitude."""

    cost: float
    """Estimated time for one image, in units of a float32 multiply-accumulate."""

    digit_bits: int = 0
    """Where weights are split: the factors are 1, 2**digit_bits, 4**digit_bits ..."""

    tile: int = 0
    """Outputs of a tile, where `bitwatt.program.toom_cook` computes the layer."""

    @property
    def sum(self) -> str:
        """In what the terms are added: "float32", "float64" or "two words"."""
        if self.bound > LIMIT["float64"]:
            return "two words"
        return self.arithmetic if len(self.terms) == 1 and self.bound <= LIMIT[self.arithmetic] else "float64"

    def __str__(self) -> str:
        largest = max(term.bound for term in self.terms)
        exact = f"|partial sum| <= {largest:,} <= 2**{LIMIT[self.arithmetic].bit_length() - 1}"
        if self.split == "none" and self.sum == self.arithmetic:
            return f"{self.arithmetic}: {exact}"
        if self.tile:
            return f"{self.arithmetic}, Toom-Cook, {self.tile} outputs a tile: {exact}"
        return (
            f"{self.arithmetic}, {len(self.terms)} terms ({self.split}): {exact}; "
            f"added in {self.sum}: <= 2**{self.bound.bit_length()}"
        )
