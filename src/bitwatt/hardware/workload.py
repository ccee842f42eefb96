"""What a network asks of a tile: its layers as shapes alone, whatever the precision."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from bitwatt.errors import UnsupportedError
from bitwatt.program import ops
from bitwatt.program.program import Program


@dataclass(frozen=True)
class LayerWork:
    """One pass over the tile.

    kind "weighted": a convolution or fully connected layer, with the activation and the pooling that the
    output stage does on the way; "pool": a pooling pass of its own.

    positions: places at which outputs are computed (1 if fully connected). groups: of channels. outputs:
    channels made, and reduction: products summed for each, both in one group. pooled_positions: places
    written out (fewer than positions where pooling is fused). window: elements in a pooling window, 1
    without pooling. inputs, results: elements read and left for one image. wide: the outputs are the
    logits and leave at the accumulator's width.
    """

    name: str
    kind: str
    positions: int
    outputs: int
    reduction: int
    groups: int
    pooled_positions: int
    window: int
    inputs: int
    results: int
    weights: int
    biases: int
    wide: bool

    @property
    def macs(self) -> int:
        """Multiply-accumulate operations for one image."""
        return self.positions * self.groups * self.outputs * self.reduction if self.kind == "weighted" else 0


def workload(program: Program) -> tuple[LayerWork, ...]:
    """The passes of a program, in order.

    Pooling is fused into the layer before it where its windows do not overlap, are not padded and all lie
    inside the map: then each output is computed once, window by window. Otherwise it is a pass of its own.

    Quantising the images is done by whoever sends them, outside the tile.
    """
    works: list[LayerWork] = []
    remaining = list(program.ops)
    while remaining:
        op = remaining.pop(0)
        match op:
            case ops.Conv2d() | ops.Linear():
                tail = _take_tail(program, op, remaining)
                works.append(_weighted(program, op, tail))
            case ops.MaxPool2d() | ops.AvgPool2d():
                works.append(_pool(program, op))
            case ops.Quantize() | ops.Flatten():
                pass
            case ops.Relu() if works:
                pass  # the output stage of the pass before applies it
            case _:
                raise UnsupportedError(f"operation '{op.name}' ({type(op).__name__}) has no place on the tile")
    return tuple(works)


def _take_tail(program: Program, op: ops.Weighted, remaining: list[ops.Op]) -> list[ops.Op]:
    """Move from `remaining` what the output stage does on the layer's outputs on the way to Bout."""
    tail: list[ops.Op] = []
    value = op.name
    while remaining and remaining[0].input == value:
        following = remaining[0]
        if isinstance(following, ops.MaxPool2d | ops.AvgPool2d) and not _is_fusable(program, following):
            break
        if not isinstance(following, ops.Requantize | ops.Relu | ops.MaxPool2d | ops.AvgPool2d):
            break
        tail.append(remaining.pop(0))
        value = following.name
        if isinstance(following, ops.MaxPool2d | ops.AvgPool2d):
            break
    return tail


def _is_fusable(program: Program, pool: ops.Pool) -> bool:
    height, width = program.types[pool.input].shape[1:]
    made = program.types[pool.name].shape[1:]
    return (
        pool.kernel == pool.stride
        and pool.padding == (0, 0)
        and made[0] * pool.kernel[0] <= height
        and made[1] * pool.kernel[1] <= width
    )


def _weighted(program: Program, op: ops.Weighted, tail: list[ops.Op]) -> LayerWork:
    made = program.types[op.name].shape
    last = tail[-1] if tail else op
    result = program.types[last.name]
    pooled = prod(result.shape[1:])
    window = prod(last.kernel) if isinstance(last, ops.MaxPool2d | ops.AvgPool2d) else 1
    groups = op.groups if isinstance(op, ops.Conv2d) else 1
    return LayerWork(
        name=op.name,
        kind="weighted",
        positions=pooled * window,
        outputs=made[0] // groups,
        reduction=prod(op.weight.shape[1:]),
        groups=groups,
        pooled_positions=pooled,
        window=window,
        inputs=program.types[op.input].size,
        results=result.size,
        weights=op.weight.size,
        biases=0 if op.bias is None else op.bias.size,
        wide=last.name == program.output,
    )


def _pool(program: Program, op: ops.Pool) -> LayerWork:
    source, result = program.types[op.input], program.types[op.name]
    positions = prod(result.shape[1:])
    return LayerWork(
        name=op.name,
        kind="pool",
        positions=positions,
        outputs=result.shape[0],
        reduction=prod(op.kernel),
        groups=1,
        pooled_positions=positions,
        window=prod(op.kernel),
        inputs=source.size,
        results=result.size,
        weights=0,
        biases=0,
        wide=False,
    )
