"""SRAM: macros from a table, and buffers of any shape arranged out of them.

The table is CACTI 7's (see `characterized/README.md` for its source, its units, and why `size` is in bytes).

A buffer of `rows` words of `width_bits` is built of equal macros side by side, each deep enough for all rows;
all of them work in each access. Only where no macro of the table is deep enough are they also stacked, and
then one of a stack works. (Stacking shallow ones everywhere would look cheaper than it is: what selects
between them is not in the table.) Nothing is interpolated: a macro counts in full even where it is larger
than needed. Of all arrangements the one with the least energy of a read plus a write is taken, then the least
area. Words of 2048 bits and more, for which CACTI's single macros blow up, are thereby banked into narrower
ones.
"""

from __future__ import annotations

import csv
import hashlib
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from importlib import resources
from pathlib import Path

import numpy as np

from bitwatt.errors import DataError, RequestError

_BUILT_IN_SHA256 = "fc68fcd62b8616b57311edc503dd8ebcc069cfe6a670b2ee54d685bb54ab93a1"
_COLUMNS = (
    "size",
    "width",
    "tech",
    "cell",
    "access_ns",
    "cycle_ns",
    "read_pj",
    "write_pj",
    "leak_mw",
    "area_mm2",
)


@dataclass(frozen=True)
class SramMacro:
    """One single-port SRAM macro."""

    size_bytes: int
    width_bits: int
    node_nm: float
    cell: str
    access_s: float
    cycle_s: float
    read_j: float
    write_j: float
    leakage_w: float
    area_um2: float

    @property
    def rows(self) -> int:
        """How many words the macro holds."""
        return 8 * self.size_bytes // self.width_bits


@dataclass(frozen=True)
class SramTable:
    """Macros to choose from, and where they come from."""

    source: str
    macros: tuple[SramMacro, ...] = field(repr=False)

    def at(self, node_nm: float, cell: str) -> tuple[SramMacro, ...]:
        """The macros of one node and cell type.

        Raises `RequestError` listing what the table has when there are none.
        """
        found = tuple(macro for macro in self.macros if (macro.node_nm, macro.cell) == (node_nm, cell))
        if not found:
            have = sorted({f"{macro.node_nm:g} nm {macro.cell}" for macro in self.macros})
            raise RequestError(
                f"the SRAM table has no {node_nm:g} nm '{cell}' macros; it has {', '.join(have)}"
            )
        return found

    def deep_enough(self, node_nm: float, cell: str, rows: int) -> _Choices:
        """The macros of one node and cell type that a buffer of so many rows is made of. Raises as `at`."""
        key = node_nm, cell, rows
        if key not in self._choices:
            self._choices[key] = _Choices(self.at(node_nm, cell), rows)
        return self._choices[key]

    @cached_property
    def _choices(self) -> dict[tuple[float, str, int], _Choices]:
        # Kept, since a buffer of each width asks for them: the table is large, and the rows few.
        return {}


class _Choices:
    """Macros to build a buffer of so many rows of, and their figures as arrays."""

    def __init__(self, macros: Sequence[SramMacro], rows: int) -> None:
        deepest = max(macro.rows for macro in macros)
        self.macros = tuple(macro for macro in macros if macro.rows >= min(rows, deepest))
        self._width_bits, self._deep = (
            np.array(column, dtype=np.int64)
            for column in zip(*((one.width_bits, -(-rows // one.rows)) for one in self.macros), strict=True)
        )
        self._read_j, self._write_j, self._area_um2 = (
            np.array(column)
            for column in zip(*((m.read_j, m.write_j, m.area_um2) for m in self.macros), strict=True)
        )

    def cheapest(self, width_bits: int) -> tuple[SramMacro, int, int]:
        """The macro that takes least energy, then least area; how many side by side, and how many deep.

        Both are reckoned as `SramArray` does; of equals it is the first.
        """
        wide = -(-width_bits // self._width_bits)
        energy = wide * self._read_j + wide * self._write_j
        least = np.flatnonzero(energy == energy.min())
        index = int(least[np.argmin((wide * self._deep * self._area_um2)[least])])
        return self.macros[index], int(wide[index]), int(self._deep[index])


def macros_for_node(table: SramTable, node_nm: float, cell: str) -> SramTable:
    """A table with macros of a node: the table itself where it has them, else the nearest node's, scaled.

    Scaled at constant field (see `scaling.py`) with the supply left as it is: area by the square of the
    nodes' ratio, energies and times by the ratio, leakage not. Raises `RequestError` for a cell type that the
    table does not have at any node.
    """
    nodes = {macro.node_nm for macro in table.macros if macro.cell == cell}
    if not nodes:
        table.at(node_nm, cell)  # says what there is
    if node_nm in nodes:
        return table
    nearest = min(nodes, key=lambda node: abs(math.log(node / node_nm)))
    s = node_nm / nearest
    macros = tuple(
        replace(
            macro,
            node_nm=node_nm,
            access_s=macro.access_s * s,
            cycle_s=macro.cycle_s * s,
            read_j=macro.read_j * s,
            write_j=macro.write_j * s,
            area_um2=macro.area_um2 * s**2,
        )
        for macro in table.at(nearest, cell)
    )
    return SramTable(
        f"{table.source}, scaled from {nearest:g} to {node_nm:g} nm at constant field, supply as it was",
        macros,
    )


@dataclass(frozen=True)
class SramArray:
    """A buffer of `rows` x `width_bits` made of `wide` x `deep` equal macros."""

    rows: int
    width_bits: int
    macro: SramMacro
    wide: int
    deep: int

    @property
    def read_j(self) -> float:
        """Energy of reading one word."""
        return self.wide * self.macro.read_j

    @property
    def write_j(self) -> float:
        """Energy of writing one word."""
        return self.wide * self.macro.write_j

    @property
    def leakage_w(self) -> float:
        """Leakage of all macros."""
        return self.wide * self.deep * self.macro.leakage_w

    @property
    def area_um2(self) -> float:
        """Area of all macros; what selects between stacked ones is not counted."""
        return self.wide * self.deep * self.macro.area_um2

    def slack_s(self, clock_hz: float) -> float:
        """What a clock period leaves after an access; negative where the buffer is too slow for the clock."""
        return 1.0 / clock_hz - max(self.macro.access_s, self.macro.cycle_s)


def sram(
    rows: int,
    width_bits: int,
    technology_nm: float,
    cell: str = "itrs-lop",
    *,
    table: SramTable | None = None,
) -> SramArray:
    """The cheapest arrangement of macros for a buffer of `rows` words of `width_bits` (see the module).

    `table` defaults to the built-in one. Raises `RequestError` for a shape that is not positive, or a node or
    cell type that the table does not have.
    """
    if rows < 1 or width_bits < 1:
        raise RequestError(
            f"an SRAM buffer needs at least 1 row of 1 bit, got {rows} rows of {width_bits} bits"
        )
    choices = (table or built_in_sram_table()).deep_enough(technology_nm, cell, rows)
    return SramArray(rows, width_bits, *choices.cheapest(width_bits))


@lru_cache(maxsize=1)
def built_in_sram_table() -> SramTable:
    """CACTI 7's macros, carried in the package.

    Raises `DataError` when the file does not fit its digest.
    """
    data = (resources.files("bitwatt.technology") / "characterized" / "sram_cacti7.csv").read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    if digest != _BUILT_IN_SHA256:
        raise DataError(
            f"sram_cacti7.csv in the package is altered: SHA-256 {digest}, expected {_BUILT_IN_SHA256}; "
            "install bitwatt again"
        )
    return _parse(
        data.decode(), "sram_cacti7.csv", f"CACTI 7 (ACM TACO 14(2), 2017), sram_cacti7.csv, sha256 {digest}"
    )


def read_sram_table(path: Path, source: str) -> SramTable:
    """A user's table: a CSV file with the built-in table's columns and units, from `source`.

    Raises `DataError` naming the file, the line and the column of what is missing, not a number or not
    positive.
    """
    try:
        return _parse(path.read_text(), str(path), source)
    except OSError as error:
        raise DataError(f"cannot read the SRAM table {path}: {error.strerror}") from None


def _parse(text: str, name: str, source: str) -> SramTable:
    reader = csv.DictReader(io.StringIO(text))
    missing = [column for column in _COLUMNS if column not in (reader.fieldnames or ())]
    if missing:
        raise DataError(
            f"{name}: the column(s) {', '.join(missing)} are missing; needed: {', '.join(_COLUMNS)}"
        )
    macros = []
    for row in reader:
        value = {
            column: _positive(row[column], column, name, reader.line_num)
            for column in _COLUMNS
            if column != "cell"
        }
        macros.append(
            SramMacro(
                size_bytes=int(value["size"]),
                width_bits=int(value["width"]),
                node_nm=round(value["tech"] * 1e3, 3),
                cell=row["cell"],
                access_s=value["access_ns"] * 1e-9,
                cycle_s=value["cycle_ns"] * 1e-9,
                read_j=value["read_pj"] * 1e-12,
                write_j=value["write_pj"] * 1e-12,
                leakage_w=value["leak_mw"] * 1e-3,
                area_um2=value["area_mm2"] * 1e6,
            )
        )
    if not macros:
        raise DataError(f"{name}: the table holds no macro")
    return SramTable(source, tuple(macros))


def _positive(text: str | None, column: str, name: str, line: int) -> float:
    try:
        value = float(text or "")
    except ValueError:
        value = 0.0
    if not 0.0 < value < float("inf"):
        raise DataError(f"{name}: line {line}: '{column}' must be a positive number, got '{text}'")
    return value
