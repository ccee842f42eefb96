"""Additions, concatenations, clips, tables and padding: the executor gives the reference's bits."""

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bitwatt.errors import RequestError
from bitwatt.formats import Fixed, Float32
from bitwatt.program import INPUT, Program, accumulator_bits, explain, ops, reference, trace
from bitwatt.program.bounds import value_ranges
from bitwatt.program.executor import plan_of
from bitwatt.program.file import from_bytes, to_bytes
from bitwatt.program.two_words import WIDTH, add_shifted, rounded_to_odd
from bitwatt.testing.graph_programs import graph_programs
from bitwatt.testing.program_suite import images_for

EIGHT, WIDE = Fixed(8), Fixed(32)
IMAGE = ops.Quantize("q", INPUT, EIGHT, -7)


@settings(
    deadline=None, max_examples=120, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(graph_programs(), st.data())
def test_drawn_graphs(program, data):
    images = data.draw(images_for(program))
    plain = reference.trace(program, images)
    ranges = value_ranges(program)
    for name, value in plain.items():
        channels = len(ranges[name])
        for channel, found in enumerate(ranges[name]):
            part = value if channels == 1 else value[:, channel]
            assert found.low <= part.min() <= part.max() <= found.high, name
    for name, value in trace(program, torch.from_numpy(images)).items():
        np.testing.assert_array_equal(value.numpy(), plain[name].astype(np.int64), err_msg=name)
    expected = reference.logits(program, images)
    np.testing.assert_array_equal(program(torch.from_numpy(images)), expected, err_msg=explain(program))
    content = to_bytes(program)
    assert to_bytes(from_bytes(content, "memory")) == content


def fused(weight, other_exponent, *, weights=EIGHT, activations=EIGHT, shift=0, exponent=-7):
    """A fully connected layer, its input times 1 at another exponent beside its sums, one rounding."""
    matrix = np.array(weight, dtype=np.int64)
    one = np.eye(*matrix.shape, dtype=np.int64)
    return Program(
        "fused", "fixed8", (matrix.shape[1],),
        (
            ops.Quantize("q", INPUT, activations, exponent),
            ops.Linear("same", "q", one, None, weights, (other_exponent - exponent,)),
            ops.Requantize("other", "same", activations, (0,)),
            ops.Linear("fc", "q", matrix, None, weights, (0,)),
            ops.Add("add", "fc", "other"),
            ops.Requantize("r", "add", WIDE, (shift,)),
        ),
    )  # fmt: skip


@pytest.mark.parametrize(
    "weights, activations, largest, other, sum_",
    [
        (EIGHT, EIGHT, 100, -7, "float32"),
        (EIGHT, EIGHT, 100, 12, "float64"),
        (EIGHT, Fixed(16), 100, 3, "float64"),
        (Fixed(32), Fixed(32), 2**30, -7, "two words"),
        (EIGHT, Fixed(16), 100, -40, "two words"),
        (EIGHT, EIGHT, 100, 50, "two words"),
    ],
)
def test_a_residual_in_every_arithmetic(weights, activations, largest, other, sum_):
    """Also where the sums themselves would fit in a narrower one."""
    random = np.random.default_rng(0)
    matrix = random.integers(-largest, largest, (3, 6))
    program = fused(matrix, other, weights=weights, activations=activations, shift=max(0, 8 - other))
    assert plan_of(program).carriers["fc"].sum == sum_
    images = torch.from_numpy(np.ldexp(random.integers(-100, 100, (50, 6)).astype(np.float64), -7))
    np.testing.assert_array_equal(program(images), reference.logits(program, images.numpy()))


def test_the_residual_enters_before_the_rounding():
    """round((3 n + n) / 8); each of them rounded before they are added gives others."""
    program = fused([[3, 0]], -7, shift=3, exponent=-7)
    images = torch.tensor([[1.0, 0], [2, 0], [3, 0], [4, 0]]) / 128
    sums = [round(4 * n / 8) for n in (1, 2, 3, 4)]
    assert sums != [round(3 * n / 8) + round(n / 8) for n in (1, 2, 3, 4)]
    assert (program(images) * 2**4).flatten().tolist() == sums


@settings(deadline=None)
@given(
    value=st.integers(-(2**74), 2**74), other=st.integers(-(2**40), 2**40),
    width=st.integers(0, WIDTH), lift=st.integers(0, 40), shift=st.integers(0, 64), down=st.integers(0, 100),
)  # fmt: skip
def test_two_words(value, other, width, lift, shift, down):
    """Against Python's integers: the sum, and its rounding to odd quarters."""
    value = max(-(2 ** (width + 60)), min(value, 2 ** (width + 60)))
    high, low = (torch.tensor([part]) for part in (value >> width, value & (2**width - 1)))
    high, low, made = add_shifted(
        high, low, width, torch.tensor([other]), torch.tensor([lift]), torch.tensor([shift])
    )
    exact = (value << lift) + (other << shift)
    assert (int(high[0]) << made) + int(low[0]) == exact
    assert 0 <= int(low[0]) < 2**made
    quarters = int(rounded_to_odd(high, low, made, torch.tensor([down]))[0] * 4)
    if abs(exact) < 2 ** (down + 45):
        floor = (exact << 2) >> down
        assert quarters == (floor if (floor << down) == exact << 2 else floor | 1)


def test_float32_sums_flush_what_is_subnormal_and_a_clip_ends_nan():
    zero = ops.Quantize("q", INPUT, Float32(), 0)
    program = Program(
        "floats", "float32", (2,),
        (zero, ops.Clip("c", "q", -1.5, 2.0), ops.Add("a", "q", "c"), ops.Concat("j", ("a", "c"))),
    )  # fmt: skip
    tiny = 2.0**-126
    images = np.array([[3, -4], [tiny * 1.5, -tiny], [0.1, np.inf]], dtype=np.float32)
    expected = reference.__name__ and program(torch.from_numpy(images)).float().numpy()
    summed = np.array([[5, -5.5], [3 * tiny, -2 * tiny], [np.float32(0.1) * 2, np.inf]], dtype=np.float32)
    np.testing.assert_array_equal(expected[:, :2], summed)
    np.testing.assert_array_equal(expected[:, 2:], np.clip(images, -1.5, 2.0))
    from bitwatt.program import reference_float32

    plain = reference_float32.trace(program, images)["j"]
    np.testing.assert_array_equal(plain.view(np.uint32), expected.view(np.uint32))


def add(first="q", other="q", name="add"):
    return ops.Add(name, first, other)


def fc(name="fc", source="q", exponent=(0,), outputs=4):
    return ops.Linear(name, source, np.ones((outputs, 4), dtype=np.int64), None, EIGHT, exponent)


def rounded(source, shift=(0,), format=EIGHT):
    return ops.Requantize(f"{source}_r", source, format, shift)


TABLE = np.zeros(256, dtype=np.int64)
REFUSED = [
    ((IMAGE, fc(), add("q", "fc"), rounded("add")),
     "operation 'add' (Add): its second operand 'fc' must be activations, and is sums"),
    ((IMAGE, fc(outputs=3), add("fc", "q"), rounded("add")),
     "operation 'add' (Add): adds values of shapes (3,) and (4,), which must be equal"),
    ((IMAGE, fc(exponent=(-20,)), add("fc", "q"), fc("far", "q", (-70,)), rounded("add")),
     "accumulator 'far' must be read by exactly one Requantize or Add"),
    ((IMAGE, fc(exponent=(-70,)), add("fc", "q"), rounded("add")),
     "operation 'add' (Add): 'q' would be shifted left by 70 bits, 64 at most"),
    ((IMAGE, fc(exponent=(41,)), add("fc", "q"), rounded("add")),
     "operation 'add' (Add): 'fc' would be shifted left by 41 bits, 40 at most"),
    ((IMAGE, add()), "accumulator 'add' must be read by exactly one Requantize"),
    ((IMAGE, add(), add("add", "q", "more"), rounded("more")),
     "accumulator 'add' must be read by exactly one Requantize"),
    ((IMAGE, ops.Concat("c", ())), "operation 'c' (Concat): reads no value"),
    ((IMAGE, fc(), rounded("fc", (3,)), ops.Concat("c", ("q", "fc_r"))),
     "operation 'c' (Concat): joins values of one format and exponent; 'q' is fixed8 * 2**-7, "
     "'fc_r' fixed8 * 2**-4"),
    ((IMAGE, ops.Clip("c", "q", 2, 1)),
     "operation 'c' (Clip): clips to 2 ... 1; the ends must be finite and in order"),
    ((IMAGE, ops.Clip("c", "q", 0, 128)), "operation 'c' (Clip): its end 128 is no number of fixed8"),
    ((IMAGE, ops.Clip("c", "q", 0, 1.5)), "operation 'c' (Clip): its end 1.5 is no number of fixed8"),
    ((IMAGE, ops.Table("t", "q", TABLE[:-1], EIGHT, 0)),
     "operation 't' (Table): its table must hold 256 integers, got int64 of shape (255,)"),
    ((IMAGE, ops.Table("t", "q", TABLE + 128, EIGHT, 0)),
     "operation 't' (Table): an entry of its table is no number of fixed8"),
    ((ops.Quantize("q", INPUT, WIDE, 0), ops.Table("t", "q", TABLE, EIGHT, 0)),
     "operation 't' (Table): looks up formats of 16 bits or fewer, not fixed32"),
    ((IMAGE, ops.Pad("p", "q", (1, 1, 1, 1))),
     "operation 'p' (Pad): pads maps of (channels, height, width), got shape (4,)"),
]  # fmt: skip


@pytest.mark.parametrize("operations, message", REFUSED)
def test_refusals(operations, message):
    with pytest.raises(RequestError) as error:
        Program("test", "fixed8", (4,), operations)
    assert str(error.value) == message


def test_widths_of_sums_count_the_residual():
    """4 products of 1 and -128 .. 127, and 127 * 2**3 beside them."""
    program = Program(
        "test", "fixed8", (4,), (IMAGE, fc(exponent=(-3,)), add("fc", "q"), rounded("add", (3,), WIDE))
    )
    assert program.types["add"].exponent == (-10,)
    assert accumulator_bits(program) == {"fc": 10, "add": 12}
