"""Our power and timing beside OpenSTA's, on one netlist with one activity, every difference traced.

The OpenSTA of Debian 12 is of November 2019. Its formula for internal power, written down again below from
its source (search/Power.cc at commit b246217), gives its report from our own activity and transition times;
where it differs from ours it is by the approximations that `bitwatt.technology.opensta` names.
"""

from __future__ import annotations

import re

import pytest

from bitwatt.technology.opensta import run_opensta
from bitwatt.technology.power import block_power

pytestmark = pytest.mark.eda
CLOCK_HZ = 250e6


@pytest.fixture(scope="module")
def report(opensta, multiplier):
    return run_opensta(multiplier.netlist, multiplier.synthesis.verilog, multiplier.activity, CLOCK_HZ)


@pytest.fixture(scope="module")
def power(multiplier):
    return block_power(multiplier.activity, multiplier.timing)


def test_delay(multiplier, report):
    """OpenSTA adds the resistance of the wire load model, a picosecond on this path."""
    assert multiplier.timing.delay_s == pytest.approx(1 / CLOCK_HZ - report.slack_s, rel=2e-3)


def test_switching_power_of_every_cell(multiplier, report):
    """Exact once the load is taken as OpenSTA takes it, at the larger of the two edges' capacitances."""
    netlist, timing, library = multiplier.netlist, multiplier.timing, multiplier.netlist.library
    for instance in netlist.instances:
        expected = 0.0
        for pin in instance.cell.outputs:
            net = instance.nets[pin.name]
            charge = max(timing.load[net]) * library.capacitance_f * library.voltage_v**2
            expected += 0.5 * charge * multiplier.activity.toggles_per_cycle(net) * CLOCK_HZ
        assert report.cells[instance.name].switching_w == pytest.approx(expected, rel=1e-4, abs=1e-12)


def test_switching_power_in_all(power, report):
    ours = sum(cell.switching_j for cell in power.instances) * CLOCK_HZ
    assert ours == pytest.approx(sum(cell.switching_w for cell in report.cells.values()), rel=0.03)


def test_leakage(power, report):
    """OpenSTA takes every state as equally likely; random operands come near that."""
    assert power.leakage_w == pytest.approx(sum(cell.leakage_w for cell in report.cells.values()), rel=0.03)


def test_the_2019_formula_gives_the_report(multiplier, report):
    for instance in multiplier.netlist.instances:
        expected = Formula(instance, multiplier, edges_averaged=False, arcs_shared=False).watts()
        # Transition times differ by the wire's resistance, which ours leaves out.
        assert report.cells[instance.name].internal_w == pytest.approx(expected, rel=5e-3, abs=1e-10)


def test_combinational_cells_are_within_3_percent_of_the_formula_since_2020(multiplier, power):
    ours = theirs = 0.0
    for instance, cell in zip(multiplier.netlist.instances, power.instances, strict=True):
        if instance.cell.is_combinational:
            ours += cell.internal_j * CLOCK_HZ
            theirs += Formula(instance, multiplier, edges_averaged=True, arcs_shared=True).watts()
    assert ours == pytest.approx(theirs, rel=0.03)


def test_registers_are_within_3_percent_once_opposite_outputs_count_as_opposite(multiplier, power):
    ours = theirs = independent = 0.0
    for instance, cell in zip(multiplier.netlist.instances, power.instances, strict=True):
        if instance.cell.flip_flop is not None:
            ours += (cell.internal_j + cell.clock_j) * CLOCK_HZ
            formula = Formula(instance, multiplier, edges_averaged=True, arcs_shared=True)
            independent += formula.watts()
            theirs += Formula(
                instance, multiplier, edges_averaged=True, arcs_shared=True, ignored_in_conditions=("QN",)
            ).watts()
    assert ours == pytest.approx(theirs, rel=0.03)
    assert independent < 0.75 * ours


class Formula:
    """OpenSTA's internal power of one cell, from our activity, transition times and loads."""

    def __init__(self, instance, block, *, edges_averaged, arcs_shared, ignored_in_conditions=()):
        self.instance, self.block = instance, block
        self.edges_averaged, self.arcs_shared = edges_averaged, arcs_shared
        self.toggles = {pin: block.activity.toggles_per_cycle(net) for pin, net in instance.nets.items()}
        self.ones = {pin: block.activity.share_of_ones(net) for pin, net in instance.nets.items()}
        self.ignored = ignored_in_conditions

    def watts(self):
        energy = sum(self.pin_energy(pin) for pin in self.instance.cell.pins.values())
        return energy * self.block.netlist.library.energy_j * CLOCK_HZ

    def pin_energy(self, pin):
        rows = [(self.duty(arc, pin), self.arc_energy(arc, pin)) for arc in pin.power_arcs]
        whole = sum(duty for duty, _ in rows) if self.arcs_shared and pin.direction == "output" else 1.0
        return self.toggles[pin.name] * sum(duty * energy for duty, energy in rows) / whole if whole else 0.0

    def arc_energy(self, arc, pin):
        timing = self.block.timing
        related = arc.related_pins[0] if arc.related_pins else pin.name
        load = max(timing.load[self.instance.nets[pin.name]]) if pin.direction == "output" else 0.0
        senses = {a.sense for a in pin.timing_arcs if related in a.related_pins}
        energy = 0.0
        for edge, table in enumerate((arc.rise, arc.fall)):
            cause = 1 - edge if self.edges_averaged and senses == {"negative_unate"} else edge
            energy += table.at(timing.slew[self.instance.nets[related]][cause], load)
        return energy / 2 if self.edges_averaged else energy

    def duty(self, arc, pin):
        """How often the arc counts at a change of the pin, its cell's pins taken as independent."""
        related = arc.related_pins[0] if arc.related_pins else None
        function = tree(pin.function.text) if pin.function is not None else None
        sensitive = None
        if related is not None and function is not None:
            if self.arcs_shared:
                sensitive = self.sensitivity(function, related) if related in names(function) else None
            elif arc.when is None:
                inferred = other_operand(function, related)
                sensitive = self.probability(inferred) if inferred is not None else None
        if sensitive is not None:
            return (
                self.toggles[related] * sensitive / self.toggles[pin.name] if self.toggles[pin.name] else 0.0
            )
        if arc.when is not None:
            return self.probability(tree(arc.when.text))
        clocked = self.instance.nets[related or pin.name] in self.block.netlist.clock_nets
        return 1.0 if clocked else 0.5

    def probability(self, node, fixed=None):
        if isinstance(node, str):
            constants = {"0": 0.0, "1": 1.0} | (fixed or {})
            return constants.get(node, self.ones.get(node))
        if node[0] == "!":
            if node[1] in self.ignored:
                return 1.0
            return 1.0 - self.probability(node[1], fixed)
        left, right = (1.0 if n in self.ignored else self.probability(n, fixed) for n in node[1:])
        return {"&": left * right, "|": left + right - left * right,
                "^": left + right - 2 * left * right}[node[0]]  # fmt: skip

    def sensitivity(self, function, pin):
        """The probability that the function's value differs between the pin's two values."""
        high, low = (self.probability(function, {pin: value}) for value in (1.0, 0.0))
        return high * (1 - low) + low * (1 - high)


def tree(text):
    """An expression as nested tuples, operators of one strength grouped from the left."""
    tokens = re.findall(r"\w+|[!&|^()]", text)

    def chain(operator, below):
        node = below()
        while tokens and tokens[0] == operator:
            node = (tokens.pop(0), node, below())
        return node

    def atom():
        token = tokens.pop(0)
        if token == "!":
            return ("!", atom())
        if token == "(":
            node = either()
            tokens.pop(0)
            return node
        return token

    def either():
        return chain("|", lambda: chain("&", lambda: chain("^", atom)))

    return either()


def names(node):
    return {node} if isinstance(node, str) else set().union(*(names(operand) for operand in node[1:]))


def other_operand(node, pin):
    """The 2019 version's guess of when an output follows a pin: the other operand of its operator."""
    if isinstance(node, str):
        return "1" if node == pin else None
    if node[0] == "!":
        return other_operand(node[1], pin)
    for side, other in ((node[1], node[2]), (node[2], node[1])):
        if side in (pin, ("!", pin)):
            return other if node[0] == "&" else ("!", other)
    return None
