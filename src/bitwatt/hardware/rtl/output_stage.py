"""The output stage of a neuron: bias, shift, rounding, ReLU, pooling.

What it computes on integers, in the order in which it does:

    exact  = total + bias                                     one bit more than the accumulator: never wraps
    code   = nearest(exact * 2**-shift)                       the format's nearest value, ties to the even
             code word, saturating; shift may be negative, down to -LEFT_SHIFTS
    code   = the activation, where `from_buffer`              a pooling pass reads Bin instead
    code   = 0 where `relu` and it is negative
    pooled = max(pooled, code), or pooled + integer(code)     restarted where `pool_first`
    result = code, pooled, or nearest(pooled / count)         by `pooling`; the mean is rounded once, ties to
             the even code word

With `wide`, code is instead slice number `slice` (of the activations' width, least significant first) of
round_half_even(exact * 2**-shift) saturated to a signed word of `wide_bits`: the logits.

`enable` moves the register of code, `pool_enable` that of pooled; `divide`, in the cycle after a window's
last element was pooled, starts the division by `divisor`. The result is 1, 2 or 2 + DIVIDE_CYCLES registers
behind the accumulator; a mean stays until the next `divide`.
"""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from bitwatt.formats import Fixed, Format, Precision
from bitwatt.hardware.pooling import Pooling
from bitwatt.hardware.rtl.average import divide
from bitwatt.hardware.rtl.float32_output_stage import Float32OutputStage
from bitwatt.hardware.rtl.operand import integer, rank
from bitwatt.hardware.rtl.rounding import nearest, shifted
from bitwatt.hardware.widths import (
    LARGEST_WINDOW,
    accumulator_bits,
    pool_bits,
    shift_bits,
    wide_bits,
    wide_slices,
)


class OutputStage(wiring.Component):  # type: ignore[misc]
    """The output stage for integers.

    total, bias: signed, `accumulator` bits. shift: signed, right where positive. activation, result: code
    words of `activations`. divisor: `pooling.divisor_word` of the window's count.
    """

    def __init__(self, activations: Format, accumulator: int) -> None:
        self.activations = activations
        self.accumulator = accumulator
        slices = wide_slices(accumulator, activations.bits)
        super().__init__(
            {
                "total": In(signed(accumulator)),
                "bias": In(signed(accumulator)),
                "shift": In(signed(shift_bits(accumulator))),
                "from_buffer": In(1),
                "activation": In(activations.bits),
                "relu": In(1),
                "wide": In(1),
                "slice": In(max((slices - 1).bit_length(), 1)),
                "enable": In(1),
                "pooling": In(Pooling.bits()),
                "pool_first": In(1),
                "pool_enable": In(1),
                "divisor": In(LARGEST_WINDOW.bit_length()),
                "divide": In(1),
                "result": Out(activations.bits),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        code = Signal(self.activations.bits, reset_less=True)
        value = self._code(m)
        with m.If(self.enable):
            m.d.sync += code.eq(value)

        pooled = Signal(signed(max(pool_bits(self.activations), self.activations.bits)), reset_less=True)
        following = self._pooled(m, code, pooled)
        with m.If(self.pool_enable):
            m.d.sync += pooled.eq(following)

        mean = nearest(self.activations, m, divide(m, self.activations, self.divide, pooled, self.divisor))
        with m.Switch(self.pooling):
            with m.Case(Pooling.MAX):
                m.d.comb += self.result.eq(pooled)
            with m.Case(Pooling.AVERAGE):
                m.d.comb += self.result.eq(mean)
            with m.Default():
                m.d.comb += self.result.eq(code)
        return m

    def _code(self, m: Module) -> Value:
        exact = Signal(signed(self.accumulator + 1))
        # The accumulator moves in every cycle; gated, it moves nothing here but when a sum is done.
        m.d.comb += exact.eq(Mux(self.enable, self.total, 0) + self.bias)
        jammed = shifted(m, exact, self.shift)
        code = Mux(self.from_buffer, self.activation, nearest(self.activations, m, jammed))
        if self.activations.is_signed:  # the sign is the top bit in every family
            code = Mux(self.relu & code[-1], 0, code)
        width = self.activations.bits
        whole = nearest(Fixed(wide_bits(self.accumulator)), m, jammed).as_signed()
        padded = Signal(signed(wide_slices(self.accumulator, width) * width))
        m.d.comb += padded.eq(whole)
        return Mux(self.wide, padded.as_unsigned().word_select(self.slice, width), code)

    def _pooled(self, m: Module, code: Value, pooled: Value) -> Value:
        number = integer(self.activations, m, code)
        before, now = (rank(self.activations, m, c) for c in (pooled[: len(code)], code))
        # The maximum is kept as a code word, the sum as an integer, in one register.
        largest = Mux((now > before) | self.pool_first, code, pooled[: len(code)])
        total = Mux(self.pool_first, 0, pooled) + number
        return Mux(self.pooling == Pooling.AVERAGE, total, largest)


def output_stage(precision: Precision, fan_in: int) -> OutputStage | Float32OutputStage:
    """The output stage of a precision, for accumulators exact up to `fan_in` products."""
    if precision.is_float:
        return Float32OutputStage()
    return OutputStage(precision.activations, accumulator_bits(precision, fan_in))
