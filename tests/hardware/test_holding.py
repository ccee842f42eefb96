"""Which formats hold which, against sets of the decoded values, every pair of the catalogue."""

from itertools import product

import numpy as np
import pytest

from bitwatt.errors import UnsupportedError
from bitwatt.formats import FORMATS, Fixed, parse_format
from bitwatt.hardware.holding import holds, join, rounds_alike

SMALL = [one for one in FORMATS if one.bits <= 8] + [parse_format("fixed7"), parse_format("ufixed3")]


def integers(format_):
    return set(np.ldexp(format_.decode(format_.codes()), -format_.unit_exponent).tolist())


@pytest.mark.parametrize("outer", SMALL, ids=str)
def test_a_format_holds_what_its_decode_table_does_and_a_scale_would_not_help(outer):
    ours = integers(outer)
    for inner in SMALL:
        theirs = integers(inner)
        assert holds(outer, inner) == (theirs <= ours), (outer, inner)
        at_some_scale = any({n * 2.0**s for n in theirs} <= ours for s in range(-20, 21))
        assert at_some_scale == (theirs <= ours), (outer, inner)


@pytest.mark.parametrize("outer", SMALL, ids=str)
def test_rounding_alike_is_seen_on_every_quarter_of_a_unit(outer):
    unit, most = outer.unit_exponent, min(outer.largest_integer, 2**12) + 3
    quarters = np.arange(-4 * most, 4 * most + 1) / 4
    rounded = np.ldexp(outer.quantize(np.ldexp(quarters, unit)), -unit)
    for inner in SMALL:
        if inner.largest_integer > most:
            continue
        kept = np.clip(rounded, inner.smallest_integer, inner.largest_integer)
        own = np.ldexp(inner.quantize(np.ldexp(quarters, inner.unit_exponent)), -inner.unit_exponent)
        # What the ends leave must be numbers of the inner format, which a wider grid's need not be.
        assert rounds_alike(outer, inner) == (holds(outer, inner) and np.array_equal(kept, own)), (
            outer,
            inner,
        )


def test_widths_beyond_those_that_can_be_listed():
    wide = [Fixed(n, signed=s) for n, s in product((16, 17, 20, 31, 32), (True, False))]
    for outer, inner in product(wide, wide):
        fits = outer.smallest <= inner.smallest and inner.largest <= outer.largest
        assert holds(outer, inner) == rounds_alike(outer, inner) == fits
    assert not holds(parse_format("float32"), Fixed(8))
    assert not holds(Fixed(20), parse_format("float32"))


@pytest.mark.parametrize(
    "names, wanted",
    [
        (("fixed4", "fixed8"), "fixed8"),
        (("binary", "ternary"), "ternary"),
        (("binary", "fixed3"), "fixed3"),
        (("pow2-3", "pow2"), "pow2"),
        (("fixed8", "ufixed8"), "fixed9"),
        (("fixed8", "pow2"), "fixed16"),
    ],
)
def test_a_join_is_one_of_them_or_the_narrowest_that_holds_them(names, wanted):
    assert str(join(map(parse_format, names))) == wanted


def test_a_join_that_rounds_to_powers_of_two_is_of_powers_of_two():
    small, large = parse_format("pow2-3"), parse_format("pow2-4")
    assert join([small], [small, large]) == large
    with pytest.raises(UnsupportedError) as caught:
        join([Fixed(4)], [small])
    assert str(caught.value) == (
        "no format of a tile holds pow2-3 and fixed4 together; give the layers formats that one does"
    )
