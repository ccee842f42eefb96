"""float32 programs: every bit as the plain reference, in the tile's order, subnormals flushed."""

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bitwatt import networks
from bitwatt.formats import Float32
from bitwatt.program import Program, explain, lower, ops, reference_float32, trace
from bitwatt.program.adder_tree import TINY, Neurons, flushed, least_magnitude
from bitwatt.quantization import quantize
from bitwatt.testing.program_suite import float_programs, images_for

F = np.float32


def assert_same_bits(found, expected, name=""):
    assert found.dtype == expected.dtype == np.float32
    assert found.shape == expected.shape
    nan = np.isnan(expected)
    np.testing.assert_array_equal(np.isnan(found), nan, err_msg=name)
    bits = np.ascontiguousarray(found).view(np.uint32), np.ascontiguousarray(expected).view(np.uint32)
    np.testing.assert_array_equal(bits[0][~nan], bits[1][~nan], err_msg=name)


def assert_program_same(program, images):
    expected = reference_float32.trace(program, images)
    values = trace(program, torch.from_numpy(images))
    assert values.keys() == expected.keys()
    for name, value in values.items():
        assert_same_bits(value.numpy(), expected[name], name)
    logits = program(torch.from_numpy(images))
    assert logits.dtype == torch.float64
    assert_same_bits(logits.numpy().astype(F), expected[program.output])


@settings(
    deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(float_programs(), st.data())
def test_drawn_programs(program, data):
    assert_program_same(program, data.draw(images_for(program)))


@pytest.mark.parametrize("name", ("lenet", "alex"))
def test_networks(name):
    images = torch.randn(1, *networks.info(name).input_shape, generator=torch.Generator().manual_seed(0))
    program = lower(quantize(networks.create(name, seed=0), "float32", calibration=images), images)
    assert_program_same(program, images.numpy())


def neuron(weights, bias=None, lanes=4):
    matrix = np.array([weights], dtype=F)
    offsets = None if bias is None else np.array([bias], dtype=F)
    layer = ops.Linear("fc", "quantize", matrix, offsets, Float32(), (0,))
    return Program(
        "one", "float32", (len(weights),), (ops.Quantize("quantize", "input", Float32(), 0), layer), lanes
    )


def output(program, inputs):
    return program(torch.tensor([inputs], dtype=torch.float32)).item()


def test_the_order_is_the_tree_then_the_accumulator_then_the_bias():
    """Worked by hand: 2**24 + 1 is no float32, 2**24 + 2 is, so that each order has a sum of its own."""
    big = 2.0**24
    # Lanes 0 and 2, 1 and 3 first: (big + 1) + (1 - big) = big + (1 - big) = 1, where the true sum is 2.
    assert output(neuron([1, 1, 1, 1]), [big, 1, 1, -big]) == 1
    # In two groups of two lanes: (big + 1) + (1 - big) again, then from left to right it would be 0.
    assert output(neuron([1, 1, 1, 1], lanes=2), [big, 1, 1, -big]) == 1
    assert output(neuron([1, 1, 1, 1], lanes=1), [big, 1, 1, -big]) == 0
    # The bias comes last: (big + 1) + 1, rounded twice, and not big + (1 + 1).
    assert output(neuron([1, 1], bias=1, lanes=2), [big, 1]) == big
    assert output(neuron([1, 1], bias=2, lanes=2), [big, 1]) == big + 2


def test_products_are_rounded():
    """(1 + 2**-12)**2 needs 25 bits; a fused multiply-add would keep them."""
    x = 1 + 2.0**-12
    assert output(neuron([x, -1], lanes=2), [x, 1 + 2.0**-11]) == 0


def test_flushing():
    """After every operation, to zero of the number's sign, and only what is subnormal after rounding."""
    assert output(neuron([1.0]), [2.0**-127]) == 0
    product = neuron([2.0**-100], lanes=1)
    assert output(product, [2.0**-26]) == TINY
    assert output(product, [2.0**-27]) == 0
    assert np.signbit(output(product, [-(2.0**-27)]))
    # Rounded first and flushed then: 2**-126 (1 - 2**-24) is nearer to 2**-126 than to the largest subnormal.
    assert output(neuron([2.0**-63], lanes=1), [2.0**-63 * (1 - 2.0**-24)]) == TINY
    # 1.5 * 2**-126 - 2**-126 is subnormal.
    assert output(neuron([1.0, 1.0], lanes=2), [1.5 * TINY, -TINY]) == 0
    assert output(neuron([1.0], bias=-TINY, lanes=1), [1.5 * TINY]) == 0


def test_processor_flushing_is_put_aside_and_back():
    """It would flush 2**-126 (1 - 2**-24 + 2**-48)-like products, which round to 2**-126."""
    program = neuron([2.0**-63], lanes=1)
    inputs = [2.0**-63 * (1 - 2.0**-24)]
    if not torch.set_flush_denormal(True):
        pytest.skip("this processor has no flushing of subnormals")
    try:
        assert output(program, inputs) == TINY
        assert torch.tensor(TINY) / 2 == 0
    finally:
        torch.set_flush_denormal(False)


def test_looking_for_subnormals_is_left_out_only_where_none_can_arise():
    weight = np.full((1, 16), 2.0**-51, dtype=F)
    inputs = torch.full((16, 1), 2.0**-51)
    assert not Neurons.of(weight, None, inputs, 16).flush
    assert Neurons.of(weight, None, inputs / 2, 16).flush
    assert Neurons.of(weight, np.array([2.0**-103], dtype=F), inputs, 16).flush
    assert not Neurons.of(weight, np.array([0.0], dtype=F), inputs, 16).flush
    assert not Neurons.of(weight, None, torch.zeros(16, 1), 16).flush


def test_least_magnitude():
    assert least_magnitude(torch.tensor([0.0, -3.0, 2.0])) == 2
    assert least_magnitude(torch.tensor([0.0, -0.0])) == float("inf")


def test_flushed_keeps_everything_else():
    numbers = torch.tensor([0.0, -0.0, TINY, -TINY, TINY / 2, -TINY / 2, torch.inf, 1.0])
    expected = torch.tensor([0.0, -0.0, TINY, -TINY, 0.0, -0.0, torch.inf, 1.0])
    assert flushed(numbers).view(torch.int32).tolist() == expected.view(torch.int32).tolist()


def test_explain():
    assert explain(neuron([1.0])) == "float32, every operation rounded, in the order of a tree of 4 lanes"


def test_images_beyond_float32_are_rounded_as_the_format_does():
    program = neuron([1.0], lanes=1)
    for value in (1 + 2.0**-30, 2.0**-126 * (1 - 2.0**-26), 1e300, -1e-300):
        found = program(torch.tensor([[value]], dtype=torch.float64)).item()
        assert found == Float32().quantize(value)
