"""A technology: characterised gates and SRAM macros of one node, and where both come from."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields
from functools import cached_property, lru_cache
from pathlib import Path

from bitwatt.errors import DataError, RequestError, unknown_name
from bitwatt.technology.sram import SramArray, SramTable, built_in_sram_table, sram
from bitwatt.technology.table import Table, load_table


@dataclass(frozen=True)
class Technology:
    """What blocks and memories cost at one node.

    `table` holds the characterised blocks, `sram` the macros, of which those of `sram_cell` at `sram_node_nm`
    are used. `source` cites both. Raises `RequestError` for a node or voltage that is not positive or an
    empty source.
    """

    name: str
    node_nm: float
    voltage_v: float
    table: Table
    sram: SramTable
    sram_node_nm: float
    sram_cell: str
    source: str

    def __post_init__(self) -> None:
        if self.node_nm <= 0 or self.voltage_v <= 0:
            raise RequestError(
                f"technology '{self.name}': node_nm and voltage_v must be positive, got {self.node_nm} and "
                f"{self.voltage_v}"
            )
        if not self.source.strip():
            raise RequestError(f"technology '{self.name}': 'source' must say where its figures come from")

    @cached_property
    def _hash(self) -> int:
        return hash(tuple(getattr(self, field.name) for field in fields(self)))

    def __hash__(self) -> int:
        # Reckoned once: it goes over every macro, and costs are looked up by it.
        return self._hash

    def buffer(self, rows: int, width_bits: int) -> SramArray:
        """The SRAM arrangement for a buffer of `rows` words of `width_bits`."""
        return sram(rows, width_bits, self.sram_node_nm, self.sram_cell, table=self.sram)


def technology(name: str) -> Technology:
    """A technology known by name, or out of a file that `bitwatt characterize` wrote.

    Anything with a path separator or a `.json` ending is a path. Raises `RequestError` with the names there
    are and the nearest match for any other, `DataError` for a file that is missing or damaged.
    """
    if _is_path(name):
        from bitwatt.technology.file import read_technology  # which needs this module

        return read_technology(Path(name))
    if name != "nangate45":
        raise unknown_name("technology", name, ("nangate45", "a .json file of your own"), near=("nangate45",))
    return _built_in(name)


@lru_cache(maxsize=1)
def _built_in(name: str) -> Technology:
    table, macros = load_table("nangate45"), built_in_sram_table()
    return Technology(
        name=name,
        node_nm=45,
        voltage_v=table.voltage_v,
        table=table,
        sram=macros,
        sram_node_nm=45,
        sram_cell="itrs-lop",
        source=f"gates: {table.source()}; memories: {macros.source}",
    )


def technology_digest(name: str) -> str:
    """What tells a technology from others: a built-in one's name, or the SHA-256 of a file's content.

    Raises `DataError` for a file that cannot be read.
    """
    if not _is_path(name):
        return name
    try:
        return hashlib.sha256(Path(name).read_bytes()).hexdigest()
    except OSError as error:
        raise DataError(f"cannot read the technology {name}: {error.strerror}") from None


def _is_path(name: str) -> bool:
    return "/" in name or name.endswith(".json")
