"""Carriers: bounds are reached and never passed, and a carrier too narrow for its bound is seen to fail."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bitwatt.formats import Fixed
from bitwatt.program import ops, reference
from bitwatt.program.bounds import Range, hull, partial_sums
from bitwatt.program.carriers import LIMIT, Carrier, Piece, Term
from bitwatt.program.choosing import exact_carriers
from bitwatt.program.kernels import exact_arithmetic, rounded_sums, scaled_sums
from bitwatt.program.rounding import nearest, shifted

FORMAT = Fixed(32)


def layer(weight, bias=None):
    return ops.Linear("fc", "input", np.asarray(weight, dtype=np.int64), bias, Fixed(16), (0,))


def run(op, carrier, x, shift):
    """Rounded sums in float64, saturated."""
    with exact_arithmetic():
        values = torch.from_numpy(x.astype(np.float64))
        if carrier.sum == "float32":
            rounded = torch.round(scaled_sums(op, carrier, (shift,))(values))
        else:
            rounded = rounded_sums(op, carrier, (shift,), FORMAT, torch.float64)(values)
    return rounded.clamp(FORMAT.smallest_integer, FORMAT.largest_integer).numpy().astype(np.int64)


def exact(op, x, shift):
    return nearest(*shifted(reference.connect(op, x), np.array([shift])), FORMAT).astype(np.int64)


@settings(deadline=None, max_examples=60)
@given(
    weight_bits=st.integers(2, 32),
    input_bits=st.integers(2, 32),
    fan_in=st.integers(1, 60),
    shift=st.integers(-3, 45),
    relu=st.booleans(),
    with_bias=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_every_carrier_offered_is_exact(weight_bits, input_bits, fan_in, shift, relu, with_bias, seed):
    """Not only the one that is cheapest; on random and on extreme inputs."""
    random = np.random.default_rng(seed)
    high = 2 ** (weight_bits - 1)
    weight = random.integers(-high, high, (5, fan_in))
    values = Range(0 if relu else -(2 ** (input_bits - 1)), 2 ** (input_bits - 1) - 1)
    x = random.integers(values.low, values.high, (4, fan_in), endpoint=True)
    x[0], x[1] = values.low, values.high
    bias = random.integers(-(2**50), 2**50, 5) if with_bias else None
    op = layer(weight, bias)
    offered = list(exact_carriers(op, values, 1, fan_in))
    assert offered
    for carrier in offered:
        assert all(term.bound <= LIMIT[carrier.arithmetic] for term in carrier.terms)
        np.testing.assert_array_equal(run(op, carrier, x, shift), exact(op, x, shift), err_msg=str(carrier))


def test_a_carrier_that_is_too_narrow_is_seen():
    """Plain float32 where the bound is above 2**24; and the executor does not offer it."""
    op = layer([[4097, 1]])
    values = Range(0, 4097)
    x = np.array([[4097, 4097]])
    (bound,) = partial_sums(op.weight, None, values)
    assert bound.high == 4097 * 4098 > LIMIT["float32"]
    forced = Carrier("float32", "none", (Term(Piece(0, 2), op.weight, 1, bound.high),), 0, 0.0)
    assert forced.sum == "float32"
    assert run(op, forced, x, 0) != exact(op, x, 0)
    assert all(carrier.sum != "float32" for carrier in exact_carriers(op, values, 1, 2))


def test_float64_where_two_words_are_needed_is_seen():
    """(a - 1)**2 - a (a - 2) = 1, of products of 62 bits."""
    a = 2**31 - 1
    op, x, values = layer([[a - 1, -a]]), np.array([[a - 1, a - 2]]), Range(0, a)
    forced = Carrier("float64", "none", (Term(Piece(0, 2), op.weight, 1, 2**53),), 2**53, 0.0)
    assert run(op, forced, x, 0) != 1
    (offered,) = exact_carriers(op, values, 1, 2)
    assert offered.sum == "two words"
    assert run(op, offered, x, 0) == exact(op, x, 0) == 1


@pytest.mark.parametrize("offset", (-1, 0, 1))
@pytest.mark.parametrize("lower_is_odd", (False, True))
def test_ties_of_wide_sums_go_to_even(offset, lower_is_odd):
    """Sums of 62 bits at a tie, and one unit in the last place beside it."""
    shift, largest = 40, 2**31 - 1
    tie = (2**20 + lower_is_odd) * 2**shift + 2 ** (shift - 1)
    op = layer([[largest]], np.array([tie + offset - largest * largest]))
    (carrier,) = exact_carriers(op, Range(0, largest), 1, 1)
    assert carrier.sum == "two words"
    expected = 2**20 + lower_is_odd + (offset > 0 or (offset == 0 and lower_is_odd))
    assert run(op, carrier, np.array([[largest]]), shift) == expected


@settings(deadline=None, max_examples=100)
@given(
    weight=st.lists(st.integers(-9, 9), min_size=1, max_size=6),
    bias=st.integers(-50, 50) | st.none(),
    low=st.integers(-9, 9),
    width=st.integers(0, 9),
    seed=st.integers(0, 2**32 - 1),
)
def test_partial_sums_lie_in_their_bound_in_any_order(weight, bias, low, width, seed):
    random = np.random.default_rng(seed)
    values = Range(low, low + width)
    row = np.array([weight])
    (bound,) = partial_sums(row, None if bias is None else np.array([bias]), values)
    terms = [
        w * int(x) for w, x in zip(weight, random.integers(low, low + width + 1, len(weight)), strict=True)
    ]
    terms += [] if bias is None else [bias]
    order = random.permutation(len(terms))
    total = 0
    for index in order:
        total += terms[index]
        assert bound.low <= total <= bound.high


def test_bounds_are_reached():
    (bound,) = partial_sums(np.array([[3, -2]]), np.array([5]), Range(-8, 7))
    assert bound == Range(3 * -8 + -2 * 7, 3 * 7 + -2 * -8 + 5)


@pytest.mark.parametrize(
    "piece", (Piece(0, 1, "high", 4), Piece(0, 1, "low", 4), Piece(0, 1, "both", 4), Piece(0, 1))
)
def test_range_of_a_piece(piece):
    """Every input of the range, one by one."""
    whole = Range(-100, 90)
    inputs = np.arange(whole.low, whole.high + 1)
    high = inputs >> 4
    made = {"high": high, "low": inputs - 16 * high, "both": inputs - 15 * high, "whole": inputs}[piece.digit]
    claimed = piece.range(whole)
    assert claimed.low <= made.min()
    assert made.max() <= claimed.high


def test_range_bits():
    assert [Range(low, high).bits for low, high in ((0, 0), (-1, 0), (0, 1), (-128, 127), (0, 128))] == [
        *(1, 1, 2, 8, 9)
    ]
    assert hull([Range(0, 3), Range(-5, 1)]) == Range(-5, 3)
