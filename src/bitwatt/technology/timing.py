"""Static timing over liberty's NLDM tables: arrival times and transition times of every net.

Assumptions, which are OpenSTA's without constraints: ideal clock; inputs arrive at time 0 with a transition
time of 0; wires are the capacitance of the library's own default wire load model (no layout exists yet),
their resistance left out; each net takes the worst arrival and the worst transition of all its arcs,
conditional arcs included.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from bitwatt.technology.cells import Pin, TimingArc
from bitwatt.technology.lookup import LookupTable
from bitwatt.technology.netlist import Instance, Netlist, evaluation_order

RISE, FALL = 0, 1
_CLOCK_TO_OUTPUT = "rising_edge"
_SETUP = "setup_rising"
_COMBINATIONAL = ("combinational", "combinational_rise", "combinational_fall")


@dataclass(frozen=True)
class Timing:
    """Timing of a block, in the library's units but for `delay_s`.

    `arrival` and `slew` give for each net the pair (rise, fall); `load` likewise the capacitance
    on it.
    `delay_s` is the shortest clock period that the block allows: the longest path from register or input to
    register (its setup time included) or output. `critical_net` is where that path ends.
    """

    delay_s: float
    critical_net: int
    arrival: tuple[tuple[float, float], ...] = field(repr=False)
    slew: tuple[tuple[float, float], ...] = field(repr=False)
    load: tuple[tuple[float, float], ...] = field(repr=False)


def analyze_timing(netlist: Netlist) -> Timing:
    """Propagate arrivals and transitions through a netlist."""
    load = net_loads(netlist)
    arrival = [(0.0, 0.0)] * netlist.net_count
    slew = [(0.0, 0.0)] * netlist.net_count
    groups = evaluation_order(netlist)
    members = [index for group in groups for index in group]
    # A register's output starts at the clock, so all of them come first; then the logic between them.
    registers = [i for i in members if netlist.instances[i].cell.flip_flop is not None]
    for index in registers + [i for i in members if netlist.instances[i].cell.flip_flop is None]:
        _propagate(netlist.instances[index], netlist.clock_nets, arrival, slew, load)
    delay, critical = 0.0, 0
    for instance in netlist.instances:
        for pin in instance.cell.inputs:
            net = instance.nets.get(pin.name, 0)
            for arc in pin.timing_arcs:
                if arc.kind == _SETUP and net > 1:
                    path = _setup_path(arc, arrival[net], slew[net])
                    delay, critical = max((delay, critical), (path, net))
    for port in netlist.ports.values():
        if port.direction == "output":
            for net in port.nets:
                delay, critical = max((delay, critical), (max(arrival[net]), net))
    return Timing(delay * netlist.library.time_s, critical, tuple(arrival), tuple(slew), load)


def net_loads(netlist: Netlist) -> tuple[tuple[float, float], ...]:
    """The capacitance on each net, its wire and its pins, at a rising and a falling edge (library's unit).

    The wire comes from the library's default wire load model by fan-out, an output port counting as one pin;
    a library without one has wires of no capacitance. What an output port drives outside is not here: whoever
    receives it counts its own input pins.
    """
    library = netlist.library
    rise, fall, fanout = [0.0] * netlist.net_count, [0.0] * netlist.net_count, [0] * netlist.net_count
    for net, sinks in netlist.sinks.items():
        pins = [netlist.instances[index].cell.pins[pin] for index, pin in sinks]
        rise[net] = sum(pin.rise_capacitance for pin in pins)
        fall[net] = sum(pin.fall_capacitance for pin in pins)
        fanout[net] = len(pins)
    for port in netlist.ports.values():
        for net in port.nets:
            fanout[net] += port.direction == "output"
    model = library.default_wire_load
    wires = {n: library.wire_capacitance(model, n) if model is not None else 0.0 for n in set(fanout)}
    return tuple((up + wires[n], down + wires[n]) for up, down, n in zip(rise, fall, fanout, strict=True))


def _propagate(
    instance: Instance,
    clock_nets: frozenset[int],
    arrival: list[tuple[float, float]],
    slew: list[tuple[float, float]],
    load: tuple[tuple[float, float], ...],
) -> None:
    for pin in instance.cell.outputs:
        net = instance.nets.get(pin.name)
        if net is None or net in clock_nets:
            continue
        worst = [0.0, 0.0]
        steepest = [0.0, 0.0]
        for arc in pin.timing_arcs:
            if arc.kind not in (*_COMBINATIONAL, _CLOCK_TO_OUTPUT):
                continue
            for related in arc.related_pins:
                source = instance.nets.get(related, 0)
                if source <= 1:
                    continue
                for edge, delay, transition in _edges(arc):
                    for start in _causes(arc, edge):
                        given = slew[source][start]
                        time = arrival[source][start] + delay.at(given, load[net][edge])
                        worst[edge] = max(worst[edge], time)
                        steepest[edge] = max(steepest[edge], transition.at(given, load[net][edge]))
        arrival[net] = (worst[RISE], worst[FALL])
        slew[net] = (steepest[RISE], steepest[FALL])


def arc_delays(instance: Instance, pin: Pin, timing: Timing) -> dict[str, tuple[float, float]]:
    """The delays from each input pin to an output at its rise and its fall, in the library's unit of time.

    The longest of the arcs that can cause the edge, for the transition times and the load of `timing`.
    """
    load = timing.load[instance.nets[pin.name]]
    delays: dict[str, tuple[float, float]] = {}
    for arc in pin.timing_arcs:
        if arc.kind not in _COMBINATIONAL:
            continue
        for related in arc.related_pins:
            slew = timing.slew[instance.nets.get(related, 0)]
            longest = list(delays.get(related, (0.0, 0.0)))
            for edge, delay, _ in _edges(arc):
                for start in _causes(arc, edge):
                    longest[edge] = max(longest[edge], delay.at(slew[start], load[edge]))
            delays[related] = (longest[RISE], longest[FALL])
    return delays


def _edges(arc: TimingArc) -> list[tuple[int, LookupTable, LookupTable]]:
    """For each edge the arc can cause its delay and transition tables."""
    edges = []
    for edge, word in ((RISE, "rise"), (FALL, "fall")):
        delay, transition = arc.tables.get(f"cell_{word}"), arc.tables.get(f"{word}_transition")
        if delay is not None and transition is not None:
            edges.append((edge, delay, transition))
    return edges


def _causes(arc: TimingArc, edge: int) -> tuple[int, ...]:
    """The edges of the related pin that can cause `edge` at the output."""
    if arc.kind == _CLOCK_TO_OUTPUT:
        return (RISE,)
    if arc.sense == "positive_unate":
        return (edge,)
    return (1 - edge,) if arc.sense == "negative_unate" else (RISE, FALL)


def _setup_path(arc: TimingArc, arrival: tuple[float, float], slew: tuple[float, float]) -> float:
    """Arrival at a register's input plus its setup time against an ideal clock edge."""
    longest = 0.0
    for edge, table in ((RISE, arc.tables.get("rise_constraint")), (FALL, arc.tables.get("fall_constraint"))):
        if table is not None:
            point = [0.0 if variable.startswith("related") else slew[edge] for variable in table.variables]
            longest = max(longest, arrival[edge] + table.interpolate(*point))
    return longest
