"""From records to facts: what tables, figures and sentences are then drawn from. No drawing here.

Accuracies and savings are shares (0.98, not 98); all else is in the unit of its name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import fsum
from typing import Any

from bitwatt.errors import RequestError
from bitwatt.formats import parse_precision
from bitwatt.report import interval, provenance
from bitwatt.report.components import stacking_order
from bitwatt.report.provenance import Source
from bitwatt.report.records import Point, Results, check_results

REFERENCE = "float32"
"""The precision that savings are counted against."""


@dataclass(frozen=True)
class Accuracy:
    """Mean over seeds, with the 95 % Wilson interval that `count` test images allow.

    All seeds see the same images, so more seeds do not narrow the interval; their spread stands beside it.
    """

    mean: float
    low: float
    high: float
    count: int
    by_seed: tuple[float, ...]

    @property
    def spread(self) -> float:
        """The best seed less the worst."""
        return max(self.by_seed) - min(self.by_seed)


@dataclass(frozen=True)
class Part:
    """A component's (or layer's) value and its share of the total."""

    name: str
    value: float
    share: float


@dataclass(frozen=True)
class LayerCost:
    """One layer of one row, for one image; None where the records do not say."""

    name: str
    kind: str | None
    cycles: float | None
    energy_j: float | None
    macs: float | None
    utilisation: float | None


@dataclass(frozen=True)
class Against:
    """A row against float32: savings as shares (negative: costs more); accuracy gained, with 95 % limits."""

    energy: float
    power: float
    area: float
    memory: float
    accuracy: float
    accuracy_low: float
    accuracy_high: float

    @property
    def told_apart(self) -> bool:
        """Whether so many test images can tell the two accuracies apart."""
        return not self.accuracy_low <= 0 <= self.accuracy_high


@dataclass(frozen=True)
class Row:
    """One network at one precision, the mean over its seeds. Everything is for one image.

    bits: (weight bits, activation bits), None for a precision that this version cannot parse. on_front: no
    other row of its group is both cheaper and more accurate. against: None without float32.
    """

    network: str
    precision: str
    weights: str
    activations: str
    bits: tuple[int, int] | None
    seeds: tuple[int, ...]
    accuracy: Accuracy
    weight_bytes: float
    bias_bytes: float
    activation_bytes: float
    cycles: float
    runtime_s: float
    energy_j: float
    power_w: float
    area_mm2: float
    energy_parts: tuple[Part, ...]
    area_parts: tuple[Part, ...]
    layers: tuple[LayerCost, ...]
    epochs: tuple[tuple[str, float], ...]
    carriers: tuple[tuple[str, str], ...]
    on_front: bool = False
    against: Against | None = None

    @property
    def memory_bytes(self) -> float:
        """Parameter memory: weights and biases."""
        return self.weight_bytes + self.bias_bytes


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
    """One network on one kind of tile: rows that may be compared with each other.

    baseline: the accuracy to hold to: float32's, or without it the most accurate row's. choice: the
    cheapest row within `within` of the baseline; the baseline itself where no other is.
    """

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
    results: Results


def facts(results: Mapping[str, Any], within: float = 0.01) -> Facts:
    """The facts in a study's records; `within` is the loss of accuracy one would accept, as a share.

    Raises `DataError` where the records are not what schema 1 says.
    """
    checked = check_results(results)
    keyed: dict[tuple[str, str, str | None], list[Point]] = {}
    own_preset = checked.tile.get("preset")
    for point in checked.points:
        preset = point.preset or (own_preset if isinstance(own_preset, str) else None)
        keyed.setdefault((point.network, point.technology or checked.technology, preset), []).append(point)
    return Facts(tuple(_group(*key, points, within) for key, points in keyed.items()), checked)


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


def _group(network: str, technology: str, preset: str | None, points: list[Point], within: float) -> Group:
    by_precision: dict[str, list[Point]] = {}
    for point in points:
        by_precision.setdefault(point.precision, []).append(point)
    plain = [_row(same) for same in by_precision.values()]
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


def _row(points: list[Point]) -> Row:
    def mean(of: Callable[[Point], float]) -> float:
        return _mean([of(point) for point in points])

    first = points[0]
    by_seed = tuple(point.correct / point.count for point in points)
    share, count = fsum(by_seed) / len(by_seed), min(point.count for point in points)
    energy_j, area_mm2 = mean(lambda p: p.energy_j), mean(lambda p: p.area_mm2)
    return Row(
        network=first.network,
        precision=first.precision,
        weights=first.weights,
        activations=first.activations,
        bits=_bits(first.precision),
        seeds=tuple(point.seed for point in points),
        accuracy=Accuracy(share, *interval.wilson(share, count), count, by_seed),
        weight_bytes=mean(lambda p: p.memory_bytes.weights),
        bias_bytes=mean(lambda p: p.memory_bytes.biases),
        activation_bytes=mean(lambda p: p.memory_bytes.activations_peak),
        cycles=mean(lambda p: p.cycles),
        runtime_s=mean(lambda p: p.runtime_s),
        energy_j=energy_j,
        power_w=mean(lambda p: p.power_w),
        area_mm2=area_mm2,
        energy_parts=_parts([p.energy_j_by_component for p in points], energy_j),
        area_parts=_parts([p.area_mm2_by_component for p in points], area_mm2),
        layers=_layers(points),
        epochs=tuple((stage, _mean([p.epochs.get(stage, 0) for p in points])) for stage in first.epochs),
        carriers=tuple(first.carriers.items()),
    )


def _mean(values: Sequence[float]) -> float:
    # One seed's figure comes out unchanged: a mean of one is exact.
    return fsum(values) / len(values)


def _parts(tables: Sequence[Mapping[str, float]], total: float) -> tuple[Part, ...]:
    names = stacking_order(name for table in tables for name in table)
    values = {name: fsum(table.get(name, 0.0) for table in tables) / len(tables) for name in names}
    return tuple(Part(name, value, value / total if total else 0.0) for name, value in values.items())


def _layers(points: Sequence[Point]) -> tuple[LayerCost, ...]:
    def mean(values: Sequence[float | None]) -> float | None:
        present = [value for value in values if value is not None]
        return fsum(present) / len(present) if len(present) == len(values) else None

    names = list(dict.fromkeys(layer.name for point in points for layer in point.by_layer))
    costs = []
    for name in names:
        same = [layer for point in points for layer in point.by_layer if layer.name == name]
        costs.append(
            LayerCost(
                name,
                same[0].kind,
                mean([layer.cycles for layer in same]),
                mean([layer.energy_j for layer in same]),
                mean([layer.macs for layer in same]),
                mean([layer.utilisation for layer in same]),
            )
        )
    return tuple(costs)


def _bits(precision: str) -> tuple[int, int] | None:
    try:
        parsed = parse_precision(precision)
    except RequestError:
        return None
    return parsed.weights.bits, parsed.activations.bits
