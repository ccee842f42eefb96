"""The roundings of `rounding`, with gradients: straight through, and none where a value is clipped.

A value counts as clipped where saturation, not rounding, moved it: fixed point passes gradients up to half a
step beyond its ends. (Bengio, Leonard and Courville 2013, arXiv 1308.3432; the clipped form is that of
Hubara et al. 2016, arXiv 1602.02830.)
"""

from __future__ import annotations

import math
from functools import singledispatch
from typing import Any, cast

import torch
from torch import Tensor

from bitwatt.formats import Binary, Fixed, Float32, Format, Ternary
from bitwatt.quantization.rounding import ends, round_to_grid, round_to_grid_

BINARY_WINDOW = 4.0
"""Binary weights pass gradients while |w| is at most so many times the scale.

The scale is about the mean magnitude, so nearly every trained weight lies inside.
"""


@singledispatch
def pass_window(format: Format) -> tuple[float, float]:
    """Between which values (in the format's integers) gradients pass."""
    return ends(format)


@pass_window.register
def _(format: Float32) -> tuple[float, float]:
    return -math.inf, math.inf


@pass_window.register
def _(format: Fixed) -> tuple[float, float]:
    low, high = ends(format)
    return low - 0.5, high + 0.5


@pass_window.register(Binary)
@pass_window.register(Ternary)
def _(format: Format) -> tuple[float, float]:
    return -BINARY_WINDOW, BINARY_WINDOW


class _Round(torch.autograd.Function):
    """Forward: one out-of-place pass and one in place. Backward: one masked pass."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, format: Format, low: float, high: float) -> Tensor:
        ctx.save_for_backward(x)
        ctx.window = (low, high)
        return round_to_grid(x, format)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        (x,) = ctx.saved_tensors
        return torch.ops.aten.hardtanh_backward(grad, x, *ctx.window), None, None, None


class _Relu(torch.autograd.Function):
    """ReLU and rounding to fixed point at once: they commute, so the clamp's lower end is zero."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, largest: float) -> Tensor:
        ctx.save_for_backward(x)
        ctx.window = (0.0, largest + 0.5)
        return torch.round(x).clamp_(0.0, largest)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        return torch.ops.aten.hardtanh_backward(grad, x, *ctx.window), None


class _Quotient(torch.autograd.Function):
    """An average moved to the grid: it lies between grid values, so nothing is clipped."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, format: Format) -> Tensor:
        return round_to_grid(x, format)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return grad, None


class _Operand(torch.autograd.Function):
    """Shadow weights to the operand that a layer multiplies by, in few passes and one new tensor each way."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, format: Format, inward: Tensor, outward: Tensor) -> Tensor:
        ctx.save_for_backward(weight, inward, outward)
        ctx.window = pass_window(format)
        return round_to_grid_(weight * inward, format).mul_(outward)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        weight, inward, outward = ctx.saved_tensors
        low, high = ctx.window
        if inward.numel() == 1:  # the window is scaled, not the weights: powers of two are exact
            unit = 1 / float(inward)
            masked = torch.ops.aten.hardtanh_backward(grad, weight, low * unit, high * unit)
        else:
            masked = torch.ops.aten.hardtanh_backward(grad, weight * inward, low, high)
        return masked.mul_(inward * outward), None, None, None


class _Bias(torch.autograd.Function):
    """round(b * inward) * outward; the accumulator is wide, so nothing is clipped."""

    @staticmethod
    def forward(ctx: Any, bias: Tensor, inward: Tensor, outward: Tensor) -> Tensor:
        ctx.save_for_backward(inward * outward)
        return (bias * inward).round_().mul_(outward)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        (scale,) = ctx.saved_tensors
        return grad * scale, None, None


def round_straight_through(x: Tensor, format: Format) -> Tensor:
    """`round_to_grid` whose gradient is 1 inside `pass_window(format)` and 0 outside."""
    if isinstance(format, Float32):
        return x
    return cast(Tensor, _Round.apply(x, format, *pass_window(format)))  # type: ignore[no-untyped-call]


def requantize(z: Tensor, format: Format, relu: bool) -> Tensor:
    """Sums in units of the output's least step to the output's integers, ReLU included where asked."""
    if not relu:
        return round_straight_through(z, format)
    if isinstance(format, Fixed):
        return cast(Tensor, _Relu.apply(z, ends(format)[1]))  # type: ignore[no-untyped-call]
    return round_straight_through(torch.relu(z), format)


def round_quotient(x: Tensor, format: Format) -> Tensor:
    """Averages of grid values to the grid; the gradient passes everywhere."""
    if isinstance(format, Float32):
        return x
    return cast(Tensor, _Quotient.apply(x, format))  # type: ignore[no-untyped-call]


def quantize_operand(weight: Tensor, format: Format, inward: Tensor, outward: Tensor) -> Tensor:
    """round_to_grid(weight * inward) * outward; inward and outward are powers of two that broadcast.

    The gradient is that of weight * inward * outward inside the format's window, 0 outside.
    """
    if isinstance(format, Float32):
        return weight * (inward * outward)
    return cast(Tensor, _Operand.apply(weight, format, inward, outward))  # type: ignore[no-untyped-call]


def round_bias(bias: Tensor, inward: Tensor, outward: Tensor) -> Tensor:
    """round(bias * inward) * outward, with the gradient of bias * inward * outward."""
    return cast(Tensor, _Bias.apply(bias, inward, outward))  # type: ignore[no-untyped-call]
