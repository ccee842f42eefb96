"""Operands that blocks are measured with: code words of weights and activations, cycle by cycle."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bitwatt.errors import RequestError
from bitwatt.formats import Float32, Format, Precision
from bitwatt.formats.base import Codes, Values

ZERO_SHARE = 0.4
"""Share of zeros among synthetic activations: what ReLU leaves of a Gaussian with its mean a quarter of its
standard deviation above zero."""

_MEAN_FOR_ZERO_SHARE = 0.2533471031357997  # the Gaussian quantile of 1 - ZERO_SHARE


@dataclass(frozen=True, eq=False)
class Operands:
    """What one neuron is fed: code words of shape (cycles, synapses), row by row as the buffers give them.

    starts: whether a new sum begins in a cycle, (cycles,); None where sums have no beginning of their own.
    Raises `RequestError` where the two shapes differ or are not of two dimensions, or `starts` has another
    length.
    """

    weights: Codes = field(repr=False)
    activations: Codes = field(repr=False)
    description: str
    starts: NDArray[np.bool_] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.weights.ndim != 2 or self.weights.shape != self.activations.shape:
            raise RequestError(
                "operands: weights and activations must both have shape (cycles, synapses), "
                f"got {self.weights.shape} and {self.activations.shape}"
            )
        if self.starts is not None and self.starts.shape != self.weights.shape[:1]:
            raise RequestError(
                f"operands: starts must have shape ({len(self.weights)},), got {self.starts.shape}"
            )


def synthetic_operands(precision: Precision, synapses: int, cycles: int = 512, seed: int = 0) -> Operands:
    """Gaussian weights and rectified Gaussian activations, each at its power-of-two scale of least squares.

    The same arguments give the same operands. Raises `RequestError` for less than one synapse or 32 cycles.
    """
    if synapses < 1 or cycles < 32:
        raise RequestError(f"operands: needs 1 synapse and 32 cycles at least, got {synapses} and {cycles}")
    rng = np.random.default_rng(seed)
    weights = rng.standard_normal((cycles, synapses))
    activations = np.maximum(rng.standard_normal((cycles, synapses)) + _MEAN_FOR_ZERO_SHARE, 0)
    return Operands(
        at_best_scale(precision.weights, weights),
        at_best_scale(precision.activations, activations),
        f"synthetic, {cycles} cycles, seed {seed}: Gaussian weights, rectified Gaussian activations with "
        f"{ZERO_SHARE:.0%} zeros, power-of-two scales of least squared error",
    )


def at_best_scale(format_: Format, values: Values) -> Codes:
    """Code words of values * 2**-e, e being the exponent that leaves the least squared error.

    float32 needs no scale and keeps the values as they are.
    """
    if isinstance(format_, Float32):
        return format_.encode(values)
    # The best scale puts the largest value within a few binades of the format's largest.
    _, peak = np.frexp(np.max(np.abs(values)) / format_.largest)
    candidates = [int(peak) - down for down in range(8)]
    return format_.encode(
        np.ldexp(values, -min(candidates, key=lambda e: _squared_error(format_, values, e)))
    )


def _squared_error(format_: Format, values: Values, exponent: int) -> float:
    kept: NDArray[np.float64] = np.ldexp(format_.quantize(np.ldexp(values, -exponent)), exponent)
    return float(np.square(kept - values).sum())
