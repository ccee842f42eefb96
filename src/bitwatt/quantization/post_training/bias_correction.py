"""Biases that make up for what rounding shifts on average.

M. Nagel et al., Data-Free Quantization Through Weight Equalization and Bias Correction, arXiv 1906.04721,
section 4.2, the empirical form: layer by layer, the mean of each channel's sums over the images is brought to
the float network's. A bias lies at the accumulator's radix point, so that the hardware pays nothing for it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bitwatt.quantization.freezing import freeze_batch_norm
from bitwatt.quantization.network import QuantizedNetwork
from bitwatt.quantization.post_training.observing import (
    BATCH,
    bare,
    channels_in_front,
    evenly,
    float_twin,
    reads,
    weighted,
)
from bitwatt.quantization.scale import power_of_two

IMAGES = 512
"""That are looked at, at most: a mean over as many is known to a few per cent of the spread."""


@torch.no_grad()
def correct_biases(network: QuantizedNetwork, images: Tensor, twin: QuantizedNetwork | None = None) -> None:
    """Correct every bias of `network`, in place; a layer without one gets one.

    images: (count, ...), as the network takes them. twin: the float network to be met, by default the shadow
    weights as they are. float32 networks stay as they are.
    """
    if network.precision.is_float:
        return
    freeze_batch_norm(network)
    chosen = evenly(images, IMAGES)
    met = float_twin(network, chosen) if twin is None else twin
    was_training = network.training
    network.eval()
    for name, layer in network.weighted_layers():
        missing = mean_sums(met, name, chosen) - mean_sums(network, name, chosen)
        held = layer.integer_bias()
        if layer.bias is None or held is None:
            layer.bias = nn.Parameter(missing)
        else:  # as it was added: rounded to the accumulator's unit
            layer.bias.copy_(held * power_of_two(layer.accumulator_exponent) + missing)
    network.train(was_training)


def mean_sums(network: QuantizedNetwork, name: str, images: Tensor) -> Tensor:
    """Each channel's mean sum over the images, in real units, float32 (outputs,)."""
    layer = weighted(network, name)
    total = torch.zeros(layer.weight.shape[0], dtype=torch.float64)
    count = 0
    for batch in torch.split(images, BATCH):
        read = reads(network, name, batch)
        with bare(layer):
            sums = channels_in_front(layer(read))
        total += sums.to(torch.float64).sum(dim=1)
        count += sums.shape[1]
    return (total / count).to(torch.float32)
