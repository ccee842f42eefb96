"""Tiles by themselves, preset beside preset: facts of the records that `bitwatt tile --json` prints.

All of it is at full load, which is what the published study's table of design metrics is nearest to; what a
network does to the tile is in a study's points.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import fsum
from statistics import mean
from typing import Any

from bitwatt.report.components import component, stacking_order
from bitwatt.report.facts import REFERENCE
from bitwatt.report.published import DesignMetrics, design_metrics
from bitwatt.report.rows import Part

REPRODUCTION = "hashemi2017"
"""The preset whose absolute areas and powers are meant to be the published ones."""


@dataclass(frozen=True)
class TileRow:
    """One tile: mm2, W, J a multiply-accumulate; savings against float32 as shares, None without it.

    owner_parts: the power once more, the clock and the leakage of each component counted as its own.
    """

    precision: str
    area_mm2: float
    power_w: float
    energy_j_per_mac: float
    area_parts: tuple[Part, ...]
    energy_parts: tuple[Part, ...]
    owner_parts: tuple[Part, ...]
    area_saving: float | None
    power_saving: float | None
    too_slow: tuple[str, ...]


@dataclass(frozen=True)
class TilePreset:
    """The tiles of one preset in one technology."""

    name: str
    technology: str
    node_nm: float
    clock_hz: float
    rows: tuple[TileRow, ...]

    def row(self, precision: str) -> TileRow | None:
        """The tile of that precision, or None."""
        return next((row for row in self.rows if row.precision == precision), None)


@dataclass(frozen=True)
class DesignRow:
    """A row of the published table of design metrics, with the tile of each preset."""

    precision: str
    published: DesignMetrics
    ours: tuple[TileRow | None, ...]


@dataclass(frozen=True)
class Misses:
    """How far a preset's savings are from the published ones: mean of the absolute differences, as shares.

    areas, powers: the smallest and the largest ratio of ours to the published.
    """

    area_saving: float
    power_saving: float
    areas: tuple[float, float]
    powers: tuple[float, float]


def tile_presets(tiles: Mapping[str, Sequence[Mapping[str, Any]]]) -> tuple[TilePreset, ...]:
    """The facts of the records by preset; presets without a tile are left out."""
    return tuple(_preset(name, records) for name, records in tiles.items() if records)


def design_table(presets: Sequence[TilePreset]) -> tuple[DesignRow, ...]:
    """The published table of design metrics, ours beside it; the precisions that any preset has."""
    names = dict.fromkeys(row.precision for preset in presets for row in preset.rows)
    return tuple(
        DesignRow(name, theirs, tuple(preset.row(name) for preset in presets))
        for name in names
        if (theirs := design_metrics(name)) is not None
    )


def misses(preset: TilePreset) -> Misses | None:
    """What `preset` misses of the published table; None where it shares less than float32 and another row."""
    pairs = [(row, theirs) for row in preset.rows if (theirs := design_metrics(row.precision)) is not None]
    area, power = [], []
    for row, theirs in pairs:
        if row.precision != REFERENCE and row.area_saving is not None and row.power_saving is not None:
            area.append(abs(row.area_saving - theirs.area_saving))
            power.append(abs(row.power_saving - theirs.power_saving))
    if not area:
        return None
    areas = [row.area_mm2 / theirs.area_mm2 for row, theirs in pairs]
    powers = [row.power_w / theirs.power_w for row, theirs in pairs]
    return Misses(mean(area), mean(power), (min(areas), max(areas)), (min(powers), max(powers)))


def share_of_saving(
    preset: TilePreset, family: str, parts: Callable[[TileRow], Sequence[Part]]
) -> tuple[float, float] | None:
    """The least and the largest share of what is saved against float32 that is saved in a family of parts.

    parts: the row's areas or its powers. Of the rows that save a tenth or more: of less there is nothing to
    take a share of. None without any.
    """
    base = preset.row(REFERENCE)
    if base is None:
        return None
    shares = []
    for row in preset.rows:
        whole = [fsum(part.value for part in parts(tile)) for tile in (base, row)]
        within = [
            fsum(part.value for part in parts(tile) if component(part.name).family == family)
            for tile in (base, row)
        ]
        if whole[0] - whole[1] >= 0.1 * whole[0]:
            shares.append((within[0] - within[1]) / (whole[0] - whole[1]))
    return (min(shares), max(shares)) if shares else None


def _preset(name: str, records: Sequence[Mapping[str, Any]]) -> TilePreset:
    base = next((record for record in records if record["precision"] == REFERENCE), None)
    first = records[0]
    return TilePreset(
        name,
        str(first.get("technology", "")),
        first["node_nm"],
        first["clock_hz"],
        tuple(_row(record, base) for record in records),
    )


def _row(record: Mapping[str, Any], base: Mapping[str, Any] | None) -> TileRow:
    return TileRow(
        precision=record["precision"],
        area_mm2=record["area_mm2"],
        power_w=record["power_w"],
        energy_j_per_mac=record["energy_j_per_mac"],
        area_parts=_parts(record["area_mm2_by_component"]),
        energy_parts=_parts(record["energy_j_per_mac_by_component"]),
        owner_parts=_parts(record["power_w_by_owner"]),
        area_saving=1 - record["area_mm2"] / base["area_mm2"] if base else None,
        power_saving=1 - record["power_w"] / base["power_w"] if base else None,
        too_slow=tuple(record.get("timing", {}).get("too_slow", ())),
    )


def _parts(values: Mapping[str, float]) -> tuple[Part, ...]:
    total = fsum(values.values()) or 1.0
    return tuple(Part(key, values[key], values[key] / total) for key in stacking_order(values))
