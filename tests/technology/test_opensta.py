"""Our power and timing beside OpenSTA's, on one netlist with one activity, every difference traced.

The OpenSTA of Debian 12 is of November 2019. Its formula for internal power, written down again below from
its source (search/Power.cc at commit b246217), gives its report from our own activity and transition times;
where it differs from ours it is by the approximations that `bitwatt.technology.opensta` names.
"""

from __future__ import annotations

import numpy as np
import pytest

from bitwatt.technology.activity import simulate
from bitwatt.technology.netlist import read_netlist
from bitwatt.technology.opensta import run_opensta
from bitwatt.technology.opensta_formula import InternalPower
from bitwatt.technology.plan import plan_synthesis
from bitwatt.technology.power import block_power
from bitwatt.technology.synthesis import synthesize
from bitwatt.technology.timing import analyze_timing

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
    for instance in multiplier.netlist.instances:
        expected = switching_w(instance, multiplier.activity, multiplier.timing)
        assert report.cells[instance.name].switching_w == pytest.approx(expected, rel=1e-4, abs=1e-12)


def test_switching_power_in_all(power, report):
    """Ours takes the capacitance of each edge, OpenSTA the larger: so never more than it, and little less."""
    ours = sum(cell.switching_j for cell in power.instances) * CLOCK_HZ
    theirs = sum(cell.switching_w for cell in report.cells.values())
    assert 0.95 * theirs < ours < theirs


def test_leakage(power, report):
    """OpenSTA takes every state as equally likely; random operands come near that."""
    assert power.leakage_w == pytest.approx(sum(cell.leakage_w for cell in report.cells.values()), rel=0.03)


def test_the_2019_formula_gives_the_report(multiplier, report):
    for instance in multiplier.netlist.instances:
        expected = formula(multiplier, edges_averaged=False, arcs_shared=False).watts(instance, CLOCK_HZ)
        # Transition times differ by the wire's resistance, which ours leaves out.
        assert report.cells[instance.name].internal_w == pytest.approx(expected, rel=5e-3, abs=1e-10)


def test_combinational_cells_are_within_3_percent_of_the_formula_since_2020(multiplier, power):
    ours = theirs = 0.0
    for instance, cell in zip(multiplier.netlist.instances, power.instances, strict=True):
        if instance.cell.is_combinational:
            ours += cell.internal_j * CLOCK_HZ
            theirs += formula(multiplier, edges_averaged=True, arcs_shared=True).watts(instance, CLOCK_HZ)
    assert ours == pytest.approx(theirs, rel=0.03)


def test_registers_are_within_3_percent_once_opposite_outputs_count_as_opposite(multiplier, power):
    ours = theirs = independent = 0.0
    for instance, cell in zip(multiplier.netlist.instances, power.instances, strict=True):
        if instance.cell.flip_flop is not None:
            ours += (cell.internal_j + cell.clock_j) * CLOCK_HZ
            since_2020 = formula(multiplier, edges_averaged=True, arcs_shared=True)
            independent += since_2020.watts(instance, CLOCK_HZ)
            opposite = formula(
                multiplier, edges_averaged=True, arcs_shared=True, ignored_in_conditions=("QN",)
            )
            theirs += opposite.watts(instance, CLOCK_HZ)
    assert ours == pytest.approx(theirs, rel=0.03)
    assert independent < 0.75 * ours


def switching_w(instance, activity, timing):
    library, watts = activity.netlist.library, 0.0
    for pin in instance.cell.outputs:
        net = instance.nets[pin.name]
        charge = max(timing.load[net]) * library.capacitance_f * library.voltage_v**2
        watts += 0.5 * charge * activity.toggles_per_cycle(net) * CLOCK_HZ
    return watts


def formula(block, **choices):
    return InternalPower(block.activity, block.timing, **choices)


def test_logic_that_begins_at_the_inputs_has_the_activity_that_was_measured(opensta, nangate45, rtl):
    """OpenSTA overwrites it by what it propagates from ports, where there are no registers behind them."""
    plan = plan_synthesis("accumulator", rtl("accumulator"), "accumulator", nangate45, CLOCK_HZ)
    synthesis = synthesize(plan)
    netlist = read_netlist(synthesis.netlist_json, "accumulator", nangate45, "clk")
    rng = np.random.default_rng(0)
    stimulus = {
        "a": rng.integers(-128, 128, 500),
        "enable": rng.integers(0, 2, 500),
        "clear": rng.integers(0, 2, 500),
    }
    activity, timing = simulate(netlist, stimulus), analyze_timing(netlist)
    report = run_opensta(netlist, synthesis.verilog, activity, CLOCK_HZ)
    for instance in netlist.instances:
        expected = switching_w(instance, activity, timing)
        assert report.cells[instance.name].switching_w == pytest.approx(expected, rel=1e-4, abs=1e-12)
    told = InternalPower(activity, timing, edges_averaged=False, arcs_shared=False)
    internal = sum(told.watts(instance, CLOCK_HZ) for instance in netlist.instances)
    assert internal == pytest.approx(sum(cell.internal_w for cell in report.cells.values()), rel=0.01)
