"""The average that is left, against one reckoned apart from the weights of every step."""

from __future__ import annotations

from dataclasses import replace

import torch

from bitwatt.training import Progress, train


def test_the_network_is_left_with_the_moving_average_of_its_weights(task) -> None:  # type: ignore[no-untyped-def]
    recipe = replace(task.recipe, epochs=2)
    steps: list[torch.Tensor] = []
    watched = task.network()
    first = watched[0].weight.detach().clone()

    def watch(_: Progress) -> None:
        steps.append(watched[0].weight.detach().clone())

    train(watched, task, recipe, progress=watch)
    averaged = task.network()
    train(averaged, task, replace(recipe, averaging=0.8))
    expected = first.to(torch.float64)
    for step, weight in enumerate(steps):
        kept = min(0.8, (1 + step) / (10 + step))
        expected = kept * expected + (1 - kept) * weight
    torch.testing.assert_close(averaged[0].weight.detach(), expected.float(), rtol=1e-5, atol=1e-6)
