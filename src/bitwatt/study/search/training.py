"""How a design is tried: a cheap look first, training only where it may pay, and an early end where it fails.

Runs in a worker. What it is to be measured by, the rivals, comes with the task, so that its result follows
from the task alone.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from bitwatt.study.artifacts import sha256
from bitwatt.study.events import EpochDone, Started
from bitwatt.study.search.pruning import Rival, is_hopeless
from bitwatt.study.stages import FloatStage, PointStage
from bitwatt.study.store import Kept
from bitwatt.study.subject import build_network
from bitwatt.study.work import do_stage, kept_training, stage_data, stored
from bitwatt.study.worker import Outcome, Report, Task

if TYPE_CHECKING:
    from torch import nn

    from bitwatt.quantization import QuantizedNetwork
    from bitwatt.training import TrainingState

TRAINED, SCREENED, STOPPED = "trained", "screened", "stopped"
"""What becomes of a design: trained in full, not at all, or in part."""


@dataclass(frozen=True)
class Trial(Task):
    """A design to try. teacher: weights of the reference network, of the name `teacher_network`.

    float_accuracy: of the network's own float training, on the validation images. rivals: the networks that
    cost no more. floor: accuracy below which none is worth training. slack, pruner: as in the plan.
    """

    teacher: Kept | None = None
    teacher_network: str = ""
    float_accuracy: float = 0.0
    rivals: tuple[Rival, ...] = ()
    floor: float = 0.0
    slack: float = 0.0
    pruner: str = "median"


class _Stop(Exception):
    """Training is not worth its time any longer."""


def do_trial(task: Task, report: Report) -> Outcome:
    """Train a float network, or try a design. Accuracies are those on the validation images."""
    from bitwatt.program import evaluate

    if isinstance(task.stage, FloatStage):
        outcome = do_stage(task, report)
        network = float_network(task.stage.subject.network, task.stage.seed, outcome.content)
        found = evaluate(network, stage_data(task.stage).test)
        return Outcome({**outcome.record, "accuracy": found.accuracy}, outcome.content)
    if not isinstance(task, Trial):
        raise TypeError(f"{task.stage.label} is no trial of a search")
    return _try(task, task.stage, report)


def _try(task: Trial, stage: PointStage, report: Report) -> Outcome:
    from bitwatt.program import evaluate, explain, lower
    from bitwatt.program.file import to_bytes
    from bitwatt.quantization import quantize

    if task.float_weights is None or task.teacher is None or stage.recipe is None:
        raise ValueError(f"{stage.label} has no float weights, teacher or recipe")
    torch.set_num_threads(stage.threads)
    data = stage_data(stage)
    start = float_network(stage.subject.network, stage.seed, stored(task.artifacts, task.float_weights))
    quantised = quantize(start, stage.precision, calibration=data.calibration, layers=stage.layers)
    untrained = evaluate(quantised, data.test).accuracy
    record: dict[str, Any] = {"untrained_accuracy": untrained, "curve": {}, "epochs": 0}
    # What it may come to: nobody knows before, but its own float network rarely lies far below.
    hope = max(untrained, task.float_accuracy) + task.slack
    if hope < task.floor or any(rival.accuracy >= hope for rival in task.rivals):
        report(Started(stage.label, 0, 0))
        return Outcome({**record, "status": SCREENED, "accuracy": untrained}, b"")
    teacher = float_network(task.teacher_network, stage.seed, stored(task.artifacts, task.teacher))
    curve: dict[str, float] = {}
    try:
        _train(quantised, teacher, task, stage, curve, report)
    except _Stop:
        reached = {"status": STOPPED, "accuracy": max(curve.values()), "curve": curve, "epochs": len(curve)}
        return Outcome({**record, **reached}, b"")
    program = lower(quantised.eval(), example=data.test.images[:1], network=stage.subject.network)
    found = evaluate(program, data.test)
    content = to_bytes(program)
    return Outcome(
        {
            **record,
            "status": TRAINED,
            "accuracy": found.accuracy,
            "correct": found.correct,
            "count": found.count,
            "curve": curve,
            "epochs": stage.epochs,
            "arithmetic": explain(program).splitlines(),
            "program_sha256": sha256(content),
        },
        content,
    )


def _train(
    quantised: QuantizedNetwork,
    teacher: nn.Module,
    task: Trial,
    stage: PointStage,
    curve: dict[str, float],
    report: Report,
) -> None:
    """Train in place. curve: gets the accuracy reached after each share of the epochs."""
    from bitwatt.program import evaluate
    from bitwatt.training import Recipe, train

    data = stage_data(stage)
    keep, start = kept_training(task, report)
    clock = time.monotonic()

    def on_epoch_end(state: TrainingState) -> None:
        nonlocal clock
        keep(state)
        share = state.epoch / stage.epochs
        curve[f"{share:.4f}"] = evaluate(quantised, data.test).accuracy
        now = time.monotonic()
        report(EpochDone(stage.label, state.epoch, stage.epochs, now - clock))
        clock = now
        if share < 1 and task.pruner == "median" and is_hopeless(curve, task.rivals):
            raise _Stop

    train(
        quantised,
        data,
        Recipe.from_dict(dict(stage.recipe or {})),
        teacher=teacher,
        device=stage.device,
        on_epoch_end=on_epoch_end,
        start=start,
    )


def float_network(name: str, seed: int, weights: bytes) -> nn.Module:
    """The network of that name with trained weights, out of a safetensors file."""
    from safetensors.torch import load

    network = build_network(name, seed)
    network.load_state_dict(load(weights))
    return network
