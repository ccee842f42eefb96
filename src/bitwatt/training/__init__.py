"""Training: float networks, and quantised ones through their rounding."""

from bitwatt.training.checkpoint import decode_checkpoint, encode_checkpoint, load_checkpoint, save_checkpoint
from bitwatt.training.defaults import pretraining_recipe, retraining_recipe
from bitwatt.training.loop import Progress, train
from bitwatt.training.recipe import Recipe
from bitwatt.training.state import EpochRecord, TrainingResult, TrainingState

__all__ = [
    "EpochRecord",
    "Progress",
    "Recipe",
    "TrainingResult",
    "TrainingState",
    "decode_checkpoint",
    "encode_checkpoint",
    "load_checkpoint",
    "pretraining_recipe",
    "retraining_recipe",
    "save_checkpoint",
    "train",
]
