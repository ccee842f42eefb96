"""Two activations added: one exact sum, rounded once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from bitwatt.formats import Format
from bitwatt.program.bounds import Range
from bitwatt.program.carriers import LIMIT
from bitwatt.program.combining import round_
from bitwatt.program.residual import Residual
from bitwatt.program.two_words import add_shifted, rounded_to_odd

Join = Callable[[Tensor, Tensor], Tensor]
"""Two activations to the rounded sum, not saturated yet where the format is fixed point."""


def activations_adder(first: Range, residual: Residual, shift: tuple[int, ...], format: Format) -> Join:
    """Adds two activations: (a << lift) + (b << other), times 2**-shift, to the grid's nearest integers.

    shift: one for each channel.
    """
    bound = residual.bound(first.magnitude)
    if bound > LIMIT["float64"]:
        return _wide_adder(residual, shift, format)
    dtype = torch.float32 if bound <= LIMIT["float32"] else torch.float64
    mine = torch.from_numpy(np.ldexp(1.0, -np.array(residual.sum_shift(shift)))).to(dtype)
    theirs = residual.scale(shift).to(dtype)

    def add(a: Tensor, b: Tensor) -> Tensor:
        total = a.to(dtype) * along_channels(mine, a)
        return round_(total.add_(b.to(dtype) * along_channels(theirs, b)), format)

    return add


def _wide_adder(residual: Residual, shift: tuple[int, ...], format: Format) -> Join:
    lifts, others = residual.shifts_of(len(shift))

    def add(a: Tensor, b: Tensor) -> Tensor:
        high, low = a.to(torch.int64), torch.zeros_like(a, dtype=torch.int64)
        by = along_channels(lifts, a), along_channels(others, b)
        high, low, width = add_shifted(high, low, 0, b.to(torch.int64), *by)
        return round_(rounded_to_odd(high, low, width, along_channels(torch.tensor(shift), a)), format)

    return add


def along_channels(values: Tensor, x: Tensor) -> Tensor:
    """(channels,) so that it broadcasts against (count, channels, ...)."""
    return values.view(-1, *[1] * (x.dim() - 2))
