"""Training from scratch at the precision itself: first weights in the place of those that were given.

So low-precision networks were trained before one started them from float (Courbariaux, Bengio and David 2015,
arXiv 1511.00363).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from bitwatt.quantization import QuantizedNetwork
from bitwatt.quantization.calibration import calibrate
from bitwatt.training.methods.method import Method


def from_scratch(network: QuantizedNetwork, images: Tensor, seed: int) -> Method:
    """Begins with weights drawn by `seed`, and with radix points fitted to them on `images`."""

    def begin() -> None:
        draw_first_weights(network, seed)
        calibrate(network, images)

    return Method(begin=begin)


@torch.no_grad()
def draw_first_weights(network: QuantizedNetwork, seed: int) -> None:
    """Normal, variance 2 / fan-in, in the last layer 1 / fan-in (He et al., arXiv 1502.01852); no biases."""
    generator = torch.Generator().manual_seed(seed)
    layers = [layer for _, layer in network.weighted_layers()]
    for layer in layers:
        gain = 1.0 if layer is layers[-1] else 2.0
        drawn = torch.empty(layer.weight.shape)
        nn.init.normal_(drawn, std=math.sqrt(gain / layer.weight[0].numel()), generator=generator)
        layer.weight.copy_(drawn)
        if layer.bias is not None:
            layer.bias.zero_()
        if layer.norm is not None:
            layer.norm.reset_parameters()
