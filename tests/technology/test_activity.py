import numpy as np
import pytest

from bitwatt.errors import DataError, RequestError
from bitwatt.technology.activity import simulate
from bitwatt.technology.liberty import parse_liberty
from bitwatt.technology.netlist import evaluation_order, read_netlist
from bitwatt.technology.plan import plan_synthesis
from bitwatt.technology.synthesis import synthesize


def signed(values, bits):
    values = np.asarray(values, dtype=object)
    return np.where(values >= 1 << (bits - 1), values - (1 << bits), values)


@pytest.mark.eda
def test_multiplier_equals_the_integers_on_every_bit(multiplier):
    a, b = multiplier.operands["a"], multiplier.operands["b"]
    product = signed(multiplier.activity.values("p"), 16)[0]
    assert (product[2:] == (a * b)[:-2]).all()


def netlist_of(rtl, library, name, **options):
    synthesis = synthesize(plan_synthesis(name, rtl(name), name, library, 250e6, **options))
    return read_netlist(synthesis.netlist_json, name, library, "clk")


@pytest.mark.eda
@pytest.mark.parametrize("clock_gating", [False, True])
def test_accumulator_equals_the_integers_in_every_stream(nangate45, rtl, clock_gating):
    """Each bit reads itself; with clock gating the registers keep their state while the clock is off."""
    netlist = netlist_of(rtl, nangate45, "accumulator", clock_gating=clock_gating)
    assert any(i.cell.clock_gate is not None for i in netlist.instances) == clock_gating
    rng = np.random.default_rng(1)
    shape = (37, 150)  # streams that do not fill whole bytes
    stimulus = {
        "a": rng.integers(-128, 128, shape),
        "enable": rng.integers(0, 2, shape),
        "clear": rng.random(shape) < 0.05,
    }
    got = signed(simulate(netlist, stimulus).values("p"), 16)
    total = np.zeros(shape[0], dtype=np.int64)
    for cycle in range(shape[1]):
        assert (got[:, cycle] == total).all(), f"cycle {cycle}"
        following = np.where(stimulus["clear"][:, cycle], 0, total) + stimulus["a"][:, cycle]
        following = (following + 2**15) % 2**16 - 2**15
        total = np.where(stimulus["enable"][:, cycle] == 1, following, total)


@pytest.mark.eda
@pytest.mark.parametrize("clock_gating", [False, True])
def test_registers_in_a_ring_with_an_initial_value(nangate45, rtl, clock_gating):
    netlist = netlist_of(rtl, nangate45, "ring", clock_gating=clock_gating)
    assert max(map(len, evaluation_order(netlist))) > 2
    go = np.random.default_rng(2).integers(0, 2, (3, 60))
    got = simulate(netlist, {"go": go}).values("p")
    for stream in range(3):
        state = 0b1000
        for cycle in range(60):
            assert got[stream, cycle] == state
            if go[stream, cycle]:
                state = (state << 1 & 0b1110) | ((state >> 3 ^ state >> 2) & 1)


TOGGLE = """{"modules": {"top": {"netnames": {}, "ports": {
  "clk": {"direction": "input", "bits": [2]}, "a": {"direction": "input", "bits": [5]},
  "y": {"direction": "output", "bits": [3]}, "z": {"direction": "output", "bits": [6]}},
 "cells": {"bit": {"type": "DFF", "connections": {"CK": [2], "D": [4], "Q": [3]}},
  "inverter": {"type": "INV", "connections": {"A": [3], "Z": [4]}},
  "other": {"type": "INV", "connections": {"A": [5], "Z": [6]}}}}}}"""


def test_toggles_and_shares(tiny):
    netlist = read_netlist(TOGGLE, "top", tiny, "clk")
    activity = simulate(netlist, {"a": np.array([0, 0, 1, 1, 1])})
    assert activity.values("y").tolist() == [[0, 1, 0, 1, 0]]
    assert activity.values("z").tolist() == [[1, 1, 0, 0, 0]]
    assert activity.transitions == 4
    assert [activity.toggles_per_cycle(net) for net in (2, 3, 4, 5, 6)] == [2, 1, 1, 0.25, 0.25]
    assert [activity.share_of_ones(net) for net in (2, 3, 4, 5, 6)] == [0.5, 0.5, 0.5, 0.75, 0.25]


def test_warmup_is_played_and_left_out(tiny):
    netlist = read_netlist(TOGGLE, "top", tiny, "clk")
    stimulus = {"a": np.array([[0, 1, 1, 1, 0], [1, 0, 1, 0, 1]])}
    whole, late = simulate(netlist, stimulus), simulate(netlist, stimulus, warmup=2)
    assert (late.cycles, late.streams, late.transitions) == (3, 2, 4)
    assert (late.values("y") == whole.values("y")[:, 2:]).all()
    assert late.toggles_per_cycle(5) == 3 / 4


def test_asynchronous_clear_and_preset(tiny_text):
    text = tiny_text.replace('next_state : "D";', 'next_state : "D"; clear : "!R"; preset : "S";').replace(
        "pin (D) {", "pin (R) { direction : input; } pin (S) { direction : input; } pin (D) {"
    )
    netlist = read_netlist(
        """{"modules": {"top": {"netnames": {}, "ports": {"clk": {"direction": "input", "bits": [2]},
        "r": {"direction": "input", "bits": [3]}, "s": {"direction": "input", "bits": [4]},
        "d": {"direction": "input", "bits": [5]}, "q": {"direction": "output", "bits": [6]}},
        "cells": {"c": {"type": "DFF", "connections":
        {"CK": [2], "R": [3], "S": [4], "D": [5], "Q": [6]}}}}}}""",
        "top", parse_liberty(text, "clear.lib"), "clk",
    )  # fmt: skip
    stimulus = {
        "d": np.array([1, 1, 1, 0, 0, 0, 1, 1]),
        "r": np.array([1, 1, 0, 1, 1, 1, 1, 0]),
        "s": np.array([0, 0, 0, 0, 0, 1, 0, 1]),
    }
    # Cleared at once in cycle 2 and still at the edge after it, preset likewise in 5; clearing wins in 7.
    assert simulate(netlist, stimulus).values("q").tolist() == [[0, 1, 0, 0, 0, 1, 1, 0]]


def test_values_wider_than_a_machine_word(tiny):
    bits = list(range(2, 102))
    netlist = read_netlist(
        str({"modules": {"top": {"netnames": {}, "cells": {},
             "ports": {"a": {"direction": "input", "bits": bits},
                       "y": {"direction": "output", "bits": bits}}}}}).replace("'", '"'),
        "top", tiny, None,
    )  # fmt: skip
    values = np.array([0, 2**100 - 1, 2**99 + 5, -1, 7], dtype=object)
    assert simulate(netlist, {"a": values}).values("y").tolist() == [
        [0, 2**100 - 1, 2**99 + 5, 2**100 - 1, 7]
    ]


@pytest.mark.parametrize(
    ("stimulus", "message"),
    [
        ({}, "block 'top': the stimulus lacks input port 'a'; give it one integer a cycle"),
        ({"b": [0, 1]}, "unknown input port of block 'top' 'b'. Allowed: a"),
        ({"a": [0, 2]}, "block 'top': port 'a' has 1 bits and cannot hold values from 0 to 2"),
        ({"a": [0.0, 1.0]},
         "block 'top': port 'a' takes integers of shape (cycles,) or (streams, cycles), got float64 of "
         "shape (1, 2)"),
        ({"a": [1]}, "block 'top': the stimulus must leave at least 2 cycles after 0 of warm-up, got 1 in "
        "all"),
    ],
)  # fmt: skip
def test_a_stimulus_that_does_not_fit_is_refused(tiny, stimulus, message):
    netlist = read_netlist(TOGGLE, "top", tiny, "clk")
    with pytest.raises(RequestError) as caught:
        simulate(netlist, {port: np.array(values) for port, values in stimulus.items()})
    assert str(caught.value) == message


def test_shapes_must_agree(tiny):
    port = '"a": {"direction": "input", "bits": [5]}'
    text = TOGGLE.replace(port, port + ', "b": {"direction": "input", "bits": [7]}')
    netlist = read_netlist(text, "top", tiny, "clk")
    with pytest.raises(RequestError) as caught:
        simulate(netlist, {"a": np.zeros(3, int), "b": np.zeros(4, int)})
    assert str(caught.value) == "block 'top': all ports need one shape, got {'a': (1, 3), 'b': (1, 4)}"


def test_an_asynchronous_clear_out_of_its_own_ring_is_refused(tiny_text):
    text = tiny_text.replace('next_state : "D";', 'next_state : "D"; clear : "R";').replace(
        "pin (D) {", "pin (R) { direction : input; } pin (D) {"
    )
    netlist = read_netlist(
        """{"modules": {"top": {"netnames": {}, "ports": {"clk": {"direction": "input", "bits": [2]},
        "a": {"direction": "input", "bits": [3]}}, "cells": {
        "one": {"type": "DFF", "connections": {"CK": [2], "R": [5], "D": [3], "Q": [4]}},
        "two": {"type": "DFF", "connections": {"CK": [2], "R": [3], "D": [4], "Q": [5]}}}}}}""",
        "top", parse_liberty(text, "clear.lib"), "clk",
    )  # fmt: skip
    with pytest.raises(DataError) as caught:
        simulate(netlist, {"a": np.zeros(3, int)})
    assert str(caught.value) == (
        "register one is cleared or preset asynchronously by a loop that it is part of; do it synchronously"
    )
