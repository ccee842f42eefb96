"""What a running study says on stderr where that is no terminal."""

from __future__ import annotations

import json
import re
from types import SimpleNamespace
from typing import cast

import pytest

from bitwatt.cli.arguments import ProgressMode
from bitwatt.cli.progress import StudyDisplay, display, duration
from bitwatt.study.events import EpochDone, Failed, Finished, Notice, Planned, Started, TimeLeft
from bitwatt.study.results import Results


def test_lines_for_a_log(capsys: pytest.CaptureFixture[str]) -> None:
    with StudyDisplay("toy") as shown:
        for event in (
            Notice("the last run ended without closing"),
            Planned(stages=3, finished=1, epochs_left=4, points=2, finished_points=0),
            TimeLeft(None),
            Started("toy fixed8, seed 0", epochs=4, first_epoch=2),
            EpochDone("toy fixed8, seed 0", epoch=3, epochs=4, seconds=1.25),
            TimeLeft(125.0),
            EpochDone("toy fixed8, seed 0", epoch=4, epochs=4, seconds=1.25),
            Finished("toy fixed8, seed 0", seconds=3.2, accuracy=0.9875, energy_j=1.5e-6),
            Failed("toy fixed4, seed 0", "the loss became nan [x]"),
        ):
            shown(event)
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == [
        "note: the last run ended without closing",
        "3 stages; 1 are there already; 4 epochs to train",
        "toy fixed8, seed 0: goes on after epoch 2 of 4",
        "toy fixed8, seed 0: epoch 3 of 4, 1.2 s",
        "about 2 min 05 s left",
        "toy fixed8, seed 0: epoch 4 of 4, 1.2 s; about 2 min 05 s left",
        "toy fixed8, seed 0 done in 3 s: accuracy 98.75%, 1.5 uJ an image; 1 of 2 points",
        "FAILED toy fixed4, seed 0: the loss became nan [x]",
    ]


def test_lines_for_machines(capsys: pytest.CaptureFixture[str]) -> None:
    with display(ProgressMode.JSON, "toy") as shown:
        shown(Notice("first\nsecond"))
        shown(Finished("toy fixed8, seed 0", seconds=3.2, accuracy=0.5, energy_j=1.5e-6))
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line.pop("time") > 1.7e9 for line in lines] == [True, True]
    assert lines == [
        {"event": "Notice", "text": "first\nsecond"},
        {
            "event": "Finished",
            "stage": "toy fixed8, seed 0",
            "seconds": 3.2,
            "accuracy": 0.5,
            "energy_j": 1.5e-6,
        },
    ]


def test_bars_count_points_and_name_the_best(capsys: pytest.CaptureFixture[str]) -> None:
    with display(ProgressMode.BARS, "toy") as shown:
        for event in (
            Planned(stages=6, finished=1, epochs_left=4, points=5, finished_points=1),
            Failed("toy fixed4, seed 0", "the loss became nan"),
            Started("toy fixed8, seed 0", epochs=4, first_epoch=0),
            TimeLeft(125.0),
        ):
            shown(event)
        shown.show(results(("fixed8", 0.75, 2e-6), ("fixed16", 0.75, 3e-6), ("binary", 0.5, 1e-6)))
    said = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", capsys.readouterr().err)
    assert "1 of 5 points, 1 failed, 1 running" in said
    assert "about 2 min 05 s left; best 75.00% at 2 uJ (toy fixed8)" in " ".join(said.split())


def results(*points: tuple[str, float, float]) -> Results:
    """As much of a study's results as a display looks at."""
    of = SimpleNamespace
    found = [of(network="toy", precision=name, accuracy=a, energy_j=e) for name, a, e in points]
    return cast(Results, of(points=found))


def test_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with display(ProgressMode.NONE, "toy") as shown:
        shown(Notice("something"))
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59.4, "59 s"), (125, "2 min 05 s"), (12000, "3 h 20 min")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
