"""The fast executor gives the bits of the plain reference, on drawn programs and on trained-like ones."""

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bitwatt import networks
from bitwatt.errors import RequestError
from bitwatt.formats import Fixed
from bitwatt.program import Program, explain, lower, ops, reference, trace
from bitwatt.program.executor import BATCH, plan_of
from bitwatt.program.kernels import CHUNK
from bitwatt.quantization import quantize
from bitwatt.testing.program_suite import images_for, integer_programs

drawn = settings(
    deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def assert_same(program, images):
    expected = reference.logits(program, images)
    logits = program(torch.from_numpy(images))
    assert logits.dtype == torch.float64
    np.testing.assert_array_equal(logits.numpy(), expected, err_msg=explain(program))


@drawn
@given(integer_programs(), st.data())
def test_drawn_programs(program, data):
    images = data.draw(images_for(program))
    assert_same(program, images)
    plain = reference.trace(program, images)
    values = trace(program, torch.from_numpy(images))
    accumulators = {name for name, value in program.types.items() if value.is_accumulator}
    assert values.keys() == plain.keys() - accumulators
    for name, value in values.items():
        assert value.dtype == torch.int64
        np.testing.assert_array_equal(value.numpy(), plain[name].astype(np.int64), err_msg=name)


@pytest.fixture(scope="module")
def networks_and_images():
    made = {}
    for name in ("lenet", "alex"):
        generator = torch.Generator().manual_seed(1)
        images = torch.randn(6, *networks.info(name).input_shape, generator=generator)
        made[name] = networks.create(name, seed=0), images
    return made


@pytest.mark.parametrize("name", ("lenet", "alex"))
@pytest.mark.parametrize(
    "precision",
    (
        "fixed32",
        "fixed16",
        "fixed8",
        "fixed4",
        "pow2",
        "binary",
        "fixed8:fixed16",
        "fixed16:fixed8",
        "e4m3:e4m3",
    ),
)
def test_networks(networks_and_images, name, precision):
    """Gaussian weights, calibrated, as training leaves them."""
    network, images = networks_and_images[name]
    program = lower(quantize(network, precision, calibration=images), images, network=name)
    assert_same(program, images[:1].numpy())


def test_every_way_to_compute_a_layer_is_taken_by_some_network(networks_and_images):
    """So that the tests above compare each of them with the reference, on real shapes."""
    taken = set()
    network, images = networks_and_images["alex"]
    for precision in ("fixed8", "binary", "fixed16", "fixed32", "fixed8:fixed16"):
        program = lower(quantize(network, precision, calibration=images), images)
        taken |= {(c.arithmetic, c.split, c.sum) for c in plan_of(program).carriers.values()}
    assert taken >= {
        ("float32", "none", "float32"),
        ("float32", "digits", "float64"),
        ("float64", "none", "float64"),
        ("float64", "weights", "two words"),
    }


def test_a_batch_is_as_its_images_one_by_one(networks_and_images):
    """Batches, chunks and gathering steps are cut at other places."""
    network, images = networks_and_images["lenet"]
    many = torch.cat([images] * 30)[: BATCH + 5]
    for precision in ("fixed16", "fixed8"):
        program = lower(quantize(network, precision, calibration=images), images)
        size = max(program.types[name].size for name in plan_of(program).carriers)
        assert len(many) * size > CHUNK
        together = program(many)
        torch.testing.assert_close(together[:6], program(images), rtol=0, atol=0)
        torch.testing.assert_close(together[-5:], program(many[-5:]), rtol=0, atol=0)


@pytest.mark.parametrize("precision", ("fixed16", "pow2", "fixed32"))
def test_plain_float32_would_be_wrong(networks_and_images, precision):
    """Where a bound says that float32 rounds, it does: the check of the executor can fail."""
    network, images = networks_and_images["lenet"]
    program = lower(quantize(network, precision, calibration=images), images)
    carriers = plan_of(program).carriers
    assert all(carrier.sum != "float32" for carrier in carriers.values())
    values = reference.trace(program, images.numpy())
    layer = next(op for op in program.ops if isinstance(op, ops.Linear))
    x, exact = values[layer.input], values[layer.name]
    rounded = torch.nn.functional.linear(
        torch.from_numpy(x).float(),
        torch.from_numpy(layer.weight).float(),
        torch.from_numpy(layer.bias).float(),
    )
    assert np.any(rounded.numpy().astype(object) != exact)


def test_small_batches_of_3x3_kernels_are_exact():
    """PyTorch computes these by Winograd's algorithm, in NNPACK, unless told otherwise."""
    random = np.random.default_rng(0)
    weight = random.integers(-100, 100, (32, 32, 3, 3))
    conv = ops.Conv2d("conv", "quantize", weight, None, Fixed(8), (0,), padding=(1, 1))
    logits = ops.Requantize("logits", "conv", Fixed(32), (0,))
    program = Program(
        "conv", "fixed8", (32, 16, 16), (ops.Quantize("quantize", "input", Fixed(8), 0), conv, logits)
    )
    images = random.integers(-128, 128, (1, 32, 16, 16)).astype(np.float32)
    assert_same(program, images)


@pytest.mark.parametrize(
    "size, weight, stride, padding, dilation, groups",
    [
        ((3, 6, 1), (2, 3, 1, 1), (2, 2), (2, 1), (2, 2), 1),
        ((12, 9, 1), (6, 4, 5, 2), (2, 2), (1, 3), (1, 2), 3),
    ],
)
def test_dilated_windows_that_lie_in_the_padding(size, weight, stride, padding, dilation, groups):
    """Left to itself oneDNN ends the process at these, sooner or later."""
    ones = np.ones(weight, dtype=np.int64)
    bias = np.ones(weight[0], dtype=np.int64)
    conv = ops.Conv2d("conv", "quantize", ones, bias, Fixed(8), (0,), stride, padding, dilation, groups)
    logits = ops.Requantize("logits", "conv", Fixed(32), (0,))
    program = Program("conv", "fixed8", size, (ops.Quantize("quantize", "input", Fixed(8), 0), conv, logits))
    images = np.ones((2, *size), np.float32)
    assert_same(program, images)
    for _ in range(300):
        program(torch.from_numpy(images))


def test_settings_that_round_are_put_aside_and_back(linear_program):
    """bfloat16 and TF32 inside oneDNN, autocast, NNPACK."""
    random = np.random.default_rng(0)
    program = linear_program(random.integers(-128, 128, (64, 500)))
    images = random.integers(-128, 128, (64, 500)).astype(np.float32)
    mkldnn = torch.backends.mkldnn
    before = mkldnn.matmul.fp32_precision
    mkldnn.matmul.fp32_precision = "bf16"
    try:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert_same(program, images)
        assert mkldnn.matmul.fp32_precision == "bf16"
    finally:
        mkldnn.matmul.fp32_precision = before


def test_reals_between_grid_points_and_beyond_its_ends(linear_program):
    program = linear_program([[1]], exponent=-1)
    images = torch.tensor([[0.25], [0.75], [-0.25], [100.0], [-100.0], [torch.inf], [1e-45]])
    assert program(images).flatten().tolist() == [0, 1, 0, 63.5, -64, 63.5, 0]


def test_doubles_are_not_rounded_to_float32_first(linear_program):
    program = linear_program([[1]], activations=Fixed(32), exponent=0)
    assert program(torch.tensor([[2.0**30 + 1]], dtype=torch.float64)).item() == 2**30 + 1


@pytest.mark.parametrize(
    "images, message",
    [
        (torch.zeros(2, 3), "the program takes one or more images, (count, 2); got shape (2, 3)"),
        (torch.zeros(0, 2), "the program takes one or more images, (count, 2); got shape (0, 2)"),
        (torch.tensor([[torch.nan, 0], [1, 2]]), "1 of 2 images hold NaN, which stands on no grid"),
    ],
)
def test_images_that_are_refused(linear_program, images, message):
    with pytest.raises(RequestError) as error:
        linear_program([[1, 2]])(images)
    assert str(error.value) == message


def test_explain_names_the_arithmetic_and_the_bound(linear_program):
    eight = linear_program([[100, -100]], weights=Fixed(8), activations=Fixed(8))
    assert explain(eight) == "fc  float32: |partial sum| <= 25,500 <= 2**24"
    wide = linear_program([[2**30]], weights=Fixed(32), activations=Fixed(32))
    assert explain(wide).startswith("fc  float64, 2 terms (weights): |partial sum| <= ")
    assert explain(wide).endswith("; added in two words: <= 2**62")


def test_logits_are_an_ordinary_tensor(linear_program):
    """Not one of inference mode, which autograd refuses."""
    logits = linear_program([[1]])(torch.ones(1, 1))
    assert not logits.is_inference()
