"""Power-of-two scales learnt by gradient, after TQT (Jain, Gural, Wu and Dick 2020, arXiv 1903.08066).

The logarithm p of each scale is learnt; forward the scale is 2**round(p), always a power of two, and backward
the rounding of p passes straight through. With q the rounded integers of z = x / 2**e, and y = q * 2**e,

    dy / de = ln 2 * 2**e * (q - z)  where x is not clipped,   ln 2 * 2**e * q  where it is:

within the range a scale learns from rounding errors, beyond it from clipping. (A binary weight's q depends on
no scale, so that there the second form is exact everywhere.) TQT learns the threshold's logarithm with its
ceiling; that is the same but for where p starts: here in the middle of the calibrated exponent's interval.

The p are moved by Adam on their own rate, as TQT advises, since their gradients' sizes differ by orders.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor

from bitwatt.errors import UnsupportedError
from bitwatt.formats import Binary, Float32, Format
from bitwatt.quantization import INPUT, QuantizedNetwork, round_to_grid
from bitwatt.quantization.layers import QuantizedConv2d, QuantizedLinear
from bitwatt.quantization.scale import CHANNEL_SPREAD, LARGEST_EXPONENT
from bitwatt.quantization.straight_through import pass_window, quantize_operand, requantize
from bitwatt.training.methods.method import Method

BETAS = (0.9, 0.999)
EPSILON = 1e-8


@dataclass(frozen=True, eq=False)
class _Learnt:
    """A layer, and where its scales lie in the vector of all. output: None for the logits."""

    layer: QuantizedConv2d | QuantizedLinear
    weights: slice
    output: int | None


def learned_scales(network: QuantizedNetwork, rate_at: Callable[[int, int], float]) -> Method:
    """Learns the scales of weights and of layers' outputs; the input image's stays as calibrated.

    rate_at: step and number of steps to Adam's rate, in powers of two. Raises `UnsupportedError` for a
    network in which layers' outputs meet, since those have one scale between them.
    """
    meeting = [node.name for node in network.nodes if len(node.inputs) > 1]
    if meeting:
        raise UnsupportedError(
            f"Recipe.learn_scales: outputs of several layers meet in '{meeting[0]}' and share a scale, which "
            "is not learnt yet; use refit_activations"
        )
    learnt = _lay_out(network)
    first = torch.cat([value.to(torch.float32).reshape(-1) for value in _exponents(learnt)])
    logarithms = first.clone().requires_grad_(True)
    mean, square = torch.zeros_like(first), torch.zeros_like(first)
    for one in learnt:
        _attach(one, logarithms)

    def begin() -> None:
        with torch.no_grad():  # calibrated again, perhaps, since the vector was laid out
            logarithms.copy_(torch.cat([value.to(torch.float32).reshape(-1) for value in _exponents(learnt)]))

    @torch.no_grad()
    def after_step(step: int, steps: int) -> None:
        gradient = logarithms.grad
        if gradient is None:
            return
        mean.lerp_(gradient, 1 - BETAS[0])
        square.lerp_(gradient * gradient, 1 - BETAS[1])
        unbiased = math.sqrt(1 - BETAS[1] ** (step + 1)) / (1 - BETAS[0] ** (step + 1))
        logarithms.addcdiv_(mean * unbiased, square.sqrt() + EPSILON, value=-rate_at(step, steps))
        logarithms.clamp_(-LARGEST_EXPONENT, LARGEST_EXPONENT)
        logarithms.grad = None
        _settle(network, learnt, logarithms)

    def detach() -> None:
        for one in learnt:
            one.layer.round_weight, one.layer.round_output = quantize_operand, requantize

    return Method(
        begin=begin,
        after_step=after_step,
        detach=detach,
        tensors={"scales/logarithm": logarithms, "scales/mean": mean, "scales/square": square},
    )


def _lay_out(network: QuantizedNetwork) -> list[_Learnt]:
    found, at = [], 0
    for _, layer in network.weighted_layers():
        weights = slice(at, at + layer.weight_exponent.numel())
        at = weights.stop
        output = None if layer.output_format is None else at
        at += output is not None
        found.append(_Learnt(layer, weights, output))
    return found


def _exponents(learnt: list[_Learnt]) -> list[Tensor]:
    """Of every layer its weights' and its output's, in the order of the vector."""
    return [
        value
        for one in learnt
        for value in (one.layer.weight_exponent, *([] if one.output is None else [one.layer.output_exponent]))
    ]


def _attach(one: _Learnt, logarithms: Tensor) -> None:
    def round_weight(weight: Tensor, format: Format, inward: Tensor, outward: Tensor) -> Tensor:
        if isinstance(format, Float32):
            return quantize_operand(weight, format, inward, outward)
        apply = cast(Callable[..., Tensor], _Weight.apply)
        return apply(weight, logarithms[one.weights], format, inward, outward)

    def round_output(z: Tensor, format: Format, relu: bool) -> Tensor:
        if isinstance(format, Float32) or one.output is None:
            return requantize(z, format, relu)
        apply = cast(Callable[..., Tensor], _Output.apply)
        return apply(torch.relu(z) if relu else z, logarithms[one.output], format)

    one.layer.round_weight, one.layer.round_output = round_weight, round_output


def _settle(network: QuantizedNetwork, learnt: list[_Learnt], logarithms: Tensor) -> None:
    """Put the rounded logarithms where layers read them, each output's into the layers that read it too."""
    whole = torch.round(logarithms).to(torch.int32)
    places = {one.layer: one for one in learnt}
    exponents = {INPUT: network.input_quantizer.exponent}
    for node in network.nodes:
        layer, arrives = network.layer(node.name), exponents[node.inputs[0]]
        if isinstance(layer, QuantizedConv2d | QuantizedLinear):
            one = places[layer]
            weights = whole[one.weights]
            layer.weight_exponent.copy_(weights.clamp(min=int(weights.amax()) - CHANNEL_SPREAD))
            layer.input_exponent.copy_(arrives)
            if one.output is not None:
                layer.output_exponent.copy_(whole[one.output])
            arrives = layer.output_exponent
        exponents[node.name] = arrives
    network.output_exponent.copy_(exponents[network.nodes[-1].name])


def _slope(z: Tensor, q: Tensor, format: Format) -> Tensor:
    """(dy / de) / (ln 2 * 2**e): see this file's docstring."""
    if isinstance(format, Binary):
        return q
    low, high = pass_window(format)
    return torch.where((z > low) & (z < high), q - z, q)


class _Weight(torch.autograd.Function):
    """`quantize_operand`, with a gradient for the logarithms of the scales."""

    @staticmethod
    def forward(
        ctx: Any, weight: Tensor, logarithms: Tensor, format: Format, inward: Tensor, outward: Tensor
    ) -> Tensor:
        scaled = weight * inward
        rounded = round_to_grid(scaled, format)
        ctx.save_for_backward(scaled, rounded, inward, outward)
        ctx.format = format
        return rounded * outward

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        scaled, rounded, inward, outward = ctx.saved_tensors
        masked = torch.ops.aten.hardtanh_backward(grad, scaled, *pass_window(ctx.format))
        slopes = grad * outward * _slope(scaled, rounded, ctx.format) * math.log(2)
        learnt = slopes.sum().reshape(1) if inward.numel() == 1 else slopes.flatten(1).sum(dim=1)
        return masked.mul_(inward * outward), learnt, None, None, None


class _Output(torch.autograd.Function):
    """Rounding of sums, ReLU already applied, with a gradient for the logarithm of the output's scale."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, logarithm: Tensor, format: Format) -> Tensor:
        rounded = round_to_grid(z, format)
        ctx.save_for_backward(z, rounded)
        ctx.format = format
        return rounded

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        z, rounded = ctx.saved_tensors
        masked = torch.ops.aten.hardtanh_backward(grad, z, *pass_window(ctx.format))
        return masked, (grad * _slope(z, rounded, ctx.format)).sum() * math.log(2), None
