"""One drawn network, executed in every way that the package has: all must give the same bits."""

from __future__ import annotations

import numpy as np
import torch

from bitwatt.program import Program, explain, ops, reference
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
    program, images = drawn.program, drawn.images
    expected = reference.logits(program, images.numpy())
    _same(drawn, "program", program(images).numpy(), expected, program)
    plain = reference.trace(program, images.numpy())
    for name, value in trace(program, images).items():
        _same(drawn, f"value '{name}'", value.numpy(), plain[name], program)
    saved = to_bytes(program)
    require(to_bytes(from_bytes(saved, "memory")) == saved, drawn, "its saved program comes back another one")
    if module_is_exact(program):
        with torch.no_grad():
            _same(drawn, "module", drawn.network(images).numpy(), expected, program)
    return program


def module_is_exact(program: Program) -> bool:
    """True where float32 holds every sum of the module that the program was made from."""
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


def _same(drawn: DrawnNetwork, what: str, got: np.ndarray, expected: np.ndarray, program: Program) -> None:
    got = got.reshape(expected.shape) if got.size == expected.size else got
    if got.shape != expected.shape or np.any(got.astype(object) != expected.astype(object)):
        raise ConformanceError(f"{what} differs from the reference. {drawn}\n{explain(program)}")
