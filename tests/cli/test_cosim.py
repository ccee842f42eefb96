"""`bitwatt cosim` on a small program, in the simulator that needs no compiler."""

import json
from pathlib import Path

import pytest

from bitwatt.cli.app import run


def test_the_rtl_agrees(program: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["cosim", str(program), "--images", "2", "--simulator", "amaranth", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["agrees"] is True
    assert [layer["differing"] for layer in report["layers"]] == [0] * len(report["layers"])
    assert report["cycles"] == sum(layer["scheduled_cycles"] for layer in report["layers"])


def test_a_simulator_of_no_name(program: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["cosim", str(program), "--simulator", "verilatr"]) == 2
    assert "unknown simulator 'verilatr'; did you mean 'verilator'?" in capsys.readouterr().err


def test_more_images_than_there_are(program: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["cosim", str(program), "--images", "5000"]) == 2
    assert "--images 5000: 'mnist-small' has 2000 test images" in capsys.readouterr().err
