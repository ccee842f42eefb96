"""Training images in memory, and the batches of an epoch: shuffled, shifted, mirrored, reproducible."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Protocol

import torch
from torch import Tensor

from bitwatt.errors import RequestError
from bitwatt.quantization.input_stage import channels_last
from bitwatt.training.recipe import Recipe


class LabelledImages(Protocol):
    """A split of a data set, as training reads it."""

    @property
    def images(self) -> Tensor:
        """float32 (count, channels, height, width), or (count, features)."""

    @property
    def labels(self) -> Tensor:
        """int64 (count,)."""


class Batches:
    """The batches of every epoch of a recipe.

    Images are kept with channels last in memory, so that a batch is so too, one channel or many. Epoch e is
    drawn from (seed, e) alone: nothing needs to be stored to go on after epoch e - 1.

    Raises:
        RequestError: no images, not as many labels, or an augmentation for what are no images.
    """

    def __init__(self, split: LabelledImages, recipe: Recipe, device: torch.device) -> None:
        images, labels = split.images, split.labels
        if len(labels) == 0 or len(images) != len(labels):
            raise RequestError(
                "training needs at least one image, and a label for each; "
                f"got {len(images)} images and {len(labels)} labels"
            )
        if recipe.augmentation != "none" and images.dim() != 4:
            raise RequestError(
                f"augmentation '{recipe.augmentation}' needs images (count, channels, height, width); "
                f"got shape {tuple(images.shape)}"
            )
        self._recipe = recipe
        self._is_image = images.dim() == 4
        kept = images.permute(0, 2, 3, 1).contiguous() if self._is_image else images
        self._images = kept.to(device=device, dtype=torch.float32)
        self._labels = labels.to(device=device, dtype=torch.int64)

    def __len__(self) -> int:
        """Steps of an epoch."""
        return -(-len(self._labels) // self._recipe.batch_size)

    def plain(self) -> list[Tensor]:
        """All images in their own order and unchanged, in batches."""
        every = torch.arange(len(self._labels), device=self._labels.device)
        return [self._take(chosen) for chosen in torch.split(every, self._recipe.batch_size)]

    def epoch(self, epoch: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Images, labels, and which images they are, for each step."""
        generator = torch.Generator().manual_seed(epoch_seed(self._recipe.seed, epoch))
        order = torch.randperm(len(self._labels), generator=generator)
        for chosen in torch.split(order, self._recipe.batch_size):
            where = self._moves(len(chosen), generator)
            chosen = chosen.to(self._labels.device)
            images = self._take(chosen) if where is None else self._moved(chosen, *where)
            yield images, self._labels[chosen], chosen

    def _take(self, chosen: Tensor) -> Tensor:
        taken = self._images[chosen]
        return channels_last(taken.permute(0, 3, 1, 2)) if self._is_image else taken

    def _moves(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor] | None:
        """Which row and which column each output row and column of each image shows; None for no change."""
        recipe = self._recipe
        if recipe.augmentation == "none":
            return None
        height, width = self._images.shape[1:3]
        down, right = torch.randint(-recipe.shift, recipe.shift + 1, (2, count, 1), generator=generator)
        rows = (torch.arange(height) + down).clamp_(0, height - 1)
        columns = (torch.arange(width) + right).clamp_(0, width - 1)
        if recipe.augmentation == "shift+flip":
            mirrored = torch.rand(count, 1, generator=generator) < 0.5
            columns = torch.where(mirrored, columns.flip(1), columns)
        return rows, columns

    def _moved(self, chosen: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        device = chosen.device
        taken = self._images[
            chosen[:, None, None], rows.to(device)[:, :, None], columns.to(device)[:, None, :]
        ]
        return channels_last(taken.permute(0, 3, 1, 2))


def epoch_seed(seed: int, epoch: int) -> int:
    """A seed for one epoch, unrelated to those of other epochs and of neighbouring seeds."""
    digest = hashlib.sha256(f"bitwatt training {seed} {epoch}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
