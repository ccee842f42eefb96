"""The operations of a program: frozen records over tensors of integers.

A *value* is a tensor of integers n with real = n * 2**exponent. Values are of two kinds: *activations*, whose
integers lie on the grid of a number format, and *accumulators*, the exact sums that a convolution or a fully
connected layer leaves, which may be wider than any machine word and are read by one `Requantize` each.

In a float32 program the same records hold float32 numbers, and `Requantize` does not occur; there the order
of additions matters and is the tile's (see `bitwatt.program.float_order`).

Layout: feature maps are (channels, height, width) here as in PyTorch; a window is read kernel row by kernel
row, column by column, channels fastest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bitwatt.formats import Format

Pair = tuple[int, int]
"""(vertical, horizontal)."""


@dataclass(frozen=True, eq=False)
class Quantize:
    """Reals to activations: round_half_even(x * 2**-exponent), saturated: the grid's nearest integer."""

    name: str
    input: str
    format: Format
    exponent: int


@dataclass(frozen=True, eq=False)
class Conv2d:
    """Cross-correlation with zero padding, as `torch.nn.Conv2d`; leaves accumulators.

    weight: integers (outputs, inputs / groups, kernel height, kernel width); bias: integers (outputs,) at
    the accumulator's exponent, or None. A weight stands for weight * 2**weight_exponent, where
    weight_exponent has one entry, or one for each output channel.
    """

    name: str
    input: str
    weight: NDArray[np.generic]
    bias: NDArray[np.generic] | None
    weight_format: Format
    weight_exponent: tuple[int, ...]
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1


@dataclass(frozen=True, eq=False)
class Linear:
    """Fully connected: weight (outputs, inputs); leaves accumulators. Otherwise as `Conv2d`."""

    name: str
    input: str
    weight: NDArray[np.generic]
    bias: NDArray[np.generic] | None
    weight_format: Format
    weight_exponent: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Requantize:
    """Accumulators to activations: the grid's nearest integer to n * 2**-shift; ties to the even code.

    shift has one entry, or one for each channel; a negative one shifts left. Saturates.
    """

    name: str
    input: str
    format: Format
    shift: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Relu:
    """max(n, 0); float32: x where x > 0, else +0."""

    name: str
    input: str


@dataclass(frozen=True, eq=False)
class MaxPool2d:
    """Largest of each window, as `torch.nn.MaxPool2d`; padding never wins, and of equals the first does."""

    name: str
    input: str
    kernel: Pair
    stride: Pair
    padding: Pair = (0, 0)
    ceil_mode: bool = False


@dataclass(frozen=True, eq=False)
class AvgPool2d:
    """Sum of each window divided by its count, moved to the grid's nearest integer; exponent unchanged.

    For fixed point that is the quotient rounded half to even; elsewhere ties go to the even code. The count
    is `torch.nn.AvgPool2d`'s: with count_include_pad the window clipped to the padded map, without it the
    window clipped to the map. float32: the sum in window order (of what lies in the map) times the
    float32 nearest to 1 / count.
    """

    name: str
    input: str
    kernel: Pair
    stride: Pair
    padding: Pair = (0, 0)
    ceil_mode: bool = False
    count_include_pad: bool = True


@dataclass(frozen=True, eq=False)
class Flatten:
    """(channels, height, width) to (height * width * channels,), *channels fastest*: the tile's own order.

    (PyTorch flattens channels slowest; lowering permutes the columns of the layer that follows.)
    """

    name: str
    input: str


Op = Quantize | Conv2d | Linear | Requantize | Relu | MaxPool2d | AvgPool2d | Flatten
Weighted = Conv2d | Linear
Pool = MaxPool2d | AvgPool2d

OPS: dict[str, type[Op]] = {
    kind.__name__: kind
    for kind in (Quantize, Conv2d, Linear, Requantize, Relu, MaxPool2d, AvgPool2d, Flatten)
}
"""Every kind of operation, by the name that a saved program uses."""


def pooled_size(size: int, kernel: int, stride: int, padding: int, ceil_mode: bool) -> int:
    """Length of a pooled axis, by PyTorch's rule: with ceil_mode no window starts beyond the padded map."""
    span = size + 2 * padding - kernel
    out = (-(-span // stride) if ceil_mode else span // stride) + 1
    if ceil_mode and (out - 1) * stride >= size + padding:
        out -= 1
    return out


def convolved_size(size: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
    """Length of a convolved axis."""
    return (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
