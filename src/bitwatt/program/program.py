"""The program: a network as exact arithmetic, in the order in which the tile does it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bitwatt.errors import RequestError
from bitwatt.formats import Float32, Format
from bitwatt.program import ops
from bitwatt.program.ops import Op

if TYPE_CHECKING:
    import torch

INPUT = "input"
"""Name of the value that holds the images."""

LOGIT_BITS = 32
"""Widest integer that leaves the tile: wider accumulators are rounded to it."""


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
        total = 1
        for length in self.shape:
            total *= length
        return total


@dataclass(frozen=True, eq=False)
class Program:
    """Operations in execution order; each reads earlier values and is named after the value it makes.

    Raises `RequestError` where an operation reads a value that is not there, shapes do not fit, or an
    accumulator is read by anything but one `Requantize`.
    """

    network: str
    precision: str
    input_shape: tuple[int, ...]
    ops: tuple[Op, ...]
    lanes: int = 16
    """Synapses a neuron adds at once: the order of additions of a float32 program."""

    types: dict[str, ValueType] = field(init=False, repr=False)
    """Type of every value, by name."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "types", infer_types(self))

    @property
    def output(self) -> str:
        """Name of the last value: the logits."""
        return self.ops[-1].name

    @property
    def is_float(self) -> bool:
        """True for a float32 program."""
        return self.precision == str(Float32())

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Logits of images (count, *input_shape): float64 (count, classes), each exactly integer * 2**exponent.

        Raises `RequestError` for a wrong shape or for NaN in the images.
        """
        from bitwatt.program.executor import execute

        return execute(self, images)


def infer_types(program: Program) -> dict[str, ValueType]:
    """Types of all values; raises `RequestError` for a program that is not well formed."""
    if not program.ops:
        raise RequestError("a program needs at least one operation")
    types = {INPUT: ValueType(program.input_shape, None, (0,))}
    readers: dict[str, list[Op]] = {}
    for op in program.ops:
        if op.input not in types:
            raise RequestError(f"operation '{op.name}' reads '{op.input}', which no earlier operation makes")
        if op.name in types:
            raise RequestError(f"two operations are named '{op.name}'")
        types[op.name] = _output_type(op, types[op.input], program.is_float)
        readers.setdefault(op.input, []).append(op)
    for name, value in types.items():
        if value.is_accumulator and not (
            len(readers.get(name, [])) == 1 and isinstance(readers[name][0], ops.Requantize)
        ):
            raise RequestError(f"accumulator '{name}' must be read by exactly one Requantize")
    return types


def _output_type(op: Op, source: ValueType, is_float: bool) -> ValueType:
    def refuse(why: str) -> RequestError:
        return RequestError(f"operation '{op.name}' ({type(op).__name__}): {why}")

    shape = source.shape
    match op:
        case ops.Quantize():
            return ValueType(shape, op.format, (op.exponent,))
        case ops.Conv2d() | ops.Linear():
            if source.format is None:
                raise refuse(f"reads '{op.input}', which is not on the grid of a format")
            outputs = op.weight.shape[0]
            if len(op.weight_exponent) not in (1, outputs):
                raise refuse(f"{len(op.weight_exponent)} weight exponents for {outputs} outputs")
            if op.bias is not None and op.bias.shape != (outputs,):
                raise refuse(f"bias has shape {op.bias.shape}, needs ({outputs},)")
            if len(source.exponent) != 1:
                raise refuse("its input must have one exponent")
            exponent = tuple(e + source.exponent[0] for e in op.weight_exponent)
            made = (outputs, *_convolved(op, shape, refuse)) if isinstance(op, ops.Conv2d) else (outputs,)
            if isinstance(op, ops.Linear) and (len(shape) != 1 or shape[0] != op.weight.shape[1]):
                raise refuse(f"takes {op.weight.shape[1]} inputs, got a value of shape {shape}")
            return ValueType(made, source.format if is_float else None, exponent, not is_float)
        case ops.Requantize():
            if not source.is_accumulator:
                raise refuse(f"reads '{op.input}', which is no accumulator")
            exponents = {
                e + s
                for e, s in zip(
                    source.exponent * (len(op.shift) if len(source.exponent) == 1 else 1),
                    op.shift * (len(source.exponent) if len(op.shift) == 1 else 1),
                    strict=True,
                )
            }
            # The logits may keep an exponent a channel; what another layer reads has one.
            ordered = tuple(
                e + s
                for e, s in zip(
                    source.exponent * (len(op.shift) if len(source.exponent) == 1 else 1),
                    op.shift * (len(source.exponent) if len(op.shift) == 1 else 1),
                    strict=True,
                )
            )
            return ValueType(shape, op.format, (ordered[0],) if len(exponents) == 1 else ordered)
        case ops.Relu():
            return source
        case ops.MaxPool2d() | ops.AvgPool2d():
            if len(shape) != 3:
                raise refuse(f"pools maps of (channels, height, width), got shape {shape}")
            if any(2 * p > k for p, k in zip(op.padding, op.kernel, strict=True)):
                raise refuse(f"padding {op.padding} is more than half of kernel {op.kernel}")
            size = tuple(
                ops.pooled_size(shape[1 + a], op.kernel[a], op.stride[a], op.padding[a], op.ceil_mode)
                for a in (0, 1)
            )
            if min(size) < 1:
                raise refuse(f"kernel {op.kernel} does not fit in a map of {shape[1]} x {shape[2]}")
            return ValueType((shape[0], *size), source.format, source.exponent)
        case ops.Flatten():
            return ValueType((source.size,), source.format, source.exponent)


def _convolved(op: ops.Conv2d, shape: tuple[int, ...], refuse: object) -> tuple[int, int]:
    assert callable(refuse)
    if len(shape) != 3 or shape[0] != op.weight.shape[1] * op.groups:
        raise refuse(f"takes {op.weight.shape[1] * op.groups} channels, got a value of shape {shape}")
    if op.weight.shape[0] % op.groups:
        raise refuse(f"{op.weight.shape[0]} outputs do not divide into {op.groups} groups")
    height, width = (
        ops.convolved_size(shape[1 + a], op.weight.shape[2 + a], op.stride[a], op.padding[a], op.dilation[a])
        for a in (0, 1)
    )
    if min(height, width) < 1:
        raise refuse(f"kernel {op.weight.shape[2:]} does not fit in a map of {shape[1]} x {shape[2]}")
    return height, width
