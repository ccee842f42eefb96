"""What a network asks of a tile: its passes, and their shapes alone, whatever the precision."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod
from typing import Literal
from weakref import WeakKeyDictionary

from bitwatt.errors import UnsupportedError
from bitwatt.formats import Format
from bitwatt.hardware.holding import holds
from bitwatt.hardware.liveness import alive
from bitwatt.hardware.tile import Tile
from bitwatt.hardware.widest import LOGITS, is_mixed, widest
from bitwatt.program import ops
from bitwatt.program.program import Program

Kind = Literal["weighted", "pool"]


@dataclass(frozen=True)
class Pass:
    """One pass over the tile: what the datapath does, and what the output stage does with it.

    weighted: the convolution or fully connected layer; None in a pass that reads Bin alone. residual: the
    value that is added to its sums, or to what Bin has. requantize: how the sums become activations. relu,
    then clip: applied before pooling. pool: applied last.
    """

    name: str
    input: str
    output: str
    weighted: ops.Weighted | None = None
    residual: str | None = None
    requantize: ops.Requantize | None = None
    relu: bool = False
    clip: ops.Clip | None = None
    pool: ops.Pool | None = None

    @property
    def reads(self) -> tuple[str, ...]:
        """Names of the values that it reads."""
        return (self.input,) if self.residual is None else (self.input, self.residual)


@dataclass(frozen=True)
class LayerFormats:
    """The formats of a layer that has its own, whatever the tile's.

    weights: None without weights. reads: of what it reads. rounds: to which it rounds; None where it does
    not, or to logits. saturates: whether what it rounds may lie beyond that format's ends.
    """

    weights: Format | None
    reads: tuple[Format, ...]
    rounds: Format | None
    saturates: bool


@dataclass(frozen=True)
class LayerWork:
    """A pass as shapes.

    positions: places at which outputs are computed (1 if fully connected). groups: of channels. outputs:
    channels made, and reduction: products summed for each, both in one group. pooled_positions: places
    written out (fewer than positions where pooling is fused). window: elements in a pooling window, 1
    without pooling. average: it takes the mean. inputs, results: elements read, residuals too, and left, for
    one image. wide: the outputs are the logits and leave at the accumulator's width. residual: as many values
    as are computed are read besides and added. clip: results are kept within bounds of the layer's own.
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
    residual: bool = False
    clip: bool = False
    formats: LayerFormats | None = None
    held: int = 0

    @property
    def alive(self) -> int:
        """Activations in memory while it runs, for one image: what it reads, leaves, and what waits."""
        return self.inputs + self.results + self.held

    @property
    def weight_bits(self) -> int | None:
        """Width of its weights where they have a format of their own."""
        return None if self.formats is None or self.formats.weights is None else self.formats.weights.bits

    @property
    def macs(self) -> int:
        """Multiply-accumulate operations for one image."""
        return self.positions * self.groups * self.outputs * self.reduction if self.kind == "weighted" else 0


def split_passes(program: Program) -> tuple[Pass, ...]:
    """The passes of a program, in order.

    A layer takes along what its output stage can do, as long as nothing else reads what is in between: one
    addition of a residual, requantising, ReLU, a `Clip`, a pool. Pooling is fused into the layer before it
    where its windows do not overlap, are not padded and all lie inside the map: then each output is computed
    once, window by window. Otherwise it is a pass of its own. Quantising the images is done by whoever sends
    them, outside the tile; flattening, joining and padding are only a matter of the order in which values are
    read.

    Raises `UnsupportedError` for what the tile cannot do.
    """
    return _split(program, widest(program).activations)


def _split(program: Program, activations: Format) -> tuple[Pass, ...]:
    found: list[tuple[int, Pass]] = []
    place = {op.name: index for index, op in enumerate(program.ops)}
    taken: set[str] = set()
    for op in program.ops:
        if op.name in taken:
            continue
        match op:
            case ops.Quantize() | ops.Flatten() | ops.Concat() | ops.Pad():
                continue
            case ops.Requantize():
                raise UnsupportedError(f"operation '{op.name}' (Requantize) follows no layer of the tile")
            case ops.Table():
                raise UnsupportedError(
                    f"operation '{op.name}' (Table): the tile's output stages have no look-up table; they do "
                    "ReLU, Clip and pooling"
                )
        step = _first(op)
        while (longer := _with_next(program, step, activations)) is not None:
            step = longer
            taken.add(step.output)
        found.append((place[step.output], step))
    # A pass may wait for its residual, which is made after the layer's own place.
    steps = [step for _, step in sorted(found, key=lambda each: each[0])]
    for step in steps:
        _check_reads(program, step, activations)
    return tuple(steps)


def fitting(tile: Tile, program: Program) -> Tile:
    """The tile with the options that the program's operations need.

    Where its layers have precisions of their own, that is also the `widest` of them, and bounds where one of
    them rounds to less than the tile does. Raises as `split_passes`.
    """
    works = workload(program)
    if is_mixed(program):
        tile = replace(tile, precision=widest(program))
    return replace(
        tile,
        residual=any(work.residual for work in works),
        clip=any(work.clip or needs_bounds(work, tile) for work in works),
    )


def needs_bounds(work: LayerWork, tile: Tile) -> bool:
    """Whether a layer saturates earlier than the tile's format of activations does."""
    own = work.formats
    return own is not None and own.saturates and own.rounds not in (None, tile.precision.activations)


def _first(op: ops.Op) -> Pass:
    """The pass that begins with an operation."""
    match op:
        case ops.Conv2d() | ops.Linear():
            return Pass(op.name, op.input, op.name, weighted=op)
        case ops.Add():
            return Pass(op.name, op.input, op.name, residual=op.other)
        case ops.MaxPool2d() | ops.AvgPool2d():
            return Pass(op.name, op.input, op.name, pool=op)
        case ops.Relu():
            return Pass(op.name, op.input, op.name, relu=True)
        case ops.Clip():
            return Pass(op.name, op.input, op.name, clip=op)
    raise UnsupportedError(f"operation '{op.name}' ({type(op).__name__}): the tile cannot do it")


def _with_next(program: Program, step: Pass, activations: Format) -> Pass | None:
    """The pass with the operation that alone reads its result, where its output stage can do that too."""
    readers = [op for op in program.ops for name in op.inputs if name == step.output]
    if len(readers) != 1 or _is_wide(step, activations):
        return None
    # The output stage clips after ReLU and pools last; but for a maximum, the two may as well come after it.
    pools = step.pool is not None and not isinstance(step.pool, ops.MaxPool2d)
    match op := readers[0]:
        case ops.Add() if step.weighted and step.residual is None and step.output == op.input:
            # What was rounded or rectified already is added by another pass.
            if not (step.requantize or step.relu or step.clip or step.pool):
                return replace(step, output=op.name, residual=op.other)
        case ops.Requantize() if step.requantize is None:
            return replace(step, output=op.name, requantize=op)
        case ops.Relu() if not pools and step.clip is None:
            return replace(step, output=op.name, relu=True)
        case ops.Clip() if not pools and step.clip is None:
            return replace(step, output=op.name, clip=op)
        case ops.MaxPool2d() | ops.AvgPool2d() if (
            step.weighted and step.pool is None and _is_fusable(program, op)
        ):
            return replace(step, output=op.name, pool=op)
    return None


def _is_wide(step: Pass, activations: Format) -> bool:
    return step.requantize is not None and step.requantize.format == LOGITS != activations


def _check_reads(program: Program, step: Pass, activations: Format) -> None:
    for name in (step.input, step.residual):
        read = None if name is None else program.types[name].format
        if read is not None and not holds(activations, read):
            raise UnsupportedError(
                f"layer '{step.name}' reads '{name}', which is {read}; "
                f"the tile's activations are {activations}"
            )


def workload(program: Program) -> tuple[LayerWork, ...]:
    """The passes of a program as shapes. Raises as `split_passes`."""
    if program not in _WORKLOADS:
        _WORKLOADS[program] = _workload(program)
    return _WORKLOADS[program]


_WORKLOADS: WeakKeyDictionary[Program, tuple[LayerWork, ...]] = WeakKeyDictionary()
"""Of programs that are alive, which never change: costs on tile after tile ask for them."""


def _workload(program: Program) -> tuple[LayerWork, ...]:
    activations, mixed = widest(program).activations, is_mixed(program)
    steps = _split(program, activations)
    works = [_work(program, step, activations, mixed) for step in steps]
    elements = alive(program, [(step.reads, step.output) for step in steps])
    return tuple(
        replace(work, held=every - work.inputs - work.results)
        for work, every in zip(works, elements, strict=True)
    )


def _is_fusable(program: Program, pool: ops.Pool) -> bool:
    height, width = program.types[pool.input].shape[1:]
    made = program.types[pool.name].shape[1:]
    return (
        pool.kernel == pool.stride
        and pool.padding == (0, 0)
        and made[0] * pool.kernel[0] <= height
        and made[1] * pool.kernel[1] <= width
    )


def _formats(program: Program, step: Pass, wide: bool) -> LayerFormats:
    read = [program.types[name].format for name in (step.input, step.residual) if name is not None]
    made = program.types[step.output].format
    is_rounded = not wide and (step.requantize is not None or isinstance(step.pool, ops.AvgPool2d))
    return LayerFormats(
        weights=step.weighted.weight_format if step.weighted else None,
        reads=tuple(one for one in read if one is not None),
        rounds=made if is_rounded else None,
        saturates=step.requantize is not None and not wide,
    )


def _work(program: Program, step: Pass, activations: Format, mixed: bool) -> LayerWork:
    source, result = program.types[step.input], program.types[step.output]
    places = prod(result.shape[1:])
    window = prod(step.pool.kernel) if step.pool else 1
    weighted = step.weighted
    groups = weighted.groups if isinstance(weighted, ops.Conv2d) else 1
    wide = _is_wide(step, activations)
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
        inputs=source.size + (0 if step.residual is None else program.types[step.residual].size),
        results=result.size,
        weights=weighted.weight.size if weighted else 0,
        biases=0 if weighted is None or weighted.bias is None else weighted.bias.size,
        wide=wide,
        residual=step.residual is not None,
        clip=step.clip is not None,
        formats=_formats(program, step, wide) if mixed else None,
    )
