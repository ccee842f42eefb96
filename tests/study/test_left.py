"""What is left of a study, before and after it; and training methods side by side to the end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bitwatt.cli.app import run
from bitwatt.study import StudyPlan, run_study, study_left
from bitwatt.study.lock import FolderInUse, folder_lock

STUDY = """\
name = "tiny"
network = "tiny:network"
data = "tiny:bars"
precisions = ["float32", "binary"]
[pretraining]
epochs = 3
batch_size = 64
[retraining]
epochs = 2
batch_size = 64
[methods.plain]
[methods.slow]
epochs = 4
weight_map = "piecewise-affine"
"""


def plan(epochs: int = 4) -> StudyPlan:
    return StudyPlan(
        name="tiny",
        networks=("tiny:network",),
        data="tiny:bars",
        precisions=("float32", "binary"),
        pretraining={"epochs": 3, "batch_size": 64},
        retraining={"epochs": 2, "batch_size": 64},
        methods={"plain": {}, "slow": {"epochs": epochs, "weight_map": "piecewise-affine"}},
    )


def test_what_is_left_shrinks_to_nothing_and_grows_with_the_plan(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, file = tmp_path / "out", tmp_path / "study.toml"
    file.write_text(STUDY)
    planned, time = study_left(plan(), folder, workers=1)
    assert (planned.points, planned.finished_points, planned.epochs_left) == (3, 0, 3 + 2 + 4)
    assert time.seconds is None
    assert not folder.exists()
    assert run(["study", str(file), "--out", str(folder), "--dry-run"]) == 0
    said = "tiny: 0 of 3 points are finished; 9 epochs to train, for how long is known after the first epoch"
    assert " ".join(capsys.readouterr().out.split()) == said

    results = run_study(plan(), folder, workers=1)
    named = [(point.network, point.precision) for point in results.points]
    assert named == [
        ("tiny:network", "float32"),
        ("tiny:network, plain", "binary"),
        ("tiny:network, slow", "binary"),
    ]
    assert [point.epochs["retraining"] for point in results.points] == [0, 2, 4]

    planned, time = study_left(plan(), folder, workers=1)
    assert (planned.points, planned.finished_points, planned.epochs_left) == (3, 3, 0)
    assert time.seconds == 0
    planned, time = study_left(plan(epochs=5), folder, workers=1)
    assert (planned.finished_points, planned.epochs_left) == (2, 5)
    assert time.seconds is not None
    assert time.seconds > 0

    assert run(["study", str(file), "--out", str(folder), "--dry-run", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["finished_points"] == found["points"] == 3
    assert found["seconds"] == 0

    with folder_lock(folder, lambda text: None), pytest.raises(FolderInUse):
        study_left(plan(), folder)
