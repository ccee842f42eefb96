"""Layers without weights that know a radix point: addition, clipping, and functions as tables.

As everywhere between layers, values are integers held in float32.
"""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bitwatt.errors import UnsupportedError
from bitwatt.formats import EXHAUSTIBLE_BITS, Fixed, Float32, Format
from bitwatt.formats.rational import nearest
from bitwatt.quantization.rounding import round_to_grid
from bitwatt.quantization.straight_through import requantize

Function = nn.LeakyReLU | nn.Hardsigmoid | nn.Hardswish
"""What is computed by a table."""


class QuantizedAdd(nn.Module):
    """The sum of two values, rounded once, then ReLU where `relu`.

    output_format: None where the sum itself leaves (the logits), in real units.
    """

    first_exponent: Tensor
    second_exponent: Tensor
    output_exponent: Tensor

    def __init__(self, output_format: Format | None, *, relu: bool) -> None:
        super().__init__()
        self.output_format = output_format
        self.relu = relu
        for name in ("first_exponent", "second_exponent", "output_exponent"):
            self.register_buffer(name, torch.tensor(0, dtype=torch.int32))

    def set_formats(self, weights: Format, outputs: Format) -> None:
        """Go to another grid; where the sum itself leaves, it still does."""
        self.output_format = None if self.output_format is None else outputs

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Both operands' integers, of one shape, to the output's."""
        output = int(self.output_exponent)
        total = torch.add(
            first * 2.0 ** (int(self.first_exponent) - output),
            second,
            alpha=2.0 ** (int(self.second_exponent) - output),
        )
        return total if self.output_format is None else requantize(total, self.output_format, self.relu)

    def extra_repr(self) -> str:
        """What `print` shows."""
        return f"output {self.output_format or 'sums'} * 2**{int(self.output_exponent)}, relu={self.relu}"


class QuantizedClip(nn.Module):
    """Clipping to two real numbers, each moved to the grid's nearest; ReLU6 is one from 0 to 6."""

    exponent: Tensor

    def __init__(self, low: float, high: float, format: Format) -> None:
        super().__init__()
        self.low, self.high, self.format = low, high, format
        self.register_buffer("exponent", torch.tensor(0, dtype=torch.int32))

    def set_formats(self, weights: Format, outputs: Format) -> None:
        """Go to another grid."""
        self.format = outputs

    def ends(self) -> tuple[float, float]:
        """The two ends in units of the input; whole numbers but in float32."""
        if isinstance(self.format, Float32):
            low, high = (float(np.float32(end)) for end in (self.low, self.high))
            return low, high
        reals = torch.tensor([self.low, self.high], dtype=torch.float64) * 2.0 ** -int(self.exponent)
        low, high = round_to_grid(reals, self.format).tolist()
        return low, high

    def forward(self, x: Tensor) -> Tensor:
        """Integers to integers of the same unit."""
        return x.clamp(*self.ends())

    def extra_repr(self) -> str:
        """What `print` shows."""
        return f"{self.low} to {self.high}, {self.format} * 2**{int(self.exponent)}"


class QuantizedTable(nn.Module):
    """A function of one number, as a table over the input's code words: its value, rounded once.

    Gradients are those of the function itself. In float32 it is the function, and no table.
    """

    input_exponent: Tensor
    output_exponent: Tensor

    def __init__(self, function: Function, input_format: Format, output_format: Format) -> None:
        super().__init__()
        self.function = function
        self.input_format, self.output_format = input_format, output_format
        for name in ("input_exponent", "output_exponent"):
            self.register_buffer(name, torch.tensor(0, dtype=torch.int32))
        self._cached: tuple[object, Tensor, Tensor] | None = None

    def set_formats(self, weights: Format, outputs: Format) -> None:
        """Go to another grid, at both ends."""
        self.input_format = self.output_format = outputs

    def reals(self, x: Tensor) -> Tensor:
        """The function of the input's integers, in real units, not rounded."""
        return cast(Tensor, self.function(x * 2.0 ** int(self.input_exponent)))

    def table(self) -> NDArray[np.int64]:
        """The output's integer for every code word of the input's format; 0 for reserved ones.

        Raises `UnsupportedError` for a format that has no table.
        """
        require_table(self.input_format)
        codes = self.input_format.codes()
        numerator, denominator = self._quotient(self.input_format.integers(codes).astype(object))
        by = int(self.output_exponent)
        numerator, denominator = numerator * 2 ** max(-by, 0), denominator * 2 ** max(by, 0)
        made = np.zeros(2**self.input_format.bits, dtype=np.int64)
        made[codes] = nearest(numerator, np.full_like(numerator, denominator), self.output_format)
        return made

    def _quotient(self, n: NDArray[np.object_]) -> tuple[NDArray[np.object_], int]:
        """The function of n * 2**input_exponent as Python integers over one of them."""
        exponent = int(self.input_exponent)
        one = 2 ** max(-exponent, 0)  # the input is n / one
        n = n * 2 ** max(exponent, 0)
        match self.function:
            case nn.LeakyReLU():
                parts = int(1 / self.function.negative_slope)
                return np.where(n < 0, n, n * parts), one * parts
            case nn.Hardsigmoid():
                return np.clip(n + 3 * one, 0, 6 * one), 6 * one
            case _:
                return n * np.clip(n + 3 * one, 0, 6 * one), 6 * one * one

    def forward(self, x: Tensor) -> Tensor:
        """The input's integers to the output's."""
        if isinstance(self.input_format, Float32):
            return self.reals(x)
        known, entries = self._entries()
        found = entries[
            (x.detach() - known[0]).long() if self._is_dense() else torch.bucketize(x.contiguous(), known)
        ]
        if not torch.is_grad_enabled():
            return found
        exact = self.reals(x) * 2.0 ** -int(self.output_exponent)
        return found + (exact - exact.detach())  # of the value found, with the function's gradient

    def _is_dense(self) -> bool:
        return isinstance(self.input_format, Fixed)

    def _entries(self) -> tuple[Tensor, Tensor]:
        """The input's integers, ascending, and the output's of each; kept while nothing changes."""
        state = (self.input_format, self.output_format, int(self.input_exponent), int(self.output_exponent))
        if self._cached is None or self._cached[0] != state:
            codes = self.input_format.codes()
            integers, first = np.unique(self.input_format.integers(codes), return_index=True)
            known, entries = (
                torch.from_numpy(part.astype(np.float32)).to(self.input_exponent.device)
                for part in (integers, self.table()[codes[first]])
            )
            self._cached = (state, known, entries)
        return self._cached[1:]

    def extra_repr(self) -> str:
        """What `print` shows."""
        return f"{self.input_format} * 2**{int(self.input_exponent)}, output {self.output_format}"


def require_table(format: Format) -> None:
    """Raise `UnsupportedError` for a format whose code words are too many to list."""
    if isinstance(format, Float32) or format.bits > EXHAUSTIBLE_BITS:
        raise UnsupportedError(
            f"is computed by a table, for activations of {EXHAUSTIBLE_BITS} bits or fewer; they are {format}"
        )
