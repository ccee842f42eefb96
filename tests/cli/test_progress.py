"""What a running study says on stderr where that is no terminal."""

from __future__ import annotations

import pytest

from bitwatt.cli.progress import StudyDisplay, duration
from bitwatt.study.events import EpochDone, Failed, Finished, Notice, Planned, Started, TimeLeft


def test_lines_for_a_log(capsys: pytest.CaptureFixture[str]) -> None:
    with StudyDisplay("toy") as display:
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
            display(event)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.splitlines() == [
        "note: the last run ended without closing",
        "3 stages; 1 are there already; 4 epochs to train",
        "toy fixed8, seed 0: goes on after epoch 2 of 4",
        "toy fixed8, seed 0: epoch 3 of 4, 1.2 s",
        "about 2 min 05 s left",
        "toy fixed8, seed 0: epoch 4 of 4, 1.2 s; about 2 min 05 s left",
        "toy fixed8, seed 0 done in 3 s: accuracy 98.75%, 1.5 uJ an image; 1 of 2 points",
        "FAILED toy fixed4, seed 0: the loss became nan [x]",
    ]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59.4, "59 s"), (125, "2 min 05 s"), (12000, "3 h 20 min")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
