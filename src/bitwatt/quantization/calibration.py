"""Radix points from data: by default every exponent is the one that loses least squared error.

Layers are taken in order, each calibrated on what its already quantised predecessors deliver, so that an
exponent is chosen for the values it will meet.
"""

from __future__ import annotations

import torch
from torch import Tensor

from bitwatt.errors import UnsupportedError
from bitwatt.formats import Float32
from bitwatt.quantization.capture import INPUT
from bitwatt.quantization.exponent_rules import ExponentRule, least_error
from bitwatt.quantization.layers import QuantizedConv2d, QuantizedLinear
from bitwatt.quantization.network import QuantizedNetwork

MOST_IMAGES = 256
"""Images that are looked at, spread evenly over those given; a power-of-two scale asks for no more."""


@torch.no_grad()
def calibrate(network: QuantizedNetwork, images: Tensor, rule: ExponentRule = least_error) -> None:
    """Choose every exponent of `network`, in place, on `images` (count, ...).

    rule: for images and activations; weights always lose least error.

    Raises `UnsupportedError` with the layer's path where the images do not fit it.
    """
    was_training = network.training
    network.eval()
    device = network.output_exponent.device
    step = max(1, -(-images.shape[0] // MOST_IMAGES))
    chosen = images[::step].to(device=device, dtype=torch.float32)
    quantizer = network.input_quantizer
    quantizer.exponent.fill_(rule(chosen, quantizer.format))
    values = {INPUT: quantizer(chosen)}
    exponents = {INPUT: int(quantizer.exponent)}
    for node in network.nodes:
        layer = network.layer(node.name)
        (source,) = node.inputs
        try:
            if isinstance(layer, QuantizedConv2d | QuantizedLinear):
                _calibrate_layer(layer, values[source], exponents[source], rule)
                exponents[node.name] = int(layer.output_exponent)
            else:
                exponents[node.name] = exponents[source]
            values = {node.name: layer(values[source])}
        except (RuntimeError, IndexError) as error:
            raise UnsupportedError(
                f"layer '{node.name}' ({type(layer).__name__}) cannot take a value of shape "
                f"{tuple(values[source].shape[1:])}: {str(error).splitlines()[0]}"
            ) from error
    network.output_exponent.fill_(exponents[network.nodes[-1].name])
    network.train(was_training)


def _calibrate_layer(
    layer: QuantizedConv2d | QuantizedLinear, x: Tensor, input_exponent: int, rule: ExponentRule
) -> None:
    layer.fit_weight_exponent()
    layer.input_exponent.fill_(input_exponent)
    layer.output_exponent.zero_()
    if layer.output_format is None or isinstance(layer.output_format, Float32):
        return
    output_format, layer.output_format = layer.output_format, None
    reals = layer(x)  # sums in real units: what leaves a layer without output format and exponent
    layer.output_format = output_format
    if layer.relu:
        reals = reals.relu_()
    layer.output_exponent.fill_(rule(reals, output_format))


def refit_weight_exponents(network: QuantizedNetwork) -> None:
    """Choose the exponents of all weights again, for the shadow weights as they are now."""
    for _, layer in network.weighted_layers():
        layer.fit_weight_exponent()
