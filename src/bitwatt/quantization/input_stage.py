"""The first step of a quantised network: real images to integers."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bitwatt.formats import Float32, Format
from bitwatt.quantization.rounding import round_to_grid_
from bitwatt.quantization.scale import power_of_two


class InputQuantizer(nn.Module):
    """Real images to integers: round_half_even(x * 2**-exponent), saturated, in channels-last layout.

    A one-channel image is channels-last and contiguous at once, and PyTorch then takes it for contiguous; its
    strides are rewritten so that everything after it stays channels-last.
    """

    exponent: Tensor

    def __init__(self, format: Format, exponent: int = 0) -> None:
        super().__init__()
        self.format = format
        self.register_buffer("exponent", torch.tensor(exponent, dtype=torch.int32))

    def forward(self, images: Tensor) -> Tensor:
        """The images' integers."""
        if isinstance(self.format, Float32):
            return channels_last(images)
        return channels_last(round_to_grid_(images * power_of_two(-self.exponent), self.format))

    def extra_repr(self) -> str:
        """What `print` shows."""
        return f"{self.format}, exponent={int(self.exponent)}"


def channels_last(images: Tensor) -> Tensor:
    """Images (count, channels, height, width) with channels-last strides; other ranks as they are."""
    if images.dim() != 4:
        return images
    channels, height, width = images.shape[1:]
    if channels == 1:
        flat = images.contiguous()
        return flat.as_strided(flat.shape, (height * width, 1, width, 1), flat.storage_offset())
    return images.contiguous(memory_format=torch.channels_last)
