"""From a search's records to facts: rows for the table and picture, and what was chosen. No drawing here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from bitwatt.report.facts import REFERENCE, against, pareto_front
from bitwatt.report.records import Point
from bitwatt.report.rows import Row, row_of
from bitwatt.report.search_records import Search, SearchedPoint, SearchedReference


@dataclass(frozen=True)
class Found:
    """One point: its place in the table, from 1, its record, and its row, of held-out accuracy."""

    place: int
    point: SearchedPoint
    row: Row


@dataclass(frozen=True)
class Choice:
    """What was chosen, in words, and the point; None where nothing is what was asked for."""

    title: str
    found: Found | None


@dataclass(frozen=True)
class SearchFacts:
    """All that the page says. Rows of the picture: the float network's first, then the points'."""

    search: Search
    reference: Row
    found: tuple[Found, ...]
    choices: tuple[Choice, ...]

    @property
    def rows(self) -> tuple[Row, ...]:
        """All rows."""
        return (self.reference, *(one.row for one in self.found))

    @property
    def front(self) -> tuple[Row, ...]:
        """The rows on the front, cheapest first."""
        return tuple(sorted((row for row in self.rows if row.on_front), key=lambda row: row.energy_j))

    @property
    def choice(self) -> Row | None:
        """The best point's."""
        best = self.choices[0].found
        return best.row if best else None


def search_facts(search: Search) -> SearchFacts:
    """The facts of a search."""
    reference = _reference_row(search)
    rows = [_row(one, label, reference) for one, label in zip(search.points, _labels(search), strict=True)]
    front = {row.precision for row in pareto_front([reference, *rows])}
    reference = replace(reference, on_front=reference.precision in front)
    found = tuple(
        Found(place, point, replace(row, on_front=row.precision in front))
        for place, (point, row) in enumerate(zip(search.points, rows, strict=True), start=1)
    )

    def at(place: int | None) -> Found | None:
        return None if place is None else found[place]

    best = "Best within the budget" if search.plan.budget else "Most accurate"
    choices = [Choice(best, at(search.best))] + [
        Choice(f"Least {name} at float’s accuracy or better", at(place))
        for name, place in search.as_accurate_as_float.items()
    ]
    return SearchFacts(search, reference, found, tuple(choices))


def precision_text(point: Mapping[str, Any]) -> str:
    """A record's precision, and its layers' own: `fixed8; conv2, fc1: fixed4:fixed8`."""
    alike: dict[str, list[str]] = {}
    for layer, precision in point.get("layers", {}).items():
        alike.setdefault(precision, []).append(layer)
    own = (f"{', '.join(layers)}: {precision}" for precision, layers in alike.items())
    return "; ".join((point["precision"], *own))


def _labels(search: Search) -> list[str]:
    """A name for each point, short, and no two alike."""
    plain = [_label(search, point) for point in search.points]
    tiled = [
        f"{label} on {point.tile.neurons}" if plain.count(label) > 1 else label
        for label, point in zip(plain, search.points, strict=True)
    ]
    return [
        f"{label} ({place})" if tiled.count(label) > 1 else label
        for place, label in enumerate(tiled, start=1)
    ]


def _label(search: Search, point: SearchedPoint) -> str:
    size = point.network.removeprefix(search.plan.network)
    own = f" and {len(point.layers)} narrower" if point.layers else ""
    return f"{size} {point.precision}{own}".strip()


def _reference_row(search: Search) -> Row:
    record, count = search.reference, search.data.validation
    shown = _point(record, REFERENCE, REFERENCE, REFERENCE, record.validation.accuracy, count)
    return row_of([shown])


def _row(point: SearchedPoint, label: str, reference: Row) -> Row:
    held_out = point.validation
    row = row_of([_point(point, label, point.weights, point.activations, held_out.accuracy, held_out.count)])
    return replace(row, against=against(row, reference))


def _point(
    of: SearchedPoint | SearchedReference,
    label: str,
    weights: str,
    activations: str,
    share: float,
    count: int,
) -> Point:
    return Point(
        network=of.network,
        precision=label,
        weights=weights,
        activations=activations,
        seed=0,
        accuracy=share,
        correct=round(share * count),
        count=count,
        memory_bytes=of.memory_bytes,
        cycles=of.cycles,
        runtime_s=of.runtime_s,
        energy_j=of.energy_j,
        power_w=of.power_w,
        area_mm2=of.area_mm2,
    )
