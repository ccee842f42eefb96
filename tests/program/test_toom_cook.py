"""Toom-Cook: the identity itself, the bound, and the executor's layer against the reference, on every bit."""

import numpy as np
import pytest
import torch

from bitwatt.formats import Fixed
from bitwatt.program import ops, reference
from bitwatt.program.bounds import Range
from bitwatt.program.carriers import LIMIT
from bitwatt.program.choosing import exact_carriers
from bitwatt.program.kernels import exact_arithmetic, rounded_sums
from bitwatt.program.residual import Residual
from bitwatt.program.rounding import nearest, shifted
from bitwatt.program.toom_cook import best_tiles, largest_sum, tiles, transformed

FORMAT = Fixed(32)


@pytest.mark.parametrize("kernel", (3, 4, 5))
@pytest.mark.parametrize("width", (2, 3, 4))
def test_matrices_are_whole_and_give_every_convolution(width, kernel):
    """Bilinear in inputs and weights, so that all pairs of unit vectors are all there is to try."""
    by = tiles(width, kernel)
    for position in range(width + kernel - 1):
        for tap in range(kernel):
            made = by.outputs @ (by.weights[:, tap] * by.inputs[:, position])
            wanted = [by.factor * (position == output + tap) for output in range(width)]
            assert made.tolist() == wanted


def convolution(kernel, stride, padding, seed, bias=True):
    random = np.random.default_rng(seed)
    weight = random.integers(-(2**14), 2**14, (6, 3, kernel, kernel))
    offsets = random.integers(-(2**30), 2**30, 6) if bias else None
    return ops.Conv2d("conv", "input", weight, offsets, Fixed(16), (0,), (stride, 1), padding, (1, 1), 1)


@pytest.mark.parametrize("with_residual", (False, True))
@pytest.mark.parametrize(
    "kernel, stride, padding", ((3, 1, (1, 1)), (5, 1, (2, 2)), (5, 2, (0, 1)), (4, 1, (0, 0)))
)
def test_equals_the_reference_on_random_and_on_extreme_inputs(kernel, stride, padding, with_residual):
    op, values = convolution(kernel, stride, padding, seed=kernel), Range(-(2**15), 2**15 - 1)
    x = np.random.default_rng(1).integers(values.low, values.high, (5, 3, 11, 13), endpoint=True)
    x[0], x[1] = values.low, values.high
    sums = reference.convolve(op, x)
    residual, other = None, None
    if with_residual:
        residual = Residual(values, ((1,), (7,)))
        other = np.random.default_rng(2).integers(values.low, values.high, sums.shape)
        sums = sums * 2 + other * 2**7
    columns = sums.shape[3]
    offered = exact_carriers(op, values, columns * sums.shape[2], x[0].size, residual, columns)
    (carrier,) = [each for each in offered if each.split == "tiles"]
    assert max(term.bound for term in carrier.terms) <= LIMIT["float64"]
    shift = tuple(range(9, 15))
    with exact_arithmetic():
        run = rounded_sums(op, carrier, shift, FORMAT, torch.float64, residual)
        operands = [torch.from_numpy(part.astype(np.float64)) for part in (x, other) if part is not None]
        made = run(*operands)
    wanted = nearest(*shifted(sums, np.array(shift)[:, None, None]), FORMAT)
    clamped = made.clamp(FORMAT.smallest_integer, FORMAT.largest_integer)
    np.testing.assert_array_equal(clamped.numpy().astype(np.int64), wanted.astype(np.int64))
    assert made.stride(1) == 1


def test_no_step_leaves_the_bound_and_a_layer_beyond_it_is_not_offered():
    op, values = convolution(5, 1, (0, 0), seed=3), Range(0, 2**15 - 1)
    by = best_tiles(8, 5)
    assert by.width == 4
    claimed = largest_sum(op.weight, values, by)
    x = np.random.default_rng(0).choice([values.low, values.high], (200, 3, 5, 8))
    evaluated = np.einsum("pj,nchj->pnhc", by.inputs, x).astype(object)
    weight = transformed(op.weight, by).astype(object)
    products = (np.abs(weight)[:, None] * np.abs(evaluated)[:, :, None]).sum(axis=(3, 4))
    final = np.tensordot(np.abs(by.outputs).astype(object), products, axes=1)
    assert claimed / 64 < max(evaluated.max(), products.max(), final.max()) <= claimed
    wide = Range(-(2**31), 2**31 - 1)
    assert all(carrier.split != "tiles" for carrier in exact_carriers(op, wide, 64, 400, None, 8))
