"""From a program to the steps that compute it fast: which operations are fused, and in what arithmetic.

A layer with weights, its rounding, its ReLU and max pooling become one step. Rounding and ReLU are monotone,
so that the largest of a window may be taken before them, of fewer elements then; the shift of the rounding is
folded into the weights, exactly, as it is a power of two. Activations stay integers held in floating point.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from bitwatt.formats import Fixed, Format
from bitwatt.program import ops
from bitwatt.program.bounds import Range, value_ranges
from bitwatt.program.carriers import LIMIT, Carrier
from bitwatt.program.choosing import choose_carrier
from bitwatt.program.combining import round_
from bitwatt.program.kernels import in_chunks, rounded_sums, scaled_sums
from bitwatt.program.pooling import average_pool, max_pool
from bitwatt.program.program import Program
from bitwatt.quantization.input_stage import channels_last


@dataclass(frozen=True, eq=False)
class Step:
    """Makes the value `name` from the value `input`."""

    name: str
    input: str
    run: Callable[[Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class Plan:
    """Steps in order, and how each layer with weights is computed."""

    steps: tuple[Step, ...]
    carriers: dict[str, Carrier]


def make_plan(program: Program, *, fuse: bool = True) -> Plan:
    """How to execute an integer program; fuse=False makes every value that is no accumulator."""
    ranges = value_ranges(program)
    readers: dict[str, list[ops.Op]] = {}
    for op in program.ops:
        readers.setdefault(op.input, []).append(op)
    steps: list[Step] = []
    carriers: dict[str, Carrier] = {}
    fused: set[str] = set()
    for op in program.ops:
        if op.name in fused:
            continue
        if isinstance(op, ops.Conv2d | ops.Linear):
            tail = _tail(op, readers, fuse)
            carriers[op.name] = _carrier(program, op, ranges)
            steps.append(_weighted_step(op, tail, carriers[op.name], ranges, program.types[op.name].size))
            fused.update(follower.name for follower in tail)
        else:
            steps.append(Step(op.name, op.input, _simple(op, program, ranges)))
    return Plan(tuple(steps), carriers)


def _tail(op: ops.Weighted, readers: dict[str, list[ops.Op]], fuse: bool) -> list[ops.Op]:
    """The layer's `Requantize`, and what else is computed in the same step."""
    tail = [readers[op.name][0]]
    while fuse and len(following := readers.get(tail[-1].name, [])) == 1:
        if not isinstance(following[0], ops.Relu | ops.MaxPool2d):
            break
        tail.append(following[0])
    return tail


def _carrier(program: Program, op: ops.Weighted, ranges: dict[str, tuple[Range, ...]]) -> Carrier:
    made, taken = program.types[op.name], program.types[op.input]
    return choose_carrier(op, ranges[op.input][0], made.size // made.shape[0], taken.size)


def _weighted_step(
    op: ops.Weighted, tail: list[ops.Op], carrier: Carrier, ranges: dict[str, tuple[Range, ...]], size: int
) -> Step:
    """size: sums made for one image."""
    requantize, *others = tail
    if not isinstance(requantize, ops.Requantize):
        raise TypeError(f"an accumulator is read by {type(requantize).__name__}")
    pools = [other for other in others if isinstance(other, ops.MaxPool2d)]
    relu = any(isinstance(other, ops.Relu) for other in others)
    format, dtype = requantize.format, storage(requantize.format, ranges[requantize.name][0])

    def pooled(x: Tensor) -> Tensor:
        for pool in pools:
            x = max_pool(pool, x)
        return x

    if carrier.sum == "float32":
        sums = scaled_sums(op, carrier, requantize.shift)

        def run(x: Tensor) -> Tensor:  # fewer elements are rounded if they are pooled first
            return clip_(round_(pooled(sums(x)), format).to(dtype), format, relu)

    else:
        rounded = rounded_sums(op, carrier, requantize.shift, format, dtype)

        def run(x: Tensor) -> Tensor:
            return clip_(pooled(rounded(x)), format, relu)

    return Step(tail[-1].name, op.input, in_chunks(run, size) if carrier.arithmetic == "float32" else run)


def storage(format: Format, values: Range) -> torch.dtype:
    """What holds these integers of the format exactly."""
    # The integers of every other family have a significand of 11 bits at most.
    fits = not isinstance(format, Fixed) or values.magnitude <= LIMIT["float32"]
    return torch.float32 if fits else torch.float64


def clip_(rounded: Tensor, format: Format, relu: bool) -> Tensor:
    """Saturated, and ReLU where asked; overwrites."""
    return rounded.clamp_(0 if relu else format.smallest_integer, format.largest_integer)


def _simple(op: ops.Op, program: Program, ranges: dict[str, tuple[Range, ...]]) -> Callable[[Tensor], Tensor]:
    match op:
        case ops.Quantize():
            return _quantizer(op, ranges[op.name][0])
        case ops.Relu():
            return torch.relu
        case ops.MaxPool2d():
            return lambda x: max_pool(op, x)
        case ops.AvgPool2d():
            format, values = program.types[op.input].format, ranges[op.input][0]
            if format is None:
                raise TypeError(f"'{op.input}' has no format")
            return lambda x: average_pool(op, x, format, values)
        case ops.Flatten():
            return flatten
        case _:
            raise TypeError(f"{type(op).__name__} is no step of its own")


def _quantizer(op: ops.Quantize, values: Range) -> Callable[[Tensor], Tensor]:
    dtype = storage(op.format, values)
    scale = 2.0**-op.exponent

    def run(images: Tensor) -> Tensor:
        wide = torch.promote_types(images.dtype, dtype)
        scaled = channels_last(torch.empty_like(images, dtype=wide))
        torch.mul(images, scale, out=scaled)
        return clip_(round_(scaled, op.format).to(dtype), op.format, relu=False)

    return run


def flatten(x: Tensor) -> Tensor:
    """(count, channels, height, width) to (count, height * width * channels): a view if channels are last."""
    return x.permute(0, 2, 3, 1).flatten(1) if x.dim() == 4 else x
