"""Division of a pooling window's sum by its count, exactly, with one multiplication.

For a count k of 2 to W = LARGEST_WINDOW and sums |s| < 2**n, take p = n + log2(W) + 2 and the reciprocal
M = ceil(2**p / k), so that M*k = 2**p + e with 0 <= e < k. Then |s| * M / 2**p = |s|/k + d, where
d = |s| * e / (k * 2**p) < 2**(n-p) = 1 / (4W).

|s|/k is a whole number plus r/k. If r/k is 0 or 1/2, the product's fraction is that plus less than 1/(4W). If
not, r/k is at least 1/(2k) >= 1/(2W) away from 0, 1/2 and 1, so adding d moves it across none of them. So the
whole part is exact; the first fraction bit says whether r/k >= 1/2; and r/k is neither 0 nor 1/2 just where
one of the next fraction bits, down to that of weight 1/(2W), is set. That is all that rounding to nearest
even needs. The magnitude is divided and the sign put back, which rounding to nearest even allows.
"""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value

from bitwatt.errors import RequestError
from bitwatt.formats import Format
from bitwatt.hardware.widths import LARGEST_WINDOW, span_of

_WINDOW_BITS = (LARGEST_WINDOW - 1).bit_length()


def magnitude_bits(activations: Format) -> int:
    """n: bits of the largest magnitude of a window's sum."""
    span = span_of(activations).times(LARGEST_WINDOW)
    return max(-span.least, span.most).bit_length()


def reciprocal_bits(activations: Format) -> int:
    """p, which is also the width of the reciprocal word."""
    return magnitude_bits(activations) + _WINDOW_BITS + 2


def reciprocal_word(activations: Format, count: int) -> int:
    """M for a window of `count` elements: what the output stage takes to divide by it.

    Raises `RequestError` for a count outside 2 to LARGEST_WINDOW.
    """
    if not 2 <= count <= LARGEST_WINDOW:
        raise RequestError(f"average pooling divides by 2 to {LARGEST_WINDOW} elements a window, got {count}")
    power: int = 2 ** reciprocal_bits(activations)
    return -(-power // count)


def divide(m: Module, activations: Format, enable: Value, total: Value, reciprocal: Value) -> Value:
    """total / count as a jammed number (see `rounding`), one register behind, where `enable` is high."""
    p = reciprocal_bits(activations)
    negative = Signal(reset_less=True)
    magnitude = Signal(magnitude_bits(activations))
    product = Signal(len(magnitude) + p)
    quotient = Signal(len(product) - p, reset_less=True)
    half, rest = Signal(reset_less=True), Signal(reset_less=True)
    # Gated, the multiplier rests but when it divides.
    gated = Signal(total.shape())
    m.d.comb += [
        gated.eq(Mux(enable, total, 0)),
        magnitude.eq(Mux(gated[-1], -gated, gated)),
        product.eq(magnitude * reciprocal),
    ]
    with m.If(enable):
        m.d.sync += [
            negative.eq(total[-1]),
            quotient.eq(product[p:]),
            half.eq(product[p - 1]),
            rest.eq(product[p - 1 - _WINDOW_BITS : p - 1].any()),
        ]
    # A mean lies within the format, so its quotient has no more bits than the format's own integers.
    span = span_of(activations)
    exact = Cat(rest, half, quotient[: max(-span.least, span.most).bit_length()], Const(0, 1)).as_signed()
    jammed = Signal(exact.shape())
    m.d.comb += jammed.eq(Mux(negative, -exact, exact))
    return jammed
