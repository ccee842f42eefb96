"""Kill a study that runs as a process, at random moments, and look at what that left."""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from optuna.trial import FrozenTrial, TrialState


def results_in(folder: Path) -> bytes:
    return (folder / "results.json").read_bytes()


def kill_until_done(folder: Path, command: list[str], kills: int, seed: int) -> int:
    """Run the study as a process, killing it at random moments; then let it end. The kills that hit it."""
    moments = random.Random(seed)
    hits = 0
    for _ in range(kills):
        process = subprocess.Popen(command, stderr=subprocess.PIPE)
        wait_for_work(folder, process)
        time.sleep(moments.uniform(0.0, 0.3))
        hits += process.poll() is None
        process.kill()
        process.communicate()
    subprocess.run(command, check=True, capture_output=True)
    return hits


def wait_for_work(folder: Path, process: subprocess.Popen[bytes]) -> None:
    """A run's first seconds go into imports; kill it where it has something to lose."""
    begun = time.time()
    watched = (folder / "artifacts", folder / "results.json")
    while process.poll() is None and not any(p.exists() and p.stat().st_mtime > begun for p in watched):
        time.sleep(0.005)


def check_undoubled(trials: Sequence[FrozenTrial]) -> None:
    """One finished trial for each of the plan's eight points."""
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 8
    assert len({trial.user_attrs["digest"] for trial in trials}) == 8
