"""Recipes: checked, plain, and scheduled by the step alone."""

from __future__ import annotations

from itertools import pairwise

import pytest

from bitwatt.errors import RequestError
from bitwatt.training import Recipe


def test_a_recipe_goes_through_plain_data_and_back() -> None:
    recipe = Recipe(epochs=3, optimizer="adam", augmentation="shift", refit_scales=True)
    assert Recipe.from_dict(recipe.to_dict()) == recipe
    assert Recipe.from_dict({"epochs": 2}) == Recipe(epochs=2)


def test_the_digest_is_of_the_values() -> None:
    assert Recipe(epochs=3).digest == Recipe.from_dict({"epochs": 3, "seed": 0}).digest
    assert Recipe(epochs=3).digest != Recipe(epochs=3, seed=1).digest
    assert len(Recipe(epochs=3).digest) == 64


def test_a_field_at_its_default_names_nothing() -> None:
    assert Recipe(epochs=3, learning_rate=0.05).decisive() == {"epochs": 3}
    assert Recipe(epochs=3, learning_rate=0.04).decisive() == {"epochs": 3, "learning_rate": 0.04}


@pytest.mark.parametrize(
    "values, message",
    [
        ({"epochs": -1}, "Recipe.epochs must be a whole number from 0 to 100000, got -1"),
        ({"epochs": 1.5}, "Recipe.epochs must be a whole number from 0 to 100000, got 1.5"),
        ({"epochs": True}, "Recipe.epochs must be a whole number from 0 to 100000, got True"),
        ({"epochs": 1, "batch_size": 0},
         "Recipe.batch_size must be a whole number from 1 to 1000000, got 0"),
        ({"epochs": 1, "learning_rate": "x"},
         "Recipe.learning_rate must be a number from 0 to 1000, got 'x'"),
        ({"epochs": 1, "learning_rate": float("nan")},
         "Recipe.learning_rate must be a number from 0 to 1000, got nan"),
        ({"epochs": 1, "distillation": 1.1}, "Recipe.distillation must be a number from 0 to 1, got 1.1"),
        ({"epochs": 1, "refit_scales": 1}, "Recipe.refit_scales must be true or false, got 1"),
        ({"epochs": 1, "optimizer": "sdg"},
         "unknown Recipe.optimizer 'sdg'; did you mean 'sgd'? Allowed: sgd, adam"),
        ({"batch_size": 4}, "a recipe needs 'epochs'"),
        ({"epochs": 1, "weight_map": "piecewise"},
         "unknown Recipe.weight_map 'piecewise'; did you mean 'piecewise-affine'? "
         "Allowed: straight-through, piecewise-affine"),
        ({"epochs": 1, "narrowing": ["fixed16"]},
         "Recipe.narrowing must be precisions with commas between them, got ['fixed16']"),
        ({"epochs": 1, "gradient_bits": 1},
         "Recipe.gradient_bits must be 0, or 2 or more: a sign bit and one beside it"),
        ({"epochs": 1, "learn_scales": 1}, "Recipe.learn_scales must be true or false, got 1"),
        ({"epochs": 1, "rounding": "stochastic", "weight_map": "piecewise-affine"},
         "Recipe.weight_map and Recipe.rounding exclude each other: "
         "both decide how weights are rounded while training"),
        ({"epochs": 1, "learn_scales": True, "narrowing": "fixed8"},
         "Recipe.learn_scales and Recipe.narrowing exclude each other: "
         "scales that are learnt are not fitted anew"),
    ],
)  # fmt: skip
def test_wrong_values(values: dict[str, object], message: str) -> None:
    with pytest.raises(RequestError) as caught:
        Recipe.from_dict(values)
    assert str(caught.value) == message


def test_an_unknown_precision_to_narrow_through_is_named() -> None:
    with pytest.raises(RequestError) as refused:
        Recipe(epochs=1, narrowing="fixed16,fixde8")
    assert str(refused.value).startswith("Recipe.narrowing: unknown format 'fixde8'; did you mean 'fixed8'?")


def test_a_recipe_says_what_in_it_is_for_quantised_networks_alone() -> None:
    assert Recipe(epochs=1, averaging=0.5, refit_scales=True).quantised_only() == []
    assert Recipe(epochs=1, rounding="stochastic", start="scratch").quantised_only() == ["start", "rounding"]


def test_an_unknown_field_names_the_nearest() -> None:
    with pytest.raises(RequestError, match="unknown field of a recipe 'epoch'; did you mean 'epochs'"):
        Recipe.from_dict({"epoch": 3})


def test_one_cycle_rises_for_its_warmup_and_falls_to_almost_nothing() -> None:
    recipe = Recipe(epochs=1, learning_rate=0.4, warmup=0.25)
    rates = [recipe.learning_rate_at(step, 100) for step in range(100)]
    assert max(rates) == rates[25] == 0.4
    assert all(a < b for a, b in pairwise(rates[:26]))
    assert all(a > b for a, b in pairwise(rates[25:]))
    assert 0 < rates[-1] < 0.001


def test_the_other_schedules() -> None:
    cosine = Recipe(epochs=1, learning_rate=0.4, schedule="cosine")
    assert [round(cosine.learning_rate_at(step, 4), 6) for step in range(4)] == [0.4, 0.341421, 0.2, 0.058579]
    constant = Recipe(epochs=1, learning_rate=0.4, schedule="constant")
    assert {constant.learning_rate_at(step, 4) for step in range(4)} == {0.4}
    whole = Recipe(epochs=1, learning_rate=0.4, warmup=1.0)
    assert [round(whole.learning_rate_at(step, 4), 6) for step in range(4)] == [0.08, 0.16, 0.24, 0.32]
