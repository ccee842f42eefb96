"""What an `Add` brings to the sums that it is added to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from bitwatt.program.bounds import Range, Shifts
from bitwatt.program.inference import spread


@dataclass(frozen=True, eq=False)
class Residual:
    """What an `Add` brings to sums: their shifts to the left, the residual's, and where it lies."""

    values: Range
    shifts: Shifts

    def bound(self, sums: int) -> int:
        """No partial sum with the residual exceeds this magnitude, if none without it exceeds `sums`."""
        lifts, others = self.shifts
        return (sums << max(lifts)) + (self.values.magnitude << max(others))

    def shifts_of(self, channels: int) -> tuple[Tensor, Tensor]:
        """int64 (channels,): by how much the sums, and the residual, are shifted left."""
        lifts, others = (torch.tensor(spread(shifts, channels)) for shifts in self.shifts)
        return lifts, others

    def sum_shift(self, shift: tuple[int, ...]) -> tuple[int, ...]:
        """By how much the layer's own sums are shifted right where the rounding shifts by `shift`."""
        return tuple(s - lift for s, lift in zip(shift, spread(self.shifts[0], len(shift)), strict=True))

    def scale(self, shift: tuple[int, ...]) -> Tensor:
        """float64 (channels,): what the residual is multiplied by, where the sum is by 2**-shift."""
        others = spread(self.shifts[1], len(shift))
        return torch.from_numpy(np.ldexp(1.0, np.array(others) - np.array(shift)))
