"""Numbers for random programs: integers of a format, and float32 numbers, often the extreme ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from bitwatt.formats import Format

Draw = Callable[[st.SearchStrategy[Any]], Any]
"""What hypothesis gives to a composite strategy."""


def grid_integers(draw: Draw, format: Format, shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Integers of the format: any, sparse, near the ends, or all at one end."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    low, high = format.smallest_integer, format.largest_integer
    match draw(st.sampled_from(("any", "gaussian", "sparse", "ends", "least", "most"))):
        case "least":
            return np.full(shape, low, dtype=np.int64)
        case "most":
            return np.full(shape, high, dtype=np.int64)
        case "ends":
            return random.choice(np.array([low, high], dtype=np.int64), shape)
        case "gaussian":
            reals = random.normal(0, max(high / 3, 1), shape)
        case "sparse":
            reals = random.uniform(low, high, shape) * (random.random(shape) < 0.2)
        case _:
            reals = random.uniform(low, high, shape)
    unit = format.unit_exponent
    return np.ldexp(format.quantize(np.ldexp(reals, unit)), -unit).astype(np.int64)


def float_numbers(draw: Draw, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """float32 numbers: ordinary, of every size, near the subnormal, or often zeros of both signs."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    numbers = random.normal(size=shape)
    match draw(st.sampled_from(("ordinary", "ordinary", "every size", "tiny", "zeros"))):
        case "every size":
            numbers = numbers * 2.0 ** random.integers(-70, 30, shape)
        case "tiny":
            numbers = numbers * 2.0 ** random.integers(-130, -50, shape)
        case "zeros":
            numbers = np.copysign(numbers * (random.random(shape) < 0.3), random.normal(size=shape))
    with np.errstate(under="ignore"):
        return numbers.astype(np.float32)
