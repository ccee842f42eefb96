"""Powers of two, binary and ternary against tables written out by hand."""

import numpy as np
import pytest

from bitwatt.errors import RequestError
from bitwatt.formats import Binary, PowerOfTwo, Ternary


def test_every_code_word_of_four_bits():
    values = [0, 1, 2, 4, 8, 16, 32, 64, None, -1, -2, -4, -8, -16, -32, -64]
    pow2 = PowerOfTwo(4)
    for code, value in enumerate(values):
        if value is None:
            assert pow2.reserved(code)
        else:
            assert not pow2.reserved(code)
            assert pow2.decode(code) == value


@pytest.mark.parametrize("width, exponents", [(2, 1), (3, 3), (4, 7), (5, 15), (6, 15), (8, 15)])
def test_window_is_what_the_bits_allow_up_to_fifteen(width, exponents):
    pow2 = PowerOfTwo(width)
    powers = [2.0**k for k in range(exponents)]
    assert sorted(pow2.decode(pow2.codes())) == sorted([0.0, *powers, *(-power for power in powers)])


def test_rounding_is_to_the_nearest_value_and_ties_to_the_even_field():
    below_three = np.nextafter(3, 0)
    # 2**1.5 = 2.828.. is where rounding the exponent would turn from 2 to 4.
    given = [0.5, np.nextafter(0.5, 1), 1.5, np.nextafter(1.5, 0), 2.9, below_three, 3, 6, np.nextafter(6, 9)]
    assert PowerOfTwo().quantize(given).tolist() == [0, 1, 2, 1, 2, 2, 2, 8, 8]
    assert PowerOfTwo().quantize(np.negative(given)).tolist() == [0, -1, -2, -1, -2, -2, -2, -8, -8]


def test_just_below_a_power_of_two_the_exponent_is_exact():
    below = np.nextafter(2.0 ** np.arange(1, 15), 0)
    assert PowerOfTwo().quantize(below).tolist() == [2.0**k for k in range(1, 15)]


@pytest.mark.parametrize("width", [1, 9, 6.0, "6"])
def test_width_refused(width):
    with pytest.raises(RequestError) as caught:
        PowerOfTwo(width)
    assert str(caught.value) == f"powers of two: width must be a whole number from 2 to 8, got {width!r}"


def test_binary():
    assert Binary().decode([0, 1]).tolist() == [1, -1]
    assert Binary().encode([-9, -1e-300, -0.0, 0.0, 1e-300, 9]).tolist() == [1, 1, 0, 0, 0, 0]


def test_ternary():
    assert Ternary().decode([0, 1, 3]).tolist() == [0, 1, -1]
    assert Ternary().quantize([-9, -0.51, -0.5, 0, 0.5, 0.51, 9]).tolist() == [-1, -1, 0, 0, 0, 1, 1]
    with pytest.raises(RequestError) as caught:
        Ternary().decode(2)
    assert str(caught.value) == "0x2 is no code word of ternary (2 bits)"
