"""OpenSTA's formula for a cell's internal power, written down again, to trace where it differs from ours.

From the source of the version of Debian 12 (search/Power.cc at commit b246217, November 2019), with the two
changes that versions since 2020 made as choices: an output's rise and fall energies are averaged, and its
transition is shared between the arcs that could have caused it. Probabilities of a cell's pins count as
independent, in all versions.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from bitwatt.technology.activity import Activity
from bitwatt.technology.cells import Pin, PowerArc
from bitwatt.technology.netlist import Instance
from bitwatt.technology.timing import Timing

#: An expression: a pin's name or a constant, or an operator with its operands.
Tree: TypeAlias = "str | tuple[str, Tree] | tuple[str, Tree, Tree]"


@dataclass(frozen=True)
class InternalPower:
    """The formula, on an activity and transition times of ours.

    edges_averaged, arcs_shared: as since 2020; both False: as in 2019. ignored_in_conditions: pins whose
    literals count as met, for flip-flops, whose two outputs are opposites and not independent.
    """

    activity: Activity
    timing: Timing
    edges_averaged: bool
    arcs_shared: bool
    ignored_in_conditions: tuple[str, ...] = ()

    def watts(self, instance: Instance, clock_hz: float) -> float:
        """The internal power of one cell, in W."""
        energy = sum(self._pin_energy(instance, pin) for pin in instance.cell.pins.values())
        return energy * self.activity.netlist.library.energy_j * clock_hz

    def _toggles(self, instance: Instance, pin: str) -> float:
        return self.activity.toggles_per_cycle(instance.nets[pin])

    def _pin_energy(self, instance: Instance, pin: Pin) -> float:
        rows = [
            (self._duty(instance, arc, pin), self._arc_energy(instance, arc, pin)) for arc in pin.power_arcs
        ]
        whole = sum(duty for duty, _ in rows) if self.arcs_shared and pin.direction == "output" else 1.0
        if not whole:
            return 0.0
        return self._toggles(instance, pin.name) * sum(duty * energy for duty, energy in rows) / whole

    def _arc_energy(self, instance: Instance, arc: PowerArc, pin: Pin) -> float:
        related = arc.related_pins[0] if arc.related_pins else pin.name
        load = max(self.timing.load[instance.nets[pin.name]]) if pin.direction == "output" else 0.0
        senses = {a.sense for a in pin.timing_arcs if related in a.related_pins}
        energy = 0.0
        for edge, table in enumerate((arc.rise, arc.fall)):
            cause = 1 - edge if self.edges_averaged and senses == {"negative_unate"} else edge
            if table is not None:
                energy += table.at(self.timing.slew[instance.nets[related]][cause], load)
        return energy / 2 if self.edges_averaged else energy

    def _duty(self, instance: Instance, arc: PowerArc, pin: Pin) -> float:
        """How often the arc counts at a change of the pin."""
        related = arc.related_pins[0] if arc.related_pins else None
        function = _tree(pin.function.text) if pin.function is not None else None
        ones = {name: self.activity.share_of_ones(net) for name, net in instance.nets.items()}
        sensitive = None
        if related is not None and function is not None:
            if self.arcs_shared:
                if related in _names(function):
                    high, low = (self._probability(function, ones | {related: v}) for v in (1.0, 0.0))
                    sensitive = high * (1 - low) + low * (1 - high)
            elif arc.when is None:
                inferred = _other_operand(function, related)
                sensitive = self._probability(inferred, ones) if inferred is not None else None
        if sensitive is not None and related is not None:
            toggles = self._toggles(instance, pin.name)
            return self._toggles(instance, related) * sensitive / toggles if toggles else 0.0
        if arc.when is not None:
            return self._probability(_tree(arc.when.text), ones)
        clocked = instance.nets[related or pin.name] in self.activity.netlist.clock_nets
        return 1.0 if clocked else 0.5

    def _probability(self, node: Tree, ones: Mapping[str, float]) -> float:
        if isinstance(node, str):
            return {"0": 0.0, "1": 1.0}.get(node) or ones.get(node, 0.0)
        operator, *operands = node
        if operator == "!":
            return (
                1.0
                if operands[0] in self.ignored_in_conditions
                else 1.0 - self._probability(operands[0], ones)
            )
        left, right = (
            1.0 if operand in self.ignored_in_conditions else self._probability(operand, ones)
            for operand in operands
        )
        both = left * right
        return {"&": both, "|": left + right - both, "^": left + right - 2 * both}[operator]


def _tree(text: str) -> Tree:
    """An expression as nested tuples, operators of one strength grouped from the left."""
    tokens: list[str] = re.findall(r"\w+|[!&|^()]", text)

    def chain(operator: str, below: Callable[[], Tree]) -> Tree:
        node = below()
        while tokens and tokens[0] == operator:
            node = (tokens.pop(0), node, below())
        return node

    def atom() -> Tree:
        token = tokens.pop(0)
        if token == "!":
            return ("!", atom())
        if token == "(":
            inner = either()
            tokens.pop(0)
            return inner
        return token

    def exclusive() -> Tree:
        return chain("^", atom)

    def both() -> Tree:
        return chain("&", exclusive)

    def either() -> Tree:
        return chain("|", both)

    return either()


def _names(node: Tree) -> set[str]:
    return {node} if isinstance(node, str) else set().union(*(_names(operand) for operand in node[1:]))


def _other_operand(node: Tree, pin: str) -> Tree | None:
    """The 2019 version's guess of when an output follows a pin: the other operand of its operator."""
    if isinstance(node, str):
        return "1" if node == pin else None
    operator, *operands = node
    if operator == "!":
        return _other_operand(operands[0], pin)
    first, second = operands
    for side, other in ((first, second), (second, first)):
        if side in (pin, ("!", pin)):
            return other if operator == "&" else ("!", other)
    return None
