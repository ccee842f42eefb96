"""The weight block: one product of a weight and an activation, as an exact integer, registered.

The family of the weight decides what it is: a multiplier, a shifter, a gate, or a negation. `product` is the
combinational core; `WeightBlock` puts its register behind it. float32 is `float32.Float32Multiplier`.
"""

from __future__ import annotations

from functools import singledispatch

from amaranth.hdl import Const, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from bitwatt.formats import Binary, Format, PowerOfTwo, Precision, Ternary
from bitwatt.hardware.rtl.float32 import Float32Multiplier
from bitwatt.hardware.rtl.operand import Operand, operand
from bitwatt.hardware.widths import product_bits


@singledispatch
def product(weights: Format, activations: Format, m: Module, weight: Value, activation: Value) -> Value:
    """Combinational product of two code words, in units of 2**(both unit exponents); not yet cut to width.

    The default multiplies significands and adds shifts: right for every format.
    """
    w, a = operand(weights, m, weight), operand(activations, m, activation)
    return _shifted(m, w.significand * a.significand, w.shift, a.shift)


@product.register
def _power_of_two(
    weights: PowerOfTwo, activations: Format, m: Module, weight: Value, activation: Value
) -> Value:
    w, a = operand(weights, m, weight), operand(activations, m, activation)
    return _shifted(m, _gated(m, weight[:-1].any(), weight[-1], a), w.shift, a.shift)


@product.register
def _ternary(weights: Ternary, activations: Format, m: Module, weight: Value, activation: Value) -> Value:
    a = operand(activations, m, activation)
    return _shifted(m, _gated(m, weight[0], weight[1], a), a.shift)


@product.register
def _binary(weights: Binary, activations: Format, m: Module, weight: Value, activation: Value) -> Value:
    a = operand(activations, m, activation)
    return _shifted(m, _gated(m, Const(1, 1), weight[0], a), a.shift)


def _gated(m: Module, keep: Value, negate: Value, a: Operand) -> Value:
    """The significand times -1, 0 or +1: gated first, so that a zero weight toggles nothing behind it."""
    width = len(a.significand)
    kept = Signal(signed(width))
    result = Signal(signed(width + 1))
    m.d.comb += [
        kept.eq(Mux(keep, a.significand, 0)),
        result.eq((kept ^ negate.replicate(width).as_signed()) + negate),
    ]
    return result


def _shifted(m: Module, value: Value, *shifts: Value | None) -> Value:
    present = [shift for shift in shifts if shift is not None]
    return value << sum(present[1:], present[0]) if present else value


class WeightBlock(wiring.Component):  # type: ignore[misc]
    """A weight block of integers: `product` is valid one cycle after the operands, where `enable` was high.

    weight, activation: code words. product: signed, of exactly the bits that products need.
    """

    latency = 1

    def __init__(self, weights: Format, activations: Format) -> None:
        self.weights = weights
        self.activations = activations
        super().__init__(
            {
                "weight": In(weights.bits),
                "activation": In(activations.bits),
                "enable": In(1),
                "product": Out(signed(product_bits(weights, activations))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        register = Signal.like(self.product, reset_less=True)
        value = product(self.weights, self.activations, m, self.weight, self.activation)
        with m.If(self.enable):
            m.d.sync += register.eq(value)
        m.d.comb += self.product.eq(register)
        return m


def weight_block(precision: Precision) -> WeightBlock | Float32Multiplier:
    """The weight block of a precision; both kinds have weight, activation, enable, product and `latency`."""
    if precision.is_float:
        return Float32Multiplier()
    return WeightBlock(precision.weights, precision.activations)
