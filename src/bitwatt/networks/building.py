"""Named layers in a row, and their first weights.

A network is a list of `(name, module)` pairs. Layers are made on torch's `meta` device, without weights, and
initialised afterwards from one generator, so that building a network with a seed leaves torch's global random
state alone.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterable
from typing import cast

import torch
from torch import Tensor, nn

Layer = tuple[str, nn.Module]


def conv(index: int, inputs: int, outputs: int, kernel: int, padding: int, pool: nn.Module) -> list[Layer]:
    """Convolution of stride 1, ReLU and pooling, named `conv{index}`, `relu{index}`, `pool{index}`.

    Shapes: (N, inputs, H, W) -> (N, outputs, H', W') with H' from `padding`, then from `pool`.
    """
    return [
        (f"conv{index}", nn.Conv2d(inputs, outputs, kernel, padding=padding, device="meta")),
        (f"relu{index}", nn.ReLU()),
        (f"pool{index}", pool),
    ]


def full(index: int, inputs: int, outputs: int) -> Layer:
    """A fully connected layer, named `fc{index}`: (N, inputs) -> (N, outputs)."""
    return f"fc{index}", nn.Linear(inputs, outputs, device="meta")


def normalised(name: str, convolution: nn.Conv2d, relu: bool = True) -> list[Layer]:
    """The convolution, its batch normalisation and its ReLU: `conv{name}`, `norm{name}`, `relu{name}`."""
    layers: list[Layer] = [
        (f"conv{name}", convolution),
        (f"norm{name}", nn.BatchNorm2d(convolution.out_channels, device="meta")),
    ]
    return [*layers, (f"relu{name}", nn.ReLU())] if relu else layers


def sequence(layers: Iterable[Layer]) -> nn.Sequential:
    """The layers in a row, each reachable by its name (`network.conv1`)."""
    return nn.Sequential(OrderedDict(layers))


class Residual(nn.Module):
    """relu(body(x) + shortcut(x)): the block of K. He et al., arXiv 1512.03385."""

    def __init__(self, body: nn.Module, shortcut: nn.Module) -> None:
        super().__init__()
        self.body = body
        self.shortcut = shortcut
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) to what the body makes of it; the shortcut must give the same shape."""
        return cast(Tensor, self.relu(self.body(x) + self.shortcut(x)))


def initialise(network: nn.Sequential, generator: torch.Generator | None) -> None:
    """Give the network weights on the CPU, drawn as He et al. (arXiv 1502.01852) say.

    Normal with variance 2 / fan-in before a ReLU, and 1 / fan-in in the last layer, which has none; biases
    are zero, and a batch normalisation changes nothing yet. `generator=None` draws from torch's global state.
    """
    network.to_empty(device="cpu")
    weighted = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    for layer in weighted:
        gain = 1.0 if layer is weighted[-1] else 2.0
        fan_in = layer.weight[0].numel()
        nn.init.normal_(layer.weight, std=math.sqrt(gain / fan_in), generator=generator)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.reset_parameters()  # 1, 0, running mean 0 and variance 1: nothing is drawn
