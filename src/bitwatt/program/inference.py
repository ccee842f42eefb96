"""Types of a program's values: shape, format and radix point, inferred operation by operation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from bitwatt.errors import RequestError
from bitwatt.formats import Float32
from bitwatt.program import ops
from bitwatt.program.joining import added, clipped, concatenated, looked_up, padded, read_on_grid
from bitwatt.program.ops import Op
from bitwatt.program.values import INPUT, LARGEST_BIAS, SHIFTS, ValueType, input_names, refusal, spread

__all__ = [
    "INPUT",
    "LARGEST_BIAS",
    "SHIFTS",
    "ValueType",
    "extend_types",
    "infer_types",
    "input_names",
    "refusal",
    "spread",
]


def infer_types(input_shapes: Iterable[tuple[int, ...]], operations: tuple[Op, ...]) -> dict[str, ValueType]:
    """Types of all values; raises `RequestError` for operations that do not make a program.

    input_shapes: of one image of each input.
    """
    if not operations:
        raise RequestError("a program needs at least one operation")
    shapes = tuple(input_shapes)
    for shape in shapes:
        if not shape or min(shape) < 1:
            raise RequestError(f"a program's input needs lengths of at least 1, got shape {shape}")
    inputs = dict(zip(input_names(len(shapes)), shapes, strict=True))
    types = extend_types({name: ValueType(shape, None, (0,)) for name, shape in inputs.items()}, operations)
    readers: dict[str, list[Op]] = {}
    for op in operations:
        for name in op.inputs:
            readers.setdefault(name, []).append(op)
    unread = [name for name in inputs if name not in readers]
    if unread and len(inputs) > 1:
        raise RequestError(f"no operation reads '{unread[0]}'")
    for op in operations:
        _check_readers(op, types[op.name], readers.get(op.name, []))
    return types


def extend_types(known: dict[str, ValueType], operations: Sequence[Op]) -> dict[str, ValueType]:
    """`known` and the types of what `operations` make of it; who reads an accumulator is not looked at."""
    types = dict(known)
    for op in operations:
        if not op.inputs:
            raise refusal(op, "reads no value")
        for name in op.inputs:
            if name not in types:
                raise RequestError(f"operation '{op.name}' reads '{name}', which no earlier operation makes")
        if op.name in types:
            raise RequestError(f"two values are named '{op.name}'")
        types[op.name] = _output_type(op, [types[name] for name in op.inputs])
    return types


def _check_readers(op: Op, made: ValueType, readers: list[Op]) -> None:
    if not made.is_accumulator:
        return
    allowed = ops.Requantize if isinstance(op, ops.Add) else ops.Requantize | ops.Add
    if len(readers) != 1 or not isinstance(readers[0], allowed):
        ways = "Requantize" if isinstance(op, ops.Add) else "Requantize or Add"
        raise RequestError(f"accumulator '{op.name}' must be read by exactly one {ways}")


def _output_type(op: Op, sources: Sequence[ValueType]) -> ValueType:
    source = sources[0]
    if not isinstance(op, ops.Quantize | ops.Requantize):
        read_on_grid(op, sources)
    match op:
        case ops.Quantize():
            if source.format is not None or source.is_accumulator:
                raise refusal(op, f"reads '{op.input}'; only the images are real numbers")
            return ValueType(source.shape, op.format, (op.exponent,))
        case ops.Conv2d() | ops.Linear():
            return _weighted(op, source)
        case ops.Requantize():
            return _requantized(op, source)
        case ops.Relu():
            return source
        case ops.MaxPool2d() | ops.AvgPool2d():
            return ValueType(_pooled(op, source.shape), source.format, source.exponent)
        case ops.Flatten():
            return ValueType((source.size,), source.format, source.exponent)
        case ops.Add():
            return added(op, source, sources[1])
        case ops.Concat():
            return concatenated(op, sources)
        case ops.Clip():
            return clipped(op, source)
        case ops.Table():
            return looked_up(op, source)
        case ops.Pad():
            return padded(op, source)


def _weighted(op: ops.Weighted, source: ValueType) -> ValueType:
    axes = 4 if isinstance(op, ops.Conv2d) else 2
    if op.weight.ndim != axes or op.weight.size == 0:
        raise refusal(op, f"weights must have {axes} axes and at least one element, got {op.weight.shape}")
    outputs = op.weight.shape[0]
    if len(op.weight_exponent) not in (1, outputs):
        raise refusal(op, f"{len(op.weight_exponent)} weight exponents for {outputs} outputs")
    if op.bias is not None and op.bias.shape != (outputs,):
        raise refusal(op, f"bias has shape {op.bias.shape}, needs ({outputs},)")
    if len(source.exponent) != 1:
        raise refusal(op, "its input must have one exponent")
    is_float = isinstance(op.weight_format, Float32)
    if is_float != isinstance(source.format, Float32):
        raise refusal(op, f"weights are {op.weight_format} and activations {source.format}")
    _check_numbers(op)
    exponent = tuple(e + source.exponent[0] for e in op.weight_exponent)
    shape = _convolved(op, source.shape) if isinstance(op, ops.Conv2d) else _connected(op, source.shape)
    if is_float:
        return ValueType(shape, source.format, source.exponent)
    return ValueType(shape, None, exponent, is_accumulator=True)


def _check_numbers(op: ops.Weighted) -> None:
    """Weights lie on the grid of their format; a bias is of whole numbers (float32: both are float32)."""
    if isinstance(op.weight_format, Float32):
        for what, array in (("weights", op.weight), ("bias", op.bias)):
            if array is not None and (array.dtype != np.float32 or not np.all(np.isfinite(array))):
                raise refusal(op, f"{what} must be finite float32 numbers")
        return
    for what, array in (("weights", op.weight), ("bias", op.bias)):
        if array is not None and array.dtype.kind not in "iu":
            raise refusal(op, f"{what} must be integers, got dtype {array.dtype}")
    if op.bias is not None and max(abs(int(b)) for b in op.bias.tolist()) > LARGEST_BIAS:
        raise refusal(op, "a bias is larger than 2**62, which leaves an accumulator no room for the products")
    unit = op.weight_format.unit_exponent
    nearest = op.weight_format.quantize(np.ldexp(op.weight.astype(np.float64), unit))
    off = np.ldexp(nearest, -unit) != op.weight
    if np.any(off):
        raise refusal(op, f"weight {op.weight[off].flat[0]} is not on the grid of {op.weight_format}")


def _requantized(op: ops.Requantize, source: ValueType) -> ValueType:
    if not source.is_accumulator:
        raise refusal(op, f"reads '{op.input}', which is no accumulator")
    channels = source.shape[0]
    if len(op.shift) not in (1, channels):
        raise refusal(op, f"{len(op.shift)} shifts for {channels} channels")
    if any(shift not in SHIFTS for shift in op.shift):
        raise refusal(op, f"shifts must lie in {SHIFTS.start} to {SHIFTS.stop - 1}, got {op.shift}")
    if isinstance(op.format, Float32):
        raise refusal(op, "its format must be one of integers, got float32")
    exponents = tuple(
        e + s for e, s in zip(spread(source.exponent, channels), spread(op.shift, channels), strict=True)
    )
    # The logits may keep an exponent a channel; what another layer reads has one.
    return ValueType(source.shape, op.format, exponents[:1] if len(set(exponents)) == 1 else exponents)


def _connected(op: ops.Linear, shape: tuple[int, ...]) -> tuple[int, ...]:
    if len(shape) != 1 or op.weight.shape[1:] != shape:
        raise refusal(op, f"takes {op.weight.shape[1]} inputs, got a value of shape {shape}")
    return (op.weight.shape[0],)


def _convolved(op: ops.Conv2d, shape: tuple[int, ...]) -> tuple[int, ...]:
    if min(*op.stride, *op.dilation, op.groups) < 1 or min(op.padding) < 0:
        raise refusal(op, "stride, dilation and groups must be at least 1, and padding at least 0")
    channels = op.weight.shape[1] * op.groups
    if len(shape) != 3 or shape[0] != channels:
        raise refusal(op, f"takes {channels} channels, got a value of shape {shape}")
    if op.weight.shape[0] % op.groups:
        raise refusal(op, f"{op.weight.shape[0]} outputs do not divide into {op.groups} groups")
    height, width = (
        ops.convolved_size(shape[1 + a], op.weight.shape[2 + a], op.stride[a], op.padding[a], op.dilation[a])
        for a in (0, 1)
    )
    if min(height, width) < 1:
        raise refusal(op, f"kernel {op.weight.shape[2:]} does not fit in a map of {shape[1]} x {shape[2]}")
    return op.weight.shape[0], height, width


def _pooled(op: ops.Pool, shape: tuple[int, ...]) -> tuple[int, ...]:
    if len(shape) != 3:
        raise refusal(op, f"pools maps of (channels, height, width), got shape {shape}")
    if min(*op.kernel, *op.stride) < 1 or min(op.padding) < 0:
        raise refusal(op, "kernel and stride must be at least 1, and padding at least 0")
    if any(2 * p > k for p, k in zip(op.padding, op.kernel, strict=True)):
        raise refusal(op, f"padding {op.padding} is more than half of kernel {op.kernel}")
    height, width = (
        ops.pooled_size(shape[1 + a], op.kernel[a], op.stride[a], op.padding[a], op.ceil_mode) for a in (0, 1)
    )
    if min(height, width) < 1:
        raise refusal(op, f"kernel {op.kernel} does not fit in a map of {shape[1]} x {shape[2]}")
    return shape[0], height, width
