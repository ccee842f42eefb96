"""The output stage of a neuron: bias, shift, residual, rounding, ReLU, bounds, pooling.

What it computes on integers, in the order in which it does:

    exact  = total + bias                                     one bit more than the accumulator: never wraps
    exact  = exact * 2**-shift                                nothing is lost; shift may be negative, down to
                                                              -LEFT_SHIFTS
    exact  = exact + residual * 2**(residual_shift - RESIDUAL_FRACTION)         where `add_residual`
    code   = nearest(exact)                                   the format's nearest value, ties to the even
                                                              code word, saturating
    code   = the activation, where `from_buffer`              a pooling pass reads Bin instead
    code   = 0 where `relu` and it is negative
    code   = min(max(code, low), high)                        where `clips`
    pooled = max(pooled, code), or pooled + integer(code)     restarted where `pool_first`
    result = code, pooled, or nearest(pooled / count)         by `pooling`; the mean is rounded once, ties to
                                                              the even code word

With `wide`, code is instead slice number `slice` (of the activations' width, least significant first) of
round_half_even(exact) saturated to a signed word of `wide_bits`: the logits. With `from_buffer` and
`add_residual`, the activation stands where total does: the sum of two activations.

Pooling apart there are one to three registers: behind the rounding; from two on behind the shift as well;
of three the second is behind the residual. Bit k of `enable` moves register k. A residual belongs to the
second of them, a slice to the last. `pool_enable` moves that of pooled; `divide`, in the cycle after a
window's last element was pooled, starts the division by `divisor`. Behind code, a maximum takes one register
more, a mean 1 + DIVIDE_CYCLES; a mean stays until the next `divide`.
"""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from bitwatt.formats import Fixed, Format
from bitwatt.hardware.pipeline import output_registers
from bitwatt.hardware.pooling import Pooling
from bitwatt.hardware.rtl.average import divide
from bitwatt.hardware.rtl.float32_output_stage import Float32OutputStage
from bitwatt.hardware.rtl.operand import integer, rank
from bitwatt.hardware.rtl.rounding import QUARTERS, jammed_sum, nearest, shifted
from bitwatt.hardware.tile import Tile
from bitwatt.hardware.widths import (
    LARGEST_WINDOW,
    RESIDUAL_FRACTION,
    RESIDUAL_SHIFT_BITS,
    accumulator_bits,
    pool_bits,
    shift_bits,
    span_of,
    wide_bits,
    wide_slices,
)

_FRACTION = RESIDUAL_FRACTION + 1
"""Fraction bits of what a residual is added to: the jammed bit lies below all of the residual's."""


class OutputStage(wiring.Component):  # type: ignore[misc]
    """The output stage for integers.

    total, bias: signed, `accumulator` bits. shift: signed, right where positive. activation, residual, low,
    high, result: code words of `activations`. divisor: `pooling.divisor_word` of the window's count.
    registers: 1 to 3, of which a stage that adds residuals has 2 at least. residual: whether it adds one.
    clip: whether it has bounds.
    """

    def __init__(
        self,
        activations: Format,
        accumulator: int,
        registers: int = 1,
        *,
        residual: bool = False,
        clip: bool = False,
    ) -> None:
        self.activations = activations
        self.accumulator = accumulator
        self.registers = registers = max(registers, 1 + residual)
        self.adds_residual = residual
        self.has_bounds = clip
        slices = wide_slices(accumulator, activations.bits)
        ports = {
            "total": In(signed(accumulator)),
            "bias": In(signed(accumulator)),
            "shift": In(signed(shift_bits(accumulator))),
            "from_buffer": In(1),
            "activation": In(activations.bits),
            "relu": In(1),
            "wide": In(1),
            "slice": In(max((slices - 1).bit_length(), 1)),
            "enable": In(registers),
            "pooling": In(Pooling.bits()),
            "pool_first": In(1),
            "pool_enable": In(1),
            "divisor": In(LARGEST_WINDOW.bit_length()),
            "divide": In(1),
            "result": Out(activations.bits),
        }
        if residual:
            ports |= {
                "residual": In(activations.bits),
                "residual_shift": In(RESIDUAL_SHIFT_BITS),
                "add_residual": In(1),
            }
        if clip:
            ports |= {"clips": In(1), "low": In(activations.bits), "high": In(activations.bits)}
        super().__init__(ports)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        code = Signal(self.activations.bits, reset_less=True)
        value = self._code(m)
        with m.If(self.enable[-1]):
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
        jammed, activation = self._shifted(m), Value.cast(self.activation)
        if self.registers > 1:
            jammed, activation = self._held(m, 0, jammed, activation)
        if self.adds_residual:
            added = Signal(signed(span_of(self.activations).bits))
            m.d.comb += added.eq(Mux(self.add_residual, integer(self.activations, m, self.residual), 0))
            jammed = jammed_sum(m, jammed, added << self.residual_shift, _FRACTION)
        if self.registers > 2:
            jammed, activation = self._held(m, 1, jammed, activation)
        width = self.activations.bits
        code = Mux(self._passes_on, activation, nearest(self.activations, m, jammed))
        if self.activations.is_signed:  # the sign is the top bit in every family
            code = Mux(self.relu & code[-1], 0, code)
        if self.has_bounds:
            code = self._clipped(m, code)
        whole = nearest(Fixed(wide_bits(self.accumulator)), m, jammed).as_signed()
        padded = Signal(signed(wide_slices(self.accumulator, width) * width))
        m.d.comb += padded.eq(whole)
        return Mux(self.wide, padded.as_unsigned().word_select(self.slice, width), code)

    @property
    def _passes_on(self) -> Value:
        """Whether the activation goes on as it is."""
        return self.from_buffer & ~self.add_residual if self.adds_residual else self.from_buffer

    def _shifted(self, m: Module) -> Value:
        total: Value = self.total
        if self.adds_residual:
            total = Mux(self.from_buffer, integer(self.activations, m, self.activation), total)
        exact = Signal(signed(self.accumulator + 1))
        # The accumulator moves in every cycle; gated, it moves nothing here but when a sum is done.
        m.d.comb += exact.eq(Mux(self.enable[0], total, 0) + self.bias)
        return shifted(m, exact, self.shift, _FRACTION if self.adds_residual else QUARTERS)

    def _held(self, m: Module, index: int, jammed: Value, activation: Value) -> tuple[Value, Value]:
        """Both a register later; it is one register, since only one of them matters."""
        register = Signal.like(jammed, name=f"register_{index}", reset_less=True)
        with m.If(self.enable[index]):
            m.d.sync += register.eq(Mux(self._passes_on, activation, jammed))
        return register, register[: self.activations.bits]

    def _clipped(self, m: Module, code: Value) -> Value:
        kept = Signal(self.activations.bits)
        m.d.comb += kept.eq(code)
        low, now, high = (rank(self.activations, m, word) for word in (self.low, kept, self.high))
        below, above = self.clips & (now < low), self.clips & (now > high)
        return Mux(below, self.low, Mux(above, self.high, kept))

    def _pooled(self, m: Module, code: Value, pooled: Value) -> Value:
        number = integer(self.activations, m, code)
        before, now = (rank(self.activations, m, c) for c in (pooled[: len(code)], code))
        # The maximum is kept as a code word, the sum as an integer, in one register.
        largest = Mux((now > before) | self.pool_first, code, pooled[: len(code)])
        total = Mux(self.pool_first, 0, pooled) + number
        return Mux(self.pooling == Pooling.AVERAGE, total, largest)


def output_stage(tile: Tile) -> OutputStage | Float32OutputStage:
    """The output stage of a tile's neurons."""
    if tile.precision.is_float:
        return Float32OutputStage(residual=tile.residual, clip=tile.clip)
    return OutputStage(
        tile.precision.activations,
        accumulator_bits(tile.precision, tile.fan_in),
        output_registers(tile),
        residual=tile.residual,
        clip=tile.clip,
    )
