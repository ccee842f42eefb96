"""A program as the steps of a C program: operations that are one loop, and where their values lie.

A convolution, what is added to it and its rounding are one step, so that sums are never stored. Values are
laid into one static buffer of each type; two share a place where they are not needed at the same time.
"""

from __future__ import annotations

from dataclasses import dataclass

from bitwatt.export.c_text import BYTES, format_type
from bitwatt.program import ops
from bitwatt.program.program import Program


@dataclass(frozen=True, eq=False)
class Step:
    """One function: what it computes, in order, and the values that it reads."""

    index: int
    ops: tuple[ops.Op, ...]
    reads: tuple[str, ...]

    @property
    def made(self) -> str:
        """Name of the value that it makes."""
        return self.ops[-1].name


def steps_of(program: Program) -> tuple[Step, ...]:
    """The steps, without those that move nothing: where maps are (row, column, channel), `Flatten`."""
    made: list[Step] = []
    pending: dict[str, tuple[ops.Op, ...]] = {}
    for op in program.ops:
        if isinstance(op, ops.Flatten):
            continue
        group = (*pending.pop(op.inputs[0], ()), op)
        if program.types[op.name].is_accumulator:
            pending[op.name] = group
            continue
        inside = {member.name for member in group}
        reads = tuple(n for member in group for n in member.inputs if n not in inside)
        made.append(Step(len(made), group, reads))
    return tuple(made)


@dataclass(frozen=True)
class Place:
    """Elements of a buffer of a type, from `start` on."""

    ctype: str
    start: int
    size: int


@dataclass(frozen=True)
class Buffers:
    """Where each value lies, by name, and how long the buffer of each type is."""

    places: dict[str, Place]
    lengths: dict[str, int]

    @property
    def bytes(self) -> int:
        """Size of all buffers."""
        return sum(length * BYTES[ctype] for ctype, length in self.lengths.items())


def plan_buffers(program: Program, steps: tuple[Step, ...]) -> Buffers:
    """Values, the largest first, each at the first place that is free while it is needed."""
    owner = aliases(program)
    first: dict[str, int] = {}
    last: dict[str, int] = {}
    for step in steps:
        first.setdefault(owner.get(step.made, step.made), step.index)
        for name in (*step.reads, step.made):
            last[owner.get(name, name)] = step.index
    last[owner.get(program.output, program.output)] = len(steps)
    places: dict[str, Place] = {}
    for name in sorted(first, key=lambda n: (-program.types[n].size, first[n])):
        ctype, size = value_type(program, name), program.types[name].size
        taken = sorted(
            (place.start, place.start + place.size)
            for other, place in places.items()
            if place.ctype == ctype and first[other] <= last[name] and first[name] <= last[other]
        )
        start = 0
        for low, high in taken:
            if start + size <= low:
                break
            start = max(start, high)
        places[name] = Place(ctype, start, size)
    lengths: dict[str, int] = {}
    for place in places.values():
        lengths[place.ctype] = max(lengths.get(place.ctype, 0), place.start + place.size)
    return Buffers(places, lengths)


def aliases(program: Program) -> dict[str, str]:
    """The value in whose place another lies: flattened, or rewritten element by element.

    What the image becomes is never rewritten: it may be the caller's.
    """
    found: dict[str, str] = {}
    images = {op.name for op in program.ops if isinstance(op, ops.Quantize)}
    for op in program.ops:
        if isinstance(op, ops.Flatten):
            found[op.name] = found.get(op.input, op.input)
        elif isinstance(op, ops.Relu | ops.Clip):
            source = found.get(op.input, op.input)
            same = {name for name, other in found.items() if other == source} | {source}
            readers = [other for other in program.ops if same & set(other.inputs)]
            moves = [other for other in readers if isinstance(other, ops.Flatten)]
            if len(readers) - len(moves) == 1 and source not in images:
                found[op.name] = source
    return found


def value_type(program: Program, name: str) -> str:
    """The C type of a value."""
    format = program.types[name].format
    if format is None:
        raise TypeError(f"'{name}' has no format")
    return format_type(format)
