"""The verbs that do work, on the tiny network of the study's tests."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from bitwatt.cli.app import run

HERE = Path(__file__).parent
STUDY = """\
name = "tiny"
network = "tiny:network"
data = "tiny:bars"
precisions = ["float32", "fixed8"]
[pretraining]
epochs = 4
batch_size = 32
learning_rate = 0.1
[retraining]
epochs = 1
batch_size = 32
"""


def process(arguments: list[str], folder: Path) -> subprocess.Popen[str]:
    """The command line as a process, in a folder, with the tiny network on its path."""
    path = str(HERE.parent / "study")
    code = f"import sys; sys.path.insert(0, {path!r}); from bitwatt.cli import main; main(sys.argv[1:])"
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        cwd=folder,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"COLUMNS": "200"},
        # Tests that are run in the background ignore SIGINT, and what they start would too.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


@pytest.fixture(scope="module")
def studied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli")
    (folder / "study.toml").write_text(STUDY)
    done = process(["study", "study.toml", "--out", "out", "--workers", "1"], folder)
    out, err = done.communicate(timeout=200)
    assert done.returncode == 0, err
    (folder / "stdout").write_text(out)
    (folder / "stderr").write_text(err)
    return folder


def test_the_table_goes_to_stdout_and_progress_to_stderr(studied: Path) -> None:
    out, err = (studied / "stdout").read_text(), (studied / "stderr").read_text()
    assert "float32" in out
    assert "fixed8" in out
    assert "epoch" not in out
    lines = err.splitlines()
    assert "3 stages; 5 epochs to train" in lines
    assert any(line.startswith("tiny:network fixed8, seed 0: epoch 1 of 1, ") for line in lines)
    assert lines[-1] == "report: out/report.html"
    assert (studied / "out" / "report.html").read_text().lstrip().startswith("<!")


def test_again_as_json_is_at_once_and_what_the_file_holds(
    studied: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(studied)
    assert run(["study", "study.toml", "--out", "out", "--json"]) == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out) == json.loads((studied / "out" / "results.json").read_text())
    assert "3 stages; 2 are there already; 0 epochs to train" not in shown.err
    assert "2 stages; 2 are there already; 0 epochs to train" in shown.err


def test_report_again(studied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = studied / "out" / "report.html"
    before = page.read_bytes()
    page.unlink()
    assert run(["report", str(studied / "out")]) == 0
    assert page.read_bytes() == before
    assert "fixed8" in capsys.readouterr().out
    assert run(["report", str(studied / "out"), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["groups"][0]["rows"]
    assert [row["precision"] for row in rows] == ["float32", "fixed8"]


def test_one_stage_at_a_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    subject = ["--network", "tiny:network", "--data", "tiny:bars"]
    assert run(["train", *subject, "--out", "tiny.safetensors", "--epochs", "3"]) == 0
    shown = capsys.readouterr()
    assert shown.out == "weights: tiny.safetensors\n"
    assert shown.err.startswith("epoch 1 of 3: loss ")

    lowering = ["lower", "tiny.safetensors", *subject, "--precision", "fixed8", "--out", "tiny.bitwatt"]
    assert run([*lowering, "--epochs", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "program": "tiny.bitwatt",
        "network": "tiny:network",
        "precision": "fixed8",
        "epochs": 1,
    }

    assert run(["evaluate", "tiny.bitwatt", "--data", "tiny:bars", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["count"] == 64
    assert found["accuracy"] == found["correct"] / 64 > 0.5
    assert run(["evaluate", "tiny.bitwatt", "--data", "tiny:bars"]) == 0
    assert f"{found['correct']} of 64 test images of" in capsys.readouterr().out

    assert run(["cost", "tiny.bitwatt", "--json"]) == 0
    cost = json.loads(capsys.readouterr().out)
    assert cost["energy_j"] == sum(cost["energy_j_by_component"].values()) > 0
    assert run(["cost", "tiny.bitwatt", "--preset", "hashemi2017"]) == 0
    assert "weight blocks" in capsys.readouterr().out


def test_weights_of_another_network_or_none_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.safetensors").write_bytes(b"nothing of the kind")
    rest = ["--network", "tiny:network", "--data", "tiny:bars", "--precision", "fixed8", "--out", "x.bitwatt"]
    assert run(["lower", "nowhere.safetensors", *rest]) == 2
    assert capsys.readouterr().err == "bitwatt: there is no weights file 'nowhere.safetensors'\n"
    assert run(["lower", "bad.safetensors", *rest]) == 2
    assert "'bad.safetensors' is not a safetensors file, or is damaged: " in capsys.readouterr().err


@pytest.mark.parametrize("signalled", [signal.SIGINT, signal.SIGTERM])
def test_stopped_in_training_it_ends_within_two_seconds_and_says_how_to_go_on(
    tmp_path: Path, signalled: signal.Signals
) -> None:
    (tmp_path / "study.toml").write_text(STUDY.replace("epochs = 4", "epochs = 100000"))
    running = process(["study", "study.toml", "--out", "out", "--workers", "2"], tmp_path)
    assert running.stderr is not None
    guard = threading.Timer(100, running.kill)
    guard.start()
    for line in running.stderr:
        if ": epoch 3 of 100000, " in line:
            break
    running.send_signal(signalled)
    sent = time.monotonic()
    _, err = running.communicate()
    took = time.monotonic() - sent
    guard.cancel()
    assert running.returncode == 1
    assert took < 2
    assert err.splitlines()[-1] == (
        "bitwatt: stopped; 0 of 2 points are finished and kept in 'out', and trainings up to their last "
        "epoch. The same command goes on from there"
    )


def test_a_worker_that_is_killed_fails_its_point_and_the_rest_is_reported(tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_text(STUDY.replace("epochs = 1\n", "epochs = 100000\n"))
    running = process(["study", "study.toml", "--out", "out", "--workers", "1"], tmp_path)
    assert running.stderr is not None
    guard = threading.Timer(100, running.kill)
    guard.start()
    for line in running.stderr:
        if "fixed8, seed 0: epoch 2 of 100000, " in line:
            break
    children = Path(f"/proc/{running.pid}/task/{running.pid}/children").read_text().split()
    os.kill(int(children[0]), signal.SIGKILL)
    out, err = running.communicate()
    guard.cancel()
    assert running.returncode == 1
    assert "float32" in out
    assert err.splitlines()[-2:] == [
        "bitwatt: 1 of 2 points failed; the others are in 'out'. The same command tries the failed ones "
        "again:",
        "  tiny:network fixed8, seed 0: its process was killed (SIGKILL), as the system does when memory "
        "runs out; try fewer workers",
    ]
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert [point["precision"] for point in results["points"]] == ["float32"]
    assert results["failed_points"] == ["tiny:network fixed8, seed 0"]
