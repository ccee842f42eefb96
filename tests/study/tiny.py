"""A network and data small enough to study in a second: bright bars in one of four places, with noise."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

Part = tuple[np.ndarray, np.ndarray]


def bars() -> tuple[Part, Part]:
    random = np.random.default_rng(0)

    def part(count: int) -> Part:
        labels = np.arange(count) % 4
        images = random.integers(0, 120, size=(count, 1, 8, 8))
        for image, label in zip(images, labels, strict=True):
            image[0, 2 * label : 2 * label + 2] += 100
        return images.astype(np.uint8), labels

    return part(256), part(64)


def network(seed: int) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 4))


class _Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.answer = nn.Linear(64, 4)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        maps = nn.functional.max_pool2d(torch.relu(self.first(images)), 2)
        maps = torch.relu(maps + self.second(maps))
        return self.answer(torch.flatten(maps, 1))


def residual_network(seed: int) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return _Residual()


def broken_network(seed: int) -> nn.Module:
    made = network(seed)
    with torch.no_grad():
        made[0].weight[0, 0, 0, 0] = torch.nan
    return made


def unsupported_network(seed: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.Tanh(), nn.Linear(8, 4))


def wide_network(seed: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(100, 4))


def no_network(seed: int) -> str:
    return "a network"


def sized_network(seed: int, width: float = 1.0, depth: int = 1) -> nn.Module:
    channels = max(1, round(4 * width))
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        layers: list[nn.Module] = [nn.Conv2d(1, channels, 3, padding=1), nn.ReLU()]
        for _ in range(depth - 1):
            layers += [nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU()]
        return nn.Sequential(*layers, nn.MaxPool2d(2), nn.Flatten(), nn.Linear(16 * channels, 4))
