"""IEEE 754 binary32 multiplication and addition, without subnormals.

What they compute, for every pair of 32-bit words:

    operands:  a subnormal operand is taken as zero of its sign.
    result:    rounded to nearest, ties to even, exactly as IEEE 754 has it *with* subnormals; then a
               subnormal result becomes zero of its sign. So a product just below 2**-126 that IEEE rounds up
               to 2**-126 (from 2**-126 - 2**-150 on, the tie, which goes to the even side) stays 2**-126.
               That is what software gets that flushes the result of an ordinary float32 operation. A
               processor's own flush-to-zero mode gives zero for those below 2**-126 - 2**-151.
               A sum that small is always exact, so for addition the order of rounding and flushing is moot.
    overflow:  infinity of the result's sign.
    NaN:       a NaN operand, infinity - infinity and zero * infinity give the quiet NaN 0x7FC00000.
    zero:      x - x is +0; (-0) + (-0) is -0; the sign of a product is the product of the signs.
"""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import C, Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

BITS = 32
QUIET_NAN = 0x7FC00000
ONE = 0x3F800000

_FRACTION = 23
_TOP_EXPONENT = 255
_BIAS = 127


@dataclass(frozen=True)
class _Fields:
    """A word taken apart; `significand` has 24 bits and is 0 for zeros and subnormals."""

    sign: Value
    exponent: Value
    significand: Value
    is_zero: Value
    is_infinite: Value
    is_nan: Value


def _fields(m: Module, word: Value) -> _Fields:
    fraction, exponent, sign = word[:_FRACTION], word[_FRACTION:31], word[31]
    is_zero, is_top, has_fraction = Signal(), Signal(), Signal()
    significand = Signal(_FRACTION + 1)
    m.d.comb += [
        is_zero.eq(exponent == 0),
        is_top.eq(exponent == _TOP_EXPONENT),
        has_fraction.eq(fraction.any()),
        significand.eq(Cat(Mux(is_zero, 0, fraction), ~is_zero)),
    ]
    return _Fields(sign, exponent, significand, is_zero, is_top & ~has_fraction, is_top & has_fraction)


def _packed(
    m: Module, sign: Value, exponent: Value, fraction: Value, *, zero: Value, infinite: Value, nan: Value
) -> Value:
    """The result's word; of the conditions NaN comes first, then infinity, then zero."""
    word = Signal(BITS)
    with m.If(nan):
        m.d.comb += word.eq(QUIET_NAN)
    with m.Elif(infinite):
        m.d.comb += word.eq(Cat(C(0, _FRACTION), C(_TOP_EXPONENT, 8), sign))
    with m.Elif(zero):
        m.d.comb += word.eq(Cat(C(0, 31), sign))
    with m.Else():
        m.d.comb += word.eq(Cat(fraction, exponent[:8], sign))
    return word


class Float32Multiplier(wiring.Component):  # type: ignore[misc]
    """product = weight * activation in two stages: significands multiplied, then normalised and rounded.

    `enable` moves both stages; `product` is that of the operands two enabled cycles before.
    """

    latency = 2

    def __init__(self) -> None:
        super().__init__(
            {
                "weight": In(BITS),
                "activation": In(BITS),
                "enable": In(1),
                "product": Out(BITS),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        a, b = _fields(m, self.weight), _fields(m, self.activation)

        sign, zero, infinite, nan = (
            Signal(name=name, reset_less=True) for name in ("sign", "zero", "infinite", "nan")
        )
        exponents = Signal(9, reset_less=True)
        significands = Signal(2 * _FRACTION + 2, reset_less=True)
        with m.If(self.enable):
            m.d.sync += [
                sign.eq(a.sign ^ b.sign),
                zero.eq(a.is_zero | b.is_zero),
                infinite.eq(a.is_infinite | b.is_infinite),
                nan.eq(a.is_nan | b.is_nan | (a.is_zero & b.is_infinite) | (a.is_infinite & b.is_zero)),
                exponents.eq(a.exponent + b.exponent),
                significands.eq(a.significand * b.significand),
            ]

        # The product of two numbers in [1, 2) lies in [1, 4): normalising is a shift by one at most.
        high = significands[-1]
        normal = Signal(len(significands))
        exponent = Signal(signed(11))
        kept = normal[-(_FRACTION + 1) :]
        guard, sticky = normal[_FRACTION], normal[:_FRACTION].any()
        up, rounded, final = Signal(), Signal(_FRACTION + 2), Signal(signed(11))
        m.d.comb += [
            normal.eq(Mux(high, significands, significands << 1)),
            exponent.eq(exponents - _BIAS + high),
            # One binade below the normals a subnormal result keeps a bit less; all that matters of its
            # rounding is whether it reaches 2**-126, which it does where every kept bit is one.
            up.eq((exponent == 0) | (guard & (sticky | kept[0]))),
            rounded.eq(kept + up),
            final.eq(exponent + rounded[-1]),
        ]
        word = _packed(
            m,
            sign,
            final,
            rounded[:_FRACTION],
            zero=zero | (final <= 0),
            infinite=infinite | (final >= _TOP_EXPONENT),
            nan=nan,
        )
        register = Signal(BITS, reset_less=True)
        with m.If(self.enable):
            m.d.sync += register.eq(word)
        m.d.comb += self.product.eq(register)
        return m


class Float32Adder(wiring.Component):  # type: ignore[misc]
    """sum = left + right, combinational: align, add, normalise, round.

    Three bits below the significand (guard, round, sticky) make the rounding exact: the smaller operand is
    shifted right with every bit that drops out gathered in the last.
    """

    def __init__(self) -> None:
        super().__init__({"left": In(BITS), "right": In(BITS), "sum": Out(BITS)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        a, b = _fields(m, self.left), _fields(m, self.right)
        swap = Signal()
        m.d.comb += swap.eq(self.right[:31] > self.left[:31])

        def larger(x: Value, y: Value) -> Value:
            return Mux(swap, y, x)

        width = _FRACTION + 1 + 3
        sign, subtract = Signal(), Signal()
        exponent, distance = Signal(8), Signal(8)
        large, small = Signal(width), Signal(width)
        m.d.comb += [
            sign.eq(larger(a.sign, b.sign)),
            subtract.eq(a.sign ^ b.sign),
            exponent.eq(larger(a.exponent, b.exponent)),
            distance.eq(Mux(swap, b.exponent - a.exponent, a.exponent - b.exponent)),
            large.eq(larger(a.significand, b.significand) << 3),
            small.eq(larger(b.significand, a.significand) << 3),
        ]
        aligned = shifted_right(m, small, distance)
        total = Signal(width + 1)
        # The larger operand is never less than the aligned one, so the difference has no sign.
        m.d.comb += total.eq(large + (aligned ^ subtract.replicate(width)) + subtract - (subtract << width))

        normal, zeros = _normalised(m, total)
        kept = normal[-(_FRACTION + 1) :]
        guard, sticky = normal[3], normal[:3].any()
        rounded, final = Signal(_FRACTION + 2), Signal(signed(10))
        m.d.comb += [
            rounded.eq(kept + (guard & (sticky | kept[0]))),
            final.eq(exponent + 1 - zeros + rounded[-1]),
        ]
        cancelled = ~normal[-1]
        m.d.comb += self.sum.eq(
            _packed(
                m,
                Mux(cancelled, a.sign & b.sign, sign),
                final,
                rounded[:_FRACTION],
                zero=cancelled | (final <= 0),
                infinite=a.is_infinite | b.is_infinite | (final >= _TOP_EXPONENT),
                nan=a.is_nan | b.is_nan | (a.is_infinite & b.is_infinite & subtract),
            )
        )
        return m


def shifted_right(m: Module, value: Value, distance: Value) -> Value:
    """An unsigned value shifted right, its last bit also standing for every bit that dropped out."""
    stages = (len(value) - 1).bit_length()
    for stage in range(stages):
        drop = min(2**stage, len(value))
        moved = Signal(len(value))
        jammed = Cat(value[drop] | value[:drop].any(), value[drop + 1 :])
        m.d.comb += moved.eq(Mux(distance[stage], jammed, value))
        value = moved
    if len(distance) > stages:
        result = Signal(len(value))
        m.d.comb += result.eq(Mux(distance[stages:].any(), value.any(), value))
        value = result
    return value


def _normalised(m: Module, value: Value) -> tuple[Value, Value]:
    """The value shifted left until its top bit is one, and by how much (as far as it goes where it is 0)."""
    count: list[Value] = []
    for stage in reversed(range((len(value) - 1).bit_length())):
        empty, moved = Signal(), Signal(len(value))
        m.d.comb += [
            empty.eq(~value[-(2**stage) :].any()),
            moved.eq(Mux(empty, value << 2**stage, value)),
        ]
        count.insert(0, empty)
        value = moved
    return value, Cat(*count)
