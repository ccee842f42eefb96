"""Powers of two as scales: exponents, and the choice of the one that loses least."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from bitwatt.formats import Float32, Format
from bitwatt.quantization.rounding import round_to_grid

SEARCH_DEPTH = 14
"""How far below the exponent that clips nothing the search goes: it halves the range so many times.

A lower exponent would clip the largest value to 2**-14 of itself or less; its own error then outweighs what
up to 2**28 small values gain.
"""

LARGEST_EXPONENT = 42
"""Exponents chosen lie in +-42, so that sums and differences of three of them are still float32 scales."""

CHANNEL_SPREAD = 8
"""How far a channel's exponent may lie below the tensor's highest.

It bounds the output stage's shifter, and the bias of a channel whose weights have died: a bias is held at the
accumulator's radix point, so that a tiny weight unit makes a huge integer of it.
"""


def power_of_two(exponent: Tensor) -> Tensor:
    """2**exponent in float32, exact (the library's `pow` and `ldexp` need not be). Exponents -126 to 127."""
    return ((exponent.to(torch.int32) + 127) << 23).view(torch.float32)


def covering_exponent(largest: float, format: Format) -> int:
    """The least exponent e at which `largest` (a magnitude) is not clipped: largest <= L * 2**e.

    L is the format's largest integer. 0 for a magnitude of 0.
    """
    if largest == 0:
        return 0
    mantissa, exponent = math.frexp(largest)
    top, top_exponent = math.frexp(format.largest_integer)
    return exponent - top_exponent + (mantissa > top)


def least_squares_exponent(x: Tensor, format: Format) -> Tensor:
    """Exponents e, one a row, that minimise sum((x - 2**e * round_to_grid(x / 2**e))**2) over the row.

    x: (rows, elements), finite. Returns int32 (rows,). Searched from the exponent that clips nothing down by
    `SEARCH_DEPTH`, within +-`LARGEST_EXPONENT`; of equal errors the smaller exponent (finer steps, smaller
    range) is taken. A row of zeros gets 0; so does float32, which has no scale.
    """
    rows = x.shape[0]
    if isinstance(format, Float32) or x.shape[1] == 0:
        return torch.zeros(rows, dtype=torch.int32, device=x.device)
    exact = x.detach().to(torch.float64)
    top = [covering_exponent(float(largest), format) for largest in exact.abs().amax(dim=1)]
    highest = torch.tensor(top, dtype=torch.int32, device=x.device)
    highest = highest.clamp_(-LARGEST_EXPONENT, LARGEST_EXPONENT)
    best = highest.clone()
    least = torch.full((rows,), math.inf, dtype=torch.float64, device=x.device)
    for below in range(SEARCH_DEPTH + 1):
        exponent = (highest - below).clamp_(min=-LARGEST_EXPONENT)
        scale = power_of_two(exponent).to(torch.float64)[:, None]
        error = (round_to_grid(exact / scale, format).mul_(scale).sub_(exact)).square_().sum(dim=1)
        better = error <= least
        best = torch.where(better, exponent, best)
        least = torch.where(better, error, least)
    return torch.where(exact.abs().amax(dim=1) == 0, torch.zeros_like(best), best)


def weight_exponents(weight: Tensor, format: Format, granularity: str) -> Tensor:
    """Least-squares exponents of a weight tensor (outputs, ...): int32 (1,), or (outputs,) for "channel".

    A channel lies at most `CHANNEL_SPREAD` below the highest; a dead one (all zeros) takes the lowest in use.
    """
    if granularity == "tensor":
        return least_squares_exponent(weight.detach().reshape(1, -1), format)
    rows = weight.detach().reshape(weight.shape[0], -1)
    found = least_squares_exponent(rows, format)
    alive = rows.abs().amax(dim=1) > 0
    if not bool(alive.any()):
        return found
    lowest = found[alive].amin()
    return torch.where(alive, found, lowest).clamp_(min=int(found[alive].amax()) - CHANNEL_SPREAD)
