"""Numbers of a program as code words, and back."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bitwatt.formats import Float32, Format
from bitwatt.hardware.streams import Words


def to_codes(values: NDArray[np.generic], activations: Format) -> Words:
    """Code words of integers of a format's grid, or of float32 numbers."""
    if isinstance(activations, Float32):
        return np.asarray(values, dtype=np.float32).view(np.uint32).astype(np.int64)
    return activations.encode(np.ldexp(np.asarray(values, dtype=np.float64), activations.unit_exponent))


def from_codes(codes: Words, activations: Format) -> NDArray[np.generic]:
    """The integers, or float32 numbers, of code words."""
    if isinstance(activations, Float32):
        return codes.astype(np.uint32).view(np.float32)
    return activations.integers(codes)


def lowest(activations: Format) -> int:
    """Code word of what never wins a maximum: the least integer, or minus infinity."""
    least = -np.inf if isinstance(activations, Float32) else activations.smallest_integer
    return int(to_codes(np.array(least), activations))


def nothing(activations: Format) -> int:
    """Code word that leaves every sum as it is. In float32 that is -0, since -0 + 0 is +0."""
    return int(to_codes(np.array(-0.0), activations)) if isinstance(activations, Float32) else 0
