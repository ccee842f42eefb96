"""Which precision an epoch has, and that its grid is the one trained on."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from bitwatt.formats import parse_precision, parse_precisions
from bitwatt.training import TrainingState, train
from bitwatt.training.methods.narrowing import precision_of_epochs


@pytest.mark.parametrize(
    ("steps", "share", "epochs", "expected"),
    [
        ("fixed16,fixed8", 0.5, 4, "fixed16 fixed8 fixed4 fixed4"),
        ("fixed16,fixed8", 0.5, 6, "fixed16 fixed16 fixed8 fixed4 fixed4 fixed4"),
        ("fixed16,fixed8,pow2", 0.5, 4, "fixed16 fixed8 fixed4 fixed4"),
        ("fixed16", 1.0, 3, "fixed16 fixed16 fixed4"),
        ("fixed16", 0.5, 1, "fixed4"),
        ("fixed16", 0.5, 0, ""),
    ],
)
def test_the_plan(steps: str, share: float, epochs: int, expected: str) -> None:
    found = precision_of_epochs(parse_precisions(steps), parse_precision("fixed4"), share, epochs)
    assert " ".join(map(str, found)) == expected


def test_each_epoch_is_trained_on_its_own_grid_and_the_scales_are_fitted_to_it(task) -> None:  # type: ignore[no-untyped-def]
    network = task.quantised("binary")
    seen: list[tuple[str, int, float]] = []

    def look(_: TrainingState) -> None:
        layer = next(network.weighted_layers())[1]
        weight = layer.integer_weight().abs()
        seen.append((str(network.precision), len(weight.unique()), float(network.input_quantizer.exponent)))

    recipe = replace(task.recipe, narrowing="fixed16,ternary:fixed8", narrowing_share=0.5)
    train(network, task, recipe, on_epoch_end=look)
    assert [precision for precision, _, _ in seen] == ["fixed16", "ternary:fixed8", "binary", "binary"]
    assert seen[0][1] > 40  # of 54 weights, nearly all differ
    assert [distinct for _, distinct, _ in seen[1:]] == [2, 1, 1]  # 0 and 1; 1
    # Eight bits hold the same range with steps 2**8 times as wide as sixteen.
    assert [exponent - seen[0][2] for _, _, exponent in seen] == [0, 8, 0, 0]
    assert torch.isfinite(network(task.train.images[:2])).all()
