"""How large the integers of a program can get, proved from its weights and formats, operation by operation.

Let an output be the sum of w_i x_i and a bias b, with every x_i in [lo, hi]. Whatever subset of the terms has
been added, in whatever order, the sum lies in

    [sum of min(0, w_i lo, w_i hi) + min(0, b),  sum of max(0, w_i lo, w_i hi) + max(0, b)],

because a term that is missing counts 0. So arithmetic that is exact for every integer of that interval is
exact at every step of any order of addition, fused or not. (Not of algorithms that add other things than the
terms: Winograd's and Strassen's are excluded.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bitwatt.formats import Float32
from bitwatt.program import ops
from bitwatt.program.inference import spread
from bitwatt.program.joining import add_shifts
from bitwatt.program.program import Program
from bitwatt.program.rounding import nearest_integer


@dataclass(frozen=True)
class Range:
    """The integers from low to high, both included."""

    low: int
    high: int

    @property
    def magnitude(self) -> int:
        """Largest absolute value."""
        return max(abs(self.low), abs(self.high))

    @property
    def bits(self) -> int:
        """Width of the narrowest two's complement word that holds them all."""
        return max(_signed_bits(self.low), _signed_bits(self.high))

    def with_zero(self) -> Range:
        """The least range that holds these integers and zero."""
        return Range(min(self.low, 0), max(self.high, 0))


def _signed_bits(value: int) -> int:
    return (value if value >= 0 else ~value).bit_length() + 1


def hull(ranges: list[Range]) -> Range:
    """The least range that holds all of them."""
    return Range(min(r.low for r in ranges), max(r.high for r in ranges))


def partial_sums(weight: NDArray[np.generic], bias: NDArray[np.generic] | None, values: Range) -> list[Range]:
    """For each output, where every partial sum lies, the whole sum included; see the module's docstring.

    weight: (outputs, ...); values: where the inputs lie.
    """
    rows = weight.reshape(weight.shape[0], -1).astype(np.int64)
    positive = np.maximum(rows, 0).sum(axis=1).tolist()
    negative = np.minimum(rows, 0).sum(axis=1).tolist()
    biases = [0] * len(positive) if bias is None else bias.tolist()
    low, high = values.with_zero().low, values.with_zero().high
    return [
        Range(p * low + n * high + min(int(b), 0), p * high + n * low + max(int(b), 0))
        for p, n, b in zip(positive, negative, biases, strict=True)
    ]


def value_ranges(program: Program) -> dict[str, tuple[Range, ...]]:
    """Where the integers of each value lie: one range for all, or one for each channel of an accumulator.

    The images, which are no integers, are left out; a float32 program has none at all and gives {}.
    """
    found: dict[str, tuple[Range, ...]] = {}
    for op in program.ops:
        if isinstance(program.types[op.name].format, Float32):
            return {}
        found[op.name] = _range_after(op, [found.get(name, ()) for name in op.inputs], program)
    return found


def _range_after(op: ops.Op, sources: list[tuple[Range, ...]], program: Program) -> tuple[Range, ...]:
    source = sources[0]
    match op:
        case ops.Quantize():
            return (Range(op.format.smallest_integer, op.format.largest_integer),)
        case ops.Conv2d() | ops.Linear():
            return tuple(partial_sums(op.weight, op.bias, source[0]))
        case ops.Requantize():
            channels = program.types[op.name].shape[0]
            shifts = spread(op.shift, channels)
            ranges = source if len(source) == channels else source * channels
            return (
                hull(
                    [
                        Range(nearest_integer(r.low, s, op.format), nearest_integer(r.high, s, op.format))
                        for r, s in zip(ranges, shifts, strict=True)
                    ]
                ),
            )
        case ops.Relu():
            return (Range(max(source[0].low, 0), max(source[0].high, 0)),)
        case ops.AvgPool2d():
            return (source[0].with_zero(),)  # padding may be counted in
        case ops.MaxPool2d() | ops.Flatten():
            return source
        case ops.Add():
            return sums_with(
                source, sources[1][0], add_shifts(program.types[op.input], program.types[op.other])
            )
        case ops.Concat():
            return (hull([ranges[0] for ranges in sources]),)
        case ops.Clip():
            low, high = int(op.low), int(op.high)
            return (Range(min(max(source[0].low, low), high), max(min(source[0].high, high), low)),)
        case ops.Table():
            return (_entries(op, source[0], program),)
        case ops.Pad():
            return (source[0].with_zero(),)


Shifts = tuple[tuple[int, ...], tuple[int, ...]]
"""What `bitwatt.program.joining.add_shifts` gives."""


def sums_with(sums: tuple[Range, ...], residual: Range, shifts: Shifts) -> tuple[Range, ...]:
    """Where the sums of an `Add` lie, and every partial sum of them: without the residual too.

    sums: one range for all, or one for each channel; so is the result.
    """
    channels = max(len(sums), len(shifts[0]))
    mine = sums if len(sums) == channels else sums * channels
    lifts, others = (spread(shift, channels) for shift in shifts)
    residual = residual.with_zero()
    return tuple(
        Range((r.low << a) + (residual.low << b), (r.high << a) + (residual.high << b))
        for r, a, b in zip(mine, lifts, others, strict=True)
    )


def _entries(op: ops.Table, values: Range, program: Program) -> Range:
    """Of those that can be looked up."""
    format = program.types[op.input].format
    if format is None:
        raise TypeError(f"'{op.input}' has no format")
    codes = format.codes()
    integers = format.integers(codes)
    taken = op.table[codes[(integers >= values.low) & (integers <= values.high)]]
    return Range(int(taken.min()), int(taken.max()))


def accumulator_bits(program: Program) -> dict[str, int]:
    """Width of each accumulator in two's complement, so that no partial sum overflows.

    By the name of the layer or addition; {} for a float32 program.
    """
    ranges = value_ranges(program)
    return {
        op.name: hull(list(ranges[op.name])).bits
        for op in program.ops
        if isinstance(op, ops.Conv2d | ops.Linear | ops.Add) and op.name in ranges
    }


def largest_magnitude(ranges: tuple[Range, ...] | list[Range]) -> int:
    """Largest absolute value within any of them."""
    return max(r.magnitude for r in ranges)
