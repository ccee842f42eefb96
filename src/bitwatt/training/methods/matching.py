"""Weights' scales that give each layer's sums the size they had in float: see `quantization.matching`."""

from __future__ import annotations

from torch import Tensor

from bitwatt.quantization import QuantizedNetwork
from bitwatt.quantization.matching import match_outputs
from bitwatt.training.methods.method import Method


def matching(network: QuantizedNetwork, images: Tensor) -> Method:
    """Once, on `images` (count, ...); the exponents are part of the network's state from then on."""

    def begin() -> None:
        match_outputs(network, images)

    return Method(begin=begin)
