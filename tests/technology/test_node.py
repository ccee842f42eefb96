"""The node of a library by its name, and memories for a node that a table does not have."""

import pytest

from bitwatt.errors import RequestError
from bitwatt.technology.node import library_node_nm
from bitwatt.technology.sram import built_in_sram_table, macros_for_node


@pytest.mark.parametrize(
    ("library", "node"),
    [
        ("NangateOpenCellLibrary", 45),
        ("sky130_fd_sc_hd__tt_025C_1v80", 130),
        ("acme_28nm_hvt", 28),
        ("ACME 16 nm", 16),
    ],
)
def test_the_node_by_the_name(library, node):
    assert library_node_nm(library) == node


def test_a_name_that_tells_no_node():
    with pytest.raises(RequestError) as caught:
        library_node_nm("tcbn_hvt")
    assert str(caught.value) == "the library 'tcbn_hvt' does not say its node; give it, as in --node 65"


def test_a_table_that_has_the_node_is_taken_as_it_is():
    assert macros_for_node(built_in_sram_table(), 65, "itrs-lop") is built_in_sram_table()


def test_else_the_nearest_node_is_scaled_and_says_so():
    table = built_in_sram_table()
    scaled, nearest = macros_for_node(table, 130, "itrs-lop"), table.at(90, "itrs-lop")
    assert scaled.source.endswith("scaled from 90 to 130 nm at constant field, supply as it was")
    s = 130 / 90
    for before, after in zip(nearest, scaled.at(130, "itrs-lop"), strict=True):
        assert (after.size_bytes, after.width_bits) == (before.size_bytes, before.width_bits)
        assert after.area_um2 == pytest.approx(before.area_um2 * s**2)
        assert after.read_j == pytest.approx(before.read_j * s)
        assert after.access_s == pytest.approx(before.access_s * s)
        assert after.leakage_w == before.leakage_w


def test_a_cell_type_that_is_at_no_node():
    with pytest.raises(RequestError, match="has no 130 nm 'itrs-best' macros; it has"):
        macros_for_node(built_in_sram_table(), 130, "itrs-best")
