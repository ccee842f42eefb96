"""From records to facts: what tables, figures and sentences are then drawn from. No drawing here.

Accuracies and savings are shares (0.98, not 98); all else is in the unit of its name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from bitwatt.report import interval, provenance
from bitwatt.report.provenance import Source
from bitwatt.report.records import Point, Results, check_results
from bitwatt.report.rows import Against, Row, row_of

REFERENCE = "float32"
"""The precision that savings are counted against."""


@dataclass(frozen=True)
class Step:
    """From one width of fixed point to the next: what each bit dropped saves; the change of accuracy."""

    wide: str
    narrow: str
    bits: int
    energy_j_a_bit: float
    area_mm2_a_bit: float
    accuracy: float


@dataclass(frozen=True)
class Group:
    """One network of one study on one kind of tile: rows that may be compared with each other.

    baseline: the accuracy to hold to: float32's, or without it the most accurate row's. choice: the
    cheapest row within `within` of the baseline; the baseline itself where no other is.
    """

    study: Results
    network: str
    technology: str
    preset: str | None
    rows: tuple[Row, ...]
    reference: Row | None
    baseline: Row
    choice: Row
    within: float
    steps: tuple[Step, ...]
    sources: tuple[Source, ...]
    mixed: tuple[str, ...]

    @property
    def front(self) -> tuple[Row, ...]:
        """The rows that no other beats in both accuracy and energy, cheapest first."""
        return tuple(sorted((row for row in self.rows if row.on_front), key=lambda row: row.energy_j))


@dataclass(frozen=True)
class Facts:
    """All that a report says, before it is put in words or drawn."""

    groups: tuple[Group, ...]
    studies: tuple[Results, ...]


Records = Mapping[str, Any] | Sequence[Mapping[str, Any]]
"""A study's records, or those of several."""


def facts(results: Records, within: float = 0.01) -> Facts:
    """The facts in the records; `within` is the loss of accuracy one would accept, as a share.

    Raises `DataError` where the records are not what schema 1 says.
    """
    several = [results] if isinstance(results, Mapping) else list(results)
    studies = tuple(
        check_results(one, "results" if len(several) == 1 else f"results of study {number}")
        for number, one in enumerate(several, start=1)
    )
    return Facts(tuple(group for study in studies for group in _groups(study, within)), studies)


def pareto_front(rows: Sequence[Row]) -> tuple[Row, ...]:
    """The rows that no other matches in both energy and accuracy and beats in one."""

    def beats(other: Row, row: Row) -> bool:
        as_good = other.energy_j <= row.energy_j and other.accuracy.mean >= row.accuracy.mean
        return as_good and (other.energy_j < row.energy_j or other.accuracy.mean > row.accuracy.mean)

    return tuple(row for row in rows if not any(beats(other, row) for other in rows))


def cheapest_within(rows: Sequence[Row], reference: Row, within: float) -> Row:
    """The row of least energy whose accuracy is no more than `within` below the reference's."""
    # Half an image of slack: 0.98 - 0.01 is not 0.97 in binary.
    slack = 0.5 / reference.accuracy.count
    near = [row for row in rows if row.accuracy.mean >= reference.accuracy.mean - within - slack]
    return min(near, key=lambda row: row.energy_j)


def fixed_point_steps(rows: Sequence[Row]) -> tuple[Step, ...]:
    """Neighbours among the rows of one width of fixed point for weights and inputs, widest first."""
    plain = [row for row in rows if row.bits and row.weights == row.activations == f"fixed{row.bits[0]}"]
    plain.sort(key=lambda row: row.bits or (0, 0), reverse=True)
    steps = []
    for wide, narrow in pairwise(plain):
        bits = int(wide.weights.removeprefix("fixed")) - int(narrow.weights.removeprefix("fixed"))
        steps.append(
            Step(
                wide.precision,
                narrow.precision,
                bits,
                (wide.energy_j - narrow.energy_j) / bits,
                (wide.area_mm2 - narrow.area_mm2) / bits,
                narrow.accuracy.mean - wide.accuracy.mean,
            )
        )
    return tuple(steps)


def against(row: Row, reference: Row) -> Against:
    """What `row` saves, and gains or loses in accuracy, against `reference`."""

    def saving(value: float, of: float) -> float:
        return 1 - value / of if of else 0.0

    mine, theirs = row.accuracy, reference.accuracy
    low, high = interval.difference(mine.mean, mine.count, theirs.mean, theirs.count)
    return Against(
        saving(row.energy_j, reference.energy_j),
        saving(row.power_w, reference.power_w),
        saving(row.area_mm2, reference.area_mm2),
        saving(row.memory_bytes, reference.memory_bytes),
        mine.mean - theirs.mean,
        low,
        high,
    )


def _groups(study: Results, within: float) -> list[Group]:
    keyed: dict[tuple[str, str, str | None], list[Point]] = {}
    own_preset = study.tile.get("preset")
    for point in study.points:
        preset = point.preset or (own_preset if isinstance(own_preset, str) else None)
        keyed.setdefault((point.network, point.technology or study.technology, preset), []).append(point)
    return [_group(study, *key, points, within) for key, points in keyed.items()]


def _group(
    study: Results, network: str, technology: str, preset: str | None, points: list[Point], within: float
) -> Group:
    by_precision: dict[str, list[Point]] = {}
    for point in points:
        by_precision.setdefault(point.precision, []).append(point)
    plain = [row_of(same) for same in by_precision.values()]
    base = next((row for row in plain if row.precision == REFERENCE), None)
    front = pareto_front(plain)
    rows = [
        replace(row, on_front=row in front, against=against(row, base) if base else None) for row in plain
    ]
    reference = next((row for row in rows if row.precision == REFERENCE), None)
    baseline = reference or max(rows, key=lambda row: (row.accuracy.mean, -row.energy_j))
    choice = cheapest_within(rows, baseline, within)
    sources = provenance.sources(points)
    return Group(
        study=study,
        network=network,
        technology=technology,
        preset=preset,
        rows=tuple(rows),
        reference=reference,
        baseline=baseline,
        choice=choice,
        within=within,
        steps=fixed_point_steps(rows),
        sources=sources,
        mixed=provenance.mixed(sources),
    )
