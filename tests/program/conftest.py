"""Small programs, for the tests of this folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch

from bitwatt.formats import Fixed, Format
from bitwatt.program import Program, ops

EIGHT, WIDE = Fixed(8), Fixed(32)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """These programs are too small for two threads, which would only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def linear_program() -> Callable[..., Program]:
    """Makes quantise, one fully connected layer, logits."""

    def make(
        weight: object,
        *,
        bias: object = None,
        weights: Format = EIGHT,
        activations: Format = EIGHT,
        logits: Format = WIDE,
        shift: tuple[int, ...] = (0,),
        exponent: int = 0,
        weight_exponent: tuple[int, ...] = (0,),
    ) -> Program:
        matrix = np.array(weight, dtype=np.int64)
        offsets = None if bias is None else np.array(bias, dtype=np.int64)
        return Program(
            "small",
            f"{weights}:{activations}",
            (matrix.shape[1],),
            (
                ops.Quantize("quantize", "input", activations, exponent),
                ops.Linear("fc", "quantize", matrix, offsets, weights, weight_exponent),
                ops.Requantize("logits", "fc", logits, shift),
            ),
        )

    return make
