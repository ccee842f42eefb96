"""Matched outputs: magnitudes come back, wide formats and shadow weights are left alone."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from bitwatt.quantization import quantize
from bitwatt.quantization.matching import match_outputs
from bitwatt.quantization.straight_through import quantize_operand, requantize


def network() -> nn.Sequential:
    """Its weights are many small ones and few large ones, as after long training with decay."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(200, 40), nn.ReLU(),
        nn.Linear(40, 4),
    )  # fmt: skip
    with torch.no_grad():
        for layer in (net[0], net[4], net[6]):
            layer.weight.copy_(layer.weight.sign() * (layer.weight * 8).abs() ** 3)
    return net


@pytest.fixture
def images() -> Tensor:
    return torch.rand(64, 1, 12, 12, generator=torch.Generator().manual_seed(1))


def size(logits: Tensor) -> float:
    return float(logits.detach().square().mean().sqrt())


def test_logits_are_as_large_as_those_of_the_float_network(images: Tensor) -> None:
    net = network()
    q = quantize(net, "binary", calibration=images).eval()
    assert size(q(images)) < size(net(images)) / 3
    added = match_outputs(q, images)
    assert 2**-0.5 <= size(q(images)) / size(net(images)) <= 2**0.5
    assert sum(added.values()) >= 1
    # Larger activations still lie within their format.
    for _, layer in q.weighted_layers():
        assert layer.weight_exponent.dtype == torch.int32


def test_eight_bits_lose_no_magnitude(images: Tensor) -> None:
    q = quantize(network(), "fixed8", calibration=images)
    before = {name: value.clone() for name, value in q.state_dict().items()}
    assert match_outputs(q, images) == {"0": 0, "4": 0, "6": 0}
    assert all(torch.equal(value, before[name]) for name, value in q.state_dict().items())


def test_shadow_weights_roundings_and_modes_are_left_as_they_were(images: Tensor) -> None:
    net = network()
    q = quantize(net, "binary", calibration=images).train()
    match_outputs(q, images)
    for name, layer in q.weighted_layers():
        assert torch.equal(layer.weight, net.get_submodule(name).weight)
        assert (layer.round_weight, layer.round_output) == (quantize_operand, requantize)
        assert layer.training
