"""Characterised blocks: the table that a run of synthesis and simulation leaves, as a record and as JSON.

Schema 1 of `characterized/<technology>.json`: the fields of `Table`, with `blocks` a list of the fields of
`BlockCost`. SI units but for areas in um2; the unit is in each name.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

from bitwatt.errors import DataError, unknown_name

SCHEMA = 1
_OF_TECHNOLOGY = ("node_nm", "memory")  # read by `file.py`


@dataclass(frozen=True)
class BlockInputs:
    """Digests of what a block's figures follow from, besides library and method."""

    rtl_sha256: str
    stimulus_sha256: str


@dataclass(frozen=True)
class BlockCost:
    """What one block costs, measured on its netlist with its stimulus.

    `data_energy_j` is the mean energy a cycle that comes of the operands: `combinational_j + register_j +
    input_net_j`, the last being the charge of the block's own input nets, all at zero delay, and `glitch_j`,
    what cell delays add (see `glitches.py`). `clock_energy_j` is spent in every
    clock cycle: `clock_pin_j` inside the cells, `clock_net_j` in the net that the clock port drives.
    `delay_s` is the shortest clock period. `cells` counts instances, `registers` the flip-flops among them.
    """

    name: str
    area_um2: float
    cells: int
    registers: int
    delay_s: float
    leakage_w: float
    combinational_j: float
    register_j: float
    input_net_j: float
    glitch_j: float
    clock_pin_j: float
    clock_net_j: float
    rtl_sha256: str
    script_sha256: str
    stimulus: str
    stimulus_sha256: str
    cycles: int

    @property
    def inputs(self) -> BlockInputs:
        """What the figures follow from."""
        return BlockInputs(self.rtl_sha256, self.stimulus_sha256)

    @property
    def data_energy_j(self) -> float:
        """Energy of one event: a cycle in which the block works on new operands."""
        return self.combinational_j + self.register_j + self.input_net_j + self.glitch_j

    @property
    def clock_energy_j(self) -> float:
        """Energy of the clock in each cycle, whether the block works or not."""
        return self.clock_pin_j + self.clock_net_j


@dataclass(frozen=True)
class Table:
    """Blocks characterised in one library, and everything that decides their figures.

    `method_sha256` is that of the script and the way of measuring (`characterize.method_sha256`). `scaling`
    says how the figures were brought to another node, where they were.
    """

    technology: str
    library: str
    library_sha256: str
    voltage_v: float
    clock_hz: float
    tool: str
    method_sha256: str
    date: str
    blocks: Mapping[str, BlockCost] = field(hash=False)
    scaling: str = ""

    def block(self, name: str) -> BlockCost:
        """The block called `name`.

        Raises `RequestError` with the nearest match for a block that was not characterised.
        """
        if name not in self.blocks:
            raise unknown_name(f"block of the {self.technology} table", name, self.blocks)
        return self.blocks[name]

    def source(self) -> str:
        """Where the figures come from, in a line."""
        return (
            f"synthesised by {self.tool} to {self.library} (sha256 {self.library_sha256[:12]}) for "
            f"{self.clock_hz / 1e6:g} MHz on {self.date}; activity from each block's stimulus, glitches by "
            "cell delays" + (f"; {self.scaling}" if self.scaling else "")
        )

    def stale_blocks(self, inputs: Mapping[str, BlockInputs], method_sha256: str) -> tuple[str, ...]:
        """Those of the given blocks that are missing here or whose figures would differ now.

        Because of another RTL, another stimulus, or, for all of them, another method.
        """
        return tuple(
            name
            for name, wanted in inputs.items()
            if method_sha256 != self.method_sha256
            or name not in self.blocks
            or self.blocks[name].inputs != wanted
        )


@lru_cache(maxsize=8)
def load_table(name: str) -> Table:
    """The table carried in the package under a technology's name, such as `nangate45`.

    Raises `RequestError` listing the tables there are, or `DataError` for one that is damaged.
    """
    folder = resources.files("bitwatt.technology") / "characterized"
    names = table_names()
    if name not in names:
        raise unknown_name("characterised technology", name, names)
    return parse_table((folder / f"{name}.json").read_text(), f"{name}.json of the package")


def table_names() -> tuple[str, ...]:
    """The names of the tables carried in the package."""
    folder = resources.files("bitwatt.technology") / "characterized"
    return tuple(
        sorted(entry.name.removesuffix(".json") for entry in folder.iterdir() if entry.name.endswith(".json"))
    )


def read_table(path: Path) -> Table:
    """A table from a user's file. Raises `DataError` when it is missing, damaged or of another schema."""
    try:
        return parse_table(path.read_text(), str(path))
    except OSError as error:
        raise DataError(f"cannot read the table {path}: {error.strerror}") from None


def write_table(table: Table, path: Path) -> None:
    """Write a table as JSON, its blocks in the order of their names."""
    path.write_text(json.dumps(table_record(table), indent=1) + "\n")


def table_record(table: Table) -> dict[str, Any]:
    """A table as the record that is written."""
    record: dict[str, Any] = {"schema": SCHEMA}
    record |= {f.name: getattr(table, f.name) for f in dataclasses.fields(table) if f.name != "blocks"}
    record["blocks"] = [dataclasses.asdict(table.blocks[name]) for name in sorted(table.blocks)]
    return record


def parse_table(text: str, source: str) -> Table:
    """`read_table` on a text already in memory; `source` is what messages call it."""
    try:
        record = json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(f"{source} is not a characterised table: {error}") from None
    found = record.get("schema") if isinstance(record, dict) else None
    if found != SCHEMA:
        raise DataError(
            f"{source} is not a characterised table of schema {SCHEMA}, got schema {found}; characterise "
            "the library again"
        )
    try:
        blocks = {block["name"]: BlockCost(**block) for block in record["blocks"]}
        rest = {
            key: value for key, value in record.items() if key not in ("schema", "blocks", *_OF_TECHNOLOGY)
        }
        return Table(blocks=blocks, **rest)
    except (KeyError, TypeError) as error:
        raise DataError(f"{source}: the table's fields do not fit schema {SCHEMA} ({error})") from None
