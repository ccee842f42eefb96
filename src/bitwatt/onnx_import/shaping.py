"""Operators that compute nothing: they reshape, transpose, pad."""

from __future__ import annotations

import math

import torch
from torch import nn

from bitwatt.errors import RequestError
from bitwatt.onnx_import.building import Call
from bitwatt.onnx_import.values import Value, plain_axes


def cast(call: Call) -> Value:
    """A cast between floating point types, which are all float32 here."""
    from onnx import TensorProto

    if call.attributes["to"] not in (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE):
        raise RequestError("must be to a floating point type")
    return call.value()


def transpose(call: Call) -> Value:
    """Axes permuted: nothing moves."""
    value = call.value()
    rank = len(value.shape)
    permutation = tuple(call.attributes.get("perm", reversed(range(rank))))
    if sorted(permutation) != list(range(rank)) or permutation[0] != 0:
        raise RequestError(f"perm must permute the {rank - 1} axes behind the batch, got {permutation}")
    return value.transposed(permutation)


def reshape(call: Call) -> Value:
    """A new shape, whose first length is the batch's."""
    value = call.building.padded(call.value())
    wanted = call.attributes.get("shape") or call.numbers(1, "shape")
    if wanted is None:
        raise RequestError("its shape is missing")
    shape = [
        value.onnx_shape[place] if length == 0 and place < len(value.shape) else int(length)
        for place, length in enumerate(wanted)
    ]
    rest = math.prod(length for length in shape if length != -1)
    if shape.count(-1) == 1 and rest > 0:
        shape[shape.index(-1)] = math.prod(value.shape) // rest
    return _reshaped(call, value, tuple(shape))


def flatten(call: Call) -> Value:
    """Everything from `axis` on in one row."""
    value = call.building.padded(call.value())
    if int(call.attributes.get("axis", 1)) % len(value.shape) != 1:
        raise RequestError("must flatten from axis 1 on")
    return _reshaped(call, value, (value.shape[0], math.prod(value.shape[1:])))


def squeeze(call: Call) -> Value:
    """Axes of length 1 left out."""
    value = call.building.padded(call.value())
    shape, rank = value.onnx_shape, len(value.shape)
    axes = call.attributes.get("axes") or call.numbers(1, "axes")
    if axes is None:
        raise RequestError("its axes must be named: a batch may have one image")
    left_out = {int(axis) % rank for axis in axes}
    if any(shape[axis] != 1 for axis in left_out):
        raise RequestError(f"axes {sorted(left_out)} of shape {shape} are not all 1")
    return _reshaped(call, value, tuple(n for axis, n in enumerate(shape) if axis not in left_out))


def unsqueeze(call: Call) -> Value:
    """Axes of length 1 put in."""
    value = call.building.padded(call.value())
    axes = call.attributes.get("axes") or call.numbers(1, "axes") or ()
    rank = len(value.shape) + len(axes)
    put_in = {int(axis) % rank for axis in axes}
    old = iter(value.onnx_shape)
    return _reshaped(call, value, tuple(1 if axis in put_in else next(old) for axis in range(rank)))


def _reshaped(call: Call, value: Value, shape: tuple[int, ...]) -> Value:
    if math.prod(shape) != math.prod(value.shape) or any(length < 1 for length in shape):
        raise RequestError(f"of shape {value.onnx_shape} to {shape}")
    if shape == value.onnx_shape:
        return value
    if shape[0] != value.shape[0]:
        raise RequestError(f"of shape {value.onnx_shape} to {shape}: images must stay apart")
    order = value.flat_order()
    if shape == value.shape and order is None:  # only lengths of 1 changed places
        return Value(value.node, value.shape, plain_axes(value.shape))
    if len(shape) == 2:
        if len(value.shape) == 2:
            return value
        flat = call.building.layer(
            call.name, nn.Flatten(), Value(value.node, value.shape, plain_axes(value.shape))
        )
        return Value(flat.node, flat.shape, flat.axes, order)
    if value.order is not None:
        raise RequestError("of a flattened map with its channels last is not supported")
    settled = call.building.settled(value)
    like = Value(settled.node, shape, plain_axes(shape))
    return call.building.function(torch.reshape, (settled.node, (-1, *shape[1:])), like)


def pad(call: Call) -> Value:
    """Zeros around a map, which the next convolution takes over."""
    value = call.building.padded(call.value())
    if call.attributes.get("mode", "constant") != "constant":
        raise RequestError(f"mode must be 'constant', got '{call.attributes['mode']}'")
    fill = call.attributes.get("value", call.number(2, "fill"))
    if fill:
        raise RequestError(f"must be of zeros, got {fill:g}")
    pads = call.attributes.get("pads") or call.numbers(1, "pads") or ()
    rank = len(value.shape)
    named = call.numbers(3, "axes") or range(rank)
    if len(pads) != 2 * len(named) or min(pads) < 0:
        raise RequestError(f"pads must be two numbers an axis, not negative; got {list(pads)}")
    around = {axis: (0, 0) for axis in range(rank)}
    for place, axis in enumerate(named):
        around[value.axes[int(axis) % rank]] = (int(pads[place]), int(pads[place + len(named)]))
    if all(sides == (0, 0) for sides in around.values()):
        return value
    if rank != 4 or around[0] != (0, 0) or around[1] != (0, 0):
        raise RequestError(f"must be around an image's height and width, got {list(pads)}")
    sides = (*around[3], *around[2])
    return Value(value.node, value.shape, value.axes, None, sides)
