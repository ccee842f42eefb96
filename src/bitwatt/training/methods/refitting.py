"""Radix points chosen anew while training: shadow weights and activations move away from where they were."""

from __future__ import annotations

from torch import Tensor

from bitwatt.quantization import QuantizedNetwork, refit_weight_exponents
from bitwatt.quantization.calibration import calibrate
from bitwatt.training.methods.method import Method


def refitting_weights(network: QuantizedNetwork) -> Method:
    """At the start of every epoch but the first, for the weights alone."""

    def before_epoch(epoch: int) -> None:
        if epoch > 0:
            refit_weight_exponents(network)

    return Method(before_epoch=before_epoch)


def refitting_all(network: QuantizedNetwork, images: Tensor) -> Method:
    """Likewise for weights and activations, on `images` (count, ...)."""

    def before_epoch(epoch: int) -> None:
        if epoch > 0:
            calibrate(network, images)

    return Method(before_epoch=before_epoch)
