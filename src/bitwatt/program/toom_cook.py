"""Convolution by the Toom-Cook algorithm along a map's rows, exact in float64.

m neighbouring outputs of a kernel of k columns need m + k - 1 products instead of m k:

    c * y = A ((G w) * (B x))      x: m + k - 1 inputs, w: k weights, y: m outputs

where A, G and B evaluate and interpolate polynomials at m + k - 2 points and at infinity (S. Winograd,
"Arithmetic complexity of computations", 1980; A. Lavin and S. Gray, arXiv 1509.09308, for neural networks).
Float32 implementations round in these transforms. Here all three matrices are of whole numbers, by the factor
c, and every partial sum of every step is bounded by 2**53, or the layer is computed in another way: so that
float64 is exact throughout, and the division by c, whose quotient is whole, is too.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import gcd, lcm

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bitwatt.program import ops
from bitwatt.program.bounds import Range
from bitwatt.program.combining import Combination

POINTS = (0, 1, -1, 2, -2, Fraction(1, 2), Fraction(-1, 2))
"""Where polynomials are evaluated: the first so many, and infinity."""

TILE_BYTES = 2**22
"""How large the products of some images may be at once: what a core's share of the last cache holds."""

Whole = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Tiles:
    """The three matrices, of whole numbers: c * y = outputs @ ((weights @ w) * (inputs @ x))."""

    outputs: Whole
    weights: Whole
    inputs: Whole
    factor: int

    @property
    def width(self) -> int:
        """Outputs of a tile, m."""
        return len(self.outputs)


@lru_cache(maxsize=16)
def tiles(width: int, kernel: int) -> Tiles:
    """For `width` outputs of `kernel` weights; both together at most 9."""
    points = [Fraction(point) for point in POINTS[: width + kernel - 2]]
    columns, weights, inputs = [], [], []
    for point in points:
        others = [other for other in points if other != point]
        scale = Fraction(1)
        for other in others:
            scale *= point - other
        columns.append([point**j for j in range(width)])
        weights.append([point**j / scale for j in range(kernel)])
        inputs.append([*_product(others), Fraction(0)])
    columns.append([Fraction(j == width - 1) for j in range(width)])
    weights.append([Fraction(j == kernel - 1) for j in range(kernel)])
    inputs.append(_product(points))
    for matrix in (weights, inputs):  # the least whole numbers; what it takes goes to the columns
        for position, row in enumerate(matrix):
            by = Fraction(lcm(*(x.denominator for x in row)))
            by /= gcd(*(int(x * by) for x in row))
            matrix[position] = [x * by for x in row]
            columns[position] = [x / by for x in columns[position]]
    factor = lcm(*(x.denominator for column in columns for x in column))
    outputs = [[x * factor for x in column] for column in columns]
    return Tiles(_whole(outputs).T.copy(), _whole(weights), _whole(inputs), factor)


def _product(roots: list[Fraction]) -> list[Fraction]:
    """Coefficients of the polynomial with these roots, the constant first."""
    made = [Fraction(1)]
    for root in roots:
        made = [
            low - root * high for low, high in zip([Fraction(0), *made], [*made, Fraction(0)], strict=True)
        ]
    return made


def _whole(matrix: list[list[Fraction]]) -> Whole:
    return np.array([[int(x) for x in row] for row in matrix], dtype=np.int64)


def transformed(weight: Whole, by: Tiles) -> Whole:
    """(points, outputs, kernel rows, channels) of weights (outputs, channels, kernel rows, columns)."""
    made: Whole = np.einsum("pk,ochk->pohc", by.weights, weight)
    return made


def largest_sum(weight: Whole, values: Range, by: Tiles) -> int:
    """No partial sum of any step exceeds this magnitude, in whatever order it is added."""
    low, high = values.with_zero().low, values.with_zero().high
    rising, falling = np.maximum(by.inputs, 0).sum(axis=1), np.minimum(by.inputs, 0).sum(axis=1)
    inputs = [max(abs(r * high + f * low), abs(r * low + f * high)) for r, f in _pairs(rising, falling)]
    weights = np.abs(transformed(weight, by)).sum(axis=(2, 3)).tolist()
    products = [[w * x for w in row] for row, x in zip(weights, inputs, strict=True)]
    sums = (
        sum(abs(a) * p for a, p in zip(row, column, strict=True))
        for row in by.outputs.tolist()
        for column in zip(*products, strict=True)
    )
    return int(max(*inputs, *sums))


def _pairs(first: Whole, second: Whole) -> list[tuple[int, int]]:
    return list(zip(first.tolist(), second.tolist(), strict=True))


def best_tiles(columns: int, kernel: int) -> Tiles:
    """Those that take a row of `columns` outputs with the fewest products."""
    widths = range(2, len(POINTS) + 3 - kernel)
    return tiles(min(widths, key=lambda width: -(-columns // width) * (width + kernel - 1)), kernel)


def convolve_tiles(
    op: ops.Conv2d, by: Tiles, scale: NDArray[np.float64], combination: Combination, dtype: torch.dtype
) -> ToomCook:
    """The layer as a function of its input and a residual. scale: powers of two, one for each output."""
    weight = transformed(op.weight.astype(np.int64), by) * scale[:, None, None]
    return ToomCook(op, by, torch.from_numpy(weight).flatten(2), combination, dtype)


@dataclass(frozen=True, eq=False)
class ToomCook:
    """Maps (count, channels, height, width) to rounded sums (count, outputs, rows, columns)."""

    op: ops.Conv2d
    by: Tiles
    weight: Tensor
    combination: Combination
    dtype: torch.dtype

    def __call__(self, x: Tensor, residual: Tensor | None = None) -> Tensor:
        """Some images at a time, so that products are read from the cache that they were written to."""
        op, by, (points, outputs, depth) = self.op, self.by, self.weight.shape
        count, channels, height, width = x.shape
        (top, left), tall = op.padding, op.weight.shape[2]
        rows = ops.convolved_size(height, tall, op.stride[0], top, 1)
        columns = ops.convolved_size(width, op.weight.shape[3], 1, left, 1)
        across, tall_map = -(-columns // by.width), height + 2 * top
        step = min(count, max(1, TILE_BYTES // (8 * points * rows * outputs * across)))
        to_points, to_outputs = (torch.from_numpy(m).double() for m in (by.inputs, by.outputs))
        padded = torch.zeros(
            tall_map, channels, step, across * by.width + points - by.width, dtype=torch.double
        )
        result = torch.empty(count, rows, across, by.width, outputs, dtype=self.dtype)
        for first in range(0, count, step):
            now = min(step, count - first)
            inside = padded[:, :, :now]
            inside[top : top + height, :, :, left : left + width] = x[first : first + now].permute(2, 1, 0, 3)
            row, channel, image, _ = padded.stride()
            strides = (1, row, channel, image, by.width)
            taken = inside.as_strided((points, tall_map, channels, now, across), strides).reshape(points, -1)
            evaluated = torch.mm(to_points, taken).view(points, tall_map, channels, now * across)
            products = torch.empty(points, rows, outputs, now * across, dtype=torch.double)
            for point, source in enumerate(evaluated):
                # Kernel rows and channels of a place lie one behind the other: nothing is gathered.
                high, wide, _ = source.stride()
                windows = source.as_strided(
                    (rows, depth, now * across), (op.stride[0] * high, wide, 1), source.storage_offset()
                )
                torch.bmm(self.weight[point].expand(rows, -1, -1), windows, out=products[point])
            sums = torch.mm(to_outputs, products.view(points, -1)).div_(by.factor)
            beside = None
            if residual is not None:
                beside = _laid_out(residual[first : first + now], by.width, across)
            rounded = self.combination([sums.view(by.width, rows, outputs, now * across)], 0, beside)
            maps = rounded.to(self.dtype).view(by.width, rows, outputs, now, across)
            result[first : first + now] = maps.permute(3, 1, 4, 0, 2)
        whole = result.view(count, rows, across * by.width, outputs)[:, :, :columns]
        return whole.contiguous().permute(0, 3, 1, 2)


def _laid_out(residual: Tensor, width: int, across: int) -> Tensor:
    """(images, outputs, rows, columns) as (width, rows, outputs, images * across), zeros behind."""
    images, outputs, rows, columns = residual.shape
    padded = torch.nn.functional.pad(residual, (0, across * width - columns))
    tiled = padded.reshape(images, outputs, rows, across, width)
    return tiled.permute(4, 2, 1, 0, 3).reshape(width, rows, outputs, images * across)
