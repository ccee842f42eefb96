import itertools

import pytest

from bitwatt.errors import RequestError
from bitwatt.formats import Binary, Fixed, Minifloat, PowerOfTwo, Precision, Ternary, parse_precision
from bitwatt.hardware.widths import Span, accumulator_bits, product_bits, product_span, shift_bits, sum_bits

SMALL = (
    Fixed(2),
    Fixed(3),
    Fixed(2, signed=False),
    Fixed(4, signed=False),
    PowerOfTwo(3),
    PowerOfTwo(4),
    Ternary(),
    Minifloat(2, 1),
    Minifloat(2, 3),
)


def least_signed_bits(values):
    """By trial: the fewest bits n with every value in -2**(n-1) .. 2**(n-1)-1."""
    return next(n for n in range(1, 200) if all(-(2 ** (n - 1)) <= v < 2 ** (n - 1) for v in values))


@pytest.mark.parametrize("weights, activations", list(itertools.product((*SMALL, Binary()), SMALL)), ids=str)
def test_products_and_sums_by_listing_every_pair(weights, activations):
    w = [int(n) for n in weights.integers(weights.codes())]
    a = [int(n) for n in activations.integers(activations.codes())]
    products = {x * y for x in w for y in a}
    assert product_span(weights, activations) == Span(min(products), max(products))
    assert product_bits(weights, activations) == least_signed_bits(products)
    sums = {sum(terms) for terms in itertools.product((min(products), max(products)), repeat=5)}
    assert sum_bits(Precision(weights, activations), 5) == least_signed_bits(sums)


@pytest.mark.parametrize(
    "name, product, accumulator",
    [
        ("fixed4", 8, 8 + 13),
        ("fixed8", 16, 16 + 13),
        ("fixed16", 32, 32 + 13),
        ("fixed32", 64, 64 + 13),
        ("fixed8:ufixed8", 16, 16 + 13),  # -128 * 255 needs no 17th bit
        ("pow2", 31, 31 + 13),  # 2**14 * 2**15 = 2**29 both ways, and +2**29 needs 31 bits
        ("binary", 17, 17 + 13),
        ("float32", 32, 32),
    ],
)
def test_known_widths(name, product, accumulator):
    precision = parse_precision(name)
    assert product_bits(precision.weights, precision.activations) == product
    assert accumulator_bits(precision, 8192) == accumulator


def test_one_more_term_than_a_width_holds_takes_one_more_bit():
    precision = parse_precision("fixed4")  # products -56 .. 64
    assert accumulator_bits(precision, 1) == 8
    assert accumulator_bits(precision, 2) == 9  # 128 is beyond 8 bits
    assert accumulator_bits(precision, 3) == 9
    assert accumulator_bits(precision, 4) == 10


def test_shift_reaches_from_left_shifts_to_every_accumulator_bit():
    assert shift_bits(15) == 5
    assert shift_bits(16) == 6


def test_what_is_refused():
    with pytest.raises(RequestError, match=r"^a sum needs at least 1 term, got 0$"):
        accumulator_bits(parse_precision("fixed8"), 0)
    with pytest.raises(RequestError, match=r"^a span needs least <= most, got 2 and 1$"):
        Span(2, 1)
