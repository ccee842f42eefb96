"""Stochastic rounding in the forward pass: to either neighbour, the nearer the likelier, right on average.

Gupta et al. 2015 (arXiv 1502.02551) for fixed point; for binary weights it is BinaryConnect's stochastic form
(Courbariaux, Bengio and David 2015, arXiv 1511.00363), whose probability is a hard sigmoid. Only training
rounds so: what is evaluated, and what the hardware does, is to nearest.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor

from bitwatt.formats import Float32, Format
from bitwatt.quantization import QuantizedNetwork
from bitwatt.quantization.neighbours import neighbours
from bitwatt.quantization.straight_through import pass_window, quantize_operand, requantize
from bitwatt.training.methods.method import Method


def stochastic_rounding(network: QuantizedNetwork) -> Method:
    """Weights and layers' outputs are rounded stochastically in every training step.

    Averages that leave a pooling, and biases, are rounded to nearest as ever.
    """
    layers = [layer for _, layer in network.weighted_layers()]
    for layer in layers:
        layer.round_weight, layer.round_output = stochastic_operand, stochastic_output

    def detach() -> None:
        for layer in layers:
            layer.round_weight, layer.round_output = quantize_operand, requantize

    return Method(detach=detach)


def round_stochastically(x: Tensor, format: Format) -> Tensor:
    """A neighbour of each element of x on the grid, so drawn that the mean is x (beyond the ends: the end).

    x: in the format's integers. Drawn from torch's global generator of x's device.
    """
    lower, upper = neighbours(x, format)
    # uniform in [0, 1): an x on the grid is its own lower neighbour and stays there, always
    drawn = torch.rand_like(x).mul_(upper - lower)
    return torch.where(drawn < x - lower, upper, lower)


class _Round(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, format: Format) -> Tensor:
        ctx.save_for_backward(x)
        ctx.window = pass_window(format)
        return round_stochastically(x, format)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        return torch.ops.aten.hardtanh_backward(grad, x, *ctx.window), None


def _round(x: Tensor, format: Format) -> Tensor:
    if isinstance(format, Float32):
        return x
    return cast(Tensor, _Round.apply(x, format))  # type: ignore[no-untyped-call]


def stochastic_operand(weight: Tensor, format: Format, inward: Tensor, outward: Tensor) -> Tensor:
    """As `quantize_operand`, but stochastic."""
    return _round(weight * inward, format) * outward


def stochastic_output(z: Tensor, format: Format, relu: bool) -> Tensor:
    """As `requantize`, but stochastic."""
    return _round(torch.relu(z) if relu else z, format)
