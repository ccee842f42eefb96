"""From scratch: nothing of the weights that were given is left, and the seed alone draws the new ones."""

from __future__ import annotations

import math
from dataclasses import replace

import torch

from bitwatt.training import train
from bitwatt.training.methods.scratch import draw_first_weights


def test_what_was_given_does_not_matter(task) -> None:  # type: ignore[no-untyped-def]
    one, two = task.quantised("fixed4"), task.quantised("fixed4")
    with torch.no_grad():
        for _, layer in two.weighted_layers():
            layer.weight.mul_(3.7).add_(0.1)
    recipe = replace(task.recipe, epochs=1, start="scratch")
    train(one, task, recipe)
    train(two, task, recipe)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))
    other = task.quantised("fixed4")
    train(other, task, replace(recipe, seed=8))
    assert not torch.equal(next(one.parameters()), next(other.parameters()))


def test_first_weights_have_the_variance_of_he(task) -> None:  # type: ignore[no-untyped-def]
    network = task.quantised("fixed8")
    draw_first_weights(network, seed=3)
    second, last = [layer for _, layer in network.weighted_layers()][1:]
    # 432 and 24 values: a deviation is known to 1 / sqrt(2 n), three of which are 10 % and 43 %.
    assert abs(float(second.weight.detach().std()) / math.sqrt(2 / 54) - 1) < 0.10
    assert abs(float(last.weight.detach().std()) / math.sqrt(1 / 8) - 1) < 0.43
    assert float(last.bias.detach().abs().sum()) == 0
