"""Rounded gradients: their grid, their mean, and that what passes forward is untouched."""

from __future__ import annotations

import pytest
import torch

from bitwatt.training.methods.gradient_rounding import round_gradient, with_rounded_gradient


@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize("stochastic", [False, True])
def test_it_lies_on_that_many_bits_and_a_step_away_at_most(bits: int, stochastic: bool) -> None:
    torch.manual_seed(0)
    grad = torch.randn(1000) * 1e-4
    rounded = round_gradient(grad, bits, stochastic)
    step = 2.0 ** torch.ceil(torch.log2(grad.abs().amax())) / 2 ** (bits - 1)
    whole = rounded / step
    assert torch.equal(whole, whole.round())
    assert whole.abs().amax() <= 2 ** (bits - 1) - 1
    assert (rounded - grad).abs().amax() <= step * (1 if stochastic else 0.5) + (bits == 2) * step


def test_nearest_loses_what_is_small_and_stochastic_does_not() -> None:
    torch.manual_seed(0)
    grad = torch.full((20_001,), 0.003)
    grad[0] = 1.0
    assert round_gradient(grad, 4, stochastic=False)[1:].abs().sum() == 0
    # Steps are 1/4 (the largest, 1, is itself 2**0, and magnitudes lie below 2**1); five deviations.
    mean = float(round_gradient(grad, 4, stochastic=True)[1:].mean())
    assert mean == pytest.approx(0.003, abs=5 * 0.25 * (0.012 / 20_000) ** 0.5)


def test_zero_stays_zero_and_forward_nothing_changes() -> None:
    assert torch.equal(round_gradient(torch.zeros(5), 8, stochastic=True), torch.zeros(5))
    z = torch.randn(7, requires_grad=True)
    passed = with_rounded_gradient(z, 4, stochastic=False)
    assert torch.equal(passed, z)
    sent = torch.linspace(-1, 0.9, 7)
    passed.backward(sent)
    assert z.grad is not None
    assert torch.equal(z.grad, round_gradient(sent, 4, stochastic=False))
