import hashlib
from dataclasses import replace
from importlib import resources

import pytest

from bitwatt.errors import DataError, RequestError
from bitwatt.technology.sram import SramArray, SramTable, built_in_sram_table, read_sram_table, sram


def test_the_file_is_the_one_that_the_readme_cites():
    folder = resources.files("bitwatt.technology") / "characterized"
    digest = hashlib.sha256((folder / "sram_cacti7.csv").read_bytes()).hexdigest()
    assert digest in (folder / "README.md").read_text()
    assert digest in built_in_sram_table().source


def test_size_is_in_bytes():
    """The reasons that the README gives, from the table itself."""
    macros = built_in_sram_table().macros
    assert len(macros) == 752
    assert min(macro.rows for macro in macros) == 32
    densest = min(macro.area_um2 / (8 * macro.size_bytes) / (macro.node_nm * 1e-3) ** 2 for macro in macros)
    assert 146 < densest < 250  # F^2 a bit: CACTI's cell is 146
    assert densest * 8 > 1000  # what it would be, were size in bits


@pytest.mark.parametrize("width", [8, 16, 100, 256, 1024, 4096, 8192])
@pytest.mark.parametrize("rows", [16, 64, 1000])
def test_the_arrangement_is_the_cheapest_of_all(rows, width):
    array = sram(rows, width, 45)
    macros = built_in_sram_table().at(45, "itrs-lop")
    assert array.wide * array.macro.width_bits >= width
    assert array.deep == 1
    for macro in macros:
        if macro.rows >= rows:
            count = -(-width // macro.width_bits)
            energy = count * (macro.read_j + macro.write_j)
            assert array.read_j + array.write_j <= energy * (1 + 1e-12)


@pytest.mark.parametrize("rows", [1, 32, 33, 500, 10**6])
def test_arrays_choose_as_going_through_every_arrangement_does(rows):
    """To the last bit, and of equals the first, whatever was asked for before."""
    macros = built_in_sram_table().at(45, "itrs-lop")
    deepest = max(macro.rows for macro in macros)
    for width in (*range(1, 130), 1000, 4095, 4096, 65537):
        wanted = min(
            (
                SramArray(rows, width, macro, -(-width // macro.width_bits), -(-rows // macro.rows))
                for macro in macros
                if macro.rows >= min(rows, deepest)
            ),
            key=lambda array: (array.read_j + array.write_j, array.area_um2),
        )
        assert sram(rows, width, 45) == wanted


def test_wide_words_are_banked():
    """A word twice as wide costs twice as much, not the four times of CACTI's widest single macros."""
    narrow, wide = sram(64, 2048, 45), sram(64, 8192, 45)
    assert wide.read_j == pytest.approx(4 * narrow.read_j)
    assert wide.area_um2 == pytest.approx(4 * narrow.area_um2)
    assert wide.leakage_w == pytest.approx(wide.wide * wide.macro.leakage_w)


def test_macros_are_stacked_only_where_none_is_deep_enough():
    table = built_in_sram_table()
    shallow = SramTable("cut", tuple(macro for macro in table.macros if macro.rows <= 64))
    array = sram(1000, 64, 45, table=shallow)
    assert (array.deep, array.macro.rows) == (16, 64)
    assert array.read_j == pytest.approx(array.wide * array.macro.read_j)
    assert array.leakage_w == pytest.approx(array.wide * 16 * array.macro.leakage_w)


def test_area_breaks_ties_of_energy():
    macro = built_in_sram_table().at(45, "itrs-lop")[0]
    table = SramTable("two", (replace(macro, area_um2=9.0), replace(macro, area_um2=8.0)))
    assert sram(32, 8, 45, table=table).macro.area_um2 == 8.0


def test_slack_against_a_clock():
    array = sram(64, 256, 45)
    assert array.slack_s(250e6) == pytest.approx(4e-9 - max(array.macro.access_s, array.macro.cycle_s))
    assert array.slack_s(10e9) < 0


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ((0, 8, 45), "an SRAM buffer needs at least 1 row of 1 bit, got 0 rows of 8 bits"),
        (
            (64, 8, 28),
            "the SRAM table has no 28 nm 'itrs-lop' macros; it has 32 nm itrs-lop, 45 nm itrs-hp, 45 nm "
            "itrs-lop, "
            "45 nm itrs-lstp, 65 nm itrs-hp, 65 nm itrs-lop, 65 nm itrs-lstp, 90 nm itrs-lop",
        ),
    ],
)
def test_requests_that_cannot_be_met(request_, message):
    with pytest.raises(RequestError) as caught:
        sram(*request_)
    assert str(caught.value) == message


HEADER = "size,width,tech,cell,access_ns,cycle_ns,read_pj,write_pj,leak_mw,area_mm2\n"


def test_a_table_of_ones_own(tmp_path):
    path = tmp_path / "own.csv"
    path.write_text(HEADER + "1024,32,0.022,mine,1,2,3,4,5,6\n")
    (macro,) = read_sram_table(path, "my compiler").macros
    assert (macro.node_nm, macro.rows, macro.access_s, macro.cycle_s) == (22, 256, 1e-9, 2e-9)
    assert (macro.read_j, macro.write_j, macro.leakage_w, macro.area_um2) == (
        pytest.approx(3e-12), pytest.approx(4e-12), 5e-3, 6e6,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("size,width\n1,2\n",
         "the column(s) tech, cell, access_ns, cycle_ns, read_pj, write_pj, leak_mw, area_mm2 are "
         "missing; needed: "
         + HEADER.strip().replace(",", ", ")),
        (HEADER, "the table holds no macro"),
        (HEADER + "1024,32,0.022,mine,1,2,x,4,5,6\n", "line 2: 'read_pj' must be a positive number, got 'x'"),
        (HEADER + "1024,32,0.022,mine,1,2,3,-4,5,6\n", "line 2: 'write_pj' must be a positive number, got "
        "'-4'"),
        (HEADER + "1024,32,0.022,mine,1,2,3\n", "line 2: 'write_pj' must be a positive number, got 'None'"),
    ],
)  # fmt: skip
def test_a_table_with_a_fault(tmp_path, text, message):
    path = tmp_path / "own.csv"
    path.write_text(text)
    with pytest.raises(DataError) as caught:
        read_sram_table(path, "mine")
    assert str(caught.value) == f"{path}: {message}"


def test_a_table_that_is_not_there(tmp_path):
    with pytest.raises(DataError) as caught:
        read_sram_table(tmp_path / "none.csv", "mine")
    assert str(caught.value) == f"cannot read the SRAM table {tmp_path}/none.csv: No such file or directory"
