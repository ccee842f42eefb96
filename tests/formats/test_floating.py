"""Floating point against ml_dtypes, gfloat and numpy, none of them ours."""

import gfloat
import gfloat.formats
import ml_dtypes
import numpy as np
import pytest

from bitwatt.errors import RequestError
from bitwatt.formats import Float32, Minifloat
from bitwatt.testing.format_probes import probes, sample_codes

E5M2, E4M3, E3M2, E2M3, E2M1 = (Minifloat(e, m) for e, m in ((5, 2), (4, 3), (3, 2), (2, 3), (2, 1)))

ML_DTYPES = {
    E5M2: ml_dtypes.float8_e5m2,
    E4M3: ml_dtypes.float8_e4m3fn,
    E3M2: ml_dtypes.float6_e3m2fn,
    E2M3: ml_dtypes.float6_e2m3fn,
    E2M1: ml_dtypes.float4_e2m1fn,
}
GFLOAT = {
    E5M2: gfloat.formats.format_info_ocp_e5m2,
    E4M3: gfloat.formats.format_info_ocp_e4m3,
    E3M2: gfloat.formats.format_info_ocp_e3m2,
    E2M3: gfloat.formats.format_info_ocp_e2m3,
    E2M1: gfloat.formats.format_info_ocp_e2m1,
}


def positive_zero(codes, format_):
    """Their code words, with our one zero for their two."""
    codes = np.asarray(codes, dtype=np.int64)
    return np.where(codes == 2 ** (format_.bits - 1), 0, codes)


@pytest.mark.parametrize("format_", ML_DTYPES, ids=str)
def test_every_code_word_decodes_as_in_ml_dtypes(format_):
    words = np.arange(2**format_.bits)
    theirs = words.astype(np.uint8).view(ML_DTYPES[format_]).astype(np.float64)
    reserved = format_.reserved(words)
    np.testing.assert_array_equal(format_.decode(words[~reserved]), theirs[~reserved])
    # What is reserved is what stands for no finite number, and the second zero.
    np.testing.assert_array_equal(reserved, ~np.isfinite(theirs) | ((theirs == 0) & np.signbit(theirs)))


@pytest.mark.parametrize("format_", ML_DTYPES, ids=str)
def test_rounding_equals_ml_dtypes_in_range(format_):
    values = probes(format_)
    values = values[np.abs(values) <= format_.largest]  # beyond, E5M2 and E4M3 of ml_dtypes do not saturate
    # float32 on the way would round twice: only numbers that are one already go through ml_dtypes.
    values = values[values == values.astype(np.float32)]
    theirs = values.astype(np.float32).astype(ML_DTYPES[format_]).view(np.uint8)
    assert len(values) > 2**format_.bits
    np.testing.assert_array_equal(format_.encode(values), positive_zero(theirs, format_))


@pytest.mark.parametrize("format_", GFLOAT, ids=str)
def test_every_code_word_decodes_as_in_gfloat(format_):
    for word in range(2**format_.bits):
        theirs = gfloat.decode_float(GFLOAT[format_], word).fval
        if format_.reserved(word):
            assert not np.isfinite(theirs) or (theirs == 0 and np.signbit(theirs))
        else:
            assert format_.decode(word) == theirs


@pytest.mark.parametrize("format_", GFLOAT, ids=str)
def test_rounding_and_saturation_equal_gfloat(format_):
    values = probes(format_, sample=500)
    info = GFLOAT[format_]
    theirs = gfloat.round_ndarray(info, values, gfloat.RoundMode.TiesToEven, sat=True)
    np.testing.assert_array_equal(format_.quantize(values), theirs)
    np.testing.assert_array_equal(
        format_.encode(values), positive_zero(gfloat.encode_ndarray(info, theirs), format_)
    )


def test_values_of_the_standards():
    """Tables 1 and 2 of OCP 8-bit Floating Point 1.0; tables 3 to 5 of OCP Microscaling Formats 1.0."""
    smallest_subnormals = {E5M2: 2.0**-16, E4M3: 2.0**-9, E3M2: 2.0**-4, E2M3: 2.0**-3, E2M1: 2.0**-1}
    largest = {E5M2: 57344, E4M3: 448, E3M2: 28, E2M3: 7.5, E2M1: 6}
    for format_ in ML_DTYPES:
        assert 2.0**format_.unit_exponent == format_.decode(1) == smallest_subnormals[format_]
        assert format_.largest == largest[format_]


@pytest.mark.parametrize(
    "fields, message",
    [
        ((6, 2), "small floating point: exponent_bits must be a whole number from 2 to 5, got 6"),
        ((1, 2), "small floating point: exponent_bits must be a whole number from 2 to 5, got 1"),
        ((2.5, 2), "small floating point: exponent_bits must be a whole number from 2 to 5, got 2.5"),
        ((4, 0), "small floating point: mantissa_bits must be a whole number from 1 to 10, got 0"),
        ((4, 11), "small floating point: mantissa_bits must be a whole number from 1 to 10, got 11"),
    ],
)
def test_fields_refused(fields, message):
    with pytest.raises(RequestError) as caught:
        Minifloat(*fields)
    assert str(caught.value) == message


TINY = 2.0**-126


def numpy_codes(values):
    """IEEE 754 binary32 by numpy's conversion, with the subnormals cleared to their sign."""
    with np.errstate(over="ignore", under="ignore"):
        words = np.asarray(values, dtype=np.float64).astype(np.float32).view(np.uint32)
    return np.where(words & 0x7F80_0000, words, words & 0x8000_0000).astype(np.int64)


def test_float32_rounding_equals_numpy():
    values = probes(Float32())
    np.testing.assert_array_equal(Float32().encode(values), numpy_codes(values))


def test_float32_rounding_equals_gfloat():
    values = probes(Float32(), sample=3000)
    values = np.random.default_rng(0).choice(values, 20_000)
    theirs = gfloat.round_ndarray(gfloat.formats.format_info_binary32, values, gfloat.RoundMode.TiesToEven)
    theirs = np.where(np.abs(theirs) < TINY, 0.0, theirs)
    np.testing.assert_array_equal(Float32().quantize(values), theirs)


def test_float32_decodes_as_numpy():
    codes = sample_codes(Float32())
    theirs = codes.astype(np.uint32).view(np.float32).astype(np.float64)
    theirs = np.where(np.abs(theirs) < TINY, np.copysign(0.0, theirs), theirs)
    np.testing.assert_array_equal(Float32().decode(codes), theirs)
    np.testing.assert_array_equal(np.signbit(Float32().decode(codes)), np.signbit(theirs))


def test_float32_flushes_subnormals_after_rounding():
    half_step = 2.0**-150
    given = [TINY, TINY - half_step, np.nextafter(TINY - half_step, 0), TINY / 2, 2.0**-149, -TINY / 2]
    assert Float32().encode(given).tolist() == [0x0080_0000, 0x0080_0000, 0, 0, 0, 0x8000_0000]
    assert Float32().decode([0x007F_FFFF, 1, 0x8000_0001]).tolist() == [0, 0, 0]


def test_float32_overflows_to_infinity_at_half_a_step_beyond_its_largest():
    border = 2.0**128 - 2.0**103
    given = [np.nextafter(border, 0), border, 1e300, -border, np.inf]
    assert Float32().quantize(given).tolist() == [Float32().largest, np.inf, np.inf, -np.inf, np.inf]
    assert Float32().encode([border, -np.inf]).tolist() == [0x7F80_0000, 0xFF80_0000]


def test_float32_code_words_of_nan_are_refused():
    for word in (0x7F80_0001, 0x7FC0_0000, 0xFFFF_FFFF):
        with pytest.raises(RequestError) as caught:
            Float32().decode([word])
        assert str(caught.value) == f"{word:#x} is no code word of float32 (32 bits)"


def test_float32_integers_refused_beyond_int64():
    with pytest.raises(RequestError) as caught:
        Float32().integers(Float32().encode([1.0]))
    assert str(caught.value) == "1.0 of float32 is no int64 in units of 2**-149"
