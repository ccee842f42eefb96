"""Every block is the product of its formats' integers: on every pair of codes at 8 bits or fewer."""

import numpy as np
import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from bitwatt.formats import Binary, Fixed, Minifloat, PowerOfTwo, Precision, Ternary, parse_precision
from bitwatt.hardware.rtl.operand import integer, operand, rank
from bitwatt.hardware.rtl.weight_block import WeightBlock, weight_block
from bitwatt.hardware.widths import product_bits

EXHAUSTED = [
    "fixed8:fixed8",
    "fixed8:ufixed8",
    "ufixed8:fixed8",
    "fixed4:fixed4",
    "fixed4:fixed8",
    "fixed2:ufixed2",
    "pow2:fixed8",
    "pow2-3:ufixed4",
    "pow2:pow2",
    "binary:fixed8",
    "binary:ufixed4",
    "binary:e2m1",
    "ternary:fixed8",
    "ternary:ternary",
    "e4m3:e4m3",
    "e5m2:fixed4",
    "e2m1:pow2",
    "fixed4:e3m2",
    "pow2:e3m2",
]
SAMPLED = ["fixed16", "fixed32", "pow2", "binary", "ternary", "fixed8:fixed16", "e5m10:fixed4", "e5m2:e5m2"]


def signed(words, bits):
    return [word - (word >> (bits - 1) << bits) for word in words]


def check(play, precision, w, a):
    bits = product_bits(precision.weights, precision.activations)
    words = play(lambda: weight_block(precision), {"weight": w, "activation": a, "enable": 1}, "product", 1)
    wanted = [
        int(x) * int(y)
        for x, y in zip(precision.weights.integers(w), precision.activations.integers(a), strict=True)
    ]
    assert signed(words, bits) == wanted


@pytest.mark.parametrize("name", EXHAUSTED)
def test_every_pair_of_codes(play, name):
    precision = parse_precision(name)
    w, a = np.meshgrid(precision.weights.codes(), precision.activations.codes())
    check(play, precision, w.ravel(), a.ravel())


@pytest.mark.parametrize("name", SAMPLED)
def test_random_and_extreme_codes(play, name):
    precision = parse_precision(name)
    rng = np.random.default_rng(7)

    def codes(format_):
        ends = format_.encode(np.array([format_.smallest, format_.largest, 0.0, 1.0, -1.0]))
        drawn = rng.integers(0, 2**format_.bits, 4000)
        return ends, drawn[~format_.reserved(drawn)]

    (w_ends, w), (a_ends, a) = codes(precision.weights), codes(precision.activations)
    n = min(len(w), len(a))
    w_grid, a_grid = np.meshgrid(w_ends, a_ends)
    check(play, precision, np.concatenate([w_grid.ravel(), w[:n]]), np.concatenate([a_grid.ravel(), a[:n]]))


class Decoder(wiring.Component):
    """A function of one code word as a component."""

    def __init__(self, format_, of):
        self.format, self.of = format_, of
        super().__init__({"code": In(format_.bits), "value": Out(64)})

    def elaborate(self, platform):
        m = Module()
        value = self.of(self.format, m, self.code)
        value = value.significand if self.of is TABLE else value
        m.d.comb += self.value.eq(value)
        return m


TABLE = operand.dispatch(object)
FORMATS = (
    Fixed(8),
    Fixed(5, signed=False),
    PowerOfTwo(6),
    PowerOfTwo(2),
    Ternary(),
    Binary(),
    Minifloat(4, 3),
    Minifloat(5, 2),
    Minifloat(2, 1),
)


@pytest.mark.parametrize("of", [TABLE, integer], ids=["table", "rule"])
@pytest.mark.parametrize("format_", FORMATS, ids=str)
def test_decoder_equals_the_format_on_every_code(play, format_, of):
    codes = format_.codes()
    words = play(lambda: Decoder(format_, of), {"code": codes}, "value", 0)
    assert signed(words, 64) == format_.integers(codes).tolist()


@pytest.mark.parametrize("format_", FORMATS, ids=str)
def test_rank_orders_codes_as_values(play, format_):
    codes = format_.codes()
    ranks = np.array(signed(play(lambda: Decoder(format_, rank), {"code": codes}, "value", 0), 64))
    values = format_.decode(codes)
    assert np.array_equal(np.sign(ranks[:, None] - ranks), np.sign(values[:, None] - values))


def test_a_format_too_wide_for_a_table_is_refused():
    with pytest.raises(ValueError, match=r"^fixed32 has 32 bits, too many for a table: register a rule"):
        TABLE(Fixed(32), None, None)


def test_disabled_the_product_stays(play_cycles):
    seen = play_cycles(
        WeightBlock(Fixed(4), Fixed(4)),
        {"weight": [3, 5, 5], "activation": [2, 7, 7], "enable": [1, 0, 1]},
        ["product"],
    )
    assert seen["product"] == [6, 6, 35]


def test_reserved_ternary_weight_counts_as_zero(play):
    assert play(
        lambda: weight_block(Precision(Ternary(), Fixed(4))),
        {"weight": [2], "activation": [7], "enable": 1},
        "product",
        1,
        lanes=1,
    ) == [0]
