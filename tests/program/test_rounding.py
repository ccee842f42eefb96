"""The reference rounds to the nearest of the format's own values, and the executor rounds alike."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bitwatt.formats import Fixed, Minifloat, PowerOfTwo, Ternary
from bitwatt.program.combining import round_
from bitwatt.program.rounding import half_even, nearest, nearest_integer, shifted
from bitwatt.program.two_words import add_with_carries, power_of_two, rounded_to_odd

FORMATS = (Fixed(4), Fixed(3, signed=False), Ternary(), PowerOfTwo(4), Minifloat(2, 1), Minifloat(4, 3))


def by_definition(value, format):
    """The format's integer nearest to a rational; of two the one with the even code."""
    codes = format.codes().tolist()
    integers = format.integers(codes).tolist()
    return min(zip(integers, codes, strict=True), key=lambda pair: (abs(pair[0] - value), pair[1] % 2))[0]


@pytest.mark.parametrize("format", FORMATS, ids=str)
@pytest.mark.parametrize("denominator", (1, 2, 3, 8, 9))
def test_nearest(format, denominator):
    reach = 2 * format.largest_integer * denominator
    step = max(1, reach // 20)
    numerators = np.arange(-reach, reach, step)
    ascending = np.sort(format.integers(format.codes()))
    middles = (ascending[:-1] + ascending[1:])[:: max(1, len(ascending) // 30)]
    numerators = np.concatenate([numerators, middles * denominator // 2, middles * denominator // 2 + 1])
    rounded = nearest(numerators, np.full_like(numerators, denominator), format)
    expected = [by_definition(Fraction(int(n), denominator), format) for n in numerators]
    assert rounded.tolist() == expected
    wide = nearest(numerators.astype(object), np.full(len(numerators), denominator, dtype=object), format)
    assert wide.tolist() == expected


@settings(deadline=None)
@given(st.integers(-(2**80), 2**80), st.integers(-10, 90))
def test_shifted_by_python_integers(value, shift):
    assert nearest_integer(value, shift, Fixed(32)) == by_round(Fraction(value) / Fraction(2) ** shift)


def by_round(value):
    return min(max(round(value), -(2**31)), 2**31 - 1)  # Python rounds a Fraction half to even


def test_half_even_and_negative():
    n = np.array([-5, -3, -1, 1, 3, 5, 7])
    assert half_even(n, np.full_like(n, 2)).tolist() == [-2, -2, 0, 0, 2, 2, 4]


def test_one_shift_for_all_or_for_each():
    values = np.array([[12, 12]])
    assert [a.tolist() for a in shifted(values, np.array([1, -1]))] == [[[12, 24]], [[2, 1]]]


@pytest.mark.parametrize("format", FORMATS, ids=str)
@pytest.mark.parametrize("dtype", (torch.float32, torch.float64))
def test_executor_rounds_scaled_sums_alike(format, dtype):
    """Every sum within +-2**13 and every shift up to 6."""
    sums = np.arange(-(2**13), 2**13)
    for shift in range(7):
        scaled = torch.from_numpy(np.ldexp(sums.astype(np.float64), -shift)).to(dtype)
        rounded = round_(scaled, format).clamp(format.smallest_integer, format.largest_integer)
        expected = nearest(sums, np.full_like(sums, 2**shift), format)
        np.testing.assert_array_equal(rounded.numpy().astype(np.int64), expected)


@settings(deadline=None, max_examples=300)
@given(
    value=st.integers(-(2**80), 2**80),
    width=st.integers(1, 58),
    shift=st.integers(-64, 100),
    small=st.booleans(),
)
def test_two_words_round_alike(value, width, shift, small):
    """Through a float64 of quarters, whatever was dropped."""
    value = value >> 60 if small else max(min(value, 2 ** (width + 61)), -(2 ** (width + 61)))
    high, low = value >> width, value % 2**width
    rounded = rounded_to_odd(torch.tensor([high]), torch.tensor([low]), width, torch.tensor([shift]))
    assert by_round(Fraction(rounded.item())) == by_round(Fraction(value) / Fraction(2) ** shift)


@settings(deadline=None)
@given(st.lists(st.integers(-(2**53), 2**53), min_size=1, max_size=4), st.integers(-(2**62), 2**62))
def test_carries(terms, bias):
    bits = 12
    high, low = add_with_carries(
        [torch.tensor([float(t)], dtype=torch.float64) for t in terms], torch.tensor([bias]), bits
    )
    assert 0 <= low.item() < 2 ** (bits * len(terms))
    total = bias + sum(term << (bits * j) for j, term in enumerate(terms))
    assert high.item() * 2 ** (bits * len(terms)) + low.item() == total


def test_powers_of_two():
    exponents = torch.arange(-1022, 1024)
    assert power_of_two(exponents).tolist() == [2.0**e for e in range(-1022, 1024)]
