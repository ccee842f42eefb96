"""The page of exports says which precisions each form holds; each cell is what building and running gives."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import bitwatt as bw
from bitwatt.errors import UnsupportedError
from bitwatt.export import FORMS, build
from bitwatt.export.packed import from_packed
from bitwatt.program import Program
from bitwatt.program.file import to_bytes
from bitwatt.testing.c_batch import run_c
from bitwatt.testing.export_suite import LEVELS, run_onnx

PAGE = (Path(__file__).parents[2] / "docs" / "export.md").read_text()
_ROWS = [
    [cell.strip().strip("`") for cell in line.strip("|").split("|")]
    for line in re.search(r"^\| precision \|.*?\n\n", PAGE, re.MULTILINE | re.DOTALL).group().split("\n")[:-2]
]
COLUMNS, TABLE = _ROWS[0][1:], {row[0]: row[1:] for row in _ROWS[2:]}


def test_every_form_has_a_column():
    assert list(FORMS) == COLUMNS
    assert {"float32", "fixed32", "fixed16", "fixed8", "fixed4", "pow2", "binary"} <= set(TABLE)


@pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is missing")
@pytest.mark.parametrize("precision", TABLE)
def test_cells(precision: str, tmp_path: Path):
    pytest.importorskip("onnxruntime", reason="the extra 'onnx' is not installed")
    torch.manual_seed(0)
    torch.set_num_threads(1)
    model = nn.Sequential(
        *(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
        *(nn.Linear(36, 10), nn.ReLU(), nn.Linear(10, 5)),
    )
    images = torch.randn(4, 1, 8, 8)
    network = bw.quantize(model, precision, calibration=images).eval()
    program = bw.lower(network, example=images[:1], network="small")
    found = [cell(program, form, images.numpy(), tmp_path) for form in COLUMNS]
    assert found == TABLE[precision], f"| `{precision}` | {' | '.join(found)} |"


def cell(program: Program, form: str, images: np.ndarray, folder: Path) -> str:
    """refused, equal or close where another tool runs it or it is read back, otherwise built."""
    try:
        files = build(program, form)
    except UnsupportedError:
        return "refused"
    logits = program(torch.from_numpy(images)).numpy()
    match form:
        case "onnx-qdq":
            found = [run_onnx(files["program.onnx"], images, level=level) for level in LEVELS]
        case "c":
            found = run_c([program], [[images]], folder)
        case "packed":
            found = [from_packed(next(iter(files.values())))(torch.from_numpy(images)).numpy()]
            assert to_bytes(from_packed(next(iter(files.values())))) == to_bytes(program)
        case _:
            assert all(files.values())
            return "written"
    if all(np.array_equal(logits, other) for other in found):
        return "equal"
    assert all(np.allclose(logits, other, rtol=0, atol=1e-4) for other in found)
    return "close"
