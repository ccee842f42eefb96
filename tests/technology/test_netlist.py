import json

import pytest

from bitwatt.errors import DataError, RequestError
from bitwatt.technology.netlist import evaluation_order, read_netlist


def module(ports, cells, netnames=None):
    """Yosys JSON: ports as name: (direction, bits), cells as name: (type, connections)."""
    record = {
        "ports": {name: {"direction": d, "bits": bits} for name, (d, bits) in ports.items()},
        "cells": {
            name: {"type": kind, "connections": {pin: [bit] for pin, bit in nets.items()}}
            for name, (kind, nets) in cells.items()
        },
        "netnames": netnames or {},
    }
    return json.dumps({"modules": {"top": record}})


PIPELINE = module(
    {"clk": ("input", [2]), "a": ("input", [3]), "y": ("output", [6])},
    {
        "second": ("DFF", {"CK": 2, "D": 5, "Q": 6}),
        "gate": ("NAND2", {"A": 4, "B": "1", "Z": 5}),
        "first": ("DFF", {"CK": 2, "D": 3, "Q": 4}),
    },
)


def test_structure(tiny):
    netlist = read_netlist(PIPELINE, "top", tiny, "clk")
    assert netlist.area_um2 == 12.0
    assert netlist.net_count == 7
    assert netlist.driver == {4: (2, "Q"), 5: (1, "Z"), 6: (0, "Q")}
    assert netlist.sinks[2] == [(0, "CK"), (2, "CK")]
    assert netlist.sinks[1] == [(1, "B")]  # the constant 1
    assert netlist.clock_nets == {2}


def test_each_instance_comes_after_what_it_reads(tiny):
    netlist = read_netlist(PIPELINE, "top", tiny, "clk")
    order = [netlist.instances[i].name for group in evaluation_order(netlist) for i in group]
    assert order == ["first", "gate", "second"]


def test_a_register_loop_is_one_group_with_the_register_first(tiny):
    text = module(
        {"clk": ("input", [2]), "y": ("output", [3])},
        {"inverter": ("INV", {"A": 3, "Z": 4}), "bit": ("DFF", {"CK": 2, "D": 4, "Q": 3})},
    )
    netlist = read_netlist(text, "top", tiny, "clk")
    assert [[netlist.instances[i].name for i in g] for g in evaluation_order(netlist)] == [
        ["bit", "inverter"]
    ]


def test_an_output_left_open_has_a_net_of_its_own(tiny):
    text = module({"a": ("input", [2])}, {"one": ("INV", {"A": 2}), "two": ("INV", {"A": 2})})
    netlist = read_netlist(text, "top", tiny, None)
    assert sorted(i.nets["Z"] for i in netlist.instances) == [3, 4]


def test_initial_values_are_read_from_the_most_significant_bit(tiny):
    text = module(
        {"clk": ("input", [2])},
        {"bit": ("DFF", {"CK": 2, "D": "0", "Q": 3})},
        {"state": {"bits": [3, 4, 5], "attributes": {"init": "10x"}}},
    )
    assert read_netlist(text, "top", tiny, "clk").initial == {5}


@pytest.mark.parametrize(
    ("cells", "clock", "error", "message"),
    [
        (
            {"lut": ("$lut", {"A": 3}), "x": ("XOR3", {"A": 3})},
            "clk",
            DataError,
            "block 'top': tiny has no cell for $lut, XOR3; the library lacks a register or gate of this "
            "kind, or "
            "the RTL holds something that is not logic",
        ),
        ({}, "clock", RequestError, "block 'top' has no clock port 'clock'; its ports: clk, a"),
        (
            {"r": ("DFF", {"CK": 3, "D": 4, "Q": 5})},
            "clk",
            DataError,
            "block 'top': r (DFF) is not clocked by the block's clock port",
        ),
        (
            {"n": ("NAND2", {"A": 3, "B": 5, "Z": 4}), "i": ("INV", {"A": 4, "Z": 5})},
            "clk",
            DataError,
            "block 'top' has a loop of combinational cells through n; put a register in it",
        ),
    ],
)
def test_what_cannot_be_read_is_refused(tiny, cells, clock, error, message):
    text = module({"clk": ("input", [2]), "a": ("input", [3])}, cells)
    with pytest.raises(error) as caught:
        evaluation_order(read_netlist(text, "top", tiny, clock))
    assert str(caught.value) == message


@pytest.mark.eda
@pytest.mark.parametrize(
    ("cell", "nets", "message"),
    [
        (
            "DLH_X1",
            {"D": 3, "G": 2, "Q": 4},
            "block 'top': c is a latch (DLH_X1); only registers are supported",
        ),
    ],
)
def test_latches_are_refused(nangate45, cell, nets, message):
    text = module({"clk": ("input", [2]), "a": ("input", [3])}, {"c": (cell, nets)})
    with pytest.raises(DataError) as caught:
        read_netlist(text, "top", nangate45, "clk")
    assert str(caught.value) == message


def test_registers_on_the_falling_edge_are_refused(tiny_text):
    from bitwatt.technology.liberty import parse_liberty

    library = parse_liberty(tiny_text.replace('clocked_on : "CK"', 'clocked_on : "!CK"'), "falling.lib")
    text = module({"clk": ("input", [2])}, {"c": ("DFF", {"CK": 2, "D": "0", "Q": 3})})
    with pytest.raises(DataError) as caught:
        read_netlist(text, "top", library, "clk")
    assert str(caught.value) == (
        "block 'top': c (DFF) is clocked on '!CK'; only rising edges of the clock are supported"
    )
