"""Weights' scales from what layers deliver: sums as large as those of the weights before rounding.

Least squares gives each binary weight the mean magnitude, and loses magnitude twice: that of a layer whose
weights are mostly small and of few large ones, and layer by layer that of the sums, for signs agree less than
the weights did. Logits of a fraction of the float network's size leave the loss no way to tell sure answers
from unsure ones, whatever the learning rate. Banner, Nahshan and Soudry (2019, arXiv 1810.05723, section 2.3)
restore the variance of weights that were rounded; here it is that of the sums, by powers of two.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.nn import functional

from bitwatt.formats import Format
from bitwatt.quantization.calibration import MOST_IMAGES, calibrate
from bitwatt.quantization.captured import Inputs, as_inputs
from bitwatt.quantization.network import QuantizedNetwork


@torch.no_grad()
def match_outputs(network: QuantizedNetwork, images: Inputs) -> dict[str, int]:
    """Bring the mean square of what each layer leaves nearest to what it is without rounding, in place.

    To all weight exponents of a layer the same is added; layers are taken in order, exponents of activations
    chosen anew behind each. Shadow weights stay as they are. At 8 bits and more there is nothing to add.

    images: (count, ...), a tensor for each input; the first 256 are looked at. Returns what was added.
    """
    chosen = [each[:MOST_IMAGES] for each in as_inputs(images)]
    was_training = network.training
    network.eval()
    with _unrounded(network):
        wanted = _mean_squares(network, chosen)
    added = {}
    for name, layer in network.weighted_layers():
        found = _mean_squares(network, chosen)[name]
        usable = found > 0 and wanted[name] > 0
        added[name] = round(float(torch.log2(wanted[name] / found)) / 2) if usable else 0
        if added[name]:
            layer.weight_exponent.add_(added[name])
            calibrate(network, chosen if len(chosen) > 1 else chosen[0], weights=False)
    network.train(was_training)
    return added


def _mean_squares(network: QuantizedNetwork, images: list[Tensor]) -> dict[str, Tensor]:
    """Of what each layer leaves, in real units."""
    found: dict[str, Tensor] = {}
    handles = []
    for name, layer in network.weighted_layers():

        def keep(_module: object, _operands: object, output: Tensor, name: str = name, layer=layer) -> None:  # type: ignore[no-untyped-def]
            found[name] = output.square().mean() * 4.0 ** int(layer.output_exponent)

        handles.append(layer.register_forward_hook(keep))
    try:
        network(*images)
    finally:
        for handle in handles:
            handle.remove()
    return found


@contextmanager
def _unrounded(network: QuantizedNetwork) -> Iterator[None]:
    """While it is open, neither weights nor the layers' sums are rounded."""
    layers = [layer for _, layer in network.weighted_layers()]
    before = [(layer.round_weight, layer.round_output, layer.training) for layer in layers]
    try:
        for layer in layers:
            layer.round_weight, layer.round_output = _scaled, _passed
            layer.training = True  # of the layer alone: a live normalisation keeps its statistics
        yield
    finally:
        for layer, (weight, output, training) in zip(layers, before, strict=True):
            layer.round_weight, layer.round_output, layer.training = weight, output, training


def _scaled(weight: Tensor, _format: Format, inward: Tensor, outward: Tensor) -> Tensor:
    return weight * inward * outward


def _passed(sums: Tensor, _format: Format, relu: bool) -> Tensor:
    return functional.relu(sums) if relu else sums
