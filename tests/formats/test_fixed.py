"""Fixed point against apytypes, whose two's complement, rounding and saturation we did not write."""

import apytypes
import numpy as np
import pytest

from bitwatt.errors import RequestError
from bitwatt.formats import Fixed

WIDTHS = range(2, 33)
FRACTION_BITS = 20


def apytypes_codes(values, bits, signed):
    """Code words by apytypes, which has signed numbers alone: an unsigned one is as wide and one bit more."""
    exact = apytypes.APyFixedArray.from_float(values, int_bits=40, frac_bits=FRACTION_BITS)
    assert np.array_equal(exact.to_numpy(), values)
    if not signed:
        exact = apytypes.APyFixedArray.from_float(np.maximum(values, 0), int_bits=40, frac_bits=FRACTION_BITS)
    rounded = exact.cast(
        bits=bits if signed else bits + 1,
        frac_bits=0,
        quantization=apytypes.QuantizationMode.TIES_EVEN,
        overflow=apytypes.OverflowMode.SAT,
    )
    return np.array(rounded.to_bits(), dtype=np.int64)


def inputs(fixed):
    """Multiples of 2**-20: everywhere in range, ties and what is just beside them, and beyond both ends."""
    random = np.random.default_rng(fixed.bits)
    span = fixed.largest - fixed.smallest + 1
    wide = np.round(random.uniform(fixed.smallest - span / 4, fixed.largest + span / 4, 4000), 3)
    ties = np.floor(random.uniform(fixed.smallest - 2, fixed.largest + 2, 4000)) + 0.5
    ends = np.add.outer([fixed.smallest, 0, fixed.largest], np.arange(-3, 3.25, 0.25)).ravel()
    points = np.concatenate([wide, ties, ties + 2.0**-FRACTION_BITS, ties - 2.0**-FRACTION_BITS, ends])
    return np.ldexp(np.rint(np.ldexp(points, FRACTION_BITS)), -FRACTION_BITS)


@pytest.mark.parametrize("signed", [True, False], ids=["signed", "unsigned"])
@pytest.mark.parametrize("bits", WIDTHS)
def test_rounding_and_saturation_equal_apytypes(bits, signed):
    fixed = Fixed(bits, signed)
    values = inputs(fixed)
    expected = apytypes_codes(values, bits, signed)
    if not signed:  # the wider signed number holds twice the range: saturate at the narrower end
        expected = np.minimum(expected, 2**bits - 1)
    np.testing.assert_array_equal(fixed.encode(values), expected)


@pytest.mark.parametrize("bits", [bits for bits in WIDTHS if bits <= 16])
def test_every_code_word_decodes_as_in_apytypes(bits):
    codes = list(range(2**bits))  # not an array: apytypes 0.5.1 drops the sign of int64 bit patterns
    for fixed, width in ((Fixed(bits), bits), (Fixed(bits, signed=False), bits + 1)):
        theirs = apytypes.APyFixedArray(codes, bits=width, frac_bits=0).to_numpy()
        np.testing.assert_array_equal(fixed.decode(codes), theirs)


def test_ends():
    assert (Fixed(8).smallest, Fixed(8).largest) == (-128, 127)
    assert (Fixed(32).smallest, Fixed(32).largest) == (-(2**31), 2**31 - 1)
    assert (Fixed(8, signed=False).smallest, Fixed(8, signed=False).largest) == (0, 255)
    assert Fixed(4).encode([7.5, -8.5, 2.5, -2.5, 0.5]).tolist() == [7, 8, 2, 14, 0]


@pytest.mark.parametrize("width", [1, 33, 0, -8, 8.0, True, "8", None])
def test_width_refused(width):
    with pytest.raises(RequestError) as caught:
        Fixed(width)
    assert str(caught.value) == f"fixed point: width must be a whole number from 2 to 32, got {width!r}"


def test_sign_refused():
    with pytest.raises(RequestError) as caught:
        Fixed(8, "yes")
    assert str(caught.value) == "fixed point: signed must be True or False, got 'yes'"


def test_listing_refused_where_too_wide():
    with pytest.raises(RequestError) as caught:
        Fixed(17).codes()
    assert str(caught.value) == ("fixed17 has 2**17 code words; they are listed for formats of up to 16 bits")


@pytest.mark.parametrize(
    "codes, message",
    [
        ([1, 256], "0x100 is no code word of fixed8 (8 bits)"),
        ([-1], "-0x1 is no code word of fixed8 (8 bits)"),
        ([1.0], "code words of fixed8 must be integers, got dtype float64"),
        ([True], "code words of fixed8 must be integers, got dtype bool"),
    ],
)
def test_code_words_refused(codes, message):
    with pytest.raises(RequestError) as caught:
        Fixed(8).decode(codes)
    assert str(caught.value) == message


def test_nan_refused():
    with pytest.raises(RequestError) as caught:
        Fixed(8).encode([0.0, np.nan])
    assert str(caught.value) == "NaN has no code word in fixed8"
