"""Quantised networks: weights and activations of a PyTorch model on the grids of a precision."""

from bitwatt.quantization.calibration import refit_weight_exponents
from bitwatt.quantization.captured import INPUT, Concat
from bitwatt.quantization.convert import quantize
from bitwatt.quantization.elementwise import QuantizedAdd, QuantizedClip, QuantizedTable
from bitwatt.quantization.freezing import freeze_batch_norm
from bitwatt.quantization.input_stage import InputQuantizer
from bitwatt.quantization.layers import QuantizedConv2d, QuantizedLinear
from bitwatt.quantization.network import Node, QuantizedNetwork
from bitwatt.quantization.pooling import QuantizedAvgPool2d
from bitwatt.quantization.rounding import round_to_grid
from bitwatt.quantization.scale import least_squares_exponent
from bitwatt.quantization.straight_through import round_straight_through

__all__ = [
    "INPUT",
    "Concat",
    "InputQuantizer",
    "Node",
    "QuantizedAdd",
    "QuantizedAvgPool2d",
    "QuantizedClip",
    "QuantizedConv2d",
    "QuantizedLinear",
    "QuantizedNetwork",
    "QuantizedTable",
    "freeze_batch_norm",
    "least_squares_exponent",
    "quantize",
    "refit_weight_exponents",
    "round_straight_through",
    "round_to_grid",
]
