"""The staircase against numpy's interpolation through its corners, and its limits."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch

from bitwatt.formats import parse_format
from bitwatt.quantization import round_to_grid
from bitwatt.quantization.straight_through import quantize_operand
from bitwatt.training.methods.piecewise_affine import inverse_slope, staircase, staircase_operand

FORMATS = ["binary", "ternary", "fixed4", "pow2", "e2m1"]


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("slope", [1.0, 0.6, 0.05])
def test_it_goes_in_straight_lines_through_its_corners(name: str, slope: float) -> None:
    format = parse_format(name)
    values = np.unique(format.integers(format.codes())).astype(np.float64)
    low, high = values[:-1], values[1:]
    middle, half = (low + high) / 2, slope * (high - low) / 2
    # A riser leaves a step at middle - half and arrives on the next at middle + half.
    across = np.stack([middle - half, middle + half], axis=1).ravel()
    up = np.stack([low, high], axis=1).ravel()
    x = np.linspace(1.2 * values[0] - 1, 1.2 * values[-1] + 1, 4001)
    found = staircase(torch.from_numpy(x), format, slope).numpy()
    np.testing.assert_allclose(found, np.interp(x, across, up), rtol=0, atol=1e-9 * values[-1])


@pytest.mark.parametrize("name", FORMATS)
def test_its_limit_is_rounding_to_nearest_and_straight_through(name: str) -> None:
    format = parse_format(name)
    generator = torch.Generator().manual_seed(0)
    weight = (torch.randn(5000, generator=generator) * format.largest_integer / 2).requires_grad_()
    inward, outward = torch.tensor(0.5), torch.tensor(0.25)
    sloped = staircase(weight.detach(), format, 1e-6)
    assert (sloped != round_to_grid(weight.detach(), format)).float().mean() < 1e-3
    ours = staircase_operand(weight, format, inward, outward, 0.0)
    plain = quantize_operand(weight, format, inward, outward)
    assert torch.equal(ours, plain)
    sent = torch.randn(5000, generator=generator)
    gradients = [
        torch.autograd.grad(made, weight, sent)[0]
        for made in (plain, staircase_operand(weight, format, inward, outward, 0.3))
    ]
    assert torch.equal(*gradients)


def test_the_inverse_slope_falls_from_one_to_zero_the_steeper_the_later() -> None:
    for steepness in (0.1, 10.0, 50.0):
        found = [inverse_slope(step, 80.0, steepness) for step in range(100)]
        assert found[0] == 1
        assert found[40] == pytest.approx(0.5)
        assert all(a > b for a, b in pairwise(found[:81]))
        assert found[80:] == [0.0] * 20
    line = [inverse_slope(step, 80.0, 0.01) for step in range(80)]
    assert line == pytest.approx([1 - step / 80 for step in range(80)], abs=1e-4)
