"""`quantize`: the model it leaves, the module it makes, and bad input."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from bitwatt.errors import RequestError, UnsupportedError
from bitwatt.formats import Fixed
from bitwatt.quantization import QuantizedConv2d, QuantizedLinear, least_squares_exponent, quantize
from bitwatt.quantization.scale import power_of_two


def small() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(36, 8),
        nn.ReLU(),
        nn.Linear(8, 3),
    )


IMAGES = torch.rand(30, 1, 8, 8, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("precision", ["float32", "fixed8", "binary", "e4m3"])
def test_the_given_model_is_left_as_it_is(precision: str) -> None:
    model = small()
    before = copy.deepcopy(model.state_dict())
    network = quantize(model, precision, calibration=IMAGES)
    for parameter in network.parameters():
        parameter.data.add_(1)
    after = model.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_float32_is_the_model() -> None:
    model = small().eval()
    network = quantize(model, "float32", calibration=IMAGES).eval()
    with torch.no_grad():
        torch.testing.assert_close(network(IMAGES), model(IMAGES), rtol=1e-5, atol=1e-6)
    with pytest.raises(TypeError, match="a float32 layer holds no integers: read its weight and bias"):
        network.layer("0").integer_weight()


def test_wide_fixed_point_is_the_model_nearly() -> None:
    model = small().eval()
    for precision, tolerance in (("fixed32", 1e-6), ("fixed16", 1e-3), ("fixed8", 0.1)):
        network = quantize(model, precision, calibration=IMAGES).eval()
        with torch.no_grad():
            torch.testing.assert_close(network(IMAGES), model(IMAGES), rtol=0, atol=tolerance)


def test_parameters_keep_their_paths_and_follow_as_float_shadows() -> None:
    network = quantize(small(), "fixed4", calibration=IMAGES)
    names = dict(network.layers.named_parameters())
    assert set(names) == {f"{i}.{what}" for i in (0, 4, 6) for what in ("weight", "bias")}
    for name, value in small().named_parameters():
        assert torch.equal(names[name], value)
        assert names[name].dtype == torch.float32


def test_relu_and_pooling_belong_to_the_layer_before_and_the_last_layer_gives_sums() -> None:
    network = quantize(small(), "fixed8", calibration=IMAGES)
    assert [node.name for node in network.nodes] == ["0", "3", "4", "6"]
    assert [node.inputs for node in network.nodes] == [("input",), ("0",), ("3",), ("4",)]
    first, last = network.layer("0"), network.layer("6")
    assert isinstance(first, QuantizedConv2d)
    assert isinstance(last, QuantizedLinear)
    assert (first.relu, first.output_format) == (True, Fixed(8))
    assert isinstance(first.pool, nn.MaxPool2d)
    assert (last.relu, last.output_format, int(last.output_exponent)) == (False, None, 0)


def test_a_network_that_ends_on_the_grid_gives_real_units() -> None:
    model = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.AvgPool2d(6), nn.Flatten()).eval()
    network = quantize(model, "fixed16", calibration=IMAGES).eval()
    assert network.layer("0").output_format == Fixed(16)
    with torch.no_grad():
        torch.testing.assert_close(network(IMAGES), model(IMAGES), rtol=0, atol=1e-3)


def test_exponents_are_those_of_least_squares() -> None:
    model = small()
    network = quantize(model, "fixed4", calibration=IMAGES)
    assert (
        int(network.input_quantizer.exponent)
        == least_squares_exponent(IMAGES.reshape(1, -1), Fixed(4)).item()
    )
    first = network.layer("0")
    assert isinstance(first, QuantizedConv2d)
    weight = first.weight.detach().reshape(1, -1)
    assert torch.equal(first.weight_exponent, least_squares_exponent(weight, Fixed(4)))
    # What leaves the layer: the calibrated images through the quantised weights, after ReLU, before rounding.
    integers = network.input_quantizer(IMAGES)
    real_weight = first.integer_weight() * power_of_two(first.weight_exponent)
    unit = power_of_two(first.accumulator_exponent)
    real_bias = torch.round(first.bias / unit) * unit
    sums = torch.conv2d(integers * power_of_two(network.input_quantizer.exponent), real_weight, real_bias)
    pooled = torch.max_pool2d(sums.relu(), 2)
    assert int(first.output_exponent) == least_squares_exponent(pooled.reshape(1, -1), Fixed(4)).item()
    second = network.layer("4")
    assert int(second.input_exponent) == int(first.output_exponent)


def test_binary_has_a_scale_for_each_channel_and_others_one_unless_asked() -> None:
    assert quantize(small(), "binary", calibration=IMAGES).layer("0").weight_exponent.shape == (4,)
    assert quantize(small(), "fixed8", calibration=IMAGES).layer("0").weight_exponent.shape == (1,)
    asked = quantize(small(), "fixed8", calibration=IMAGES, granularity="channel")
    assert asked.layer("6").weight_exponent.shape == (3,)


def test_evaluation_follows_the_weights_though_operands_are_kept() -> None:
    network = quantize(small(), "fixed8", calibration=IMAGES).eval()
    with torch.no_grad():
        before = network(IMAGES)
        assert torch.equal(network(IMAGES), before)
        network.layer("6").weight.mul_(2)
        changed = network(IMAGES)
        assert not torch.equal(changed, before)
        network.load_state_dict(quantize(small(), "fixed8", calibration=IMAGES).state_dict())
        assert torch.equal(network(IMAGES), before)
    loss = network(IMAGES).sum()  # gradients in evaluation mode do not go through what was kept
    loss.backward()
    assert network.layer("6").weight.grad is not None


def test_copies_and_state_carry_everything() -> None:
    network = quantize(small(), "binary", calibration=IMAGES).eval()
    with torch.no_grad():
        expected = network(IMAGES)
        assert torch.equal(copy.deepcopy(network)(IMAGES), expected)
        other = quantize(small(), "binary", calibration=IMAGES * 7).eval()
        assert not torch.equal(other(IMAGES), expected)
        other.load_state_dict(network.state_dict())
        assert torch.equal(other(IMAGES), expected)


@pytest.mark.parametrize(
    "images, message",
    [
        (torch.zeros(0, 1, 8, 8),
         "calibration needs at least one image, as a tensor (count, ...); got shape (0, 1, 8, 8)"),
        (torch.zeros(2, 1, 8, 8, dtype=torch.uint8),
         "calibration images must be floating point, as the model takes them; got torch.uint8"),
        (torch.full((2, 1, 8, 8), torch.nan), "calibration: 2 of 2 images hold NaN or infinite values"),
    ],
)  # fmt: skip
def test_calibration_images_that_are_none(images: torch.Tensor, message: str) -> None:
    with pytest.raises(RequestError) as caught:
        quantize(small(), "fixed8", calibration=images)
    assert str(caught.value) == message


def test_images_that_do_not_fit_name_the_layer() -> None:
    with pytest.raises(UnsupportedError) as caught:
        quantize(small(), "fixed8", calibration=torch.rand(2, 1, 9, 12))
    (offender,) = str(caught.value).splitlines()[1:-1]
    assert offender.startswith("  - '4' (Linear): cannot take a value of shape (60,): ")


def test_an_unknown_precision_or_granularity() -> None:
    with pytest.raises(RequestError, match="unknown format 'fixd8'; did you mean"):
        quantize(small(), "fixd8", calibration=IMAGES)
    with pytest.raises(RequestError) as caught:
        quantize(small(), "fixed8", calibration=IMAGES, granularity="row")
    assert str(caught.value) == "granularity must be one of tensor, channel; got 'row'"
