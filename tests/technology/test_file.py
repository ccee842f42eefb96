"""A technology in one file: written and read back, and what is wrong with a file that is none."""

import json
from dataclasses import replace

import pytest

from bitwatt.errors import DataError
from bitwatt.technology.file import read_technology, write_technology
from bitwatt.technology.sram import SramTable, built_in_sram_table
from bitwatt.technology.table import read_table
from bitwatt.technology.technology import technology


def test_written_and_read_back(tmp_path):
    before = technology("nangate45")
    write_technology(before, tmp_path / "t.json")
    after = read_technology(tmp_path / "t.json")
    assert after == before
    assert json.loads((tmp_path / "t.json").read_text())["memory"]["macros"] is None
    assert technology(str(tmp_path / "t.json")) == before
    assert read_table(tmp_path / "t.json") == before.table


def test_equal_technologies_are_equal_bytes(tmp_path):
    made = technology("nangate45")
    for name, nm in (("whole", 45), ("float", 45.0)):
        write_technology(replace(made, node_nm=nm, sram_node_nm=nm), tmp_path / name)
    assert (tmp_path / "whole").read_bytes() == (tmp_path / "float").read_bytes()


def test_memories_of_the_users_own_go_with_it(tmp_path):
    macros = built_in_sram_table().at(45, "itrs-hp")
    own = replace(technology("nangate45"), sram=SramTable("a foundry", macros), sram_cell="itrs-hp")
    write_technology(own, tmp_path / "t.json")
    assert read_technology(tmp_path / "t.json").sram == own.sram


def test_a_file_that_is_no_technology(tmp_path):
    path = tmp_path / "t.json"
    with pytest.raises(DataError) as caught:
        technology(str(path))
    assert str(caught.value) == f"cannot read the technology {path}: No such file or directory"
    write_technology(technology("nangate45"), path)
    record = json.loads(path.read_text())
    del record["memory"]
    path.write_text(json.dumps(record))
    with pytest.raises(DataError) as caught:
        technology(str(path))
    assert str(caught.value) == (
        f"{path} is a table but no technology: 'node_nm' or 'memory' is missing or malformed ('memory'); "
        "write it again with `bitwatt characterize`"
    )
    path.write_text(path.read_text()[:100])
    with pytest.raises(DataError, match="is not a characterised table"):
        technology(str(path))


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(DataError, match=r"cannot write the technology .*: No such file or directory"):
        write_technology(technology("nangate45"), tmp_path / "missing" / "t.json")
