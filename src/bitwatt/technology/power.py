"""Power of a netlist from what its nets did: liberty's internal energy, switching of loads, leakage by state.

For every transition of an output the energy of one of its power arcs counts; where several arcs could have
caused it (their inputs changed in the same cycle and their `when` holds) it is shared between them by how
often each could. Every transition of an input pin adds that pin's own internal energy where the library gives
one. Each transition of a net also takes half of C V^2. Leakage is each state's, weighted by how long it
lasts.

Assumptions: zero delay, so no glitches; transition times and loads as in `timing.py`; where a condition names
the clock, it is up for half the time; a block's outputs drive nothing outside, and its inputs' loads are its
own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from bitwatt.technology.activity import Activity
from bitwatt.technology.boolean import Expression
from bitwatt.technology.cells import Pin, PowerArc
from bitwatt.technology.lookup import LookupTable
from bitwatt.technology.netlist import Instance
from bitwatt.technology.timing import FALL, RISE, Timing


@dataclass(frozen=True)
class InstancePower:
    """One cell: energy a cycle inside it, in the loads it switches, and of its clock pins; leakage."""

    internal_j: float
    switching_j: float
    clock_j: float
    leakage_w: float


@dataclass(frozen=True)
class BlockPower:
    """Mean energy a cycle of a block, in joules, and its leakage.

    `combinational_j` and `register_j` are the cells' internal and switching energies that come of data;
    `clock_j` is that of registers' clock pins and of clock gates, and is spent whether data change or not.
    `input_net_j` and `clock_net_j` charge the nets of the data inputs and of the clock port: the pins and
    wires on them lie in this block, though their drivers lie outside.
    """

    combinational_j: float
    register_j: float
    clock_j: float
    input_net_j: float
    clock_net_j: float
    leakage_w: float
    instances: tuple[InstancePower, ...] = field(repr=False)

    @property
    def data_j(self) -> float:
        """Energy a cycle that depends on the operands."""
        return self.combinational_j + self.register_j + self.input_net_j

    @property
    def clocking_j(self) -> float:
        """Energy of each clock cycle, whatever the operands."""
        return self.clock_j + self.clock_net_j

    @property
    def cells_j(self) -> float:
        """Energy a cycle of the cells alone, without the nets driven from outside: what OpenSTA reports."""
        return self.combinational_j + self.register_j + self.clock_j


def block_power(activity: Activity, timing: Timing) -> BlockPower:
    """The power of the netlist that `activity` was played through; `timing` is the same netlist's."""
    netlist = activity.netlist
    instances = tuple(_instance_power(instance, activity, timing) for instance in netlist.instances)
    combinational = register = clock = 0.0
    for instance, power in zip(netlist.instances, instances, strict=True):
        data = power.internal_j + power.switching_j
        clock += power.clock_j
        if instance.cell.flip_flop is not None:
            register += data
        elif instance.cell.clock_gate is not None:
            clock += data
        else:
            combinational += data
    inputs = 0.0
    for port in netlist.ports.values():
        if port.direction == "input" and port.name != netlist.clock:
            inputs += sum(_net_energy(net, activity, timing) for net in port.nets)
    clock_nets = netlist.ports[netlist.clock].nets if netlist.clock else ()
    return BlockPower(
        combinational_j=combinational,
        register_j=register,
        clock_j=clock,
        input_net_j=inputs,
        clock_net_j=sum(_net_energy(net, activity, timing) for net in clock_nets),
        leakage_w=sum(power.leakage_w for power in instances),
        instances=instances,
    )


def _instance_power(instance: Instance, activity: Activity, timing: Timing) -> InstancePower:
    library = activity.netlist.library
    internal = clock = switching = 0.0
    for pin in instance.cell.outputs:
        net = instance.nets.get(pin.name)
        if net is not None:
            internal += _output_energy(instance, pin, net, activity, timing)
            switching += _net_energy(net, activity, timing)
    for pin in instance.cell.inputs:
        net = instance.nets.get(pin.name, 0)
        energy = _input_energy(instance, pin, net, activity, timing)
        if net in activity.netlist.clock_nets:
            clock += energy
        else:
            internal += energy
    scale = library.energy_j / activity.transitions
    return InstancePower(internal * scale, switching, clock * scale, _leakage(instance, activity))


def _net_energy(net: int, activity: Activity, timing: Timing) -> float:
    """Joules a cycle to charge and discharge a net."""
    library = activity.netlist.library
    charge = sum(mask.bit_count() * timing.load[net][edge] for edge, mask in _transitions(net, activity))
    return 0.5 * charge * library.capacitance_f * library.voltage_v**2 / activity.transitions


def _transitions(net: int, activity: Activity) -> Iterator[tuple[int, int]]:
    """For each edge the cycles in which the net makes it; a clock makes both unless it is gated off."""
    if net in activity.netlist.clock_nets:
        yield RISE, activity.settled[net]
        yield FALL, activity.settled[net]
    else:
        changed, after = activity.changed[net], activity.settled[net]
        yield RISE, changed & after
        yield FALL, changed & ~after


def _output_energy(instance: Instance, pin: Pin, net: int, activity: Activity, timing: Timing) -> float:
    """Energy (library's unit, all cycles) of an output's transitions, supply by supply."""
    energy = 0.0
    for supply in {arc.supply for arc in pin.power_arcs}:
        arcs = [arc for arc in pin.power_arcs if arc.supply == supply]
        for edge, mask in _transitions(net, activity):
            if mask:
                chances = [
                    _count(_caused(arc, instance, mask, activity), arc.when, instance, activity)
                    for arc in arcs
                ]
                if not any(chances):
                    chances = [1.0] * len(arcs)
                shared = sum(
                    chance * _arc_energy(arc, instance, pin, net, edge, timing)
                    for arc, chance in zip(arcs, chances, strict=True)
                    if chance
                )
                energy += mask.bit_count() * shared / sum(chances)
    return energy


def _caused(arc: PowerArc, instance: Instance, mask: int, activity: Activity) -> int:
    """Those of the output's transitions in which one of the arc's inputs changed (or clocked the cell)."""
    changed = 0
    for related in arc.related_pins:
        net = instance.nets.get(related, 0)
        changed |= mask if net in activity.netlist.clock_nets else activity.changed[net]
    return mask & changed if arc.related_pins else mask


def _arc_energy(arc: PowerArc, instance: Instance, pin: Pin, net: int, edge: int, timing: Timing) -> float:
    table = arc.rise if edge == RISE else arc.fall
    if table is None:
        return 0.0
    slews = [
        timing.slew[instance.nets.get(related, 0)][start]
        for related in arc.related_pins
        for start in _starts(pin, related, edge)
    ]
    return table.at(sum(slews) / len(slews) if slews else 0.0, timing.load[net][edge])


def _starts(pin: Pin, related: str, edge: int) -> tuple[int, ...]:
    """The edges of the related pin that can cause `edge`, by the timing arcs between the two pins."""
    senses = {arc.sense for arc in pin.timing_arcs if related in arc.related_pins}
    if senses == {"positive_unate"}:
        return (edge,)
    return (1 - edge,) if senses == {"negative_unate"} else (RISE, FALL)


def _input_energy(instance: Instance, pin: Pin, net: int, activity: Activity, timing: Timing) -> float:
    """Energy (library's unit, all cycles) that an input pin's own transitions cost inside the cell."""
    energy = 0.0
    for edge, mask in _transitions(net, activity) if pin.power_arcs and net > 1 else ():
        for arc in pin.power_arcs:
            table: LookupTable | None = arc.rise if edge == RISE else arc.fall
            if table is not None:
                energy += _count(mask, arc.when, instance, activity) * table.at(timing.slew[net][edge], 0.0)
    return energy


def _leakage(instance: Instance, activity: Activity) -> float:
    """Watts: each state's leakage by its share of time; the cell's own figure where no state is given."""
    everything = (1 << activity.transitions) - 1
    leakage, covered = 0.0, 0.0
    for state in instance.cell.leakage_states:
        share = _count(everything, state.when, instance, activity) / activity.transitions
        leakage += share * state.power
        covered += share
    leakage += max(1.0 - covered, 0.0) * instance.cell.leakage
    return leakage * activity.netlist.library.leakage_w


def _count(mask: int, when: Expression | None, instance: Instance, activity: Activity) -> float:
    """How many of the cycles in `mask` meet a condition; the clock counts as up for half of each."""
    if when is None:
        return float(mask.bit_count())
    everything = (1 << activity.transitions) - 1
    flip_flop = instance.cell.flip_flop
    clocks = {flip_flop.clocked_on.single_pin()} if flip_flop is not None else set()
    if instance.cell.clock_gate is not None:
        clocks = {instance.cell.clock_gate.clock}
    levels = (0, everything) if clocks & set(when.names) else (0,)
    held = 0
    for level in levels:
        operands = [
            level if name in clocks else activity.settled[instance.nets.get(name, 0)] for name in when.names
        ]
        held += (when(everything, *operands) & mask).bit_count()
    return held / len(levels)
