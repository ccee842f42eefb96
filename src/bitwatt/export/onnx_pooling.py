"""Pooling as nodes. A mean is a sum of the window, by a convolution with ones, over the window's count."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from bitwatt.export.onnx_builder import GraphBuilder, Value
from bitwatt.program import ops
from bitwatt.program.bounds import Range
from bitwatt.program.pooling import SAFE_SUM
from bitwatt.program.reference import pooled_shape, windows


def max_pool(graph: GraphBuilder, op: ops.MaxPool2d, x: Value, shape: tuple[int, ...]) -> Value:
    """The largest of each window; shape: (channels, height, width) of x."""
    return graph.node(
        "MaxPool",
        x,
        name=op.name,
        kernel_shape=list(op.kernel),
        strides=list(op.stride),
        pads=_pads(op, shape),
    )


def needs_float64(op: ops.AvgPool2d, values: Range) -> bool:
    """Whether a quotient rounded to float32 might seem a tie where none is."""
    largest = values.magnitude * op.kernel[0] * op.kernel[1]
    return largest >= next(limit for dtype, limit in SAFE_SUM.items() if str(dtype) == "torch.float32")


def average_sums(
    graph: GraphBuilder, op: ops.AvgPool2d, x: Value, shape: tuple[int, ...], *, double: bool
) -> Value:
    """The mean of each window, unrounded but for the division; x: float32 whose window sums are exact.

    The operator AveragePool is not used: how it divides is not specified to the last bit.
    """
    channels, height, width = shape
    ones = graph.constant(np.ones((channels, 1, *op.kernel)), np.float32, f"{op.name}/ones")
    sums = graph.node(
        "Conv",
        x,
        ones,
        name=f"{op.name}/sums",
        kernel_shape=list(op.kernel),
        strides=list(op.stride),
        pads=_pads(op, shape),
        group=channels,
    )
    counts = np.ones(pooled_shape(op, height, width))
    for place, _, _, count in windows(op, height, width):
        counts[place] = count
    dtype = np.float64 if double else np.float32
    if double:
        sums = graph.cast(sums, TensorProto.DOUBLE, f"{op.name}/sums")
    divisor = counts.flat[0] if len(np.unique(counts)) == 1 else counts
    return graph.node("Div", sums, graph.constant(divisor, dtype, f"{op.name}/count"), name=op.name)


def _pads(op: ops.Pool, shape: tuple[int, ...]) -> list[int]:
    """Top, left, bottom, right; with ceil_mode the last window may reach further beyond the map."""
    made = pooled_shape(op, shape[1], shape[2])
    beyond = [(made[a] - 1) * op.stride[a] + op.kernel[a] - shape[1 + a] - op.padding[a] for a in (0, 1)]
    return [*op.padding, *(max(b, 0) for b in beyond)]
