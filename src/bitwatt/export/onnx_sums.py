"""Convolutions and fully connected layers as nodes: one, or several that are each exact in float32."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from bitwatt.export.float_parts import Parts, float_parts
from bitwatt.export.onnx_builder import GraphBuilder, Value
from bitwatt.program import ops
from bitwatt.program.bounds import Range
from bitwatt.program.inference import ValueType

if TYPE_CHECKING:
    from bitwatt.export.onnx_lowering import Dialect


def weighted_sums(
    graph: GraphBuilder,
    op: ops.Weighted,
    dialect: Dialect,
    x: Value,
    source: ValueType,
    exponent: tuple[int, ...],
    values: Range,
) -> tuple[Parts, Value]:
    """The layer's sums as reals, in float32 where one product does, else in float64.

    x: the input in float32; source: its type, and values: where its integers lie; exponent: the sums'.
    """
    parts = float_parts(op, values)
    if parts is None:
        raise TypeError(f"'{op.name}' has no exact form")
    if parts.is_whole:
        bias = None if op.bias is None else dialect.bias(graph, op, exponent)
        return parts, multiply(graph, op, x, dialect.weights(graph, op), bias, op.name)
    scale = graph.constant(2.0 ** -source.exponent[0], np.float32, f"{op.name}/units")
    units = graph.node("Mul", x, scale, name=f"{op.name}/units")
    total = None
    for i, digit in enumerate(_digits(graph, units, parts, op.name)):
        for j, weight in enumerate(parts.weights):
            narrow = graph.constant(weight, _narrowest(weight), f"{op.name}/weight{j}")
            single = graph.cast(narrow, TensorProto.FLOAT, f"{op.name}/weight{j}")
            sums = multiply(graph, op, digit, single, None, f"{op.name}/sums{i}{j}")
            factor = graph.constant(parts.factor(i, j), np.float64, f"{op.name}/factor")
            wide = graph.cast(sums, TensorProto.DOUBLE, f"{op.name}/sums{i}{j}")
            term = graph.node("Mul", wide, factor, name=f"{op.name}/term{i}{j}")
            total = term if total is None else graph.node("Add", total, term, name=f"{op.name}/total")
    if total is None:
        raise TypeError("there is at least one digit")
    axes = 3 if isinstance(op, ops.Conv2d) else 1
    if op.bias is not None:
        bias = graph.constant(_over_places(op.bias, axes), np.float64, f"{op.name}/bias")
        total = graph.node("Add", total, bias, name=f"{op.name}/biased")
    reals = graph.constant(_over_places(2.0 ** np.array(exponent), axes), np.float64, f"{op.name}/scale")
    return parts, graph.node("Mul", total, reals, name=op.name)


def multiply(
    graph: GraphBuilder, op: ops.Weighted, x: Value, weight: Value, bias: Value | None, name: str
) -> Value:
    """One Conv or Gemm."""
    inputs = [x, weight] if bias is None else [x, weight, bias]
    if isinstance(op, ops.Linear):
        return graph.node("Gemm", *inputs, name=name, transB=1)
    return graph.node(
        "Conv",
        *inputs,
        name=name,
        kernel_shape=list(op.weight.shape[2:]),
        strides=list(op.stride),
        pads=[*op.padding, *op.padding],
        dilations=list(op.dilation),
        group=op.groups,
    )


def _digits(graph: GraphBuilder, units: Value, parts: Parts, name: str) -> list[Value]:
    """The digits of whole numbers in float32, the least significant first."""
    made, rest = [], units
    for i in range(parts.inputs - 1):
        down = graph.constant(2.0**-parts.input_bits, np.float32, f"{name}/down")
        up = graph.constant(2.0**parts.input_bits, np.float32, f"{name}/up")
        scaled = graph.node("Mul", rest, down, name=f"{name}/scaled{i}")
        upper = graph.node("Floor", scaled, name=f"{name}/upper{i}")
        shifted = graph.node("Mul", upper, up, name=f"{name}/shifted{i}")
        made.append(graph.node("Sub", rest, shifted, name=f"{name}/digit{i}"))
        rest = upper
    return [*made, rest]


def _narrowest(weight: NDArray[np.int64]) -> Any:
    dtypes = (np.int8, np.int16, np.int32)
    return next(d for d in dtypes if np.iinfo(d).min <= weight.min() and weight.max() <= np.iinfo(d).max)


def _over_places(values: NDArray[Any], axes: int) -> NDArray[Any]:
    return values.reshape(-1, *[1] * (axes - 1))
