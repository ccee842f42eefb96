"""`bitwatt tile`: the records that machines read, and the table that people read."""

import json

import pytest

from bitwatt.cli.app import run
from bitwatt.costing.breakdown import COMPONENTS, ENERGY_COMPONENTS
from bitwatt.formats import PAPER


@pytest.mark.parametrize("preset", ["modern", "hashemi2017"])
def test_json(preset: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["tile", "--precisions", "paper", "--preset", preset, "--json"]) == 0
    records = json.loads(capsys.readouterr().out)
    assert [record["precision"] for record in records] == [str(precision) for precision in PAPER]
    for record in records:
        assert record["clock_hz"] == 250e6
        assert sum(record["area_mm2_by_component"].values()) == record["area_mm2"]
        assert sum(record["power_w_by_component"].values()) == record["power_w"]
        assert list(record["area_mm2_by_component"]) == list(COMPONENTS)
        assert list(record["power_w_by_component"]) == list(ENERGY_COMPONENTS)
        assert record["node_nm"] == (65 if preset == "hashemi2017" else 45)
        assert record["provenance"]["sb"].startswith("table" if preset == "modern" else "synthesised")
        assert record["timing"]["largest_clock_hz"] == 1 / record["delay_s"][record["timing"]["slowest"]]
    assert records[0]["buffer_bits"] == 589_824
    assert records[-1]["buffer_bits"] == 49_152


def test_published_figures_stand_beside_ours_and_say_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["tile", "--precisions", "float32,fixed8,fixed6", "--preset", "hashemi2017"]) == 0
    shown = capsys.readouterr().out
    for figure in ("published, 65 nm", "3.36", "79.9 %"):
        assert figure in shown
    assert run(["tile", "--precisions", "fixed8"]) == 0
    assert "published" not in capsys.readouterr().out


def test_a_block_that_was_not_characterised_is_a_wrong_request(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["tile", "--precisions", "fixed8", "--rows", "66"]) == 2
    assert "has not characterised control/66" in capsys.readouterr().err
