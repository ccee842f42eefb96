"""The functions of a C program of float32, one a step: every operation of the tile, in the tile's order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bitwatt.export import c_loops
from bitwatt.export.c_layers import Constants
from bitwatt.export.c_rounding import Source
from bitwatt.export.c_steps import Step
from bitwatt.export.c_text import BYTES, array
from bitwatt.program import ops
from bitwatt.program.inference import ValueType
from bitwatt.program.program import Program
from bitwatt.program.reference_float32 import flushed

PREAMBLE = """\
/* Each operation is rounded by itself: no product is fused with a sum, none is kept in wider registers. */
#if defined(__FAST_MATH__)
#error "-ffast-math computes something else"
#endif
#include <float.h>
#if FLT_EVAL_METHOD != 0
#error "float is computed in a wider type: on x86 compile for SSE"
#endif
#if defined(__clang__) || !defined(__GNUC__)
#pragma STDC FP_CONTRACT OFF
#else
#pragma GCC optimize("fp-contract=off")
#endif

enum {{ LANES = {lanes} }};
"""


@dataclass
class FloatWriter:
    """Writes the function of a step."""

    program: Program
    source: Source

    def function(self, step: Step, name: str) -> tuple[str, int]:
        """The function and the constants before it, and bytes of those."""
        op, made = step.ops[0], self.program.types[step.made]
        head = c_loops.signature(name, ["float"] * min(len(step.reads), 2), "float")
        source = self.program.types.get(op.inputs[0], made)
        match op:
            case ops.Quantize():
                self.source.use("flush")
                return c_loops.quantized(made, "float", name, "flush(image[n])"), 0
            case ops.Conv2d() | ops.Linear():
                return self._neurons(op, name, head, source, made)
            case ops.Relu():
                return head + c_loops.elementwise(made.size, "x[n] > 0.0f ? x[n] : 0.0f"), 0
            case ops.Clip():
                low, high = (f"{float(np.float32(end)).hex()}f" for end in (op.low, op.high))
                value = f"!(x[n] > {low}) ? {low} : x[n] < {high} ? x[n] : {high}"
                return head + c_loops.elementwise(made.size, value), 0
            case ops.Add():
                self.source.use("flush")
                return head + c_loops.elementwise(made.size, "flush(x[n] + other[n])"), 0
            case ops.MaxPool2d():
                start, end = "float most = 0.0f;\nint first = 1;", "y[n] = most;"
                take = "most = first || value > most ? value : most;\n        first = 0;"
                return head + c_loops.pooled(op, source, made, "float", start, take, end), 0
            case ops.AvgPool2d():
                self.source.use("flush")
                start, end = "float sum = 0.0f;\nint first = 1;", "y[n] = flush(sum * (float)(1.0 / count));"
                take = "sum = first ? value : flush(sum + value);\n        first = 0;"
                return head + c_loops.pooled(op, source, made, "float", start, take, end), 0
            case ops.Concat():
                return c_loops.joined(self.program, op, name), 0
            case ops.Pad():
                return c_loops.surrounded(self.program, op, name), 0
            case ops.Requantize() | ops.Flatten() | ops.Table():
                raise TypeError(f"{type(op).__name__} begins no step of float32")

    def _neurons(
        self, op: ops.Weighted, name: str, head: str, source: ValueType, made: ValueType
    ) -> tuple[str, int]:
        """A window is gathered, zeros where it lies beyond the map; then every output that reads it."""
        self.source.use("neuron")
        constants = Constants(name)
        weight = op.weight.transpose(0, 2, 3, 1) if isinstance(op, ops.Conv2d) else op.weight
        length = int(weight[0].size)
        constants.text += array("float", f"{name}_weight", flushed(weight.astype(np.float32)))
        constants.bytes += weight.size * BYTES["float"]
        total = f"neuron(window, {name}_weight + o * {length}, {length})"
        if op.bias is not None:
            constants.text += array("float", f"{name}_bias", flushed(op.bias.astype(np.float32)))
            constants.bytes += op.bias.size * BYTES["float"]
            total = f"flush({total} + {name}_bias[o])"
        if isinstance(op, ops.Linear):
            body = c_loops.each_place(made, f"y[n] = {total.replace('window', 'x')};")
            return constants.text + head + body, constants.bytes
        body = _gathered(op, source, made, length, total)
        return constants.text + head + body, constants.bytes


def _gathered(op: ops.Conv2d, source: ValueType, made: ValueType, length: int, total: str) -> str:
    """For each place and group the window, and `total` for each of its outputs."""
    channels, height, width = source.shape
    outputs, taken, _, wide = op.weight.shape
    share, (_, rows, columns) = outputs // op.groups, made.shape
    (top, left), (down, across) = op.padding, op.stride
    return f"""\
{{
    static float window[{length}];
    for (int32_t row = 0; row < {rows}; ++row)
        for (int32_t column = 0; column < {columns}; ++column)
            for (int32_t group = 0; group < {op.groups}; ++group) {{
                for (int32_t k = 0; k < {length}; ++k) {{
                    const int32_t i = k / {taken * wide}, j = k / {taken} % {wide};
                    const int32_t r = row * {down} + i * {op.dilation[0]} - {top};
                    const int32_t c = column * {across} + j * {op.dilation[1]} - {left};
                    window[k] = r < 0 || r >= {height} || c < 0 || c >= {width} ? 0.0f
                        : x[(r * {width} + c) * {channels} + group * {taken} + k % {taken}];
                }}
                for (int32_t o = group * {share}; o < (group + 1) * {share}; ++o)
                    y[(row * {columns} + column) * {outputs} + o] = {total};
            }}
}}
"""
