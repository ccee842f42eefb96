"""A float32 program as plain ONNX: the same numbers, added in whatever order the runtime likes.

The program rounds after every addition, in the tile's order, and flushes subnormals; a runtime adds in an
order of its own. The logits are close, not equal: `docs/export.md` says how close.
"""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from bitwatt.export.onnx_builder import GraphBuilder, Value
from bitwatt.export.onnx_lowering import flatten
from bitwatt.export.onnx_pooling import average_sums, max_pool
from bitwatt.export.onnx_sums import multiply
from bitwatt.program import ops
from bitwatt.program.program import Program

NOTE = (
    "float32. The bitwatt program adds in the order of the tile's adder tree, a runtime in its own: logits "
    "are close, not equal."
)


def float_model(program: Program) -> bytes:
    """The file's content."""
    graph = GraphBuilder(program)
    values: dict[str, Value] = dict(graph.inputs)
    for op in program.ops:
        values[op.name] = _node(graph, op, [values[name] for name in op.inputs], program)
    return graph.model(values[program.output], TensorProto.FLOAT, NOTE)


def _node(graph: GraphBuilder, op: ops.Op, inputs: list[Value], program: Program) -> Value:
    x, shape = inputs[0], program.types[op.inputs[0]].shape
    match op:
        case ops.Quantize():
            return x
        case ops.Conv2d() | ops.Linear():
            weight = graph.constant(op.weight, np.float32, f"{op.name}/weight")
            bias = None if op.bias is None else graph.constant(op.bias, np.float32, f"{op.name}/bias")
            return multiply(graph, op, x, weight, bias, op.name)
        case ops.Relu():
            return graph.node("Relu", x, name=op.name)
        case ops.MaxPool2d():
            return max_pool(graph, op, x, shape)
        case ops.AvgPool2d():
            return average_sums(graph, op, x, shape, double=False)
        case ops.Flatten():
            return flatten(graph, op, x, program)
        case ops.Add():
            return graph.node("Add", *inputs, name=op.name)
        case ops.Concat():
            return graph.node("Concat", *inputs, name=op.name, axis=1)
        case ops.Clip():
            limits = (graph.constant(end, np.float32, f"{op.name}/end") for end in (op.low, op.high))
            return graph.node("Clip", x, *limits, name=op.name)
        case ops.Pad():
            left, right, top, bottom = op.padding
            pads = graph.constant([0, 0, top, left, 0, 0, bottom, right], np.int64, f"{op.name}/pads")
            return graph.node("Pad", x, pads, name=op.name)
        case ops.Requantize() | ops.Table():
            raise TypeError(f"a float32 program has no {type(op).__name__}")
