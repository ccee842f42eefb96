"""A code word as the numbers that arithmetic works on: a signed significand and a shift, or its rank."""

from __future__ import annotations

from dataclasses import dataclass
from functools import singledispatch

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value, signed

from bitwatt.formats import Fixed, Format, Minifloat, PowerOfTwo, Ternary
from bitwatt.formats.base import EXHAUSTIBLE_BITS
from bitwatt.hardware.widths import span_of


@dataclass(frozen=True)
class Operand:
    """integer = significand * 2**shift; the significand is signed, the shift is not (None: no shift)."""

    significand: Value
    shift: Value | None = None


@singledispatch
def operand(format_: Format, m: Module, code: Value) -> Operand:
    """The operand that a code word stands for: combinational logic added to `m`.

    By default a table of the format's integers, which says what every faster rule has to equal; reserved
    codes read as 0. Raises `ValueError` for a format of more than 16 bits that has no rule of its own.
    """
    if format_.bits > EXHAUSTIBLE_BITS:
        raise ValueError(
            f"{format_} has {format_.bits} bits, too many for a table: register a rule for its family"
        )
    words = format_.codes()
    table = dict(zip(words.tolist(), format_.integers(words).tolist(), strict=True))
    shape = signed(span_of(format_).bits)
    return Operand(Array(Const(table.get(word, 0), shape) for word in range(2**format_.bits))[code])


@operand.register
def _fixed(format_: Fixed, m: Module, code: Value) -> Operand:
    # One bit more makes an unsigned word a positive signed one.
    return Operand(code.as_signed() if format_.signed else Cat(code, Const(0, 1)).as_signed())


@operand.register
def _ternary(format_: Ternary, m: Module, code: Value) -> Operand:
    return Operand(code.as_signed())


@operand.register
def _power_of_two(format_: PowerOfTwo, m: Module, code: Value) -> Operand:
    field, sign = code[:-1], code[-1]
    nonzero = field.any()
    # -1, 0, +1 in two bits; field 0 gives 0 whatever is shifted, so that the shift needs no clamp.
    return Operand(Cat(nonzero, nonzero & sign).as_signed(), (field - 1)[: len(field)])


@operand.register
def _minifloat(format_: Minifloat, m: Module, code: Value) -> Operand:
    mantissa = code[: format_.mantissa_bits]
    field = code[format_.mantissa_bits : -1]
    normal = field.any()
    magnitude = Cat(mantissa, normal, Const(0, 1)).as_signed()
    significand = Signal(signed(format_.mantissa_bits + 2))
    m.d.comb += significand.eq(Mux(code[-1], -magnitude, magnitude))
    # Subnormals share the exponent of field 1.
    return Operand(significand, (field - normal)[: format_.exponent_bits])


def integer(format_: Format, m: Module, code: Value) -> Value:
    """The integer that a code word stands for, in two's complement."""
    found = operand(format_, m, code)
    if found.shift is None:
        return found.significand
    value = Signal(signed(span_of(format_).bits))
    m.d.comb += value.eq(found.significand << found.shift)
    return value


@singledispatch
def rank(format_: Format, m: Module, code: Value) -> Value:
    """A signed word that orders codes as their values are ordered: what a comparison needs, and no more."""
    return integer(format_, m, code)


@rank.register
def _rank_minifloat(format_: Minifloat, m: Module, code: Value) -> Value:
    return sign_magnitude_rank(code)


@rank.register
def _rank_power_of_two(format_: PowerOfTwo, m: Module, code: Value) -> Value:
    return sign_magnitude_rank(code)


def sign_magnitude_rank(code: Value) -> Value:
    """Order of sign-magnitude words as a signed word: negatives complemented, and so -0 just below +0."""
    return Cat(code[:-1] ^ code[-1].replicate(len(code) - 1), code[-1]).as_signed()
