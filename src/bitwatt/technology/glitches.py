"""Glitches: how often nets change within a cycle, cells taking their time, beside once or not at all.

An event-driven simulation of the combinational cells of a mapped netlist with liberty's delays. In each cycle
the registers' outputs change a clock-to-output delay after the edge and the block's inputs change at the
edge; every change of a cell's input lets its output follow after the delay of that input's arc at that edge,
for the transition times and loads of `timing.py`. Delays are inertial: a pulse shorter than the delay of the
cell it would pass dies there, as it does in a cell.

What a cycle settles to must be what `activity.py` found with zero delay; that is checked in every cycle.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field

from bitwatt.errors import DataError
from bitwatt.technology.activity import Activity
from bitwatt.technology.netlist import Instance, Netlist
from bitwatt.technology.power import BlockPower
from bitwatt.technology.timing import FALL, RISE, Timing, arc_delays


@dataclass(frozen=True)
class Glitches:
    """Changes of every net over `cycles` cycles: with cell delays, and as settled states tell."""

    netlist: Netlist
    cycles: int
    timed: tuple[int, ...] = field(repr=False)
    settled: tuple[int, ...] = field(repr=False)

    def combinational_j(self, power: BlockPower) -> float:
        """The block's combinational energy a cycle with glitches, in J.

        Each cell's energy at zero delay times its output's changes with delay over those without; a cell
        whose output never settled elsewhere, but glitched, counts the block's mean energy a change.
        """
        energy = changes = 0.0
        extra = 0
        scaled = 0.0
        for instance, own in zip(self.netlist.instances, power.instances, strict=True):
            if not instance.cell.is_combinational:
                continue
            nets = [net for pin in instance.cell.outputs if (net := instance.nets.get(pin.name)) is not None]
            timed, settled = (sum(counts[net] for net in nets) for counts in (self.timed, self.settled))
            joule = own.internal_j + own.switching_j
            energy += joule
            changes += settled
            if settled:
                scaled += joule * timed / settled
            else:
                scaled += joule
                extra += timed
        return scaled + (extra * energy / changes if changes else 0.0)


@dataclass(frozen=True)
class _Gate:
    """One output of a combinational cell, compiled: `table[i]` is its value for the input bits of `i`."""

    net: int
    inputs: tuple[int, ...]
    table: tuple[int, ...]
    delays: tuple[tuple[float, float], ...]


def measure_glitches(activity: Activity, timing: Timing, cycles: int = 256) -> Glitches:
    """Simulate cycles of an activity's first stream again, with cell delays.

    `cycles` of them, spread evenly (all where there are fewer): each begins at what the one before settles
    to, so that none needs its neighbours. Raises `DataError` where the simulation settles elsewhere than at
    zero delay.
    """
    netlist = activity.netlist
    available = activity.cycles - 1
    cycles = min(cycles, available)
    gates = [gate for instance in netlist.instances for gate in _compiled(instance, timing)]
    fanout: dict[int, list[tuple[int, int]]] = {}
    for index, gate in enumerate(gates):
        for position, net in enumerate(gate.inputs):
            fanout.setdefault(net, []).append((index, position))
    driven = {gate.net for gate in gates}
    starts = _starts(netlist, timing)
    timed, settled = [0] * netlist.net_count, [0] * netlist.net_count
    for cycle in (1 + k * available // cycles for k in range(cycles)):
        value, wanted = (
            [(wave >> number * activity.streams) & 1 for wave in activity.waves]
            for number in (cycle - 1, cycle)
        )
        state = [_input_bits(gate, value) for gate in gates]
        for net, (old, new) in enumerate(zip(value, wanted, strict=True)):
            settled[net] += old != new
        changes = [
            (starts.get(net, (0.0, 0.0))[FALL if old else RISE], net)
            for net, (old, new) in enumerate(zip(value, wanted, strict=True))
            if old != new and net not in driven and net in fanout
        ]
        _settle(gates, fanout, state, value, timed, changes)
        for net in driven:
            if value[net] != wanted[net]:
                raise DataError(
                    f"block '{netlist.name}': net {net} settles to {value[net]} with cell delays and to "
                    f"{wanted[net]} without, in cycle {cycle}"
                )
        for net in range(netlist.net_count):
            if net not in driven:
                timed[net] += value[net] != wanted[net]
    return Glitches(netlist, cycles, tuple(timed), tuple(settled))


def _settle(
    gates: list[_Gate],
    fanout: dict[int, list[tuple[int, int]]],
    state: list[int],
    value: list[int],
    timed: list[int],
    changes: list[tuple[float, int]],
) -> None:
    """Let one cycle's changes run through the gates; counts the changes of gate outputs in `timed`.

    An output has at most one change under way; a newer one of the other value takes its place (inertia).
    """
    # An event: time, a number that settles ties, net, the gate that makes it (-1: register or input).
    queue: list[tuple[float, int, int, int]] = [(time, k, net, -1) for k, (time, net) in enumerate(changes)]
    heapq.heapify(queue)
    number = len(queue)
    underway: dict[int, int] = {}
    while queue:
        time, serial, net, maker = heapq.heappop(queue)
        if maker >= 0:
            if underway.get(maker) != serial:
                continue
            del underway[maker]
            value[net] ^= 1
            timed[net] += 1
        for index, position in fanout.get(net, ()):
            state[index] ^= 1 << position
            gate = gates[index]
            following = gate.table[state[index]]
            if following == value[gate.net]:
                underway.pop(index, None)
            elif index not in underway:
                delay = gate.delays[position][RISE if following else FALL]
                underway[index] = number
                heapq.heappush(queue, (time + delay, number, gate.net, index))
                number += 1


def _compiled(instance: Instance, timing: Timing) -> list[_Gate]:
    if not instance.cell.is_combinational:
        return []
    gates = []
    for pin in instance.cell.outputs:
        net = instance.nets.get(pin.name)
        if net is None or pin.function is None:
            continue
        names = pin.function.names
        table = tuple(
            pin.function(1, *[(word >> position) & 1 for position in range(len(names))])
            for word in range(1 << len(names))
        )
        found = arc_delays(instance, pin, timing)
        inputs = tuple(instance.nets.get(name, 0) for name in names)
        gates.append(_Gate(net, inputs, table, tuple(found.get(name, (0.0, 0.0)) for name in names)))
    return gates


def _input_bits(gate: _Gate, value: list[int]) -> int:
    return sum(value[net] << position for position, net in enumerate(gate.inputs))


def _starts(netlist: Netlist, timing: Timing) -> dict[int, tuple[float, float]]:
    """When the outputs of registers change after the clock's edge, at a rise and at a fall."""
    return {
        net: timing.arrival[net]
        for instance in netlist.instances
        if instance.cell.flip_flop is not None
        for pin in instance.cell.outputs
        if (net := instance.nets.get(pin.name)) is not None
    }
