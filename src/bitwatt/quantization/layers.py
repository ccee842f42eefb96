"""Layers whose weights and activations lie on grids.

Between layers travel *integers held in float32*: real = integer * 2**exponent, and each layer knows the
exponents of its input and of its output. A layer folds all its scales into its (small) weight tensor, so that
the convolution itself delivers sums in units of the output's least significant step, and one pass over the
(large) activations rounds, saturates and applies ReLU:

    z = conv(x, w * 2**k) + b * 2**k,   k = weight_exponent + input_exponent - output_exponent
    y = clamp(round_half_even(z))

Scaling by powers of two is exact, so while the integer sums stay below 2**24 so is z, in any order of
addition. In float32 precision the same layers hold plain numbers, with every exponent 0.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from bitwatt.formats import Float32, Format
from bitwatt.quantization.rounding import round_to_grid
from bitwatt.quantization.scale import power_of_two, weight_exponents
from bitwatt.quantization.straight_through import (
    pass_window,
    quantize_operand,
    requantize,
    round_bias,
    round_quotient,
)

Pair = tuple[int, int]


class _Weighted(nn.Module):
    """What convolutions and fully connected layers share: shadow weights, exponents, and their operands.

    weight, bias: float32 *shadow* parameters in real units, which training updates.
    weight_exponent: int32 (1,) or (outputs,); input_exponent, output_exponent: int32 scalars.
    output_format: None where the sums themselves leave (the logits); output_exponent is then 0: real units.
    relu, pool: a ReLU and a max pooling that followed in the model. Both commute with rounding, so the sums
    are pooled first (fewer of them to round).
    """

    weight: nn.Parameter
    bias: nn.Parameter | None
    weight_exponent: Tensor
    input_exponent: Tensor
    output_exponent: Tensor

    def __init__(
        self,
        source: nn.Conv2d | nn.Linear,
        weight_format: Format,
        output_format: Format | None,
        *,
        granularity: str,
        relu: bool,
        pool: nn.MaxPool2d | None,
    ) -> None:
        super().__init__()
        self.weight = _shadow(source.weight)
        self.bias = None if source.bias is None else _shadow(source.bias)
        self.weight_format = weight_format
        self.output_format = output_format
        self.granularity = granularity
        self.relu = relu
        self.pool = pool
        outputs = source.weight.shape[0] if granularity == "channel" else 1
        device = source.weight.device
        self.register_buffer("weight_exponent", torch.zeros(outputs, dtype=torch.int32, device=device))
        self.register_buffer("input_exponent", torch.tensor(0, dtype=torch.int32, device=device))
        self.register_buffer("output_exponent", torch.tensor(0, dtype=torch.int32, device=device))
        self._cached: tuple[tuple[int, ...], Tensor, Tensor | None] | None = None

    def fit_weight_exponent(self) -> None:
        """Set weight_exponent to what loses least of the shadow weights."""
        self.weight_exponent.copy_(weight_exponents(self.weight, self.weight_format, self.granularity))

    @torch.no_grad()
    def clip_shadow_weight(self) -> None:
        """Bring shadow weights back to where gradients pass, so that none is stuck outside."""
        if isinstance(self.weight_format, Float32):
            return
        low, high = pass_window(self.weight_format)
        scale = self._per_output(power_of_two(self.weight_exponent))
        if scale.numel() == 1:
            self.weight.clamp_(low * float(scale), high * float(scale))
        else:
            self.weight.clamp_(low * scale, high * scale)

    def integer_weight(self) -> Tensor:
        """The weights' integers, int64, in units of 2**weight_exponent: what the hardware stores.

        In float32 precision there are none: the shadow weights are the weights. Raises `TypeError` then.
        """
        self._refuse_float()
        scale = self._per_output(power_of_two(-self.weight_exponent)).to(torch.float64)
        return round_to_grid(self.weight.detach().to(torch.float64) * scale, self.weight_format).to(
            torch.int64
        )

    def integer_bias(self) -> Tensor | None:
        """The biases at the accumulator's radix point, int64 (outputs,). Raises as `integer_weight`."""
        self._refuse_float()
        if self.bias is None:
            return None
        scale = power_of_two(-self.accumulator_exponent).to(torch.float64)
        return torch.round(self.bias.detach().to(torch.float64) * scale).to(torch.int64)

    @property
    def accumulator_exponent(self) -> Tensor:
        """Exponent of the sums, as long as weight_exponent."""
        return self.weight_exponent + self.input_exponent

    def _refuse_float(self) -> None:
        if isinstance(self.weight_format, Float32):
            raise TypeError("a float32 layer holds no integers: read its weight and bias")

    def _per_output(self, values: Tensor) -> Tensor:
        return values.reshape(-1, *[1] * (self.weight.dim() - 1))

    def _operands(self) -> tuple[Tensor, Tensor | None]:
        """Weights and bias in units of the output's least step; while evaluating kept until one changes."""
        if self.training or torch.is_grad_enabled():
            self._cached = None
            return self._make_operands()
        tensors = (self.weight, self.bias, self.weight_exponent, self.input_exponent, self.output_exponent)
        state = tuple(number for t in tensors if t is not None for number in (t.data_ptr(), t._version))
        if self._cached is None or self._cached[0] != state:
            self._cached = (state, *self._make_operands())
        return self._cached[1], self._cached[2]

    def _make_operands(self) -> tuple[Tensor, Tensor | None]:
        if isinstance(self.weight_format, Float32):
            return self.weight, self.bias
        inward = self._per_output(power_of_two(-self.weight_exponent))
        outward = self._per_output(power_of_two(self.accumulator_exponent - self.output_exponent))
        weight = quantize_operand(self.weight, self.weight_format, inward, outward)
        if self.bias is None:
            return weight, None
        unit = self.accumulator_exponent
        bias = round_bias(self.bias, power_of_two(-unit), power_of_two(unit - self.output_exponent))
        return weight, bias

    def _leave(self, sums: Tensor) -> Tensor:
        if self.pool is not None:
            sums = cast(Tensor, self.pool(sums))
        return sums if self.output_format is None else requantize(sums, self.output_format, self.relu)

    def extra_repr(self) -> str:
        """What `print` shows."""
        kept = self.weight_exponent.tolist()
        shown = kept[0] if len(set(kept)) == 1 else f"{min(kept)}..{max(kept)}"
        return (
            f"{tuple(self.weight.shape)}, weights {self.weight_format} * 2**{shown}, "
            f"input * 2**{int(self.input_exponent)}, "
            f"output {self.output_format or 'sums'} * 2**{int(self.output_exponent)}, relu={self.relu}"
        )


def _shadow(source: Tensor) -> nn.Parameter:
    copy = source.detach().to(torch.float32, copy=True)
    return nn.Parameter(copy, requires_grad=source.requires_grad)


class QuantizedConv2d(_Weighted):
    """`torch.nn.Conv2d` with zero padding, then max pooling, rounding and ReLU. See this file's docstring."""

    def __init__(
        self,
        source: nn.Conv2d,
        weight_format: Format,
        output_format: Format | None,
        *,
        padding: Pair,
        granularity: str,
        relu: bool,
        pool: nn.MaxPool2d | None,
    ) -> None:
        super().__init__(source, weight_format, output_format, granularity=granularity, relu=relu, pool=pool)
        self.stride = cast(Pair, source.stride)
        self.padding = padding
        self.dilation = cast(Pair, source.dilation)
        self.groups = source.groups
        self.weight.data = self.weight.data.contiguous(memory_format=torch.channels_last)

    def forward(self, x: Tensor) -> Tensor:
        """Input's integers (count, channels, height, width) to the output's."""
        weight, bias = self._operands()
        sums = functional.conv2d(x, weight, bias, self.stride, self.padding, self.dilation, self.groups)
        return self._leave(sums)


class QuantizedLinear(_Weighted):
    """`torch.nn.Linear`, then rounding and ReLU. See this file's docstring."""

    def forward(self, x: Tensor) -> Tensor:
        """Input's integers (count, inputs) to the output's."""
        weight, bias = self._operands()
        return self._leave(functional.linear(x, weight, bias))


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
