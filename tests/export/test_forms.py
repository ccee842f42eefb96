"""Every form can be written; what is written is whole; the command writes it too."""

from __future__ import annotations

import json

import numpy as np
import pytest
from safetensors import safe_open

from bitwatt.cli.app import run
from bitwatt.errors import RequestError, UnsupportedError
from bitwatt.export import FORMS, build, write
from bitwatt.hardware import Tile, testbench
from bitwatt.program import ops


@pytest.mark.parametrize("form", FORMS)
def test_every_form(form, program, tmp_path):
    made = program("lenet", "fixed4")
    files = write(made, form, tmp_path / "out")
    assert {file.name: file.read_bytes() for file in files} == (
        dict(build(made, form)) if FORMS[form].is_folder else {"out": next(iter(build(made, form).values()))}
    )
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_unknown_form(program):
    with pytest.raises(RequestError, match="unknown form 'onnx'; did you mean 'qonnx'"):
        build(program("lenet", "fixed4"), "onnx")


def test_a_refusal_writes_nothing(program, tmp_path):
    with pytest.raises(UnsupportedError):
        write(program("lenet", "fixed32"), "onnx-qdq", tmp_path / "new" / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_files_is_left_alone(program, tmp_path):
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(RequestError, match="is there and not empty"):
        write(program("lenet", "fixed4"), "c", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_safetensors_has_every_integer(program, tmp_path):
    made = program("lenet", "pow2")
    (file,) = write(made, "safetensors", tmp_path / "lenet.safetensors")
    with safe_open(file, "numpy") as tensors:
        described = {
            op["name"]: op for op in json.loads(tensors.metadata()["bitwatt_integers"])["operations"]
        }
        for op in made.ops:
            if isinstance(op, ops.Conv2d | ops.Linear):
                np.testing.assert_array_equal(tensors.get_tensor(f"{op.name}.weight"), op.weight)
                assert tuple(described[op.name]["weight_exponent"]) == op.weight_exponent


def test_memory_images_are_those_of_the_test_bench(program, images):
    made = program("lenet", "fixed8")
    files = build(made, "memory-images")
    bench = testbench.testbench_files(made, Tile("fixed8"), images("lenet")[:1])
    for name in ("layers", "sb_rows", "parameters"):
        assert files[f"{name}.hex"].decode() == bench[f"{name}.hex"]
    described = json.loads(files["passes.json"])
    rows = sum(step["streams"]["sb_rows"]["rows"] for step in described["passes"])
    assert rows == len(files["sb_rows.hex"].splitlines())


def test_command(program, tmp_path, capsys):
    program("lenet", "fixed4").save(tmp_path / "lenet.bitwatt")
    asked = ["export", str(tmp_path / "lenet.bitwatt"), "--to", "c", "--out", str(tmp_path / "c"), "--json"]
    assert run(asked) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["form"] == "c"
    assert answer["bytes"]["weights"] > 0
    assert run(asked) == 2
    assert "not empty" in capsys.readouterr().err
