"""Makes Verilog of a yosys netlist that a linter has nothing to say about.

yosys writes operators whose operands differ in width, and whole words of which a bit is used: both are right,
and every linter warns of them. Here, on yosys' JSON: operands are extended explicitly; ports that nothing
reads are taken away; bits that nothing reads are called `unused_...`, which linters know; submodules that are
equal become one; and every name is one that needs no escape.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from itertools import count, groupby
from typing import Any

Bit = int | str
Module = dict[str, Any]

_TOGETHER = {"$add", "$sub", "$and", "$or", "$xor", "$xnor", "$eq", "$ne", "$lt", "$le", "$gt", "$ge"}
"""Operators whose operands must be of one width."""

_WITH_RESULT = {"$neg", "$not", "$pos", "$shl", "$sshl", "$shr", "$sshr", "$shift", "$shiftx"}
"""Operators whose first operand must be as wide as their result."""


def tidy(design: dict[str, Any]) -> dict[str, Any]:
    """The same design, for `write_verilog`. design: as yosys' `write_json` leaves it after `proc`."""
    modules: dict[str, Module] = design["modules"]
    _merge_equal(modules)
    for module in modules.values():
        fresh = count(
            1
            + max(
                (b for n in module["netnames"].values() for b in n["bits"] if isinstance(b, int)), default=0
            )
        )
        for cell in module["cells"].values():
            _match_widths(cell, fresh)
    while any([_drop_ports(modules, name) for name in modules]):
        pass
    for module in modules.values():
        _name_unused(module)
        _rename(module, modules)
    design["modules"] = {_plain(name): module for name, module in modules.items()}
    return design


def _merge_equal(modules: dict[str, Module]) -> None:
    """Nameless submodules that are equal, as the adders of a tree are, become one."""
    first: dict[str, str] = {}
    merged = {}
    for name in [name for name in modules if re.search(r"\.U\$\d+$", name)]:
        content = re.sub(r'"(\$\w+\$)\d+', r'"\1', json.dumps(modules[name]))  # yosys numbers what it makes
        merged[name] = first.setdefault(content, name)
        if merged[name] != name:
            del modules[name]
    for module in modules.values():
        for cell in module["cells"].values():
            cell["type"] = merged.get(cell["type"], cell["type"])


def _match_widths(cell: Module, fresh: Iterator[int]) -> None:
    kind, connections = cell["type"], cell["connections"]
    if kind in _TOGETHER:
        width = max(len(connections["A"]), len(connections["B"]))
        _extend(cell, "A", width)
        _extend(cell, "B", width)
    elif kind in _WITH_RESULT:
        _extend(cell, "A", len(connections["Y"]))
        missing = len(connections["A"]) - len(connections["Y"])
        connections["Y"] += [next(fresh) for _ in range(missing)]
        cell["parameters"]["Y_WIDTH"] = f"{len(connections['Y']):032b}"
    elif kind == "$logic_not" and len(connections["A"]) > 1:
        cell["type"] = "$eq"
        connections["B"] = ["0"] * len(connections["A"])
        cell["parameters"] |= {
            "B_SIGNED": cell["parameters"]["A_SIGNED"],
            "B_WIDTH": cell["parameters"]["A_WIDTH"],
        }
        cell["port_directions"]["B"] = "input"


def _extend(cell: Module, port: str, width: int) -> None:
    bits = cell["connections"][port]
    fill = bits[-1] if int(cell["parameters"][f"{port}_SIGNED"], 2) else "0"
    bits += [fill] * (width - len(bits))
    cell["parameters"][f"{port}_WIDTH"] = f"{len(bits):032b}"


def _read(module: Module) -> set[Bit]:
    """Bits that a cell or an output port reads."""
    read: set[Bit] = set()
    for port in module["ports"].values():
        if port["direction"] == "output":
            read.update(port["bits"])
    for cell in module["cells"].values():
        for port, bits in cell["connections"].items():
            if cell["port_directions"][port] == "input":
                read.update(bits)
    return read


def _drop_ports(modules: dict[str, Module], name: str) -> bool:
    """Takes away the module's ports that are read on neither side; True where there was one."""
    instances = [
        (parent, cell)
        for parent in modules.values()
        for cell in parent["cells"].values()
        if cell["type"] == name
    ]
    if not instances:
        return False
    module = modules[name]
    read = _read(module)
    outside = {id(parent): _read(parent) for parent, _ in instances}

    def is_read(port: str, direction: str, bits: list[Bit]) -> bool:
        if direction == "input":
            return not read.isdisjoint(bits)
        return any(
            not outside[id(parent)].isdisjoint(cell["connections"][port]) for parent, cell in instances
        )

    idle = [p for p, about in module["ports"].items() if not is_read(p, about["direction"], about["bits"])]
    for port in idle:
        del module["ports"][port]
        for _, cell in instances:
            del cell["connections"][port], cell["port_directions"][port]
    return bool(idle)


def _name_unused(module: Module) -> None:
    """Nets hold used bits only; unused ones that a cell drives get a name of their own."""
    nets = {name: module["netnames"][name] for name in module["ports"]}
    named = {bit for net in nets.values() for bit in net["bits"]}
    # A bit of several names keeps the first that is no invention of yosys.
    nameless = _read(module) - named - {"0", "1", "x"}
    for name, net in sorted(module["netnames"].items(), key=lambda item: item[1]["hide_name"]):
        runs = list(_runs(net["bits"], nameless))
        for first, bits in runs:
            part = name if len(bits) == len(net["bits"]) else f"{name}_{first}"
            nets[part] = {"hide_name": net["hide_name"], "bits": bits, "attributes": {}}
            nameless -= set(bits)
            named.update(bits)
    unused = count()
    for cell in module["cells"].values():
        for port, bits in cell["connections"].items():
            if cell["port_directions"][port] == "output":
                for _, run in _runs(bits, set(bits) - named):
                    nets[f"unused_{next(unused)}"] = {"hide_name": 0, "bits": run, "attributes": {}}
    module["netnames"] = nets


def _runs(bits: list[Bit], wanted: set[Bit]) -> Iterator[tuple[int, list[Bit]]]:
    """Neighbouring bits that are wanted, and where each run starts."""
    for is_wanted, run in groupby(enumerate(bits), key=lambda pair: pair[1] in wanted):
        positions = list(run)
        if is_wanted:
            yield positions[0][0], [bit for _, bit in positions]


def _rename(module: Module, modules: dict[str, Module]) -> None:
    """Names without escapes; names that yosys made up are left to it."""
    for cell in module["cells"].values():
        if cell["type"] in modules:
            for part in ("connections", "port_directions"):
                cell[part] = {_plain(port): value for port, value in cell[part].items()}
            cell["type"] = _plain(cell["type"])
    taken: set[str] = set()

    def renamed(names: Iterable[str]) -> dict[str, str]:
        made = {}
        for name in names:
            if not name.startswith("$"):
                made[name] = _plain(name)
                while made[name] in taken:
                    made[name] += "_"
                taken.add(made[name])
        return made

    ports = renamed(module["ports"])
    nets = ports | renamed(name for name in module["netnames"] if name not in ports)
    for part, names in (("ports", ports), ("netnames", nets), ("cells", renamed(module["cells"]))):
        module[part] = {names.get(name, name): about for name, about in module[part].items()}


_KEYWORDS = {"packed", "release", "signed", "table"}


def _plain(name: str) -> str:
    plain = re.sub(r"\W", "_", name)
    return f"{plain}_" if plain in _KEYWORDS else plain
