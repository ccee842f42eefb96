"""Cross-layer equalisation: a channel's scale moved from one layer to the next, by powers of two.

M. Nagel et al., Data-Free Quantization Through Weight Equalization and Bias Correction, arXiv 1906.04721,
section 4.1: ReLU and pooling let a positive factor through, so that a channel's weights may grow by s in one
layer and shrink by s in the next; the ranges of both are equal at s = sqrt(r2 / r1). Where s is rounded to a
power of two the float network stays the same to the bit.
"""

from __future__ import annotations

import torch
from torch import nn

from bitwatt.quantization.freezing import freeze_batch_norm
from bitwatt.quantization.layers import QuantizedConv2d, QuantizedLinear
from bitwatt.quantization.network import QuantizedLayer, QuantizedNetwork
from bitwatt.quantization.pooling import QuantizedAvgPool2d
from bitwatt.quantization.post_training.observing import groups

TRANSPARENT = (
    nn.ReLU,
    nn.MaxPool2d,
    nn.Flatten,
    nn.Dropout,
    nn.Dropout2d,
    nn.ZeroPad2d,
    QuantizedAvgPool2d,
)
"""Between two layers: they let a positive factor a channel through."""

ROUNDS = 20
"""Passes over all pairs, at most; factors of two settle in a few."""

MOST = 8
"""A channel's factor in one pass is at most 2**8."""


@torch.no_grad()
def equalise(network: QuantizedNetwork) -> int:
    """Equalise the shadow weights of all pairs of layers of `network`, in place; how many channels moved.

    The exponents are those of the weights before: calibrate anew. Layers whose value is read twice, added to
    another or clipped are left alone.
    """
    freeze_batch_norm(network)
    joined = pairs(network)
    moved = 0
    for _ in range(ROUNDS):
        now = sum(_balance(first, second) for first, second in joined)
        moved += now
        if now == 0:
            break
    return moved


def pairs(network: QuantizedNetwork) -> list[tuple[QuantizedLayer, QuantizedLayer]]:
    """Layers with weights, each with the only one that reads what it makes."""
    readers: dict[str, list[str]] = {}
    for node in network.nodes:
        for name in node.inputs:
            readers.setdefault(name, []).append(node.name)
    inputs = {node.name: node.inputs for node in network.nodes}
    found = []
    for name, layer in network.weighted_layers():
        if len(inputs[name]) != 1:
            continue
        value = name
        while len(readers.get(value, ())) == 1:
            (reader,) = readers[value]
            follower = network.layer(reader)
            # The first value that a layer reads is multiplied; a second one is a residual.
            if isinstance(follower, QuantizedConv2d | QuantizedLinear) and inputs[reader][0] == value:
                found.append((layer, follower))
            if type(follower) not in TRANSPARENT:
                break
            value = reader
    return found


def _balance(first: QuantizedLayer, second: QuantizedLayer) -> int:
    """Equalise one pair; how many channels moved."""
    outputs = first.weight.shape[0]
    grouped = groups(second)
    # (groups, outputs of a group, channels of a group, taps or pixels of a channel)
    by_channel = second.weight.view(
        grouped, -1, outputs // grouped, second.weight[0].numel() * grouped // outputs
    )
    largest_out = first.weight.flatten(1).abs().amax(dim=1)
    largest_in = by_channel.abs().amax(dim=(1, 3)).flatten()
    alive = (largest_out > 0) & (largest_in > 0)
    ratio = torch.where(alive, largest_in / largest_out.clamp(min=1e-30), torch.ones_like(largest_out))
    factor = torch.round(torch.log2(ratio) / 2).clamp(-MOST, MOST).exp2()
    first.weight.mul_(factor.view(-1, *[1] * (first.weight.dim() - 1)))
    if first.bias is not None:
        first.bias.mul_(factor)
    by_channel.div_(factor.view(grouped, 1, -1, 1))
    return int((factor != 1).sum())
