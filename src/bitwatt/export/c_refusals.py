"""What a program in C cannot hold."""

from __future__ import annotations

from collections.abc import Iterator

from bitwatt.export.refusal import objection
from bitwatt.export.uniform import ends, is_uniform
from bitwatt.program import ops
from bitwatt.program.bounds import Range, hull, value_ranges
from bitwatt.program.program import Program

WIDEST_SUM = 127
"""Bits of two words."""

WIDEST_GRID = 8
"""Bits of a format whose steps are not even and that is rounded to: its values are a table."""

LARGEST_TABLE = 2**16
REALS = range(-900, 901)
"""Exponents whose power of two is a double."""


def objections(program: Program) -> list[str]:
    """Every operation that has no form in C, and why."""
    inputs = list(program.input_shapes)
    found = [objection(op, "is a second reading of the image") for op in program.ops[len(inputs):]
             if isinstance(op, ops.Quantize)]  # fmt: skip
    found += [
        objection(op, f"stands where '{name}' is to be quantised: first, input after input")
        for op, name in zip(program.ops, inputs, strict=False)
        if not isinstance(op, ops.Quantize) or op.input != name
    ]
    ranges = {name: hull(list(values)) for name, values in value_ranges(program).items()}
    return found + [objection(op, why) for op in program.ops for why in _objections(op, program, ranges)]


def _objections(op: ops.Op, program: Program, ranges: dict[str, Range]) -> Iterator[str]:
    if op.name not in ranges:  # float32
        return
    format = program.types[op.name].format
    if (
        isinstance(op, ops.Quantize | ops.Requantize)
        and format is not None
        and not is_uniform(format)
        and format.bits > WIDEST_GRID
    ):
        yield f"rounds to {format}, a grid of uneven steps of more than {WIDEST_GRID} bits"
    if isinstance(op, ops.Quantize) and op.exponent not in REALS:
        yield f"exponent {op.exponent} is beyond double's"
    if ranges[op.name].bits > WIDEST_SUM:
        yield f"sums of {ranges[op.name].bits} bits, and two words hold {WIDEST_SUM}"
    if isinstance(op, ops.Conv2d | ops.Linear):
        product = ranges[op.input].magnitude * max(abs(int(op.weight.min())), abs(int(op.weight.max())))
        if product >= 2**63:
            yield f"products of {product.bit_length() + 1} bits, and int64_t holds 64"
    if isinstance(op, ops.Table):
        source = program.types[op.input].format
        if source is not None and ends(source)[1] - ends(source)[0] >= LARGEST_TABLE:
            yield f"a table over the integers of {source}, more than {LARGEST_TABLE}"
