"""Liveness against a count of single elements, each with a number, that walks the network pass by pass."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

import bitwatt as bw
from bitwatt.hardware.liveness import alive
from bitwatt.hardware.workload import Pass, split_passes, workload
from bitwatt.program import Program, ops, reference
from bitwatt.testing.drawn_networks import KINDS, draw_network

Numbers = NDArray[np.int64]


def numbered(program: Program, steps: tuple[Pass, ...]) -> dict[str, Numbers]:
    """Every stored value with numbers of its own, and what is made of them by order alone; padding is 0."""
    fresh = count(1)
    stored = {step.output for step in steps}
    values: dict[str, Numbers] = {}
    for op in program.ops:
        match op:
            case ops.Flatten():
                values[op.name] = reference.flatten(values[op.input])
            case ops.Concat():
                values[op.name] = np.concatenate([values[name] for name in op.inputs], axis=1)
            case ops.Pad():
                values[op.name] = reference.pad(op, values[op.input])
            case _ if op.name in stored or isinstance(op, ops.Quantize):
                shape = program.types[op.name].shape
                made = np.fromiter(fresh, np.int64, count=int(np.prod(shape)))
                values[op.name] = made.reshape(1, *shape)
    return values


def counted(program: Program) -> Iterator[int]:
    """Numbers that were made, or are there from the start, and are still to be read; and zeros read."""
    steps = split_passes(program)
    values = numbered(program, steps)
    images = [set(values[op.name].flat) for op in program.ops if isinstance(op, ops.Quantize)]
    there: set[int] = set().union(*images)
    for place, step in enumerate(steps):
        there |= set(values[step.output].flat)
        later = [name for each in steps[place:] for name in each.reads] + [step.output, program.output]
        wanted: set[int] = set().union(*(values[name].flat for name in later))
        zeros = sum(int((values[name] == 0).sum()) for name in set(step.reads))
        yield len((there & wanted) - {0}) + zeros


@pytest.mark.parametrize("first", (0, 40))
def test_as_many_as_are_counted_one_by_one(first: int) -> None:
    waiting = 0
    for seed in range(first, first + 40):
        program = draw_network(seed, kinds=KINDS - {"table", "mixed"}).program
        works = workload(program)
        assert [work.alive for work in works] == list(counted(program)), seed
        waiting += any(work.held > 0 for work in works)
    assert waiting >= 3


class Shortcut(nn.Module):
    """4 x 8 x 8 images: two convolutions, and the image added to what they make."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(4, 16, 3, padding=1)
        self.second = nn.Conv2d(16, 4, 3, padding=1)
        self.last = nn.Linear(4 * 64, 2)

    def forward(self, x: Tensor) -> Tensor:
        made = self.second(torch.relu(self.first(x)))
        return self.last(torch.flatten(torch.relu(made + x), 1))


def test_a_shortcut_waits() -> None:
    torch.manual_seed(0)
    images = torch.randn(4, 4, 8, 8)
    program = bw.lower(bw.quantize(Shortcut(), "fixed8", calibration=images), images[:1])
    image, wide = 4 * 64, 16 * 64
    assert [work.alive for work in workload(program)] == [image + wide, wide + 2 * image, image + 2]


def test_of_a_chain_it_is_what_a_pass_reads_and_leaves() -> None:
    for seed in range(30):
        program = draw_network(seed, kinds=KINDS - {"table", "mixed", "add", "concat"}).program
        assert all(work.held == 0 for work in workload(program)), seed


def test_what_is_read_twice_is_there_once() -> None:
    grid = bw.formats.parse_format("fixed8")
    program = Program(
        "twice", "fixed8", (3, 2, 2),
        (
            ops.Quantize("quantize", "input", grid, 0),
            ops.Add("add", "quantize", "quantize"),
            ops.Requantize("round", "add", grid, (1,)),
        ),
    )  # fmt: skip
    (step,) = split_passes(program)
    assert alive(program, [(step.reads, step.output)]) == (24,)
