"""Rounding to a format's grid in plain tensor arithmetic: no gradient here (see `straight_through`).

Everything is in the format's integers, units of 2**unit_exponent, so that results are whole numbers: for
every finite x, `round_to_grid(x, f) == f.quantize(x * 2**u) * 2**-u` with u = f.unit_exponent, as far as the
tensor's own 24 (float32) or 53 bits (float64) reach. NaN has no place on a grid; the training loop watches.
"""

from __future__ import annotations

import math
from functools import lru_cache, singledispatch

import numpy as np
import torch
from torch import Tensor

from bitwatt.formats import Binary, Fixed, Float32, Format, Minifloat, PowerOfTwo, Ternary


def round_to_grid(x: Tensor, format: Format) -> Tensor:
    """The grid's nearest integer to each element of x; ties to the even code; overflow saturates.

    x: float32 or float64, in units of 2**format.unit_exponent (float32 itself: no unit, x is returned as it
    is). Shape, dtype and memory layout are kept. Raises `ValueError` for a format of more than 16 bits whose
    family has no rule here.
    """
    return _round(format, x, overwrite=False)


def round_to_grid_(x: Tensor, format: Format) -> Tensor:
    """`round_to_grid` that may overwrite x, which saves a pass through memory."""
    return _round(format, x, overwrite=True)


def ends(format: Format, dtype: torch.dtype = torch.float32) -> tuple[float, float]:
    """Smallest and largest integer of the format that `dtype` holds without leaving the grid."""
    return _toward_zero(format.smallest_integer, dtype), _toward_zero(format.largest_integer, dtype)


def sorted_integers(format: Format, dtype: torch.dtype = torch.float32) -> Tensor:
    """Every integer of a format of at most 16 bits, ascending. Raises `RequestError` for more bits."""
    return _table(format, dtype)[0]


def _toward_zero(integer: int, dtype: torch.dtype) -> float:
    held = float(np.float32(integer)) if dtype == torch.float32 else float(integer)
    if abs(held) > abs(integer):  # 2**31 - 1 in float32: the number before 2**31 is 2**31 - 128
        held = float(np.nextafter(np.float32(held), np.float32(0)))
    return held


@singledispatch
def _round(format: Format, x: Tensor, *, overwrite: bool) -> Tensor:
    """The default: search among the midpoints of the table of values."""
    table, boundaries = _table(format, x.dtype)
    return table.to(x.device)[torch.bucketize(x, boundaries.to(x.device))]


@lru_cache(maxsize=64)
def _table(format: Format, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """The format's integers, ascending, and the largest x that still rounds to each but the last."""
    codes = format.codes()
    integers = format.integers(codes)
    order = np.lexsort((codes, integers))
    integers, first = np.unique(integers[order], return_index=True)
    upper_is_even = torch.from_numpy(codes[order][first][1:] % 2 == 0)
    table = torch.from_numpy(integers).to(dtype)
    middle = (table[:-1] + table[1:]) / 2
    below = torch.nextafter(middle, torch.full_like(middle, -math.inf))
    return table, torch.where(upper_is_even, below, middle)


@_round.register
def _(format: Float32, x: Tensor, *, overwrite: bool) -> Tensor:
    return x


@_round.register
def _(format: Fixed, x: Tensor, *, overwrite: bool) -> Tensor:
    # torch.round is half to even, and in two's complement an even integer has an even code.
    return (x.round_() if overwrite else x.round()).clamp_(*ends(format, x.dtype))


@_round.register
def _(format: Ternary, x: Tensor, *, overwrite: bool) -> Tensor:
    return (x.round_() if overwrite else x.round()).clamp_(-1, 1)


@_round.register
def _(format: Binary, x: Tensor, *, overwrite: bool) -> Tensor:
    # 1 - 2 (x < 0) in the tensor's own type: `where` and booleans are several times slower than three passes.
    x = x.detach()
    return torch.lt(x, 0, out=x if overwrite else torch.empty_like(x)).mul_(-2).add_(1)


@_round.register
def _(format: PowerOfTwo, x: Tensor, *, overwrite: bool) -> Tensor:
    x = x.detach()
    nearest = _keep_mantissa(x, 0).clamp_(1, format.largest)
    # Below 1 the lower neighbour is zero, whose code is even: a half goes there.
    nearest.mul_(x.abs().gt_(0.5))
    return torch.copysign(nearest, x, out=nearest)


@_round.register
def _(format: Minifloat, x: Tensor, *, overwrite: bool) -> Tensor:
    magnitude = x.detach().abs()
    # Up to 2**(mantissa_bits + 1) integers are one apart (the subnormals and the lowest binade).
    dense = torch.round(magnitude)
    sparse = _keep_mantissa(magnitude, format.mantissa_bits)
    nearest = torch.where(magnitude < 2.0 ** (format.mantissa_bits + 1), dense, sparse)
    return torch.copysign(nearest.clamp_(max=ends(format, x.dtype)[1]), x)


_WORDS = {torch.float32: (torch.int32, 23, 0xFF), torch.float64: (torch.int64, 52, 0x7FF)}


def _keep_mantissa(x: Tensor, bits: int) -> Tensor:
    """Magnitudes rounded to `bits` mantissa bits, half to even, by integer arithmetic on the floats' words.

    With 0 bits the word's last kept bit is the exponent's: of two powers of two the one with the even biased
    exponent, which is the one with the even exponent field in `PowerOfTwo` (both biases are odd).
    """
    word, mantissa, exponents = _WORDS[x.dtype]
    drop = mantissa - bits
    words = x.view(word)
    kept = words >> drop
    kept &= 1
    kept += words
    kept += 2 ** (drop - 1) - 1
    kept &= ((exponents << bits) | (2**bits - 1)) << drop  # without the sign
    return kept.view(x.dtype)
