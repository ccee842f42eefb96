"""Worked by hand in the tiny library: picoseconds, and loads in units of 10 fF."""

import pytest

from bitwatt.technology.liberty import parse_liberty
from bitwatt.technology.netlist import read_netlist
from bitwatt.technology.timing import analyze_timing, net_loads

# bit.Q drives the inverter; its output drives the NAND's A, whose output is the port y and bit.D.
LOOP = """{"modules": {"top": {"netnames": {}, "ports": {
  "clk": {"direction": "input", "bits": [2]}, "a": {"direction": "input", "bits": [5]},
  "y": {"direction": "output", "bits": [6]}},
 "cells": {"bit": {"type": "DFF", "connections": {"CK": [2], "D": [6], "Q": [3]}},
  "inverter": {"type": "INV", "connections": {"A": [3], "Z": [4]}},
  "gate": {"type": "NAND2", "connections": {"A": [4], "B": [5], "Z": [6]}}}}}}"""


def test_loads_are_pins_at_each_edge_and_wires(tiny, tiny_text):
    assert net_loads(read_netlist(LOOP, "top", tiny, "clk"))[2:] == (
        (0.5, 0.5),
        (2, 2),
        (3, 1),
        (1, 1),
        (1, 1),
    )
    model = "wire_load (w) { capacitance : 1; slope : 1; fanout_length (1, 0.5); } default_wire_load : w;"
    wired = parse_liberty(tiny_text.replace("nom_voltage", model + "nom_voltage"), "wired.lib")
    # Net 6 drives a pin and an output port: two, so half a unit and one of slope.
    assert net_loads(read_netlist(LOOP, "top", wired, "clk"))[6] == (2.5, 2.5)


def test_the_critical_path_by_hand(tiny):
    timing = analyze_timing(read_netlist(LOOP, "top", tiny, "clk"))
    # Register: clock slew 0, load 2 of an axis 0 to 4: half way.
    assert timing.arrival[3] == (120, 110)
    assert timing.slew[3] == (15, 15)
    # Inverter: rise comes of a fall and sees load 3; slew 15 lies half a segment beyond the axis 0 to 10.
    assert timing.arrival[4] == (pytest.approx(110 + 10 + 30 + 15), pytest.approx(120 + 5 + 5 + 15))
    assert timing.slew[4] == (pytest.approx(2 + 3 + 3), pytest.approx(1 + 0.5 + 1.5))
    # NAND: fixed delays and slews; the input a arrives at 0 and is no match.
    assert timing.arrival[6] == (145 + 8, 165 + 6)
    # Setup at slew 2 against an ideal clock: 32 rising, 20 falling; 171 + 20 is more than 153 + 32.
    assert timing.delay_s == pytest.approx(191e-12)
    assert timing.critical_net == 6


def test_a_path_from_input_to_output_counts(tiny):
    text = """{"modules": {"top": {"netnames": {}, "ports": {"a": {"direction": "input", "bits": [2]},
      "y": {"direction": "output", "bits": [3]}},
      "cells": {"inverter": {"type": "INV", "connections": {"A": [2], "Z": [3]}}}}}}"""
    assert analyze_timing(read_netlist(text, "top", tiny, None)).delay_s == pytest.approx(10e-12)
