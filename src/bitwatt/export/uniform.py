"""Which programs a graph of floats computes exactly: formats with even steps, sums within bounds."""

from __future__ import annotations

from collections.abc import Iterator

from bitwatt.export.float_parts import MOST_DIGITS, float_parts
from bitwatt.export.refusal import objection
from bitwatt.formats import Fixed, Format, Ternary
from bitwatt.program import ops
from bitwatt.program.bounds import Range, hull, value_ranges
from bitwatt.program.carriers import LIMIT
from bitwatt.program.program import Program

EXPONENTS = range(-90, 61)
"""Exponents of values: within them every integer of 32 bits times its power of two is normal in float32."""


def ends(format: Format) -> tuple[int, int]:
    """Least and largest integer."""
    return format.smallest_integer, format.largest_integer


def is_uniform(format: Format) -> bool:
    """Whether a format is every whole number between its ends, ties going to the even number."""
    return isinstance(format, Fixed | Ternary)


def objections(program: Program) -> list[str]:
    """Every operation that has no exact form, and why."""
    ranges = {name: hull(list(found)) for name, found in value_ranges(program).items()}
    return [objection(op, why) for op in program.ops for why in _objections(op, program, ranges)]


def _objections(op: ops.Op, program: Program, ranges: dict[str, Range]) -> Iterator[str]:
    made = program.types[op.name]
    if isinstance(op, ops.Quantize | ops.Requantize | ops.Table) and not is_uniform(op.format):
        yield f"rounds to {op.format}, whose steps are not even"
    is_new = isinstance(op, ops.Quantize | ops.Conv2d | ops.Linear | ops.Requantize | ops.Table)
    if is_new and any(exponent not in EXPONENTS for exponent in made.exponent):
        yield f"exponent {made.exponent}, and float32 holds {EXPONENTS.start} to {EXPONENTS.stop - 1}"
    values = ranges.get(op.inputs[0])
    if values is None:
        return
    if isinstance(op, ops.Conv2d | ops.Linear):
        if values.magnitude > LIMIT["float32"]:
            yield f"reads integers of {values.bits} bits, and float32 holds 25"
        elif float_parts(op, values) is None:
            sums = ranges[op.name]
            yield (
                f"sums of {sums.bits} bits, which {MOST_DIGITS} digits of weights and of inputs in float32, "
                "added in float64, do not make exactly"
            )
    if isinstance(op, ops.Add) and ranges[op.name].magnitude > LIMIT["float64"]:
        yield f"sums of {ranges[op.name].bits} bits, and float64 holds 54"
    if isinstance(op, ops.AvgPool2d) and values.magnitude * op.kernel[0] * op.kernel[1] > LIMIT["float32"]:
        yield f"sums of windows of {values.bits}-bit integers, more than float32 adds exactly"
