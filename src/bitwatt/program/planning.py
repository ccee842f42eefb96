"""From a program to the steps that compute it fast: which operations are fused, and in what arithmetic.

A layer with weights, its rounding, its ReLU and max pooling become one step. Rounding and ReLU are monotone,
so that the largest of a window may be taken before them, of fewer elements then; the shift of the rounding is
folded into the weights, exactly, as it is a power of two. Activations stay integers held in floating point.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from bitwatt.formats import Format
from bitwatt.program import ops
from bitwatt.program.adding import activations_adder
from bitwatt.program.bounds import value_ranges
from bitwatt.program.carriers import Carrier
from bitwatt.program.choosing import choose_carrier
from bitwatt.program.combining import round_
from bitwatt.program.inference import spread
from bitwatt.program.joining import add_shifts
from bitwatt.program.kernels import in_chunks, rounded_sums, scaled_sums
from bitwatt.program.pooling import max_pool
from bitwatt.program.program import Program
from bitwatt.program.residual import Residual
from bitwatt.program.simple_steps import Ranges, clip_, simple_step, storage


@dataclass(frozen=True, eq=False)
class Step:
    """Makes the value `name` from the values `inputs`."""

    name: str
    inputs: tuple[str, ...]
    run: Callable[..., Tensor]


@dataclass(frozen=True, eq=False)
class Plan:
    """Steps in order, and how each layer with weights is computed."""

    steps: tuple[Step, ...]
    carriers: dict[str, Carrier]


def make_plan(program: Program, *, fuse: bool = True) -> Plan:
    """How to execute an integer program; fuse=False makes every value that is no accumulator."""
    ranges = value_ranges(program)
    readers: dict[str, list[ops.Op]] = {}
    for op in program.ops:
        for name in op.inputs:
            readers.setdefault(name, []).append(op)
    steps: list[Step] = []
    carriers: dict[str, Carrier] = {}
    fused: set[str] = set()
    waiting: dict[str, ops.Weighted] = {}
    for op in program.ops:
        if op.name in fused:
            continue
        if isinstance(op, ops.Conv2d | ops.Linear) and isinstance(readers[op.name][0], ops.Add):
            waiting[op.name] = op  # for the residual, which may be made later
            continue
        if not isinstance(op, ops.Conv2d | ops.Linear | ops.Add):
            steps.append(Step(op.name, op.inputs, simple_step(op, program, ranges)))
            continue
        tail = _Tail.of(op, readers, fuse)
        layer = waiting.get(op.input, None if isinstance(op, ops.Add) else op)
        residual = _residual(program, op, ranges) if isinstance(op, ops.Add) else None
        if layer is not None:
            carriers[layer.name] = _carrier(program, layer, ranges, residual)
            inputs = layer.inputs if residual is None else (layer.input, op.inputs[1])
            size = program.types[layer.name].size
            run = _weighted_step(layer, tail, carriers[layer.name], ranges, size, residual)
        elif residual is not None:
            inputs, run = op.inputs, _adding_step(program, op.input, tail, ranges, residual)
        else:
            raise TypeError(f"'{op.name}' has neither weights nor a residual")
        steps.append(Step(tail.last, inputs, run))
        fused.update(tail.names)
    return Plan(tuple(steps), carriers)


@dataclass(frozen=True, eq=False)
class _Tail:
    """The `Requantize` that reads sums, and what else is computed in the same step."""

    requantize: ops.Requantize
    others: tuple[ops.Relu | ops.MaxPool2d, ...]

    @staticmethod
    def of(op: ops.Op, readers: dict[str, list[ops.Op]], fuse: bool) -> _Tail:
        requantize = readers[op.name][0]
        if not isinstance(requantize, ops.Requantize):
            raise TypeError(f"accumulator '{op.name}' is read by {type(requantize).__name__}")
        tail: list[ops.Relu | ops.MaxPool2d] = []
        last: ops.Op = requantize
        while fuse and len(following := readers.get(last.name, [])) == 1:
            last = following[0]
            if not isinstance(last, ops.Relu | ops.MaxPool2d):
                break
            tail.append(last)
        return _Tail(requantize, tuple(tail))

    @property
    def last(self) -> str:
        return self.others[-1].name if self.others else self.requantize.name

    @property
    def names(self) -> list[str]:
        return [self.requantize.name, *(op.name for op in self.others)]

    @property
    def format(self) -> Format:
        return self.requantize.format

    @property
    def relu(self) -> bool:
        return any(isinstance(op, ops.Relu) for op in self.others)

    def pooled(self, x: Tensor) -> Tensor:
        for op in self.others:
            if isinstance(op, ops.MaxPool2d):
                x = max_pool(op, x)
        return x


def _residual(program: Program, op: ops.Add, ranges: Ranges) -> Residual:
    shifts = add_shifts(program.types[op.input], program.types[op.other])
    return Residual(ranges[op.other][0], shifts)


def _carrier(program: Program, op: ops.Weighted, ranges: Ranges, residual: Residual | None) -> Carrier:
    made, taken = program.types[op.name], program.types[op.input]
    columns = made.shape[-1] if isinstance(op, ops.Conv2d) else 1
    positions = made.size // made.shape[0]
    return choose_carrier(op, ranges[op.input][0], positions, taken.size, residual, columns)


def _weighted_step(
    op: ops.Weighted, tail: _Tail, carrier: Carrier, ranges: Ranges, size: int, residual: Residual | None
) -> Callable[..., Tensor]:
    """size: sums made for one image."""
    format, relu, shift = tail.format, tail.relu, tail.requantize.shift
    dtype = storage(format, ranges[tail.requantize.name][0])
    if carrier.sum == "float32":
        sums = scaled_sums(op, carrier, shift, residual)

        def run(*operands: Tensor) -> Tensor:  # fewer elements are rounded if they are pooled first
            return clip_(round_(tail.pooled(sums(*operands)), format).to(dtype), format, relu)

    else:
        rounded = rounded_sums(op, carrier, shift, format, dtype, residual)

        def run(*operands: Tensor) -> Tensor:
            return clip_(tail.pooled(rounded(*operands)), format, relu)

    return in_chunks(run, size) if carrier.arithmetic == "float32" else run


def _adding_step(
    program: Program, first: str, tail: _Tail, ranges: Ranges, residual: Residual
) -> Callable[[Tensor, Tensor], Tensor]:
    """Two activations."""
    format, relu = tail.format, tail.relu
    dtype = storage(format, ranges[tail.requantize.name][0])
    shift = spread(tail.requantize.shift, program.types[first].shape[0])
    add = activations_adder(ranges[first][0], residual, shift, format)
    return lambda a, b: clip_(tail.pooled(add(a, b)).to(dtype), format, relu)
