"""Adding the terms of a layer, and rounding the sums, in blocks that stay in a processor's cache."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bitwatt.formats import Fixed, Format
from bitwatt.program.two_words import add_with_carries, rounded_to_odd
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
    """The sum of factor * term over terms, and the bias; rounded to the grid.

    Terms are scaled by 2**-shift already, and so is `bias`, float64; with `digit_bits` neither is: then the
    factors are 1, 2**digit_bits, 4**digit_bits ..., the bias is int64, and the sum goes through two words.
    """

    factors: tuple[int, ...]
    bias: Tensor | None
    format: Format
    shift: Tensor
    digit_bits: int = 0

    @staticmethod
    def of(
        factors: tuple[int, ...],
        bias: NDArray[np.generic] | None,
        shifts: NDArray[np.int64],
        format: Format,
        digit_bits: int,
    ) -> Combination:
        """`digit_bits` of 0 where the terms are added in float64. bias: integers."""
        if bias is None:
            offsets = None
        elif digit_bits:
            offsets = torch.from_numpy(bias.astype(np.int64))
        else:
            offsets = torch.from_numpy(np.ldexp(bias.astype(np.float64), -shifts))
        return Combination(factors, offsets, format, torch.from_numpy(shifts.astype(np.int64)), digit_bits)

    def rows(self, parts: list[Tensor], dtype: torch.dtype) -> Tensor:
        """Terms of shape (places, channels), all at once -> the same shape."""
        result = torch.empty(parts[0].shape, dtype=dtype)
        step = max(1, BLOCK // result.shape[1])
        for first in range(0, len(result), step):
            block = slice(first, first + step)
            result[block] = self([part[block] for part in parts], channel_axis=1)
        return result

    def __call__(self, parts: list[Tensor], channel_axis: int) -> Tensor:
        """Terms, two axes each, to rounded sums in float64; may overwrite the first."""
        shape = (-1, 1) if channel_axis == 0 else (1, -1)
        bias = None if self.bias is None else self.bias.view(shape)
        if self.digit_bits:
            high, low = add_with_carries(parts, bias, self.digit_bits)
            width = self.digit_bits * len(parts)
            return round_(rounded_to_odd(high, low, width, self.shift.view(shape)), self.format)
        total = parts[0].to(torch.float64)
        if self.factors[0] != 1:
            total.mul_(self.factors[0])
        for part, factor in zip(parts[1:], self.factors[1:], strict=True):
            total.add_(part.to(torch.float64), alpha=factor)
        if bias is not None:
            total.add_(bias)
        return round_(total, self.format)
