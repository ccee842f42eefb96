"""Windows of feature maps, gathered in the order in which the tile reads them.

A window is read kernel row by kernel row, column by column, channels fastest; where pooling is fused, the
positions of one pooling window follow each other.
"""

from __future__ import annotations

from itertools import product

import numpy as np

from bitwatt.hardware.streams import Words
from bitwatt.program import ops

Position = tuple[int, int]


def positions(height: int, width: int, kernel: ops.Pair) -> list[Position]:
    """Places of a map of `height` x `width` pooling windows of `kernel`, window by window."""
    return [
        (y * kernel[0] + row, x * kernel[1] + column)
        for y, x, row, column in product(range(height), range(width), range(kernel[0]), range(kernel[1]))
    ]


def convolution_windows(codes: Words, op: ops.Conv2d, places: list[Position]) -> Words:
    """What a convolution reads at each place: (groups of channels, places, elements of a window).

    codes: (channels, height, width). Outside the map stands code word 0, which is zero in every format that
    has one.
    """
    padded = np.pad(codes, ((0, 0), (op.padding[0],) * 2, (op.padding[1],) * 2))
    height, width = op.weight.shape[2:]
    y, x = (np.array([place[axis] for place in places])[:, None, None] * op.stride[axis] for axis in (0, 1))
    rows = y + (np.arange(height) * op.dilation[0])[None, :, None]
    columns = x + (np.arange(width) * op.dilation[1])[None, None, :]
    gathered = padded.reshape(op.groups, -1, *padded.shape[1:])[:, :, rows, columns]
    return gathered.transpose(0, 2, 3, 4, 1).reshape(op.groups, len(places), -1)


def pooling_windows(codes: Words, pool: ops.Pool, shape: tuple[int, ...], outside: int) -> Words:
    """What a pooling pass reads at each place: (channels, places, elements of a window).

    codes: (channels, height, width). shape: that of the pooled map. outside: the code word that stands in the
    parts of a window beyond the map.
    """
    channels, height, width = codes.shape
    top, left = pool.padding
    bottom = (shape[1] - 1) * pool.stride[0] + pool.kernel[0]
    right = (shape[2] - 1) * pool.stride[1] + pool.kernel[1]
    padded = np.full((channels, max(bottom, height + top), max(right, width + left)), outside)
    padded[:, top : top + height, left : left + width] = codes
    rows = (np.arange(shape[1]) * pool.stride[0])[:, None, None, None] + np.arange(pool.kernel[0])[:, None]
    columns = (np.arange(shape[2]) * pool.stride[1])[None, :, None, None] + np.arange(pool.kernel[1])
    return padded[:, rows, columns].reshape(channels, shape[1] * shape[2], -1)


def window_counts(pool: ops.AvgPool2d, height: int, width: int) -> Words:
    """By how many elements each window's sum is divided, place by place: torch's rule, (places,).

    height, width: of the map that is pooled.
    """
    rows, columns = (_lengths(pool, axis, size) for axis, size in ((0, height), (1, width)))
    return np.outer(rows, columns).reshape(-1)


def _lengths(pool: ops.AvgPool2d, axis: int, size: int) -> Words:
    kernel, stride, padding = pool.kernel[axis], pool.stride[axis], pool.padding[axis]
    made = ops.pooled_size(size, kernel, stride, padding, pool.ceil_mode)
    start = np.arange(made) * stride - padding
    end = np.minimum(start + kernel, size + padding)
    if not pool.count_include_pad:
        start, end = np.maximum(start, 0), np.minimum(end, size)
    return end - start
