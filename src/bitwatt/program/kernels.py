"""Layers with weights as functions of tensors, exact where `bitwatt.program.carriers` has proved it.

Tensors are (count, channels, height, width), channels fastest in memory, or (count, features).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from bitwatt.formats import Format
from bitwatt.program import ops
from bitwatt.program.adding import along_channels
from bitwatt.program.carriers import Carrier, Piece, Term
from bitwatt.program.combining import Combination
from bitwatt.program.gathering import convolve_float64, stack
from bitwatt.program.inference import spread
from bitwatt.program.residual import Residual
from bitwatt.program.toom_cook import convolve_tiles, tiles

Kernel = Callable[..., Tensor]
"""A function of activations, integers held in floating point: of the layer's input, and of a residual."""

CHUNK = 2**20
"""Sums that a float32 layer leaves at once.

They are read again; and memory asked for in small pieces is used again, where large ones come fresh from the
system, page by page.
"""


@contextmanager
def exact_arithmetic() -> Iterator[None]:
    """Within it PyTorch computes in true float32, by algorithms that only multiply and add the operands.

    NNPACK is switched off (its convolution may be Winograd's, whose transforms round), and so are bfloat16
    and TF32 inside oneDNN, autocast and gradients.
    """
    mkldnn: Any = torch.backends.mkldnn
    before = mkldnn.matmul.fp32_precision, mkldnn.conv.fp32_precision
    mkldnn.matmul.fp32_precision = mkldnn.conv.fp32_precision = "ieee"
    try:
        with (
            torch.backends.nnpack.flags(enabled=False),
            torch.autocast("cpu", enabled=False),
            torch.inference_mode(),
        ):
            yield
    finally:
        mkldnn.matmul.fp32_precision, mkldnn.conv.fp32_precision = before


def scaled_sums(
    op: ops.Weighted, carrier: Carrier, shift: tuple[int, ...], residual: Residual | None = None
) -> Kernel:
    """For a carrier that is one float32 term: sums * 2**-shift, exactly, not rounded yet.

    The shift is folded into weights and bias, which a power of two leaves exact.
    """
    shift = spread(shift, op.weight.shape[0])
    own = shift if residual is None else residual.sum_shift(shift)
    scale = np.ldexp(1.0, -np.array(own))
    bias = None if op.bias is None else torch.from_numpy(op.bias * scale).to(torch.float32)
    (term,) = carrier.terms
    run = _float32(op, term, scale, bias)
    if residual is None:
        return lambda x: run(x.to(torch.float32))
    beside = residual.scale(shift).to(torch.float32)

    def add(x: Tensor, other: Tensor) -> Tensor:
        return run(x.to(torch.float32)).add_(other.to(torch.float32) * along_channels(beside, other))

    return add


def rounded_sums(
    op: ops.Weighted,
    carrier: Carrier,
    shift: tuple[int, ...],
    format: Format,
    dtype: torch.dtype,
    residual: Residual | None = None,
) -> Kernel:
    """For any other carrier: the grid's nearest integers to sums * 2**-shift, in `dtype`.

    In fixed point they are not saturated yet.
    """
    shift = spread(shift, op.weight.shape[0])
    own = shift if residual is None else residual.sum_shift(shift)
    two_words = carrier.sum == "two words"
    scale = np.ldexp(1.0, np.zeros(len(own), dtype=np.int64) if two_words else -np.array(own))
    factors = tuple(term.factor for term in carrier.terms)
    digit_bits = carrier.digit_bits if two_words else 0
    combination = Combination.of(factors, op.bias, shift, format, residual, digit_bits)
    if carrier.tile and isinstance(op, ops.Conv2d):
        by = tiles(carrier.tile, op.weight.shape[3])
        return convolve_tiles(op, by, scale, combination, dtype)
    if carrier.arithmetic == "float64":
        return _float64(op, carrier, scale, combination, dtype)
    terms = [_float32(op, term, scale, None) for term in carrier.terms]
    pieces = _pieces_of(op, [term.piece for term in carrier.terms])

    def run(x: Tensor, other: Tensor | None = None) -> Tensor:
        parts = [term(piece) for term, piece in zip(terms, pieces(x), strict=True)]
        if x.dim() == 2:
            return combination.rows(parts, dtype, other)
        count, channels, height, width = parts[0].shape
        places = [_rows(part) for part in parts]
        made = combination.rows(places, dtype, None if other is None else _rows(other))
        return made.view(count, height, width, channels).permute(0, 3, 1, 2)

    return run


def _rows(maps: Tensor) -> Tensor:
    """(places, channels)."""
    return maps.permute(0, 2, 3, 1).reshape(-1, maps.shape[1])


def in_chunks(run: Kernel, size: int) -> Kernel:
    """The same for some images at a time, in equal parts. size: sums of one term for one image."""

    def chunked(*operands: Tensor) -> Tensor:
        parts = -(-len(operands[0]) * size // CHUNK)
        if parts == 1:
            return run(*operands)
        chunks = zip(*(torch.chunk(operand, parts) for operand in operands), strict=True)
        return torch.cat([run(*chunk) for chunk in chunks])

    return chunked


def _scaled(term: Term, scale: NDArray[np.float64]) -> Tensor:
    return torch.from_numpy(term.weight * scale.reshape(-1, *[1] * (term.weight.ndim - 1)))


def _float32(op: ops.Weighted, term: Term, scale: NDArray[np.float64], bias: Tensor | None) -> Kernel:
    weight = _scaled(term, scale).to(torch.float32)
    if isinstance(op, ops.Linear):
        return lambda x: functional.linear(x, weight, bias)
    weight = weight.contiguous(memory_format=torch.channels_last)
    stride, dilation, groups = op.stride, op.dilation, op.groups
    (top, left), (tall, wide) = op.padding, op.weight.shape[2:]
    if top <= dilation[0] * (tall - 1) and left <= dilation[1] * (wide - 1):
        padding = op.padding
        return lambda x: functional.conv2d(x, weight, bias, stride, padding, dilation, groups)
    # oneDNN 3.12 may read astray where a dilated window lies in the padding alone; padded first it does not.
    around = [left, left, top, top]
    return lambda x: functional.conv2d(functional.pad(x, around), weight, bias, stride, 0, dilation, groups)


def _float64(
    op: ops.Weighted,
    carrier: Carrier,
    scale: NDArray[np.float64],
    combination: Combination,
    dtype: torch.dtype,
) -> Kernel:
    """Terms that differ in their weights alone: one product with all of them, side by side."""
    weights = [_scaled(term, scale) for term in carrier.terms]
    if isinstance(op, ops.Conv2d):
        stacked = stack(op, weights)

        def convolve(x: Tensor, other: Tensor | None = None) -> Tensor:
            return convolve_float64(op, x, stacked, combination, dtype, other)

        return convolve
    together, outputs = torch.cat(weights), op.weight.shape[0]

    def connect(x: Tensor, other: Tensor | None = None) -> Tensor:
        sums = functional.linear(x.to(torch.float64), together)
        return combination.rows(list(torch.split(sums, outputs, dim=1)), dtype, other)

    return connect


def _channels(op: ops.Weighted) -> int:
    return int(op.weight.shape[1]) * (op.groups if isinstance(op, ops.Conv2d) else 1)


def _pieces_of(op: ops.Weighted, pieces: list[Piece]) -> Callable[[Tensor], list[Tensor]]:
    """What each term reads, made of the input; the digits' common part is made once."""
    whole = _channels(op)

    def cut(x: Tensor) -> list[Tensor]:
        made = []
        high: Tensor | None = None
        for piece in pieces:
            part = x if piece.stop - piece.start == whole else x[:, piece.start : piece.stop]
            if piece.digit != "whole":
                base = 2.0**piece.bits
                if high is None:
                    high = torch.mul(x, 1 / base).floor_()
                match piece.digit:
                    case "high":
                        part = high
                    case "low":
                        part = torch.sub(x, high, alpha=base)
                    case _:
                        part = torch.sub(x, high, alpha=base - 1)
            made.append(part.to(torch.float32))
        return made

    return cut
