"""Which values of a program are alive while a pass runs, and how many elements they are."""

from __future__ import annotations

from collections.abc import Sequence

from bitwatt.program import ops
from bitwatt.program.program import Program

Stores = dict[str, int]
"""What is stored, by the name of the value that it was stored as, and its elements for one image."""


def alive(program: Program, steps: Sequence[tuple[tuple[str, ...], str]]) -> tuple[int, ...]:
    """Elements alive during each step, for one image.

    steps: the values that a step reads, and the one it leaves; together they make every value that is stored.
    A value is alive from the step that leaves it to the last one that reads it, both included; images are
    there from the first step on, and the last value to the end. Flattening, joining and padding store
    nothing: who reads their value reads what it is made of, and the zeros, which count where they are read.
    """
    parts = _parts(program, {left for _, left in steps})
    zeros = _zeros(program)
    born = {name: 0 for name in parts}
    born |= {left: place for place, (_, left) in enumerate(steps)}
    last = dict(born)
    for place, (read, _) in enumerate(steps):
        for name in read:
            last |= dict.fromkeys(parts[name], place)
    last |= dict.fromkeys(parts[program.output], len(steps) - 1)
    sizes = {name: size for stores in parts.values() for name, size in stores.items()}
    return tuple(
        sum(size for name, size in sizes.items() if born[name] <= place <= last[name])
        + sum(zeros.get(name, 0) for name in dict.fromkeys(read))
        for place, (read, _) in enumerate(steps)
    )


def _parts(program: Program, left: set[str]) -> dict[str, Stores]:
    """What each value that a step can read is made of."""
    found: dict[str, Stores] = {}
    for op in program.ops:
        match op:
            case ops.Flatten() | ops.Concat() | ops.Pad():
                found[op.name] = {k: size for name in op.inputs for k, size in found[name].items()}
            case _ if isinstance(op, ops.Quantize) or op.name in left:
                found[op.name] = {op.name: program.types[op.name].size}
    return found


def _zeros(program: Program) -> dict[str, int]:
    """Zeros of padding in each value, where there are any; of the values joined in one, too."""
    types = program.types
    found: dict[str, int] = {}
    for op in program.ops:
        match op:
            case ops.Flatten() | ops.Concat():
                found[op.name] = sum(found.get(name, 0) for name in op.inputs)
            case ops.Pad():
                added = types[op.name].size - types[op.input].size
                found[op.name] = found.get(op.input, 0) + added
    return found
