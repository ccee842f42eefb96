"""Integers too wide for int64, in two words: high * 2**width + low with 0 <= low < 2**width."""

from __future__ import annotations

import torch
from torch import Tensor


def add_with_carries(terms: list[Tensor], bias: Tensor | None, digit_bits: int) -> tuple[Tensor, Tensor]:
    """bias + sum of terms[j] * 2**(j * digit_bits), exactly: (high, low) with width digit_bits * len(terms).

    terms: whole numbers in floating point, within +-2**53; bias: int64 within +-2**62. Results are int64.
    """
    high = terms[0].to(torch.int64)
    if bias is not None:
        high += bias
    low = torch.zeros_like(high)
    for position, term in enumerate(terms):
        if position:
            high += term.to(torch.int64)
        low |= (high & (2**digit_bits - 1)) << (position * digit_bits)
        high >>= digit_bits
    return high, low


WIDTH = 58
"""Bits of the low word that `add_shifted` leaves: as many as `rounded_to_odd` takes."""


def add_shifted(
    high: Tensor, low: Tensor, width: int, other: Tensor, lift: Tensor, shift: Tensor
) -> tuple[Tensor, Tensor, int]:
    """((high * 2**width + low) << lift) + (other << shift), exactly: (high, low, `WIDTH`).

    width: up to `WIDTH`. lift: 0 to `WIDTH`; shift: 0 to 100; both int64 and broadcast. All sums must lie
    within 120 bits.
    """
    down = (WIDTH - width - lift).clamp(min=0)  # bits that leave the high word for the low one
    up = (lift - (WIDTH - width)).clamp(min=0)  # or the low one for the high one
    one = torch.ones_like(lift)
    kept = width - up
    new_high = ((high >> down) << up) | (low >> kept)
    from_high = (high & ((one << down) - 1)) << (width + lift).clamp(max=WIDTH)
    low = ((low & ((one << kept) - 1)) << lift.clamp(max=WIDTH)) | torch.where(down > 0, from_high, 0)
    within = shift.clamp(max=WIDTH)
    new_high = new_high + ((other >> (WIDTH - within)) << (shift - within))
    low = low + torch.where(shift < WIDTH, (other & ((one << (WIDTH - within)) - 1)) << within, 0)
    return new_high + (low >> WIDTH), low & (2**WIDTH - 1), WIDTH


def rounded_to_odd(high: Tensor, low: Tensor, width: int, shift: Tensor) -> Tensor:
    """(high * 2**width + low) * 2**-shift in float64: whole quarters, odd where anything was dropped.

    Grids of integers decide at halves, which are even quarters, so that an odd quarter lies on the same side
    of each of them as the exact number does: rounding this gives what rounding that would (S. Boldo and
    G. Melquiond, "Emulation of FMA and correctly rounded sums: proved algorithms using rounding to odd",
    IEEE Trans. Computers 57(4), 2008). Beyond 2**50 only the magnitude is kept; every grid saturates long
    before. width: up to 58; shift: int64, from -64 to 100, broadcast against high.
    """
    drop = (shift - 2).clamp(min=0)
    from_low = drop.clamp(max=width)
    from_high = (drop - width).clamp(0, 62)
    lift = (width - drop).clamp(min=0)
    one = torch.ones_like(shift)
    dropped = (high & ((one << from_high) - 1)) | (low & ((one << from_low) - 1))
    largest = one << (52 - lift).clamp(min=2)  # so that no low word outweighs what was cut
    quarters = torch.minimum(torch.maximum(high >> from_high, -largest), largest) << lift
    quarters |= low >> from_low
    quarters |= dropped != 0
    return quarters.to(torch.float64).mul_(power_of_two(drop - shift))


def power_of_two(exponent: Tensor) -> Tensor:
    """2**exponent in float64, exact (the library's `pow` need not be). Exponents -1022 to 1023."""
    return ((exponent + 1023) << 52).view(torch.float64)
