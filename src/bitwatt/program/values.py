"""What a program's values are: shape, format and radix point; and the bounds on what operations may hold."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from bitwatt.errors import RequestError
from bitwatt.formats import Format
from bitwatt.program.ops import Op

INPUT = "input"
"""Name of the value that holds the images; `input_names` has those of further inputs."""


def input_names(count: int) -> tuple[str, ...]:
    """Names of the values that hold the images of each input: "input", "input#2", ..."""
    return (INPUT, *(f"{INPUT}#{place}" for place in range(2, count + 1)))


LARGEST_BIAS = 2**62
"""Largest magnitude of a bias: with room for a sum of products beside it in int64."""

SHIFTS = range(-64, 101)
"""Shifts that a `Requantize` may have: within them no power of two leaves float32."""

SUM_SHIFTS = range(0, 41)
"""Shifts to the left that an `Add` may need for its first operand; see `ACTIVATION_SHIFTS`."""

ACTIVATION_SHIFTS = range(0, 65)
"""Shifts to the left that an `Add` may need for its second: within both, 120 bits hold every sum."""


@dataclass(frozen=True)
class ValueType:
    """What a value is: its shape for one image, format (None: an accumulator, or reals), and exponents."""

    shape: tuple[int, ...]
    format: Format | None
    exponent: tuple[int, ...]
    is_accumulator: bool = False

    @property
    def size(self) -> int:
        """Number of elements for one image."""
        return prod(self.shape)


def refusal(op: Op, why: str) -> RequestError:
    """The error that names the operation."""
    return RequestError(f"operation '{op.name}' ({type(op).__name__}): {why}")


def spread(values: tuple[int, ...], channels: int) -> tuple[int, ...]:
    """One value for each channel, where there may be one for all."""
    return values if len(values) == channels else values * channels
