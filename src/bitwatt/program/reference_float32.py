"""A float32 program executed plainly: the specification of `bitwatt.program.float_order`, every bit of it.

Maps are (count, channels, height, width), numpy float32. Each operation of the tile rounds to float32, and
then makes zero, of its sign, of what is subnormal.
"""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bitwatt.program import ops
from bitwatt.program.program import Program
from bitwatt.program.reference import flatten, given, pad, padded, pooled_shape, windows

Floats = NDArray[np.float32]


def trace(program: Program, *images: ArrayLike) -> dict[str, Floats]:
    """Every value of the program but the images, by name."""
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        values: dict[str, Floats] = given(program, [np.asarray(each) for each in images])
        for op in program.ops:
            source = values[op.inputs[0]]
            match op:
                case ops.Quantize():
                    values[op.name] = flushed(source.astype(np.float32))
                case ops.Conv2d():
                    values[op.name] = convolve(op, source, program.lanes)
                case ops.Linear():
                    values[op.name] = neurons(source, op.weight, op.bias, program.lanes)
                case ops.Relu():
                    values[op.name] = np.where(source > 0, source, np.float32(0))
                case ops.MaxPool2d() | ops.AvgPool2d():
                    values[op.name] = pool(op, source)
                case ops.Flatten():
                    values[op.name] = flatten(source)
                case ops.Add():
                    values[op.name] = flushed(source + values[op.other])
                case ops.Concat():
                    values[op.name] = np.concatenate([values[name] for name in op.inputs], axis=1)
                case ops.Clip():
                    values[op.name] = clip(op, source)
                case ops.Pad():
                    values[op.name] = pad(op, source)
                case ops.Requantize() | ops.Table():
                    raise TypeError(f"a float32 program has no {type(op).__name__}")
    return {op.name: values[op.name] for op in program.ops}


def flushed(x: Floats) -> Floats:
    """Subnormals to zero of their sign."""
    return np.where(np.abs(x) < np.finfo(np.float32).tiny, np.copysign(np.float32(0), x), x)


def clip(op: ops.Clip, x: Floats) -> Floats:
    """Two comparisons; NaN fails the first."""
    low, high = np.float32(op.low), np.float32(op.high)
    above = np.where(x > low, x, low)
    return np.where(above < high, above, high)


def neurons(
    inputs: Floats, weight: NDArray[np.generic], bias: NDArray[np.generic] | None, lanes: int
) -> Floats:
    """inputs: (..., window), weight: (outputs, window) -> (..., outputs)."""
    made = [
        neuron(inputs, weight[output], None if bias is None else bias[output], lanes)
        for output in range(weight.shape[0])
    ]
    return np.stack(made, axis=-1)


def neuron(inputs: Floats, weight: NDArray[np.generic], bias: np.generic | None, lanes: int) -> Floats:
    """One output: products, a tree for each group of lanes, the accumulator, the bias."""
    window = weight.shape[0]
    products = np.zeros((*inputs.shape[:-1], -(-window // lanes) * lanes), dtype=np.float32)
    products[..., :window] = flushed(inputs * flushed(weight.astype(np.float32)))
    accumulator = None
    for start in range(0, window, lanes):
        level = products[..., start : start + lanes]
        while level.shape[-1] > 1:
            half = level.shape[-1] // 2
            level = flushed(level[..., :half] + level[..., half:])
        group = level[..., 0]
        accumulator = group if accumulator is None else flushed(accumulator + group)
    if accumulator is None:
        raise ValueError("a neuron needs at least one input")
    return accumulator if bias is None else flushed(accumulator + flushed(np.asarray(bias, np.float32)))


def convolve(op: ops.Conv2d, x: Floats, lanes: int) -> Floats:
    """Each window flattened kernel row by kernel row, column by column, channels fastest."""
    outputs, taken, tall, wide = op.weight.shape
    x = padded(x, op.padding)
    rows, columns = (
        ops.convolved_size(x.shape[2 + a], (tall, wide)[a], op.stride[a], 0, op.dilation[a]) for a in (0, 1)
    )
    result = np.empty((x.shape[0], outputs, rows, columns), dtype=np.float32)
    share = outputs // op.groups
    for group in range(op.groups):
        mine = slice(group * share, (group + 1) * share)
        inputs = x[:, group * taken : (group + 1) * taken]
        flattened = np.empty((x.shape[0], rows, columns, tall * wide * taken), dtype=np.float32)
        for row, column in product(range(rows), range(columns)):
            top, left = row * op.stride[0], column * op.stride[1]
            vertical = slice(top, top + op.dilation[0] * (tall - 1) + 1, op.dilation[0])
            horizontal = slice(left, left + op.dilation[1] * (wide - 1) + 1, op.dilation[1])
            window = inputs[:, :, vertical, horizontal].transpose(0, 2, 3, 1)
            flattened[:, row, column] = window.reshape(x.shape[0], -1)
        weight = op.weight[mine].transpose(0, 2, 3, 1).reshape(share, -1)
        made = neurons(flattened, weight, None if op.bias is None else op.bias[mine], lanes)
        result[:, mine] = np.moveaxis(made, -1, 1)
    return result


def pool(op: ops.Pool, x: Floats) -> Floats:
    """Largest (of equals the first), or the sum in window order times the float32 nearest to 1 / count."""
    height, width = x.shape[2:]
    result = np.empty((*x.shape[:2], *pooled_shape(op, height, width)), dtype=np.float32)
    for place, rows, columns, count in windows(op, height, width):
        elements = x[:, :, rows, columns].reshape(*x.shape[:2], -1)
        made = elements[..., 0]
        for index in range(1, elements.shape[-1]):
            element = elements[..., index]
            if isinstance(op, ops.MaxPool2d):
                made = np.where(element > made, element, made)
            else:
                made = flushed(made + element)
        if isinstance(op, ops.AvgPool2d):
            made = flushed(made * np.float32(1 / count))
        result[:, :, *place] = made
    return result
