"""A quantised network lowers to a program that computes the same numbers, or is refused with every reason."""

import numpy as np
import pytest
import torch
from torch import nn

import bitwatt as bw
from bitwatt.errors import RequestError, UnsupportedError
from bitwatt.formats import Fixed
from bitwatt.program import accumulator_bits, evaluate, lower, ops, reference
from bitwatt.program.evaluation import classes
from bitwatt.quantization import quantize

EXACT = ("fixed8", "fixed4", "binary", "ternary", "fixed8:fixed4", "pow2-3:fixed8")
ROUNDED = ("float32", "fixed32", "fixed16", "pow2", "e4m3:e4m3")


def images(count, *shape, seed=0):
    return torch.randn(count, *shape, generator=torch.Generator().manual_seed(seed))


def mixed() -> nn.Module:
    """Every kind of layer, maps that are not square, nested names."""
    torch.manual_seed(3)
    return nn.Sequential(
        nn.Sequential(nn.Conv2d(3, 8, (3, 5), padding=(1, 2), stride=(1, 2)), nn.ReLU(), nn.MaxPool2d(2)),
        nn.Conv2d(8, 12, 3, padding="same", groups=4),
        nn.ReLU(),
        nn.AvgPool2d(3, 2, padding=1, ceil_mode=True, count_include_pad=False),
        nn.Conv2d(12, 6, (2, 1), dilation=(1, 2), bias=False),
        nn.Dropout(0.5),
        nn.MaxPool2d(2, 1),
        nn.Flatten(),
        nn.Linear(24, 20),
        nn.ReLU(),
        nn.Linear(20, 7),
    )


@pytest.mark.parametrize("granularity", ("tensor", "channel"))
@pytest.mark.parametrize("precision", EXACT)
def test_module_on_the_grid_is_the_program(precision, granularity):
    x = images(64, 3, 14, 20)
    module = quantize(mixed(), precision, calibration=x, granularity=granularity).eval()
    program = lower(module, x[:1])
    with torch.no_grad():
        expected = module(x)
    assert torch.equal(program(x), expected.double())
    np.testing.assert_array_equal(reference.logits(program, x[:3].numpy()), expected[:3].numpy())


@pytest.mark.parametrize("precision", EXACT + ROUNDED)
@pytest.mark.parametrize("name", ("lenet", "alex"))
def test_networks_agree(name, precision):
    """Where float32 holds all sums every logit is the module's; elsewhere the module itself rounds."""
    x = images(300, *bw.networks.info(name).input_shape)
    module = quantize(bw.networks.create(name, seed=0), precision, calibration=x).eval()
    program = lower(module, x[:1], network=name)
    assert (program.network, program.precision) == (name, str(module.precision))
    with torch.no_grad():
        expected = module(x)
    assert (classes(program, x) == expected.numpy().argmax(axis=1)).mean() >= 0.999
    if precision in EXACT:
        assert torch.equal(program(x), expected.double())
    split = type("Split", (), {"images": x, "labels": torch.from_numpy(classes(program, x))})
    assert evaluate(program, split).accuracy == 1.0


def test_names_and_order_of_operations():
    x = images(8, 3, 14, 20)
    program = lower(quantize(mixed(), "fixed8", calibration=x), x[:1])
    assert [(type(op).__name__, op.name) for op in program.ops] == [
        ("Quantize", "quantize"),
        ("Conv2d", "0.0"),
        ("Requantize", "0.0/round"),
        ("Relu", "0.0/relu"),
        ("MaxPool2d", "0.0/pool"),
        ("Conv2d", "1"),
        ("Requantize", "1/round"),
        ("Relu", "1/relu"),
        ("AvgPool2d", "3"),
        ("Conv2d", "4"),
        ("Requantize", "4/round"),
        ("MaxPool2d", "6"),
        ("Flatten", "7"),
        ("Linear", "8"),
        ("Requantize", "8/round"),
        ("Relu", "8/relu"),
        ("Linear", "10"),
        ("Requantize", "10/round"),
    ]
    assert program.input_shape == (3, 14, 20)


def test_logits_keep_what_fits_in_32_bits():
    x = images(16, 400)
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(400, 30), nn.ReLU(), nn.Linear(30, 5))
    for precision, shifted in (("fixed8", False), ("fixed16", True), ("fixed32", True)):
        program = lower(quantize(net, precision, calibration=x), x[:1])
        logits = program.ops[-1]
        assert isinstance(logits, ops.Requantize)
        assert logits.format == Fixed(32)
        bits = accumulator_bits(program)[logits.input]
        assert (bits > 32) == shifted
        # One bit less of shift would be one too few; rounding up may cost one more.
        assert logits.shift[0] in ((0,) if not shifted else (bits - 32, bits - 31))


def test_a_network_that_ends_on_a_grid():
    """A ReLU behind the last layer: its activations are the logits."""
    x = images(32, 6)
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(6, 4), nn.ReLU())
    module = quantize(net, "fixed8", calibration=x).eval()
    program = lower(module, x[:1])
    assert isinstance(program.ops[-1], ops.Relu)
    with torch.no_grad():
        assert torch.equal(program(x), module(x).double())


def test_a_convolution_as_the_last_layer():
    x = images(4, 2, 5, 5)
    module = quantize(nn.Sequential(nn.Conv2d(2, 3, 5), nn.Flatten()), "fixed8", calibration=x).eval()
    with torch.no_grad():
        assert torch.equal(lower(module, x[:1])(x), module(x).double())


def test_a_plain_module_is_sent_to_quantize():
    with pytest.raises(RequestError) as error:
        lower(nn.Linear(2, 2), torch.zeros(1, 2))
    assert str(error.value) == (
        "lower takes a quantised network, got Linear; first call "
        "bitwatt.quantize(module, precision, calibration=images), which 'float32' is a precision of too"
    )


@pytest.mark.parametrize("shape", ((0, 3, 14, 20), (14, 3, 20, 2, 1)))
def test_an_example_that_is_no_batch(shape):
    module = quantize(mixed(), "fixed8", calibration=images(2, 3, 14, 20))
    with pytest.raises(RequestError) as error:
        lower(module, torch.zeros(shape))
    assert str(error.value) == (
        "the example must be one or more images, (count, channels, height, width), "
        f"(count, channels, length) or (count, inputs); got shape {shape}"
    )


def test_all_reasons_at_once():
    x = images(4, 3, 14, 20)
    module = quantize(mixed(), "fixed8", calibration=x)
    with torch.no_grad():
        module.layer("1").weight[0, 0, 0, 0] = torch.nan
        module.layer("8").bias.fill_(1e30)
    module.layer("10").input_exponent += 1
    module.layers.add_module("2", nn.Sigmoid())
    module.layers.add_module("6", nn.Sigmoid())
    exponent, calibrated = int(module.layer("8").output_exponent), int(module.layer("10").input_exponent)
    sums = module.layer("8").accumulator_exponent.tolist()
    with pytest.raises(UnsupportedError) as error:
        lower(module, x[:1])
    assert str(error.value) == (
        "the network has no exact program:\n"
        "  - '1' (QuantizedConv2d): 1 of 216 values of its weight are NaN or infinite\n"
        "  - '6' (Sigmoid): has no exact counterpart\n"
        "  - '8' (QuantizedLinear): a bias does not fit in 63 bits at its accumulator's exponents "
        f"{sums}\n"
        f"  - '10' (QuantizedLinear): its input has exponent {exponent}, "
        f"and it was calibrated for {calibrated}"
    )


def test_an_example_of_another_size():
    module = quantize(mixed(), "fixed8", calibration=images(2, 3, 14, 20))
    with pytest.raises(UnsupportedError) as error:
        lower(module, torch.zeros(1, 3, 20, 20))
    assert str(error.value) == (
        "the network has no exact program:\n"
        "  - '8' (QuantizedLinear): operation '8' (Linear): takes 24 inputs, got a value of shape (48,)"
    )


def test_a_map_flattened_at_the_end():
    x = images(2, 1, 4, 4)
    module = quantize(nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten()), "fixed8", calibration=x)
    with pytest.raises(UnsupportedError) as error:
        lower(module, x[:1])
    assert str(error.value) == (
        "the network has no exact program:\n"
        "  - the output: is a flattened map, and the tile orders its elements otherwise: channels fastest"
    )


def test_scales_of_channels_in_float32():
    """There are none, however many were asked for."""
    x = images(2, 3, 6, 6)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    module = quantize(net, "float32", calibration=x, granularity="channel").eval()
    with torch.no_grad():
        torch.testing.assert_close(lower(module, x[:1])(x).float(), module(x))


def test_sequences_are_maps_of_height_one():
    x = images(4, 3, 20)
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv1d(3, 4, 5, 2), nn.ReLU(), nn.Conv1d(4, 2, 3), nn.Flatten(), nn.Linear(12, 3))
    module = quantize(net, "fixed8", calibration=x).eval()
    program = lower(module, x[:1])
    assert program.input_shape == (3, 1, 20)
    with torch.no_grad():
        expected = module(x)
    assert torch.equal(program(x), expected.double())
    assert torch.equal(program(x.unsqueeze(2)), expected.double())


class Branches(nn.Module):
    """Flattened maps joined with a vector, both orders of elements; residuals of both kinds."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.a, self.b = nn.Conv2d(2, 3, 3, padding=1), nn.Conv2d(2, 3, 1)
        self.fc1, self.fc2 = nn.Linear(48 + 3, 6), nn.Linear(6, 6)

    def forward(self, x):
        y = torch.relu(self.a(x)) + torch.relu(self.b(x))
        y = torch.relu(self.fc1(torch.cat([y.flatten(1), y.mean((2, 3))], dim=1)))
        return self.fc2(y) + y


def test_residuals_and_branches():
    x = images(32, 2, 4, 4)
    for precision in EXACT:
        module = quantize(Branches(), precision, calibration=x).eval()
        program = lower(module, x[:1])
        with torch.no_grad():
            assert torch.equal(program(x), module(x).double())
        np.testing.assert_array_equal(
            reference.logits(program, x[:4].numpy()), module(x)[:4].detach().numpy()
        )
    assert [(type(op).__name__, op.name) for op in program.ops if isinstance(op, ops.Add | ops.Concat)] == [
        ("Add", "add"),
        ("Concat", "cat"),
        ("Add", "fc2/add"),
    ]


def test_exponents_that_are_not_the_operands():
    module = quantize(Branches(), "fixed8", calibration=images(8, 2, 4, 4))
    module.layer("add").second_exponent += 1
    module.layer("fc2").residual_exponent -= 2
    with pytest.raises(UnsupportedError) as error:
        lower(module, images(1, 2, 4, 4))
    exponents = [int(module.layer(name).output_exponent) for name in ("b", "fc1")]
    assert str(error.value) == (
        "the network has no exact program:\n"
        f"  - 'add' (QuantizedAdd): its input has exponent {exponents[0]}, "
        f"and it was calibrated for {exponents[0] + 1}\n"
        f"  - 'fc2' (QuantizedLinear): its input has exponent {exponents[1]}, "
        f"and it was calibrated for {exponents[1] - 2}"
    )
