"""Better quantised networks without training: on a few images, in seconds, with the same integer programs."""

from bitwatt.quantization.post_training.bias_correction import correct_biases
from bitwatt.quantization.post_training.equalisation import equalise
from bitwatt.quantization.post_training.method import PostTraining, improve
from bitwatt.quantization.post_training.rounding import round_together

__all__ = ["PostTraining", "correct_biases", "equalise", "improve", "round_together"]
