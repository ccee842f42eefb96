"""The output stage against its specification in plain Python, exhaustively on small accumulators."""

from fractions import Fraction

import numpy as np
import pytest

from bitwatt.formats import Fixed, Minifloat, PowerOfTwo, Precision, Ternary, parse_precision
from bitwatt.hardware.pooling import DIVIDE_CYCLES, Pooling, divisor_word
from bitwatt.hardware.rtl.output_stage import OutputStage, output_stage
from bitwatt.hardware.widths import LEFT_SHIFTS, accumulator_bits, wide_bits, wide_slices

OFF = {
    "from_buffer": 0,
    "activation": 0,
    "relu": 0,
    "wide": 0,
    "slice": 0,
    "enable": 1,
    "pooling": 0,
    "pool_first": 0,
    "pool_enable": 0,
    "divisor": 0,
    "divide": 0,
}


def nearest(format_, exact):
    """The specification: the format's own rounding of an exact number, given in its unit."""
    return int(format_.encode(float(exact) * 2.0**format_.unit_exponent))


def relu(format_, code):
    return 0 if format_.is_signed and code >> (format_.bits - 1) else code


def clip(value, bits):
    return min(max(value, -(2 ** (bits - 1))), 2 ** (bits - 1) - 1)


def words(values, bits):
    return [int(v) & (2**bits - 1) for v in values]


def every_total(accumulator, biases):
    shifts = range(-LEFT_SHIFTS, accumulator + 1)
    totals = range(-(2 ** (accumulator - 1)), 2 ** (accumulator - 1))
    return [(t, b, s) for t in totals for b in biases for s in shifts]


def play_totals(play, format_, accumulator, cases, **more):
    make = OutputStage(format_, accumulator)
    bits = len(make.shift)
    pool = [make]
    total, bias, shift = zip(*cases, strict=True)
    return play(
        lambda: pool.pop() if pool else OutputStage(format_, accumulator),
        {
            **OFF,
            "total": words(total, accumulator),
            "bias": words(bias, accumulator),
            "shift": words(shift, bits),
            **more,
        },
        "result",
        1,
        lanes=4,
    )  # building a stage costs the simulator more than running it


@pytest.mark.parametrize("relu_on", [0, 1])
@pytest.mark.parametrize(
    "format_",
    [
        Fixed(4),
        Fixed(3, signed=False),
        Ternary(),
        PowerOfTwo(4),
        PowerOfTwo(3),
        Minifloat(2, 1),
        Minifloat(3, 2),
        Minifloat(2, 3),
    ],
    ids=str,
)
def test_bias_shift_round_saturate_on_every_total_and_shift(play, format_, relu_on):
    cases = every_total(6, (31, -32) if relu_on else (0, -3))
    got = play_totals(play, format_, 6, cases, relu=relu_on)
    for (t, b, s), code in zip(cases, got, strict=True):
        wanted = nearest(format_, Fraction(t + b) / Fraction(2) ** s)
        assert code == (relu(format_, wanted) if relu_on else wanted), (t, b, s)


@pytest.mark.parametrize(
    "name", ["fixed8", "fixed16", "fixed32", "pow2", "binary", "e4m3", "e5m2", "fixed4:pow2"]
)
def test_real_widths_on_random_and_extreme_totals(play, name):
    precision = parse_precision(name)
    bits = accumulator_bits(precision, 8192)
    rng = np.random.default_rng(11)
    ends = [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1, 0, -1, 1]
    cases = [(t, b, s) for t in ends for b in ends for s in (-LEFT_SHIFTS, 0, 1, bits - 1, bits)]
    for _ in range(200):
        length = int(rng.integers(1, bits))
        total = (
            int(rng.integers(-(2**40), 2**40)) << 40 >> (80 - length)
            if length > 40
            else int(rng.integers(-(2**length), 2**length)) >> 1
        )
        shift = int(rng.integers(-LEFT_SHIFTS, bits + 1))
        near = total >> shift << shift if shift > 0 else total
        tie = near + (1 << (shift - 1) if shift > 0 else 0)
        cases += [(total, int(rng.integers(-9, 9)), shift), (clip(tie, bits), 0, shift)]
    got = play_totals(play, precision.activations, bits, cases)
    for (t, b, s), code in zip(cases, got, strict=True):
        exact = Fraction(t + b) / Fraction(2) ** s
        # Beyond 53 bits a float would round; sticky bits below the quarter change no comparison.
        quarters = exact * 4
        jammed = Fraction(quarters.numerator // quarters.denominator, 4)
        if jammed != exact:
            jammed += Fraction(1, 8)
        assert code == nearest_exact(precision.activations, jammed), (t, b, s)


def nearest_exact(format_, exact):
    """As `nearest` for numbers wider than a float64: fixed point is rounded on integers."""
    if isinstance(format_, Fixed):
        return clip(round(exact), format_.bits) & (2**format_.bits - 1)
    limit = Fraction(format_.largest_integer)
    return nearest(format_, max(min(exact, limit), -limit))


@pytest.mark.parametrize(
    "format_, accumulator",
    [
        (Fixed(4), 6),
        (Fixed(2), 5),
        (Minifloat(2, 1), 5),
        (Fixed(32), 77),
        (Fixed(16), 45),
        (Fixed(8, signed=False), 29),
    ],
    ids=str,
)
def test_wide_results_leave_in_slices(play, format_, accumulator):
    bits, slices = wide_bits(accumulator), wide_slices(accumulator, format_.bits)
    rng = np.random.default_rng(2)
    if accumulator <= 8:
        cases = [(t, b, s) for t, b, s in every_total(accumulator, (0, 5)) if s >= 0]
    else:
        ends = [-(2 ** (accumulator - 1)), 2 ** (accumulator - 1) - 1, 2**31, -(2**31) - 1, 2**30]
        ends = [clip(e, accumulator) for e in ends]
        cases = [(t, b, s) for t in ends for b in ends for s in range(0, accumulator + 1, 3)]
        cases += [
            (int(t), 0, s)
            for t, s in zip(rng.integers(-(2**28), 2**28, 100), rng.integers(0, 20, 100), strict=True)
        ]
    parts = [play_totals(play, format_, accumulator, cases, wide=1, slice=i) for i in range(slices)]
    for index, (t, b, s) in enumerate(cases):
        whole = sum(part[index] << (format_.bits * i) for i, part in enumerate(parts))
        wanted = clip(round(Fraction(t + b) / Fraction(2) ** s), bits)
        assert whole == wanted & (2 ** (format_.bits * slices) - 1), (t, b, s)


POOLED = [Fixed(8), Fixed(8, signed=False), Minifloat(4, 3), PowerOfTwo(4), Ternary()]


@pytest.mark.parametrize("pooling", [Pooling.MAX, Pooling.AVERAGE])
@pytest.mark.parametrize("format_", POOLED, ids=str)
def test_pooling_windows_of_all_kinds(play_cycles, format_, pooling):
    rng = np.random.default_rng(4)
    windows = [
        rng.choice(format_.codes(), size) for size in (9, 6, 4, 2, 64, 3, 1, 49, 4, 4, 9, 16) for _ in "ab"
    ]
    windows += [np.full(64, format_.encode(end)) for end in (format_.smallest, format_.largest)]
    rows = []  # (activation, enable, first, pool enable, divide, divisor)
    ends = []
    for window in windows:
        word = divisor_word(Precision(format_, format_), len(window))
        rows += [(int(code), 1, 0, 0, 0, word) for code in window[:1]]
        for i in range(len(window)):
            following = window[i + 1] if i + 1 < len(window) else 0
            rows.append((int(following), int(i + 1 < len(window)), int(i == 0), 1, 0, word))
        rows.append((0, 0, 0, 0, 1, word))
        rows += [(0, 0, 0, 0, 0, 1)] * (DIVIDE_CYCLES - 1)  # the divisor need not stay
        ends.append(len(rows) - 1)
    columns = list(zip(*rows, strict=True))
    names = ("activation", "enable", "pool_first", "pool_enable", "divide", "divisor")
    cycles = len(rows)
    streams = {name: [value] * cycles for name, value in OFF.items()}
    streams |= {name: list(column) for name, column in zip(names, columns, strict=True)}
    streams |= {"from_buffer": [1] * cycles, "pooling": [int(pooling)] * cycles}
    seen = play_cycles(OutputStage(format_, 20), streams, ["result"])["result"]
    for window, end in zip(windows, ends, strict=True):
        numbers = [int(n) for n in format_.integers(window)]
        mean = Fraction(sum(numbers), len(numbers))
        wanted = max(numbers) if pooling == Pooling.MAX else mean
        assert seen[end] == nearest(format_, wanted), window


def test_relu_applies_to_what_comes_from_the_buffer(play):
    codes = Fixed(4).codes()
    got = play(
        lambda: OutputStage(Fixed(4), 8),
        {**OFF, "total": 0, "bias": 0, "shift": 0, "from_buffer": 1, "relu": 1, "activation": codes},
        "result",
        1,
    )
    assert got == [int(c) if c < 8 else 0 for c in codes]


FLAGS = ("enable", "pool_first", "pool_enable", "divide")


def test_float32(play_cycles):
    """Bias, ReLU, and windows of four: maximum, and the sum in order times the rounded reciprocal."""
    rng = np.random.default_rng(9)
    total, bias = rng.standard_normal((2, 12)).astype(np.float32)
    total[0], bias[0] = -0.0, -0.0
    code = total + bias
    code = np.where(np.signbit(code), np.float32(0), code)
    third = np.float32(1) / np.float32(3)
    for pooling in Pooling:
        rows = {name: [] for name in FLAGS}
        totals, biases, ends = [], [], []

        def step(index, rows=rows, totals=totals, biases=biases, **flags):
            for name in FLAGS:
                rows[name].append(flags.get(name, 0))
            totals.append(int(total[index].view(np.uint32)))
            biases.append(int(bias[index].view(np.uint32)))

        for start in range(0, 12, 3):
            for i in range(3):
                step(start + i, enable=1)
                step(start + i, pool_enable=1, pool_first=int(i == 0))
            step(start, divide=1)
            step(start, divide=1)
            ends.append(len(totals) - 1)
        n = len(totals)
        held = {
            "from_buffer": 0,
            "activation": 0,
            "relu": 1,
            "pooling": int(pooling),
            "divisor": int(third.view(np.uint32)),
        }
        seen = play_cycles(
            output_stage(parse_precision("float32"), 64),
            {
                **rows,
                "total": totals,
                "bias": biases,
                **{name: [value] * n for name, value in held.items()},
            },
            ["result"],
        )["result"]
        for start, end in zip(range(0, 12, 3), ends, strict=True):
            a, b, c = code[start : start + 3]
            wanted = {Pooling.NONE: c, Pooling.MAX: max(a, b, c), Pooling.AVERAGE: (a + b + c) * third}[
                pooling
            ]
            assert seen[end] == int(np.float32(wanted).view(np.uint32))


def test_float32_maximum_and_relu_of_zeros_and_nan(play_cycles):
    def largest(*window, relu=0):
        n = len(window)
        found = play_cycles(
            output_stage(parse_precision("float32"), 64),
            {
                "total": [0] * (n + 1),
                "bias": [0] * (n + 1),
                "from_buffer": [1] * (n + 1),
                "relu": [relu] * (n + 1),
                "activation": [*window, 0],
                "enable": [1] * (n + 1),
                "pooling": [1] * (n + 1),
                "pool_first": [0, 1, *[0] * (n - 1)],
                "pool_enable": [0, *[1] * n],
                "divisor": [0] * (n + 1),
                "divide": [0] * (n + 1),
            },
            ["result"],
        )
        return found["result"][-1]

    # Of equals the first; and nothing is larger than NaN, nor NaN than anything.
    assert largest(0x80000000, 0) == 0x80000000
    assert largest(0, 0x80000000) == 0
    assert largest(0x7FC00000, 0x7F800000) == 0x7FC00000
    assert largest(0x7F800000, 0x7FC00000) == 0x7F800000
    assert largest(0x7FC00000, 0x80000000, relu=1) == 0
    assert largest(0xBF800000, 0xC0000000) == 0xBF800000
