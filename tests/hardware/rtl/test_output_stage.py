"""The output stage against its specification in plain Python, exhaustively on small accumulators."""

from fractions import Fraction

import numpy as np
import pytest

from bitwatt.formats import Fixed, Minifloat, PowerOfTwo, Precision, Ternary, parse_precision
from bitwatt.hardware.pooling import DIVIDE_CYCLES, Pooling, divisor_word
from bitwatt.hardware.rtl.output_stage import OutputStage, output_stage
from bitwatt.hardware.tile import Tile
from bitwatt.hardware.widths import (
    LARGEST_WINDOW,
    LEFT_SHIFTS,
    RESIDUAL_FRACTION,
    RESIDUAL_SHIFT_BITS,
    accumulator_bits,
    wide_bits,
    wide_slices,
)

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


def play_totals(play, format_, accumulator, cases, built=None, late=None, **more):
    """Results of (total, bias, shift). built: options of the stage; late: ports of the second register."""
    built = built or {"registers": 1}
    make = OutputStage(format_, accumulator, **built)
    bits, registers, lanes = len(make.shift), make.registers, 4
    pool = [make]
    total, bias, shift = zip(*cases, strict=True)
    # Cases lie side by side in the lanes, so that a cycle later is so many cases later.
    delayed = {port: [0] * lanes + list(column) for port, column in (late or {}).items()}
    found = play(
        lambda: pool.pop() if pool else OutputStage(format_, accumulator, **built),
        {
            **OFF,
            "enable": 2**registers - 1,
            "total": words(total, accumulator),
            "bias": words(bias, accumulator),
            "shift": words(shift, bits),
            **delayed,
            **more,
        },
        "result",
        registers,
        lanes=lanes,
    )  # building a stage costs the simulator more than running it
    return found[: len(cases)]


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


SMALL_FORMATS = [Fixed(4), Fixed(3, signed=False), Ternary(), PowerOfTwo(3), Minifloat(2, 1)]


@pytest.mark.parametrize("format_, registers", [*((f, 2) for f in SMALL_FORMATS), (Fixed(4), 3)], ids=str)
def test_residuals_of_every_code_and_alignment(play, format_, registers):
    """One rounding of the whole sum, ties and jammed bits included."""
    rng = np.random.default_rng(13)
    accumulator = 6
    codes = format_.codes()
    drawn = [
        (int(t), int(b), int(s), int(r), int(d))
        for t, b, s, r, d in zip(
            rng.integers(-32, 32, 1500),
            rng.integers(-2, 2, 1500),
            rng.integers(-LEFT_SHIFTS, accumulator + 1, 1500),
            rng.choice(codes, 1500),
            rng.integers(0, 2**RESIDUAL_SHIFT_BITS, 1500),
            strict=True,
        )
    ]
    late = {"residual": [case[3] for case in drawn], "residual_shift": [case[4] for case in drawn]}
    got = play_totals(
        play, format_, accumulator, [case[:3] for case in drawn],
        {"registers": registers, "residual": True}, late, add_residual=1,
    )  # fmt: skip
    ties = 0
    for (t, b, s, r, d), code in zip(drawn, got, strict=True):
        residual = int(format_.integers(np.array(r))) * Fraction(2) ** (d - RESIDUAL_FRACTION)
        exact = Fraction(t + b) / Fraction(2) ** s + residual
        ties += exact.denominator == 2
        assert code == nearest(format_, exact), (t, b, s, r, d)
    assert ties > 10


def test_the_sum_of_two_activations(play):
    """What Bin has stands where the sum does."""
    format_ = Fixed(4)
    cases = [
        (a, s, r, d) for a in range(16) for s in (-4, -1, 0, 2) for r in range(16) for d in (0, 7, 8, 15)
    ]
    signed = [((a ^ 8) - 8, s, (r ^ 8) - 8, d) for a, s, r, d in cases]
    late = {"residual": [r for _, _, r, _ in cases], "residual_shift": [d for *_, d in cases]}
    got = play_totals(
        play, format_, 8, [(99, 0, s) for _, s, _, _ in cases], {"registers": 2, "residual": True}, late,
        add_residual=1, from_buffer=1, activation=[a for a, *_ in cases],
    )  # fmt: skip
    for (a, s, r, d), code in zip(signed, got, strict=True):
        exact = Fraction(a) / Fraction(2) ** s + r * Fraction(2) ** (d - RESIDUAL_FRACTION)
        assert code == nearest(format_, exact), (a, s, r, d)


def test_stages_of_more_registers_pass_activations_on_and_add_nothing_unasked(play):
    codes = Fixed(4).codes()
    for built in ({"registers": 2}, {"registers": 2, "residual": True}, {"registers": 3, "residual": True}):
        extra = {"residual": 5, "residual_shift": 9, "add_residual": 0} if "residual" in built else {}
        zeros = [(0, 0, 0)] * len(codes)
        passed = play_totals(play, Fixed(4), 8, zeros, built, from_buffer=1, activation=codes, **extra)
        assert passed == codes.tolist()
        got = play_totals(play, Fixed(4), 8, [(6, 1, 0), (6, 1, 1), (-20, 0, 1)], built, **extra)
        assert got == [7, 4, 8]


@pytest.mark.parametrize("format_", [*SMALL_FORMATS, Fixed(8)], ids=str)
def test_bounds(play, format_):
    """Every code between every two ends of it, in the order of values."""
    codes = format_.codes().tolist()[:: max(1, 2**format_.bits // 16)]
    value = {code: int(format_.integers(np.array(code))) for code in codes}
    cases = [(c, low, high) for c in codes for low in codes for high in codes if value[low] <= value[high]]
    late = {"low": [low for _, low, _ in cases], "high": [high for *_, high in cases]}
    for clips in (0, 1):
        got = play_totals(
            play, format_, 8, [(0, 0, 0)] * len(cases), {"registers": 2, "clip": True}, late,
            clips=clips, from_buffer=1, activation=[c for c, *_ in cases],
        )  # fmt: skip
        for (code, low, high), found in zip(cases, got, strict=True):
            wanted = min(max(value[code], value[low]), value[high]) if clips else value[code]
            assert value[found] == wanted, (code, low, high)


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
        rng.choice(format_.codes(), size) for size in (9, 6, 4, 2, 125, 3, 1, 49, 4, 4, 9, 16) for _ in "ab"
    ]
    windows += [np.full(LARGEST_WINDOW, format_.encode(end)) for end in (format_.smallest, format_.largest)]
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
            output_stage(Tile("float32")),
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
            output_stage(Tile("float32")),
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
