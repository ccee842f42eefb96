"""Batches: every image once, channels last in memory, moved as the recipe says."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from bitwatt.training.batches import Batches, epoch_seed
from bitwatt.training.recipe import Recipe

CPU = torch.device("cpu")


@dataclass
class Split:
    """Images and labels."""

    images: Tensor
    labels: Tensor


def numbered(count: int, channels: int = 1) -> Split:
    """Image i is full of pixels that say i, its channel, its row and its column."""
    index = torch.arange(count).reshape(-1, 1, 1, 1) * 1000
    channel = torch.arange(channels).reshape(1, -1, 1, 1) * 100
    place = torch.arange(6).reshape(1, 1, -1, 1) * 10 + torch.arange(5).reshape(1, 1, 1, -1)
    return Split((index + channel + place).float(), torch.arange(count))


def test_an_epoch_shows_every_image_once_with_its_label() -> None:
    split = numbered(10, 3)
    batches = Batches(split, Recipe(epochs=1, batch_size=4), CPU)
    seen = list(batches.epoch(0))
    assert len(seen) == len(batches) == 3
    labels = torch.cat([labels for _, labels, _ in seen])
    assert sorted(labels.tolist()) == list(range(10))
    for images, labels, chosen in seen:
        assert torch.equal(images, split.images[labels])
        assert torch.equal(chosen, labels)


def test_epochs_differ_and_repeat() -> None:
    batches = Batches(numbered(50), Recipe(epochs=2, batch_size=50), CPU)
    orders = [next(batches.epoch(epoch))[1].tolist() for epoch in (0, 1, 0)]
    assert orders[0] == orders[2] != orders[1]
    assert epoch_seed(0, 1) != epoch_seed(1, 0)


def test_channels_are_last_in_memory_even_one() -> None:
    for channels in (1, 3):
        for augmentation in ("none", "shift"):
            recipe = Recipe(epochs=1, batch_size=4, augmentation=augmentation)  # type: ignore[arg-type]
            images, _, _ = next(Batches(numbered(4, channels), recipe, CPU).epoch(0))
            assert images.stride() == (30 * channels, 1, 5 * channels, channels)


def test_shifts_repeat_the_border_and_reach_every_offset() -> None:
    split = numbered(400)
    recipe = Recipe(epochs=1, batch_size=400, augmentation="shift", shift=1)
    images, labels, _ = next(Batches(split, recipe, CPU).epoch(0))
    seen = set()
    for image, label in zip(images[:, 0], labels.tolist(), strict=True):
        original = split.images[label, 0]
        padded = torch.nn.functional.pad(original[None, None], (1, 1, 1, 1), mode="replicate")[0, 0]
        offsets = [
            (r, c) for r in range(3) for c in range(3) if torch.equal(image, padded[r : r + 6, c : c + 5])
        ]
        assert len(offsets) == 1
        seen.update(offsets)
    assert len(seen) == 9


def test_flips_mirror_about_half() -> None:
    split = numbered(400)
    recipe = Recipe(epochs=1, batch_size=400, augmentation="shift+flip", shift=0)
    images, labels, _ = next(Batches(split, recipe, CPU).epoch(0))
    plain = (images == split.images[labels]).flatten(1).all(1)
    mirrored = (images == split.images[labels].flip(3)).flatten(1).all(1)
    assert bool((plain ^ mirrored).all())
    assert 150 < int(mirrored.sum()) < 250
