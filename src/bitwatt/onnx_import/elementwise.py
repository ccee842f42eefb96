"""Sums, products and concatenations: of two values, or of one and a constant."""

from __future__ import annotations

import operator
from collections.abc import Callable

import torch

from bitwatt.errors import RequestError
from bitwatt.onnx_import.activations import hard_swish
from bitwatt.onnx_import.building import Call
from bitwatt.onnx_import.values import Constant, Value
from bitwatt.onnx_import.weighted import as_float, normalisation


def _affine(call: Call, value: Value, constant: Constant, function: Callable[..., object]) -> Value:
    """`function(x, constant)` for addition, multiplication and their inverses, as a normalisation."""
    value = call.building.padded(value)
    if not 2 <= len(value.shape) <= 4:
        raise RequestError(f"with a constant: on a value of shape {value.onnx_shape}")
    vector = value.per_channel(constant.array)
    if vector is None:
        raise RequestError(
            f"with a constant of shape {constant.array.shape}: it must be one number a channel"
        )
    number = as_float(Constant(vector))
    zero, one = torch.zeros_like(number), torch.ones_like(number)
    scale, shift = {
        operator.add: (one, number),
        operator.sub: (one, -number),
        operator.mul: (number, zero),
        operator.truediv: (one / number, zero),
    }[function]
    if not constant.known:
        scale, shift = one, zero
    return call.building.pointwise(
        call.name, normalisation(len(value.shape), scale, shift, zero, one, eps=0.0), value
    )


def binary(function: Callable[..., object], commutes: bool) -> Callable[[Call], Value]:
    """Add, Sub, Mul or Div: by a constant a channel; Add also of two values."""

    def translate(call: Call) -> Value:
        first, second = call.operands
        if isinstance(first, Value) and isinstance(second, Constant):
            return _affine(call, first, second, function)
        if commutes and isinstance(first, Constant) and isinstance(second, Value):
            return _affine(call, second, first, function)
        if function is operator.add:
            return total(call)
        if function is operator.mul and (found := hard_swish(call)) is not None:
            return found
        raise RequestError("of two values that depend on the images is not supported")

    return translate


def total(call: Call) -> Value:
    """The sum of values of one shape."""
    values = [_aligned(call, call.value(index)) for index in range(len(call.operands))]
    result = values[0]
    for value in values[1:]:
        if value.onnx_shape != result.onnx_shape:
            raise RequestError(f"of shapes {result.onnx_shape} and {value.onnx_shape}: they must be the same")
        if value.axes != result.axes:
            value, result = call.building.settled(value), call.building.settled(result)
        result = call.building.function(operator.add, (result.node, value.node), result)
    return result


def _aligned(call: Call, value: Value) -> Value:
    if value.order is not None:
        raise RequestError("of a flattened map with its channels last is not supported")
    return call.building.padded(value)


def concat(call: Call) -> Value:
    """Concat along the channels."""
    values = [_aligned(call, call.value(index)) for index in range(len(call.operands))]
    rank = len(values[0].shape)
    if any(value.axes != values[0].axes for value in values):
        values = [call.building.settled(value) for value in values]
    axis = values[0].axes[int(call.attributes["axis"]) % rank]
    if axis != 1:
        raise RequestError("must be along the channels")
    lengths = {value.shape[:1] + value.shape[2:] for value in values}
    if len(lengths) != 1:
        raise RequestError(f"of shapes {', '.join(str(value.onnx_shape) for value in values)}")
    joined = list(values[0].shape)
    joined[1] = sum(value.shape[1] for value in values)
    like = Value(values[0].node, tuple(joined), values[0].axes)
    return call.building.function(torch.cat, ([value.node for value in values], 1), like)
