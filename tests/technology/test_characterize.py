import subprocess
from dataclasses import replace

import numpy as np
import pytest

from bitwatt.errors import RequestError
from bitwatt.technology.characterize import BlockSpec, characterize, stimulus_sha256
from bitwatt.technology.power import block_power
from bitwatt.technology.sram import built_in_sram_table
from bitwatt.technology.technology import Technology
from bitwatt.testing.technology_suite import check_technology


def spec(rtl, width, name=None):
    rng = np.random.default_rng(0)
    half = 1 << (width - 1)
    operands = {port: rng.integers(-half, half, 4097) for port in "ab"}
    return BlockSpec(
        name or f"multiplier/{width}",
        rtl("multiplier", width),
        "multiplier",
        "clk",
        operands,
        "uniform random",
    )


@pytest.mark.eda
def test_the_figures_are_those_of_the_parts(nangate45, rtl, multiplier):
    table = characterize({"multiplier/8": spec(rtl, 8)}, nangate45, 250e6, technology="test")
    block, power = table.block("multiplier/8"), block_power(multiplier.activity, multiplier.timing)
    assert block.area_um2 == multiplier.netlist.area_um2
    assert (block.cells, block.registers, block.cycles) == (len(multiplier.netlist.instances), 32, 4096)
    assert block.delay_s == multiplier.timing.delay_s
    assert block.leakage_w == power.leakage_w
    assert block.data_energy_j - block.glitch_j == pytest.approx(power.data_j, rel=1e-12)
    assert 0.2 * power.combinational_j < block.glitch_j < 2 * power.combinational_j
    assert block.clock_energy_j == pytest.approx(power.clocking_j, rel=1e-12)
    assert (table.library, table.library_sha256, table.voltage_v) == (nangate45.name, nangate45.sha256, 1.1)


@pytest.mark.eda
def test_a_technology_made_here_passes_the_suite(nangate45, rtl):
    blocks = {s.name: s for s in (spec(rtl, 2), spec(rtl, 4), spec(rtl, 8))}
    table = characterize(blocks, nangate45, 250e6, technology="test", workers=2)
    technology = Technology(
        "test", 45, table.voltage_v, table, built_in_sram_table(), 45, "itrs-lop", table.source()
    )
    check_technology(technology, families=[list(blocks)])


@pytest.mark.eda
def test_a_second_run_measures_nothing(nangate45, rtl, monkeypatch):
    first = characterize({"multiplier/8": spec(rtl, 8)}, nangate45, 250e6, technology="test")

    def run(*_args, **_options):
        raise RuntimeError("measured again")

    monkeypatch.setattr(subprocess, "Popen", run)
    monkeypatch.setattr("bitwatt.technology.characterize.simulate", run)
    again = characterize({"another": spec(rtl, 8, "another")}, nangate45, 250e6, technology="test")
    assert again.block("another") == replace(first.block("multiplier/8"), name="another")


@pytest.mark.eda
def test_clock_gating_saves_clock_energy(nangate45, rtl):
    rng = np.random.default_rng(3)
    shape = (8, 64)
    stimulus = {
        "a": rng.integers(-128, 128, shape),
        "enable": rng.random(shape) < 0.1,
        "clear": np.zeros(shape, dtype=bool),
    }
    plain = BlockSpec("plain", rtl("accumulator"), "accumulator", "clk", stimulus, "one in ten enabled")
    gated = replace(plain, name="gated", clock_gating=True)
    table = characterize({"plain": plain, "gated": gated}, nangate45, 250e6, technology="test")
    assert table.block("gated").clock_energy_j < 0.5 * table.block("plain").clock_energy_j
    assert (
        table.block("gated").area_um2 < table.block("plain").area_um2
    )  # no multiplexer before each register


def test_the_stimulus_digest_is_of_values_not_of_types(rtl):
    base = spec(rtl, 4)
    narrow = replace(base, stimulus={k: v.astype(np.int8) for k, v in base.stimulus.items()})
    assert stimulus_sha256(base) == stimulus_sha256(narrow)
    swapped = replace(base, stimulus={"a": base.stimulus["b"], "b": base.stimulus["a"]})
    assert len({stimulus_sha256(s) for s in (base, swapped, replace(base, warmup=1))}) == 3


def test_key_and_name_must_agree(tiny, rtl):
    with pytest.raises(RequestError) as caught:
        characterize({"adder/4": spec(rtl, 4)}, tiny, 250e6, technology="test")
    assert (
        str(caught.value) == "the block under 'adder/4' calls itself 'multiplier/4'; the two must be the same"
    )
