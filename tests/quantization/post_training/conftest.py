"""A small network with a bias on most layers, images that its values depend on, and one thread."""

import pytest
import torch
from torch import nn

from bitwatt.quantization import quantize


@pytest.fixture
def images():
    generator = torch.Generator().manual_seed(1)
    return torch.randn(96, 3, 12, 12, generator=generator).cumsum(dim=3) * 0.3 + 0.2


@pytest.fixture
def network():
    torch.manual_seed(0)
    made = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False), nn.ReLU(),
        nn.Conv2d(8, 12, 1), nn.ReLU(), nn.AvgPool2d(2),
        nn.Flatten(), nn.Linear(12 * 9, 10),
    )  # fmt: skip
    with torch.no_grad():  # channels of very different ranges
        made[0].weight *= torch.logspace(-2, 1, 8)[:, None, None, None]
        made[0].bias *= torch.logspace(-2, 1, 8)
    return made.eval()


@pytest.fixture
def quantised(network, images):
    return lambda precision, **options: quantize(network, precision, calibration=images, **options)
