"""Types of values, and programs that are not well formed: refused with a sentence each."""

import numpy as np
import pytest

from bitwatt.errors import RequestError
from bitwatt.formats import Binary, Fixed, Float32
from bitwatt.program import INPUT, Program, ValueType, accumulator_bits, ops
from bitwatt.program.bounds import Range, value_ranges

E8 = Fixed(8)
IMAGE = ops.Quantize("q", INPUT, E8, -7)


def conv(weight=(2, 3, 3, 3), name="conv", source="q", **changes):
    array = np.ones(weight, dtype=np.int64)
    given = {"bias": None, "weight_format": E8, "weight_exponent": (-5,)} | changes
    return ops.Conv2d(name, source, array, **given)


def fc(outputs, inputs, name="fc", source="q", **changes):
    given = {"weight": np.ones((outputs, inputs), dtype=np.int64), "bias": None}
    given |= {"weight_format": E8, "weight_exponent": (0,)} | changes
    return ops.Linear(name, source, **given)


def rounded(source, shift=(0,), format=E8):
    return ops.Requantize(f"{source}_r", source, format, shift)


def program(*operations, shape=(3, 6, 5), lanes=16):
    return Program("test", "fixed8", shape, operations, lanes)


def test_types():
    made = program(
        IMAGE,
        conv(weight_exponent=(-5, -4), stride=(2, 1), padding=(1, 0)),
        rounded("conv", (4, 3)),
        ops.MaxPool2d("pool", "conv_r", (2, 2), (2, 2), ceil_mode=True),
        ops.Flatten("flat", "pool"),
        fc(4, 8, source="flat"),
        rounded("fc", (1,), Fixed(32)),
    )
    assert made.types == {
        INPUT: ValueType((3, 6, 5), None, (0,)),
        "q": ValueType((3, 6, 5), E8, (-7,)),
        "conv": ValueType((2, 3, 3), None, (-12, -11), is_accumulator=True),
        "conv_r": ValueType((2, 3, 3), E8, (-8,)),
        "pool": ValueType((2, 2, 2), E8, (-8,)),
        "flat": ValueType((8,), E8, (-8,)),
        "fc": ValueType((4,), None, (-8,), is_accumulator=True),
        "fc_r": ValueType((4,), Fixed(32), (-7,)),
    }
    assert made.types["conv"].size == 18
    assert made.output == "fc_r"
    assert not made.is_float


def test_accumulator_bits_and_ranges():
    """27 products of 1 and -128 .. 127, and what the rounding and the ReLU leave."""
    made = program(
        IMAGE,
        conv(bias=np.array([10, -10])),
        rounded("conv", (4,)),
        ops.Relu("relu", "conv_r"),
        ops.AvgPool2d("avg", "relu", (2, 2), (2, 2)),
        ops.Flatten("flat", "avg"),
        fc(1, 4, source="flat"),
        rounded("fc", (0,), Fixed(32)),
    )
    low, high = -128 * 27, 127 * 27
    assert value_ranges(made) == {
        "q": (Range(-128, 127),),
        "conv": (Range(low, high + 10), Range(low - 10, high)),
        "conv_r": (Range(-128, 127),),
        "relu": (Range(0, 127),),
        "avg": (Range(0, 127),),
        "flat": (Range(0, 127),),
        "fc": (Range(0, 4 * 127),),
        "fc_r": (Range(0, 4 * 127),),
    }
    assert accumulator_bits(made) == {"conv": 13, "fc": 10}


def test_a_float_program_has_no_integers():
    weight = np.ones((1, 2), dtype=np.float32)
    made = program(
        ops.Quantize("q", INPUT, Float32(), 0),
        fc(1, 2, weight=weight, weight_format=Float32()),
        shape=(2,),
    )
    assert made.is_float
    assert value_ranges(made) == accumulator_bits(made) == {}


FLAT = ops.Flatten("f", "q")
REFUSED = [
    ((), "a program needs at least one operation"),
    ((ops.Relu("r", "x"),), "operation 'r' reads 'x', which no earlier operation makes"),
    ((IMAGE, ops.Relu("q", "q")), "two values are named 'q'"),
    ((IMAGE, ops.Relu("input", "q")), "two values are named 'input'"),
    ((ops.Relu("r", INPUT),), "operation 'r' (Relu): reads 'input', which is not on the grid of a format"),
    (
        (IMAGE, ops.Quantize("p", "q", E8, 0)),
        "operation 'p' (Quantize): reads 'q'; only the images are real numbers",
    ),
    ((IMAGE, conv()), "accumulator 'conv' must be read by exactly one Requantize or Add"),
    (
        (IMAGE, conv(), rounded("conv"), ops.Requantize("again", "conv", E8, (0,))),
        "accumulator 'conv' must be read by exactly one Requantize or Add",
    ),
    ((IMAGE, rounded("q")), "operation 'q_r' (Requantize): reads 'q', which is no accumulator"),
    (
        (IMAGE, conv(), ops.Relu("r", "conv")),
        "operation 'r' (Relu): reads 'conv', which is not on the grid of a format",
    ),
    (
        (IMAGE, conv(), rounded("conv", (1, 2, 3))),
        "operation 'conv_r' (Requantize): 3 shifts for 2 channels",
    ),
    (
        (IMAGE, conv(), rounded("conv", (101,))),
        "operation 'conv_r' (Requantize): shifts must lie in -64 to 100, got (101,)",
    ),
    (
        (IMAGE, conv(), rounded("conv", (0,), Float32())),
        "operation 'conv_r' (Requantize): its format must be one of integers, got float32",
    ),
    (
        (IMAGE, conv(), rounded("conv", (0, 1)), conv((1, 2, 1, 1), "next", "conv_r")),
        "operation 'next' (Conv2d): its input must have one exponent",
    ),
    (
        (IMAGE, conv((2, 4, 3, 3))),
        "operation 'conv' (Conv2d): takes 4 channels, got a value of shape (3, 6, 5)",
    ),
    (
        (IMAGE, conv((2, 1, 3, 3), groups=3)),
        "operation 'conv' (Conv2d): 2 outputs do not divide into 3 groups",
    ),
    (
        (IMAGE, conv((2, 3, 7, 3))),
        "operation 'conv' (Conv2d): kernel (7, 3) does not fit in a map of 6 x 5",
    ),
    (
        (IMAGE, conv((2, 3, 3))),
        "operation 'conv' (Conv2d): weights must have 4 axes and at least one element, got (2, 3, 3)",
    ),
    (
        (IMAGE, conv(stride=(0, 1))),
        "operation 'conv' (Conv2d): stride, dilation and groups must be at least 1, and padding at least 0",
    ),
    (
        (IMAGE, conv(weight_exponent=(1, 2, 3))),
        "operation 'conv' (Conv2d): 3 weight exponents for 2 outputs",
    ),
    (
        (IMAGE, conv(bias=np.zeros(3, dtype=np.int64))),
        "operation 'conv' (Conv2d): bias has shape (3,), needs (2,)",
    ),
    (
        (IMAGE, conv(bias=np.zeros(2))),
        "operation 'conv' (Conv2d): bias must be integers, got dtype float64",
    ),
    (
        (IMAGE, conv(bias=np.array([0, -(2**62) - 1]))),
        "operation 'conv' (Conv2d): a bias is larger than 2**62, which leaves an accumulator no room for the "
        "products",
    ),
    (
        (IMAGE, conv(weight_format=Float32())),
        "operation 'conv' (Conv2d): weights are float32 and activations fixed8",
    ),
    ((IMAGE, fc(2, 3)), "operation 'fc' (Linear): takes 3 inputs, got a value of shape (3, 6, 5)"),
    (
        (
            IMAGE,
            ops.Flatten("f", "q"),
            fc(1, 90, source="f", weight=np.zeros((1, 90), int), weight_format=Binary()),
        ),
        "operation 'fc' (Linear): weight 0 is not on the grid of binary",
    ),
    (
        (IMAGE, FLAT, ops.MaxPool2d("p", "f", (1, 1), (1, 1))),
        "operation 'p' (MaxPool2d): pools maps of (channels, height, width), got shape (90,)",
    ),
    (
        (IMAGE, ops.MaxPool2d("p", "q", (2, 2), (2, 2), (2, 0))),
        "operation 'p' (MaxPool2d): padding (2, 0) is more than half of kernel (2, 2)",
    ),
    (
        (IMAGE, ops.AvgPool2d("p", "q", (7, 2), (1, 1))),
        "operation 'p' (AvgPool2d): kernel (7, 2) does not fit in a map of 6 x 5",
    ),
    (
        (IMAGE, ops.AvgPool2d("p", "q", (2, 2), (0, 1))),
        "operation 'p' (AvgPool2d): kernel and stride must be at least 1, and padding at least 0",
    ),
]


@pytest.mark.parametrize("operations, message", REFUSED)
def test_refusals(operations, message):
    with pytest.raises(RequestError) as error:
        program(*operations)
    assert str(error.value) == message


def test_float_weights_are_float32_and_finite():
    image = ops.Quantize("q", INPUT, Float32(), 0)
    for weight in (np.ones((1, 2)), np.array([[1, np.inf]], dtype=np.float32)):
        with pytest.raises(RequestError) as error:
            program(image, fc(1, 2, weight=weight, weight_format=Float32()), shape=(2,))
        assert str(error.value) == "operation 'fc' (Linear): weights must be finite float32 numbers"


def test_input_shape_and_lanes():
    with pytest.raises(RequestError) as error:
        program(IMAGE, shape=(3, 0, 5))
    assert str(error.value) == "a program's input needs lengths of at least 1, got shape (3, 0, 5)"
    with pytest.raises(RequestError) as error:
        program(IMAGE, lanes=12)
    assert str(error.value) == "lanes must be a power of two, got 12"
