"""Types of a program's values: shape, format and radix point, inferred operation by operation."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from bitwatt.errors import RequestError
from bitwatt.formats import Float32, Format
from bitwatt.program import ops
from bitwatt.program.ops import Op

INPUT = "input"
"""Name of the value that holds the images."""

LARGEST_BIAS = 2**62
"""Largest magnitude of a bias: with room for a sum of products beside it in int64."""

SHIFTS = range(-64, 101)
"""Shifts that a `Requantize` may have: within them no power of two leaves float32."""


@dataclass(frozen=True)
class ValueType:
    """What a value is: its shape for one image, format (None: an accumulator, or reals), and exponents."""

    shape: tuple[int, ...]
    format: Format | None
    exponent: tuple[int, ...]
    is_accumulator: bool = False

    @property
    def size(self) -> int:
        """Number of elements for one image."""
        return prod(self.shape)


def infer_types(input_shape: tuple[int, ...], operations: tuple[Op, ...]) -> dict[str, ValueType]:
    """Types of all values; raises `RequestError` for operations that do not make a program."""
    if not operations:
        raise RequestError("a program needs at least one operation")
    if not input_shape or min(input_shape) < 1:
        raise RequestError(f"a program's input needs lengths of at least 1, got shape {input_shape}")
    types = {INPUT: ValueType(input_shape, None, (0,))}
    readers: dict[str, list[Op]] = {}
    for op in operations:
        if op.input not in types:
            raise RequestError(f"operation '{op.name}' reads '{op.input}', which no earlier operation makes")
        if op.name in types:
            raise RequestError(f"two values are named '{op.name}'")
        types[op.name] = _output_type(op, types[op.input])
        readers.setdefault(op.input, []).append(op)
    for name, value in types.items():
        reading = readers.get(name, [])
        if value.is_accumulator and not (len(reading) == 1 and isinstance(reading[0], ops.Requantize)):
            raise RequestError(f"accumulator '{name}' must be read by exactly one Requantize")
    return types


def refusal(op: Op, why: str) -> RequestError:
    """The error that names the operation."""
    return RequestError(f"operation '{op.name}' ({type(op).__name__}): {why}")


def _output_type(op: Op, source: ValueType) -> ValueType:
    if not isinstance(op, ops.Quantize | ops.Requantize) and source.format is None:
        raise refusal(op, f"reads '{op.input}', which is not on the grid of a format")
    match op:
        case ops.Quantize():
            if op.input != INPUT:
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
    return ValueType(shape, source.format if is_float else None, exponent, not is_float)


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


def spread(values: tuple[int, ...], channels: int) -> tuple[int, ...]:
    """One value for each channel, where there may be one for all."""
    return values if len(values) == channels else values * channels


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
