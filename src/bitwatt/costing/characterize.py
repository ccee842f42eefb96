"""Characterises all blocks of given tiles in a library: from RTL to a table that the cost model reads."""

from __future__ import annotations

from collections.abc import Iterable

from bitwatt.costing.blocks import block_specs
from bitwatt.hardware.tile import Tile
from bitwatt.technology.characterize import BlockSpec, characterize
from bitwatt.technology.liberty import Library
from bitwatt.technology.table import Table


def tile_specs(tiles: Iterable[Tile]) -> dict[str, BlockSpec]:
    """The blocks of all tiles, each once."""
    specs: dict[str, BlockSpec] = {}
    for tile in tiles:
        specs |= block_specs(tile)
    return specs


def characterize_tiles(
    tiles: Iterable[Tile], library: Library, clock_hz: float, *, technology: str, workers: int | None = None
) -> Table:
    """Synthesise and measure every block of `tiles` in `library`. Raises as `technology.characterize`."""
    return characterize(tile_specs(tiles), library, clock_hz, technology=technology, workers=workers)
