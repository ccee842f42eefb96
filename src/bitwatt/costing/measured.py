"""Energies measured with a network's own operands, in place of the synthetic ones of the table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from bitwatt.costing.blocks import DATAPATH, POOLING, RESIDUAL, block_specs
from bitwatt.errors import RequestError
from bitwatt.hardware.tile import Tile
from bitwatt.program.program import Program
from bitwatt.technology.characterize import characterize
from bitwatt.technology.liberty import read_liberty
from bitwatt.technology.technology import Technology

if TYPE_CHECKING:
    import torch

CYCLES = 2048
"""Cycles of operands: some fifty runs of sums out of all layers."""


def measured_technology(
    program: Program,
    images: torch.Tensor,
    tile: Tile,
    technology: Technology,
    liberty: Path,
    *,
    workers: int | None = None,
    listen: Callable[[str], None] | None = None,
) -> Technology:
    """`technology` with the datapath of `tile` measured again, fed what the program feeds it on `images`.

    images: reals, (count, *program.input_shape). liberty: the library that the technology was characterised
    in. Syntheses and measurements are cached. Raises `RequestError` for another library or images that do not
    fit, and as `characterize` does.
    """
    from bitwatt.hardware.network_operands import operands_of

    library = read_liberty(liberty)
    if library.sha256 != technology.table.library_sha256:
        raise RequestError(
            f"technology '{technology.name}' was characterised in {technology.table.library} (sha256 "
            f"{technology.table.library_sha256[:12]}), and {liberty} is another (sha256 "
            f"{library.sha256[:12]}): give that library's file with --liberty"
        )
    specs = block_specs(tile, operands_of(program, images, tile, CYCLES))
    kinds = (*DATAPATH, *POOLING, RESIDUAL)
    datapath = {name: spec for name, spec in specs.items() if name.split("/")[0] in kinds}
    table = characterize(
        datapath, library, tile.clock_hz, technology=technology.name, workers=workers, listen=listen
    )
    return replace(
        technology, table=replace(technology.table, blocks={**technology.table.blocks, **table.blocks})
    )
