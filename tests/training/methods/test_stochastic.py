"""Stochastic rounding: neighbours only, right on average, and on the grid nothing moves."""

from __future__ import annotations

import pytest
import torch

from bitwatt.formats import parse_format
from bitwatt.quantization import round_to_grid
from bitwatt.quantization.neighbours import neighbours
from bitwatt.training.methods.stochastic import (
    round_stochastically,
    stochastic_operand,
    stochastic_output,
)


@pytest.mark.parametrize("name", ["binary", "ternary", "fixed4", "fixed16", "pow2"])
def test_it_goes_to_a_neighbour_and_the_mean_is_right(name: str) -> None:
    format = parse_format(name)
    torch.manual_seed(0)
    draws = 20_000
    for value in (-0.9, -0.3, 0.0, 0.3, 0.75):
        x = torch.full((draws,), value * min(format.largest_integer, 100))
        rounded = round_stochastically(x, format)
        lower, upper = (float(side[0]) for side in neighbours(x[:1], format))
        assert set(rounded.unique().tolist()) <= {lower, upper}
        # Five standard deviations of a mean of so many draws, each at most half the gap off.
        assert float(rounded.mean()) == pytest.approx(
            float(x[0]), abs=5 * (upper - lower) / 2 / draws**0.5 + 1e-4
        )


@pytest.mark.parametrize("name", ["binary", "ternary", "fixed4", "pow2"])
def test_what_is_on_the_grid_stays_and_what_is_beyond_goes_to_the_end(name: str) -> None:
    format = parse_format(name)
    values = torch.from_numpy(format.integers(format.codes())).float()
    outside = torch.tensor([3.0 * format.smallest_integer, 3.0 * format.largest_integer])
    for _ in range(20):
        assert torch.equal(round_stochastically(values, format), values)
        assert torch.equal(round_stochastically(outside, format), round_to_grid(outside, format))


def test_gradients_pass_inside_the_window_and_not_beyond() -> None:
    format = parse_format("fixed4")
    weight = torch.tensor([-20.0, -3.2, 0.0, 7.4, 7.6], requires_grad=True)
    made = stochastic_operand(weight, format, torch.tensor(1.0), torch.tensor(0.5))
    made.sum().backward()
    assert weight.grad is not None
    assert weight.grad.tolist() == [0, 0.5, 0.5, 0.5, 0]
    sums = torch.tensor([-3.2, 3.2, 9.0], requires_grad=True)
    stochastic_output(sums, format, relu=True).sum().backward()
    assert sums.grad is not None
    assert sums.grad.tolist() == [0, 1, 0]
