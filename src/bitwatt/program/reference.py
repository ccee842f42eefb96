"""A program executed plainly, in whole numbers: the specification of what every other execution must give.

Arrays are of int64, or of Python integers (dtype object) where int64 could overflow. Maps are (count,
channels, height, width). Slow on purpose: one short function an operation, no trick that needs proof. float32
programs are in `bitwatt.program.reference_float32`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bitwatt.formats import Format
from bitwatt.program import ops
from bitwatt.program.joining import add_shifts
from bitwatt.program.program import Program
from bitwatt.program.rounding import Integers, nearest, shifted


def logits(program: Program, *images: ArrayLike) -> NDArray[np.float64]:
    """What `program(images)` must return: float64 (count, classes), each integer * 2**exponent.

    images: of each input, reals, (count, *input_shape), without NaN.
    """
    integers = trace(program, *images)[program.output].astype(np.float64)
    exponent = np.array(program.types[program.output].exponent)
    scaled: NDArray[np.float64] = np.ldexp(integers, exponent.reshape(-1, *[1] * (integers.ndim - 2)))
    return scaled


def trace(program: Program, *images: ArrayLike) -> dict[str, Integers]:
    """Every value of the program but the images, by name, as integers (accumulators too)."""
    reals = [np.asarray(each, dtype=np.float64) for each in images]
    values: dict[str, Integers] = given(program, reals)
    for op in program.ops:
        source = values[op.inputs[0]]
        match op:
            case ops.Quantize():
                values[op.name] = quantize(op, source)
            case ops.Conv2d():
                values[op.name] = convolve(op, source)
            case ops.Linear():
                values[op.name] = connect(op, source)
            case ops.Requantize():
                values[op.name] = requantize(op, source)
            case ops.Relu():
                values[op.name] = np.maximum(source, 0)
            case ops.MaxPool2d():
                values[op.name] = max_pool(op, source)
            case ops.AvgPool2d():
                values[op.name] = average_pool(op, source, _format(program, op.name))
            case ops.Flatten():
                values[op.name] = flatten(source)
            case ops.Add():
                values[op.name] = add(program, op, source, values[op.other])
            case ops.Concat():
                values[op.name] = np.concatenate([values[name] for name in op.inputs], axis=1)
            case ops.Clip():
                values[op.name] = np.clip(source, int(op.low), int(op.high))
            case ops.Table():
                values[op.name] = look_up(op, source, _format(program, op.input))
            case ops.Pad():
                values[op.name] = pad(op, source)
    return {op.name: values[op.name] for op in program.ops}


def given(program: Program, images: Sequence[NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The images of each input by name; sequences (count, channels, length) as maps of height 1."""
    return {
        name: each[:, :, None] if each.ndim == 3 and len(shape) == 3 else each
        for (name, shape), each in zip(program.input_shapes.items(), images, strict=True)
    }


def quantize(op: ops.Quantize, reals: NDArray[np.float64]) -> Integers:
    """Reals to the grid's nearest integers, by the format's own definition."""
    unit = op.format.unit_exponent
    return op.format.integers(op.format.encode(np.ldexp(reals, unit - op.exponent)))


def convolve(op: ops.Conv2d, x: Integers) -> Integers:
    """Sums over kernel positions and input channels, group by group; the bias first."""
    outputs, taken, height, width = op.weight.shape
    x = _wide_enough(op, x)
    down, across = op.stride
    x = padded(x, op.padding)
    made = [
        ops.convolved_size(x.shape[2 + a], (height, width)[a], op.stride[a], 0, op.dilation[a])
        for a in (0, 1)
    ]
    sums = np.zeros((x.shape[0], outputs, *made), dtype=x.dtype)
    if op.bias is not None:
        sums += op.bias.astype(x.dtype)[:, None, None]
    for group, row, column in product(range(op.groups), range(height), range(width)):
        start_row, start_column = row * op.dilation[0], column * op.dilation[1]
        rows = slice(start_row, start_row + (made[0] - 1) * down + 1, down)
        columns = slice(start_column, start_column + (made[1] - 1) * across + 1, across)
        mine = slice(group * outputs // op.groups, (group + 1) * outputs // op.groups)
        for channel in range(taken):
            inputs = x[:, None, group * taken + channel, rows, columns]
            sums[:, mine] += op.weight[mine, channel, row, column].astype(x.dtype)[:, None, None] * inputs
    return sums


def padded(x: Integers, padding: ops.Pair) -> Integers:
    """Zeros around each map. (`np.pad` would put int64 among Python integers.)"""
    (top, left), (count, channels, height, width) = padding, x.shape
    result = np.zeros((count, channels, height + 2 * top, width + 2 * left), dtype=x.dtype)
    result[:, :, top : top + height, left : left + width] = x
    return result


def connect(op: ops.Linear, x: Integers) -> Integers:
    """x @ weight.T + bias."""
    x = _wide_enough(op, x)
    sums: Integers = x @ op.weight.T.astype(x.dtype)
    return sums if op.bias is None else sums + op.bias.astype(x.dtype)


def _wide_enough(op: ops.Weighted, x: Integers) -> Integers:
    """The inputs in int64 where no sum can leave 62 bits, else in Python integers."""
    largest = int(np.abs(x).max(initial=0))
    weights = np.abs(op.weight.astype(object)).reshape(op.weight.shape[0], -1).sum(axis=1).max()
    bias = 0 if op.bias is None else int(np.abs(op.bias.astype(object)).max())
    return x.astype(np.int64 if largest * int(weights) + bias < 2**62 else object)


def requantize(op: ops.Requantize, sums: Integers) -> Integers:
    """sums * 2**-shift to the grid's nearest integers; channels are the second axis."""
    shift = np.array(op.shift).reshape(-1, *[1] * (sums.ndim - 2))
    return nearest(*shifted(sums, shift), op.format).astype(np.int64)


def max_pool(op: ops.MaxPool2d, x: Integers) -> Integers:
    """The largest integer of each window."""
    height, width = x.shape[2:]
    result = np.empty((*x.shape[:2], *pooled_shape(op, height, width)), dtype=x.dtype)
    for place, rows, columns, _ in windows(op, height, width):
        result[:, :, *place] = x[:, :, rows, columns].max(axis=(2, 3))
    return result


def average_pool(op: ops.AvgPool2d, x: Integers, format: Format) -> Integers:
    """The sum of each window over its count, moved to the grid."""
    height, width = x.shape[2:]
    result = np.empty((*x.shape[:2], *pooled_shape(op, height, width)), dtype=x.dtype)
    for place, rows, columns, count in windows(op, height, width):
        total = x[:, :, rows, columns].sum(axis=(2, 3))
        result[:, :, *place] = nearest(total, np.full_like(total, count), format)
    return result


def flatten(x: Integers) -> Integers:
    """Channels fastest."""
    return np.moveaxis(x, 1, -1).reshape(x.shape[0], -1)


def add(program: Program, op: ops.Add, first: Integers, second: Integers) -> Integers:
    """Both shifted left to the lesser exponent, channel by channel, in Python integers; then added."""
    by = [
        np.array(2, dtype=object) ** np.array(shift, dtype=object).reshape(-1, *[1] * (first.ndim - 2))
        for shift in add_shifts(program.types[op.input], program.types[op.other])
    ]
    total: Integers = first.astype(object) * by[0] + second.astype(object) * by[1]
    return total


def look_up(op: ops.Table, x: Integers, format: Format) -> Integers:
    """Each integer's code word in the format it is of, and what the table has there."""
    codes = format.encode(np.ldexp(x.astype(np.float64), format.unit_exponent))
    return op.table[codes].astype(np.int64)


def pad(op: ops.Pad, x: Integers) -> Integers:
    """Zeros around each map."""
    left, right, top, bottom = op.padding
    count, channels, height, width = x.shape
    result = np.zeros((count, channels, height + top + bottom, width + left + right), dtype=x.dtype)
    result[:, :, top : top + height, left : left + width] = x
    return result


Window = tuple[tuple[int, int], slice, slice, int]
"""A place of the pooled map; rows and columns of its window that lie in the map; torch's count."""


def windows(op: ops.Pool, height: int, width: int) -> Iterator[Window]:
    """The windows of a map, row by row."""
    counts_padding = isinstance(op, ops.AvgPool2d) and op.count_include_pad
    tall, wide = pooled_shape(op, height, width)
    for row, column in product(range(tall), range(wide)):
        rows, rows_padded = _span(op, 0, row, height)
        columns, columns_padded = _span(op, 1, column, width)
        inside = (rows.stop - rows.start) * (columns.stop - columns.start)
        yield (row, column), rows, columns, rows_padded * columns_padded if counts_padding else inside


def _span(op: ops.Pool, axis: int, place: int, size: int) -> tuple[slice, int]:
    """Where a window lies within the map, and its length clipped to the padded map."""
    start = place * op.stride[axis] - op.padding[axis]
    end = min(start + op.kernel[axis], size + op.padding[axis])
    return slice(max(start, 0), min(end, size)), end - start


def pooled_shape(op: ops.Pool, height: int, width: int) -> tuple[int, int]:
    """Height and width of the pooled map."""
    tall, wide = (
        ops.pooled_size((height, width)[a], op.kernel[a], op.stride[a], op.padding[a], op.ceil_mode)
        for a in (0, 1)
    )
    return tall, wide


def _format(program: Program, value: str) -> Format:
    found = program.types[value].format
    if found is None:
        raise TypeError(f"'{value}' has no format")
    return found
