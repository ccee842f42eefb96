"""The output stage of a float32 neuron: bias, residual, ReLU, bounds, pooling.

    code   = total + bias                         one rounded addition, total on the left
    code   = the activation, where `from_buffer`
    code   = code + residual, where `add_residual`: another rounded addition
    code   = +0 where `relu` and it is not above zero: -0 and NaN too
    code   = min(max(code, low), high), where `clips`: code where it is larger than low, else low; that where
    it
             is smaller than high, else high
    pooled = code where it is larger than pooled, so that of equals (zeros are equal) the first stays, and a
             NaN that comes first; or pooled + code, rounded, in the order of arrival; restarted where
             `pool_first`
    result = code, pooled, or pooled * divisor, rounded, the divisor being the float32 nearest 1 / count

Each in float32 without subnormals (see `float32`). The registers are those of `output_stage`, but that the
multiplication takes two: a mean is 3 registers behind code. Residuals and bounds take one register more each.
"""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from bitwatt.hardware.pooling import Pooling
from bitwatt.hardware.rtl.float32 import BITS, Float32Adder, Float32Multiplier
from bitwatt.hardware.rtl.operand import sign_magnitude_rank


class Float32OutputStage(wiring.Component):  # type: ignore[misc]
    """The output stage for float32. `divide` moves both stages of the multiplication.

    residual: whether it adds one. clip: whether it has bounds.
    """

    def __init__(self, *, residual: bool = False, clip: bool = False) -> None:
        self.adds_residual = residual
        self.has_bounds = clip
        self.registers = 1 + residual + clip
        ports = {
            "total": In(BITS),
            "bias": In(BITS),
            "from_buffer": In(1),
            "activation": In(BITS),
            "relu": In(1),
            "enable": In(self.registers),
            "pooling": In(Pooling.bits()),
            "pool_first": In(1),
            "pool_enable": In(1),
            "divisor": In(BITS),
            "divide": In(1),
            "result": Out(BITS),
        }
        if residual:
            ports |= {"residual": In(BITS), "add_residual": In(1)}
        if clip:
            ports |= {"clips": In(1), "low": In(BITS), "high": In(BITS)}
        super().__init__(ports)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.add_pooled = add_pooled = Float32Adder()
        m.submodules.scale = scale = Float32Multiplier()

        code = Signal(BITS, reset_less=True)
        value = self._code(m)
        with m.If(self.enable[-1]):
            m.d.sync += code.eq(value)

        pooled = Signal(BITS, reset_less=True)
        larger = _exceeds(code, pooled)
        m.d.comb += [add_pooled.left.eq(pooled), add_pooled.right.eq(code)]
        with m.If(self.pool_enable):
            with m.If(self.pool_first):
                m.d.sync += pooled.eq(code)
            with m.Elif(self.pooling == Pooling.AVERAGE):
                m.d.sync += pooled.eq(add_pooled.sum)
            with m.Elif(larger):
                m.d.sync += pooled.eq(code)

        m.d.comb += [
            scale.weight.eq(self.divisor),
            scale.activation.eq(pooled),
            scale.enable.eq(self.divide),
        ]
        with m.Switch(self.pooling):
            with m.Case(Pooling.MAX):
                m.d.comb += self.result.eq(pooled)
            with m.Case(Pooling.AVERAGE):
                m.d.comb += self.result.eq(scale.product)
            with m.Default():
                m.d.comb += self.result.eq(code)
        return m

    def _code(self, m: Module) -> Value:
        m.submodules.add_bias = add_bias = Float32Adder()
        m.d.comb += [add_bias.left.eq(Mux(self.enable[0], self.total, 0)), add_bias.right.eq(self.bias)]
        value = Mux(self.from_buffer, self.activation, add_bias.sum)
        if self.adds_residual:
            m.submodules.add_residual = add = Float32Adder()
            biased = _registered(m, "biased", value, self.enable[0])
            m.d.comb += [add.left.eq(biased), add.right.eq(Mux(self.add_residual, self.residual, 0))]
            value = Mux(self.add_residual, add.sum, biased)
        if self.has_bounds:
            value = _registered(m, "unclipped", value, self.enable[-2])
        rectified = Signal(BITS)
        m.d.comb += rectified.eq(Mux(self.relu & (value[-1] | _is_nan(value)), 0, value))
        return self._clipped(rectified) if self.has_bounds else rectified

    def _clipped(self, value: Value) -> Value:
        above = Mux(_exceeds(value, self.low), value, self.low)
        return Mux(self.clips, Mux(_exceeds(self.high, above), above, self.high), value)


def _registered(m: Module, name: str, value: Value, enable: Value) -> Value:
    register = Signal(BITS, name=name, reset_less=True)
    with m.If(enable):
        m.d.sync += register.eq(value)
    return register


def _is_nan(word: Value) -> Value:
    return word[23:31].all() & word[:23].any()


def _exceeds(one: Value, other: Value) -> Value:
    """Whether one is more than the other: not of two zeros, nor of anything and NaN.

    The adders' NaN is positive and so ranks above everything.
    """
    both_zero = ~(one[:-1] | other[:-1]).any()
    return (sign_magnitude_rank(one) > sign_magnitude_rank(other)) & ~both_zero & ~_is_nan(one)
