"""`lower`: a quantised network to a program, or every reason why it has no exact one."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bitwatt.errors import RequestError, UnsupportedError
from bitwatt.formats import Fixed, Float32, Format
from bitwatt.program import ops
from bitwatt.program.bounds import hull, value_ranges
from bitwatt.program.inference import INPUT, LARGEST_BIAS, SHIFTS, extend_types, infer_types
from bitwatt.program.program import LOGIT_BITS, Program
from bitwatt.program.rounding import half_even, shifted
from bitwatt.quantization import (
    Concat,
    QuantizedAdd,
    QuantizedAvgPool2d,
    QuantizedClip,
    QuantizedConv2d,
    QuantizedLinear,
    QuantizedNetwork,
    QuantizedTable,
)
from bitwatt.quantization.captured import Inputs, as_inputs, as_maps
from bitwatt.quantization.pooling import pair

QuantizedLayer = QuantizedConv2d | QuantizedLinear
Order = NDArray[np.int64]
"""A permutation of the elements of a flattened map."""


def lower(module: nn.Module, example: Inputs, *, network: str = "network") -> Program:
    """The program that computes what `module` computes, exactly.

    module: what `bitwatt.quantize` made. example: one or more images, of which the shape is looked at;
    of a module with several inputs those of each;
    sequences (count, channels, length) are maps of height 1 in the program.
    network: what the program calls the network.

    Raises `RequestError` for a module that is not quantised, or an example that is no batch of images;
    `UnsupportedError` with every layer that has no exact counterpart, its path and why.
    """
    if not isinstance(module, QuantizedNetwork):
        raise RequestError(
            f"lower takes a quantised network, got {type(module).__name__}; first call "
            "bitwatt.quantize(module, precision, calibration=images), which 'float32' is a precision of too"
        )
    given = as_inputs(example)
    for each in given:
        if each.dim() not in (2, 3, 4) or len(each) == 0:
            raise RequestError(
                "the example must be one or more images, (count, channels, height, width), "
                f"(count, channels, length) or (count, inputs); got shape {tuple(each.shape)}"
            )
    wanted = len(module.input_quantizers)
    if len(given) != wanted:
        raise RequestError(f"the network takes images of {wanted} inputs, and the example has {len(given)}")
    building = _Building(module, [tuple(as_maps(each).shape[1:]) for each in given])
    with torch.no_grad():
        for node in module.nodes:
            building.add(node.name, module.layer(node.name), node.inputs)
        building.finish(module.nodes[-1].name)
    if building.refused:
        reasons = "\n".join(f"  - {reason}" for reason in building.refused)
        raise UnsupportedError(f"the network has no exact program:\n{reasons}")
    return building.program(network, str(module.precision))


@dataclass(frozen=True)
class _Value:
    """What a value of the module is in the program.

    exponent: of its integers; None where it is sums, or follows a layer that was refused. order: of a
    flattened value, where in the module's order each element of the program's is; None for the same order.
    """

    name: str
    exponent: int | None
    order: Order | None = None


class _Building:
    """The operations so far, and what was refused."""

    def __init__(self, module: QuantizedNetwork, input_shapes: list[tuple[int, ...]]) -> None:
        self.input_shapes = input_shapes
        self.made: list[ops.Op] = []
        self.refused: list[str] = []
        self.values: dict[str, _Value] = {}
        """By their names in the module."""
        for name, quantizer in module.input_quantizers.items():
            made, exponent = name.replace(INPUT, "quantize"), int(quantizer.exponent)
            self.made.append(ops.Quantize(made, name, quantizer.format, exponent))
            self.values[name] = _Value(made, exponent)
        self.types = infer_types(input_shapes, tuple(self.made))
        self.logits: ops.Requantize | None = None
        """What rounds the sums that leave the network."""

    def program(self, network: str, precision: str) -> Program:
        """What was made, as a program."""
        first, *others = self.input_shapes
        return Program(network, precision, first, tuple(self.made), other_inputs=tuple(others))

    def add(self, path: str, layer: nn.Module, inputs: tuple[str, ...]) -> None:
        """Append the layer's operations, or why it has none."""
        before = len(self.made)
        operands = [self.values[name] for name in inputs]
        try:
            self._check(layer, operands)
            made = self._append(path, layer, operands)
            if not self.refused:
                self.types |= extend_types(self.types, self.made[before:])
        except RequestError as error:
            del self.made[before:]
            self.refused.append(f"'{path}' ({type(layer).__name__}): {error}")
            exponent = getattr(layer, "output_exponent", None)  # so that what follows is not blamed
            made = replace(operands[0], exponent=None if exponent is None else int(exponent))
        self.values[path] = made

    def finish(self, output: str) -> None:
        """Round the logits where they are wider than what leaves the tile, and check their order."""
        if self.refused:
            return
        value = self.values[output]
        if value.order is not None:
            self.refused.append(
                "the output: is a flattened map, and the tile orders its elements otherwise: channels fastest"
            )
        elif self.logits is not None:
            sums = hull(list(value_ranges(self.program("probe", ""))[self.logits.input]))
            shift = _fitting(sums.low, sums.high)
            self.made[self.made.index(self.logits)] = replace(self.logits, shift=(shift,))

    def _check(self, layer: nn.Module, operands: list[_Value]) -> None:
        """Raises `RequestError` for weights that are no numbers, and exponents that are not the operands'."""
        if isinstance(layer, QuantizedConv2d | QuantizedLinear):
            for name, parameter in (*layer.named_parameters(), *layer.named_buffers()):
                bad = int((~torch.isfinite(parameter)).sum())
                if bad:
                    raise RequestError(
                        f"{bad} of {parameter.numel()} values of its {name} are NaN or infinite"
                    )
        for value, calibrated in zip(operands, _exponents(layer), strict=False):
            if value.exponent is not None and value.exponent != int(calibrated):
                raise RequestError(
                    f"its input has exponent {value.exponent}, and it was calibrated for {int(calibrated)}"
                )

    def _append(self, path: str, layer: nn.Module, operands: list[_Value]) -> _Value:
        """Append the layer's operations; raises `RequestError` where it has none."""
        (first, *_) = operands
        made: ops.Op
        match layer:
            case QuantizedConv2d() | QuantizedLinear():
                return self._append_weighted(path, layer, operands)
            case QuantizedAdd():
                return self._append_addition(path, layer, operands)
            case Concat():
                made = ops.Concat(path, tuple(value.name for value in operands))
                order = self._order_of_joined(operands)
                return self._appended(made, first, order)
            case QuantizedClip():
                low, high = layer.ends()
                is_float = isinstance(layer.format, Float32)
                made = ops.Clip(path, first.name, *((low, high) if is_float else (int(low), int(high))))
            case QuantizedTable():
                exponent = int(layer.output_exponent)
                made = ops.Table(path, first.name, layer.table(), layer.output_format, exponent)
                first = replace(first, exponent=exponent)
            case nn.ZeroPad2d():
                left, right, top, bottom = layer.padding
                made = ops.Pad(path, first.name, (left, right, top, bottom))
            case nn.ReLU():
                made = ops.Relu(path, first.name)
            case nn.MaxPool2d():
                made = _max_pool(path, first.name, layer)
            case QuantizedAvgPool2d():
                made = ops.AvgPool2d(
                    path, first.name, layer.kernel, layer.stride, layer.padding,
                    layer.ceil_mode, layer.count_include_pad,
                )  # fmt: skip
            case nn.Flatten():
                made = ops.Flatten(path, first.name)
                shape = self.types[first.name].shape if not self.refused else ()
                return self._appended(
                    made, first, first.order if len(shape) < 3 else _channels_fastest(shape)
                )
            case nn.Dropout() | nn.Dropout2d():
                return first
            case _:
                raise RequestError("has no exact counterpart")
        return self._appended(made, first, first.order)

    def _appended(self, op: ops.Op, source: _Value, order: Order | None) -> _Value:
        self.made.append(op)
        return _Value(op.name, source.exponent, order)

    def _order_of_joined(self, operands: list[_Value]) -> Order | None:
        """Of flattened values one after the other."""
        if self.refused or all(value.order is None for value in operands):
            return None
        parts, start = [], 0
        for value in operands:
            size = self.types[value.name].size
            parts.append(start + (np.arange(size) if value.order is None else value.order))
            start += size
        return np.concatenate(parts)

    def _append_weighted(self, path: str, layer: QuantizedLayer, operands: list[_Value]) -> _Value:
        is_float = isinstance(layer.weight_format, Float32)
        weight, bias = _numbers(layer)
        if not is_float and bias is None and layer.folded()[1] is not None:
            exponents = layer.accumulator_exponent.tolist()
            raise RequestError(f"a bias does not fit in 63 bits at its accumulator's exponents {exponents}")
        scales = tuple(layer.weight_exponent.tolist())
        source, *others = operands
        if isinstance(layer, QuantizedConv2d):
            self.made.append(
                ops.Conv2d(
                    path, source.name, weight, bias, layer.weight_format, scales,
                    layer.stride, layer.padding, layer.dilation, layer.groups,
                )
            )  # fmt: skip
        else:
            if source.order is not None and len(source.order) == weight.shape[1]:
                weight = np.ascontiguousarray(weight[:, source.order])
            self.made.append(ops.Linear(path, source.name, weight, bias, layer.weight_format, scales))
        sums = tuple(layer.accumulator_exponent.tolist())
        value = _Value(path, None)
        if others:
            value, sums = self._sum(f"{path}/add", value, sums, others[0])
        return self._append_tail(path, value, sums, layer.output_format, layer.output_exponent, layer)

    def _append_addition(self, path: str, layer: QuantizedAdd, operands: list[_Value]) -> _Value:
        first, second = operands
        value, sums = self._sum(path, first, (int(layer.first_exponent),), second)
        return self._append_tail(path, value, sums, layer.output_format, layer.output_exponent, layer)

    def _sum(
        self, name: str, first: _Value, exponents: tuple[int, ...], other: _Value
    ) -> tuple[_Value, tuple[int, ...]]:
        """An `Add`, and the exponents of its sums."""
        if not _same_order(first.order, other.order):
            raise RequestError("adds a flattened map to values in another order than the tile's")
        self.made.append(ops.Add(name, first.name, other.name))
        beside = 0 if other.exponent is None else other.exponent
        return _Value(name, None, first.order), tuple(min(exponent, beside) for exponent in exponents)

    def _append_tail(
        self,
        path: str,
        sums: _Value,
        exponents: tuple[int, ...],
        format: Format | None,
        output_exponent: Tensor,
        layer: QuantizedLayer | QuantizedAdd,
    ) -> _Value:
        """Rounding, ReLU and pooling of the sums. exponents: of the sums, one or one a channel."""
        value = sums
        if format is None:
            if not self._is_float():
                self.logits = ops.Requantize(f"{path}/round", sums.name, Fixed(LOGIT_BITS), (0,))
                self.made.append(self.logits)
                value = _Value(self.logits.name, None, sums.order)
        elif not isinstance(format, Float32):
            exponent = int(output_exponent)
            shifts = [exponent - e for e in exponents]
            if any(shift not in SHIFTS for shift in shifts):
                raise RequestError(
                    f"its rounding would shift by {min(shifts)} to {max(shifts)} bits, too far"
                )
            shift = tuple(shifts) if len(set(shifts)) > 1 else (shifts[0],)
            self.made.append(ops.Requantize(f"{path}/round", sums.name, format, shift))
            value = _Value(f"{path}/round", exponent, sums.order)
        else:
            value = replace(sums, exponent=0)
        if layer.relu:
            value = self._appended(ops.Relu(f"{path}/relu", value.name), value, value.order)
        if isinstance(layer, QuantizedConv2d | QuantizedLinear) and layer.pool is not None:
            value = self._appended(_max_pool(f"{path}/pool", value.name, layer.pool), value, value.order)
        return value

    def _is_float(self) -> bool:
        first = self.made[0]
        return isinstance(first, ops.Quantize) and isinstance(first.format, Float32)


def _exponents(layer: nn.Module) -> list[Tensor]:
    """Those that a layer takes its operands to have."""
    match layer:
        case QuantizedConv2d() | QuantizedLinear():
            return [layer.input_exponent, *([layer.residual_exponent] if layer.residual else [])]
        case QuantizedAdd():
            return [layer.first_exponent, layer.second_exponent]
        case QuantizedClip():
            return [layer.exponent]
        case QuantizedTable():
            return [layer.input_exponent]
        case _:
            return []


def _max_pool(name: str, source: str, layer: nn.MaxPool2d) -> ops.MaxPool2d:
    stride = layer.kernel_size if layer.stride is None else layer.stride
    return ops.MaxPool2d(
        name, source, pair(layer.kernel_size), pair(stride), pair(layer.padding), layer.ceil_mode
    )


def _numbers(layer: QuantizedLayer) -> tuple[NDArray[np.generic], NDArray[np.generic] | None]:
    """Weights and bias as the program holds them; no bias where there is none or it does not fit."""
    reals, shift = layer.folded()
    if isinstance(layer.weight_format, Float32):
        bias = None if shift is None else shift.detach().cpu().numpy().copy()
        return np.ascontiguousarray(reals.detach().cpu().numpy()), bias
    weight = np.ascontiguousarray(layer.integer_weight().cpu().numpy())
    if shift is None:
        return weight, None
    exponent = layer.accumulator_exponent.cpu().numpy()
    if np.any(np.abs(np.ldexp(shift.detach().cpu().double().numpy(), -exponent)) > LARGEST_BIAS):
        return weight, None
    integers = layer.integer_bias()
    return weight, None if integers is None else integers.cpu().numpy()


def _channels_fastest(shape: tuple[int, ...]) -> Order | None:
    """Where in PyTorch's order of a flattened map each element of the tile's is; None if that is the same."""
    order = np.arange(np.prod(shape)).reshape(shape).transpose(1, 2, 0).reshape(-1)
    return None if bool((np.diff(order) == 1).all()) else order


def _same_order(one: Order | None, other: Order | None) -> bool:
    if one is None or other is None:
        return one is other
    return bool(np.array_equal(one, other))


def _fitting(low: int, high: int) -> int:
    """The least shift that brings integers from low to high into `LOGIT_BITS` bits."""
    form = Fixed(LOGIT_BITS)
    ends = np.array([low, high], dtype=object)
    for shift in range(SHIFTS.stop):
        least, most = half_even(*shifted(ends, np.array([shift])))
        if form.smallest_integer <= least and most <= form.largest_integer:
            return shift
    raise OverflowError(f"no shift brings {low} to {high} into {LOGIT_BITS} bits")
