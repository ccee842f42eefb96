"""Gradients of few bits: those of a layer's sums are rounded to fixed point before they go further back.

DoReFa-Net (Zhou et al. 2016, arXiv 1606.06160) found that gradients of few bits need stochastic rounding; to
nearest is there to compare with. As there, the logits' own gradient is left as it is.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor

from bitwatt.formats import Format
from bitwatt.quantization import QuantizedNetwork
from bitwatt.training.methods.method import Method


def gradient_rounding(network: QuantizedNetwork, bits: int, stochastic: bool) -> Method:
    """Gradients of the sums of every layer but the last are rounded to `bits` bits."""
    layers = [layer for _, layer in network.weighted_layers()]
    before = [layer.round_output for layer in layers]
    for layer, rounding in zip(layers, before, strict=True):

        def rounded(z: Tensor, format: Format, relu: bool, rounding: Any = rounding) -> Tensor:
            return cast(Tensor, rounding(with_rounded_gradient(z, bits, stochastic), format, relu))

        layer.round_output = rounded

    def detach() -> None:
        for layer, rounding in zip(layers, before, strict=True):
            layer.round_output = rounding

    return Method(detach=detach)


def round_gradient(grad: Tensor, bits: int, stochastic: bool) -> Tensor:
    """To multiples of 2**(e - bits + 1), where 2**e is the least power of two above every magnitude.

    What that carries past +-(2**(bits - 1) - 1) multiples is clipped to them.

    Stochastic: drawn from torch's global generator of the gradient's device, right on average.
    """
    largest = 2.0 ** (bits - 1) - 1
    # frexp: magnitudes lie below 2**exponent, so that grad / step lies within +-2**(bits - 1)
    _, exponent = torch.frexp(grad.abs().amax())
    step = torch.ldexp(grad.new_ones(()), exponent - (bits - 1))
    scaled = grad / step
    whole = torch.floor(scaled + torch.rand_like(scaled)) if stochastic else torch.round(scaled)
    return whole.clamp_(-largest, largest).mul_(step)


class _Identity(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, z: Tensor, bits: int, stochastic: bool) -> Tensor:
        ctx.how = (bits, stochastic)
        return z.view_as(z)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        return round_gradient(grad, *ctx.how), None, None


def with_rounded_gradient(z: Tensor, bits: int, stochastic: bool) -> Tensor:
    """z itself; what comes back through it is rounded."""
    return cast(Tensor, _Identity.apply(z, bits, stochastic))  # type: ignore[no-untyped-call]
