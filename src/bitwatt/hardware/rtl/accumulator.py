"""The accumulator of a neuron: the running sum of what its adder tree gives, group by group.

The first group of an output is loaded, so that no cycle is spent on clearing; the bias is added once at the
end, in the output stage. float32: total = total + term, one rounded addition a group, total on the left.
"""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from bitwatt.formats import Precision
from bitwatt.hardware.rtl.float32 import BITS, Float32Adder
from bitwatt.hardware.widths import accumulator_bits, sum_bits


class IntegerAccumulator(wiring.Component):  # type: ignore[misc]
    """total <= term where `load`, else total + term; stays where `enable` is low."""

    latency = 1

    def __init__(self, term_bits: int, bits: int) -> None:
        super().__init__(
            {
                "term": In(signed(term_bits)),
                "load": In(1),
                "enable": In(1),
                "total": Out(signed(bits)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        _hold(m, self, lambda total: Mux(self.load, 0, total) + self.term)
        return m


class Float32Accumulator(wiring.Component):  # type: ignore[misc]
    """The same for float32. The addition closes its loop within one cycle."""

    latency = 1

    def __init__(self) -> None:
        super().__init__({"term": In(BITS), "load": In(1), "enable": In(1), "total": Out(BITS)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.adder = adder = Float32Adder()

        def following(total: Value) -> Value:
            m.d.comb += [adder.left.eq(total), adder.right.eq(self.term)]
            return Mux(self.load, self.term, adder.sum)

        _hold(m, self, following)
        return m


Accumulator = IntegerAccumulator | Float32Accumulator


def accumulator(precision: Precision, lanes: int, fan_in: int) -> Accumulator:
    """The accumulator behind a tree of `lanes`, exact for layers of up to `fan_in` products."""
    if precision.is_float:
        return Float32Accumulator()
    return IntegerAccumulator(sum_bits(precision, lanes), accumulator_bits(precision, fan_in))


def _hold(m: Module, ports: wiring.Component, following: object) -> None:
    total = Signal.like(ports.total, name="total_register", reset_less=True)
    value = following(total)  # type: ignore[operator]
    with m.If(ports.enable):
        m.d.sync += total.eq(value)
    m.d.comb += ports.total.eq(total)
