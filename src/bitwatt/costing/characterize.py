"""Characterises all blocks of given tiles in a library: from RTL to what the cost model reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from bitwatt.costing.blocks import block_specs
from bitwatt.errors import RequestError
from bitwatt.hardware.tile import Tile
from bitwatt.technology.characterize import BlockSpec, characterize
from bitwatt.technology.liberty import Library
from bitwatt.technology.node import library_node_nm
from bitwatt.technology.sram import SramTable, built_in_sram_table, macros_for_node
from bitwatt.technology.table import Table
from bitwatt.technology.technology import Technology


def tile_specs(tiles: Iterable[Tile]) -> dict[str, BlockSpec]:
    """The blocks of all tiles, each once."""
    specs: dict[str, BlockSpec] = {}
    for tile in tiles:
        specs |= block_specs(tile)
    return specs


def characterize_tiles(
    tiles: Iterable[Tile],
    library: Library,
    clock_hz: float,
    *,
    technology: str,
    workers: int | None = None,
    listen: Callable[[str], None] | None = None,
) -> Table:
    """Synthesise and measure every block of `tiles` in `library`. Raises as `technology.characterize`."""
    specs = tile_specs(tiles)
    return characterize(specs, library, clock_hz, technology=technology, workers=workers, listen=listen)


def characterize_technology(
    tiles: Sequence[Tile],
    library: Library,
    *,
    node_nm: float | None = None,
    sram: SramTable | None = None,
    sram_cell: str = "itrs-lop",
    workers: int | None = None,
    listen: Callable[[str], None] | None = None,
) -> Technology:
    """A technology for `tiles`: their blocks in `library`, and memories of its node.

    node_nm: of the library, where its name does not tell. sram: macros, by default the built-in table's,
    scaled where it has none of the node. Raises `RequestError` for tiles of several clocks, a node that is
    not known or a cell type that the memories do not have, and as `technology.characterize`.
    """
    clocks = {tile.clock_hz for tile in tiles}
    if len(clocks) != 1:
        raise RequestError(f"tiles of one clock can be characterised together, got {sorted(clocks)}")
    node = node_nm if node_nm is not None else library_node_nm(library.name)
    memories = macros_for_node(sram or built_in_sram_table(), node, sram_cell)
    table = characterize_tiles(
        tiles, library, clocks.pop(), technology=library.name, workers=workers, listen=listen
    )
    return Technology(
        name=library.name,
        node_nm=node,
        voltage_v=library.voltage_v,
        table=table,
        sram=memories,
        sram_node_nm=node,
        sram_cell=sram_cell,
        source=f"gates: {table.source()}; memories: {memories.source}",
    )
