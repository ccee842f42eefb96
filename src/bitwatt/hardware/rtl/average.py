"""Division of a pooling window's sum by its count: exact, a few quotient bits a cycle.

Restoring division, as by hand: the remainder doubles, takes in the next bit, and gives back the divisor where
it holds it. A count has few bits, so a step is one short subtraction; a multiplication by the reciprocal that
is as exact took five times the area (16-bit activations, 45 nm). The magnitude is divided and the sign put
back, which rounding to nearest even allows.
"""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value

from bitwatt.formats import Format
from bitwatt.hardware.pooling import DIVIDE_CYCLES
from bitwatt.hardware.widths import LARGEST_WINDOW, span_of

_REMAINDER_BITS = (LARGEST_WINDOW - 1).bit_length()


def divide(m: Module, activations: Format, start: Value, total: Value, count: Value) -> Value:
    """total / count as a jammed number (see `rounding`).

    Taken where `start` is high, valid DIVIDE_CYCLES registers later and until the next start, which must not
    come sooner. total: the signed sum of `count` of the format's integers; count: 1 to LARGEST_WINDOW.
    """
    span = span_of(activations)
    whole = max(-span.least, span.most).bit_length()  # a mean is no larger than the largest element
    a_cycle = -(-(whole + 1) // DIVIDE_CYCLES)  # one bit more at least: the half
    fraction = a_cycle * DIVIDE_CYCLES - whole

    gated = Signal(total.shape())
    magnitude = Signal(whole + _REMAINDER_BITS)
    # Gated, the negation rests but when it is needed.
    m.d.comb += [gated.eq(Mux(start, total, 0)), magnitude.eq(Mux(gated[-1], -gated, gated))]

    negative = Signal(reset_less=True)
    divisor = Signal(len(count), reset_less=True)
    remainder = Signal(_REMAINDER_BITS, reset_less=True)
    # Bits of the dividend leave at the top, bits of the quotient enter at the bottom.
    word = Signal(whole + fraction, reset_less=True)
    left = Signal(range(DIVIDE_CYCLES), reset_less=True)

    # The dividend's first bits are less than the count as they stand: no quotient bit is lost.
    r: Value = Mux(start, magnitude[whole:], remainder)
    d: Value = Mux(start, Cat(Const(0, fraction), magnitude[:whole]), word)
    k = Signal(len(count))
    m.d.comb += k.eq(Mux(start, count, divisor))
    for _ in range(a_cycle):
        doubled = Signal(_REMAINDER_BITS + 1)
        rest = Signal(_REMAINDER_BITS + 2)
        following = Signal(_REMAINDER_BITS)
        m.d.comb += [
            doubled.eq(Cat(d[-1], r)),
            rest.eq(doubled - k),
            following.eq(Mux(rest[-1], doubled, rest)),
        ]
        r, d = following, Cat(~rest[-1], d[:-1])
    with m.If(start):
        m.d.sync += [negative.eq(total[-1]), divisor.eq(count), left.eq(DIVIDE_CYCLES - 1)]
    with m.Elif(left.any()):
        m.d.sync += left.eq(left - 1)
    with m.If(start | left.any()):
        m.d.sync += [remainder.eq(r), word.eq(d)]

    below = word[: fraction - 1].any() | remainder.any()
    exact = Cat(below, word[fraction - 1 :], Const(0, 1)).as_signed()
    jammed = Signal(exact.shape())
    m.d.comb += jammed.eq(Mux(negative, -exact, exact))
    return jammed
