"""The functions of a C program of integers, one a step."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bitwatt.export import c_loops
from bitwatt.export.c_rounding import WIDE, Source
from bitwatt.export.c_steps import Step, value_type
from bitwatt.export.c_text import BYTES, array, integer_type, literal
from bitwatt.export.c_weights import store_weights
from bitwatt.export.uniform import ends
from bitwatt.formats import Format
from bitwatt.program import ops
from bitwatt.program.bounds import Range, hull, value_ranges
from bitwatt.program.inference import ValueType
from bitwatt.program.joining import add_shifts
from bitwatt.program.program import Program


@dataclass
class Constants:
    """Definitions that stand before a function, and their bytes."""

    name: str
    text: str = ""
    bytes: int = 0

    def of_channel(self, what: str, ctype: str, values: tuple[int, ...]) -> str:
        """The expression of a value of channel `o`: a number, or an element of an array."""
        if len(set(values)) == 1:
            return literal(values[0])
        self.text += array(ctype, f"{self.name}_{what}", np.array(values))
        self.bytes += len(values) * BYTES[ctype]
        return f"{self.name}_{what}[o]"

    def weights(self, weight: NDArray[np.generic], format: Format) -> str:
        """The expression of weight w + k."""
        stored = store_weights(f"{self.name}_weight", weight, format)
        self.text += stored.text
        self.bytes += stored.bytes
        return stored.at.format(n="w + k")


def sum_type(values: Range, lift: int = 0) -> str:
    """The type of a sum, a part of which is shifted left by `lift`: int32_t, int64_t, or two words."""
    if values.bits <= 32 and lift < 31:
        return "int32_t"
    return "int64_t" if values.bits <= 64 and lift < 63 else WIDE


@dataclass
class LayerWriter:
    """Writes the function of a step: `static void NAME(const X *x, ..., Y *y)`."""

    program: Program
    source: Source
    ranges: dict[str, Range] = field(init=False)

    def __post_init__(self) -> None:
        self.ranges = {name: hull(list(found)) for name, found in value_ranges(self.program).items()}

    def function(self, step: Step, name: str) -> tuple[str, int]:
        """The function and the constants before it, and bytes of those."""
        op, ctype = step.ops[0], value_type(self.program, step.made)
        made, types = self._type(step.made), [value_type(self.program, read) for read in step.reads[:2]
                                              if read not in self.program.input_shapes]  # fmt: skip
        head = c_loops.signature(name, types, ctype)
        match op:
            case ops.Quantize():
                real = f"(double)image[n] * {float(2.0**-op.exponent).hex()}"
                rounded = self.source.round_real(real, op.format)
                return c_loops.quantized(made, ctype, name, rounded), 0
            case ops.Conv2d() | ops.Linear() | ops.Add():
                constants = Constants(name)
                body = self._sums(step, constants)
                return constants.text + head + c_loops.each_place(made, body), constants.bytes
            case ops.Relu():
                return head + c_loops.elementwise(made.size, _clipped(ctype, _format(made), 0, None)), 0
            case ops.Clip():
                value = _clipped(ctype, _format(made), int(op.low), int(op.high))
                return head + c_loops.elementwise(made.size, value), 0
            case ops.MaxPool2d():
                start = f"{ctype} most = {literal(ends(_format(made))[0])};"
                take, end = "most = value > most ? value : most;", "y[n] = most;"
                return head + c_loops.pooled(op, self._type(op.input), made, ctype, start, take, end), 0
            case ops.AvgPool2d():
                return head + self._average(op, ctype), 0
            case ops.Concat():
                return c_loops.joined(self.program, op, name), 0
            case ops.Pad():
                return c_loops.surrounded(self.program, op, name), 0
            case ops.Table():
                entries = _dense(op, _format(self._type(op.input)))
                least = ends(_format(self._type(op.input)))[0]
                value = f"{name}_table[x[n] + {literal(-least)}]"
                text = array(ctype, f"{name}_table", entries) + head
                return text + c_loops.elementwise(made.size, value), entries.size * BYTES[ctype]
            case ops.Requantize() | ops.Flatten():
                raise TypeError(f"{type(op).__name__} begins no step")

    def _type(self, name: str) -> ValueType:
        return self.program.types[name]

    def _sums(self, step: Step, constants: Constants) -> str:
        """A layer with weights or an addition of activations, what is added to it, and the rounding."""
        rounding = step.ops[-1]
        if not isinstance(rounding, ops.Requantize):
            raise TypeError(f"'{step.made}' is not rounded")
        weighted = next((op for op in step.ops if isinstance(op, ops.Conv2d | ops.Linear)), None)
        add = next((op for op in step.ops if isinstance(op, ops.Add)), None)
        shifts = add_shifts(self._type(add.input), self._type(add.other)) if add else ((0,), (0,))
        values = hull([self.ranges[op.name].with_zero() for op in step.ops[:-1]])
        kind = sum_type(values, max(max(side) for side in shifts))
        lines = ["wide sum = widened(x[n]);" if kind == WIDE else f"{kind} sum = x[n];"]
        if weighted is not None:
            lines = self._products(weighted, kind, constants)
        if add is not None:
            lift = constants.of_channel("lift", "int8_t", shifts[0])
            residual = constants.of_channel("residual", "int8_t", shifts[1])
            if kind == WIDE:
                self.source.use("wide_left")
                parts = f"wide_left(sum, {lift}), wide_left(widened(other[n]), {residual})"
                lines.append(f"sum = wide_sum({parts});")
            else:
                lines.append(f"sum = sum * (({kind})1 << {lift}) + other[n] * (({kind})1 << {residual});")
        shift = constants.of_channel("shift", "int8_t", rounding.shift)
        if kind == WIDE:
            self.source.use("wide")
            lines += [f"int shift = {shift};", "const int64_t narrow = narrowed(sum, &shift);"]
        ctype = value_type(self.program, step.made)
        rounded = self.source.round_shift(kind, shift, rounding.format)
        return "\n".join([*lines, f"y[n] = ({ctype}){rounded};"])

    def _products(self, op: ops.Weighted, kind: str, constants: Constants) -> list[str]:
        bias = "0"
        if op.bias is not None:
            ctype = integer_type(Range(int(op.bias.min()), int(op.bias.max())))
            bias = constants.of_channel("bias", ctype, tuple(op.bias.tolist()))
        # In the order in which they are read: output, kernel row, column, channel.
        weight = constants.weights(
            op.weight.transpose(0, 2, 3, 1) if isinstance(op, ops.Conv2d) else op.weight, op.weight_format
        )
        start = f"{kind} sum = {bias};"
        take = f"sum += ({kind})({weight}) * ({kind})place[k];"
        if kind == WIDE:
            self.source.use("wide")
            start = f"wide sum = widened({bias});"
            take = f"sum = wide_sum(sum, widened((int64_t)({weight}) * (int64_t)place[k]));"
        ctype = value_type(self.program, op.input)
        return [start, c_loops.convolution(op, self._type(op.input), ctype, take)]

    def _average(self, op: ops.AvgPool2d, ctype: str) -> str:
        source, made = self._type(op.input), self._type(op.name)
        end = f"y[n] = ({ctype}){self.source.round_quotient(_format(source))};"
        return c_loops.pooled(op, source, made, ctype, "int64_t sum = 0;", "sum += value;", end)


def _format(value: ValueType) -> Format:
    if value.format is None:
        raise TypeError("a value has no format")
    return value.format


def _clipped(ctype: str, format: Format, low: int, high: int | None) -> str:
    """x[n] brought between low and high; what the format's ends do already is not tested for."""
    least, most = ends(format)
    value = "x[n]"
    if high is not None and high < most:
        value = f"x[n] > {literal(high)} ? ({ctype}){literal(high)} : {value}"
    if low > least:
        value = f"x[n] < {literal(low)} ? ({ctype}){literal(low)} : {value}"
    return value


def _dense(op: ops.Table, format: Format) -> NDArray[np.generic]:
    """The entries by the integer, from the least on."""
    low, high = ends(format)
    integers = np.arange(low, high + 1)
    return op.table[format.encode(np.ldexp(integers.astype(np.float64), format.unit_exponent))]
