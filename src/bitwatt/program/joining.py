"""Types of what adds, joins, clips, looks up and pads values."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

import numpy as np

from bitwatt.formats import EXHAUSTIBLE_BITS, Fixed, Float32, Format
from bitwatt.program import ops
from bitwatt.program.ops import Op
from bitwatt.program.values import ACTIVATION_SHIFTS, SUM_SHIFTS, ValueType, refusal, spread


def added(op: ops.Add, first: ValueType, second: ValueType) -> ValueType:
    """Sums: accumulators, or in a float32 program activations."""
    if second.is_accumulator:
        raise refusal(op, f"its second operand '{op.other}' must be activations, and is sums")
    if first.shape != second.shape:
        raise refusal(op, f"adds values of shapes {first.shape} and {second.shape}, which must be equal")
    is_float = isinstance(second.format, Float32)
    if is_float != isinstance(first.format, Float32):
        raise refusal(op, "adds float32 numbers and integers")
    if is_float:
        return second
    if len(second.exponent) != 1 or (not first.is_accumulator and len(first.exponent) != 1):
        raise refusal(op, "activations that are added must have one exponent")
    shifts = add_shifts(first, second)
    for name, found, allowed in zip(op.inputs, shifts, (SUM_SHIFTS, ACTIVATION_SHIFTS), strict=True):
        if max(found) not in allowed:
            raise refusal(op, f"'{name}' would be shifted left by {max(found)} bits, {allowed[-1]} at most")
    exponents = tuple(e - s for e, s in zip(spread(first.exponent, len(shifts[0])), shifts[0], strict=True))
    return ValueType(first.shape, None, exponents, is_accumulator=True)


def add_shifts(first: ValueType, second: ValueType) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """By how many bits each operand of an `Add` is shifted left; one entry, or one for each channel."""
    pairs = [(e, second.exponent[0]) for e in first.exponent]
    return tuple(e - min(e, o) for e, o in pairs), tuple(o - min(e, o) for e, o in pairs)


def concatenated(op: ops.Concat, sources: Sequence[ValueType]) -> ValueType:
    """One after the other along the channels."""
    first = sources[0]
    for name, source in zip(op.inputs, sources, strict=True):
        if source.shape[1:] != first.shape[1:] or len(source.shape) != len(first.shape):
            raise refusal(op, f"joins maps of shapes {first.shape} and {source.shape}")
        if (source.format, source.exponent) != (first.format, first.exponent) or len(source.exponent) != 1:
            raise refusal(
                op,
                f"joins values of one format and exponent; '{op.inputs[0]}' is {first.format} * "
                f"2**{first.exponent[0]}, '{name}' {source.format} * 2**{source.exponent[0]}",
            )
    channels = sum(source.shape[0] for source in sources)
    return ValueType((channels, *first.shape[1:]), first.format, first.exponent)


def clipped(op: ops.Clip, source: ValueType) -> ValueType:
    """The ends must be in order, and numbers of the format."""
    if not (isfinite(op.low) and isfinite(op.high) and op.low <= op.high):
        raise refusal(op, f"clips to {op.low} ... {op.high}; the ends must be finite and in order")
    for end in (op.low, op.high):
        if source.format is not None and not _on_grid(source.format, end):
            raise refusal(op, f"its end {end} is no number of {source.format}")
    return source


def _on_grid(format: Format, integer: float) -> bool:
    if isinstance(format, Float32):
        return float(np.float32(integer)) == integer
    if integer != int(integer):
        return False
    if isinstance(format, Fixed):
        return format.smallest_integer <= integer <= format.largest_integer
    unit = format.unit_exponent
    return bool(np.ldexp(format.quantize(np.ldexp(float(integer), unit)), -unit) == integer)


def looked_up(op: ops.Table, source: ValueType) -> ValueType:
    """Every entry must be an integer of the format made."""
    if source.format is None or source.format.bits > EXHAUSTIBLE_BITS:
        raise refusal(op, f"looks up formats of {EXHAUSTIBLE_BITS} bits or fewer, not {source.format}")
    if isinstance(op.format, Float32):
        raise refusal(op, "its format must be one of integers, got float32")
    words = 2**source.format.bits
    if op.table.shape != (words,) or op.table.dtype.kind not in "iu":
        raise refusal(
            op, f"its table must hold {words} integers, got {op.table.dtype} of shape {op.table.shape}"
        )
    entries = np.ldexp(op.table[source.format.codes()].astype(np.float64), op.format.unit_exponent)
    if np.any(op.format.quantize(entries) != entries):
        raise refusal(op, f"an entry of its table is no number of {op.format}")
    return ValueType(source.shape, op.format, (op.exponent,))


def padded(op: ops.Pad, source: ValueType) -> ValueType:
    """Maps with zeros around."""
    if len(source.shape) != 3:
        raise refusal(op, f"pads maps of (channels, height, width), got shape {source.shape}")
    if len(op.padding) != 4 or min(op.padding) < 0:
        raise refusal(op, f"padding must be four numbers of at least 0, got {op.padding}")
    left, right, top, bottom = op.padding
    channels, height, width = source.shape
    return ValueType((channels, height + top + bottom, width + left + right), source.format, source.exponent)


def read_on_grid(op: Op, types: Sequence[ValueType]) -> None:
    """Refuse sums or reals where activations are read."""
    for name, value in zip(op.inputs, types, strict=True):
        adds_sums = isinstance(op, ops.Add) and value.is_accumulator
        if value.format is None and not adds_sums:
            raise refusal(op, f"reads '{name}', which is not on the grid of a format")
