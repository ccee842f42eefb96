"""Recipes to use where nobody says otherwise; no test image was looked at for them.

LeNet's were chosen on training images held out of `mnist-small`: with three seeds every precision of the
paper came within 0.4 points of float. Of those for colour photographs only the learning rate was tried, on
held-out images of CIFAR-10 after three epochs of 10,000: 0.1 hardly learnt, 0.02 led. That for networks with
batch normalisation is a first guess, and nothing was tried: the customary rate, and the penalty of MLPerf
Tiny's reference code. Any other network gets `OTHER`.
"""

from __future__ import annotations

from dataclasses import replace

from bitwatt.formats import Fixed, Format, Precision
from bitwatt.training.recipe import Recipe

_SMALL = Recipe(epochs=6, batch_size=64, learning_rate=0.05, weight_decay=5e-4)
_NATURAL = Recipe(
    epochs=30, batch_size=128, learning_rate=0.03, weight_decay=5e-4, augmentation="shift+flip", shift=4
)

_NORMALISED = replace(_NATURAL, epochs=40, learning_rate=0.1, weight_decay=2e-4)

PRETRAINING: dict[str, Recipe] = {
    "lenet": _SMALL,
    "convnet": replace(_SMALL, epochs=10, augmentation="shift"),
    "alex": _NATURAL,
    "alex+": _NATURAL,
    "alex++": _NATURAL,
    "resnet8": _NORMALISED,
    "resnet20": _NORMALISED,
    "vgg-small": _NORMALISED,
}
OTHER = replace(_SMALL, epochs=15)

LOSSLESS_BITS = 8
"""Fixed point of so many bits or more computes what float does; retraining only settles it."""


def pretraining_recipe(network: str) -> Recipe:
    """How a float network of that name is trained from first weights; `alex*0.5` as `alex`."""
    return PRETRAINING.get(network.partition("*")[0], OTHER)


def retraining_recipe(network: str, precision: Precision) -> Recipe:
    """How a network goes on at a precision, from its trained float weights and with the float one as teacher.

    The fewer the bits, the longer, and the larger the steps: shadow weights have to cross from one grid value
    to the next.
    """
    start = pretraining_recipe(network)
    share, rate = _effort(precision)
    return replace(
        start,
        epochs=max(1, round(share * start.epochs)),
        learning_rate=rate * start.learning_rate,
        weight_decay=0.0,
        distillation=0.7,
        temperature=3.0,
    )


def _effort(precision: Precision) -> tuple[float, float]:
    """Epochs and highest learning rate, as shares of pre-training's."""
    formats = (precision.weights, precision.activations)
    if all(_is_wide(format) for format in formats) or precision.is_float:
        return 1 / 6, 0.1
    if any(format.bits <= 2 for format in formats):
        return 2 / 3, 1.0
    return 1 / 2, 0.4


def _is_wide(format: Format) -> bool:
    return isinstance(format, Fixed) and format.bits >= LOSSLESS_BITS
