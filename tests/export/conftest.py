"""LeNet and ALEX at a precision, untrained but calibrated; and images that are real, random and extreme."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

import pytest
import torch

import bitwatt
from bitwatt.program import Program

PAPER = ("float32", "fixed32", "fixed16", "fixed8", "fixed4", "pow2", "binary")


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@cache
def _program(network: str, precision: str) -> Program:
    module = bitwatt.networks.create(network, seed=0)
    images = _images(network)
    quantised = bitwatt.quantize(module, precision, calibration=images[:8])
    return bitwatt.lower(quantised.eval(), example=images[:1], network=network)


@cache
def _images(network: str) -> torch.Tensor:
    shape = bitwatt.networks.info(network).input_shape
    generator = torch.Generator().manual_seed(1)
    real = bitwatt.datasets.load("mnist-small").test.images[:8]
    if tuple(real.shape[1:]) != tuple(shape):  # the same digits, in colour and larger
        real = torch.nn.functional.interpolate(real, size=shape[1:]).expand(-1, shape[0], -1, -1)
    random = torch.randn(4, *shape, generator=generator) * 3
    extreme = torch.stack([torch.full(shape, end) for end in (1e9, -1e9, 0.0)])
    return torch.cat([real.float(), random, extreme])


@pytest.fixture(scope="session")
def program() -> Callable[[str, str], Program]:
    return _program


@pytest.fixture(scope="session")
def images() -> Callable[[str], torch.Tensor]:
    return _images
