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


def _packed(m: Module, sign: Value, word: Value, *, zero: Value, infinite: Value, nan: Value) -> Value:
    """A magnitude with its sign; of the conditions NaN comes first, then infinity, then zero."""
    packed = Signal(BITS)
    with m.If(nan):
        m.d.comb += packed.eq(QUIET_NAN)
    with m.Elif(infinite):
        m.d.comb += packed.eq(Cat(C(0, _FRACTION), C(_TOP_EXPONENT, 8), sign))
    with m.Elif(zero):
        m.d.comb += packed.eq(Cat(C(0, 31), sign))
    with m.Else():
        m.d.comb += packed.eq(Cat(word, sign))
    return packed


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
        exact, word = Signal(signed(11)), Signal(BITS - 1)
        guard, sticky, last = normal[_FRACTION], normal[:_FRACTION].any(), normal[_FRACTION + 1]
        # One binade below the normals a subnormal result keeps a bit less; all that matters of its rounding
        # is whether it reaches 2**-126, which it does where every kept bit is one.
        up, least = Signal(), Signal()
        m.d.comb += [
            normal.eq(Mux(high, significands, significands << 1)),
            exact.eq(exponents - _BIAS + high),
            least.eq((exact == 0) & normal[_FRACTION + 1 :].all()),
            up.eq(least | (guard & (sticky | last))),
            # A carry out of the fraction goes on into the exponent: see the adder.
            word.eq(Cat(normal[_FRACTION + 1 : -1], exact[:8]) + up),
        ]
        packed = _packed(
            m,
            sign,
            word,
            zero=zero | ((exact <= 0) & ~least),
            infinite=infinite | (exact >= _TOP_EXPONENT),
            nan=nan,
        )
        register = Signal(BITS, reset_less=True)
        with m.If(self.enable):
            m.d.sync += register.eq(packed)
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
        # The larger operand is never less than the aligned one, so the difference has no sign; its carry out
        # is dropped. The carry in comes from one place further down: one adder, not three operands.
        carried, total = Signal(width + 2), Signal(width + 1)
        m.d.comb += [
            carried.eq(Cat(C(1, 1), large) + Cat(subtract, aligned ^ subtract.replicate(width))),
            total.eq(Cat(carried[1:-1], carried[-1] & ~subtract)),
        ]

        zeros = leading_zeros(m, total)
        normal = shifted_left(m, total, zeros)
        # A carry out of the fraction goes on into the exponent, and beyond the largest number gives the very
        # word of infinity, so both are rounded as one number.
        exact, word = Signal(signed(10)), Signal(BITS - 1)
        guard, sticky, last = normal[3], normal[:3].any(), normal[4]
        m.d.comb += [
            exact.eq(exponent + 1 - zeros),
            word.eq(Cat(normal[4:-1], exact[:8]) + (guard & (sticky | last))),
        ]
        cancelled = ~total.any()
        m.d.comb += self.sum.eq(
            _packed(
                m,
                Mux(cancelled, a.sign & b.sign, sign),
                word,
                zero=cancelled | (exact <= 0),
                infinite=a.is_infinite | b.is_infinite | (exact >= _TOP_EXPONENT),
                nan=a.is_nan | b.is_nan | (a.is_infinite & b.is_infinite & subtract),
            )
        )
        return m


def shifted_right(m: Module, value: Value, distance: Value) -> Value:
    """An unsigned value shifted right, its last bit also standing for every bit that dropped out."""
    stages = (len(value) - 1).bit_length()
    for stage in reversed(range(stages)):
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


def shifted_left(m: Module, value: Value, distance: Value) -> Value:
    """A value shifted left, the highest bit of the distance first."""
    for stage in reversed(range(len(distance))):
        moved = Signal(len(value))
        m.d.comb += moved.eq(Mux(distance[stage], value << 2**stage, value))
        value = moved
    return value


def leading_zeros(m: Module, value: Value) -> Value:
    """How many zeros stand above a value's highest one, by halves; len(value) where it is 0."""
    length = 1 << (len(value) - 1).bit_length()
    # Ones stand below for what is missing to a power of two.
    level = [(~bit, list[Value]()) for bit in Cat(C(-1, length - len(value)), value)]
    while len(level) > 1:
        following = []
        for (low_empty, low), (high_empty, high) in zip(level[::2], level[1::2], strict=True):
            count = Signal(len(high) + 1)
            empty = Signal()
            below = [Mux(high_empty, x, y) for x, y in zip(low, high, strict=True)]
            m.d.comb += [count.eq(Cat(*below, high_empty)), empty.eq(low_empty & high_empty)]
            following.append((empty, list(count)))
        level = following
    return Cat(*level[0][1])
