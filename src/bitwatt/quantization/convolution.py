"""Convolutions as PyTorch does them, kept away from two faults of oneDNN 3.12, which PyTorch 2.13 runs on.

1. Where a window lies in the padding alone it may read astray. Padded first it does not.
2. The gradient of the weights of a 1 x 1 convolution with a stride, on channels-last maps of fewer channels
   than a block (16 in AVX-512, 8 in AVX2), writes past its workspace: the heap is corrupted, and weights come
   out wrong (https://github.com/uxlfoundation/oneDNN/issues/6035). Without bitwatt:

       x = torch.randn(3, 5, 8, 7).contiguous(memory_format=torch.channels_last)
       weight = torch.randn(2, 5, 1, 1, requires_grad=True)
       for _ in range(100):
           functional.conv2d(x, weight, None, (2, 1)).square().sum().backward()  # free(): invalid pointer

   Such a convolution reads every stride-th row and column only: these taken first, it has no stride. A plain
   PyTorch layer gets its maps with channels first, which oneDNN computes by another kernel.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from bitwatt.quantization.pooling import Pair

BLOCK = 16
"""Channels that oneDNN treats at once at most; with fewer the gradient of fault 2 is astray."""


def convolve(
    x: Tensor, weight: Tensor, bias: Tensor | None, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Tensor:
    """`torch.nn.functional.conv2d` of maps (count, channels, height, width)."""
    kernel = tuple(weight.shape[2:])
    if any(p > d * (k - 1) for p, d, k in zip(padding, dilation, kernel, strict=True)):
        (top, left), padding = padding, (0, 0)
        x = functional.pad(x, [left, left, top, top])
    if torch.is_grad_enabled() and is_astray(kernel, stride, x.shape[1], padding, groups):
        x, stride = x[:, :, :: stride[0], :: stride[1]], (1, 1)
    return functional.conv2d(x, weight, bias, stride, padding, dilation, groups)


def is_astray(
    kernel: tuple[int, ...], stride: tuple[int, ...], channels: int, padding: object, groups: int
) -> bool:
    """Whether the gradient of the weights may be computed by the kernel of fault 2."""
    return (
        kernel == (1, 1)
        and stride != (1, 1)
        and padding in ((0, 0), "valid")
        and channels < BLOCK
        and groups == 1
    )


@contextmanager
def channels_first_where_astray(model: nn.Module) -> Iterator[None]:
    """While it is open, plain convolutions of `model` that fault 2 would meet read maps channels first."""
    handles = [
        module.register_forward_pre_hook(_channels_first)
        for module in model.modules()
        if isinstance(module, nn.Conv2d)
        and is_astray(module.kernel_size, module.stride, module.in_channels, module.padding, module.groups)
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _channels_first(module: nn.Module, operands: tuple[Any, ...]) -> tuple[Any, ...]:
    return (operands[0].contiguous(), *operands[1:])
