"""Rows of a report: one network at one precision on one tile, averaged over its seeds.

Accuracies and savings are shares (0.98, not 98); all else is in the unit of its name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import fsum

from bitwatt.errors import RequestError
from bitwatt.formats import parse_precision
from bitwatt.report import interval
from bitwatt.report.components import stacking_order
from bitwatt.report.records import Point


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
    arithmetic: tuple[str, ...]
    on_front: bool = False
    against: Against | None = None

    @property
    def memory_bytes(self) -> float:
        """Parameter memory: weights and biases."""
        return self.weight_bytes + self.bias_bytes


def row_of(points: Sequence[Point]) -> Row:
    """The row of points that differ in their seeds alone."""

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
        arithmetic=tuple(first.arithmetic),
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
