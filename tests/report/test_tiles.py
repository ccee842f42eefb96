"""Tiles by themselves: savings, what they miss of the published ones, and what they are made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bitwatt.report.prose import design_sentences, preset_sentences
from bitwatt.report.tiles import design_table, misses, share_of_saving, tile_presets

Make = Callable[..., dict[str, Any]]
Tiles = list[dict[str, Any]]


def test_savings_are_against_float32(three_tiles: Tiles) -> None:
    (preset,) = tile_presets({"mine": three_tiles, "none": []})
    assert [row.area_saving for row in preset.rows] == [0, 0.75, 0.875]
    assert [part.name for part in preset.rows[0].area_parts] == ["weight_blocks", "sb"]
    assert [part.share for part in preset.rows[0].area_parts] == [0.25, 0.75]
    (alone,) = tile_presets({"mine": three_tiles[1:]})
    assert [row.area_saving for row in alone.rows] == [None, None]


def test_the_share_of_a_saving_that_is_buffers(three_tiles: Tiles, make_tile: Make) -> None:
    (preset,) = tile_presets(
        {"mine": [*three_tiles, make_tile("fixed4", 0, 12), make_tile("fixed32", 4, 11.9)]}
    )
    # 9 of 12 mm2, 10.5 of 14; fixed4's saving is all arithmetic; fixed32 saves too little to have a share.
    assert share_of_saving(preset, "buffers", lambda row: row.area_parts) == (0, 0.75)
    assert share_of_saving(preset, "arithmetic", lambda row: row.area_parts) == (0.25, 1)
    (alone,) = tile_presets({"mine": three_tiles[1:]})
    assert share_of_saving(alone, "buffers", lambda row: row.area_parts) is None


def test_the_published_table_with_ours_beside(three_tiles: Tiles) -> None:
    presets = tile_presets({"mine": three_tiles, "other": three_tiles[:1]})
    rows = design_table(presets)
    assert [row.precision for row in rows] == ["float32", "fixed8"], "nobody published fixed6"
    assert [tile and tile.area_mm2 for tile in rows[1].ours] == [4, None]
    assert rows[1].published.area_mm2 == 3.36


def test_what_is_missed_of_the_published_savings(three_tiles: Tiles) -> None:
    mine, other = tile_presets({"mine": three_tiles, "other": three_tiles[:1]})
    off = misses(mine)
    assert off is not None
    # fixed8 saves 75 % here, 79.94 % of the area and 84.06 % of the power there.
    assert (off.area_saving, off.power_saving) == (pytest.approx(0.0494), pytest.approx(0.0906))
    assert off.areas == (pytest.approx(16 / 16.74), pytest.approx(4 / 3.36))
    assert misses(other) is None
    assert design_sentences((mine, other)) == (
        "mine, 45 nm: savings of area differ from the published by 4.9 points on average, savings of power "
        "by 9.1; areas are 0.96 to 1.19 times the published, powers 12 to 18 times.",
    )


def test_the_presets_in_words(three_tiles: Tiles, make_tile: Make) -> None:
    larger = [make_tile(row["precision"], 2 * row["area_mm2"], 0, node_nm=65) for row in three_tiles]
    assert preset_sentences(tile_presets({"hashemi2017": larger, "mine": three_tiles})) == (
        "hashemi2017 (flip-flop buffers, no clock gated), 65 nm: of the area that narrow formats save "
        "against float32, 0 % is buffers; of the power, 0 %.",
        "mine, 45 nm: of the area that narrow formats save against float32, 75 % is buffers; of the power, "
        "75 %.",
        "Against mine, the hashemi2017 tile is 2 to 2 times as large and takes 2 to 2 times the power.",
    )
