"""Batch normalisation that is alive while training: what it computes, and that freezing changes no bit."""

from __future__ import annotations

import copy
from typing import cast

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from bitwatt.errors import RequestError
from bitwatt.program import lower
from bitwatt.quantization import QuantizedNetwork, freeze_batch_norm, quantize
from bitwatt.quantization.layers import QuantizedConv2d
from bitwatt.quantization.post_training import improve

IMAGES = torch.rand(16, 3, 8, 8, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(16) % 4
PRECISIONS = ("fixed8", "fixed4", "pow2:fixed8", "ternary:fixed8", "binary")


class Residual(nn.Module):
    """Normalised in all the ways there are: behind convolutions with and without bias, alone, of features."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm = nn.Conv2d(3, 6, 3, bias=False), nn.BatchNorm2d(3)
        self.norm1 = nn.BatchNorm2d(6)
        self.second, self.norm2 = nn.Conv2d(6, 6, 3, padding=1), nn.BatchNorm2d(6)
        self.hidden, self.norm3 = nn.Linear(54, 8), nn.BatchNorm1d(8, affine=False)
        self.last = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.max_pool2d(torch.relu(self.norm1(self.first(self.norm(x)))), 2)
        x = torch.relu(self.norm2(self.second(x)) + x)
        return cast(Tensor, self.last(torch.relu(self.norm3(self.hidden(x.flatten(1))))))


def pretrained() -> Residual:
    """With statistics and scales that are not the ones of the start."""
    torch.manual_seed(2)
    model = Residual()
    for _ in range(10):
        model(torch.rand(16, 3, 8, 8))
    nn.init.normal_(model.norm1.weight)  # signs of both kinds
    with torch.no_grad():
        model.norm2.weight[0] = 0  # as residual networks like to begin
    return model


def alive(precision: str, granularity: str | None = None) -> QuantizedNetwork:
    return quantize(pretrained(), precision, calibration=IMAGES, granularity=granularity, batch_norm="train")


def step(network: nn.Module, count: int = 3) -> None:
    network.train()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05)
    for at in range(count):
        optimizer.zero_grad()
        functional.cross_entropy(network(IMAGES + 0.1 * at), LABELS).backward()
        optimizer.step()
        if isinstance(network, QuantizedNetwork):
            for _, layer in network.weighted_layers():
                layer.clip_shadow_weight()


def outputs(network: nn.Module) -> Tensor:
    network.eval()
    with torch.no_grad():
        return cast(Tensor, network(IMAGES))


@pytest.mark.parametrize("granularity", ("tensor", "channel"))
@pytest.mark.parametrize("precision", PRECISIONS)
def test_after_steps_the_module_the_program_and_the_frozen_module_agree_on_every_bit(
    precision: str, granularity: str
) -> None:
    network = alive(precision, granularity)
    before = outputs(network)
    statistics = {name: value.clone() for name, value in network.named_buffers() if "running" in name}
    assert len(statistics) == 8
    step(network)
    moved = dict(network.named_buffers())
    assert all(not torch.equal(value, moved[name]) for name, value in statistics.items())

    trained = outputs(network)
    assert not torch.equal(trained, before)
    assert torch.equal(lower(network, IMAGES[:1])(IMAGES), trained.double())
    assert torch.equal(lower(network.train(), IMAGES[:1])(IMAGES), trained.double())

    freeze_batch_norm(network)
    assert not any("running" in name for name in network.state_dict())
    assert torch.equal(outputs(network), trained)
    assert torch.equal(lower(network, IMAGES[:1])(IMAGES), trained.double())
    with torch.no_grad():  # frozen: training mode computes the same too
        assert torch.equal(network.train()(IMAGES), trained)
    step(network, 1)


@pytest.mark.parametrize("precision", ("float32", *PRECISIONS))
def test_before_any_step_it_computes_what_the_folded_network_does(precision: str) -> None:
    folded = quantize(pretrained(), precision, calibration=IMAGES)
    network = alive(precision)
    assert torch.equal(outputs(network), outputs(folded))
    freeze_batch_norm(network)
    found, expected = network.state_dict(), folded.state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_in_float32_it_trains_as_pytorch_does() -> None:
    model = pretrained()
    with torch.no_grad():
        model.norm1.momentum = None  # the cumulative average
    network = quantize(model, "float32", calibration=IMAGES, batch_norm="train")
    # a normalisation that stands elsewhere has a weight of 1 beside it, which does not train
    assert not cast(QuantizedConv2d, network.layer("norm")).weight.requires_grad
    step(model)
    step(network)
    found = dict(network.layers.named_parameters()) | dict(network.layers.named_buffers())
    for name in ("first", "second", "hidden", "last"):
        weight = model.get_submodule(name).weight
        torch.testing.assert_close(found[f"{name}.weight"], weight, rtol=1e-3, atol=1e-5)
    for mine, theirs in (("norm", "norm"), ("first", "norm1"), ("second", "norm2"), ("hidden", "norm3")):
        for name, value in model.get_submodule(theirs).state_dict().items():
            torch.testing.assert_close(found[f"{mine}.norm.{name}"], value, rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(outputs(network), outputs(model), rtol=1e-3, atol=1e-4)


def test_a_step_normalises_by_the_batch_whatever_the_running_statistics() -> None:
    model = nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.Flatten(), nn.Linear(180, 2))
    model(IMAGES)
    network = quantize(model, "fixed16", calibration=IMAGES, batch_norm="train").train()
    layer = cast(QuantizedConv2d, network.layer("0"))
    layer.output_format = None  # its sums, in units of the output's step
    x = network.input_quantizer(0.5 * IMAGES + 0.4)
    sums = layer(x) * 2.0 ** int(layer.output_exponent)
    torch.testing.assert_close(sums.mean((0, 2, 3)), torch.zeros(5), rtol=0, atol=0.01)
    torch.testing.assert_close(sums.std((0, 2, 3)), torch.ones(5), rtol=0.01, atol=0)


def test_evaluation_follows_statistics_that_are_written_later() -> None:
    network = alive("fixed8")
    before = outputs(network)
    network.layers.get_buffer("first.norm.running_mean").add_(1)
    after = outputs(network)
    assert not torch.equal(after, before)
    assert torch.equal(lower(network, IMAGES[:1])(IMAGES), after.double())


class Twice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3)
        self.last = nn.Linear(192, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.norm(self.conv(x)))
        return cast(Tensor, self.last(torch.relu(self.norm(self.conv(x))).flatten(1)))


def test_a_module_that_is_used_twice_stays_one() -> None:
    network = quantize(Twice(), "fixed8", calibration=IMAGES, batch_norm="train")
    count = len(list(network.parameters()))
    step(network)
    trained = outputs(network)
    freeze_batch_norm(network)
    assert torch.equal(outputs(network), trained)
    assert (count, len(list(network.parameters()))) == (6, 4)


def test_the_given_model_is_left_as_it_is() -> None:
    model = pretrained()
    before = copy.deepcopy(model.state_dict())
    step(quantize(model, "fixed8", calibration=IMAGES, batch_norm="train"))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_shadow_weights_are_clipped_where_they_are_folded() -> None:
    network = alive("fixed8")
    layer = cast(QuantizedConv2d, network.layer("first"))
    with torch.no_grad():
        layer.weight[:, 0].mul_(100)
    kept = layer.weight[:, 1:].clone()
    layer.clip_shadow_weight()
    integers = (layer.folded()[0] * 2.0 ** -int(layer.weight_exponent)).detach()
    assert integers.abs().max() == pytest.approx(128.5, abs=1.01)
    assert torch.equal(layer.weight[:, 1:], kept)


def test_post_training_methods_freeze_first() -> None:
    network = alive("fixed8").eval()
    folded = quantize(pretrained(), "fixed8", calibration=IMAGES).eval()
    improve(network, IMAGES)
    improve(folded, IMAGES)
    assert torch.equal(outputs(network), outputs(folded))
    assert not any("running" in name for name in network.state_dict())


def test_another_word_is_refused() -> None:
    with pytest.raises(RequestError, match="batch_norm must be one of fold, train; got 'live'"):
        quantize(pretrained(), "fixed8", calibration=IMAGES, batch_norm="live")
