"""Random integer programs whose values meet, where `program_suite` draws chains.

Exponents of what is added differ by as much as a program allows, so that sums reach from a few bits to more
than float64 holds. Needs hypothesis (the extra `dev`).
"""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from bitwatt.errors import RequestError
from bitwatt.formats import EXHAUSTIBLE_BITS, Format
from bitwatt.program import ops
from bitwatt.program.inference import INPUT, SHIFTS, ValueType, extend_types
from bitwatt.program.program import Program
from bitwatt.testing import program_suite as chains
from bitwatt.testing.program_numbers import Draw, grid_integers


def graph_programs() -> st.SearchStrategy[Program]:
    """Programs of a few layers whose values meet, on the grids of a random pair of formats."""
    return st.composite(_graph_program)()


def _graph_program(draw: Draw) -> Program:
    activations = draw(st.sampled_from(chains.ACTIVATIONS))
    shape = chains._input_shape(draw)
    first = ops.Quantize("quantized", INPUT, activations, draw(st.integers(-8, 3)))
    graph = _Graph(chains._Chain(draw, shape, [first]), activations)
    for number in range(draw(st.integers(1, 4))):
        graph.step(number)
    return Program("random", f"fixed8:{activations}", shape, tuple(graph.chain.made))


class _Graph:
    """A program while it is drawn. known: the types of all values so far."""

    def __init__(self, chain: chains._Chain, activations: Format) -> None:
        self.chain, self.draw, self.activations = chain, chain.draw, activations
        self.known = extend_types({INPUT: ValueType(chain.shape, None, (0,))}, chain.made)

    def step(self, number: int) -> None:
        kinds = ["layer", "layer", "add", "concat", "clip", "relu"]
        if len(self.chain.shape) == 3:
            kinds.append("pad")
        if self.activations.bits <= EXHAUSTIBLE_BITS:
            kinds.append("table")
        kind = self.draw(st.sampled_from(kinds))
        name, source = f"{kind}{number}", self.chain.last
        match kind:
            case "layer":
                weighted = chains._weighted(
                    self.chain, name, self.draw(st.sampled_from(chains.WEIGHTS)), self.activations
                )
                self.note()
                self.round(name, self.added(f"{name}_add", weighted.name))
                return
            case "add":
                self.round(name, self.added(f"{name}_add", source))
                return
            case "concat":
                self.chain.made.append(ops.Concat(name, (source, *[source] * self.chain.pick(0, 2))))
            case "clip":
                ends = sorted(grid_integers(self.draw, self.activations, (2,)).tolist())
                self.chain.made.append(ops.Clip(name, source, *ends))
            case "table":
                table = np.zeros(2**self.activations.bits, dtype=np.int64)
                codes = self.activations.codes()
                table[codes] = grid_integers(self.draw, self.activations, codes.shape)
                self.chain.made.append(
                    ops.Table(name, source, table, self.activations, self.chain.pick(-8, 8))
                )
            case "pad":
                left, right, top, bottom = (self.chain.pick(0, 2) for _ in range(4))
                self.chain.made.append(ops.Pad(name, source, (left, right, top, bottom)))
            case _:
                self.chain.made.append(ops.Relu(name, source))
        self.note()

    def added(self, name: str, source: str) -> str:
        """An `Add` of the value and an earlier one where one fits; returns its name, or `source`."""
        shape = self.known[source].shape
        fitting = [
            other
            for other, value in self.known.items()
            if value.format is not None and value.shape == shape and len(value.exponent) == 1
        ]
        if not fitting or not (self.known[source].format is not None or self.draw(st.booleans())):
            return source
        op = ops.Add(name, source, self.draw(st.sampled_from(fitting)))
        try:
            self.known = extend_types(self.known, [op])
        except RequestError:  # the exponents are too far apart
            return source
        self.chain.made.append(op)
        return name

    def round(self, name: str, sums: str) -> None:
        value = self.known[sums]
        if not value.is_accumulator:
            return
        near = st.integers(-4, 24)
        shift = self.draw(st.one_of(near, near, st.integers(SHIFTS.start, SHIFTS.stop - 1)))
        lowest = min(value.exponent)
        shifts = tuple(min(max(shift + lowest - e, SHIFTS.start), SHIFTS.stop - 1) for e in value.exponent)
        self.chain.made.append(ops.Requantize(f"{name}_round", sums, self.activations, shifts))
        self.note()

    def note(self) -> None:
        """Add the types of the operations that are new."""
        self.known = extend_types(self.known, [op for op in self.chain.made if op.name not in self.known])
        self.chain.shape = self.known[self.chain.last].shape
