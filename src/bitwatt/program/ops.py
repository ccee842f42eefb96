"""The operations of a program: frozen records over tensors of integers.

A *value* is a tensor of integers n with real = n * 2**exponent. Values are of two kinds: *activations*, whose
integers lie on the grid of a number format, and *accumulators*, the exact sums that a convolution, a fully
connected layer or an addition leaves, which may be wider than any machine word. An accumulator is read by one
operation: by a `Requantize`, or by an `Add` as its first operand.

Every operation has `inputs`, the names of the values that it reads.

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


class _OfOne:
    """An operation that reads one value, its field `input`."""

    input: str

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of the values that it reads."""
        return (self.input,)


@dataclass(frozen=True, eq=False)
class Quantize(_OfOne):
    """Reals to activations: round_half_even(x * 2**-exponent), saturated: the grid's nearest integer."""

    name: str
    input: str
    format: Format
    exponent: int


@dataclass(frozen=True, eq=False)
class Conv2d(_OfOne):
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
class Linear(_OfOne):
    """Fully connected: weight (outputs, inputs); leaves accumulators. Otherwise as `Conv2d`."""

    name: str
    input: str
    weight: NDArray[np.generic]
    bias: NDArray[np.generic] | None
    weight_format: Format
    weight_exponent: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Requantize(_OfOne):
    """Accumulators to activations: the grid's nearest integer to n * 2**-shift; ties to the even code.

    shift has one entry, or one for each channel; a negative one shifts left. Saturates.
    """

    name: str
    input: str
    format: Format
    shift: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Relu(_OfOne):
    """max(n, 0); float32: x where x > 0, else +0.

    So NaN, which is not above zero, gives +0, and -0 does too: one comparison in the tile, and in each
    executor the same. torch's own ReLU passes NaN on. No finite network on finite images meets one unless a
    sum overflows to both infinities.
    """

    name: str
    input: str


@dataclass(frozen=True, eq=False)
class MaxPool2d(_OfOne):
    """Largest of each window, as `torch.nn.MaxPool2d`; padding never wins, and of equals the first does."""

    name: str
    input: str
    kernel: Pair
    stride: Pair
    padding: Pair = (0, 0)
    ceil_mode: bool = False


@dataclass(frozen=True, eq=False)
class AvgPool2d(_OfOne):
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
class Flatten(_OfOne):
    """(channels, height, width) to (height * width * channels,), *channels fastest*: the tile's own order.

    (PyTorch flattens channels slowest; lowering permutes the columns of the layer that follows.)
    """

    name: str
    input: str


@dataclass(frozen=True, eq=False)
class Add:
    """Sum of two values of one shape, exactly; leaves accumulators.

    input: accumulators of a `Conv2d` or `Linear` (the residual then enters before the one rounding), or
    activations; other: activations. The result's exponent is, channel by channel, the lesser of the
    operands'; the other operand is shifted left to it. float32: one addition, rounded, a subnormal sum made
    zero of its sign; it leaves activations.
    """

    name: str
    input: str
    other: str

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of the values that it reads."""
        return (self.input, self.other)


@dataclass(frozen=True, eq=False)
class Concat:
    """Values of one format and exponent, one after the other along the channels."""

    name: str
    inputs: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Clip(_OfOne):
    """min(max(n, low), high); the ends are whole numbers, on the grid of the value's format.

    float32: x where it lies between the ends, which are float32 numbers, else the nearer end; NaN becomes
    `low`.
    """

    name: str
    input: str
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Table(_OfOne):
    """Look-up, element by element: table[code], an integer of `format` in units of 2**exponent.

    table: integers (2**bits,) by the code word of the input's format, which has 16 bits or fewer; entries of
    reserved code words are not looked at, nor those of a second code word for the same number.
    """

    name: str
    input: str
    table: NDArray[np.generic]
    format: Format
    exponent: int


@dataclass(frozen=True, eq=False)
class Pad(_OfOne):
    """Zeros around each map: (left, right, top, bottom), as `torch.nn.ZeroPad2d`.

    Lowering uses it where a layer cannot hold the padding itself.
    """

    name: str
    input: str
    padding: tuple[int, int, int, int]


Op = (
    Quantize
    | Conv2d
    | Linear
    | Requantize
    | Relu
    | MaxPool2d
    | AvgPool2d
    | Flatten
    | Add
    | Concat
    | Clip
    | Table
    | Pad
)
Weighted = Conv2d | Linear
Pool = MaxPool2d | AvgPool2d

OPS: dict[str, type[Op]] = {
    kind.__name__: kind
    for kind in (
        *(Quantize, Conv2d, Linear, Requantize, Relu, MaxPool2d, AvgPool2d, Flatten),
        *(Add, Concat, Clip, Table, Pad),
    )
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
