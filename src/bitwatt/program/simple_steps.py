"""Operations without weights as functions of tensors; integers held in floating point, as in `kernels`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from bitwatt.formats import Fixed, Format
from bitwatt.program import ops
from bitwatt.program.bounds import Range
from bitwatt.program.carriers import LIMIT
from bitwatt.program.combining import round_
from bitwatt.program.pooling import average_pool, max_pool
from bitwatt.program.program import Program
from bitwatt.quantization.input_stage import channels_last

Ranges = dict[str, tuple[Range, ...]]


def simple_step(op: ops.Op, program: Program, ranges: Ranges) -> Callable[..., Tensor]:
    """The function of the operation's operands; none of them is overwritten."""
    match op:
        case ops.Quantize():
            return _quantizer(op, ranges[op.name][0])
        case ops.Relu():
            return torch.relu
        case ops.MaxPool2d():
            return lambda x: max_pool(op, x)
        case ops.AvgPool2d():
            format, values = format_of(program, op.input), ranges[op.input][0]
            return lambda x: average_pool(op, x, format, values)
        case ops.Flatten():
            return flatten
        case ops.Concat():
            return lambda *parts: torch.cat(parts, dim=1)
        case ops.Clip():
            return lambda x: x.clamp(op.low, op.high)
        case ops.Table():
            return _look_up(op, format_of(program, op.input), storage(op.format, ranges[op.name][0]))
        case ops.Pad():
            return lambda x: functional.pad(x, op.padding)
        case _:
            raise TypeError(f"{type(op).__name__} is no step of its own")


def format_of(program: Program, value: str) -> Format:
    """The format of activations."""
    found = program.types[value].format
    if found is None:
        raise TypeError(f"'{value}' has no format")
    return found


def storage(format: Format, values: Range) -> torch.dtype:
    """What holds these integers of the format exactly."""
    # The integers of every other family have a significand of 11 bits at most.
    fits = not isinstance(format, Fixed) or values.magnitude <= LIMIT["float32"]
    return torch.float32 if fits else torch.float64


def clip_(rounded: Tensor, format: Format, relu: bool) -> Tensor:
    """Saturated, and ReLU where asked; overwrites."""
    return rounded.clamp_(0 if relu else format.smallest_integer, format.largest_integer)


def flatten(x: Tensor) -> Tensor:
    """(count, channels, height, width) to (count, height * width * channels): a view if channels are last."""
    return x.permute(0, 2, 3, 1).flatten(1) if x.dim() == 4 else x


def _quantizer(op: ops.Quantize, values: Range) -> Callable[[Tensor], Tensor]:
    dtype = storage(op.format, values)
    scale = 2.0**-op.exponent

    def run(images: Tensor) -> Tensor:
        wide = torch.promote_types(images.dtype, dtype)
        scaled = channels_last(torch.empty_like(images, dtype=wide))
        torch.mul(images, scale, out=scaled)
        return clip_(round_(scaled, op.format).to(dtype), op.format, relu=False)

    return run


def _look_up(op: ops.Table, format: Format, dtype: torch.dtype) -> Callable[[Tensor], Tensor]:
    codes = format.codes()
    integers, first = np.unique(format.integers(codes), return_index=True)  # of two codes the lesser
    entries = torch.from_numpy(op.table[codes[first]].astype(np.float64)).to(dtype)
    if isinstance(format, Fixed):
        lowest = format.smallest_integer
        return lambda x: entries[(x - lowest).to(torch.int64)]
    known = torch.from_numpy(integers).to(torch.float64)
    return lambda x: entries[torch.bucketize(x.to(torch.float64).contiguous(), known)]
