from fractions import Fraction

import numpy as np
import pytest
from amaranth.hdl import Module, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from bitwatt.errors import RequestError
from bitwatt.formats import Fixed
from bitwatt.hardware.rtl.average import divide, magnitude_bits, reciprocal_bits, reciprocal_word
from bitwatt.hardware.rtl.rounding import nearest
from bitwatt.hardware.widths import LARGEST_WINDOW, pool_bits


class Divider(wiring.Component):
    def __init__(self, format_):
        self.format = format_
        super().__init__(
            {
                "total": In(signed(pool_bits(format_))),
                "reciprocal": In(reciprocal_bits(format_)),
                "enable": In(1),
                "mean": Out(format_.bits),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.d.comb += self.mean.eq(
            nearest(self.format, m, divide(m, self.format, self.enable, self.total, self.reciprocal))
        )
        return m


def check(play, format_, cases):
    totals, counts = (list(column) for column in zip(*cases, strict=True))
    got = play(
        lambda: Divider(format_),
        {
            "total": [t & (2 ** pool_bits(format_) - 1) for t in totals],
            "reciprocal": [reciprocal_word(format_, k) for k in counts],
            "enable": 1,
        },
        "mean",
        1,
    )
    assert got == [round(Fraction(t, k)) & (2**format_.bits - 1) for t, k in cases]


@pytest.mark.parametrize("format_", [Fixed(4), Fixed(3, signed=False)], ids=str)
def test_every_sum_and_every_count(play, format_):
    low, high = int(format_.smallest), int(format_.largest)
    check(play, format_, [(t, k) for k in range(2, LARGEST_WINDOW + 1) for t in range(k * low, k * high + 1)])


@pytest.mark.parametrize("format_", [Fixed(8), Fixed(8, signed=False), Fixed(16), Fixed(32)], ids=str)
def test_extreme_sums_and_the_neighbours_of_every_tie(play, format_):
    low, high = int(format_.smallest), int(format_.largest)
    rng = np.random.default_rng(6)
    cases = []
    for k in range(2, LARGEST_WINDOW + 1):
        quotients = [low, high - 1, *rng.integers(low, high, 4).tolist()]
        around = [q * k + k // 2 + d for q in quotients for d in (-1, 0, 1)] + [low * k, high * k]
        cases += [(t, k) for t in around if low * k <= t <= high * k]
    check(play, format_, cases)


@pytest.mark.parametrize("format_", [Fixed(4), Fixed(16), Fixed(32), Fixed(8, signed=False)], ids=str)
def test_the_bounds_of_the_proof_hold(format_):
    n, p = magnitude_bits(format_), reciprocal_bits(format_)
    for k in range(2, LARGEST_WINDOW + 1):
        error = reciprocal_word(format_, k) * k - 2**p
        assert 0 <= error < k
        assert reciprocal_word(format_, k) < 2**p
        assert Fraction((2**n - 1) * error, k * 2**p) < Fraction(1, 4 * LARGEST_WINDOW)


@pytest.mark.parametrize("count", [1, 65])
def test_a_count_out_of_range_is_refused(count):
    with pytest.raises(
        RequestError, match=rf"^average pooling divides by 2 to 64 elements a window, got {count}$"
    ):
        reciprocal_word(Fixed(8), count)
