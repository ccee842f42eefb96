"""Work without numerics: a chain of digests, one link an epoch.

The chain shows what matters to the engine: each epoch follows from the last, so that an epoch lost, doubled
or taken from another stage changes the result. Nothing here loads torch: workers start at once.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import resource
import signal
import time
from dataclasses import dataclass

from bitwatt.errors import BitwattError, DataError
from bitwatt.study.artifacts import read_artifact
from bitwatt.study.checkpoints import Slots
from bitwatt.study.events import EpochDone, Notice, Started
from bitwatt.study.stages import FloatStage, PointStage
from bitwatt.study.worker import Outcome, Report, Task

TRAINED = "BITWATT_TESTS_TRAINED"
"""Environment variable: a file to which the labels of stages that are trained are written."""


@dataclass(frozen=True)
class Chain:
    epoch: int
    digest: str


def write_chain(chain: Chain) -> bytes:
    return json.dumps([chain.epoch, chain.digest]).encode()


def read_chain(content: bytes) -> Chain:
    try:
        epoch, digest = json.loads(content)
    except ValueError as error:
        raise DataError(f"not a chain: {error}") from error
    return Chain(epoch, digest)


def chain_work(task: Task, report: Report, epoch_seconds: float = 0.02) -> Outcome:
    """Train: hash on once an epoch, 20 ms each, from the last checkpoint."""
    stage = task.stage
    if task.program is not None and isinstance(stage, PointStage):
        return Outcome(task.program.record, read_artifact(task.artifacts, task.program.artifact_id) or b"")
    if TRAINED in os.environ:
        with open(os.environ[TRAINED], "a") as file:
            file.write(f"{stage.label}\n")
    slots = Slots(task.artifacts, stage.training_digest)
    found = slots.latest(read_chain, lambda text: report(Notice(f"{stage.label}: {text}")))
    chain = found or Chain(0, stage.training_digest)
    report(Started(stage.label, stage.epochs, chain.epoch))
    while chain.epoch < stage.epochs:
        time.sleep(epoch_seconds)
        chain = Chain(chain.epoch + 1, hashlib.sha256(chain.digest.encode()).hexdigest())
        slots.keep(chain.epoch, write_chain(chain))
        report(EpochDone(stage.label, chain.epoch, stage.epochs, epoch_seconds))
    if isinstance(stage, FloatStage):
        return Outcome({"epochs": stage.epochs, "history": []}, chain.digest.encode())
    return Outcome(point_record(stage, chain), chain.digest.encode())


def point_record(stage: PointStage, chain: Chain) -> dict[str, object]:
    correct = int(chain.digest[:4], 16) % 5
    point = {
        "network": stage.subject.network,
        "precision": stage.precision,
        "weights": stage.precision,
        "activations": stage.precision,
        "seed": stage.seed,
        "preset": stage.presets[0],
        "technology": stage.technology,
        "accuracy": correct / 4 if correct <= 4 else 0.0,
        "correct": correct,
        "count": 4,
        "memory_bytes": {"weights": 8, "biases": 4, "activations_peak": 2},
        "cycles": 100,
        "runtime_s": 4e-7,
        "energy_j": 1e-9 + correct * 1e-10,
        "power_w": 0.1,
        "area_mm2": 1.0,
        "energy_j_by_component": {"clock": 1e-9 + correct * 1e-10},
        "area_mm2_by_component": {"control": 1.0},
        "by_layer": [],
        "arithmetic": [],
        "epochs": {"pretraining": 3, "retraining": stage.epochs},
        "program_sha256": chain.digest,
        "provenance": {"accuracy": "assumed", "energy": "assumed", "area": "assumed"},
    }
    return {
        "accuracy": point["accuracy"],
        "energy_j": point["energy_j"],
        "trained": {},
        "history": [],
        "points": [point],
    }


def steady_work(task: Task, report: Report) -> Outcome:
    """As `chain_work`, with epochs long enough to be killed in."""
    return chain_work(task, report, epoch_seconds=0.1)


def failing_work(task: Task, report: Report) -> Outcome:
    """As `chain_work`, but fixed4 raises and binary's process is killed, as by a system without memory."""
    if isinstance(task.stage, PointStage) and task.stage.precision == "fixed4":
        raise BitwattError("training diverged: the loss became nan")
    if isinstance(task.stage, PointStage) and task.stage.precision == "binary":
        os.kill(os.getpid(), signal.SIGKILL)
    return chain_work(task, report)


def failing_float_work(task: Task, report: Report) -> Outcome:
    """As `chain_work`, but the float training of seed 1 raises."""
    if isinstance(task.stage, FloatStage) and task.stage.seed == 1:
        raise ZeroDivisionError("division by zero")
    return chain_work(task, report)


def slow_work(task: Task, report: Report) -> Outcome:
    """Work that does not end, and does not let go of its process either."""
    report(Started(task.stage.label, 1, 0))
    while True:
        time.sleep(60)


def full_disk_work(task: Task, report: Report) -> Outcome:
    """As `chain_work`, but there is no room for anything of fixed8."""
    if isinstance(task.stage, PointStage) and task.stage.precision == "fixed8":
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "checkpoint")
    return chain_work(task, report)


def hungry_work(task: Task, report: Report) -> Outcome:
    """As `chain_work`, but fixed8 and fixed4 ask for more memory than their process may have."""
    precision = task.stage.precision if isinstance(task.stage, PointStage) else None
    if precision in ("fixed8", "fixed4"):
        before = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (8 << 30, before[1]))
        try:
            if precision == "fixed8":
                bytearray(16 << 30)
            else:
                import torch

                torch.empty(16 << 30, dtype=torch.uint8)
        finally:
            resource.setrlimit(resource.RLIMIT_AS, before)
    return chain_work(task, report)
