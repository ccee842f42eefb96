"""Each layer's learning rate in proportion to the mean square of its weights.

BinaryConnect (Courbariaux et al. 2015, arXiv 1511.00363, section 2.6) scales rates by the squares of the
coefficients that weights are drawn with. Here the weights are trained already, and speak for themselves.

However small a layer's weights are, the loss is the same function of them in steps of the grid. Without this,
a float network whose weights decayed to half is re-trained with steps four times as long, in its own measure.
"""

from __future__ import annotations

import torch
from torch import Tensor

from bitwatt.quantization import QuantizedNetwork
from bitwatt.training.methods.method import Method


def rate_scaling(network: QuantizedNetwork) -> Method:
    """Gradients of the weights are multiplied by the weights' mean square, as it was before training.

    For plain SGD, with momentum or not, the same as another rate for each layer.
    """
    weights = {name: layer.weight for name, layer in network.weighted_layers()}
    squares = {name: weight.new_ones(()) for name, weight in weights.items()}
    handles = []
    for name, weight in weights.items():

        def scaled(grad: Tensor, square: Tensor = squares[name]) -> Tensor:
            return grad * square

        handles.append(weight.register_hook(scaled))

    @torch.no_grad()
    def begin() -> None:
        for name, weight in weights.items():
            squares[name].copy_(weight.square().mean())

    def detach() -> None:
        for handle in handles:
            handle.remove()

    return Method(begin=begin, detach=detach, tensors={f"mean square/{n}": s for n, s in squares.items()})
