#!/usr/bin/env python3
"""Makes the package's characterised table again: src/bitwatt/technology/characterized/nangate45.json.

    python scripts/characterize.py

Needs the extra `synthesis`. Takes minutes from nothing, seconds where the cache has every block.
"""

from dataclasses import replace
from pathlib import Path

from bitwatt.costing.characterize import characterize_tiles
from bitwatt.formats import PAPER, parse_precision
from bitwatt.hardware.tile import PRESETS, Tile
from bitwatt.technology.liberty import read_liberty
from bitwatt.technology.table import write_table
from bitwatt.technology.toolchain import liberty_path

CARRIED = (
    *PAPER,
    *map(
        parse_precision,
        ("fixed6", "fixed3", "ternary:fixed8", "fixed4:fixed8", "pow2:fixed8", "binary:fixed8"),
    ),
)
"""What the package can cost without synthesis: the paper's seven and a few near them."""

WITH_RESIDUALS = (*PAPER, parse_precision("fixed6"))


def main() -> None:
    """Characterise the tiles of `CARRIED` in both presets, of some with residuals or bounds too."""
    tiles = [Tile.preset(preset, precision) for precision in CARRIED for preset in PRESETS]
    residual = [replace(tile, residual=True) for tile in tiles if tile.precision in WITH_RESIDUALS]
    clip = [replace(tile, clip=True) for tile in tiles if tile.precision in PAPER]
    tiles += [*residual, *clip]
    library = read_liberty(liberty_path("nangate45"))
    table = characterize_tiles(tiles, library, tiles[0].clock_hz, technology="nangate45")
    folder = Path(__file__).parents[1] / "src/bitwatt/technology/characterized"
    write_table(table, folder / "nangate45.json")
    print(f"{len(table.blocks)} blocks in {folder / 'nangate45.json'}")


if __name__ == "__main__":
    main()
