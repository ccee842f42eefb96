"""float32 programs, fast, with every operation of the tile in the tile's order.

A window is flattened kernel row by kernel row, column by column, channels fastest, and padded at its end to a
multiple of `lanes` with products +0. Each product is rounded; the lanes of a group are added by a tree whose
every level adds lane i + n/2 to lane i; the first group's sum becomes the accumulator, each further one is
added to it, and at last the bias. Each addition rounds to float32, and after every operation a subnormal
becomes zero of its sign.

Tensors are (features ..., images), images fastest, so that each operation of the tile is one long vector
operation. `bitwatt.program.reference_float32` says the same plainly.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from bitwatt.program import ops
from bitwatt.program.adder_tree import TINY, Neurons, flushed
from bitwatt.program.program import Program
from bitwatt.program.reference import pooled_shape, windows

BATCH = 128
"""Images side by side in a vector operation."""


def execute(program: Program, inputs: Mapping[str, Tensor]) -> Tensor:
    """Logits, float32 (count, classes). inputs: images of each by name, (count, ...), without NaN."""
    with _gradual_underflow(), torch.inference_mode():
        parts = [_run(program, batch)[program.output] for batch in batches(inputs, BATCH)]
    return torch.cat([_images_first(part) for part in parts])


def trace(program: Program, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Every value, by name: float32 (count, *shape)."""
    with _gradual_underflow(), torch.inference_mode():
        parts = [_run(program, batch) for batch in batches(inputs, BATCH)]
    return {op.name: torch.cat([_images_first(part[op.name]) for part in parts]) for op in program.ops}


def batches(inputs: Mapping[str, Tensor], most: int) -> Iterator[dict[str, Tensor]]:
    """At most so many images of each input at a time."""
    for parts in zip(*(torch.split(images, most) for images in inputs.values()), strict=True):
        yield dict(zip(inputs, parts, strict=True))


def _images_first(value: Tensor) -> Tensor:
    return value.movedim(-1, 0)


@contextmanager
def _gradual_underflow() -> Iterator[None]:
    """Without the processor's own flushing, which rounds and flushes at once, and not always to the same."""
    flushing = bool(torch.tensor(TINY) / 2 == 0)
    if flushing:
        torch.set_flush_denormal(False)
    try:
        yield
    finally:
        if flushing:
            torch.set_flush_denormal(True)


def _run(program: Program, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    values = {name: images.movedim(0, -1) for name, images in inputs.items()}
    for op in program.ops:
        x = values[op.inputs[0]]
        match op:
            case ops.Quantize():
                values[op.name] = flushed(x.to(torch.float32).contiguous())
            case ops.Conv2d():
                values[op.name] = _convolve(op, x, program.lanes)
            case ops.Linear():
                values[op.name] = _connect(op, x, program.lanes)
            case ops.Relu():
                values[op.name] = torch.where(x > 0, x, 0.0)
            case ops.MaxPool2d() | ops.AvgPool2d():
                values[op.name] = _pool(op, x)
            case ops.Flatten():
                values[op.name] = x.permute(1, 2, 0, 3).flatten(0, 2) if x.dim() == 4 else x
            case ops.Add():
                values[op.name] = flushed(x + values[op.other])
            case ops.Concat():
                values[op.name] = torch.cat([values[name] for name in op.inputs])
            case ops.Clip():
                above = torch.where(x > op.low, x, op.low)
                values[op.name] = torch.where(above < op.high, above, op.high)
            case ops.Pad():
                values[op.name] = functional.pad(x, (0, 0, *op.padding))
            case ops.Requantize() | ops.Table():
                raise TypeError(f"a float32 program has no {type(op).__name__}")
    return values


def _connect(op: ops.Linear, x: Tensor, lanes: int) -> Tensor:
    def gather(group: int, into: Tensor) -> None:
        part = x[group * lanes : (group + 1) * lanes]
        into[: len(part)] = part

    return Neurons.of(op.weight, op.bias, x, lanes).sums(gather, (x.shape[-1],))


def _convolve(op: ops.Conv2d, x: Tensor, lanes: int) -> Tensor:
    channels, height, width, count = x.shape
    outputs, taken, tall, wide = op.weight.shape
    (top, left), (down, across) = op.padding, op.stride
    padded = x.new_zeros(channels, height + 2 * top, width + 2 * left, count)
    padded[:, top : top + height, left : left + width] = x
    rows = ops.convolved_size(height, tall, down, top, op.dilation[0])
    columns = ops.convolved_size(width, wide, across, left, op.dilation[1])
    result = x.new_empty(outputs, rows, columns, count)
    weight = op.weight.transpose(0, 2, 3, 1).reshape(outputs, -1)
    share = outputs // op.groups
    for group in range(op.groups):
        mine = slice(group * share, (group + 1) * share)
        neurons = Neurons.of(weight[mine], None if op.bias is None else op.bias[mine], x, lanes)
        inputs = padded[group * taken : (group + 1) * taken]
        for row in range(rows):
            window = _RowOfWindows(op, inputs, row * down, columns, lanes)
            result[mine, row] = neurons.sums(window.gather, (columns, count))
    return result


@dataclass(frozen=True, eq=False)
class _RowOfWindows:
    """The windows of one row of outputs, from input row `first_row` on."""

    op: ops.Conv2d
    inputs: Tensor
    first_row: int
    columns: int
    lanes: int

    def gather(self, group: int, into: Tensor) -> None:
        """Runs of channels at one kernel position are copied at once."""
        channels, wide = len(self.inputs), self.op.weight.shape[3]
        across = self.op.stride[1]
        lane = 0
        while lane < self.lanes:
            position, channel = divmod(group * self.lanes + lane, channels)
            if position >= self.op.weight.shape[2] * wide:
                return
            length = min(self.lanes - lane, channels - channel)
            row = self.first_row + position // wide * self.op.dilation[0]
            column = position % wide * self.op.dilation[1]
            reach = slice(column, column + (self.columns - 1) * across + 1, across)
            into[lane : lane + length] = self.inputs[channel : channel + length, row, reach]
            lane += length


def _pool(op: ops.Pool, x: Tensor) -> Tensor:
    channels, height, width, count = x.shape
    result = x.new_empty(channels, *pooled_shape(op, height, width), count)
    for (row, column), rows, columns, divisor in windows(op, height, width):
        first, *others = x[:, rows, columns].flatten(1, 2).unbind(1)
        result[:, row, column] = (
            _largest(first, others) if isinstance(op, ops.MaxPool2d) else _mean(first, others, divisor)
        )
    return result


def _largest(first: Tensor, others: list[Tensor]) -> Tensor:
    """Of equals the first: it decides the sign of a zero."""
    best = first
    for element in others:
        best = torch.where(element > best, element, best)
    return best


def _mean(first: Tensor, others: list[Tensor], count: int) -> Tensor:
    total = first
    for element in others:
        total = flushed(total + element)
    return flushed(total * float(np.float32(1 / count)))
