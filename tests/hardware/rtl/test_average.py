from fractions import Fraction

import numpy as np
import pytest
from amaranth.hdl import Module, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from bitwatt.errors import RequestError
from bitwatt.formats import Fixed, parse_precision
from bitwatt.hardware.pooling import DIVIDE_CYCLES, divisor_bits, divisor_word
from bitwatt.hardware.rtl.average import divide
from bitwatt.hardware.rtl.rounding import nearest
from bitwatt.hardware.widths import LARGEST_WINDOW, pool_bits

FIXED8 = parse_precision("fixed8")


class Divider(wiring.Component):
    def __init__(self, format_):
        self.format = format_
        super().__init__(
            {
                "total": In(signed(pool_bits(format_))),
                "count": In(divisor_bits(FIXED8)),
                "start": In(1),
                "mean": Out(format_.bits),
            }
        )

    def elaborate(self, platform):
        m = Module()
        jammed = divide(m, self.format, self.start, self.total, self.count)
        m.d.comb += self.mean.eq(nearest(self.format, m, jammed))
        return m


def check(play, format_, cases, lanes=32):
    """Every division starts as soon as the one before is done; the inputs then change at once."""
    streams = {"total": [], "count": [], "start": []}
    for first in range(0, len(cases), lanes):
        batch = [*cases[first : first + lanes]]
        batch += [(0, 1)] * (lanes - len(batch))
        other = [1 << (pool_bits(format_) - 2)] * lanes * (DIVIDE_CYCLES - 1)
        streams["total"] += [total & (2 ** pool_bits(format_) - 1) for total, _ in batch] + other
        streams["count"] += [count for _, count in batch] + [3] * len(other)
        streams["start"] += [1] * lanes + [0] * len(other)
    got = play(lambda: Divider(format_), streams, "mean", DIVIDE_CYCLES, lanes=lanes)
    means = [mean for mean, start in zip(got, streams["start"], strict=True) if start][: len(cases)]
    assert means == [round(Fraction(total, count)) & (2**format_.bits - 1) for total, count in cases]


@pytest.mark.parametrize("format_", [Fixed(2), Fixed(2, signed=False)], ids=str)
def test_every_sum_of_many_counts(play, format_):
    low, high = int(format_.smallest), int(format_.largest)
    counts = [*range(1, 33), 63, 64, LARGEST_WINDOW - 1, LARGEST_WINDOW]
    check(play, format_, [(t, k) for k in counts for t in range(k * low, k * high + 1)])


@pytest.mark.parametrize("format_", [Fixed(8), Fixed(8, signed=False), Fixed(16), Fixed(32)], ids=str)
def test_extreme_sums_and_the_neighbours_of_every_tie(play, format_):
    low, high = int(format_.smallest), int(format_.largest)
    rng = np.random.default_rng(6)
    cases = []
    for k in (1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 16, 25, 30, 32, 36, 49, 62, 63, 64, 81, 125, 127, 128):
        quotients = [low, high - 1, *rng.integers(low, high, 2).tolist()]
        around = [q * k + k // 2 + d for q in quotients for d in (-1, 0, 1)] + [low * k, high * k]
        cases += [(t, k) for t in around if low * k <= t <= high * k]
    check(play, format_, cases)


def test_words_of_the_divisor():
    assert divisor_word(FIXED8, 9) == 9
    assert divisor_word(FIXED8, LARGEST_WINDOW) < 2 ** divisor_bits(FIXED8)
    assert divisor_word(parse_precision("float32"), 9) == int((np.float32(1) / np.float32(9)).view(np.uint32))
    assert divisor_bits(parse_precision("float32")) == 32


@pytest.mark.parametrize("count", [0, 129])
def test_a_count_out_of_range_is_refused(count):
    with pytest.raises(
        RequestError, match=rf"^average pooling takes 1 to 128 elements a window, got {count}$"
    ):
        divisor_word(FIXED8, count)
