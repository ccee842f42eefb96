"""In which floating-point arithmetic the integer sums of a layer are computed, and why that is exact.

Floating point adds whole numbers exactly while no partial sum leaves +-2**24 (float32) or +-2**53 (float64).
Where the sums of a layer can, the layer is computed as several *terms*, each of which provably cannot:

    sum_i w_i x_i + b  =  sum over terms t of  factor_t * (sum_i w_ti p_t(x_i))  +  b

with smaller weights w_t and a piece p_t of the input:

    reduction   each term takes some of the input channels: the same work as without a split
    digits      x = 2**k high + low, or w = 2**m W + w', or both, by three products instead of four
                (Karatsuba), see `_three_products`
    weights     w = sum of 2**(jm) w_j, in float64; the terms are added in two words where 2**53 is too few

Among the ways that are exact the cheapest is taken, by costs measured with benchmarks/executor.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import prod

import numpy as np
from numpy.typing import NDArray

from bitwatt.program import ops
from bitwatt.program.bounds import Range, largest_magnitude, partial_sums

LIMIT = {"float32": 2**24, "float64": 2**53}
"""Largest magnitude up to which every integer is exact."""

Weights = NDArray[np.int64]


@dataclass(frozen=True)
class Piece:
    """What a term reads of the input: channels start to stop, and of those integers one digit.

    digit: "whole"; "high", floor(x / 2**bits); "low", x - 2**bits * high; "both", high + low.
    """

    start: int
    stop: int
    digit: str = "whole"
    bits: int = 0

    def range(self, whole: Range) -> Range:
        """Where the piece lies if the input lies in `whole`."""
        high = Range(whole.low >> self.bits, whole.high >> self.bits)
        low = Range(0, 2**self.bits - 1)
        match self.digit:
            case "high":
                return high
            case "low":
                return low
            case "both":
                return Range(high.low + low.low, high.high + low.high)
            case _:
                return whole


@dataclass(frozen=True, eq=False)
class Term:
    """One exact product of weights (outputs, channels of the piece, ...) with a piece, times `factor`."""

    piece: Piece
    weight: Weights
    factor: int
    bound: int
    """No partial sum exceeds this magnitude (a bias, where there is one term only, included)."""


@dataclass(frozen=True, eq=False)
class Carrier:
    """How a layer is computed, and the proof."""

    arithmetic: str
    """"float32" or "float64": that of each term."""

    split: str
    """"none", "reduction", "digits" or "weights"."""

    terms: tuple[Term, ...]
    bound: int
    """No partial sum of the factored terms and the bias exceeds this magnitude."""

    cost: float
    """Estimated time for one image, in units of a float32 multiply-accumulate."""

    digit_bits: int = 0
    """Where weights are split: the factors are 1, 2**digit_bits, 4**digit_bits ..."""

    @property
    def sum(self) -> str:
        """In what the terms are added: "float32", "float64" or "two words"."""
        if self.bound > LIMIT["float64"]:
            return "two words"
        return self.arithmetic if len(self.terms) == 1 else "float64"

    def __str__(self) -> str:
        largest = max(term.bound for term in self.terms)
        exact = f"|partial sum| <= {largest:,} <= 2**{LIMIT[self.arithmetic].bit_length() - 1}"
        if self.split == "none":
            return f"{self.arithmetic}: {exact}"
        return (
            f"{self.arithmetic}, {len(self.terms)} terms ({self.split}): {exact}; "
            f"added in {self.sum}: <= 2**{self.bound.bit_length()}"
        )


def choose_carrier(op: ops.Weighted, values: Range, positions: int, inputs: int) -> Carrier:
    """The cheapest exact way to compute the layer.

    values: where the inputs lie. positions: places of an output map (1 if fully connected), and inputs:
    elements of the input; both for one image, for the cost.
    """
    return min(exact_carriers(op, values, positions, inputs), key=lambda carrier: carrier.cost)


def exact_carriers(op: ops.Weighted, values: Range, positions: int, inputs: int) -> Iterator[Carrier]:
    """Every way known here to compute the layer exactly; at least one."""
    weight = op.weight.astype(np.int64)
    groups = op.groups if isinstance(op, ops.Conv2d) else 1
    channels = weight.shape[1] * groups
    whole = Piece(0, channels)
    bound = largest_magnitude(partial_sums(weight, op.bias, values))
    if bound <= LIMIT["float32"]:
        term = Term(whole, weight, 1, bound)
        yield Carrier("float32", "none", (term,), bound, _cost32((term,), positions, inputs))
    elif values.magnitude <= LIMIT["float32"] and groups == 1:
        for split, terms in _float32_splits(weight, values):
            total = _total(terms, op.bias)
            if all(t.bound <= LIMIT["float32"] for t in terms) and total <= LIMIT["float64"]:
                yield Carrier("float32", split, terms, total, _cost32(terms, positions, inputs))
                if split == "reduction":
                    break
    if bound <= LIMIT["float64"]:
        term = Term(whole, weight, 1, bound)
        yield Carrier("float64", "none", (term,), bound, _cost64((term,), positions, inputs))
        return
    bits, terms = _weight_digits(weight, whole, values)
    total = _total(terms, op.bias)
    yield Carrier("float64", "weights", terms, total, _cost64(terms, positions, inputs), bits)


def _float32_splits(weight: Weights, values: Range) -> Iterator[tuple[str, tuple[Term, ...]]]:
    channels = weight.shape[1]
    for parts in range(2, min(MOST_PARTS, channels) + 1):
        yield "reduction", tuple(_slices(weight, values, parts))
    yield "digits", _two_digits(weight, values, values.bits // 2)
    yield "digits", _two_weights(weight, values)
    yield "digits", _three_products(weight, values, max(2, values.bits // 2))


MOST_PARTS = 8
"""Most terms that a reduction is split into: beyond, the additions cost more than they save."""


def _slices(weight: Weights, values: Range, parts: int) -> Iterator[Term]:
    """The input channels in `parts` runs of nearly equal length."""
    channels = weight.shape[1]
    ends = [round(channels * part / parts) for part in range(parts + 1)]
    for start, stop in pairwise(ends):
        yield _term(weight[:, start:stop], Piece(start, stop), values, 1)


def _two_digits(weight: Weights, values: Range, bits: int) -> tuple[Term, ...]:
    """w x = 2**k w high + w low."""
    high, low = (Piece(0, weight.shape[1], digit, bits) for digit in ("high", "low"))
    return _term(weight, high, values, 2**bits), _term(weight, low, values, 1)


def _two_weights(weight: Weights, values: Range) -> tuple[Term, ...]:
    """w x = 2**m W x + w' x, m half the width of the widest weight."""
    bits = int(np.abs(weight).max()).bit_length() // 2 + 1
    upper = (weight + 2 ** (bits - 1)) >> bits
    piece = Piece(0, weight.shape[1])
    return _term(upper, piece, values, 2**bits), _term(weight - upper * 2**bits, piece, values, 1)


def _three_products(weight: Weights, values: Range, bits: int) -> tuple[Term, ...]:
    """x = 2**k high + low, w = 2**k W + w' with w' in +-2**(k-1), and

    w x = (2**2k - 2**k) W high + 2**k (W + w') (high + low) + (1 - 2**k) w' low.
    """
    base = 2**bits
    upper = (weight + base // 2) >> bits
    lower = weight - upper * base
    channels = weight.shape[1]

    def term(digit: str, part: Weights, factor: int) -> Term:
        return _term(part, Piece(0, channels, digit, bits), values, factor)

    return (
        term("high", upper, base * base - base),
        term("both", upper + lower, base),
        term("low", lower, 1 - base),
    )


def _weight_digits(weight: Weights, piece: Piece, values: Range) -> tuple[int, tuple[Term, ...]]:
    """w = sum of 2**(jm) w_j, the least significant first, within +-2**(m-1); m as wide as float64 allows."""
    for bits in range(24, 0, -1):
        terms: list[Term] = []
        rest = weight
        while not terms or np.any(rest):
            upper = (rest + 2 ** (bits - 1)) >> bits
            terms.append(_term(rest - upper * 2**bits, piece, values, 1 << bits * len(terms)))
            rest = upper
        if all(term.bound <= LIMIT["float64"] for term in terms):
            return bits, tuple(terms)
    raise OverflowError("sums of one-bit weights leave 2**53")


def _term(weight: Weights, piece: Piece, values: Range, factor: int) -> Term:
    bound = largest_magnitude(partial_sums(weight, None, piece.range(values)))
    return Term(piece, weight, factor, bound)


def _total(terms: tuple[Term, ...], bias: NDArray[np.generic] | None) -> int:
    largest_bias = 0 if bias is None else max(abs(int(b)) for b in bias.tolist())
    return largest_bias + sum(abs(term.factor) * term.bound for term in terms)


# Costs in float32 multiply-accumulates of a good kernel; measured, see benchmarks/executor.py.
_SWEEP = 12.0  # one element read and written by a pass of its own
_FLOAT64 = 3.2  # a multiply-accumulate in float64, gathering of the window included
_GATHER = 12.0  # one element of a window, copied


def _cost32(terms: tuple[Term, ...], positions: int, inputs: int) -> float:
    macs = sum(positions * int(term.weight.size) for term in terms)
    if len(terms) == 1:
        return float(macs)
    sums = positions * len(terms[0].weight) * len(terms)
    pieces = 0 if all(term.piece.digit == "whole" for term in terms) else inputs * len(terms)
    return float(macs) + _SWEEP * (2 * sums + pieces)


def _cost64(terms: tuple[Term, ...], positions: int, inputs: int) -> float:
    outputs, *window = terms[0].weight.shape
    macs = positions * outputs * prod(window) * len(terms)
    gathered = positions * prod(window) if len(window) > 1 else 0
    sums = positions * outputs * len(terms)
    return float(_FLOAT64 * macs + _GATHER * gathered + _SWEEP * 2 * (sums + inputs))
