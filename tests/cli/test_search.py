"""`bitwatt search` on the command line: one line for what is wrong, and the status that goes with it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bitwatt.cli.app import run

SMALL = ["--network", "tiny:network", "--data", "tiny:bars", "--widths", "1", "--workers", "1"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--network", "lenet"], "a search needs --network and --data, or a file (bitwatt search --help)"),
        ([*SMALL, "--objectives", "accuracy,speed"], "search: unknown objective 'speed'"),
        (
            [*SMALL, "--budget", "energy=1 u"],
            "search: budget: energy has a unit of pJ, nJ, uJ, mJ, J, as in 1uJ; got '1 u'",
        ),
        (
            [*SMALL, "--budget", "energy=1fJ"],
            "search: budget: energy has a unit of pJ, nJ, uJ, mJ, J, as in ",
        ),
        (
            [*SMALL, "--budget", "energy=1pJ"],
            "no network of the space meets the budget energy=1 pJ. The nearest",
        ),
        ([*SMALL, "--time", "10"], "search: time has a unit of s, min, h, d, as in 10min; got '10'"),
        (
            [*SMALL, "--precisions", "fixed88"],
            "search: fixed point: width must be a whole number from 2 to 32, got 88",
        ),
        (
            [*SMALL, "--sampler", "cma"],
            "search: sampler: input should be 'tpe', 'nsga2' or 'random', got 'cma'",
        ),
        (["missing.toml"], "cannot read the search file 'missing.toml': "),
    ],
)
def test_what_is_wrong_is_one_line(
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["search", *arguments]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith(f"bitwatt: {message}")


def test_a_small_search_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.toml").write_text(
        '[search]\nnetwork = "tiny:network"\ndata = "tiny:bars"\nprecisions = "fixed8"\nwidths = 1\n'
        "[search.pretraining]\nepochs = 2\n[search.retraining]\nepochs = 1\n"
    )
    arguments = ["search", "small.toml", "--out", "out", "--workers", "1", "--seed", "3", "--trials", "1"]
    assert run(arguments) == 0
    shown = capsys.readouterr().out
    assert "Most accurate: 1; saved: " in shown
    assert "Least energy at float's accuracy or better: " in shown
    assert run([*arguments, "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record == json.loads((tmp_path / "out" / "search.json").read_text())
    assert (tmp_path / "out" / "report.html").read_text().count("<tr data-row=") == 1 + len(record["points"])
    assert record["points"][0]["command"] == (
        "bitwatt search small.toml --seed 3 --precisions fixed8 --widths 1 --neurons 8 --synapses 16 "
        "--rows 64 --buffers sram"
    )
