"""What holds for every format and every number, on numbers that hypothesis looks for."""

from fractions import Fraction

import hypothesis.extra.numpy as hnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bitwatt.errors import RequestError
from bitwatt.formats import (
    FORMATS,
    Fixed,
    Float32,
    Minifloat,
    PowerOfTwo,
    Precision,
    nearest_by_table,
    parse_format,
    parse_precision,
)

# No deadline: the time of one example says nothing on a machine that is shared.
examples = settings(deadline=None, max_examples=200, derandomize=True)

FAMILIES = st.one_of(
    st.sampled_from(FORMATS),
    st.builds(Fixed, st.integers(2, 32), st.booleans()),
    st.builds(PowerOfTwo, st.integers(2, 8)),
    st.builds(Minifloat, st.integers(2, 5), st.integers(1, 10)),
)
NUMBERS = st.floats(allow_nan=False, allow_subnormal=True)
NEARLY_NAMES = st.from_regex(r"u?(fixed|pow2-|e)[0-9]{0,5}(m[0-9]{0,4})?", fullmatch=True)
SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3)


@examples
@given(FAMILIES, NUMBERS, NUMBERS)
def test_order_is_kept(format_, a, b):
    low, high = sorted((a, b))
    assert format_.quantize(low) <= format_.quantize(high)


@examples
@given(FAMILIES, hnp.arrays(np.float64, SHAPES, elements=NUMBERS))
def test_quantize_is_idempotent_and_keeps_the_shape(format_, values):
    once = format_.quantize(values)
    assert np.shape(once) == values.shape
    np.testing.assert_array_equal(format_.quantize(once), once)


@examples
@given(FAMILIES.filter(lambda format_: format_.bits <= 8), NUMBERS)
def test_no_value_is_nearer(format_, number):
    clipped = Fraction(min(max(number, format_.smallest), format_.largest))
    got = Fraction(float(format_.quantize(number)))
    others = [Fraction(float(value)) for value in format_.decode(format_.codes())]
    assert abs(got - clipped) == min(abs(other - clipped) for other in others)


@examples
@given(FAMILIES.filter(lambda format_: format_.bits <= 10), NUMBERS)
def test_encode_equals_the_search_in_the_table(format_, number):
    assert format_.encode(number) == nearest_by_table(format_, number)


@examples
@given(FAMILIES.filter(lambda format_: not isinstance(format_, Float32)), NUMBERS)
def test_integers_are_the_values_in_units(format_, number):
    code = format_.encode(number)
    integer = int(format_.integers(code))
    assert Fraction(integer) * Fraction(2) ** format_.unit_exponent == Fraction(float(format_.decode(code)))
    assert format_.smallest_integer <= integer <= format_.largest_integer


@examples
@given(FAMILIES, FAMILIES)
def test_names_are_read_back(weights, activations):
    assert parse_format(str(weights)) == weights
    try:
        precision = Precision(weights, activations)
    except RequestError:
        return
    assert parse_precision(str(precision)) == precision


@examples
@given(st.one_of(st.text(max_size=12), NEARLY_NAMES))
def test_any_text_is_a_format_or_a_request_error(text):
    try:
        found = parse_format(text)
    except RequestError as error:
        said = str(error)
    else:
        said = text
        assert parse_format(str(found)) == found
    assert text in said or "must be a whole number" in said
