"""Convolution in float64 as matrix products over gathered windows, some images at a time.

PyTorch's own float64 convolution gathers a whole batch, through memory, and takes two to four times as long.
"""

from __future__ import annotations

import torch
from torch import Tensor

from bitwatt.program import ops
from bitwatt.program.combining import Combination

GATHERED_BYTES = 2**19
"""How much is gathered at once: what a core's second cache holds."""

LEAST_COLUMNS = 256
"""Places that a matrix product should have, or it is slow."""


def convolve_float64(
    op: ops.Conv2d,
    x: Tensor,
    stacked: Tensor,
    combination: Combination,
    dtype: torch.dtype,
    residual: Tensor | None = None,
) -> Tensor:
    """The layer's rounded sums, (count, outputs, height, width) in `dtype`, channels fastest.

    x: (count, channels, height, width), any strides and floating dtype. stacked: what `stack` makes of the
    weights of each term, added by `combination`, and with them the residual, of the result's shape.
    """
    outputs, taken, tall, wide = op.weight.shape
    count, _, height, width = x.shape
    rows = ops.convolved_size(height, tall, op.stride[0], op.padding[0], op.dilation[0])
    columns = ops.convolved_size(width, wide, op.stride[1], op.padding[1], op.dilation[1])
    places, depth = rows * columns, taken * tall * wide
    fitting = GATHERED_BYTES // (8 * op.groups * depth * places)
    step = min(count, max(1, fitting, -(-LEAST_COLUMNS // places)))
    windows = _Windows(op, x, step, rows, columns)
    result = torch.empty(count * places, outputs, dtype=dtype)
    sums, narrow = torch.empty(0, dtype=torch.float64), torch.empty(0, dtype=dtype)  # kept from step to step
    for first in range(0, count, step):
        now = min(step, count - first)
        gathered = windows.gather(x[first : first + now]).view(op.groups, depth, now * places)
        sums = torch.bmm(stacked, gathered, out=sums.resize_(op.groups, stacked.shape[1], now * places))
        by_term = sums.view(op.groups, -1, outputs // op.groups, now * places).unbind(1)
        beside = None
        if residual is not None:
            beside = residual[first : first + now].permute(1, 0, 2, 3).reshape(outputs, -1)
        rounded = combination([term.reshape(outputs, -1) for term in by_term], 0, beside)
        # Of one dtype PyTorch transposes block by block, else element by element.
        narrow.resize_(outputs, now * places).copy_(rounded)
        result[first * places : (first + now) * places].copy_(narrow.t())
    return result.view(count, rows, columns, outputs).permute(0, 3, 1, 2)


def stack(op: ops.Conv2d, weights: list[Tensor]) -> Tensor:
    """(groups, terms * outputs of a group, products of an output): one matrix product makes all terms."""
    share = op.weight.shape[0] // op.groups
    return torch.cat([weight.reshape(op.groups, share, -1) for weight in weights], dim=1)


class _Windows:
    """Gathers the windows of some images: (channels, kernel row, kernel column, images, row, column).

    In two steps, so that both copy long runs: first shifted columns, then of those shifted rows.
    """

    def __init__(self, op: ops.Conv2d, x: Tensor, step: int, rows: int, columns: int) -> None:
        self.op, self.rows = op, rows
        channels, height, width = x.shape[1:]
        (top, left), wide = op.padding, op.weight.shape[3]
        tall_map = height + 2 * top
        self.inside = (slice(top, top + height), slice(left, left + width))
        self.padded = torch.zeros(channels, step, tall_map, width + 2 * left, dtype=torch.float64)
        self.shifted = torch.empty(channels, wide, step, tall_map, columns, dtype=torch.float64)
        self.gathered = torch.empty(0, dtype=torch.float64)

    def gather(self, images: Tensor) -> Tensor:
        now = len(images)
        op, padded, shifted = self.op, self.padded[:, :now], self.shifted[:, :, :now]
        channels, wide, _, tall_map, columns = shifted.shape
        padded[:, :, *self.inside] = images.permute(1, 0, 2, 3)
        channel, image, row, _ = padded.stride()
        shifted.copy_(
            padded.as_strided(
                (channels, wide, now, tall_map, columns),
                (channel, op.dilation[1], image, row, op.stride[1]),
            )
        )
        channel, column, image, row, _ = shifted.stride()
        windows = shifted.as_strided(
            (channels, op.weight.shape[2], wide, now, self.rows, columns),
            (channel, op.dilation[0] * row, column, image, op.stride[0] * row, 1),
        )
        return self.gathered.resize_(windows.shape).copy_(windows)
