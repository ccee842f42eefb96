"""Axes of the accuracy-energy picture: where a value falls, and its ticks. No drawing here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

from bitwatt.report.quantities import Unit, unit_for
from bitwatt.report.rows import Row

STRETCH_BEYOND = 0.10
"""A spread of accuracy (as a share) beyond which the axis is stretched towards 100 %."""


_FINE = (1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0)


@dataclass(frozen=True)
class EnergyAxis:
    """A logarithmic axis over [low, high] J."""

    low: float
    high: float
    unit: Unit

    def at(self, energy_j: float) -> float:
        """Position, 0 at the left end and 1 at the right."""
        return log10(energy_j / self.low) / log10(self.high / self.low)

    def ticks(self) -> tuple[tuple[float, str], ...]:
        """(energy in J, text in the axis's unit): 1, 2, 5 of each decade; fewer or more as it spans."""
        decades = log10(self.high / self.low)
        digits = (1.0,) if decades > 2.5 else (1.0, 2.0, 5.0) if decades > 0.7 else _FINE
        values = [
            digit * 10.0**decade
            for decade in range(floor(log10(self.low)), ceil(log10(self.high)) + 1)
            for digit in digits
        ]
        return tuple((v, f"{v * self.unit.scale:g}") for v in values if self.low <= v <= self.high)


@dataclass(frozen=True)
class AccuracyAxis:
    """An axis over [low, high] shares; stretched: linear in the logarithm of the error rate instead.

    floor: the smallest error rate that is drawn, where nothing was wrong.
    """

    low: float
    high: float
    stretched: bool
    floor: float

    def at(self, accuracy: float) -> float:
        """Position, 0 at the bottom and 1 at the top."""
        bottom, top = self._scaled(self.low), self._scaled(self.high)
        return (self._scaled(accuracy) - bottom) / (top - bottom)

    def ticks(self) -> tuple[tuple[float, str], ...]:
        """(share, text in %), about six of them."""
        if self.stretched:
            steps = (0.0, 0.2, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999)
            return tuple((s, f"{100 * s:g}") for s in steps if self.low <= s <= self.high)
        step = nice_step((self.high - self.low) * 100, 6) / 100
        first, last = ceil(self.low / step - 1e-9), floor(self.high / step + 1e-9)
        decimals = max(0, -floor(log10(step * 100) + 1e-9))
        return tuple((n * step, f"{100 * n * step:.{decimals}f}") for n in range(first, last + 1))

    def _scaled(self, accuracy: float) -> float:
        return -log10(max(1 - accuracy, self.floor)) if self.stretched else accuracy


def nice_step(span: float, wanted: int) -> float:
    """The step out of 1, 2, 5 times a power of ten that makes at most `wanted` steps of `span` (> 0)."""
    rough = span / wanted
    power = 10.0 ** floor(log10(rough))
    return next(digit * power for digit in (1, 2, 5, 10) if digit * power >= rough * (1 - 1e-9))


def energy_axis(rows: Sequence[Row]) -> EnergyAxis:
    """An axis with room on both sides of the rows' energies; energies of zero are left out of it."""
    energies = [row.energy_j for row in rows if row.energy_j > 0] or [1.0]
    margin = max(1.3, (max(energies) / min(energies)) ** 0.14)
    low, high = min(energies) / margin, max(energies) * margin
    return EnergyAxis(low, high, unit_for([low * margin, high / margin], "J"))


def accuracy_axis(rows: Sequence[Row]) -> AccuracyAxis:
    """An axis that holds every row's interval; stretched where some rows are far below the others."""
    low = min(row.accuracy.low for row in rows)
    high = max(row.accuracy.high for row in rows)
    means = [row.accuracy.mean for row in rows]
    smallest = 0.5 / max(row.accuracy.count for row in rows)
    if max(means) - min(means) > STRETCH_BEYOND:
        # Half of the top error rate as head room: 0.3 on this axis.
        return AccuracyAxis(max(0.0, low - 0.05), 1 - max(smallest, (1 - high) / 1.2), True, smallest)
    room = max(0.06 * (high - low), 0.001)
    return AccuracyAxis(max(0.0, low - room), min(1.0, high + room), False, smallest)
