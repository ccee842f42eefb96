"""The least precision of a tile that runs a program, be its layers of one precision or of their own."""

from __future__ import annotations

from dataclasses import dataclass

from bitwatt.formats import Fixed, Format, Precision, parse_precision
from bitwatt.hardware.holding import join
from bitwatt.program import ops
from bitwatt.program.program import LOGIT_BITS, Program

LOGITS = Fixed(LOGIT_BITS)
"""The format in which logits leave the tile."""


@dataclass(frozen=True)
class _Used:
    """The formats of a program: of its weights, of what is read as activations, of what layers round to."""

    weights: frozenset[Format]
    read: frozenset[Format]
    rounded: frozenset[Format]


def widest(program: Program) -> Precision:
    """The precision of the least tile that runs all layers: its own where they have one, else their join.

    Its weights hold the weights of every layer, its activations those of every value, and round as each layer
    does. Raises `UnsupportedError` where no format does.
    """
    default, used = parse_precision(program.precision), _used(program)
    if not _differs(used, default):
        return default
    weights = join(used.weights) if used.weights else default.weights
    return Precision(weights, join(used.read, used.rounded))


def is_mixed(program: Program) -> bool:
    """Whether its layers have other formats than the program's precision says."""
    return _differs(_used(program), parse_precision(program.precision))


def _differs(used: _Used, default: Precision) -> bool:
    return not (used.weights <= {default.weights} and used.read | used.rounded <= {default.activations})


def _used(program: Program) -> _Used:
    weighted = [op for op in program.ops if isinstance(op, ops.Conv2d | ops.Linear)]
    sources = [op.input for op in weighted] + [
        name for op in program.ops if isinstance(op, ops.Add) for name in op.inputs
    ]
    read = {program.types[name].format for name in sources}
    read |= {op.format for op in program.ops if isinstance(op, ops.Quantize)}
    made = {op.format for op in program.ops if isinstance(op, ops.Requantize)}
    return _Used(
        weights=frozenset(op.weight_format for op in weighted),
        read=frozenset(one for one in read if one is not None),
        # Logits leave at the accumulator's width, unless another layer reads what looks like them.
        rounded=frozenset(one for one in made if one != LOGITS or one in read),
    )
