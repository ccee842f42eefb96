"""Exponents: exact powers, and the search against brute force."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from bitwatt.formats import Binary, Fixed, Float32, Format, Minifloat, PowerOfTwo, Ternary
from bitwatt.quantization.scale import (
    CHANNEL_SPREAD,
    LARGEST_EXPONENT,
    covering_exponent,
    least_squares_exponent,
    power_of_two,
    weight_exponents,
)

FORMATS = [Fixed(8), Fixed(4), Fixed(2), Fixed(4, signed=False), PowerOfTwo(6), PowerOfTwo(3), Binary(),
           Ternary(), Minifloat(4, 3), Minifloat(2, 1)]  # fmt: skip


def error(x: np.ndarray, format: Format, exponent: int) -> float:
    """Squared error by the format's own definition."""
    unit = exponent - format.unit_exponent
    return float(np.sum((np.ldexp(format.quantize(np.ldexp(x, -unit)), unit) - x) ** 2))


def test_powers_of_two_are_exact() -> None:
    exponents = torch.arange(-126, 128)
    assert power_of_two(exponents).tolist() == [math.ldexp(1.0, int(e)) for e in exponents]


@pytest.mark.parametrize("format", FORMATS, ids=str)
@pytest.mark.parametrize("draw", ["normal", "heavy-tailed", "one-sided"])
def test_no_exponent_has_a_smaller_squared_error(format: Format, draw: str) -> None:
    rng = np.random.default_rng(1)
    rows = {
        "normal": rng.normal(scale=0.1, size=(4, 500)),
        "heavy-tailed": rng.standard_t(2, size=(4, 500)) * 7,
        "one-sided": np.maximum(rng.normal(size=(4, 500)), 0) * 3e-3,
    }[draw].astype(np.float32)
    got = least_squares_exponent(torch.from_numpy(rows), format)
    for row, exponent in zip(rows.astype(np.float64), got.tolist(), strict=True):
        errors = {e: error(row, format, e) for e in range(-45, 30)}
        assert errors[exponent] == pytest.approx(min(errors.values()), rel=1e-12)


def test_a_tie_takes_the_finer_steps() -> None:
    # 1, 2 and 3 lie on the grid of fixed4 with unit 1 and with unit 0.5; 4 only with unit 1, as 8 is clipped.
    assert least_squares_exponent(torch.tensor([[1.0, 2.0, 3.0]]), Fixed(4)).item() == -1
    assert least_squares_exponent(torch.tensor([[1.0, 2.0, 4.0]]), Fixed(4)).item() == 0


def test_zeros_and_float32_have_no_scale() -> None:
    assert least_squares_exponent(torch.zeros(2, 3), Fixed(8)).tolist() == [0, 0]
    assert least_squares_exponent(torch.randn(1, 3), Float32()).tolist() == [0]


@pytest.mark.parametrize("magnitude", [1e-38, 1e-20, 1e20, 1e38])
def test_absurd_magnitudes_keep_scales_representable(magnitude: float) -> None:
    exponent = least_squares_exponent(torch.tensor([[magnitude, -magnitude / 3]]), Fixed(8)).item()
    assert -LARGEST_EXPONENT <= exponent <= LARGEST_EXPONENT


@pytest.mark.parametrize("largest, exponent", [(127.0, 0), (127.0001, 1), (63.5, -1), (1e-6, -26), (0.0, 0)])
def test_the_least_exponent_that_clips_nothing(largest: float, exponent: int) -> None:
    assert covering_exponent(largest, Fixed(8)) == exponent


def test_channels_have_their_own_and_dead_ones_stay_near() -> None:
    weight = torch.stack(
        [torch.full((3, 3), 1.0), torch.full((3, 3), 0.25), torch.zeros(3, 3), torch.full((3, 3), 1e-9)]
    )
    got = weight_exponents(weight, Binary(), "channel").tolist()
    assert got == [0, -2, -CHANNEL_SPREAD, -CHANNEL_SPREAD]
    assert weight_exponents(weight, Binary(), "tensor").shape == (1,)
    assert weight_exponents(torch.zeros(2, 3), Binary(), "channel").tolist() == [0, 0]
