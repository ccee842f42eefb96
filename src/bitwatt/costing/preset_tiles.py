"""Tiles of both presets as records, for a report: what `bitwatt tile --json` prints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from typing import Any

from bitwatt.costing.tile_cost import TileCost, preset_scaling, tile_cost
from bitwatt.hardware.tile import PRESETS, Tile
from bitwatt.technology.technology import technology as technology_named


def tile_record(cost: TileCost, preset: str, technology: str) -> dict[str, Any]:
    """A tile's cost as a record: the fields of `TileCost`, its preset and technology, and its timing."""
    timing = {
        "slowest": cost.slowest,
        "largest_clock_hz": cost.largest_clock_hz,
        "too_slow": list(cost.too_slow),
    }
    return {"preset": preset, "technology": technology, **asdict(cost), "timing": timing}


def preset_tiles(
    precisions: Iterable[str], technology: str, shape: Mapping[str, Any] | None = None
) -> dict[str, list[dict[str, Any]]]:
    """The tile of each preset at each precision, as records, by preset.

    technology: a built-in name or a file. shape: what differs from the presets (neurons, synapses, rows,
    clock_hz; other keys are left alone). The published preset is scaled to the published node. Raises
    `RequestError` for an unknown technology, or blocks that it has not characterised.
    """
    where = technology_named(technology)
    changes = {key: value for key, value in (shape or {}).items() if key in _SHAPE and value is not None}
    names = list(precisions)
    return {
        preset: [
            tile_record(tile_cost(tile, where, preset_scaling(preset, where)), preset, technology)
            for tile in (replace(Tile.preset(preset, name), **changes) for name in names)
        ]
        for preset in sorted(PRESETS, key=lambda name: name != "hashemi2017")  # the published one first
    }


_SHAPE = ("neurons", "synapses", "rows", "clock_hz")
