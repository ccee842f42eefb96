import numpy as np

from bitwatt.formats import parse_precision
from bitwatt.hardware.rtl.accumulator import accumulator
from bitwatt.hardware.widths import product_span

LOAD = [1, 0, 0, 0, 1, 0, 0, 1]
ENABLE = [1, 1, 0, 1, 1, 1, 0, 0]


def running(terms, add):
    """Totals after each cycle under LOAD and ENABLE."""
    total, totals = terms[0], []
    for term, load, enable in zip(terms, LOAD, ENABLE, strict=True):
        if enable:
            total = term if load else add(total, term)
        totals.append(total)
    return totals


def test_integers_load_add_and_hold(play_cycles):
    terms = [5, -3, 100, 7, -8, -9, 50, 60]
    found = accumulator(parse_precision("fixed4"), 16, 64)
    seen = play_cycles(found, {"term": [t & 0xFFF for t in terms], "load": LOAD, "enable": ENABLE}, ["total"])
    bits = len(found.total)
    assert [t - (t >> (bits - 1) << bits) for t in seen["total"]] == running(terms, lambda a, b: a + b)


def test_the_largest_fan_in_just_fits(play_cycles):
    precision = parse_precision("fixed4")
    span = product_span(precision.weights, precision.activations)
    for product in (span.least, span.most):
        found = accumulator(precision, 4, 64)
        groups = 16
        seen = play_cycles(
            found,
            {
                "term": [4 * product & (2 ** len(found.term) - 1)] * groups,
                "load": [1] + [0] * 15,
                "enable": [1] * 16,
            },
            ["total"],
        )
        bits = len(found.total)
        assert seen["total"][-1] == 64 * product & (2**bits - 1)
        assert -(2 ** (bits - 1)) <= 64 * product < 2 ** (bits - 1)


def test_float32_rounds_each_addition_with_the_total_on_the_left(play_cycles):
    terms = np.array([1, 2.0**-24, 9, 3 * 2.0**-25, 1e30, -1e30, 2, 3], dtype=np.float32)
    seen = play_cycles(
        accumulator(parse_precision("float32"), 16, 64),
        {"term": terms.view(np.uint32), "load": LOAD, "enable": ENABLE},
        ["total"],
    )
    wanted = np.array(running(list(terms), lambda a, b: np.float32(a + b)), dtype=np.float32)
    assert seen["total"] == wanted.view(np.uint32).tolist()


def test_fewer_inputs_than_lanes_need_fewer_bits_than_a_tree_sum(play_cycles):
    """The lanes without an input are fed zeros, so the sum fits all the same."""
    precision = parse_precision("fixed4")
    found = accumulator(precision, 16, 2)
    assert len(found.total) == 9 < len(found.term)
    seen = play_cycles(found, {"term": [128], "load": [1], "enable": [1]}, ["total"])
    assert seen["total"] == [128]
