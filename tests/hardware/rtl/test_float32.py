"""float32 hardware against numpy's float32, flushed: every pair of special words, random and awkward ones."""

import itertools

import numpy as np
import pytest

from bitwatt.hardware.rtl.float32 import QUIET_NAN, Float32Adder, Float32Multiplier

TINY = np.float32(2.0**-126)


def flushed(words):
    """uint32 words with subnormals made zeros of their sign and every NaN the quiet one."""
    words = np.asarray(words, dtype=np.uint32)
    exponent = (words >> 23) & 0xFF
    words = np.where(exponent == 0, words & np.uint32(0x80000000), words)
    return np.where(np.isnan(words.view(np.float32)), np.uint32(QUIET_NAN), words)


def reference(operation, a, b):
    with np.errstate(all="ignore"):
        return flushed(operation(flushed(a).view(np.float32), flushed(b).view(np.float32)).view(np.uint32))


SPECIAL = [
    *(0, 1, 0x7FFFFF, 0x800000, 0x800001, 0xFFFFFF),  # zero, subnormals, the least normals
    *(0x3F7FFFFF, 0x3F800000, 0x3F800001, 0x40000000),  # around one
    *(0x4B7FFFFF, 0x4B800000, 0x33800000, 0x33FFFFFF),  # around 2**24 and 2**-24
    *(0x7F000000, 0x7F7FFFFE, 0x7F7FFFFF),  # the largest
    *(0x7F800000, 0x7F800001, 0x7FC00000),  # infinity, NaNs
    *(0x1F800000, 0x20000000, 0x1FFFFFFF, 0x5F7FFFFF),  # products around the least and the largest
]


def pairs(count, seed=3):
    """Special pairs, uniform words, near exponents (cancellation, ties), and products around 2**-126."""
    rng = np.random.default_rng(seed)
    special = np.array([*SPECIAL, *(word | 1 << 31 for word in SPECIAL)], dtype=np.uint32)
    a, b = (grid.ravel() for grid in np.meshgrid(special, special))

    def words(exponents):
        sign = rng.integers(0, 2, exponents.size) << 31
        fraction = rng.integers(0, 2**23, exponents.size)
        mask = rng.choice([0x7FFFFF, 0x7FF000, 0x400000, 0x7, 0], exponents.size)  # few bits: ties
        fraction = np.where(rng.random(exponents.size) < 0.5, fraction, (fraction & mask))
        return (sign | exponents << 23 | fraction).astype(np.uint32)

    base = rng.integers(1, 255, count)
    near = np.clip(base + rng.integers(-27, 28, count), 0, 255)
    low = np.clip(126 - base + rng.integers(-1, 3, count), 0, 255)
    return (
        np.concatenate([a, rng.integers(0, 2**32, count, dtype=np.uint32), words(base), words(base)]),
        np.concatenate([b, rng.integers(0, 2**32, count, dtype=np.uint32), words(near), words(low)]),
    )


def differences(got, wanted, a, b):
    got = np.asarray(got, dtype=np.uint32)
    return [
        f"{x:#x} . {y:#x}: got {g:#x}, numpy {w:#x}"
        for x, y, g, w in zip(a, b, got, wanted, strict=True)
        if g != w
    ][:5]


def test_addition(play):
    a, b = pairs(800)
    got = play(Float32Adder, {"left": a, "right": b}, "sum", 0, lanes=2)
    assert differences(got, reference(np.add, a, b), a, b) == []


def test_multiplication(play):
    a, b = pairs(800)
    got = play(Float32Multiplier, {"weight": a, "activation": b, "enable": 1}, "product", 2)
    assert differences(got, reference(np.multiply, a, b), a, b) == []


def test_products_around_the_least_normal(play):
    """From 2**-126 - 2**-150 upwards a product is rounded up to 2**-126; below, it is flushed."""
    x = np.nextafter(np.float32(1), np.float32(0))  # 1 - 2**-24
    below = np.float32(1 - 2.0**-23)
    a = np.array([x, below, x, -x], dtype=np.float32)
    b = np.array([TINY, TINY, -TINY, TINY], dtype=np.float32)
    got = play(
        Float32Multiplier,
        {"weight": a.view(np.uint32), "activation": b.view(np.uint32), "enable": 1},
        "product",
        2,
        lanes=4,
    )
    assert got == [0x00800000, 0, 0x80800000, 0x80800000]


@pytest.mark.parametrize(
    "left, right, total",
    [
        (1.5, -1.5, 0x00000000),
        (-0.0, -0.0, 0x80000000),
        (0.0, -0.0, 0x00000000),
        (-1.5, 1.5, 0x00000000),
    ],
)
def test_signs_of_zero_sums(play, left, right, total):
    words = np.array([left, right], dtype=np.float32).view(np.uint32)
    assert play(Float32Adder, {"left": [words[0]], "right": [words[1]]}, "sum", 0, lanes=1) == [total]


def test_both_stages_wait_for_enable(play_cycles):
    one, two, three = (int(w) for w in np.array([1, 2, 3], dtype=np.float32).view(np.uint32))
    seen = play_cycles(
        Float32Multiplier(),
        {"weight": [two, three, three, one], "activation": [one, one, one, one], "enable": [1, 0, 1, 1]},
        ["product"],
    )
    assert seen["product"][2:] == [two, three]


def test_special_words_cover_every_class():
    classes = {(int(w >> 23 == 0xFF) * 2 + int(w >> 23 == 0), w & 0x7FFFFF != 0) for w in SPECIAL}
    assert classes == set(itertools.product((0, 1, 2), (False, True)))
