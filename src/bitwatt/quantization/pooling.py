"""Average pooling on integers. (Max pooling is exact as PyTorch does it.)"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from bitwatt.formats import Format
from bitwatt.quantization.straight_through import round_quotient

Pair = tuple[int, int]
"""(vertical, horizontal)."""


class QuantizedAvgPool2d(nn.Module):
    """`torch.nn.AvgPool2d` on integers: the exact sum over the count, the quotient moved to the grid.

    The float32 quotient decides ties as the exact one does: sums are whole and below 2**24, a quotient that
    is no tie is at least 1 / (2 * count) away from one, and float32 errs by less.
    """

    def __init__(self, source: nn.AvgPool2d, format: Format) -> None:
        super().__init__()
        self.format = format
        self.kernel = pair(source.kernel_size)
        self.stride = pair(source.stride)
        self.padding = pair(source.padding)
        self.ceil_mode = source.ceil_mode
        self.count_include_pad = source.count_include_pad

    def forward(self, x: Tensor) -> Tensor:
        """Integers (count, channels, height, width) to those of the pooled map, same unit."""
        mean = functional.avg_pool2d(
            x, self.kernel, self.stride, self.padding, self.ceil_mode, self.count_include_pad
        )
        return round_quotient(mean, self.format)

    def extra_repr(self) -> str:
        """What `print` shows."""
        return f"kernel={self.kernel}, stride={self.stride}, padding={self.padding}, {self.format}"


def pair(value: int | tuple[int, ...]) -> Pair:
    """(vertical, horizontal) from PyTorch's int or pair."""
    return (value, value) if isinstance(value, int) else (value[0], value[-1])
