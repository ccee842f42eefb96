"""Neurons of the float32 tile: rounded products, a tree of additions a group of lanes, an accumulator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

WORKING_SET = 2**17
"""Products made at once: half a mebibyte, which stays in a core's second cache."""

TINY = 2.0**-126
"""The smallest normal number."""

SAFE_PRODUCT = 2.0**-102
"""Where no product and no bias is smaller, nothing subnormal can arise.

A float32 of at least 2**-102 is a whole multiple of 2**-125, and so is every rounded sum of such multiples;
what is not zero is then at least 2**-125, which is normal.
"""

Gather = Callable[[int, Tensor], None]
"""Lays the inputs of a group of lanes into (lanes, *places); lanes beyond the window are left alone."""


def flushed(x: Tensor) -> Tensor:
    """Subnormals to zero of their sign, the others as they are; a new tensor."""
    return torch.where(x.abs() < TINY, torch.copysign(torch.zeros_like(x), x), x)


@dataclass(frozen=True, eq=False)
class Neurons:
    """weight: (outputs, groups, lanes), the window padded at its end; bias: (outputs,) or None.

    flush: whether subnormals can arise, and are looked for after each operation.
    """

    weight: Tensor
    bias: Tensor | None
    window: int
    flush: bool

    @staticmethod
    def of(
        weight: NDArray[np.generic], bias: NDArray[np.generic] | None, inputs: Tensor, lanes: int
    ) -> Neurons:
        """weight: float32 (outputs, window); inputs: all that the neurons will read."""
        matrix = flushed(torch.from_numpy(np.ascontiguousarray(weight)))
        offsets = None if bias is None else flushed(torch.from_numpy(bias))
        outputs, window = matrix.shape
        groups = -(-window // lanes)
        laid_out = matrix.new_zeros(outputs, groups * lanes)
        laid_out[:, :window] = matrix
        safe = least_magnitude(inputs) * least_magnitude(matrix) >= SAFE_PRODUCT
        safe = safe and (offsets is None or least_magnitude(offsets) >= SAFE_PRODUCT)
        return Neurons(laid_out.view(outputs, groups, lanes), offsets, window, not safe)

    @property
    def groups(self) -> int:
        """How many times the lanes are filled."""
        return self.weight.shape[1]

    def sums(self, gather: Gather, places: tuple[int, ...]) -> Tensor:
        """(outputs, *places), each in the tile's order."""
        outputs, groups, lanes = self.weight.shape
        over_places = [1] * len(places)
        weights = self.weight.permute(1, 2, 0).reshape(groups, lanes, outputs, *over_places).contiguous()
        total = weights.new_empty(outputs, *places)
        inputs = weights.new_zeros(lanes, 1, *places)
        together = max(1, min(outputs, WORKING_SET // inputs.numel()))
        products = weights.new_empty(lanes, together, *places)
        for group in range(groups):
            used = min(lanes, self.window - group * lanes)
            gather(group, inputs[:, 0])
            for first in range(0, outputs, together):
                some = slice(first, min(first + together, outputs))
                block = products[:, : some.stop - first]
                block[used:] = 0.0
                torch.mul(inputs[:used], weights[group, :used, some], out=block[:used])
                self._finish(block)
                self._tree(block)
                if group == 0:
                    total[some] = block[0]
                else:
                    self._finish(total[some].add_(block[0]))
        if self.bias is not None:
            self._finish(total.add_(self.bias.reshape(-1, *over_places)))
        return total

    def _tree(self, block: Tensor) -> None:
        """Lane i + n/2 is added to lane i at every level; the sum ends in lane 0."""
        half = block.shape[0] // 2
        while half:
            self._finish(block[:half].add_(block[half : 2 * half]))
            half //= 2

    def _finish(self, x: Tensor) -> None:
        if self.flush:
            x.copy_(flushed(x))


def least_magnitude(x: Tensor) -> float:
    """The smallest magnitude that is not zero; infinity where there is none."""
    magnitude = x.abs()
    return float(torch.where(magnitude == 0, torch.inf, magnitude).min())
