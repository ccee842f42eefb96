from dataclasses import replace

import pytest

from bitwatt.errors import DataError, RequestError
from bitwatt.technology.table import (
    BlockCost,
    BlockInputs,
    Table,
    load_table,
    parse_table,
    read_table,
    write_table,
)

BLOCK = BlockCost(
    name="multiplier/8", area_um2=475.0, cells=313, registers=32, delay_s=1.15e-9, leakage_w=1e-5,
    combinational_j=5.5e-13, register_j=2.6e-13, input_net_j=7e-15, glitch_j=1e-13, clock_pin_j=2.3e-13,
    clock_net_j=6e-14,
    rtl_sha256="a" * 64, script_sha256="b" * 64, stimulus="uniform random",
    stimulus_sha256="c" * 64, cycles=4096,
)  # fmt: skip
TABLE = Table(
    technology="test45", library="Lib", library_sha256="d" * 64, voltage_v=1.1, clock_hz=250e6,
    tool="pyosys 0.70", method_sha256="e" * 64, date="2026-01-02", blocks={BLOCK.name: BLOCK},
)  # fmt: skip


def test_energies_sum():
    assert BLOCK.data_energy_j == pytest.approx(9.17e-13)
    assert BLOCK.clock_energy_j == pytest.approx(2.9e-13)


def test_written_and_read_back(tmp_path):
    other = replace(BLOCK, name="adder/8")
    table = replace(TABLE, blocks={BLOCK.name: BLOCK, other.name: other})
    write_table(table, tmp_path / "t.json")
    assert read_table(tmp_path / "t.json") == table
    text = (tmp_path / "t.json").read_text()
    assert text.index("adder/8") < text.index("multiplier/8")
    write_table(replace(table, blocks=dict(reversed(table.blocks.items()))), tmp_path / "u.json")
    assert (tmp_path / "u.json").read_text() == text


def test_source():
    assert TABLE.source() == (
        "synthesised by pyosys 0.70 to Lib (sha256 dddddddddddd) for 250 MHz on 2026-01-02; activity from "
        "each block's stimulus, glitches by cell delays"
    )


def test_a_block_is_stale_where_rtl_operands_or_method_are_others():
    now = BlockInputs("a" * 64, "c" * 64)
    assert TABLE.stale_blocks({"multiplier/8": now}, "e" * 64) == ()
    for other in (BlockInputs("0" * 64, "c" * 64), BlockInputs("a" * 64, "0" * 64)):
        found = TABLE.stale_blocks({"multiplier/8": other, "new": now}, "e" * 64)
        assert found == ("multiplier/8", "new")
    assert TABLE.stale_blocks({"multiplier/8": now}, "0" * 64) == ("multiplier/8",)


def test_unknown_names():
    with pytest.raises(RequestError) as caught:
        TABLE.block("multiplier/9")
    assert str(caught.value) == (
        "unknown block of the test45 table 'multiplier/9'; did you mean 'multiplier/8'? Allowed: multiplier/8"
    )
    with pytest.raises(RequestError, match="unknown characterised technology 'nowhere'"):
        load_table("nowhere")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "t is not a characterised table: Expecting property name enclosed in double quotes: line 1 "
        "column 2 "
              "(char 1)"),
        ("[]", "t is not a characterised table of schema 1, got schema None; characterise the library again"),
        ('{"schema": 2}', "t is not a characterised table of schema 1, got schema 2; characterise the "
        "library again"),
        ('{"schema": 1}', "t: the table's fields do not fit schema 1 ('blocks')"),
    ],
)  # fmt: skip
def test_damaged_tables(text, message):
    with pytest.raises(DataError) as caught:
        parse_table(text, "t")
    assert str(caught.value) == message


def test_a_table_that_is_not_there(tmp_path):
    with pytest.raises(DataError) as caught:
        read_table(tmp_path / "t.json")
    assert str(caught.value) == f"cannot read the table {tmp_path}/t.json: No such file or directory"
