"""Glitches worked out by hand, and what a block settles to with delays and without."""

import json
from dataclasses import replace

import numpy as np
import pytest

from bitwatt.errors import DataError
from bitwatt.technology.activity import simulate
from bitwatt.technology.glitches import measure_glitches
from bitwatt.technology.netlist import read_netlist
from bitwatt.technology.power import block_power
from bitwatt.technology.timing import analyze_timing


def netlist(library, cells, ports):
    """A netlist of `cells` (type and connections by pin), nets numbered from 2."""
    module = {
        "ports": {name: {"direction": d, "bits": [net]} for name, (d, net) in ports.items()},
        "cells": {
            f"u{k}": {"type": kind, "connections": {pin: [net] for pin, net in pins.items()}}
            for k, (kind, pins) in enumerate(cells)
        },
        "netnames": {},
    }
    return read_netlist(json.dumps({"modules": {"top": module}}), "top", library, None)


def hazard(library, inverters):
    """NAND(a, not a), the inversion late by `inverters` inverters: 1 but for a glitch where a rises."""
    chain = [("INV", {"A": 2 + k, "Z": 3 + k}) for k in range(inverters)]
    last = 2 + inverters
    cells = [*chain, ("NAND2", {"A": 2, "B": last, "Z": last + 1})]
    return netlist(library, cells, {"a": ("input", 2), "y": ("output", last + 1)}), last + 1


def measured(block, stimulus):
    activity, timing = simulate(block, stimulus), analyze_timing(block)
    return measure_glitches(activity, timing), activity, timing


def test_a_late_inversion_glitches_at_each_rise(tiny):
    block, y = hazard(tiny, 3)
    glitches, activity, timing = measured(block, {"a": np.array([0, 1, 1, 0, 1, 0])})
    assert glitches.cycles == 5
    assert glitches.settled[y] == 0
    assert glitches.timed[y] == 2 * 2, "down and up again at both rises, none at the falls"
    assert glitches.timed[3] == glitches.settled[3] == 4, "an inverter of a clean input is clean"
    power = block_power(activity, timing)
    assert glitches.combinational_j(power) > power.combinational_j


@pytest.mark.parametrize(("loads", "passes"), [(0, True), (4, False)])
def test_a_pulse_shorter_than_the_delay_dies(tiny, loads, passes):
    """NAND(a, not a) falls 6 after a's rise; a's inversion falls after 10 (slew 0, load 1) and lifts the NAND

    8 later: a pulse of 12. The inverter behind it takes 10 without load, and 130 with four NANDs of 3.
    """
    cells = [
        ("INV", {"A": 2, "Z": 3}),
        ("NAND2", {"A": 2, "B": 3, "Z": 4}),
        ("INV", {"A": 4, "Z": 5}),
        *[("NAND2", {"A": 5, "B": 5, "Z": 6 + k}) for k in range(loads)],
    ]
    block = netlist(tiny, cells, {"a": ("input", 2), "y": ("output", 5)})
    glitches, _, _ = measured(block, {"a": np.array([0, 1, 0])})
    assert (glitches.timed[4], glitches.settled[4]) == (2, 0)
    assert glitches.timed[5] == (2 if passes else 0)


@pytest.mark.eda
def test_a_multiplier_glitches_and_settles_where_it_settles_without_delays(multiplier):
    glitches = measure_glitches(multiplier.activity, multiplier.timing, cycles=100)
    power = block_power(multiplier.activity, multiplier.timing)
    instances = multiplier.netlist.instances
    for instance in instances:
        for pin in instance.cell.outputs:
            net = instance.nets[pin.name]
            extra = glitches.timed[net] - glitches.settled[net]
            assert extra >= 0
            assert extra % 2 == 0, "a glitch is a change and its undoing"
            if instance.cell.flip_flop is not None:
                assert extra == 0
    assert 1.2 < glitches.combinational_j(power) / power.combinational_j < 3


@pytest.mark.eda
def test_an_activity_that_is_not_the_netlists_is_noticed(multiplier):
    waves = list(multiplier.activity.waves)
    net = next(
        i.nets["ZN"] for i in multiplier.netlist.instances if i.cell.is_combinational and "ZN" in i.nets
    )
    waves[net] ^= (1 << multiplier.activity.cycles) - 1
    with pytest.raises(
        DataError, match=f"net {net} settles to . with cell delays and to . without, in cycle 1"
    ):
        measure_glitches(replace(multiplier.activity, waves=tuple(waves)), multiplier.timing)
