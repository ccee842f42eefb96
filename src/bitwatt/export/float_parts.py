"""Sums too wide for float32 as several products that are not: digits of inputs times digits of weights.

    x = sum over i of 2**(i k) x_i,   w = sum over j of 2**(j m) w_j,
    w x = sum over i, j of 2**(i k + j m) w_j x_i

Every x_i but the last lies in 0 to 2**k - 1, every w_j but the last within +-2**(m-1). float32 adds whole
numbers exactly while no partial sum leaves +-2**24, float64 while none leaves +-2**53; the bounds are those
of `bitwatt.program.bounds`, from the very weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from bitwatt.program import ops
from bitwatt.program.bounds import Range, largest_magnitude, partial_sums
from bitwatt.program.carriers import LIMIT

MOST_DIGITS = 4


@dataclass(frozen=True, eq=False)
class Parts:
    """The digits of the weights, the least significant first, how many the inputs have, and their widths."""

    weights: tuple[NDArray[np.int64], ...]
    weight_bits: int
    inputs: int
    input_bits: int

    @property
    def is_whole(self) -> bool:
        """True where one product does."""
        return self.inputs == len(self.weights) == 1

    def factor(self, i: int, j: int) -> int:
        """What the product of input digit i and weight digit j is worth."""
        return 1 << (i * self.input_bits + j * self.weight_bits)


def float_parts(op: ops.Weighted, values: Range) -> Parts | None:
    """The fewest products that are exact in float32, their sum being exact in float64; None where none are.

    values: where the inputs lie.
    """
    weight = op.weight.astype(np.int64)
    total = largest_magnitude(partial_sums(weight, op.bias, values))
    if total <= LIMIT["float32"]:
        return Parts((weight,), 0, 1, 0)
    counts = sorted(product(range(1, MOST_DIGITS + 1), repeat=2), key=lambda pair: pair[0] * pair[1])
    for inputs, weights in counts:
        input_bits = -(-values.bits // inputs)
        weight_bits = -(-(int(np.abs(weight).max()).bit_length() + 1) // weights)
        digits = _digits(weight, weights, weight_bits)
        bounds = {
            (i, j): largest_magnitude(partial_sums(digit, None, _input_digit(values, i, inputs, input_bits)))
            for (i, (j, digit)) in product(range(inputs), enumerate(digits))
        }
        parts = Parts(digits, weight_bits, inputs, input_bits)
        bias = 0 if op.bias is None else max(abs(int(b)) for b in op.bias.tolist())
        whole = bias + sum(parts.factor(i, j) * bound for (i, j), bound in bounds.items())
        if max(bounds.values()) <= LIMIT["float32"] and whole <= LIMIT["float64"]:
            return parts
    return None


def _digits(weight: NDArray[np.int64], count: int, bits: int) -> tuple[NDArray[np.int64], ...]:
    made, rest = [], weight
    for _ in range(count - 1):
        upper = (rest + 2 ** (bits - 1)) >> bits
        made.append(rest - (upper << bits))
        rest = upper
    return (*made, rest)


def _input_digit(values: Range, place: int, count: int, bits: int) -> Range:
    if place < count - 1:
        return Range(0, 2**bits - 1)
    return Range(values.low >> place * bits, values.high >> place * bits)
