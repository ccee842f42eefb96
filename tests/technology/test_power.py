"""Worked by hand in the tiny library: internal energy in 1e-14 J, loads in 10 fF at 2 V, leakage in uW."""

import numpy as np
import pytest

from bitwatt.technology.activity import simulate
from bitwatt.technology.netlist import read_netlist
from bitwatt.technology.power import block_power
from bitwatt.technology.timing import analyze_timing

UNIT_J = 1e-14
HALF_CV2_J = 0.5 * 1e-14 * 2.0**2  # of one unit of load


def power_of(text, library, clock, stimulus):
    netlist = read_netlist(text, "top", library, clock)
    activity = simulate(netlist, {port: np.array(values) for port, values in stimulus.items()})
    return block_power(activity, analyze_timing(netlist))


INVERTER = """{"modules": {"top": {"netnames": {}, "ports": {"a": {"direction": "input", "bits": [2]},
  "y": {"direction": "output", "bits": [4]}}, "cells": {
  "one": {"type": "INV", "connections": {"A": [2], "Z": [3]}},
  "two": {"type": "INV", "connections": {"A": [3], "Z": [4]}}}}}}"""


def test_two_inverters(tiny):
    # a: 0 1 1 0 1; four transitions: rise, none, fall, rise.
    power = power_of(INVERTER, tiny, None, {"a": [0, 1, 1, 0, 1]})
    one, two = power.instances
    assert one.internal_j == pytest.approx((2 * 1 + 1 * 7) * UNIT_J / 4)  # falls twice, rises once
    assert two.internal_j == pytest.approx((2 * 7 + 1 * 1) * UNIT_J / 4)
    assert one.switching_j == pytest.approx(3 * 2 * HALF_CV2_J / 4)  # it drives a pin of 2
    assert two.switching_j == 0.0  # the output port carries nothing of this block's
    assert power.input_net_j == pytest.approx(3 * 2 * HALF_CV2_J / 4)
    # After each transition a is 1 1 0 1: three quarters at 3, one at 1, and the other way round.
    assert one.leakage_w == pytest.approx((0.75 * 3 + 0.25 * 1) * 1e-6)
    assert two.leakage_w == pytest.approx((0.25 * 3 + 0.75 * 1) * 1e-6)
    assert (power.register_j, power.clock_j, power.clock_net_j) == (0, 0, 0)
    assert power.combinational_j == pytest.approx(sum(i.internal_j + i.switching_j for i in power.instances))


NAND = """{"modules": {"top": {"netnames": {}, "ports": {"a": {"direction": "input", "bits": [2]},
  "b": {"direction": "input", "bits": [3]}, "y": {"direction": "output", "bits": [4]}}, "cells": {
  "gate": {"type": "NAND2", "connections": {"A": [2], "B": [3], "Z": [4]}}}}}}"""


@pytest.mark.parametrize(
    ("a", "b", "energy"),
    [
        ([0, 1, 0], [1, 1, 1], 4 + 4),  # A alone makes the output change
        ([1, 1, 1], [0, 1, 0], 10 + 10),  # B alone
        ([0, 1, 0], [0, 1, 0], 7 + 7),  # both: shared between their arcs
        ([0, 1, 0], [0, 0, 0], 0),  # neither: the output stays
        ([0, 1, 1], [0, 1, 0], 7 + 10),  # falls by both, rises by B: each edge is shared on its own
    ],
)
def test_a_transition_is_shared_between_the_arcs_that_can_have_caused_it(tiny, a, b, energy):
    internal = power_of(NAND, tiny, None, {"a": a, "b": b}).instances[0].internal_j
    assert internal == pytest.approx(energy * UNIT_J / 2)


def test_loads_count_at_each_edge_its_own_capacitance(tiny):
    # A has 3 rising and 1 falling, B has 1; a rises and falls once.
    power = power_of(NAND, tiny, None, {"a": [0, 1, 0], "b": [0, 0, 0]})
    assert power.input_net_j == pytest.approx((3 + 1) * HALF_CV2_J / 2)
    assert power.leakage_w == pytest.approx(2e-6)  # no states given: the cell's own figure


REGISTER = """{"modules": {"top": {"netnames": {}, "ports": {"clk": {"direction": "input", "bits": [2]},
  "d": {"direction": "input", "bits": [3]}, "q": {"direction": "output", "bits": [4]}}, "cells": {
  "bit": {"type": "DFF", "connections": {"CK": [2], "D": [3], "Q": [4]}}}}}}"""


def test_a_register(tiny):
    # d: 0 1 1 0 0, q: 0 0 1 1 0; after the four transitions d is 1 1 0 0.
    power = power_of(REGISTER, tiny, "clk", {"d": [0, 1, 1, 0, 0]})
    # The clock rises and falls in each cycle: 3 each while D is 0, 5 while it is 1.
    assert power.clock_j == pytest.approx((2 * 2 * 3 + 2 * 2 * 5) * UNIT_J / 4)
    assert power.clock_net_j == pytest.approx(2 * 0.5 * HALF_CV2_J)
    # Q rises once (12) and falls once (8); D changes twice at 6, of which half with the clock down.
    assert power.register_j == pytest.approx((12 + 8 + 2 * 6 / 2) * UNIT_J / 4)
    assert power.input_net_j == pytest.approx(2 * 1 * HALF_CV2_J / 4)
    assert power.data_j == power.combinational_j + power.register_j + power.input_net_j
    assert power.clocking_j == power.clock_j + power.clock_net_j
    assert power.cells_j == pytest.approx(power.clock_j + power.register_j)
    assert power.leakage_w == pytest.approx(4e-6)


def test_still_operands_cost_the_clock_alone(tiny):
    power = power_of(REGISTER, tiny, "clk", {"d": [1, 1, 1]})
    assert power.data_j == pytest.approx((12 + 0) * UNIT_J / 2)  # Q rises once, after the first cycle
    still = power_of(REGISTER, tiny, "clk", {"d": [0, 0, 0]})
    assert still.data_j == 0.0
    assert still.clock_j == pytest.approx(2 * 3 * UNIT_J)


@pytest.mark.eda
def test_components_sum_to_the_cells(multiplier):
    power = block_power(multiplier.activity, multiplier.timing)
    cells = sum(i.internal_j + i.switching_j + i.clock_j for i in power.instances)
    assert power.cells_j == pytest.approx(cells, rel=1e-12)
    assert power.leakage_w == pytest.approx(sum(i.leakage_w for i in power.instances), rel=1e-12)
