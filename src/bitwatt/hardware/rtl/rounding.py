"""From an exact number to a format's nearest code word.

Between the two stands a *jammed* number: a signed integer in quarters of the format's unit, whose last bit is
also set by anything nonzero below it. With that much, every comparison with a grid point, or with the middle
of two grid points, comes out as with the exact number.
"""

from __future__ import annotations

from functools import singledispatch
from itertools import pairwise

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed

from bitwatt.formats import Fixed, Format, Minifloat, PowerOfTwo
from bitwatt.hardware.widths import LEFT_SHIFTS

QUARTERS = 2
"""Fraction bits of a jammed number: a half, and the jammed bit."""


def shifted(m: Module, value: Value, shift: Value, fraction: int = QUARTERS) -> Value:
    """value * 2**-shift as a jammed number, for a signed shift from -LEFT_SHIFTS up: nothing is lost.

    fraction: how many fraction bits it is given, the jammed one among them.
    """
    width = len(value) + LEFT_SHIFTS + fraction
    moved: Value = Signal(signed(width))
    distance = Signal(len(shift))
    m.d.comb += [moved.eq(value << (LEFT_SHIFTS + fraction)), distance.eq(shift + LEFT_SHIFTS)]
    for stage in reversed(range(len(distance))):
        drop = min(2**stage, width - 1)
        following = Signal(signed(width))
        m.d.comb += following.eq(Mux(distance[stage], (moved >> drop) | moved[:drop].any(), moved))
        moved = following
    return moved


def jammed_sum(m: Module, jammed: Value, addend: Value, fraction: int) -> Value:
    """A jammed number of `fraction` fraction bits plus an exact one, as a jammed number of QUARTERS.

    addend: signed, in units of twice the jammed bit's: an even number leaves the jammed bit what it says.
    """
    total = Signal(signed(max(len(jammed), len(addend) + 1) + 1))
    m.d.comb += total.eq(jammed + (addend << 1))
    below = fraction - QUARTERS + 1
    return Cat(total[:below].any(), total[below:]).as_signed()


@singledispatch
def nearest(format_: Format, m: Module, jammed: Value) -> Value:
    """The code word nearest to a jammed number; of two equally near the even one; saturating.

    By default a comparison with the middle of each two neighbours, right for every format of few codes.
    """
    codes = format_.codes()
    ordered = sorted(zip(format_.integers(codes).tolist(), codes.tolist(), strict=True))
    code = Signal(format_.bits)
    m.d.comb += code.eq(ordered[0][1])
    for (below, _), (above, word) in pairwise(ordered):
        middle = (below + above) << (QUARTERS - 1)
        with m.If(jammed >= middle + word % 2):
            m.d.comb += code.eq(word)
    return code


@nearest.register
def _fixed(format_: Fixed, m: Module, jammed: Value) -> Value:
    whole, bits, sign = jammed >> QUARTERS, format_.bits, jammed[-1]
    # Whether it fits is seen before rounding, so that no more than the code's own bits are incremented: the
    # largest that fits stays as it is.
    if format_.signed:
        beyond = whole[bits - 1 :]
        fits, limit = beyond.all() | ~beyond.any(), Cat(~sign.replicate(bits - 1), sign)
        largest = ~whole[bits - 1] & whole[: bits - 1].all()
    else:
        fits, limit = ~whole[bits:].any(), ~sign.replicate(bits)
        largest = whole[:bits].all()
    up = jammed[1] & (jammed[0] | whole[0]) & ~largest
    code = Signal(bits)
    m.d.comb += code.eq(Mux(fits, whole[:bits] + up, limit))
    return code


@nearest.register
def _minifloat(format_: Minifloat, m: Module, jammed: Value) -> Value:
    return _nearest_floating(format_, format_.mantissa_bits, m, jammed)


@nearest.register
def _power_of_two(format_: PowerOfTwo, m: Module, jammed: Value) -> Value:
    return _nearest_floating(format_, 0, m, jammed)


def _nearest_floating(format_: Format, mantissa_bits: int, m: Module, jammed: Value) -> Value:
    """Grids whose spacing doubles with every binade, a power of two being one with no mantissa bits.

    A magnitude code is significand + drop * 2**mantissa_bits, `drop` being how many bits of the integer
    below the significand are rounded away; a carry out of the significand then lands in the exponent field.
    """
    largest = format_.largest_integer
    width = largest.bit_length()
    largest_code = int(format_.encode(format_.largest))
    negative = jammed[-1]
    magnitude, x = Signal(len(jammed)), Signal(width + QUARTERS)
    over = Signal()
    m.d.comb += [
        magnitude.eq(Mux(negative, -jammed, jammed)),
        over.eq((magnitude >> QUARTERS) >= largest),
        x.eq(magnitude),
    ]

    most_zeros = width - 1 - mantissa_bits
    zeros, drop = Signal(range(most_zeros + 1)), Signal(range(most_zeros + 1))
    m.d.comb += [zeros.eq(most_zeros), drop.eq(0)]
    for position in range(mantissa_bits + 1, width):  # the highest that is set has the last word
        with m.If(x[position + QUARTERS]):
            m.d.comb += [zeros.eq(width - 1 - position), drop.eq(position - mantissa_bits)]

    normal = Signal(len(x))
    m.d.comb += normal.eq(x << zeros)
    rest = len(x) - (mantissa_bits + 1)
    truncated = Signal(format_.bits)
    rounded = Signal(format_.bits - 1)
    code = Signal(format_.bits)
    m.d.comb += [
        truncated.eq(normal[rest:] + (drop << mantissa_bits)),
        rounded.eq(
            Mux(
                over, largest_code, truncated + (normal[rest - 1] & (normal[: rest - 1].any() | truncated[0]))
            )
        ),
        code.eq(Cat(rounded, negative & rounded.any())),
    ]
    return code
