"""A program of integers as an ONNX graph of reals, each exactly an integer times a power of two.

What rounds and what holds weights differs between dialects (`QuantizeLinear` and `DequantizeLinear`, QONNX's
`Quant`); all else is here. A real n * 2**e is exact in float32 where |n| <= 2**24, and arithmetic on such
reals as exact as on the integers; where the bounds of the program say that sums are larger, they are computed
as `bitwatt.export.float_parts` says and added in float64.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from onnx import TensorProto

from bitwatt.export.onnx_builder import GraphBuilder, Value
from bitwatt.export.onnx_pooling import average_sums, max_pool, needs_float64
from bitwatt.export.onnx_sums import weighted_sums
from bitwatt.export.refusal import refuse
from bitwatt.export.uniform import ends, objections
from bitwatt.formats import Format
from bitwatt.program import ops
from bitwatt.program.bounds import Range, hull, value_ranges
from bitwatt.program.carriers import LIMIT
from bitwatt.program.program import Program

WIDEST_CODE = 16
"""Widest activations that a dialect rounds; wider ones are rounded by plain arithmetic."""


class Dialect(ABC):
    """How a kind of ONNX says that reals are on a grid."""

    name: str

    @abstractmethod
    def on_grid(self, graph: GraphBuilder, x: Value, format: Format, exponent: int, name: str) -> Value:
        """float32 reals to the nearest of n * 2**exponent, n of the format: at most 16 bits, and uniform."""

    @abstractmethod
    def weights(self, graph: GraphBuilder, op: ops.Weighted) -> Value:
        """The weights as float32 reals."""

    @abstractmethod
    def bias(self, graph: GraphBuilder, op: ops.Weighted, exponent: tuple[int, ...]) -> Value:
        """The bias as float32 reals, its integers being exact in float32; exponent: the sums'."""


@dataclass(frozen=True)
class Reals:
    """A tensor of the graph, in float32 or float64."""

    value: Value
    is_double: bool = False


@dataclass(frozen=True)
class Lowered:
    """The graph, and its output."""

    graph: GraphBuilder
    output: Reals

    def model(self, note: str, *domains: str, count: int | str = "count") -> bytes:
        """The file's content."""
        dtype = TensorProto.DOUBLE if self.output.is_double else TensorProto.FLOAT
        return self.graph.model(self.output.value, dtype, note, *domains, count=count)


def lower(program: Program, dialect: Dialect) -> Lowered:
    """The graph. Raises `UnsupportedError` with every operation that has no exact form."""
    refuse(dialect.name, objections(program))
    lowering = _Lowering(program, dialect)
    for op in program.ops:
        lowering.values[op.name] = lowering.add(op)
    return Lowered(lowering.graph, lowering.values[program.output])


class _Lowering:
    def __init__(self, program: Program, dialect: Dialect) -> None:
        self.program, self.dialect = program, dialect
        self.graph = GraphBuilder(program)
        self.ranges = {name: hull(list(ranges)) for name, ranges in value_ranges(program).items()}
        self.values = {name: Reals(tensor) for name, tensor in self.graph.inputs.items()}

    def add(self, op: ops.Op) -> Reals:
        graph, x = self.graph, self.values[op.inputs[0]]
        match op:
            case ops.Quantize():
                return self.rounded(x, op.format, (op.exponent,), op.name, None)
            case ops.Conv2d() | ops.Linear():
                return self.sums(op)
            case ops.Add():
                return self.added(op, x, self.values[op.other])
            case ops.Requantize():
                if self.is_rectified_early(op):
                    x = Reals(graph.node("Relu", x.value, name=f"{op.name}/relu"), x.is_double)
                exponent = self.program.types[op.name].exponent
                return self.rounded(x, op.format, exponent, op.name, self.ranges[op.input])
            case ops.Relu():
                before = next((other for other in self.program.ops if other.name == op.input), None)
                if isinstance(before, ops.Requantize) and self.is_rectified_early(before):
                    return x
                return self.kept(graph.node("Relu", x.value, name=op.name), op, x)
            case ops.Clip():
                low, high = (self.real(op.name, end) for end in (op.low, op.high))
                return self.kept(graph.clamp(x.value, low, high, self.dtype(x), op.name), op, x)
            case ops.MaxPool2d():
                shape = self.program.types[op.input].shape
                return self.kept(max_pool(graph, op, x.value, shape), op, x)
            case ops.AvgPool2d():
                return self.average(op, x)
            case ops.Flatten():
                return self.kept(flatten(graph, op, x.value, self.program), op, x)
            case ops.Concat():
                return self.concatenated(op)
            case ops.Pad():
                left, right, top, bottom = op.padding
                pads = graph.constant([0, 0, top, left, 0, 0, bottom, right], np.int64, f"{op.name}/pads")
                return self.kept(graph.node("Pad", x.value, pads, name=op.name), op, x)
            case ops.Table():
                return self.looked_up(op, x)

    def sums(self, op: ops.Weighted) -> Reals:
        source = self.program.types[op.input]
        exponent = self.program.types[op.name].exponent
        x = self.as_float(self.values[op.input], op.input)
        parts, values = weighted_sums(self.graph, op, self.dialect, x.value, source, exponent,
                                      self.ranges[op.input])  # fmt: skip
        return Reals(values, not parts.is_whole)

    def added(self, op: ops.Add, first: Reals, second: Reals) -> Reals:
        double = first.is_double or second.is_double or self.ranges[op.name].magnitude > LIMIT["float32"]
        if double:
            first, second = self.as_double(first, op.name), self.as_double(second, op.name)
        return Reals(self.graph.node("Add", first.value, second.value, name=op.name), double)

    def rounded(
        self, x: Reals, format: Format, exponent: tuple[int, ...], name: str, values: Range | None
    ) -> Reals:
        """To the grid. values: where the integers of x lie, None for any reals."""
        graph = self.graph
        low, high = ends(format)
        if not x.is_double and format.bits <= WIDEST_CODE and len(exponent) == 1:
            return Reals(self.dialect.on_grid(graph, x.value, format, exponent[0], name))
        made = self.ranges[name]
        if values is not None and made == values and self.is_unshifted(name):
            return x  # whole numbers within the ends: nothing to round
        x = self.as_double(x, name)
        axes = len(self.program.types[name].shape)
        scale = np.ldexp(1.0, np.array(exponent)).reshape(-1, *[1] * (axes - 1))
        up, down = (graph.constant(s, np.float64, f"{name}/scale") for s in (1 / scale, scale))
        x_ = graph.node("Round", graph.node("Mul", x.value, up, name=f"{name}/units"), name=f"{name}/round")
        limits = (graph.constant(end, np.float64, f"{name}/end") for end in (low, high))
        whole = graph.node("Mul", graph.node("Clip", x_, *limits, name=f"{name}/clip"), down, name=name)
        if made.magnitude > LIMIT["float32"]:
            return Reals(whole, True)
        single = graph.cast(whole, TensorProto.FLOAT, name)
        if format.bits <= WIDEST_CODE and len(exponent) == 1:
            single = self.dialect.on_grid(graph, single, format, exponent[0], name)
        return Reals(single)

    def is_unshifted(self, name: str) -> bool:
        """Whether a Requantize moves no radix point."""
        op = next(op for op in self.program.ops if op.name == name)
        return isinstance(op, ops.Requantize) and set(op.shift) == {0}

    def is_rectified_early(self, op: ops.Requantize) -> bool:
        """Whether a ReLU alone reads it: it then stands before the rounding, where others expect it."""
        readers = [other for other in self.program.ops if op.name in other.inputs]
        return len(readers) == 1 and isinstance(readers[0], ops.Relu)

    def kept(self, value: Value, op: ops.Op, x: Reals) -> Reals:
        """What is on the grid already, said so once more: what follows may then run on codes."""
        made = self.program.types[op.name]
        if x.is_double or made.format is None or made.format.bits > 8 or len(made.exponent) > 1:
            return Reals(value, x.is_double)
        return Reals(self.dialect.on_grid(self.graph, value, made.format, made.exponent[0], op.name))

    def average(self, op: ops.AvgPool2d, x: Reals) -> Reals:
        source = self.program.types[op.input]
        x = self.as_float(x, op.input)
        double = needs_float64(op, self.ranges[op.input])
        value = average_sums(self.graph, op, x.value, source.shape, double=double)
        if source.format is None:
            raise TypeError(f"'{op.input}' has no format")
        return self.rounded(Reals(value, double), source.format, source.exponent, op.name, None)

    def concatenated(self, op: ops.Concat) -> Reals:
        parts = [self.values[name] for name in op.inputs]
        double = any(part.is_double for part in parts)
        if double:
            parts = [self.as_double(part, op.name) for part in parts]
        value = self.graph.node("Concat", *(part.value for part in parts), name=op.name, axis=1)
        return self.kept(value, op, Reals(value, double))

    def looked_up(self, op: ops.Table, x: Reals) -> Reals:
        graph, source = self.graph, self.program.types[op.input]
        if source.format is None:
            raise TypeError(f"'{op.input}' has no format")
        low, high = ends(source.format)
        integers = np.arange(low, high + 1)
        codes = source.format.encode(np.ldexp(integers.astype(np.float64), source.format.unit_exponent))
        entries = np.ldexp(op.table[codes].astype(np.float64), op.exponent)
        double = self.ranges[op.name].magnitude > LIMIT["float32"]
        table = graph.constant(entries, np.float64 if double else np.float32, f"{op.name}/table")
        scale = graph.constant(np.ldexp(1.0, -source.exponent[0]), self.dtype(x), f"{op.name}/scale")
        units = graph.node("Mul", x.value, scale, name=f"{op.name}/units")
        index = graph.node(
            "Sub",
            graph.cast(units, TensorProto.INT64, op.name),
            graph.constant(low, np.int64, f"{op.name}/least"),
            name=f"{op.name}/index",
        )
        return self.kept(graph.node("Gather", table, index, name=op.name), op, Reals("", double))

    def real(self, name: str, integer: float) -> float:
        """What an integer of a value stands for."""
        return float(np.ldexp(float(integer), self.program.types[name].exponent[0]))

    def as_float(self, x: Reals, name: str) -> Reals:
        """float32, which the integers are exact in."""
        return Reals(self.graph.cast(x.value, TensorProto.FLOAT, name)) if x.is_double else x

    def as_double(self, x: Reals, name: str) -> Reals:
        return x if x.is_double else Reals(self.graph.cast(x.value, TensorProto.DOUBLE, name), True)

    @staticmethod
    def dtype(x: Reals) -> type[np.floating]:
        return np.float64 if x.is_double else np.float32


def flatten(graph: GraphBuilder, op: ops.Flatten, x: Value, program: Program) -> Value:
    """Channels fastest."""
    shape = program.types[op.input].shape
    if len(shape) == 3 and shape[0] > 1 and shape[1] * shape[2] > 1:
        x = graph.node("Transpose", x, name=f"{op.name}/order", perm=[0, 2, 3, 1])
    return graph.node("Flatten", x, name=op.name, axis=1)
