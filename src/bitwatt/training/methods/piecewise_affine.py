"""Piecewise-affine regularised quantisation, PARQ (Jin et al. 2025, arXiv 2503.15748).

A convex regulariser whose slope changes at the grid's values pulls weights to them. Its proximal map, applied
to the shadow weights in every step, is a staircase with slanted risers: at first the identity (between the
grid's ends), then, as the regulariser's weight grows with the steps made, steeper, until it rounds to
nearest: the straight-through estimator is its limit. Gradients are taken at the mapped weights and applied to
the shadow weights ("AProx" there).

The risers' slope follows the authors' own program: its inverse falls from 1 to 0 along a mirrored sigmoid.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor

from bitwatt.formats import Float32, Format
from bitwatt.quantization import QuantizedNetwork, round_to_grid
from bitwatt.quantization.neighbours import neighbours
from bitwatt.quantization.straight_through import pass_window, quantize_operand
from bitwatt.training.methods.method import Method


def piecewise_affine(network: QuantizedNetwork, share: float, steepness: float) -> Method:
    """The staircase becomes rounding to nearest over the first `share` of all steps."""
    layers = [layer for _, layer in network.weighted_layers()]

    def before_step(step: int, steps: int) -> None:
        inverse = inverse_slope(step, share * steps, steepness)
        for layer in layers:
            layer.round_weight = partial(staircase_operand, inverse_slope=inverse)

    def detach() -> None:
        for layer in layers:
            layer.round_weight = quantize_operand

    return Method(before_step=before_step, detach=detach)


def inverse_slope(step: int, end: float, steepness: float) -> float:
    """1 at step 0, 0 from step `end` on; between them a mirrored sigmoid, for a small `steepness` a line."""
    if step >= end:
        return 0.0
    first, last = _mirrored_sigmoid(-0.5 * steepness), _mirrored_sigmoid(0.5 * steepness)
    return (_mirrored_sigmoid(steepness * (step / end - 0.5)) - last) / (first - last)


def _mirrored_sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(x))


def staircase(x: Tensor, format: Format, inverse_slope: float) -> Tensor:
    """The proximal map: slope 1 / inverse_slope about the middle between two grid integers, flat at each.

    x: in the format's integers. inverse_slope: in (0, 1]; 1 is the identity between the grid's ends, 0 is
    `round_to_grid`.
    """
    if inverse_slope == 0:
        return round_to_grid(x, format)
    lower, upper = neighbours(x, format)
    middle = (lower + upper) / 2
    return torch.clamp(middle + (x - middle) / inverse_slope, lower, upper)


class _Staircase(torch.autograd.Function):
    """Gradients at the mapped weight go to the shadow weight as they are, inside the format's window."""

    @staticmethod
    def forward(
        ctx: Any, weight: Tensor, format: Format, inward: Tensor, outward: Tensor, inverse_slope: float
    ) -> Tensor:
        scaled = weight * inward
        ctx.save_for_backward(scaled, inward * outward)
        ctx.window = pass_window(format)
        return staircase(scaled, format, inverse_slope) * outward

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None, None]:
        scaled, through = ctx.saved_tensors
        masked = torch.ops.aten.hardtanh_backward(grad, scaled, *ctx.window)
        return masked.mul_(through), None, None, None, None


def staircase_operand(
    weight: Tensor, format: Format, inward: Tensor, outward: Tensor, inverse_slope: float
) -> Tensor:
    """As `quantize_operand`, by the staircase: at inverse_slope 0 the same, forward and backward."""
    if inverse_slope == 0 or isinstance(format, Float32):
        return quantize_operand(weight, format, inward, outward)
    return cast(Tensor, _Staircase.apply(weight, format, inward, outward, inverse_slope))  # type: ignore[no-untyped-call]
