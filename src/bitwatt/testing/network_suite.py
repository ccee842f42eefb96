"""One drawn network, executed in every way that the package has: all must give the same bits."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bitwatt.program import Program, explain, ops, reference, reference_float32
from bitwatt.program.bounds import largest_magnitude, value_ranges
from bitwatt.program.carriers import LIMIT
from bitwatt.program.executor import trace
from bitwatt.program.file import from_bytes, to_bytes
from bitwatt.testing.conformance import ConformanceError, require
from bitwatt.testing.drawn_networks import DrawnNetwork


def check_network(drawn: DrawnNetwork) -> Program:
    """Compare module, program and reference of a drawn network, value by value; returns the program.

    The module is compared where float32 holds all its sums. Raises `ConformanceError` that names the network
    and what differed.
    """
    program, inputs = drawn.program, drawn.inputs
    check_logits(drawn)
    kind = reference_float32 if program.is_float else reference
    plain = dict(kind.trace(program, *(images.numpy() for images in inputs)))
    for name, value in trace(program, *inputs).items():
        _same(drawn, f"value '{name}'", value.numpy(), plain[name], program)
    saved = to_bytes(program)
    require(to_bytes(from_bytes(saved, "memory")) == saved, drawn, "its saved program comes back another one")
    return program


def check_logits(drawn: DrawnNetwork) -> NDArray[np.float64]:
    """Compare logits of module, program and reference; returns them, (count, outputs).

    Raises as `check_network` does.
    """
    program, inputs = drawn.program, drawn.inputs
    arrays = [images.numpy() for images in inputs]
    if program.is_float:
        plain = reference_float32.trace(program, *arrays)
        expected = plain[program.output].astype(np.float64)
        _nearly(drawn, expected)
    else:
        expected = reference.logits(program, *arrays)
    _same(drawn, "program", program(*inputs).numpy(), expected, program)
    if module_is_exact(program):
        with torch.no_grad():
            _same(drawn, "module", drawn.network(*inputs).numpy(), expected, program)
    return expected


def _nearly(drawn: DrawnNetwork, expected: NDArray[np.float64]) -> None:
    """float32: the module adds in another order, and comes near; the tolerance is many roundings' worth."""
    with torch.no_grad():
        made = drawn.network(*drawn.inputs).numpy().reshape(expected.shape)
    near = np.allclose(made, expected, rtol=0, atol=1e-4 * max(1.0, float(np.abs(expected).max())))
    require(near, drawn, "the float32 module is far from the program")


def module_is_exact(program: Program) -> bool:
    """True where float32 holds every sum of the module that an integer program was made from."""
    if program.is_float:
        return False
    ranges = value_ranges(program)
    for op in program.ops:
        if isinstance(op, ops.Conv2d | ops.Linear | ops.Add) and op.name in ranges:
            if largest_magnitude(ranges[op.name]) > LIMIT["float32"]:
                return False
        elif isinstance(op, ops.AvgPool2d):
            window = op.kernel[0] * op.kernel[1]
            if largest_magnitude(ranges[op.input]) * window >= LIMIT["float32"] // 2:
                return False
    return all(largest_magnitude(found) <= LIMIT["float32"] for found in ranges.values())


def _same(
    drawn: DrawnNetwork, what: str, got: NDArray[Any], expected: NDArray[Any], program: Program
) -> None:
    got = got.reshape(expected.shape) if got.size == expected.size else got
    if got.shape != expected.shape or np.any(got.astype(object) != expected.astype(object)):
        raise ConformanceError(f"{what} differs from the reference. {drawn}\n{explain(program)}")
