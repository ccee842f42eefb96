"""`bitwatt cost` of a program whose layers have their own precisions: on the widest tile by itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn

import bitwatt as bw
from bitwatt.cli.app import run


def saved(path: Path, precision: str, **layers: str) -> str:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 4))
    images = torch.rand(2, 1, 8, 8)
    own = {name.removeprefix("layer"): value for name, value in layers.items()}
    quantised = bw.quantize(net, precision, calibration=images, layers=own)
    bw.lower(quantised.eval(), images[:1], network="small").save(path)
    return str(path)


def costed(capsys: pytest.CaptureFixture[str], program: str) -> dict[str, object]:
    assert run(["cost", program, "--json"]) == 0
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


def test_the_tile_is_that_of_the_widest_layer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    uniform = costed(capsys, saved(tmp_path / "uniform.bitwatt", "fixed8"))
    # The least tile that is characterised and holds fixed6 and fixed4 is one of fixed8.
    program = saved(tmp_path / "mixed.bitwatt", "fixed4:fixed8", layer0="fixed6:fixed8")
    mixed = costed(capsys, program)
    assert "tile_precision" not in uniform
    assert (mixed["precision"], mixed["tile_precision"]) == ("fixed4:fixed8", "fixed8")
    for name in ("cycles", "energy_j", "area_mm2", "energy_j_by_component"):
        assert mixed[name] == uniform[name]
    weights = 36 * 6 // 8 + 576 * 4 // 8
    assert mixed["memory_bytes"] == {**uniform["memory_bytes"], "weights": weights}  # type: ignore[dict-item]
    assert run(["cost", program]) == 0
    first = " ".join(capsys.readouterr().out.split())
    assert first.startswith(
        "small fixed4:fixed8, layers of their own, on the modern tile of fixed8, nangate45"
    )


def test_what_no_tile_runs_is_refused_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program = saved(tmp_path / "mixed.bitwatt", "fixed8", layer0="fixed8:e4m3")
    assert run(["cost", program]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == (
        "bitwatt: no format of a tile holds e4m3 and fixed8 together; give the layers formats that one does"
    )
