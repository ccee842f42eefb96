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

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from bitwatt.formats import Float32, Format
from bitwatt.quantization.batch_norm import Norm, correct, fold
from bitwatt.quantization.convolution import convolve
from bitwatt.quantization.pooling import Pair
from bitwatt.quantization.rounding import round_to_grid
from bitwatt.quantization.scale import power_of_two, weight_exponents
from bitwatt.quantization.straight_through import (
    pass_window,
    quantize_operand,
    requantize,
    round_bias,
)

Operands = tuple[Tensor, Tensor | None]

WeightRounding = Callable[[Tensor, Format, Tensor, Tensor], Tensor]
"""As `quantize_operand`: shadow weight, format, inward, outward -> operand."""

OutputRounding = Callable[[Tensor, Format, bool], Tensor]
"""As `requantize`: sums, format, whether ReLU follows -> integers."""


@dataclass(frozen=True, eq=False)
class _Scales:
    """What a layer multiplies by: (1 or outputs, 1, ...) for weights, (1 or outputs,) for biases."""

    unit: Tensor
    weight_inward: Tensor
    weight_outward: Tensor
    bias_inward: Tensor
    bias_outward: Tensor


def _state(*tensors: Tensor | None) -> tuple[int, ...]:
    """Changes whenever one of the tensors is replaced or written to (other than through `.data`)."""
    return tuple(number for t in tensors if t is not None for number in (t.data_ptr(), t._version))


class _Weighted(nn.Module):
    """What convolutions and fully connected layers share: shadow weights, exponents, and their operands.

    weight, bias: float32 *shadow* parameters in real units, which training updates.
    weight_exponent: int32 (1,) or (outputs,); input_exponent, output_exponent: int32 scalars.
    output_format: None where the sums themselves leave (the logits); output_exponent is then 0: real units.
    relu, pool: a ReLU and a max pooling that followed in the model. Both commute with rounding, so the sums
    are pooled first (fewer of them to round).
    residual: a second value is added to the sums, before they are rounded; residual_exponent is its own.
    norm: a batch normalisation of the sums that is still alive; weight and bias are then those before it, and
    what lies on the grid is `folded`. Its own mode says whether it follows the batch.
    round_weight, round_output: how both are rounded *while training*; training methods put others in their
    place. Evaluation always rounds to nearest.
    """

    weight: nn.Parameter
    bias: nn.Parameter | None
    weight_exponent: Tensor
    input_exponent: Tensor
    output_exponent: Tensor
    residual_exponent: Tensor

    def __init__(
        self,
        source: nn.Conv2d | nn.Linear,
        weight_format: Format,
        output_format: Format | None,
        *,
        granularity: str,
        relu: bool,
        pool: nn.MaxPool2d | None,
        residual: bool = False,
    ) -> None:
        super().__init__()
        self.weight = _shadow(source.weight)
        self.bias = None if source.bias is None else _shadow(source.bias)
        self.weight_format = weight_format
        self.output_format = output_format
        self.granularity = granularity
        self.relu = relu
        self.pool = pool
        self.norm: Norm | None = None
        self.round_weight: WeightRounding = quantize_operand
        self.round_output: OutputRounding = requantize
        outputs = source.weight.shape[0] if granularity == "channel" else 1
        device = source.weight.device
        self.register_buffer("weight_exponent", torch.zeros(outputs, dtype=torch.int32, device=device))
        self.register_buffer("input_exponent", torch.tensor(0, dtype=torch.int32, device=device))
        self.register_buffer("output_exponent", torch.tensor(0, dtype=torch.int32, device=device))
        self.residual = residual
        if residual:
            self.register_buffer("residual_exponent", torch.tensor(0, dtype=torch.int32, device=device))
        # Made of the tensors whose state is kept beside them; see `_state`.
        self._cached_scales: tuple[tuple[int, ...], _Scales] | None = None
        self._cached_operands: tuple[tuple[int, ...], Operands] | None = None

    def set_formats(self, weights: Format, outputs: Format) -> None:
        """Go to other grids; where the sums themselves leave, they still do. Exponents are to be fitted."""
        self.weight_format = weights
        self.output_format = None if self.output_format is None else outputs
        self._cached_operands = None

    def folded(self) -> Operands:
        """Weight and bias in real units, the running statistics of a live normalisation inside."""
        return (self.weight, self.bias) if self.norm is None else fold(self.weight, self.bias, self.norm)

    def fit_weight_exponent(self) -> None:
        """Set weight_exponent to what loses least of the (folded) shadow weights."""
        self.weight_exponent.copy_(weight_exponents(self.folded()[0], self.weight_format, self.granularity))

    @torch.no_grad()
    def clip_shadow_weight(self) -> None:
        """Bring shadow weights back to where gradients pass, so that none is stuck outside."""
        if isinstance(self.weight_format, Float32):
            return
        low, high = pass_window(self.weight_format)
        unit = self._scales().unit
        if self.norm is not None:
            weight, _ = self.folded()
            inside = weight.clamp(low * unit, high * unit)
            self.weight.copy_(torch.where(inside == weight, self.weight, self.weight * (inside / weight)))
            return
        if unit.numel() == 1:
            self.weight.clamp_(low * float(unit), high * float(unit))
        else:
            self.weight.clamp_(low * unit, high * unit)

    def integer_weight(self) -> Tensor:
        """The weights' integers, int64, in units of 2**weight_exponent: what the hardware stores.

        In float32 precision there are none: the shadow weights are the weights. Raises `TypeError` then.
        """
        self._refuse_float()
        scale = self._per_output(power_of_two(-self.weight_exponent)).to(torch.float64)
        weight = self.folded()[0].detach().to(torch.float64)
        return round_to_grid(weight * scale, self.weight_format).to(torch.int64)

    def integer_bias(self) -> Tensor | None:
        """The biases at the accumulator's radix point, int64 (outputs,). Raises as `integer_weight`."""
        self._refuse_float()
        _, bias = self.folded()
        if bias is None:
            return None
        scale = power_of_two(-self.accumulator_exponent).to(torch.float64)
        return torch.round(bias.detach().to(torch.float64) * scale).to(torch.int64)

    @property
    def accumulator_exponent(self) -> Tensor:
        """Exponent of the sums, as long as weight_exponent."""
        return self.weight_exponent + self.input_exponent

    def _refuse_float(self) -> None:
        if isinstance(self.weight_format, Float32):
            raise TypeError("a float32 layer holds no integers: read its weight and bias")

    def _per_output(self, values: Tensor) -> Tensor:
        return values.reshape(-1, *[1] * (self.weight.dim() - 1))

    def _scales(self) -> _Scales:
        """Powers of two of the exponents as they are now."""
        state = _state(self.weight_exponent, self.input_exponent, self.output_exponent)
        if self._cached_scales is None or self._cached_scales[0] != state:
            weight, sums = self.weight_exponent, self.accumulator_exponent
            out = sums - self.output_exponent
            scales = _Scales(
                unit=self._per_output(power_of_two(weight)),
                weight_inward=self._per_output(power_of_two(-weight)),
                weight_outward=self._per_output(power_of_two(out)),
                bias_inward=power_of_two(-sums),
                bias_outward=power_of_two(out),
            )
            self._cached_scales = (state, scales)
        return self._cached_scales[1]

    def _operands(self) -> Operands:
        """Weights and bias in units of the output's least step; while evaluating kept until one changes."""
        if self.training or torch.is_grad_enabled():
            self._cached_operands = None
            return self._make_operands()
        exponents = (self.weight_exponent, self.input_exponent, self.output_exponent)
        normalisation = () if self.norm is None else (*self.norm.parameters(), *self.norm.buffers())
        state = _state(self.weight, self.bias, *exponents, *normalisation)
        if self._cached_operands is None or self._cached_operands[0] != state:
            self._cached_operands = (state, self._make_operands())
        return self._cached_operands[1]

    def _make_operands(self) -> Operands:
        return self._rounded(*self.folded())

    def _rounded(self, weight: Tensor, bias: Tensor | None) -> Operands:
        if isinstance(self.weight_format, Float32):
            return weight, bias
        by = self._scales()
        rounding = self.round_weight if self.training else quantize_operand
        weight = rounding(weight, self.weight_format, by.weight_inward, by.weight_outward)
        return weight, None if bias is None else round_bias(bias, by.bias_inward, by.bias_outward)

    def _sums(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        raise NotImplementedError

    def _sums_of_batch(self, x: Tensor, norm: Norm) -> Tensor:
        """Folded and quantised sums, corrected to the statistics of this batch; see `batch_norm`."""
        weight, _ = self.folded()
        reals = self._sums(x, self.weight * power_of_two(self.input_exponent), self.bias)
        factor, shift = correct(reals, self.bias, norm)
        operand, bias = self._rounded(weight, shift)
        sums = self._sums(x, operand, None)
        by_channel = (-1, *[1] * (sums.dim() - 2))
        return torch.addcmul(cast(Tensor, bias).reshape(by_channel), sums, factor.reshape(by_channel))

    def forward(self, x: Tensor, residual: Tensor | None = None) -> Tensor:
        """Input's integers (count, inputs, ...) to the output's; a residual has their shape."""
        if self.norm is not None and self.norm.training:
            return self._leave(self._sums_of_batch(x, self.norm), residual)
        return self._leave(self._sums(x, *self._operands()), residual)

    def _leave(self, sums: Tensor, residual: Tensor | None = None) -> Tensor:
        if residual is not None:
            by = 2.0 ** (int(self.residual_exponent) - int(self.output_exponent))
            sums = torch.add(sums, residual, alpha=by)
        if self.pool is not None:
            sums = cast(Tensor, self.pool(sums))
        if self.output_format is None:
            return sums
        rounding = self.round_output if self.training else requantize
        return rounding(sums, self.output_format, self.relu)

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
        residual: bool = False,
    ) -> None:
        super().__init__(
            source, weight_format, output_format,
            granularity=granularity, relu=relu, pool=pool, residual=residual,
        )  # fmt: skip
        self.stride = cast(Pair, source.stride)
        self.padding = padding
        self.dilation = cast(Pair, source.dilation)
        self.groups = source.groups

    def _sums(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return convolve(x, weight, bias, self.stride, self.padding, self.dilation, self.groups)


class QuantizedLinear(_Weighted):
    """`torch.nn.Linear`, then rounding and ReLU. See this file's docstring."""

    def _sums(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return functional.linear(x, weight, bias)
