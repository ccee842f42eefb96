"""A quantised network taken to another precision, its shadow weights kept."""

from __future__ import annotations

from bitwatt.formats import Precision
from bitwatt.quantization.elementwise import QuantizedAdd, QuantizedClip, QuantizedTable
from bitwatt.quantization.layers import QuantizedConv2d, QuantizedLinear
from bitwatt.quantization.network import QuantizedNetwork
from bitwatt.quantization.pooling import QuantizedAvgPool2d


def set_precision(network: QuantizedNetwork, precision: Precision) -> None:
    """Put weights and activations of `network` on other grids, in place; granularity stays.

    The exponents are still those of the grids before: `calibration.calibrate` fits them, or a state_dict
    that was taken at this precision brings them back.
    """
    network.precision, network.layer_precisions = precision, {}
    for quantizer in network.input_quantizers.values():
        quantizer.format = precision.activations
    for node in network.nodes:
        layer = network.layer(node.name)
        if isinstance(
            layer, QuantizedConv2d | QuantizedLinear | QuantizedAdd | QuantizedClip | QuantizedTable
        ):
            layer.set_formats(precision.weights, precision.activations)
        elif isinstance(layer, QuantizedAvgPool2d):
            layer.format = precision.activations
