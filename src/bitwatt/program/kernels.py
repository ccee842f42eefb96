"""Sums of products in floating point, exact where `bitwatt.program.carriers` has proved it.

Tensors are (count, channels, height, width) with any strides: float32 convolutions leave channels fastest,
float64 ones leave (channels, count, height, width).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from bitwatt.program import ops
from bitwatt.program.carriers import Carrier, Piece, Term
from bitwatt.program.inference import spread

Kernel = Callable[[Tensor], Tensor]
"""Activations (integers) -> sums * 2**-shift, to be rounded; see `kernel_of`."""

COLUMN_BYTES = 2**19
"""How much of a gathered matrix a float64 convolution makes at once: what a core's second cache holds."""


@contextmanager
def exact_arithmetic() -> Iterator[None]:
    """Within it PyTorch computes in true float32, by algorithms that only multiply and add the operands.

    NNPACK is switched off (its convolution may be Winograd's, whose transforms round), and so are bfloat16
    and TF32 inside oneDNN, autocast and gradients.
    """
    matmul, conv = torch.backends.mkldnn.matmul, torch.backends.mkldnn.conv
    before = matmul.fp32_precision, conv.fp32_precision
    matmul.fp32_precision = conv.fp32_precision = "ieee"
    try:
        with (
            torch.backends.nnpack.flags(enabled=False),  # type: ignore[no-untyped-call]
            torch.autocast("cpu", enabled=False),
            torch.inference_mode(),
        ):
            yield
    finally:
        matmul.fp32_precision, conv.fp32_precision = before


def kernel_of(op: ops.Weighted, carrier: Carrier, shift: tuple[int, ...]) -> Kernel:
    """The layer as a function of its input.

    What it returns, float32 or float64, rounds to the same integer of every grid as the exact sum * 2**-shift
    does: it is that number itself, but where two words were needed; then it may differ from it below a
    quarter, on the same side of every half and whole number, or beyond 2**50.
    """
    shifts = np.array(spread(shift, op.weight.shape[0]))
    bias = None if op.bias is None else op.bias.astype(np.float64)
    if carrier.sum == "two words":
        return _two_words(op, carrier, shifts)
    scale = np.ldexp(1.0, -shifts)
    bias = None if bias is None else torch.from_numpy(bias * scale)
    if len(carrier.terms) == 1:
        return _term_kernel(op, carrier, carrier.terms[0], scale, bias)
    parts = [_term_kernel(op, carrier, term, scale, None) for term in carrier.terms]
    factors = [term.factor for term in carrier.terms]

    def added(x: Tensor) -> Tensor:
        total = parts[0](x).to(torch.float64)
        if factors[0] != 1:
            total.mul_(factors[0])
        for part, factor in zip(parts[1:], factors[1:], strict=True):
            total.add_(part(x), alpha=factor)
        return total if bias is None else total.add_(_per_channel(bias, total))

    return added


def _per_channel(values: Tensor, like: Tensor) -> Tensor:
    return values.reshape(-1, *[1] * (like.dim() - 2))


def _term_kernel(
    op: ops.Weighted, carrier: Carrier, term: Term, scale: NDArray[np.float64],
    bias: Tensor | None,
) -> Kernel:
    """One term, its weights scaled: exact, as the scale is a power of two."""
    dtype = torch.float32 if carrier.arithmetic == "float32" else torch.float64
    scaled = term.weight * scale.reshape(-1, *[1] * (term.weight.ndim - 1))
    weight = torch.from_numpy(scaled).to(dtype)
    bias = None if bias is None else bias.to(dtype)
    piece = _piece_of(term.piece, whole=_channels(op))
    if isinstance(op, ops.Linear):
        return lambda x: functional.linear(piece(x).to(dtype), weight, bias)
    stride, padding, dilation, groups = op.stride, op.padding, op.dilation, op.groups
    if dtype == torch.float64:
        return lambda x: convolve_float64(op, piece(x), weight, bias)
    weight = weight.contiguous(memory_format=torch.channels_last)
    return lambda x: functional.conv2d(piece(x).to(dtype), weight, bias, stride, padding, dilation, groups)


def _channels(op: ops.Weighted) -> int:
    return op.weight.shape[1] * (op.groups if isinstance(op, ops.Conv2d) else 1)


def _piece_of(piece: Piece, whole: int) -> Callable[[Tensor], Tensor]:
    start, length = piece.start, piece.stop - piece.start
    base = 2.0**piece.bits

    def digit(x: Tensor) -> Tensor:
        if length != whole:
            x = x.narrow(1, start, length)
        if piece.digit == "whole":
            return x
        high = torch.mul(x, 1 / base).floor_()
        match piece.digit:
            case "high":
                return high
            case "low":
                return torch.sub(x, high, alpha=base)
            case _:
                return torch.sub(x, high, alpha=base - 1)

    return digit


def convolve_float64(op: ops.Conv2d, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """A convolution as matrix products over gathered windows, some images at a time.

    (PyTorch's own float64 convolution does the same for a whole batch, through memory.)
    """
    outputs, taken, tall, wide = weight.shape
    count, channels, height, width = x.shape
    (top, left), (down, across) = op.padding, op.stride
    made = (
        ops.convolved_size(height, tall, down, top, op.dilation[0]),
        ops.convolved_size(width, wide, across, left, op.dilation[1]),
    )
    depth, columns = channels * tall * wide, made[0] * made[1]
    step = max(1, min(count, COLUMN_BYTES // (8 * depth * columns)))
    padded = torch.zeros(channels, step, height + 2 * top, width + 2 * left, dtype=torch.float64)
    over_channel, over_image, over_row, _ = padded.stride()
    windows = padded.as_strided(
        (channels, tall, wide, step, *made),
        (over_channel, op.dilation[0] * over_row, op.dilation[1], over_image, down * over_row, across),
    )
    rows = weight.reshape(op.groups, outputs // op.groups, taken * tall * wide)
    result = torch.empty(outputs, count, columns, dtype=torch.float64)
    sums = torch.empty(op.groups, outputs // op.groups, step * columns, dtype=torch.float64)
    for first in range(0, count, step):
        now = min(step, count - first)
        padded[:, :now, top : top + height, left : left + width] = x[first : first + now].permute(1, 0, 2, 3)
        gathered = windows.reshape(op.groups, taken * tall * wide, step * columns)
        torch.bmm(rows, gathered, out=sums)
        result[:, first : first + now] = sums.view(outputs, step, columns)[:, :now]
    if bias is not None:
        result += bias[:, None, None]
    return result.view(outputs, count, *made).permute(1, 0, 2, 3)


def _two_words(
    op: ops.Weighted, carrier: Carrier, shifts: NDArray[np.int64]
) -> Kernel:
    """Terms with factors 1, 2**m, 4**m .. added to high * 2**width + low, and rounded to odd at a quarter."""
    ones = np.ones(op.weight.shape[0])
    parts = [_term_kernel(op, carrier, term, ones, None) for term in carrier.terms]
    digit = carrier.digit_bits
    width = digit * len(parts)
    bias = None if op.bias is None else torch.from_numpy(op.bias.astype(np.int64))
    shift = torch.from_numpy(shifts.astype(np.int64))
    unit = torch.from_numpy(np.ldexp(1.0, np.maximum(shifts - 2, 0) - shifts))

    def added(x: Tensor) -> Tensor:
        first = parts[0](x).to(torch.int64)
        high = first if bias is None else first + _per_channel(bias, first)
        low = torch.zeros_like(high)
        for position, part in enumerate(parts):
            if position:
                high = high + part(x).to(torch.int64)
            low |= (high & (2**digit - 1)) << (position * digit)
            high = high >> digit
        return _rounded_to_odd(high, low, width, _per_channel(shift, high), _per_channel(unit, high))

    return added


def _rounded_to_odd(high: Tensor, low: Tensor, width: int, shift: Tensor, unit: Tensor) -> Tensor:
    """(high * 2**width + low) * 2**-shift in float64: quarters, the last one set where anything was dropped.

    unit: 2**(max(0, shift - 2) - shift), what the last bit that is kept stands for. Halves and whole numbers are even quarters, so that the result lies on the same side of each. Beyond 2**50
    only the magnitude is kept: every grid saturates long before.
    """
    drop = (shift - 2).clamp(min=0)
    from_low = drop.clamp(max=width)
    from_high = (drop - width).clamp(0, 62)
    lift = (width - drop).clamp(min=0)
    one = torch.ones_like(high)
    dropped = (high & ((one << from_high) - 1)) | (low & ((one << from_low) - 1))
    largest = one << (52 - lift).clamp(min=0)
    kept = torch.minimum(torch.maximum(high >> from_high, -largest), largest)
    kept = (kept << lift) | (low >> from_low) | (dropped != 0)
    return kept.to(torch.float64).mul_(unit)
