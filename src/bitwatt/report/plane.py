"""The plane of weight widths against input widths: facts of a study whose precisions are all pairs of both.

An axis *hurts* at a pair whose accuracy lies below float32's by more than so many test images leave to chance
(95 %, `bitwatt.report.interval.difference`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bitwatt.errors import DataError
from bitwatt.report import interval
from bitwatt.report.facts import REFERENCE, Group
from bitwatt.report.rows import Row


@dataclass(frozen=True)
class Plane:
    """Rows by (weights, inputs), as far as they are finished, and float32's. Both axes: narrowest first."""

    group: Group
    weights: tuple[str, ...]
    inputs: tuple[str, ...]
    rows: Mapping[tuple[str, str], Row]
    reference: Row

    def column(self, inputs: str) -> tuple[Row, ...]:
        """The rows of one width of inputs, narrowest weights first."""
        return tuple(self.rows[w, inputs] for w in self.weights if (w, inputs) in self.rows)

    def line(self, weights: str) -> tuple[Row, ...]:
        """The rows of one width of weights, narrowest inputs first."""
        return tuple(self.rows[weights, i] for i in self.inputs if (weights, i) in self.rows)

    @property
    def resolution(self) -> float:
        """The least loss of accuracy, a share, that can be told from none on so many test images."""
        mean, count = self.reference.accuracy.mean, self.reference.accuracy.count
        lost = (images / count for images in range(1, count + 1))
        return next(loss for loss in lost if interval.difference(mean - loss, count, mean, count)[1] < 0)

    @property
    def cheapest_unhurt(self) -> Row | None:
        """The row of least energy that does not hurt."""
        unhurt = [row for row in self.rows.values() if not hurts(row)]
        return min(unhurt, key=lambda row: row.energy_j, default=None)


def plane(group: Group) -> Plane:
    """The plane of a group's rows. Raises `DataError` without float32, which it is compared with."""
    if group.reference is None:
        raise DataError(
            f"{group.network}: a plane is compared with {REFERENCE}, which is not among the points"
        )
    pairs = {(row.weights, row.activations): row for row in group.rows if row is not group.reference}
    bits = {row.weights: row.bits or (0, 0) for row in pairs.values()}
    # Of formats of one width the uniform one is the finer near its end: it comes after the other.
    weights = sorted(bits, key=lambda name: (bits[name][0], name.startswith("fixed")))
    widths = {row.activations: row.bits or (0, 0) for row in pairs.values()}
    inputs = sorted(widths, key=lambda name: widths[name][1])
    return Plane(group, tuple(weights), tuple(inputs), pairs, group.reference)


def hurts(row: Row) -> bool:
    """Whether a row is less accurate than float32 by more than chance."""
    change = row.against
    return change is not None and change.told_apart and change.accuracy < 0


def narrowest_unhurt(rows: Sequence[Row]) -> Row | None:
    """Going down from the widest of `rows` (narrowest first), the last before one that hurts."""
    found = None
    for row in reversed(rows):
        if hurts(row):
            return found
        found = row
    return found
