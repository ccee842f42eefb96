"""The page of a study that runs: whole at every moment, and loading itself again until the study ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bitwatt.cli.app import run
from bitwatt.cli.live_page import LivePage
from bitwatt.study.results import Results

REFRESH = '<meta http-equiv="refresh" content="10">'


def test_every_page_is_whole_and_only_the_last_stays_still(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("study.toml").write_text(
        'name = "tiny"\nnetwork = "tiny:network"\ndata = "tiny:bars"\nprecisions = ["fixed8", "fixed4"]\n'
        "[pretraining]\nepochs = 1\n[retraining]\nepochs = 0\n"
    )
    seen: list[str] = []

    class Watched(LivePage):
        def __call__(self, results: Results) -> None:
            super().__call__(results)
            if results.points:
                seen.append(Path("out/report.html").read_text())
                assert [path.name for path in Path("out").glob("*report*")] == ["report.html"]

    monkeypatch.setattr("bitwatt.cli.live_page.LivePage", Watched)
    assert run(["study", "study.toml", "--out", "out", "--workers", "1", "--progress", "json"]) == 0
    assert seen
    assert all(REFRESH in page and page.rstrip().endswith("</html>") for page in seen)
    assert "fixed8" in seen[0]
    final = Path("out/report.html").read_text()
    assert REFRESH not in final
    assert "fixed4" in final
    # For machines: nothing but JSON on stderr, the same that the log holds.
    lines = capsys.readouterr().err.splitlines()
    assert [json.loads(line) | {"time": 0} for line in lines] == [
        json.loads(line) | {"time": 0} for line in Path("out/events.jsonl").read_text().splitlines()
    ]
