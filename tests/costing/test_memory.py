"""Bytes of a network with a shortcut, counted by hand; a sweep gives the same."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import bitwatt as bw
from bitwatt.costing import sweep
from bitwatt.costing.memory import memory_bytes
from bitwatt.hardware.workload import fitting, workload


class Shortcut(nn.Module):
    """4 x 8 x 8 images: two convolutions of 16 channels, and the image added to what they make."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(4, 16, 3, padding=1), nn.Conv2d(16, 16, 3, padding=1)
        self.third, self.last = nn.Conv2d(16, 4, 1), nn.Linear(4 * 64, 2)

    def forward(self, x: Tensor) -> Tensor:
        made = torch.relu(self.second(torch.relu(self.first(x))))
        return self.last(torch.flatten(torch.relu(self.third(made) + x), 1))


@pytest.mark.parametrize(("precision", "bits"), [("fixed8", 8), ("fixed4", 4)])
def test_the_image_waits_while_the_widest_layer_runs(precision: str, bits: int) -> None:
    torch.manual_seed(0)
    images = torch.randn(4, 4, 8, 8)
    program = bw.lower(bw.quantize(Shortcut(), precision, calibration=images), images[:1])
    tile = fitting(bw.Tile(precision=precision), program)
    found = memory_bytes(workload(program), tile)
    image, wide = 4 * 64, 16 * 64
    assert found["activations_peak"] == (wide + wide + image) * bits // 8
    assert found["weights"] == (4 * 16 * 9 + 16 * 16 * 9 + 16 * 4 + 4 * 64 * 2) * bits // 8
    swept = sweep({"shortcut": program}, [precision], residual=(True,))
    assert {name: int(values[0]) for name, values in swept.memory_bytes.items()} == found
