"""Plays operands through a mapped netlist and keeps what every net did: zero delay, many cycles in a word.

A net's whole history is one Python integer, its *wave*: bit `cycle * streams + stream` is the net's settled
value in that cycle of that stream. Logic is then one bitwise operation on integers of thousands of bits, and
a register is a shift by `streams` bits, so a pipeline of any depth is simulated in one pass. A register that
reads itself (a bit of an accumulator, a memory cell) takes a logarithm of the cycles more; only registers
that read each other in a ring are stepped cycle by cycle, all streams at once.

Zero delay means that glitches are not seen: each net changes at most once a cycle.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from bitwatt.errors import DataError, RequestError
from bitwatt.technology.boolean import Expression, parse_expression
from bitwatt.technology.cells import FlipFlop
from bitwatt.technology.netlist import Instance, Netlist, evaluation_order
from bitwatt.technology.stimulus import check_stimulus, cut_wave, join_wave, pack_bits, unpack_bits


@dataclass(frozen=True)
class Activity:
    """What every net of a netlist did during `cycles` cycles of `streams` independent streams."""

    netlist: Netlist
    cycles: int
    streams: int
    waves: tuple[int, ...] = field(repr=False)

    @property
    def transitions(self) -> int:
        """How many pairs of neighbouring cycles were seen: the divisor of every figure a cycle."""
        return (self.cycles - 1) * self.streams

    @cached_property
    def settled(self) -> tuple[int, ...]:
        """The waves from the second cycle on: the state after each transition."""
        return tuple(wave >> self.streams for wave in self.waves)

    @cached_property
    def changed(self) -> tuple[int, ...]:
        """For each net the transitions at which it changed, a bit each."""
        mask = (1 << self.transitions) - 1
        return tuple((wave & mask) ^ after for wave, after in zip(self.waves, self.settled, strict=True))

    def toggles_per_cycle(self, net: int) -> float:
        """How often the net changes in a cycle; a clock net twice in each cycle that is not gated off."""
        if net in self.netlist.clock_nets:
            return 2.0 * self.settled[net].bit_count() / self.transitions
        return self.changed[net].bit_count() / self.transitions

    def share_of_ones(self, net: int) -> float:
        """The share of time the net is 1; a clock net is up for half of each cycle that is not gated off."""
        share = self.settled[net].bit_count() / self.transitions
        return share / 2 if net in self.netlist.clock_nets else share

    def values(self, port: str) -> npt.NDArray[np.object_]:
        """The unsigned values of a port, (streams, cycles), as Python integers."""
        total = np.zeros((self.streams, self.cycles), dtype=object)
        for position, net in enumerate(self.netlist.ports[port].nets):
            bits = unpack_bits(self.waves[net], self.cycles, self.streams)
            total += bits.T.astype(object) << position
        return total


def simulate(netlist: Netlist, stimulus: Mapping[str, npt.NDArray[Any]], *, warmup: int = 0) -> Activity:
    """Play a stimulus through a netlist.

    `stimulus` gives each input port but the clock its value in each cycle, as integers of shape (cycles,) or
    (streams, cycles); negative values are two's complement. The first `warmup` cycles are played and left out
    of the activity. Raises `RequestError` for a port that is missing, unknown or given values it cannot hold,
    and for shapes that differ or leave fewer than two cycles.
    """
    inputs = check_stimulus(netlist, stimulus)
    streams, cycles = next(iter(inputs.values())).shape
    if cycles - warmup < 2:
        raise RequestError(
            f"block '{netlist.name}': the stimulus must leave at least 2 cycles after {warmup} of "
            f"warm-up, got {cycles} in all"
        )
    waves = _Waves(netlist, streams, cycles)
    for name, values in inputs.items():
        for position, net in enumerate(netlist.ports[name].nets):
            waves.value[net] = pack_bits((values.T >> position) & 1)
    for group in evaluation_order(netlist):
        first, *others = (netlist.instances[index] for index in group)
        _check_asynchronous((first, *others))
        if first.cell.flip_flop is None:
            waves.evaluate(first)
        elif any(other.cell.flip_flop is not None for other in others):
            waves.step((first, *others))
        else:
            waves.solve(first, first.cell.flip_flop, tuple(others))
    drop = warmup * streams
    return Activity(netlist, cycles - warmup, streams, tuple(wave >> drop for wave in waves.value))


class _Waves:
    """The waves under construction, net by net."""

    def __init__(self, netlist: Netlist, streams: int, cycles: int) -> None:
        self.netlist = netlist
        self.streams = streams
        self.cycles = cycles
        self.ones = (1 << (streams * cycles)) - 1
        self.value = [0] * netlist.net_count
        self.value[1] = self.ones
        for port in netlist.ports.values():
            if port.name == netlist.clock:
                self.value[port.nets[0]] = self.ones

    def evaluate(self, instance: Instance) -> None:
        """The whole waves of a combinational instance's outputs, from those of its inputs."""
        for net, function, operands in _logic(instance):
            self.value[net] = function(self.ones, *(self.value[n] for n in operands))

    def solve(self, register: Instance, flip_flop: FlipFlop, logic: tuple[Instance, ...]) -> None:
        """The whole waves of one register and of the logic through which it reads itself.

        In each cycle the next state is a function of one bit, the state: its value at 0 and its value at 1
        are worked out for all cycles at once. The state is then the composition of all functions up to its
        cycle, taken in strides that double, so a loop costs a logarithm of the cycles.
        """
        ones, streams, nets = self.ones, self.streams, _pin_nets(register)
        initial = self._initial(register, (1 << streams) - 1)
        after: list[int] = []
        for state in (0, ones):
            _drive(register, flip_flop, state, nets, self.value, ones)
            for instance in logic:
                self.evaluate(instance)
            following = _next_state(register, flip_flop, state, nets, self.value, ones)
            keep = ones ^ _read(flip_flop.clear, nets, self.value, ones)
            force = _read(flip_flop.preset, nets, self.value, ones)
            following = (following | force) & keep
            after.append((((following << streams) & ones) | initial | force) & keep)
        at_zero, at_one = after
        stride = streams
        while at_zero != at_one:
            before_zero = (at_zero << stride) & ones
            before_one = ((at_one << stride) | ((1 << stride) - 1)) & ones
            differ = at_zero ^ at_one
            at_zero, at_one = at_zero ^ (differ & before_zero), at_zero ^ (differ & before_one)
            stride *= 2
        _drive(register, flip_flop, at_zero, nets, self.value, ones)
        for instance in logic:
            self.evaluate(instance)

    def step(self, group: tuple[Instance, ...]) -> None:
        """The waves of a loop's outputs, cycle by cycle: registers first, then the logic between them."""
        local = {net for i in group for pin in i.cell.outputs if (net := i.nets.get(pin.name)) is not None}
        outside = {net for i in group for net in _pin_nets(i).values()} - local
        rows = {net: cut_wave(self.value[net], self.cycles, self.streams) for net in outside}
        ones = (1 << self.streams) - 1
        now = [0] * self.netlist.net_count
        registers = [
            _Register(i, i.cell.flip_flop, self._initial(i, ones))
            for i in group
            if i.cell.flip_flop is not None
        ]
        logic = [operation for i in group if i.cell.flip_flop is None for operation in _logic(i)]
        history: dict[int, list[int]] = {net: [] for net in local}
        for cycle in range(self.cycles):
            for net, row in rows.items():
                now[net] = row[cycle]
            for register in registers:
                register.show(now, ones)
            for net, function, operands in logic:
                now[net] = function(ones, *[now[n] for n in operands])
            for register in registers:
                register.clock(now, ones)
            for net, past in history.items():
                past.append(now[net])
        for net, past in history.items():
            self.value[net] = join_wave(past, self.streams)

    def _initial(self, instance: Instance, ones: int) -> int:
        """A register's first state: `ones` where the RTL initialises its output to 1."""
        flip_flop = instance.cell.flip_flop
        for pin in instance.cell.outputs:
            if (
                flip_flop is not None
                and pin.function is not None
                and instance.nets.get(pin.name) in self.netlist.initial
            ):
                return ones if pin.function.single_pin() == flip_flop.state else 0
        return 0


class _Register:
    """One register while it is stepped."""

    def __init__(self, instance: Instance, flip_flop: FlipFlop, initial: int) -> None:
        self.instance = instance
        self.flip_flop = flip_flop
        self.state = initial
        self.nets = _pin_nets(instance)

    def show(self, now: list[int], ones: int) -> None:
        """Force what is asynchronous, then drive the outputs."""
        forced = self.state | _read(self.flip_flop.preset, self.nets, now, ones)
        self.state = forced & (ones ^ _read(self.flip_flop.clear, self.nets, now, ones))
        _drive(self.instance, self.flip_flop, self.state, self.nets, now, ones)

    def clock(self, now: list[int], ones: int) -> None:
        """Take the next state in the streams whose clock is not gated off."""
        self.state = _next_state(self.instance, self.flip_flop, self.state, self.nets, now, ones)


def _check_asynchronous(group: tuple[Instance, ...]) -> None:
    """Raise where a loop clears or presets one of its own registers at once: what it does is a race."""
    local = {instance.nets[pin.name] for instance in group for pin in instance.cell.outputs}
    for instance in group:
        flip_flop = instance.cell.flip_flop
        for expression in (flip_flop.clear, flip_flop.preset) if flip_flop is not None else ():
            if expression is not None and any(instance.nets.get(name) in local for name in expression.names):
                raise DataError(
                    f"register {instance.name} is cleared or preset asynchronously by a loop that it is "
                    f"part of; "
                    "do it synchronously"
                )


def _pin_nets(instance: Instance) -> dict[str, int]:
    """Every signal pin's net; a pin left open reads as constant 0."""
    return {pin: instance.nets.get(pin, 0) for pin in instance.cell.pins}


def _clock_net(instance: Instance) -> int:
    flip_flop = instance.cell.flip_flop
    return instance.nets.get((flip_flop and flip_flop.clocked_on.single_pin()) or "", 0)


def _logic(instance: Instance) -> list[tuple[int, Expression, list[int]]]:
    """For each output in use its net, its function and the nets that the function reads."""
    nets = _pin_nets(instance)
    gate = instance.cell.clock_gate
    operations = []
    for pin in instance.cell.outputs:
        # A clock gate's output stands for "the clock pulses in this cycle".
        function = parse_expression(f"{gate.clock} & ({' | '.join(gate.enables)})") if gate else pin.function
        if function is not None and pin.name in instance.nets:
            operations.append((nets[pin.name], function, [nets[name] for name in function.names]))
    return operations


def _read(expression: Expression | None, nets: Mapping[str, int], value: list[int], ones: int) -> int:
    return 0 if expression is None else expression(ones, *[value[nets[name]] for name in expression.names])


def _next_state(
    instance: Instance, flip_flop: FlipFlop, state: int, nets: Mapping[str, int], value: list[int], ones: int
) -> int:
    """A register's state after the coming clock edge, where its clock is not gated off."""
    states = {flip_flop.state: state, flip_flop.inverse: ones ^ state}
    names = flip_flop.next_state.names
    following = flip_flop.next_state(ones, *[states[n] if n in states else value[nets[n]] for n in names])
    enabled = value[_clock_net(instance)]
    return (following & enabled) | (state & (ones ^ enabled))


def _drive(
    instance: Instance, flip_flop: FlipFlop, state: int, nets: Mapping[str, int], value: list[int], ones: int
) -> None:
    """Put a register's outputs on their nets."""
    states = {flip_flop.state: state, flip_flop.inverse: ones ^ state}
    for pin in instance.cell.outputs:
        if pin.function is not None and pin.name in instance.nets:
            operands = [states[name] if name in states else value[nets[name]] for name in pin.function.names]
            value[nets[pin.name]] = pin.function(ones, *operands)
