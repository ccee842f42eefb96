import gzip
import os
import re
from pathlib import Path

import pytest

from bitwatt.errors import DataError, RequestError
from bitwatt.technology.liberty import parse_liberty, read_liberty


def test_units(tiny):
    assert (tiny.time_s, tiny.capacitance_f, tiny.leakage_w) == (1e-12, pytest.approx(1e-14), 1e-6)
    assert tiny.energy_j == pytest.approx(1e-14)
    assert (tiny.name, tiny.voltage_v, tiny.default_wire_load) == ("tiny", 2.0, None)


def test_cells(tiny):
    inverter, nand, register = (tiny.cell(name) for name in ("INV", "NAND2", "DFF"))
    assert [(s.when.text, s.power) for s in inverter.leakage_states] == [("!A", 1.0), ("A", 3.0)]
    assert inverter.pins["Z"].max_capacitance == 8.0
    assert inverter.pins["Z"].power_arcs[0].rise.at(0, 0) == 7.0
    assert inverter.pins["Z"].timing_arcs[0].tables["cell_rise"].at(5, 2) == 35.0
    assert (nand.pins["A"].rise_capacitance, nand.pins["A"].fall_capacitance) == (3.0, 1.0)
    assert (nand.pins["B"].rise_capacitance, nand.pins["B"].fall_capacitance) == (1.0, 1.0)
    assert nand.pins["Z"].timing_arcs[0].related_pins == ("A", "B")
    assert nand.is_combinational
    assert not register.is_combinational
    assert register.flip_flop.clocked_on.single_pin() == "CK"
    assert register.pins["CK"].is_clock
    assert [pin.name for pin in register.inputs] == ["CK", "D"]


def test_unknown_cell(tiny):
    with pytest.raises(RequestError) as caught:
        tiny.cell("INVV")
    assert str(caught.value) == "unknown cell of tiny 'INVV'; did you mean 'INV'? Allowed: INV, NAND2, DFF"


def _without(text: str, start: str, end: str) -> str:
    return text[: text.index(start)] + text[text.index(end, text.index(start)) :]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda text: text[: text.index("cell_rise")],
            "tiny.lib is truncated: it ends inside library(tiny) > cell(INV) > pin(Z) > timing(); get the "
            "whole "
            "file again",
        ),
        (
            lambda text: text[: text.index("20, 60")],
            "tiny.lib is truncated: it ends inside library(tiny) > cell(INV) > pin(Z) > timing() > "
            "cell_rise(delay); get the whole file again",
        ),
        (lambda text: "", "tiny.lib is not liberty: expected one group 'library', found 0"),
        (
            lambda text: "module inverter(input a);\n",
            "tiny.lib is not liberty: line 1: expected a group or an attribute, got 'module "
            "inverter(input a);'",
        ),
        (
            lambda text: text + "}",
            "tiny.lib: line 92: a '}' closes nothing; not a liberty file",
        ),
        (
            lambda text: text.replace('time_unit : "1ps";', ""),
            "tiny.lib: 'time_unit' is needed, such as \"1ns\"; the file has none",
        ),
        (
            lambda text: text.replace('"1V"', '"1 parsec"'),
            "tiny.lib: 'voltage_unit' is needed, such as \"1nV\"; got '1 parsec'",
        ),
        (
            lambda text: text.replace("capacitive_load_unit (10, ff);", ""),
            "tiny.lib: 'capacitive_load_unit' is needed, such as (1, pf); the file has none",
        ),
        (
            lambda text: text.replace("nom_voltage : 2.0;", ""),
            "tiny.lib: 'nom_voltage' is needed to turn capacitance into energy; the file has none",
        ),
        (
            lambda text: text[: text.index("  cell (DFF)")] + "}",
            "tiny.lib has no flip-flop (a cell with an 'ff' group); registers cannot be mapped to it",
        ),
        (
            lambda text: _without(text, "  cell (INV)", "  cell (NAND2)"),
            "tiny.lib has no inverter (a cell of one input whose function is its inverse); logic cannot "
            "be mapped "
            "to it",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_file_is_named(tiny_text, change, message):
    with pytest.raises(DataError) as caught:
        parse_liberty(change(tiny_text), "tiny.lib")
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("area : 1.5", "area : large"), "tiny.lib: cell INV: 'area' must be a number, got 'large'"),
        (("area : 2;", "area : 2..0;"), "tiny.lib: cell NAND2: 'area' must be a number, got '2..0'"),
        (("value : 3", "values : 3"), "tiny.lib: cell INV: 'value' is needed; the file has none"),
        (("capacitance : 0.5", "capacitance : x"),
         "tiny.lib: cell DFF pin CK: 'capacitance' must be a number, got 'x'"),
        (("pin (Z)", "pin ()"),
         "tiny.lib: cell INV: a group 'pin' without a name; get the whole file again"),
        (("cell (DFF)", "cell ()"), "tiny.lib: a group 'cell' without a name; get the whole file again"),
        (("ff (IQ, IQN)", "ff (IQ)"), "cell DFF: its 'ff' group needs two names, got ('IQ',)"),
        (("(10, ff)", "(ten, ff)"), "tiny.lib: 'capacitive_load_unit' must be a number, got 'ten'"),
        (("nom_voltage : 2.0", "nom_voltage : low"), "tiny.lib: 'nom_voltage' must be a number, got 'low'"),
        (('values ("7")', 'values ("7.7.7")'),
         "tiny.lib: cell INV pin Z: 'values' must be a number, got '7.7.7'"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_number_or_a_name_is_named(tiny_text, change, message):
    assert change[0] in tiny_text
    with pytest.raises(DataError) as caught:
        _read_whole(tiny_text.replace(*change, 1))
    assert str(caught.value) == message


def test_whatever_word_is_damaged_is_no_traceback(tiny_text):
    """Every word and mark of the file in turn: left out, and replaced in several ways."""
    refused = 0
    for word in re.finditer(r'[\w.]+|"[^"]*"|[(){};:,]', tiny_text):
        for instead in ("", "zz", '""', "-1", "{"):
            try:
                _read_whole(tiny_text[: word.start()] + instead + tiny_text[word.end() :])
            except DataError:
                refused += 1
    assert refused > 1000


def _read_whole(text):
    library = parse_liberty(text, "tiny.lib")
    for name in library.cell_names:
        library.cell(name)


def test_gzip_is_read_and_a_damaged_one_is_refused(tiny_text, tmp_path):
    path = tmp_path / "tiny.lib.gz"
    path.write_bytes(gzip.compress(tiny_text.encode()))
    assert read_liberty(path).sha256 == parse_liberty(tiny_text, "tiny").sha256
    cut = tmp_path / "cut.lib.gz"
    cut.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DataError, match=r"cut\.lib\.gz is a damaged gzip file"):
        read_liberty(cut)


def test_files_that_are_no_text_or_not_there(tmp_path):
    binary = tmp_path / "binary.lib"
    binary.write_bytes(b"library \xff\xfe")
    with pytest.raises(DataError) as caught:
        read_liberty(binary)
    assert str(caught.value) == f"{binary} is not liberty: byte 8 is not text"
    with pytest.raises(DataError) as caught:
        read_liberty(tmp_path / "none.lib")
    assert str(caught.value) == f"cannot read the liberty file {tmp_path}/none.lib: No such file or directory"


def test_wire_load_between_and_beyond_its_points(tiny_text):
    model = 'wire_load ("w") { capacitance : 2; slope : 10; fanout_length (1, 5); fanout_length (3, 9); }'
    library = parse_liberty(
        tiny_text.replace("nom_voltage", f'{model} default_wire_load : "w"; nom_voltage'), "tiny.lib"
    )
    assert library.default_wire_load == "w"
    assert [library.wire_capacitance("w", n) for n in (0, 1, 2, 3, 5)] == [0, 10, 14, 18, 58]


@pytest.mark.eda
def test_nangate45(nangate45):
    """Figures read off the file by eye; every cell parses."""
    cells = [nangate45.cell(name) for name in nangate45.cell_names]
    assert (len(cells), nangate45.voltage_v, nangate45.energy_j) == (135, 1.1, pytest.approx(1e-15))
    inverter = nangate45.cell("INV_X1")
    assert inverter.pins["ZN"].power_arcs[0].rise.at(0.00117378, 0.365616) == pytest.approx(1.846618)
    assert inverter.pins["ZN"].timing_arcs[0].tables["cell_fall"].at(0.198535, 60.73) == pytest.approx(
        0.15297
    )
    gate = nangate45.cell("CLKGATE_X1").clock_gate
    assert (gate.clock, gate.enables, gate.output) == ("CK", ("E",), "GCK")


@pytest.mark.eda
def test_a_library_of_another_style():
    """Sky130 high density quotes every name and leaves arguments of tables to templates."""
    path = os.environ.get("BITWATT_SKY130_LIBERTY")
    if path is None:
        pytest.skip("BITWATT_SKY130_LIBERTY does not name a sky130_fd_sc_hd liberty file")
    library = read_liberty(Path(path))
    cells = [library.cell(name) for name in library.cell_names]
    assert (len(cells), library.voltage_v, library.energy_j) == (428, 1.8, pytest.approx(1e-12))
    assert sum(cell.flip_flop is not None for cell in cells) == 45
