"""Batch normalisation inside the layer before it: folded for good, or alive while the network trains.

Alive, a layer trains as R. Krishnamoorthi, Quantizing deep convolutional networks for efficient inference
(arXiv 1806.08342), has it in "Batch Normalization", a refinement of B. Jacob et al. 2018 (arXiv 1712.05877,
section 3.2). What is quantised is the weight that will be deployed, folded with the *running* statistics, so
that it does not jitter from batch to batch; the sums are then corrected to the *batch's* statistics:

    y = conv(x, Q(w gamma / sigma)) * sigma / sigma_B + beta - gamma mu_B / sigma_B

mu_B and sigma_B are those of conv(x, w), w not quantised: a second convolution, in training only. To divide
the quantised sums by gamma / sigma instead, as torch.ao does, saves it, but has no value where gamma is 0;
and the scale of binary weights would then feed back into the statistics.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

Norm = nn.BatchNorm1d | nn.BatchNorm2d


def fold(weight: Tensor, bias: Tensor | None, norm: Norm) -> tuple[Tensor, Tensor]:
    """Weight (outputs, ...) and bias (outputs,) with the running statistics of `norm` inside.

    w' = w * s and b' = (b - mean) * s + beta, where s = gamma / sqrt(variance + eps) of each output; computed
    in float64 and rounded once, to the type of `weight`. Gradients reach all but the statistics.
    """
    mean, variance = cast(Tensor, norm.running_mean), cast(Tensor, norm.running_var)
    scale = (variance.double() + norm.eps).rsqrt()
    if norm.weight is not None:
        scale = norm.weight.double() * scale
    shift = -mean.double() if bias is None else bias.double() - mean.double()
    shift = shift * scale
    if norm.bias is not None:
        shift = shift + norm.bias.double()
    folded = weight.double() * scale.reshape(-1, *[1] * (weight.dim() - 1))
    return folded.to(weight.dtype), shift.to(weight.dtype)


def correct(sums: Tensor, bias: Tensor | None, norm: Norm) -> tuple[Tensor, Tensor]:
    """What takes sums of folded weights to the batch's statistics: a factor and a bias, (outputs,) each.

    sums: (count, outputs, ...) of the weights as they are, `bias` included, in real units. They also move the
    running statistics of `norm`; the factor belongs to those before. Raises `ValueError`, as PyTorch's
    normalisation does, for a single value a channel.
    """
    variance, mean = torch.var_mean(sums, [axis for axis in range(sums.dim()) if axis != 1], correction=0)
    inverse = (variance + norm.eps).rsqrt()
    factor = (cast(Tensor, norm.running_var) + norm.eps).sqrt() * inverse
    shift = (-mean if bias is None else bias - mean) * inverse  # a bias is part of the mean, without effect
    if norm.weight is not None:
        shift = shift * norm.weight
    with torch.no_grad():
        norm(sums)
    return factor, shift if norm.bias is None else shift + norm.bias


def live_copy(norm: Norm) -> Norm:
    """The same normalisation, in float32 and with tensors of its own."""
    mean, variance = cast(Tensor, norm.running_mean), cast(Tensor, norm.running_var)
    made = type(norm)(norm.num_features, norm.eps, norm.momentum, affine=False, device=mean.device)
    for name, value in (("weight", norm.weight), ("bias", norm.bias)):
        if value is not None:
            copy = value.detach().to(torch.float32, copy=True)
            setattr(made, name, nn.Parameter(copy, requires_grad=value.requires_grad))
    cast(Tensor, made.running_mean).copy_(mean)
    cast(Tensor, made.running_var).copy_(variance)
    count = norm.num_batches_tracked
    if count is not None and not count.is_meta:  # a function's normalisation counts nothing
        cast(Tensor, made.num_batches_tracked).copy_(count)
    return made
