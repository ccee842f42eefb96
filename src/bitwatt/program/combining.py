"""Adding the terms of a layer, and rounding the sums, in blocks that stay in a processor's cache."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bitwatt.formats import Fixed, Format
from bitwatt.program.residual import Residual
from bitwatt.program.two_words import add_shifted, add_with_carries, rounded_to_odd
from bitwatt.quantization.rounding import round_to_grid

BLOCK = 2**15
"""Elements that are combined at once: a quarter of a mebibyte in float64."""


def round_(scaled: Tensor, format: Format) -> Tensor:
    """Scaled sums to whole numbers of the grid, or, in fixed point, beyond its ends; overwrites them.

    Fixed point's ends may be cut later: rounding is monotone, and a store holds every integer of its grid.
    """
    return scaled.round_() if isinstance(format, Fixed) else round_to_grid(scaled, format)


@dataclass(frozen=True, eq=False)
class Combination:
    """The sum of factor * term over terms, the bias, and a residual where there is one; rounded to the grid.

    Terms are scaled by 2**-shift already, and so is `bias`, float64; with `digit_bits` neither is: then the
    factors are 1, 2**digit_bits, 4**digit_bits ..., the bias is int64, and the sum goes through two words.
    shift: that of the rounding, from the sum of an `Add` where there is a residual.
    """

    factors: tuple[int, ...]
    bias: Tensor | None
    format: Format
    shift: tuple[int, ...]
    residual: Residual | None = None
    digit_bits: int = 0

    @staticmethod
    def of(
        factors: tuple[int, ...],
        bias: NDArray[np.generic] | None,
        shift: tuple[int, ...],
        format: Format,
        residual: Residual | None,
        digit_bits: int,
    ) -> Combination:
        """`digit_bits` of 0 where the terms are added in float64. bias: integers; shift: one a channel."""
        if bias is None:
            offsets = None
        elif digit_bits:
            offsets = torch.from_numpy(bias.astype(np.int64))
        else:
            down = shift if residual is None else residual.sum_shift(shift)
            offsets = torch.from_numpy(np.ldexp(bias.astype(np.float64), -np.array(down)))
        return Combination(factors, offsets, format, shift, residual, digit_bits)

    def rows(self, parts: list[Tensor], dtype: torch.dtype, residual: Tensor | None = None) -> Tensor:
        """Terms of shape (places, channels), all at once -> the same shape; so is a residual."""
        result = torch.empty(parts[0].shape, dtype=dtype)
        step = max(1, BLOCK // result.shape[1])
        for first in range(0, len(result), step):
            block = slice(first, first + step)
            beside = None if residual is None else residual[block]
            result[block] = self([part[block] for part in parts], 1, beside)
        return result

    def __call__(self, parts: list[Tensor], channel_axis: int, residual: Tensor | None = None) -> Tensor:
        """Terms, two axes each, to rounded sums in float64; may overwrite the first."""
        shape = (-1, 1) if channel_axis == 0 else (1, -1)
        bias = None if self.bias is None else self.bias.view(shape)
        if self.digit_bits:
            return round_(self._in_two_words(parts, bias, residual, shape), self.format)
        total = parts[0].to(torch.float64)
        if self.factors[0] != 1:
            total.mul_(self.factors[0])
        for part, factor in zip(parts[1:], self.factors[1:], strict=True):
            total.add_(part.to(torch.float64), alpha=factor)
        if bias is not None:
            total.add_(bias)
        if residual is not None and self.residual is not None:
            total.add_(residual.to(torch.float64) * self.residual.scale(self.shift).view(shape))
        return round_(total, self.format)

    def _in_two_words(
        self, parts: list[Tensor], bias: Tensor | None, residual: Tensor | None, shape: tuple[int, int]
    ) -> Tensor:
        high, low = add_with_carries(parts, bias, self.digit_bits)
        width = self.digit_bits * len(parts)
        if residual is not None and self.residual is not None:
            lifts, others = (found.view(shape) for found in self.residual.shifts_of(len(self.shift)))
            high, low, width = add_shifted(high, low, width, residual.to(torch.int64), lifts, others)
        return rounded_to_odd(high, low, width, torch.tensor(self.shift).view(shape))
