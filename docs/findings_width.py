"""What networks of other widths cost beside float32 ALEX; nothing is trained. Imported by `findings.py`."""

from __future__ import annotations

from functools import cache

import torch

from bitwatt.costing import cost_schedule
from bitwatt.hardware.schedule import schedule_work
from bitwatt.hardware.tile import Tile
from bitwatt.hardware.workload import LayerWork, workload
from bitwatt.program import lower
from bitwatt.quantization import quantize
from bitwatt.study.subject import build_network

INPUT_SHAPE = (3, 32, 32)
BASE = ("alex", "float32")


@cache
def shapes(network: str) -> tuple[LayerWork, ...]:
    """What a network asks of the tile; its costs do not depend on the weights, so they are first ones."""
    images = torch.rand(8, *INPUT_SHAPE, generator=torch.Generator().manual_seed(0))
    net = quantize(build_network(network, seed=0), "fixed8", calibration=images)
    return workload(lower(net, example=images[:1]))


def macs(network: str) -> int:
    """Multiply-accumulates of an image."""
    return sum(layer.macs for layer in shapes(network))


@cache
def energy_j(network: str, precision: str, preset: str) -> float:
    """Energy of an image on the tile of that preset, in Nangate 45."""
    return cost_schedule(schedule_work(shapes(network), Tile.preset(preset, precision)), "nangate45").energy_j


def share(network: str, precision: str, preset: str) -> float:
    """That energy beside float32 ALEX's."""
    return energy_j(network, precision, preset) / energy_j(*BASE, preset)
