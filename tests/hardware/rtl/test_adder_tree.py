import itertools

import numpy as np
import pytest

from bitwatt.formats import Fixed, parse_precision
from bitwatt.hardware.rtl.adder_tree import BinaryTree, Float32Tree, IntegerTree, adder_tree
from bitwatt.hardware.rtl.float32 import QUIET_NAN
from bitwatt.hardware.widths import Span, product_span, sum_bits


def signed(words, bits):
    return [word - (word >> (bits - 1) << bits) for word in words]


def play_lanes(play, make, width, streams, **more):
    """streams: name -> (rows, width) words, one port a lane of the tree."""
    flat = {f"{name}__{i}": words[:, i] for name, words in streams.items() for i in range(width)}
    return play(make, {**flat, "enable": 1}, "sum", **more)


@pytest.mark.parametrize("lanes", [1, 2, 3, 4])
def test_integer_tree_on_every_combination(play, lanes):
    term = Span(-2, 1) if lanes == 4 else Span(-4, 3)
    values = np.array(list(itertools.product(range(term.least, term.most + 1), repeat=lanes)))
    words = values & (2**term.bits - 1)
    got = play_lanes(play, lambda: IntegerTree(term, lanes), lanes, {"terms": words}, latency=1, lanes=8)
    assert signed(got, term.times(lanes).bits) == values.sum(axis=1).tolist()


@pytest.mark.parametrize("name", ["fixed4", "fixed8", "fixed16", "fixed32", "pow2", "ternary", "e4m3"])
def test_sixteen_lanes_on_random_and_extreme_products(play, name):
    precision = parse_precision(name)
    span = product_span(precision.weights, precision.activations)
    rng = np.random.default_rng(1)
    values = np.array(
        [
            [span.least] * 16,
            [span.most] * 16,
            [span.least, span.most] * 8,
            *([int(v) for v in row] for row in rng.uniform(span.least, span.most, (200, 16))),
        ],
        dtype=object,
    )
    words = np.vectorize(lambda v: v & (2**span.bits - 1), otypes=[object])(values)
    got = play_lanes(play, lambda: adder_tree(precision, 16), 16, {"terms": words}, latency=1, lanes=1)
    assert signed(got, sum_bits(precision, 16)) == [sum(row) for row in values.tolist()]


@pytest.mark.parametrize(
    "activations, lanes",
    [
        (Fixed(2), 1),
        (Fixed(2), 2),
        (Fixed(2), 3),
        (Fixed(2, signed=False), 4),
        (Fixed(3), 3),
        (Fixed(2), 4),
    ],
)
def test_binary_tree_on_every_combination(play, activations, lanes):
    codes = activations.codes()
    rows = np.array(
        [
            (*w, *a)
            for w in itertools.product((0, 1), repeat=lanes)
            for a in itertools.product(codes, repeat=lanes)
        ]
    )
    w, a = rows[:, :lanes], rows[:, lanes:]
    got = play_lanes(
        play,
        lambda: BinaryTree(activations, lanes),
        lanes,
        {"weights": w, "activations": a},
        latency=1,
        lanes=16,
    )
    wanted = ((1 - 2 * w) * activations.integers(a)).sum(axis=1)
    assert (
        signed(got, product_span(parse_precision("binary").weights, activations).times(lanes).bits)
        == wanted.tolist()
    )


@pytest.mark.parametrize("name", ["binary", "binary:ufixed8", "binary:e2m1", "binary:pow2-4"])
def test_binary_tree_of_sixteen_lanes(play, name):
    precision = parse_precision(name)
    act = precision.activations
    rng = np.random.default_rng(5)
    ends = act.encode(np.array([act.smallest, act.largest]))
    a = np.concatenate(
        [np.full((2, 16), ends[0]), np.full((2, 16), ends[1]), rng.choice(act.codes(), (100, 16))]
    )
    w = rng.integers(0, 2, a.shape)
    w[0:3:2], w[1:4:2] = 0, 1
    got = play_lanes(
        play, lambda: adder_tree(precision, 16), 16, {"weights": w, "activations": a}, latency=1, lanes=1
    )
    assert signed(got, sum_bits(precision, 16)) == ((1 - 2 * w) * act.integers(a)).sum(axis=1).tolist()


@pytest.mark.parametrize("lanes", [1, 2, 4, 16, 5])
def test_float_tree_adds_in_the_order_of_contiguous_halves(play, lanes):
    rng = np.random.default_rng(lanes)
    terms = (rng.standard_normal((60, lanes)) * 2.0 ** rng.integers(-20, 20, (60, lanes))).astype(np.float32)
    terms[0], terms[1] = np.inf, 0
    make = Float32Tree(lanes)
    latency = make.latency
    pool = [make]  # the first component is the one that was asked for its latency
    got = play_lanes(
        play,
        lambda: pool.pop() if pool else Float32Tree(lanes),
        lanes,
        {"terms": terms.view(np.uint32)},
        latency=latency,
        lanes=1,
    )
    level = terms
    while level.shape[1] > 1:
        half = (level.shape[1] + 1) // 2
        pairs = level.shape[1] - half
        level = np.concatenate([level[:, :pairs] + level[:, half:], level[:, pairs:half]], axis=1)
    wanted = np.where(np.isnan(level[:, 0]), np.uint32(QUIET_NAN), level[:, 0].view(np.uint32))
    assert got == wanted.tolist()
    assert latency == max((lanes - 1).bit_length(), 1)
