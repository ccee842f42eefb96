"""Scaled rates: a power of two moved from one layer to the next changes nothing of what is learnt."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from bitwatt.errors import RequestError
from bitwatt.quantization import quantize
from bitwatt.training import Recipe, train


def learnt(task, moved: float, rate_scaling: bool) -> list[Tensor]:  # type: ignore[no-untyped-def]
    """The weights after training, in the measure of the network before `moved` went to the last layer."""
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Flatten(), nn.Linear(64, 8, bias=False), nn.ReLU(), nn.Linear(8, 3, bias=False)
    )
    with torch.no_grad():
        network[1].weight.div_(moved)
        network[3].weight.mul_(moved)
    quantised = quantize(network, "binary", calibration=task.train.images[:64])
    # Its own measure is the layer's weights, of mean square 1/64 and less: hence the larger rate.
    rate = 0.5 if rate_scaling else 0.01
    recipe = replace(task.recipe, learning_rate=rate, rate_scaling=rate_scaling)
    train(quantised, task, recipe)
    first, second = (layer.weight.detach() for _, layer in quantised.weighted_layers())
    return [first * moved, second / moved]


def test_what_is_learnt_does_not_depend_on_where_a_power_of_two_sits(task) -> None:  # type: ignore[no-untyped-def]
    same = zip(learnt(task, 1, True), learnt(task, 8, True), strict=True)
    assert all(torch.equal(one, two) for one, two in same)
    other = zip(learnt(task, 1, False), learnt(task, 8, False), strict=True)
    assert not any(torch.equal(one, two) for one, two in other)


def test_it_is_of_sgd_only() -> None:
    with pytest.raises(RequestError, match="rate_scaling scales gradients, which 'adam' undoes"):
        Recipe(epochs=1, rate_scaling=True, optimizer="adam")
