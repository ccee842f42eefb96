"""What oneDNN's faults would do, with glibc watching the heap; and the same numbers as plain loops."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch
from torch import nn
from torch.nn import functional

from bitwatt.quantization.convolution import channels_first_where_astray, convolve

WATCHED = "libc_malloc_debug.so.0"
"""glibc's allocator that stops where a block was written past its end (MALLOC_CHECK_)."""

QUANTISED = """
from bitwatt.testing.drawn_networks import KINDS, NARROW, draw_network
drawn = draw_network(85, kinds=KINDS - {"inputs"}, precisions=NARROW)
network, images = drawn.network.train(), drawn.images
"""

PLAIN = """
from bitwatt.quantization.convolution import channels_first_where_astray
network = torch.nn.Conv2d(5, 2, 1, (2, 1))
images = torch.randn(3, 5, 8, 7).contiguous(memory_format=torch.channels_last)
import contextlib
stack = contextlib.ExitStack()
stack.enter_context(channels_first_where_astray(network))
"""

RUN = """
import torch
torch.set_num_threads(1)
{network}
for _ in range(100):
    network(images).square().sum().backward()
"""


@pytest.mark.parametrize("network", [QUANTISED, PLAIN], ids=["quantised", "plain"])
def test_gradients_of_a_narrow_strided_1x1_convolution_leave_the_heap_whole(network: str) -> None:
    """A drawn network, and one layer of PyTorch's; both ended in "free(): invalid pointer"."""
    environment = {**os.environ, "LD_PRELOAD": WATCHED, "MALLOC_CHECK_": "3", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", RUN.format(network=network)], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("stride", [(1, 1), (2, 1), (1, 3), (2, 2)])
@pytest.mark.parametrize("padding", [(0, 0), (1, 0), (2, 1)])
@pytest.mark.parametrize("channels", [3, 16])
def test_results_and_gradients_are_those_of_float64(
    stride: tuple[int, int], padding: tuple[int, int], channels: int
) -> None:
    """oneDNN has no float64. Integers, so that every order of addition gives the same."""
    torch.manual_seed(0)
    x = torch.randint(-8, 8, (2, channels, 6, 7)).float().contiguous(memory_format=torch.channels_last)
    weight = torch.randint(-8, 8, (4, channels, 1, 1)).float()
    found, expected = [], []
    for kept, dtype, function in (
        (found, torch.float32, convolve),
        (expected, torch.float64, functional.conv2d),
    ):
        operands = [t.to(dtype, copy=True).requires_grad_() for t in (x, weight)]
        made = function(*operands, None, stride, padding, (1, 1), 1)
        made.square().sum().backward()
        kept += [made.detach(), *(t.grad for t in operands)]
    for one, other in zip(found, expected, strict=True):
        assert torch.equal(one.double(), other)


def test_plain_layers_are_left_as_they_were() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 1, 2), nn.Conv2d(4, 4, 3, 2))
    with channels_first_where_astray(model):
        assert [len(layer._forward_pre_hooks) for layer in model] == [1, 0]
    assert not any(layer._forward_pre_hooks for layer in model)
