"""The two grid values around a number: what roundings other than to nearest choose between."""

from __future__ import annotations

from functools import singledispatch

import torch
from torch import Tensor

from bitwatt.formats import Fixed, Format, Ternary
from bitwatt.quantization.rounding import ends, sorted_integers


def neighbours(x: Tensor, format: Format) -> tuple[Tensor, Tensor]:
    """Largest grid integer at or below each element of x, and smallest above it; beyond an end both are it.

    x: float32 or float64, in units of 2**format.unit_exponent. A grid value is its own lower neighbour.
    Raises `RequestError` for a format of more than 16 bits whose family has no rule here.
    """
    return _neighbours(format, x)


@singledispatch
def _neighbours(format: Format, x: Tensor) -> tuple[Tensor, Tensor]:
    """The default: search in the table of values."""
    table = sorted_integers(format, x.dtype).to(x.device)
    above = torch.bucketize(x, table, right=True)
    last = len(table) - 1
    return table[(above - 1).clamp_(0, last)], table[above.clamp_(0, last)]


@_neighbours.register(Fixed)
@_neighbours.register(Ternary)
def _(format: Format, x: Tensor) -> tuple[Tensor, Tensor]:
    low, high = ends(format, x.dtype)
    lower = torch.floor(x)
    return lower.clamp(low, high), lower.add(1).clamp_(low, high)
