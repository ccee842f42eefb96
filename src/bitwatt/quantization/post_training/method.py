"""Which steps are taken, as one frozen record, and all of them in their order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from torch import Tensor

from bitwatt.errors import UnsupportedError, unknown_name
from bitwatt.quantization.calibration import calibrate
from bitwatt.quantization.exponent_rules import exponent_rule
from bitwatt.quantization.network import QuantizedNetwork
from bitwatt.quantization.post_training.bias_correction import correct_biases
from bitwatt.quantization.post_training.equalisation import equalise
from bitwatt.quantization.post_training.observing import float_twin
from bitwatt.quantization.post_training.rounding import round_together

Rounding = Literal["nearest", "together"]


@dataclass(frozen=True)
class PostTraining:
    """What `improve` does.

    Attributes:
        calibration: the rule for exponents of images and activations: "least-error", "percentile" or "max".
        equalise: move channels' scales between layers first.
        rounding: weights each to its nearest value, or "together", each making up for the others.
        correct_biases: bring every channel's mean to the float network's; "together" always does, by itself.

    Raises:
        RequestError: an unknown calibration or rounding.
    """

    calibration: str = "least-error"
    equalise: bool = False
    rounding: Rounding = "together"
    correct_biases: bool = True

    def __post_init__(self) -> None:
        exponent_rule(self.calibration)
        if self.rounding not in get_args(Rounding):
            raise unknown_name("rounding", self.rounding, get_args(Rounding))


def improve(network: QuantizedNetwork, images: Tensor, method: PostTraining | None = None) -> None:
    """Quantise better, in place, without labels: `network` as `bitwatt.quantize` made it, not trained since.

    images: (count, ...), as the network takes them; a few hundred are enough. method: by default weights are
    rounded together.

    Raises `UnsupportedError` for a network of several inputs.
    """
    inputs = len(network.input_quantizers)
    if inputs > 1:
        raise UnsupportedError(f"post-training methods take networks of one input; this one has {inputs}")
    steps = PostTraining() if method is None else method
    if steps.equalise:
        equalise(network)
    twin = float_twin(network, images)
    calibrate(network, images, exponent_rule(steps.calibration))
    if steps.rounding == "together":
        round_together(network, images, twin)
    elif steps.correct_biases:
        correct_biases(network, images, twin)
