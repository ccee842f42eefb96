"""A technology, and that its conformance suite catches what it is there to catch."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from bitwatt.errors import RequestError
from bitwatt.technology.sram import SramTable, built_in_sram_table
from bitwatt.technology.table import BlockCost, Table
from bitwatt.technology.technology import Technology, technology
from bitwatt.testing.conformance import ConformanceError
from bitwatt.testing.technology_suite import check_technology

SMALL = BlockCost(
    name="small", area_um2=100.0, cells=70, registers=8, delay_s=5e-10, leakage_w=2e-6, combinational_j=5e-14,
    register_j=2e-14, input_net_j=1e-15, glitch_j=0.0, clock_pin_j=6e-14, clock_net_j=1e-14,
    rtl_sha256="a" * 64,
    script_sha256="b" * 64, stimulus="uniform random", stimulus_sha256="c" * 64, cycles=4096,
)  # fmt: skip
LARGE = replace(
    SMALL, name="large", area_um2=400.0, cells=300, registers=32, leakage_w=8e-6, combinational_j=3e-13,
    clock_pin_j=2.4e-13,
)  # fmt: skip
TABLE = Table(
    technology="test", library="Lib", library_sha256="d" * 64, voltage_v=1.1, clock_hz=250e6,
    tool="pyosys 0.70", method_sha256="e" * 64, date="2026-01-02", blocks={"small": SMALL, "large": LARGE},
)  # fmt: skip
GOOD = Technology("test", 45, 1.1, TABLE, built_in_sram_table(), 45, "itrs-lop", "synthesised for this test")


def with_block(**changes) -> Technology:
    return replace(GOOD, table=replace(TABLE, blocks={"small": SMALL, "large": replace(LARGE, **changes)}))


def test_a_good_one_passes():
    check_technology(GOOD, families=[["small", "large"]])


SRAM = built_in_sram_table()


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (with_block(area_um2=0.0), "large: area_um2 (0 a cell) is not within (0.01, 1000.0)"),
        (with_block(area_um2=400e6), "large: area_um2 (1.333e+06 a cell) is not within (0.01, 1000.0)"),
        (with_block(delay_s=0.5), "large: delay_s (0.5) is not within (1e-12, 1e-06)"),
        (with_block(combinational_j=300.0), "large: data_energy_j (1 a cell) is not within (1e-19, 1e-11)"),
        (with_block(leakage_w=8000.0), "large: leakage_w (26.67 a cell) is not within (1e-15, 1e-05)"),
        (with_block(registers=0), "large: clock energy without a register"),
        (with_block(registers=301), "large: 301 registers of 300 cells"),
        (with_block(cells=0), "large: no cells"),
        (with_block(area_um2=90.0), "large: area_um2 (90) does not rise above small's (100)"),
        (with_block(combinational_j=5e-14),
         "large: data_energy_j (7.1e-14) does not rise above small's (7.1e-14)"),
        (with_block(rtl_sha256="yes"), "large: rtl_sha256 is no SHA-256"),
        (with_block(stimulus=" "), "large: its stimulus is not described"),
        (replace(GOOD, table=replace(TABLE, tool="")), "test: the table does not say which tool made it"),
        (replace(GOOD, table=replace(TABLE, library_sha256="0")), "test: '0' is no SHA-256"),
        (replace(GOOD, sram=SramTable("", SRAM.macros)), "test: its SRAM table has no source"),
        (replace(GOOD, sram=SramTable("free", tuple(replace(m, leakage_w=0.0) for m in SRAM.macros))),
         "16 x 1 bits: costs nothing"),
    ],
)  # fmt: skip
def test_the_suite_catches(broken, message):
    with pytest.raises(ConformanceError) as caught:
        check_technology(broken, families=[["small", "large"]])
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"node_nm": 0}, "technology 'test': node_nm and voltage_v must be positive, got 0 and 1.1"),
        ({"source": "  "}, "technology 'test': 'source' must say where its figures come from"),
    ],
)
def test_a_record_that_makes_no_sense_is_refused(changes, message):
    with pytest.raises(RequestError) as caught:
        replace(GOOD, **changes)
    assert str(caught.value) == message


def test_unknown_technology():
    with pytest.raises(RequestError) as caught:
        technology("nangate54")
    assert str(caught.value) == (
        "unknown technology 'nangate54'; did you mean 'nangate45'? "
        "Allowed: nangate45, a .json file of your own"
    )


def test_nothing_here_knows_of_tiles_formats_or_networks():
    folder = Path(__file__).parents[2] / "src" / "bitwatt" / "technology"
    allowed = re.compile(r"from bitwatt\.(cache|errors|technology[\w.]*) import ")
    for path in folder.glob("*.py"):
        for line in path.read_text().splitlines():
            if re.match(r"\s*(from|import) bitwatt", line):
                assert allowed.match(line.strip()), f"{path.name}: {line}"
