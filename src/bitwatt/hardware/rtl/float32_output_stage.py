"""The output stage of a float32 neuron: bias, ReLU, pooling.

    code   = total + bias                         one rounded addition, total on the left
    code   = the activation, where `from_buffer`
    code   = +0 where `relu` and it is not above zero: -0 and NaN too
    pooled = code where it is larger than pooled, so that of equals (zeros are equal) the first stays, and a
             NaN that comes first; or pooled + code, rounded, in the order of arrival; restarted where
             `pool_first`
    result = code, pooled, or pooled * divisor, rounded, the divisor being the float32 nearest 1 / count

Each in float32 without subnormals (see `float32`). The registers are those of `output_stage`, but that the
multiplication takes two: result is 1, 2 and 4 registers behind the accumulator.
"""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from bitwatt.hardware.pooling import Pooling
from bitwatt.hardware.rtl.float32 import BITS, Float32Adder, Float32Multiplier
from bitwatt.hardware.rtl.operand import sign_magnitude_rank


class Float32OutputStage(wiring.Component):  # type: ignore[misc]
    """The output stage for float32. `divide` moves both stages of the multiplication."""

    def __init__(self) -> None:
        super().__init__(
            {
                "total": In(BITS),
                "bias": In(BITS),
                "from_buffer": In(1),
                "activation": In(BITS),
                "relu": In(1),
                "enable": In(1),
                "pooling": In(Pooling.bits()),
                "pool_first": In(1),
                "pool_enable": In(1),
                "divisor": In(BITS),
                "divide": In(1),
                "result": Out(BITS),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.add_bias = add_bias = Float32Adder()
        m.submodules.add_pooled = add_pooled = Float32Adder()
        m.submodules.scale = scale = Float32Multiplier()

        code = Signal(BITS, reset_less=True)
        value = Mux(self.from_buffer, self.activation, add_bias.sum)
        m.d.comb += [add_bias.left.eq(Mux(self.enable, self.total, 0)), add_bias.right.eq(self.bias)]
        with m.If(self.enable):
            m.d.sync += code.eq(Mux(self.relu & (value[-1] | _is_nan(value)), 0, value))

        pooled = Signal(BITS, reset_less=True)
        # The adders' NaN is positive and so ranks above everything: where pooled is one, it stays.
        both_zero = ~(code[:-1] | pooled[:-1]).any()
        larger = (sign_magnitude_rank(code) > sign_magnitude_rank(pooled)) & ~both_zero & ~_is_nan(code)
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


def _is_nan(word: Value) -> Value:
    return word[23:31].all() & word[:23].any()
