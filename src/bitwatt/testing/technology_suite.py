"""The conformance suite of a technology: figures positive and in their units, rising with the width, cited.

    from bitwatt.testing.technology_suite import check_technology

    check_technology(technology("nangate45"), families=[["multiplier/4", "multiplier/8", "multiplier/16"]])

Each check raises `ConformanceError` saying which figure of which block broke which rule.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from bitwatt.technology.sram import SramArray
from bitwatt.technology.table import BlockCost
from bitwatt.technology.technology import Technology
from bitwatt.testing.conformance import require

_SHA256 = re.compile(r"[0-9a-f]{64}")

#: Between what bounds a figure of a block can lie, whatever its size, if its unit is right: from one gate of
#: a 3 nm node to a million gates of a 350 nm one. A factor of a million, of a prefix dropped, leaves them.
_AREA_PER_CELL_UM2 = (0.01, 1000.0)
_DELAY_S = (1e-12, 1e-6)
_ENERGY_PER_CELL_J = (1e-19, 1e-11)
_LEAKAGE_PER_CELL_W = (1e-15, 1e-5)


def check_technology(technology: Technology, families: Sequence[Sequence[str]]) -> None:
    """Run the whole suite; `families` lists block names from the narrowest to the widest of each kind."""
    check_citation(technology)
    for block in technology.table.blocks.values():
        check_units(block)
    for family in families:
        check_rises_with_width([technology.table.block(name) for name in family])
    check_buffers(technology)


def check_citation(technology: Technology) -> None:
    """Sources are there, and every block carries the digests that its figures rest on."""
    require(technology.source.strip() != "", technology.name, "no source")
    require(technology.sram.source.strip() != "", technology.name, "its SRAM table has no source")
    require(technology.table.tool != "", technology.name, "the table does not say which tool made it")
    library = technology.table.library_sha256
    require(_SHA256.fullmatch(library) is not None, technology.name, f"'{library}' is no SHA-256")
    for block in technology.table.blocks.values():
        for field in ("rtl_sha256", "script_sha256", "stimulus_sha256"):
            digest = getattr(block, field)
            require(_SHA256.fullmatch(digest) is not None, block.name, f"{field} is no SHA-256")
        require(block.stimulus.strip() != "", block.name, "its stimulus is not described")


def check_units(block: BlockCost) -> None:
    """Every figure is positive where it must be, and of the size its unit allows."""
    require(block.cells > 0, block.name, "no cells")
    counts = f"{block.registers} registers of {block.cells} cells"
    require(0 <= block.registers <= block.cells, block.name, counts)
    _within(block, "area_um2", block.area_um2 / block.cells, _AREA_PER_CELL_UM2)
    _within(block, "delay_s", block.delay_s, _DELAY_S, each="")
    if block.data_energy_j != 0.0:  # operands that never change cost nothing
        _within(block, "data_energy_j", block.data_energy_j / block.cells, _ENERGY_PER_CELL_J)
    _within(block, "leakage_w", block.leakage_w / block.cells, _LEAKAGE_PER_CELL_W)
    if block.registers:
        _within(
            block, "clock_energy_j", block.clock_energy_j / block.registers, _ENERGY_PER_CELL_J, " a register"
        )
    else:
        require(block.clock_energy_j == 0.0, block.name, "clock energy without a register")


def check_rises_with_width(blocks: Sequence[BlockCost]) -> None:
    """A wider block of one kind takes more area, energy and leakage than the narrower one."""
    for narrow, wide in pairwise(blocks):
        for figure in ("area_um2", "data_energy_j", "leakage_w", "clock_energy_j"):
            low, high = getattr(narrow, figure), getattr(wide, figure)
            rises = low < high or low == high == 0.0
            require(
                rises, wide.name, f"{figure} ({high:.4g}) does not rise above {narrow.name}'s ({low:.4g})"
            )


def check_buffers(technology: Technology) -> None:
    """Buffers hold what was asked, cost something, and cost more when they are wider or deeper."""
    for rows in (16, 64, 1024):
        for width in (1, 8, 17, 64, 256, 1000, 4096):
            array, shape = technology.buffer(rows, width), f"{rows} x {width} bits"
            require(array.wide * array.macro.width_bits >= width, shape, "too narrow")
            require(array.deep * array.macro.rows >= rows, shape, "too shallow")
            free = min(array.read_j, array.write_j, array.leakage_w, array.area_um2) <= 0
            require(not free, shape, "costs nothing")
            _no_cheaper(array, technology.buffer(rows, 2 * width))
            _no_cheaper(array, technology.buffer(2 * rows, width))


def _no_cheaper(small: SramArray, large: SramArray) -> None:
    low, high = small.read_j + small.write_j, large.read_j + large.write_j
    shape = f"{large.rows} x {large.width_bits} bits"
    less = (
        f"energy of an access ({high:.4g} J) is below that of {small.rows} x {small.width_bits} ({low:.4g} J)"
    )
    require(low <= high, shape, less)


def _within(
    block: BlockCost, figure: str, value: float, bounds: tuple[float, float], each: str = " a cell"
) -> None:
    lowest, highest = bounds
    require(lowest <= value <= highest, block.name, f"{figure} ({value:.4g}{each}) is not within {bounds}")
