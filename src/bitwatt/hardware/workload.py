"""What a network asks of a tile: its passes, and their shapes alone, whatever the precision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Literal

from bitwatt.errors import UnsupportedError
from bitwatt.formats import Fixed, Format, parse_precision
from bitwatt.program import ops
from bitwatt.program.program import LOGIT_BITS, Program

Kind = Literal["weighted", "pool"]

LOGITS = Fixed(LOGIT_BITS)
"""The format in which logits leave the tile."""


@dataclass(frozen=True)
class Pass:
    """One pass over the tile: what the datapath does, and what the output stage does with it.

    weighted: the convolution or fully connected layer; None in a pooling pass, which reads Bin alone.
    requantize: how its sums become activations. relu: applied before pooling. pool: applied last.
    """

    name: str
    input: str
    output: str
    weighted: ops.Weighted | None = None
    requantize: ops.Requantize | None = None
    relu: bool = False
    pool: ops.Pool | None = None


@dataclass(frozen=True)
class LayerWork:
    """A pass as shapes.

    positions: places at which outputs are computed (1 if fully connected). groups: of channels. outputs:
    channels made, and reduction: products summed for each, both in one group. pooled_positions: places
    written out (fewer than positions where pooling is fused). window: elements in a pooling window, 1
    without pooling. average: it takes the mean. inputs, results: elements read and left for one image.
    wide: the outputs are the logits and leave at the accumulator's width.
    """

    name: str
    kind: Kind
    positions: int
    outputs: int
    reduction: int
    groups: int
    pooled_positions: int
    window: int
    average: bool
    inputs: int
    results: int
    weights: int
    biases: int
    wide: bool

    @property
    def macs(self) -> int:
        """Multiply-accumulate operations for one image."""
        return self.positions * self.groups * self.outputs * self.reduction if self.kind == "weighted" else 0


def split_passes(program: Program) -> tuple[Pass, ...]:
    """The passes of a program, in order.

    Pooling is fused into the layer before it where its windows do not overlap, are not padded and all lie
    inside the map: then each output is computed once, window by window. Otherwise it is a pass of its own.
    Quantising the images is done by whoever sends them, outside the tile; flattening is only a matter of
    the order in which they are read. A value that several operations read is never skipped by fusing.
    Raises `UnsupportedError` for what the tile cannot do.
    """
    activations = parse_precision(program.precision).activations
    found: list[Pass] = []
    remaining = list(program.ops)
    while remaining:
        op = remaining.pop(0)
        match op:
            case ops.Conv2d() | ops.Linear():
                found.append(_with_tail(program, Pass(op.name, op.input, op.name, weighted=op), remaining))
            case ops.MaxPool2d() | ops.AvgPool2d():
                # The output stage applies ReLU before pooling, which is the same for a maximum only.
                relu = isinstance(op, ops.MaxPool2d) and _is_relu_of(program, remaining, op.name)
                last = remaining.pop(0) if relu else op
                found.append(Pass(op.name, op.input, last.name, relu=relu, pool=op))
            case ops.Relu():
                found.append(Pass(op.name, op.input, op.name, relu=True))
            case ops.Quantize() | ops.Flatten():
                pass
            case ops.Requantize():
                raise UnsupportedError(f"operation '{op.name}' (Requantize) follows no layer of the tile")
    for step in found:
        _check_formats(program, step, activations)
    return tuple(found)


def _check_formats(program: Program, step: Pass, activations: Format) -> None:
    read = program.types[step.input].format
    if read != activations:
        raise UnsupportedError(
            f"layer '{step.name}' reads '{step.input}', which is {read}; "
            f"the tile's activations are {activations}"
        )
    if step.requantize is not None and step.requantize.format not in (activations, LOGITS):
        raise UnsupportedError(
            f"layer '{step.name}' leaves as {step.requantize.format}; "
            f"the tile's activations are {activations} and its logits {LOGITS}"
        )


def workload(program: Program) -> tuple[LayerWork, ...]:
    """The passes of a program as shapes. Raises as `split_passes`."""
    return tuple(_work(program, step) for step in split_passes(program))


def _with_tail(program: Program, step: Pass, remaining: list[ops.Op]) -> Pass:
    """The pass with what its output stage can do taken from the front of `remaining`."""
    requantize, relu, pool, output, wide = None, False, None, step.output, False
    while pool is None and not wide and _reads_alone(program, remaining, output):
        op = remaining[0]
        if isinstance(op, ops.Requantize):
            requantize = op
            wide = op.format == LOGITS != parse_precision(program.precision).activations
        elif isinstance(op, ops.Relu):
            relu = True
        elif isinstance(op, ops.MaxPool2d | ops.AvgPool2d) and _is_fusable(program, op):
            pool = op
        else:
            break
        output = op.name
        remaining.pop(0)
    if isinstance(pool, ops.MaxPool2d) and _is_relu_of(program, remaining, output):
        relu, output = True, remaining.pop(0).name
    return Pass(step.name, step.input, output, step.weighted, requantize, relu, pool)


def _reads_alone(program: Program, remaining: Sequence[ops.Op], value: str) -> bool:
    """True where the next operation is the one that reads the value."""
    readers = [op for op in program.ops if op.input == value]
    return bool(remaining) and readers == [remaining[0]]


def _is_relu_of(program: Program, remaining: Sequence[ops.Op], value: str) -> bool:
    return _reads_alone(program, remaining, value) and isinstance(remaining[0], ops.Relu)


def _is_fusable(program: Program, pool: ops.Pool) -> bool:
    height, width = program.types[pool.input].shape[1:]
    made = program.types[pool.name].shape[1:]
    return (
        pool.kernel == pool.stride
        and pool.padding == (0, 0)
        and made[0] * pool.kernel[0] <= height
        and made[1] * pool.kernel[1] <= width
    )


def _work(program: Program, step: Pass) -> LayerWork:
    source, result = program.types[step.input], program.types[step.output]
    activations = parse_precision(program.precision).activations
    places = prod(result.shape[1:])
    window = prod(step.pool.kernel) if step.pool else 1
    weighted = step.weighted
    groups = weighted.groups if isinstance(weighted, ops.Conv2d) else 1
    return LayerWork(
        name=step.name,
        kind="weighted" if weighted else "pool",
        positions=places * window if weighted else places,
        outputs=result.shape[0] // groups,
        reduction=prod(weighted.weight.shape[1:]) if weighted else window,
        groups=groups,
        pooled_positions=places,
        window=window,
        average=isinstance(step.pool, ops.AvgPool2d),
        inputs=source.size,
        results=result.size,
        weights=weighted.weight.size if weighted else 0,
        biases=0 if weighted is None or weighted.bias is None else weighted.bias.size,
        wide=step.requantize is not None and step.requantize.format != activations,
    )
