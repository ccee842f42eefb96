"""Networks drawn at random: module, program, reference, onnxruntime and compiled C agree on every bit.

Counts are what half a minute holds; `python -m bitwatt.testing.soak --exports` does as many as wanted.
"""

from __future__ import annotations

import shutil
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from bitwatt.export import build
from bitwatt.program import ops
from bitwatt.testing import c_batch, export_suite
from bitwatt.testing.conformance import ConformanceError
from bitwatt.testing.drawn_networks import NARROW, draw_network
from bitwatt.testing.export_suite import ExportReport, check_c, check_onnx
from bitwatt.testing.soak import main

FIRST = 10_000
IN_ONNX, IN_C = 200, 40
NEVER_REFUSED = tuple(p for p in NARROW if "e2m1" not in p)
"""Even steps and sums that float32 holds: every form must hold these."""

needs_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is missing")


_drawn = cache(draw_network)


@pytest.fixture
def _onnxruntime() -> None:
    pytest.importorskip("onnxruntime", reason="the extra 'onnx' is not installed")


@pytest.mark.usefixtures("_onnxruntime")
def test_onnx():
    report = ExportReport()
    for seed in range(FIRST, FIRST + IN_ONNX):
        check_onnx(_drawn(seed), report)
    assert report.compared["onnx-qdq"] + len(report.refused["onnx-qdq"]) == IN_ONNX
    assert report.share("onnx-qdq") > 0.75, report.refused
    assert report.operations["onnx-qdq"] == set(ops.OPS.values())
    assert not [network for network in report.refused["onnx-qdq"] if network.endswith(NEVER_REFUSED)]


@needs_gcc
def test_c(tmp_path: Path):
    report = ExportReport()
    check_c([_drawn(seed) for seed in range(FIRST, FIRST + IN_C)], report, tmp_path)
    assert report.share("c") > 0.9, report.refused
    assert report.operations["c"] == set(ops.OPS.values())
    assert not [network for network in report.refused.get("c", ()) if network.endswith(NEVER_REFUSED)]


@needs_gcc
def test_a_difference_in_c_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Sums that are one too many before they are rounded."""
    drawn = draw_network(4, precisions=["fixed8"])

    def damaged(program, form):
        files = dict(build(program, form))
        return {name: text.replace(b"int32_t sum = ", b"int32_t sum = 9 + ") for name, text in files.items()}

    monkeypatch.setattr(c_batch, "build", damaged)
    with pytest.raises(ConformanceError, match=r"C99 differs from the program\. network 4, "):
        check_c([drawn], ExportReport(), tmp_path)


@pytest.mark.usefixtures("_onnxruntime")
def test_a_difference_in_onnx_is_seen(monkeypatch: pytest.MonkeyPatch):
    drawn, other = (draw_network(4, precisions=[precision]) for precision in ("fixed8", "fixed4"))
    monkeypatch.setattr(export_suite, "build", lambda _, form: build(other.program, form))
    with pytest.raises(ConformanceError, match=r"ONNX at ORT_DISABLE_ALL differs from the program"):
        check_onnx(drawn, ExportReport())


@pytest.mark.usefixtures("_onnxruntime")
def test_what_onnxruntime_does_not_run_is_a_difference(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(export_suite, "build", lambda program, form: {"program.onnx": b"no model"})
    with pytest.raises(ConformanceError, match=r"(?s)onnxruntime fails at ORT_DISABLE_ALL: .*network 4, "):
        check_onnx(draw_network(4, precisions=["fixed8"]), ExportReport())


@needs_gcc
@pytest.mark.usefixtures("_onnxruntime")
def test_soak(capsys: pytest.CaptureFixture[str]):
    assert main(["--count", "3", "--start", "500", "--exports"]) == 0
    shown = capsys.readouterr().out  # of the three, one has activations of e4m3
    assert "exports c: 2 equal, 1 refused; onnx-qdq: 2 equal, 1 refused; " in shown


@needs_gcc
@pytest.mark.usefixtures("_onnxruntime")
def test_soak_names_every_network_that_differs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(export_suite, "run_c", lambda programs, images, folder: [np.zeros(1)] * len(programs))
    assert main(["--count", "2", "--exports"]) == 1
    shown = capsys.readouterr().out
    assert "seed 0: C99 differs" in shown
    assert "seed 1: C99 differs" in shown
    assert "2 networks from seed 0: 2 failed" in shown
