"""A technology in one file: a characterised table and the memories that go with it.

The file is the table's JSON (see `table.py`) with two more fields:

    "node_nm": 130, "memory": {"node_nm": 130, "cell": "itrs-lop", "source": "...", "macros": [...] or null}

`macros` holds the user's own SRAM macros, or is null where they are the built-in table's.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from bitwatt.errors import DataError
from bitwatt.technology.sram import SramMacro, SramTable, built_in_sram_table
from bitwatt.technology.table import parse_table, table_record
from bitwatt.technology.technology import Technology


def write_technology(technology: Technology, path: Path) -> None:
    """Write a technology as one JSON file. Raises `DataError` where it cannot be written."""
    try:
        path.write_text(json.dumps(technology_record(technology), indent=1) + "\n")
    except OSError as error:
        raise DataError(f"cannot write the technology {path}: {error.strerror}") from None


def technology_record(technology: Technology) -> dict[str, Any]:
    """A technology as the record that is written."""
    own = technology.sram != built_in_sram_table()
    return table_record(technology.table) | {
        # As floats, so that equal technologies are equal bytes, read from a file or made anew.
        "node_nm": float(technology.node_nm),
        "memory": {
            "node_nm": float(technology.sram_node_nm),
            "cell": technology.sram_cell,
            "source": technology.sram.source,
            "macros": [dataclasses.asdict(macro) for macro in technology.sram.macros] if own else None,
        },
    }


def read_technology(path: Path) -> Technology:
    """A technology that `write_technology` wrote.

    Raises `DataError` when the file is missing, damaged, or a table without a node and memories.
    """
    try:
        text = path.read_text()
    except OSError as error:
        raise DataError(f"cannot read the technology {path}: {error.strerror}") from None
    return parse_technology(text, str(path))


def parse_technology(text: str, source: str) -> Technology:
    """`read_technology` on a text already in memory; `source` is what messages call it."""
    table = parse_table(text, source)
    record = json.loads(text)
    try:
        memory = record["memory"]
        macros = memory["macros"]
        sram = (
            built_in_sram_table()
            if macros is None
            else SramTable(memory["source"], tuple(SramMacro(**macro) for macro in macros))
        )
        return Technology(
            name=table.technology,
            node_nm=float(record["node_nm"]),
            voltage_v=table.voltage_v,
            table=table,
            sram=sram,
            sram_node_nm=float(memory["node_nm"]),
            sram_cell=str(memory["cell"]),
            source=f"gates: {table.source()}; memories: {sram.source}",
        )
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{source} is a table but no technology: 'node_nm' or 'memory' is missing or malformed "
            f"({error}); write it again with `bitwatt characterize`"
        ) from None
