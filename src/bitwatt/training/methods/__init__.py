"""Training methods, one a file: what a recipe asks for beyond the plain straight-through estimator."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor, nn

from bitwatt.errors import RequestError
from bitwatt.formats import parse_precisions
from bitwatt.quantization import QuantizedNetwork
from bitwatt.training.methods.averaging import averaging
from bitwatt.training.methods.gradient_rounding import gradient_rounding
from bitwatt.training.methods.learned_scales import learned_scales
from bitwatt.training.methods.matching import matching
from bitwatt.training.methods.method import Method
from bitwatt.training.methods.narrowing import narrowing
from bitwatt.training.methods.piecewise_affine import piecewise_affine
from bitwatt.training.methods.refitting import refitting_all, refitting_weights
from bitwatt.training.methods.scratch import from_scratch
from bitwatt.training.methods.stochastic import stochastic_rounding
from bitwatt.training.recipe import Recipe

__all__ = ["Method", "methods_of"]


def methods_of(model: nn.Module, recipe: Recipe, images: Tensor) -> list[Method]:
    """The methods of a recipe, at work on `model`, in the order in which they are called.

    images: training images (count, ...), on which radix points are fitted where a method asks for it.
    Raises `RequestError` where a method is for quantised networks alone and `model` is none.
    """
    found: list[Method] = []
    if isinstance(model, QuantizedNetwork):
        found += _of_quantised(model, recipe, images)
    elif asked := recipe.quantised_only():
        raise RequestError(
            f"Recipe.{asked[0]} is a method for quantised networks, and this network is not one; "
            "quantize it first, or leave the field out"
        )
    if recipe.averaging:
        found.append(averaging(model, recipe.averaging))
    return found


def _of_quantised(network: QuantizedNetwork, recipe: Recipe, images: Tensor) -> list[Method]:
    found: list[Method] = []
    if recipe.start == "scratch":
        found.append(from_scratch(network, images, recipe.seed))
    if recipe.match_outputs:
        found.append(matching(network, images))
    if recipe.refit_scales:
        found.append(refitting_weights(network))
    if recipe.refit_activations:
        found.append(refitting_all(network, images))
    if recipe.narrowing:
        steps = parse_precisions(recipe.narrowing)
        found.append(narrowing(network, steps, recipe.narrowing_share, recipe.epochs, images))
    if recipe.weight_map == "piecewise-affine":
        found.append(piecewise_affine(network, recipe.anneal_share, recipe.steepness))
    if recipe.rounding == "stochastic":
        found.append(stochastic_rounding(network))
    if recipe.learn_scales:
        scales = replace(recipe, learning_rate=recipe.scale_rate)
        found.append(learned_scales(network, scales.learning_rate_at))
    if recipe.gradient_bits:
        stochastic = recipe.gradient_rounding == "stochastic"
        found.append(gradient_rounding(network, recipe.gradient_bits, stochastic))
    return found
