"""Pooling of maps of integers held in floating point; (count, channels, height, width), any strides."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from bitwatt.formats import Format
from bitwatt.program import ops
from bitwatt.program.bounds import Range
from bitwatt.quantization.rounding import round_to_grid


def max_pool(op: ops.MaxPool2d, x: Tensor) -> Tensor:
    """The largest of each window; a new tensor.

    Windows that tile the map are taken axis by axis, which is several times faster than PyTorch's kernel:
    that one keeps indices for a gradient.
    """
    height, width = x.shape[2:]
    tiles = op.kernel == op.stride and op.padding == (0, 0)
    if not tiles or height % op.kernel[0] or width % op.kernel[1] or op.kernel == (1, 1):
        return functional.max_pool2d(x, op.kernel, op.stride, op.padding, ceil_mode=op.ceil_mode)
    return _largest_of_each(_largest_of_each(x, 2, op.kernel[0]), 3, op.kernel[1])


def _largest_of_each(x: Tensor, axis: int, kernel: int) -> Tensor:
    """Maximum over runs of `kernel` along an axis whose length is a multiple of it."""
    if kernel == 1:
        return x
    first, second, *others = torch.unflatten(x, axis, (-1, kernel)).unbind(axis + 1)
    largest = torch.maximum(first, second)
    for column in others:
        torch.maximum(largest, column, out=largest)
    return largest


SAFE_SUM = {torch.float32: 2**23, torch.float64: 2**52}
"""Largest window sum S whose quotient S / count decides ties as the exact one does.

A quotient that is no tie is at least 1 / (2 count) away from one; rounding moves it by at most
S / count * 2**-24 (float32), which is less while S < 2**23.
"""


def average_pool(op: ops.AvgPool2d, x: Tensor, format: Format, values: Range) -> Tensor:
    """The sum of each window over its count, moved to the format's grid, in x's dtype.

    values: where the integers of x lie.
    """
    largest_sum = values.magnitude * op.kernel[0] * op.kernel[1]
    dtype = x.dtype if largest_sum < SAFE_SUM[x.dtype] else torch.float64
    quotient = functional.avg_pool2d(
        x.to(dtype), op.kernel, op.stride, op.padding, op.ceil_mode, op.count_include_pad
    )
    return round_to_grid(quotient, format).to(x.dtype)
