"""Adder trees: the sum of one product from each of a neuron's lanes.

Level by level, lane i is added to lane i + half, half being half of the lanes left, rounded up; lane i is the
left operand, and a lane without a partner goes on as it is. For integers the order is of no account. For
float32 it is part of the contract, since each addition rounds: over 16 lanes p[0:8] + p[8:16], then
[0:4] + [4:8], and so on, which software does on contiguous slices.
"""

from __future__ import annotations

from collections.abc import Callable

from amaranth.hdl import Module, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from bitwatt.formats import Binary, Format, Precision
from bitwatt.hardware.rtl.float32 import BITS, Float32Adder
from bitwatt.hardware.rtl.operand import integer
from bitwatt.hardware.widths import Span, product_span, span_of


def halved(values: list[Value], add: Callable[[Value, Value], Value]) -> list[Value]:
    """One level of the tree."""
    half = (len(values) + 1) // 2
    return [*map(add, values[: len(values) - half], values[half:]), *values[len(values) - half : half]]


class IntegerTree(wiring.Component):  # type: ignore[misc]
    """sum of `lanes` terms, each within `term`; one register, behind the whole tree.

    Each level is as wide as its largest sum, one bit a level.
    """

    latency = 1

    def __init__(self, term: Span, lanes: int) -> None:
        self.term = term
        self.lanes = lanes
        super().__init__(
            {
                "terms": In(signed(term.bits)).array(lanes),
                "enable": In(1),
                "sum": Out(signed(term.times(lanes).bits)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        values, summed = list(self.terms), 1
        while len(values) > 1:
            summed = min(2 * summed, self.lanes)
            shape = signed(self.term.times(summed).bits)
            values = halved(values, lambda a, b, shape=shape: _cut(m, shape, a + b))  # type: ignore[misc]
        _register(m, self.enable, values[0], self.sum)
        return m


class BinaryTree(wiring.Component):  # type: ignore[misc]
    """Binary weights' blocks and tree in one: sum of +-activation over `lanes` code words, one register.

    -x is ~x + 1. The complement is an XOR in each lane; the ones are carries into the adders of the tree,
    which would otherwise be idle, and the last of them, for which no adder is left, is one more addition at
    the root. So no lane has an adder or a product register of its own.
    """

    latency = 1

    def __init__(self, activations: Format, lanes: int) -> None:
        self.format = activations
        self.lanes = lanes
        super().__init__(
            {
                "weights": In(1).array(lanes),
                "activations": In(activations.bits).array(lanes),
                "enable": In(1),
                "sum": Out(signed(product_span(Binary(), activations).times(lanes).bits)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        term = span_of(self.format)
        least, most = min(term.least, ~term.most), max(term.most, ~term.least)  # x and ~x
        values: list[Value] = []
        for weight, code in zip(self.weights, self.activations, strict=True):
            x = integer(self.format, m, code)
            values.append(_cut(m, signed(Span(least, most).bits), x ^ weight.replicate(len(x)).as_signed()))
        carries, summed = list(self.weights), 1
        while len(values) > 1:
            summed = min(2 * summed, self.lanes)
            shape = signed(Span(summed * least, summed * most + summed - 1).bits)
            values = halved(values, lambda a, b, shape=shape: _cut(m, shape, a + b + carries.pop()))  # type: ignore[misc]
        _register(m, self.enable, values[0] + carries.pop(), self.sum)
        return m


class Float32Tree(wiring.Component):  # type: ignore[misc]
    """sum of `lanes` float32 terms in the tree's order, a register behind each level.

    `enable` moves every level; `latency` enabled cycles lie between terms and sum.
    """

    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        self.latency = max((lanes - 1).bit_length(), 1)
        super().__init__({"terms": In(BITS).array(lanes), "enable": In(1), "sum": Out(BITS)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        values = list(self.terms)
        for level in range(self.latency):

            def add(left: Value, right: Value, level: int = level) -> Value:
                adder = Float32Adder()
                m.submodules += adder
                m.d.comb += [adder.left.eq(left), adder.right.eq(right)]
                return adder.sum

            registers = []
            for index, value in enumerate(halved(values, add) if len(values) > 1 else values):
                register = Signal(BITS, name=f"level{level}_{index}", reset_less=True)
                with m.If(self.enable):
                    m.d.sync += register.eq(value)
                registers.append(register)
            values = registers
        m.d.comb += self.sum.eq(values[0])
        return m


AdderTree = IntegerTree | BinaryTree | Float32Tree


def adder_tree(precision: Precision, lanes: int) -> AdderTree:
    """The tree of one neuron of a precision. Its sum has `sum_bits(precision, lanes)` bits.

    Binary weights' tree takes weights and activations, and there is no weight block before it; every other
    one takes the terms that the weight blocks make.
    """
    if precision.is_float:
        return Float32Tree(lanes)
    if isinstance(precision.weights, Binary):
        return BinaryTree(precision.activations, lanes)
    return IntegerTree(product_span(precision.weights, precision.activations), lanes)


def _cut(m: Module, shape: object, value: Value) -> Value:
    result = Signal(shape)
    m.d.comb += result.eq(value)
    return result


def _register(m: Module, enable: Value, value: Value, output: Value) -> None:
    register = Signal.like(output, name="sum_register", reset_less=True)
    with m.If(enable):
        m.d.sync += register.eq(value)
    m.d.comb += output.eq(register)
