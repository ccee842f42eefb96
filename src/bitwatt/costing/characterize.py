"""Characterises all blocks of given tiles in a library: from RTL to what the cost model reads."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from bitwatt.costing.blocks import block_specs
from bitwatt.errors import RequestError
from bitwatt.hardware.tile import Tile
from bitwatt.technology.cache import load_entry, store_entry
from bitwatt.technology.characterize import BlockSpec, characterize, method_sha256
from bitwatt.technology.file import parse_technology, technology_record
from bitwatt.technology.liberty import Library, parse_libraries
from bitwatt.technology.liberty_syntax import read_liberty_text
from bitwatt.technology.node import library_node_nm
from bitwatt.technology.sram import SramTable, built_in_sram_table, macros_for_node
from bitwatt.technology.table import Table
from bitwatt.technology.technology import Technology
from bitwatt.technology.toolchain import yosys_version


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
    liberty: Sequence[Path],
    *,
    node_nm: float | None = None,
    sram: SramTable | None = None,
    sram_cell: str = "itrs-lop",
    workers: int | None = None,
    listen: Callable[[str], None] | None = None,
) -> Technology:
    """A technology for `tiles`: their blocks in a library, and memories of its node.

    liberty: the library's files. node_nm: of the library, where its name does not tell. sram: macros, by
    default the built-in table's, scaled where it has none of the node. Raises `RequestError` for tiles of
    several clocks, a node that is not known or a cell type that the memories do not have, `DataError` for
    files that are no library, and as `technology.characterize`.

    All of it is cached too, by the digest of everything that it follows from, so that a second call neither
    builds RTL nor parses the library.
    """
    clocks = {tile.clock_hz for tile in tiles}
    if len(clocks) != 1:
        raise RequestError(f"tiles of one clock can be characterised together, got {sorted(clocks)}")
    texts, paths = [read_liberty_text(path) for path in liberty], [str(path) for path in liberty]
    memories = sram or built_in_sram_table()
    digest = _digest(
        texts, sorted(map(str, tiles)), repr((memories.source, memories.macros, sram_cell, node_nm))
    )
    entry = load_entry("technology", digest)
    if entry is not None:
        return parse_technology(json.dumps(entry), "the cached technology")
    library = parse_libraries(texts, paths)
    node = node_nm if node_nm is not None else library_node_nm(library.name)
    memories = macros_for_node(memories, node, sram_cell)
    table = characterize_tiles(
        tiles, library, clocks.pop(), technology=library.name, workers=workers, listen=listen
    )
    technology = Technology(
        name=library.name,
        node_nm=node,
        voltage_v=library.voltage_v,
        table=table,
        sram=memories,
        sram_node_nm=node,
        sram_cell=sram_cell,
        source=f"gates: {table.source()}; memories: {memories.source}",
    )
    store_entry("technology", digest, technology_record(technology))
    return technology


def _digest(texts: Sequence[str], tiles: Sequence[str], choices: str) -> str:
    """Of everything a technology follows from: the library, the choices, and the sources that make and

    measure the RTL, which stand for the RTL itself: the same sources make the same.
    """
    digest = hashlib.sha256(f"{yosys_version()} {method_sha256()}\n{tiles}\n{choices}\n".encode())
    package = Path(__file__).parents[1]
    for folder in ("formats", "hardware", "technology", "costing"):
        for path in sorted((package / folder).rglob("*.py")):
            digest.update(path.read_bytes())
    for text in texts:
        digest.update(hashlib.sha256(text.encode()).digest())
    return digest.hexdigest()
