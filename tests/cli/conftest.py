"""The tiny network and data of the study's tests, as `tiny:network` and `tiny:bars`; and a small program."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "study"))


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A file of a program of two passes on the tile, a pool and a fully connected layer, in fixed4."""
    import torch
    from torch import nn

    import bitwatt as bw

    torch.manual_seed(0)
    net = nn.Sequential(nn.AvgPool2d(7), nn.Flatten(), nn.Linear(16, 10))
    data = bw.datasets.load("mnist-small")
    quantised = bw.quantize(net, "fixed4", calibration=data.calibration)
    path = tmp_path / "small.bitwatt"
    bw.lower(quantised.eval(), example=data.test.images[:1], network="small").save(path)
    return path
