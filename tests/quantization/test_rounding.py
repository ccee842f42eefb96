"""Tensor rounding against `Format.quantize`, at every grid value, every midpoint and their neighbours."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bitwatt.formats import EXHAUSTIBLE_BITS, FORMATS, Binary, Fixed, Float32, Format, Minifloat, PowerOfTwo
from bitwatt.quantization.rounding import _table, ends, round_to_grid, round_to_grid_
from bitwatt.quantization.straight_through import (
    pass_window,
    quantize_operand,
    requantize,
    round_straight_through,
)

SMALL = [f for f in FORMATS if f.bits <= EXHAUSTIBLE_BITS]


def critical(format: Format) -> np.ndarray:
    """The format's integers, the midpoints between them, the floats beside both, and what is far beyond."""
    integers = np.unique(format.integers(format.codes()).astype(np.float64))
    middle = (integers[1:] + integers[:-1]) / 2
    exact = np.concatenate([integers, middle]).astype(np.float32)
    beyond = np.array([0.0, -0.0, 1e-30, -1e-30, 3e38, -3e38, np.inf, -np.inf], np.float32)
    return np.concatenate(
        [exact, np.nextafter(exact, np.float32(np.inf)), np.nextafter(exact, -np.inf), beyond]
    )


def oracle(format: Format, x: np.ndarray) -> np.ndarray:
    """What the format itself says, in its integers."""
    return np.ldexp(
        format.quantize(np.ldexp(x.astype(np.float64), format.unit_exponent)), -format.unit_exponent
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("format", SMALL, ids=str)
def test_equals_the_format_where_it_is_decided(format: Format, dtype: torch.dtype) -> None:
    x = critical(format)
    got = round_to_grid(torch.from_numpy(x).to(dtype), format)
    assert got.dtype == dtype
    np.testing.assert_array_equal(got.numpy(), oracle(format, x))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("format", SMALL, ids=str)
def test_overwriting_gives_the_same_bits(format: Format, dtype: torch.dtype) -> None:
    x = torch.from_numpy(critical(format)).to(dtype)
    kept, wanted = x.clone(), round_to_grid(x, format)
    assert x.numpy().tobytes() == kept.numpy().tobytes()
    assert round_to_grid_(x, format).numpy().tobytes() == wanted.numpy().tobytes()


@pytest.mark.parametrize("format", SMALL, ids=str)
def test_the_table_is_a_default_for_any_family(format: Format) -> None:
    x = critical(format)
    table, boundaries = _table(format, torch.float32)
    got = table[torch.bucketize(torch.from_numpy(x), boundaries)]
    np.testing.assert_array_equal(got.numpy(), oracle(format, x))


@pytest.mark.parametrize("format", [f for f in FORMATS if isinstance(f, Fixed) and f.bits > 16], ids=str)
def test_wide_fixed_point_in_float64(format: Format) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(scale=2.0 ** (format.bits - 1), size=10_000)
    x = np.concatenate([x, np.rint(x) + 0.5])
    np.testing.assert_array_equal(round_to_grid(torch.from_numpy(x), format).numpy(), oracle(format, x))


def test_wide_fixed_point_in_float32_saturates_to_the_last_float_on_the_grid() -> None:
    x = torch.tensor([2.0**31, 1e20, -(2.0**31), -1e20, 3.0])
    assert round_to_grid(x, Fixed(32)).tolist() == [2.0**31 - 128, 2.0**31 - 128, -(2.0**31), -(2.0**31), 3.0]
    assert ends(Fixed(32), torch.float64) == (-(2.0**31), 2.0**31 - 1)


def test_float32_is_left_as_it_is() -> None:
    x = torch.tensor([0.1, -3.7e20])
    assert round_to_grid(x, Float32()) is x
    assert round_straight_through(x, Float32()) is x


def test_layout_is_kept() -> None:
    x = torch.randn(2, 3, 4, 5).contiguous(memory_format=torch.channels_last)
    for format in (Fixed(8), PowerOfTwo(6), Binary(), Minifloat(4, 3)):
        assert round_to_grid(x, format).is_contiguous(memory_format=torch.channels_last), format


def gradient(x: list[float], format: Format) -> list[float]:
    leaf = torch.tensor(x, requires_grad=True)
    round_straight_through(leaf, format).backward(torch.arange(1.0, len(x) + 1))
    assert leaf.grad is not None
    return leaf.grad.tolist()


def test_gradient_passes_inside_and_stops_where_saturation_moved_the_value() -> None:
    # fixed4 holds -8 .. 7; what rounding alone moves passes, half a step beyond the ends too.
    assert gradient([-9.0, -8.6, -8.4, 0.2, 7.4, 7.6], Fixed(4)) == [0, 0, 3, 4, 5, 0]
    assert gradient([-17000.0, 0.3, 16000.0, 17000.0], PowerOfTwo(6)) == [0, 2, 3, 0]
    assert gradient([-4.5, -0.1, 3.9, 4.1], Binary()) == [0, 2, 3, 0]
    assert gradient([-1e30, 1e30], Float32()) == [1, 2]


@pytest.mark.parametrize("format", SMALL, ids=str)
@pytest.mark.parametrize("shape", [(1, 1), (2, 1)], ids=["tensor", "channel"])
def test_operand_is_scaled_rounded_and_scaled_and_its_window_lies_in_the_format_s_integers(
    format: Format, shape: tuple[int, int]
) -> None:
    integers = torch.from_numpy(critical(format)).clamp(-1e30, 1e30).expand(2, -1)
    inward = torch.tensor([2.0**5, 2.0**-3])[: shape[0], None]
    weight = (integers / inward).requires_grad_()
    operand = quantize_operand(weight, format, inward, torch.tensor([[0.25]]))
    assert torch.equal(operand.detach(), round_to_grid(weight.detach() * inward, format) / 4)
    operand.sum().backward()  # type: ignore[no-untyped-call]
    low, high = pass_window(format)
    scaled = weight.detach() * inward
    inside = (scaled > low) & (scaled < high)
    assert weight.grad is not None
    assert torch.equal(weight.grad, (inside * inward / 4).expand_as(weight.grad))


def test_relu_and_rounding_at_once_equal_one_after_the_other() -> None:
    x = torch.linspace(-20, 20, 401)
    for format in (Fixed(4), Fixed(4, signed=False), PowerOfTwo(4)):
        fused, plain = x.clone().requires_grad_(), x.clone().requires_grad_()
        one = requantize(fused, format, relu=True)
        two = round_straight_through(torch.relu(plain), format)
        assert torch.equal(one, two), format
        assert torch.equal(one, torch.relu(round_to_grid(x, format))), format  # ReLU commutes with rounding
        one.sum().backward()
        two.sum().backward()
        assert fused.grad is not None
        assert plain.grad is not None
        assert torch.equal(fused.grad, plain.grad), format
