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

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from bitwatt.program import ops
from bitwatt.program.inference import INPUT
from bitwatt.program.program import Program
from bitwatt.program.reference import windows

BATCH = 128
"""Images side by side in a vector operation."""

WORKING_SET = 2**16
"""Products made at once: a quarter of a mebibyte, which stays in a core's second cache."""

TINY = 2.0**-126
"""The smallest normal number."""

SAFE_PRODUCT = 2.0**-102
"""Where no product and no bias is smaller, nothing subnormal can arise.

A float32 of at least 2**-102 is a whole multiple of 2**-125, and so is every rounded sum of such multiples;
what is not zero is then at least 2**-125, which is normal.
"""


def execute(program: Program, images: Tensor) -> Tensor:
    """Logits, float32 (count, classes). images: (count, *input_shape), without NaN."""
    with _gradual_underflow(), torch.inference_mode():
        parts = [_run(program, batch)[program.output] for batch in images.split(BATCH)]
    return torch.cat([_images_first(part) for part in parts])


def trace(program: Program, images: Tensor) -> dict[str, Tensor]:
    """Every value, by name: float32 (count, *shape)."""
    with _gradual_underflow(), torch.inference_mode():
        parts = [_run(program, batch) for batch in images.split(BATCH)]
    return {op.name: torch.cat([_images_first(part[op.name]) for part in parts]) for op in program.ops}


def _images_first(value: Tensor) -> Tensor:
    return value.movedim(-1, 0)


@contextmanager
def _gradual_underflow() -> Iterator[None]:
    """Without the processor's own flushing, which differs from rounding first and flushing then."""
    flushing = bool(torch.tensor(TINY) / 2 == 0)
    if flushing:
        torch.set_flush_denormal(False)
    try:
        yield
    finally:
        if flushing:
            torch.set_flush_denormal(True)


def _run(program: Program, images: Tensor) -> dict[str, Tensor]:
    values = {INPUT: images.movedim(0, -1)}
    for op in program.ops:
        x = values[op.input]
        match op:
            case ops.Quantize():
                values[op.name] = flushed(x.to(torch.float32).contiguous())
            case ops.Conv2d():
                values[op.name] = _convolve(op, x, program.lanes)
            case ops.Linear():
                values[op.name] = _connect(op, x, program.lanes)
            case ops.Relu():
                values[op.name] = torch.where(x > 0, x, 0.0)
            case ops.MaxPool2d():
                values[op.name] = _pool(op, x, _largest)
            case ops.AvgPool2d():
                values[op.name] = _pool(op, x, _mean)
            case ops.Flatten():
                values[op.name] = x.permute(1, 2, 0, 3).flatten(0, 2) if x.dim() == 4 else x
            case ops.Requantize():
                raise TypeError("a float32 program has no Requantize")
    return values


def flushed(x: Tensor) -> Tensor:
    """Subnormals to zero of their sign, the others as they are; a new tensor."""
    return torch.where(x.abs() < TINY, torch.copysign(torch.zeros_like(x), x), x)


def _flush_(x: Tensor) -> None:
    x.copy_(flushed(x))


def _connect(op: ops.Linear, x: Tensor, lanes: int) -> Tensor:
    neuron = _Neurons.of(op.weight, op.bias, x, lanes)
    inputs = x.contiguous()

    def gather(group: int, into: Tensor) -> None:
        part = inputs[group * lanes : (group + 1) * lanes]
        into[: len(part)] = part

    return neuron.sums(gather, x.shape[-1:])


def _convolve(op: ops.Conv2d, x: Tensor, lanes: int) -> Tensor:
    channels, height, width, count = x.shape
    outputs, taken, tall, wide = op.weight.shape
    (top, left), (down, across) = op.padding, op.stride
    padded = x.new_zeros(channels, height + 2 * top, width + 2 * left, count)
    padded[:, top : top + height, left : left + width] = x
    rows, columns = (
        ops.convolved_size((height, width)[a], (tall, wide)[a], op.stride[a], op.padding[a], op.dilation[a])
        for a in (0, 1)
    )
    result = x.new_empty(outputs, rows, columns, count)
    weight = op.weight.transpose(0, 2, 3, 1).reshape(outputs, -1)
    share = outputs // op.groups
    for group in range(op.groups):
        mine = slice(group * share, (group + 1) * share)
        bias = None if op.bias is None else op.bias[mine]
        neurons = _Neurons.of(weight[mine], bias, x, lanes)
        runs = [list(_runs(position * lanes, lanes, taken, weight.shape[1])) for position in range(neurons.groups)]
        for row in range(rows):

            def gather(position: int, into: Tensor, row: int = row) -> None:
                for lane, channel, length, kernel in runs[position]:
                    source_row = row * down + kernel // wide * op.dilation[0]
                    first = kernel % wide * op.dilation[1]
                    last = first + (columns - 1) * across + 1
                    start = group * taken + channel
                    into[lane : lane + length] = padded[start : start + length, source_row, first:last:across]

            result[mine, row] = neurons.sums(gather, (columns, count))
    return result


def _runs(start: int, lanes: int, channels: int, window: int) -> Iterator[tuple[int, int, int, int]]:
    """The lanes of a group as runs of channels at one kernel position: lane, channel, length, position."""
    lane = 0
    while lane < lanes and start + lane < window:
        kernel, channel = divmod(start + lane, channels)
        length = min(lanes - lane, channels - channel)
        yield lane, channel, length, kernel
        lane += length


@dataclass(frozen=True, eq=False)
class _Neurons:
    """Weights (outputs, groups, lanes), the window padded with zeros, and whether subnormals can arise."""

    weight: Tensor
    bias: Tensor | None
    window: int
    flush: bool

    @staticmethod
    def of(
        weight: np.ndarray[tuple[int, ...], np.dtype[np.generic]],
        bias: np.ndarray[tuple[int, ...], np.dtype[np.generic]] | None,
        x: Tensor,
        lanes: int,
    ) -> _Neurons:
        matrix = flushed(torch.from_numpy(np.ascontiguousarray(weight)))
        offsets = None if bias is None else flushed(torch.from_numpy(bias))
        outputs, window = matrix.shape
        groups = -(-window // lanes)
        laid_out = matrix.new_zeros(outputs, groups * lanes)
        laid_out[:, :window] = matrix
        safe = _least(x) * _least(matrix) >= SAFE_PRODUCT
        safe = safe and (offsets is None or _least(offsets) >= SAFE_PRODUCT)
        return _Neurons(laid_out.view(outputs, groups, lanes), offsets, window, not safe)

    @property
    def groups(self) -> int:
        """How many times the lanes are filled."""
        return self.weight.shape[1]

    def sums(self, gather: Callable[[int, Tensor], None], places: tuple[int, ...] | torch.Size) -> Tensor:
        """(outputs, *places). gather(g, into) lays the inputs of group g into (lanes, *places)."""
        outputs, groups, lanes = self.weight.shape
        total = self.weight.new_empty(outputs, *places)
        inputs = self.weight.new_zeros(lanes, 1, *places)
        together = max(1, min(outputs, WORKING_SET // inputs.numel()))
        products = self.weight.new_empty(lanes, together, *places)
        weights = self.weight.permute(1, 2, 0).reshape(groups, lanes, outputs, *[1] * len(places)).contiguous()
        for group in range(groups):
            used = min(lanes, self.window - group * lanes)
            gather(group, inputs[:, 0])
            for first in range(0, outputs, together):
                block = products[:, : min(together, outputs - first)]
                block[used:] = 0.0
                torch.mul(inputs[:used], weights[group, :used, first : first + together], out=block[:used])
                self._finish(block)
                self._tree(block)
                accumulator = total[first : first + together]
                if group == 0:
                    accumulator.copy_(block[0])
                else:
                    accumulator.add_(block[0])
                    self._finish(accumulator)
        if self.bias is not None:
            total += self.bias.reshape(-1, *[1] * len(places))
            self._finish(total)
        return total

    def _tree(self, block: Tensor) -> None:
        half = block.shape[0] // 2
        while half:
            block[:half].add_(block[half : 2 * half])
            self._finish(block[:half])
            half //= 2

    def _finish(self, x: Tensor) -> None:
        if self.flush:
            _flush_(x)


def _least(x: Tensor) -> float:
    """The smallest magnitude that is not zero; infinity where there is none."""
    magnitude = x.abs()
    return float(magnitude[magnitude > 0].min()) if bool((magnitude > 0).any()) else float("inf")


def _pool(op: ops.Pool, x: Tensor, reduce: Callable[[Tensor, int], Tensor]) -> Tensor:
    images_first = x.movedim(-1, 0)
    made = [reduce(window.flatten(2), count) for _, window, count in windows(op, images_first)]
    return torch.stack(made, dim=-1).unflatten(-1, _pooled(op, x)).movedim(0, -1).contiguous()


def _pooled(op: ops.Pool, x: Tensor) -> tuple[int, int]:
    height, width = (
        ops.pooled_size(x.shape[1 + a], op.kernel[a], op.stride[a], op.padding[a], op.ceil_mode) for a in (0, 1)
    )
    return height, width


def _largest(window: Tensor, count: int) -> Tensor:
    """window: (images, channels, elements in order). Of equals the first: it decides the sign of a zero."""
    best = window[..., 0]
    for element in window.unbind(-1)[1:]:
        best = torch.where(element > best, element, best)
    return best


def _mean(window: Tensor, count: int) -> Tensor:
    total = window[..., 0]
    for element in window.unbind(-1)[1:]:
        total = flushed(total + element)
    return flushed(total * float(np.float32(1 / count)))
