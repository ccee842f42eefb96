"""The end of live batch normalisation: what it has become goes into the weights."""

from __future__ import annotations

import torch
from torch import nn

from bitwatt.quantization.network import QuantizedNetwork


@torch.no_grad()
def freeze_batch_norm(network: QuantizedNetwork) -> None:
    """Fold every live normalisation of `network` with its running statistics, in place and for good.

    What the network computes in evaluation stays the same to the bit. Training may go on, with the folded
    weights; they are new parameters, so that an optimiser has to be made anew. A network without live
    normalisation stays as it is.
    """
    alive = [(layer, layer.weight, layer.norm) for _, layer in network.weighted_layers() if layer.norm]
    made: dict[tuple[int, int], tuple[nn.Parameter, nn.Parameter]] = {}
    for layer, weight, norm in alive:
        key = (id(weight), id(norm))  # a module that the model uses twice stays one
        if key not in made:
            folded, bias = layer.folded()
            if bias is None:
                raise ValueError("a folded normalisation leaves a bias")
            made[key] = nn.Parameter(folded), nn.Parameter(bias)
        layer.weight, layer.bias = made[key]
        del layer.norm
        layer.norm = None
