"""A task that three small layers learn in a second: which third of an image's columns is bright."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from bitwatt.quantization import QuantizedNetwork, quantize
from bitwatt.training import Recipe


@dataclass
class Split:
    """Images and labels."""

    images: Tensor
    labels: Tensor


@dataclass
class Task:
    """Training images, a network that is not trained yet, and a recipe."""

    train: Split
    recipe: Recipe

    def network(self) -> nn.Sequential:
        """Always the same first weights."""
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return nn.Sequential(
                nn.Conv2d(1, 6, 3), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(54, 8), nn.ReLU(),
                nn.Linear(8, 3),
            )  # fmt: skip

    def quantised(self, precision: str) -> QuantizedNetwork:
        """That network at a precision."""
        return quantize(self.network(), precision, calibration=self.train.images[:64])


@pytest.fixture(scope="session")
def task() -> Task:
    generator = torch.Generator().manual_seed(5)
    labels = torch.randint(3, (160,), generator=generator)
    images = torch.randn(160, 1, 8, 8, generator=generator) * 0.3
    for column in range(3):
        images[labels == column, :, :, 3 * column : 3 * column + 2] += 1
    return Task(Split(images, labels), Recipe(epochs=4, batch_size=32, learning_rate=0.05, seed=7))
