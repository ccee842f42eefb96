"""Layers with weights: convolutions, fully connected ones, batch normalisation."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from bitwatt.onnx_import.values import Constant
from bitwatt.onnx_import.windows import Window


class Drawing:
    """Weights for constants without data: what a cost needs is their shapes alone.

    names: the layers that got some.
    """

    def __init__(self) -> None:
        self.names: list[str] = []
        self._generator = torch.Generator().manual_seed(0)

    def weight(self, layer: str, constant: Constant) -> Tensor:
        """The constant, (outputs, ...), in float32; without data, normal with variance 2 / fan-in."""
        if constant.known:
            return as_float(constant)
        self.names.append(layer)
        shape = constant.array.shape
        spread = math.sqrt(2 / max(1, math.prod(shape[1:])))
        return torch.randn(shape, generator=self._generator) * spread


def as_float(constant: Constant) -> Tensor:
    """The values as float32, on their own."""
    return torch.from_numpy(np.array(constant.array, dtype=np.float32))


def convolution(window: Window, weight: Tensor, bias: Tensor | None, groups: int) -> nn.Module:
    """The convolution with even padding `window.before`. weight: (outputs, inputs a group, *kernel)."""
    kind: type[nn.Conv1d] | type[nn.Conv2d] = nn.Conv1d if weight.dim() == 3 else nn.Conv2d
    made = kind(
        weight.shape[1] * groups,
        weight.shape[0],
        window.kernel,  # type: ignore[arg-type]  # as many axes as its kind has
        window.stride,  # type: ignore[arg-type]
        window.before,  # type: ignore[arg-type]
        window.dilation,  # type: ignore[arg-type]
        groups,
        bias=bias is not None,
        device="meta",
    )
    return _filled(made, weight, bias)


def linear(weight: Tensor, bias: Tensor | None) -> nn.Module:
    """The fully connected layer. weight: (outputs, inputs)."""
    made = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, device="meta")
    return _filled(made, weight, bias)


def _filled(layer: nn.Conv1d | nn.Conv2d | nn.Linear, weight: Tensor, bias: Tensor | None) -> nn.Module:
    layer.weight = nn.Parameter(weight)
    layer.bias = None if bias is None else nn.Parameter(bias)
    return layer


def normalisation(
    rank: int, scale: Tensor, shift: Tensor, mean: Tensor, variance: Tensor, eps: float
) -> nn.BatchNorm1d | nn.BatchNorm2d:
    """scale * (x - mean) / sqrt(variance + eps) + shift, channel by channel, for values of so many axes."""
    made: nn.BatchNorm1d | nn.BatchNorm2d
    made = nn.BatchNorm2d(len(scale), eps=eps) if rank == 4 else nn.BatchNorm1d(len(scale), eps=eps)
    with torch.no_grad():
        made.weight.copy_(scale)
        made.bias.copy_(shift)
    if made.running_mean is not None and made.running_var is not None:
        made.running_mean.copy_(mean)
        made.running_var.copy_(variance)
    return made
