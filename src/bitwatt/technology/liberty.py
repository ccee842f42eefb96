"""A liberty library: units, cells, pins, tables; NLDM timing and power, no CCS.

Source of the meanings: Liberty User Guide (Synopsys, 2017.06), chapters on cell description, timing arcs and
power. Energies are in capacitive_load_unit x voltage_unit^2, the guide's rule and OpenSTA's.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

from bitwatt.errors import DataError, unknown_name
from bitwatt.technology.boolean import parse_expression
from bitwatt.technology.cells import Cell
from bitwatt.technology.liberty_cells import CellContext, read_cell
from bitwatt.technology.liberty_syntax import (
    Group,
    as_number,
    parse_groups,
    read_liberty_text,
    without_comments,
)

_PREFIX = {"f": 1e-15, "p": 1e-12, "n": 1e-9, "u": 1e-6, "m": 1e-3, "": 1.0, "k": 1e3}


@dataclass(frozen=True)
class Library:
    """A liberty library whose cells are read when they are first asked for.

    `time_s`, `capacitance_f`, `leakage_w` are the SI values of the file's units; `voltage_v` is its nominal
    supply. `inverter` names its smallest inverter, `default_wire_load` the wire load model that the file
    chooses for itself, if any. `sha256` is the digest of the (uncompressed) text.
    """

    name: str
    source: str
    sha256: str
    voltage_v: float
    voltage_unit_v: float
    time_s: float
    capacitance_f: float
    leakage_w: float
    inverter: str
    default_wire_load: str | None
    text: str = field(repr=False)
    _cells: dict[str, Group] = field(repr=False, hash=False)
    _wire_loads: dict[str, Group] = field(repr=False, hash=False)
    _context: CellContext = field(repr=False, hash=False)
    _parsed: dict[str, Cell] = field(default_factory=dict, repr=False, hash=False, compare=False)

    @property
    def energy_j(self) -> float:
        """The SI value of the file's unit of internal energy."""
        return self.capacitance_f * self.voltage_unit_v**2

    @property
    def cell_names(self) -> tuple[str, ...]:
        """Every cell of the library."""
        return tuple(self._cells)

    def cell(self, name: str) -> Cell:
        """The cell called `name`.

        Raises `RequestError` for a name the library does not have, `DataError` for a malformed cell.
        """
        if name not in self._parsed:
            if name not in self._cells:
                raise unknown_name(f"cell of {self.name}", name, self._cells)
            self._parsed[name] = read_cell(self._cells[name], self._context)
        return self._parsed[name]

    def wire_capacitance(self, wire_load: str, fanout: int) -> float:
        """The capacitance of a net of `fanout` pins in one of the library's wire load models, in its unit.

        Raises `RequestError` for a wire load model the library does not have.
        """
        if wire_load not in self._wire_loads:
            raise unknown_name(f"wire load of {self.name}", wire_load, self._wire_loads)
        return _wire_capacitance(self._wire_loads[wire_load], fanout)


@lru_cache(maxsize=4)
def read_liberty(path: Path) -> Library:
    """Read a liberty file (plain or gzip) and check that blocks can be mapped to it.

    Raises `DataError` that names the file and what is wrong: not liberty, truncated, a unit missing, no
    flip-flop, no inverter.
    """
    return parse_liberty(read_liberty_text(path), str(path))


def read_libraries(paths: Sequence[Path]) -> Library:
    """One library out of several files that hold its cells in parts, of the same units and supply.

    Raises `DataError` as `read_liberty`, and for files whose units or supplies differ.
    """
    return parse_libraries([read_liberty_text(path) for path in paths], [str(path) for path in paths])


def parse_libraries(texts: Sequence[str], paths: Sequence[str]) -> Library:
    """`read_libraries` on texts already in memory."""
    if len(texts) == 1:
        return parse_liberty(texts[0], paths[0])
    groups = [parse_groups(text, path) for text, path in zip(texts, paths, strict=True)]
    wanted = _units(groups[0])
    for group, path in zip(groups, paths, strict=True):
        if _units(group) != wanted:
            raise DataError(f"{path} and {paths[0]} differ in units or supply: {_units(group)} and {wanted}")
    texts = [without_comments(text) for text in texts]
    bodies = [text[text.index("{") + 1 : text.rindex("}")] for text in texts[1:]]
    end = texts[0].rindex("}")
    joined = "\n".join((texts[0][:end], *bodies, "}"))
    return parse_liberty(joined, ", ".join(paths))


def _units(group: Group) -> dict[str, object]:
    names = ("time_unit", "voltage_unit", "leakage_power_unit", "nom_voltage")
    return {name: group.attributes.get(name) for name in names} | {
        "capacitive_load_unit": group.arguments("capacitive_load_unit")
    }


def parse_liberty(text: str, source: str) -> Library:
    """`read_liberty` on a text already in memory; `source` is what messages call it."""
    group = parse_groups(text, source)
    return Library(
        name=group.args[0] if group.args else source,
        source=source,
        sha256=hashlib.sha256(text.encode()).hexdigest(),
        voltage_v=_nominal_voltage(group, source),
        voltage_unit_v=_unit(group, "voltage_unit", "V", source),
        time_s=_unit(group, "time_unit", "s", source),
        capacitance_f=_capacitance_unit(group, source),
        leakage_w=_unit(group, "leakage_power_unit", "W", source),
        inverter=_smallest_inverter(group.each("cell"), source),
        default_wire_load=group.attributes.get("default_wire_load"),
        text=text,
        _cells={cell.name(source): cell for cell in group.each("cell")},
        _wire_loads={w.name(source): w for w in group.each("wire_load")},
        _context=CellContext(
            source=source,
            templates={t.args[0]: t for t in group.groups if t.kind.endswith("template") and t.args},
            default_leakage=group.number("default_cell_leakage_power", source, 0.0),
            default_capacitance=group.number("default_input_pin_cap", source, 0.0),
        ),
    )


def _smallest_inverter(cells: list[Group], source: str) -> str:
    """The name of the inverter of least area.

    Raises `DataError` where blocks cannot be mapped to these cells: no flip-flop or no inverter.
    """
    if not any(cell.each("ff") for cell in cells):
        raise DataError(
            f"{source} has no flip-flop (a cell with an 'ff' group); registers cannot be mapped to it"
        )
    inverters = [cell for cell in cells if _is_inverter(cell)]
    if not inverters:
        raise DataError(
            f"{source} has no inverter (a cell of one input whose function is its inverse); logic cannot "
            "be mapped to it"
        )
    smallest = min(
        inverters, key=lambda cell: cell.number("area", f"{source}: cell {cell.name(source)}", math.inf)
    )
    return smallest.name(source)


def _is_inverter(cell: Group) -> bool:
    pins = cell.each("pin")
    functions = [pin.attributes["function"] for pin in pins if "function" in pin.attributes]
    inputs = [pin for pin in pins if pin.attributes.get("direction") == "input"]
    if len(inputs) != 1 or len(functions) != 1 or cell.each("ff"):
        return False
    expression = parse_expression(functions[0])
    return len(expression.names) == 1 and expression(1, 0) == 1 and expression(1, 1) == 0


def _unit(group: Group, name: str, symbol: str, source: str) -> float:
    text = group.attributes.get(name, "")
    match = re.fullmatch(rf"([0-9.]+)\s*([fpnumk]?){symbol}", text, re.IGNORECASE)
    if match is None:
        got = f"got '{text}'" if text else "the file has none"
        raise DataError(f"{source}: '{name}' is needed, such as \"1n{symbol}\"; {got}")
    return as_number(match[1], f"{source}: '{name}'") * _PREFIX[match[2].lower()]


def _capacitance_unit(group: Group, source: str) -> float:
    arguments = next(iter(group.arguments("capacitive_load_unit")), ("", ""))
    match = re.fullmatch(r"([fpnu]?)f", arguments[1].lower()) if len(arguments) == 2 else None
    if match is None:
        got = f"got ({', '.join(arguments)})" if any(arguments) else "the file has none"
        raise DataError(f"{source}: 'capacitive_load_unit' is needed, such as (1, pf); {got}")
    return as_number(arguments[0], f"{source}: 'capacitive_load_unit'") * _PREFIX[match[1]]


def _nominal_voltage(group: Group, source: str) -> float:
    wanted = group.attributes.get("default_operating_conditions")
    for conditions in group.each("operating_conditions"):
        if conditions.args[:1] == (wanted,) and "voltage" in conditions.attributes:
            return conditions.number("voltage", source)
    if "nom_voltage" not in group.attributes:
        raise DataError(
            f"{source}: 'nom_voltage' is needed to turn capacitance into energy; the file has none"
        )
    return group.number("nom_voltage", source)


def _wire_capacitance(model: Group, fanout: int) -> float:
    """Length of the wire by fan-out (between the table's points on a line, beyond it `slope` a pin), times
    capacitance a length.
    """
    where = f"wire_load {model.args[0]}"
    lengths = sorted(
        (int(as_number(pair[0], where)), as_number(pair[1], where))
        for pair in model.arguments("fanout_length")
        if len(pair) == 2
    )
    if not lengths or fanout <= 0:
        return 0.0
    largest, longest = lengths[-1]
    if fanout >= largest:
        length = longest + model.number("slope", where, 0.0) * (fanout - largest)
    else:
        points = [(0, 0.0), *lengths]
        (x0, y0), (x1, y1) = next((a, b) for a, b in pairwise(points) if b[0] >= fanout)
        length = y0 + (y1 - y0) * (fanout - x0) / (x1 - x0)
    return length * model.number("capacitance", where, 0.0)
