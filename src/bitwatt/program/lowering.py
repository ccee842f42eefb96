"""`lower`: a quantised network to a program, or every reason why it has no exact one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bitwatt.errors import RequestError, UnsupportedError
from bitwatt.formats import Fixed, Float32
from bitwatt.program import ops
from bitwatt.program.bounds import hull, value_ranges
from bitwatt.program.inference import INPUT, LARGEST_BIAS, SHIFTS, infer_types
from bitwatt.program.program import LOGIT_BITS, Program
from bitwatt.program.rounding import half_even, shifted
from bitwatt.quantization import (
    QuantizedAvgPool2d,
    QuantizedConv2d,
    QuantizedLinear,
    QuantizedNetwork,
)
from bitwatt.quantization.pooling import pair

QuantizedLayer = QuantizedConv2d | QuantizedLinear


def lower(module: nn.Module, example: Tensor, *, network: str = "network") -> Program:
    """The program that computes what `module` computes, exactly.

    module: what `bitwatt.quantize` made. example: one or more images, of which the shape is looked at.
    network: what the program calls the network.

    Raises `RequestError` for a module that is not quantised, or an example that is no batch of images;
    `UnsupportedError` with every layer that has no exact counterpart, its path and why.
    """
    if not isinstance(module, QuantizedNetwork):
        raise RequestError(
            f"lower takes a quantised network, got {type(module).__name__}; first call "
            "bitwatt.quantize(module, precision, calibration=images), which 'float32' is a precision of too"
        )
    if example.dim() not in (2, 4) or len(example) == 0:
        raise RequestError(
            "the example must be one or more images, (count, channels, height, width) or (count, inputs); "
            f"got shape {tuple(example.shape)}"
        )
    building = _Building(module, tuple(example.shape[1:]))
    with torch.no_grad():
        for node in module.nodes:
            building.add(node.name, module.layer(node.name), node.inputs)
        building.finish()
    if building.refused:
        reasons = "\n".join(f"  - {reason}" for reason in building.refused)
        raise UnsupportedError(f"the network has no exact program:\n{reasons}")
    return Program(network, str(module.precision), building.input_shape, tuple(building.made))


class _Building:
    """The operations so far, and what was refused."""

    def __init__(self, module: QuantizedNetwork, input_shape: tuple[int, ...]) -> None:
        self.input_shape = input_shape
        quantizer = module.input_quantizer
        self.exponent = int(quantizer.exponent)
        self.made: list[ops.Op] = [ops.Quantize("quantize", INPUT, quantizer.format, self.exponent)]
        self.refused: list[str] = []
        self.value = INPUT
        """Name, in the module, of the value made last."""
        self.flattened_from: tuple[int, ...] | None = None
        """Shape of the map that was flattened, while no layer has mixed its elements."""
        self.logits: ops.Requantize | None = None
        """What rounds the sums that leave the network."""

    @property
    def last(self) -> str:
        return self.made[-1].name

    def add(self, path: str, layer: nn.Module, inputs: tuple[str, ...]) -> None:
        before = len(self.made)
        reason = self._objection(layer, inputs) or self._append(path, layer)
        if reason is None and not self.refused:
            try:
                infer_types(self.input_shape, tuple(self.made))
            except RequestError as error:
                reason = str(error)
        if reason is not None:
            del self.made[before:]
            self.refused.append(f"'{path}' ({type(layer).__name__}): {reason}")
            if isinstance(layer, QuantizedConv2d | QuantizedLinear):
                self.exponent = int(layer.output_exponent)  # so that what follows is not blamed
        self.value = path

    def finish(self) -> None:
        """Round the logits where they are wider than what leaves the tile, and check their order."""
        if self.refused:
            return
        if self.flattened_from is not None and max(self.flattened_from[1:], default=1) > 1:
            shape = self.flattened_from
            self.refused.append(
                f"the output: is a flattened map of {shape}, and the tile orders its elements otherwise"
            )
        elif self.logits is not None:
            probe = Program("probe", "", self.input_shape, tuple(self.made))
            sums = hull(list(value_ranges(probe)[self.logits.input]))
            shift = _fitting(sums.low, sums.high)
            self.made[self.made.index(self.logits)] = replace(self.logits, shift=(shift,))

    def _objection(self, layer: nn.Module, inputs: tuple[str, ...]) -> str | None:
        if inputs != (self.value,):
            return f"reads {', '.join(inputs)}, not the layer before it alone"
        if isinstance(layer, QuantizedConv2d | QuantizedLinear):
            for name, parameter in layer.named_parameters():
                bad = int((~torch.isfinite(parameter)).sum())
                if bad:
                    return f"{bad} of {parameter.numel()} values of its {name} are NaN or infinite"
            if int(layer.input_exponent) != self.exponent:
                calibrated = int(layer.input_exponent)
                return f"its input has exponent {self.exponent}, and it was calibrated for {calibrated}"
        return None

    def _append(self, path: str, layer: nn.Module) -> str | None:
        """Append the layer's operations; what it returns is why it cannot."""
        match layer:
            case QuantizedConv2d() | QuantizedLinear():
                return self._append_weighted(path, layer)
            case nn.ReLU():
                self.made.append(ops.Relu(path, self.last))
            case nn.MaxPool2d():
                self.made.append(self._max_pool(path, layer))
            case QuantizedAvgPool2d():
                self.made.append(
                    ops.AvgPool2d(
                        path, self.last, layer.kernel, layer.stride, layer.padding,
                        layer.ceil_mode, layer.count_include_pad,
                    )
                )  # fmt: skip
            case nn.Flatten():
                if self.flattened_from is None and not self.refused:
                    self.flattened_from = infer_types(self.input_shape, tuple(self.made))[self.last].shape
                self.made.append(ops.Flatten(path, self.last))
            case nn.Dropout():
                pass
            case _:
                return "has no exact counterpart"
        return None

    def _max_pool(self, name: str, layer: nn.MaxPool2d) -> ops.MaxPool2d:
        stride = layer.kernel_size if layer.stride is None else layer.stride
        return ops.MaxPool2d(
            name, self.last, pair(layer.kernel_size), pair(stride), pair(layer.padding), layer.ceil_mode
        )

    def _append_weighted(self, path: str, layer: QuantizedLayer) -> str | None:
        is_float = isinstance(layer.weight_format, Float32)
        weight, bias = _numbers(layer)
        if not is_float and bias is None and layer.bias is not None:
            exponents = layer.accumulator_exponent.tolist()
            return f"a bias does not fit in 63 bits at its accumulator's exponents {exponents}"
        scales = tuple(layer.weight_exponent.tolist())
        if isinstance(layer, QuantizedConv2d):
            self.made.append(
                ops.Conv2d(
                    path, self.last, weight, bias, layer.weight_format, scales,
                    layer.stride, layer.padding, layer.dilation, layer.groups,
                )
            )  # fmt: skip
        else:
            weight = _channels_fastest(weight, self.flattened_from)
            self.made.append(ops.Linear(path, self.last, weight, bias, layer.weight_format, scales))
        self.flattened_from = None
        if not is_float:
            reason = self._append_rounding(path, layer)
            if reason is not None:
                return reason
        if layer.relu:
            self.made.append(ops.Relu(f"{path}/relu", self.last))
        if layer.pool is not None:
            self.made.append(self._max_pool(f"{path}/pool", layer.pool))
        return None

    def _append_rounding(self, path: str, layer: QuantizedLayer) -> str | None:
        if layer.output_format is None:
            self.logits = ops.Requantize(f"{path}/round", self.last, Fixed(LOGIT_BITS), (0,))
            self.made.append(self.logits)
            return None
        self.exponent = int(layer.output_exponent)
        shifts = [self.exponent - int(e) for e in layer.accumulator_exponent]
        if any(shift not in SHIFTS for shift in shifts):
            return f"its rounding would shift by {min(shifts)} to {max(shifts)} bits, too far"
        shift = tuple(shifts) if len(set(shifts)) > 1 else (shifts[0],)
        self.made.append(ops.Requantize(f"{path}/round", self.last, layer.output_format, shift))
        return None


def _numbers(layer: QuantizedLayer) -> tuple[NDArray[np.generic], NDArray[np.generic] | None]:
    """Weights and bias as the program holds them; no bias where there is none or it does not fit."""
    if isinstance(layer.weight_format, Float32):
        bias = None if layer.bias is None else layer.bias.detach().cpu().numpy().copy()
        return np.ascontiguousarray(layer.weight.detach().cpu().numpy()), bias
    weight = np.ascontiguousarray(layer.integer_weight().cpu().numpy())
    if layer.bias is None:
        return weight, None
    exponent = layer.accumulator_exponent.cpu().numpy()
    if np.any(np.abs(np.ldexp(layer.bias.detach().cpu().double().numpy(), -exponent)) > LARGEST_BIAS):
        return weight, None
    integers = layer.integer_bias()
    return weight, None if integers is None else integers.cpu().numpy()


def _channels_fastest(weight: NDArray[np.generic], shape: tuple[int, ...] | None) -> NDArray[np.generic]:
    """Columns in PyTorch's order of a flattened map of that shape, put in the tile's."""
    if shape is None or len(shape) != 3 or weight.shape[1] != np.prod(shape):
        return weight
    maps = weight.reshape(weight.shape[0], *shape)
    return np.ascontiguousarray(maps.transpose(0, 2, 3, 1)).reshape(weight.shape)


def _fitting(low: int, high: int) -> int:
    """The least shift that brings integers from low to high into `LOGIT_BITS` bits."""
    form = Fixed(LOGIT_BITS)
    ends = np.array([low, high], dtype=object)
    for shift in range(SHIFTS.stop):
        least, most = half_even(*shifted(ends, np.array([shift])))
        if form.smallest_integer <= least and most <= form.largest_integer:
            return shift
    raise OverflowError(f"no shift brings {low} to {high} into {LOGIT_BITS} bits")
