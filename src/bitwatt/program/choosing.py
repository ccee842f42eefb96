"""Which exact way to compute a layer is taken: the cheapest, of those that a bound allows.

Besides a single product in float32 or float64 there are

    reduction   terms of some input channels each: the same work as without a split
    digits      x = 2**k high + low, or w = 2**m W + w', or both, by three products instead of four
                (A. Karatsuba and Y. Ofman, 1962)
    weights     w = sum of 2**(jm) w_j, in float64; added in two words where 2**53 is too few
    tiles       neighbouring outputs of a row from fewer products, in float64 (`bitwatt.program.toom_cook`)
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from bitwatt.program import ops
from bitwatt.program.bounds import Range, largest_magnitude, partial_sums
from bitwatt.program.carriers import LIMIT, Carrier, Piece, Term, Weights
from bitwatt.program.residual import Residual
from bitwatt.program.toom_cook import best_tiles, largest_sum


def choose_carrier(
    op: ops.Weighted,
    values: Range,
    positions: int,
    inputs: int,
    residual: Residual | None = None,
    columns: int = 1,
) -> Carrier:
    """The cheapest exact way to compute the layer.

    values: where the inputs lie. positions: places of an output map (1 if fully connected), and inputs:
    elements of the input; both for one image, for the cost. residual: what is added to the sums. columns: of
    an output map.
    """
    return min(
        exact_carriers(op, values, positions, inputs, residual, columns), key=lambda carrier: carrier.cost
    )


def exact_carriers(
    op: ops.Weighted,
    values: Range,
    positions: int,
    inputs: int,
    residual: Residual | None = None,
    columns: int = 1,
) -> Iterator[Carrier]:
    """Every way known here to compute the layer exactly; at least one."""

    def added(bound: int) -> int:
        return bound if residual is None else residual.bound(bound)

    weight = op.weight.astype(np.int64)
    groups = op.groups if isinstance(op, ops.Conv2d) else 1
    channels = weight.shape[1] * groups
    whole = Piece(0, channels)
    bound = largest_magnitude(partial_sums(weight, op.bias, values))
    if bound <= LIMIT["float32"] and added(bound) <= LIMIT["float64"]:
        term = Term(whole, weight, 1, bound)
        yield Carrier("float32", "none", (term,), added(bound), _cost32((term,), positions, inputs))
    elif values.magnitude <= LIMIT["float32"] and groups == 1:
        for split, terms in _float32_splits(weight, values):
            total = added(_total(terms, op.bias))
            if _fits_float32(terms) and total <= LIMIT["float64"]:
                yield Carrier("float32", split, terms, total, _cost32(terms, positions, inputs))
    if added(bound) <= LIMIT["float64"]:
        term = Term(whole, weight, 1, bound)
        yield Carrier("float64", "none", (term,), added(bound), _cost64((term,), positions))
        if isinstance(op, ops.Conv2d) and columns > 1 and _can_be_tiled(op):
            by = best_tiles(columns, weight.shape[3])
            largest = largest_sum(weight, values, by)
            if largest <= LIMIT["float64"]:
                term = Term(whole, weight, 1, largest)
                cost = _cost_tiles(term, by.width, positions, inputs, columns)
                yield Carrier("float64", "tiles", (term,), added(bound), cost, tile=by.width)
        return
    bits, terms = _weight_digits(weight, whole, values)
    total = added(_total(terms, op.bias))
    yield Carrier("float64", "weights", terms, total, _cost64(terms, positions), bits)


def _float32_splits(weight: Weights, values: Range) -> Iterator[tuple[str, tuple[Term, ...]]]:
    for parts in range(2, min(MOST_PARTS, weight.shape[1]) + 1):
        slices = tuple(_slices(weight, values, parts))
        if _fits_float32(slices):
            yield "reduction", slices
            break  # more of them only cost more
    yield "digits", _two_digits(weight, values, values.bits // 2)
    yield "digits", _two_weights(weight, values)
    yield "digits", _three_products(weight, values, max(2, values.bits // 2))


MOST_PARTS = 8
"""Most terms that a reduction is split into: beyond, the additions cost more than they save."""


def _fits_float32(terms: tuple[Term, ...]) -> bool:
    return all(term.bound <= LIMIT["float32"] for term in terms)


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


# Costs in multiply-accumulates of a float32 convolution, fitted to the layers of LeNet and ALEX (one thread
# of an AMD EPYC 7003, which does 41e9 of them in a second); see docs/performance.md.
_SUM = 25.0  # a sum left by a float32 convolution
_ADDED = 60.0  # a sum read again, to be added to those of other terms
_PIECE = 30.0  # a digit of an input element
_FLOAT64 = 2.7  # a multiply-accumulate in float64
_GATHERED = 25.0  # an element of a window, copied
_SUM_FLOAT64 = 200.0  # a sum added, rounded, narrowed and transposed


_POINT = 150.0  # an input element or a sum at a point: made, and read again
_FEW_OUTPUTS = 16.0  # a matrix product with as few outputs takes twice as long


def _can_be_tiled(op: ops.Conv2d) -> bool:
    return op.groups == op.stride[1] == 1 and op.dilation == (1, 1) and 3 <= op.weight.shape[3] <= 5


def _cost32(terms: tuple[Term, ...], positions: int, inputs: int) -> float:
    macs = sum(positions * int(term.weight.size) for term in terms)
    sums = positions * len(terms[0].weight) * len(terms)
    if len(terms) == 1:
        return macs + _SUM * sums
    pieces = inputs * sum(term.piece.digit != "whole" for term in terms)
    return macs + (_SUM + _ADDED) * sums + _PIECE * pieces


def _cost64(terms: tuple[Term, ...], positions: int) -> float:
    weight = terms[0].weight
    sums = positions * len(weight) * len(terms)
    products = positions * weight.size * len(terms)
    if weight.ndim == 2:  # fully connected: nothing is gathered or transposed
        return _FLOAT64 * products + _ADDED * sums
    gathered = positions * (weight.size // len(weight))
    return _FLOAT64 * products + _GATHERED * gathered + _SUM_FLOAT64 * sums


def _cost_tiles(term: Term, width: int, positions: int, inputs: int, columns: int) -> float:
    outputs, channels, tall, kernel = (int(length) for length in term.weight.shape)
    more = -(-columns // width) * (width + kernel - 1) / columns  # points for each output
    products = positions * more * outputs * channels * tall
    points = (positions * outputs + inputs) * more
    sums = positions * outputs
    return _FLOAT64 * (1 + _FEW_OUTPUTS / outputs) * products + _POINT * points + _SUM_FLOAT64 / 2 * sums
