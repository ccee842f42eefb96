"""A mapped netlist: instances of library cells joined by numbered nets, in an order fit for evaluation.

Read from yosys JSON. Net 0 is constant 0 (and yosys' undefined), net 1 constant 1; yosys numbers from 2.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from bitwatt.errors import DataError, RequestError
from bitwatt.technology.cells import Cell
from bitwatt.technology.liberty import Library

_CONSTANTS = {"0": 0, "1": 1, "x": 0, "z": 0}


@dataclass(frozen=True)
class Port:
    """A port of the block; `nets` from the least significant bit."""

    name: str
    direction: str
    nets: tuple[int, ...]


@dataclass(frozen=True)
class Instance:
    """One cell of the netlist: which net each of its pins is on. Inputs left open are absent."""

    name: str
    cell: Cell
    nets: Mapping[str, int] = field(hash=False)


@dataclass(frozen=True)
class Netlist:
    """A flat block of library cells with one clock.

    `clock_nets` are the nets that carry the clock, gated or not; `initial` holds flip-flop output nets that
    start at 1 (all others start at 0).
    """

    name: str
    library: Library
    clock: str
    ports: Mapping[str, Port] = field(hash=False)
    instances: tuple[Instance, ...]
    initial: frozenset[int]
    clock_nets: frozenset[int]

    @cached_property
    def net_count(self) -> int:
        """One more than the largest net number."""
        nets = [n for port in self.ports.values() for n in port.nets]
        nets += [n for instance in self.instances for n in instance.nets.values()]
        return max(nets, default=1) + 1

    @cached_property
    def area_um2(self) -> float:
        """The sum of the cells' areas (liberty areas of these libraries are in um2)."""
        return sum(instance.cell.area for instance in self.instances)

    @cached_property
    def driver(self) -> dict[int, tuple[int, str]]:
        """For each driven net the instance's index and the pin that drive it."""
        return {
            net: (index, pin.name)
            for index, instance in enumerate(self.instances)
            for pin in instance.cell.outputs
            if (net := instance.nets.get(pin.name)) is not None
        }

    @cached_property
    def sinks(self) -> dict[int, list[tuple[int, str]]]:
        """For each net the instances' indices and the input pins on it."""
        sinks: dict[int, list[tuple[int, str]]] = {}
        for index, instance in enumerate(self.instances):
            for pin in instance.cell.inputs:
                if (net := instance.nets.get(pin.name)) is not None:
                    sinks.setdefault(net, []).append((index, pin.name))
        return sinks


def read_netlist(netlist_json: str, top: str, library: Library, clock: str | None) -> Netlist:
    """Read yosys' JSON of one flat module; `clock` is the clock port (None: a block without registers).

    Raises `DataError` for cells that could not be mapped, latches, registers on the falling edge or on
    anything but the block's clock, and loops of combinational cells; `RequestError` for a clock port that
    is not there.
    """
    module = json.loads(netlist_json)["modules"][top]
    ports = {
        name: Port(name, port["direction"], tuple(map(_net, port["bits"])))
        for name, port in module["ports"].items()
    }
    if clock is not None and clock not in ports:
        raise RequestError(f"block '{top}' has no clock port '{clock}'; its ports: {', '.join(ports)}")
    unmapped = sorted({cell["type"] for cell in module["cells"].values()} - set(library.cell_names))
    if unmapped:
        raise DataError(
            f"block '{top}': {library.name} has no cell for {', '.join(unmapped)}; the library lacks a "
            "register or gate of this kind, or the RTL holds something that is not logic"
        )
    free = itertools.count(1 + max(_bits_in_use(module), default=1))
    instances = tuple(
        _instance(name, library.cell(cell["type"]), cell["connections"], free)
        for name, cell in module["cells"].items()
    )
    clock_nets = _trace_clock(top, instances, ports[clock].nets if clock is not None else ())
    return Netlist(top, library, clock or "", ports, instances, _initial_ones(module), clock_nets)


def evaluation_order(netlist: Netlist) -> tuple[tuple[int, ...], ...]:
    """Groups of instance indices, each after all that it depends on; a group of several is a register loop.

    A register depends on the inputs of its next state, one cycle earlier, so a pipeline is a chain of single
    instances, and an accumulator one group. A register that its clock gate can hold depends on itself and so
    is a loop too. Tarjan's strongly connected components, without recursion.
    """
    successors: list[list[int]] = [[] for _ in netlist.instances]
    for net, (index, _) in netlist.driver.items():
        successors[index].extend(sink for sink, _ in netlist.sinks.get(net, []))
    groups: list[tuple[int, ...]] = []
    number: dict[int, int] = {}
    lowest: dict[int, int] = {}
    pending: list[int] = []
    on_pending: set[int] = set()
    for root in range(len(successors)):
        work = [(root, 0)] if root not in number else []
        while work:
            node, child = work.pop()
            if child == 0:
                number[node] = lowest[node] = len(number)
                pending.append(node)
                on_pending.add(node)
            else:
                lowest[node] = min(lowest[node], lowest[successors[node][child - 1]])
            following = successors[node]
            while child < len(following):
                target = following[child]
                child += 1
                if target not in number:
                    work += [(node, child), (target, 0)]
                    break
                if target in on_pending:
                    lowest[node] = min(lowest[node], number[target])
            else:
                if lowest[node] == number[node]:
                    group = [pending.pop()]
                    while group[-1] != node:
                        group.append(pending.pop())
                    on_pending.difference_update(group)
                    groups.append(tuple(group))
    groups.reverse()
    return tuple(_registers_first(netlist, group) if len(group) > 1 else group for group in groups)


def _registers_first(netlist: Netlist, group: tuple[int, ...]) -> tuple[int, ...]:
    """A loop's registers, then its other cells in the order of their signals.

    Raises `DataError` when the other cells form a loop among themselves.
    """
    registers = [i for i in group if netlist.instances[i].cell.flip_flop is not None]
    waiting = {i: 0 for i in group if netlist.instances[i].cell.flip_flop is None}
    for i in waiting:
        nets = (netlist.instances[i].nets.get(pin.name, 0) for pin in netlist.instances[i].cell.inputs)
        waiting[i] = sum(netlist.driver.get(net, (-1, ""))[0] in waiting for net in nets)
    ready = [i for i, count in waiting.items() if count == 0]
    ordered: list[int] = []
    while ready:
        index = ready.pop()
        ordered.append(index)
        for pin in netlist.instances[index].cell.outputs:
            for sink, _ in netlist.sinks.get(netlist.instances[index].nets.get(pin.name, -1), []):
                if sink in waiting:
                    waiting[sink] -= 1
                    if waiting[sink] == 0:
                        ready.append(sink)
    if len(ordered) < len(waiting):
        stuck = netlist.instances[min(waiting.keys() - set(ordered))].name
        raise DataError(
            f"block '{netlist.name}' has a loop of combinational cells through {stuck}; put a register in it"
        )
    return tuple(registers + ordered)


def _net(bit: int | str) -> int:
    return _CONSTANTS[bit] if isinstance(bit, str) else bit


def _bits_in_use(module: Mapping[str, Any]) -> Iterator[int]:
    for holder in (*module["ports"].values(), *module["netnames"].values()):
        yield from map(_net, holder["bits"])


def _instance(
    name: str, cell: Cell, connections: Mapping[str, list[int | str]], free: Iterator[int]
) -> Instance:
    """One cell; an output left open gets a net of its own, so that what it does is known all the same."""
    nets = {pin: _net(bits[0]) for pin, bits in connections.items() if bits}
    return Instance(name, cell, nets | {pin.name: next(free) for pin in cell.outputs if pin.name not in nets})


def _initial_ones(module: Mapping[str, Any]) -> frozenset[int]:
    """The nets whose `init` attribute is 1 (written most significant bit first)."""
    ones: set[int] = set()
    for net in module["netnames"].values():
        text = str(net.get("attributes", {}).get("init", ""))
        ones.update(
            _net(bit) for bit, value in zip(net["bits"], reversed(text), strict=False) if value == "1"
        )
    return frozenset(ones)


def _trace_clock(top: str, instances: tuple[Instance, ...], roots: tuple[int, ...]) -> frozenset[int]:
    """The nets reached from the clock port through clock gates; checks that every register is on one."""
    nets = set(roots)
    gates = [i for i in instances if i.cell.clock_gate is not None]
    while (
        grown := {
            i.nets[g.output]
            for i in gates
            if (g := i.cell.clock_gate) is not None and i.nets.get(g.clock) in nets
        }
        - nets
    ):
        nets |= grown
    for instance in instances:
        cell = instance.cell
        if cell.is_latch and cell.clock_gate is None:
            raise DataError(
                f"block '{top}': {instance.name} is a latch ({cell.name}); only registers are supported"
            )
        if cell.flip_flop is None:
            continue
        pin = cell.flip_flop.clocked_on.single_pin()
        if pin is None:
            raise DataError(
                f"block '{top}': {instance.name} ({cell.name}) is clocked on "
                f"'{cell.flip_flop.clocked_on.text}'; only rising edges of the clock are supported"
            )
        if instance.nets.get(pin) not in nets:
            raise DataError(
                f"block '{top}': {instance.name} ({cell.name}) is not clocked by the block's clock port"
            )
    return frozenset(nets)
