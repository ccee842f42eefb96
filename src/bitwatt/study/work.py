"""How a stage is done: the way from a network's name to its program, its accuracy and its costs."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from bitwatt.errors import DataError
from bitwatt.formats import parse_precision
from bitwatt.study.artifacts import ArtifactStore, read_artifact, sha256
from bitwatt.study.checkpoints import Slots
from bitwatt.study.events import EpochDone, Notice, Started
from bitwatt.study.provenance import provenance
from bitwatt.study.stages import FloatStage, PointStage, Stage, named
from bitwatt.study.store import Kept
from bitwatt.study.subject import build_network, load_data
from bitwatt.study.worker import Outcome, Report, Task

if TYPE_CHECKING:
    from torch import nn

    from bitwatt.datasets import Data
    from bitwatt.program import Program
    from bitwatt.training import TrainingState


History = list[dict[str, float]]
"""Loss and accuracy on the training images, epoch by epoch."""


def do_stage(task: Task, report: Report) -> Outcome:
    """Do a stage: train what it trains, from its last checkpoint if there is one. Reports each epoch."""
    torch.set_num_threads(task.stage.threads)
    if isinstance(task.stage, FloatStage):
        return _train_float(task.stage, task, report)
    return _make_point(task.stage, task, report)


def _train_float(stage: FloatStage, task: Task, report: Report) -> Outcome:
    from safetensors.torch import save

    network = build_network(stage.subject.network, stage.seed)
    history = _train(network, stage, stage.recipe, task, report, teacher=None)
    weights = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    return Outcome({"epochs": stage.epochs, "history": history}, save(weights))


def _make_point(stage: PointStage, task: Task, report: Report) -> Outcome:
    from bitwatt.program.file import from_bytes, to_bytes

    if task.program is not None:
        report(Started(stage.label, 0, 0))
        content = stored(task.artifacts, task.program)
        program = from_bytes(content, task.program.artifact_id)
        trained, history = task.program.record["trained"], task.program.record["history"]
    else:
        program, trained, history = _train_point(stage, task, report)
        content = to_bytes(program)
    digest, source = sha256(content), stage_data(stage).source
    points = [_point_record(stage, preset, program, trained, digest, source) for preset in stage.presets]
    record = {
        "accuracy": trained["accuracy"],
        "energy_j": points[0]["energy_j"],
        "trained": trained,
        "history": history,
        "points": points,
    }
    return Outcome(record, content)


def _train_point(stage: PointStage, task: Task, report: Report) -> tuple[Program, dict[str, Any], History]:
    from safetensors.torch import load

    from bitwatt.program import evaluate, explain, lower
    from bitwatt.quantization import quantize

    if task.float_weights is None:
        raise ValueError(f"{stage.label} has neither a program nor float weights to start from")
    network = build_network(stage.subject.network, stage.seed)
    network.load_state_dict(load(stored(task.artifacts, task.float_weights)))
    data = stage_data(stage)
    quantised = quantize(network, stage.precision, calibration=data.calibration)
    if stage.recipe is None:
        report(Started(stage.label, 0, 0))
        history: History = []
    else:
        history = _train(quantised, stage, stage.recipe, task, report, teacher=network)
    program = lower(quantised.eval(), example=data.test.images[:1], network=stage.subject.network)
    found = evaluate(program, data.test)
    record = {
        "accuracy": found.accuracy,
        "correct": found.correct,
        "count": found.count,
        "arithmetic": explain(program).splitlines(),
        "epochs": {"pretraining": task.float_weights.record["epochs"], "retraining": stage.epochs},
    }
    return program, record, history


def _point_record(
    stage: PointStage,
    preset: str,
    program: Program,
    trained: Mapping[str, Any],
    program_sha256: str,
    source: str,
) -> dict[str, Any]:
    from bitwatt.costing import cost
    from bitwatt.hardware.workload import fitting

    precision = parse_precision(stage.precision)
    tile = fitting(stage.tile.tile(precision, preset), program)
    costs = cost(program, tile, technology=stage.technology)
    figures = asdict(costs)
    del figures["area_provenance"]  # the record's own statement covers both
    return {
        "network": named(stage.subject.network, stage.method),
        "precision": stage.precision,
        "weights": str(precision.weights),
        "activations": str(precision.activations),
        "seed": stage.seed,
        "preset": preset,
        "technology": stage.technology,
        **trained,
        **figures,
        "program_sha256": program_sha256,
        "provenance": provenance(precision.is_float, source, costs.provenance, costs.area_provenance),
    }


def _train(
    network: nn.Module,
    stage: Stage,
    recipe: Mapping[str, Any],
    task: Task,
    report: Report,
    teacher: nn.Module | None,
) -> History:
    """Train in place, from the last whole checkpoint if there is one, keeping one after each epoch."""
    from bitwatt.training import Recipe, train

    keep, start = kept_training(task, report)
    clock = time.monotonic()

    def on_epoch_end(state: TrainingState) -> None:
        nonlocal clock
        keep(state)
        now = time.monotonic()
        report(EpochDone(stage.label, state.epoch, stage.epochs, now - clock))
        clock = now

    result = train(
        network,
        stage_data(stage),
        Recipe.from_dict(dict(recipe)),
        teacher=teacher,
        device=stage.device,
        on_epoch_end=on_epoch_end,
        start=start,
    )
    return [record.to_dict() for record in result.history]


def kept_training(task: Task, report: Report) -> tuple[Callable[[TrainingState], None], TrainingState | None]:
    """What keeps a checkpoint of the task's training, and the last whole one; tells of the start."""
    stage = task.stage
    slots = Slots(task.artifacts, stage.training_digest)
    start = slots.latest(_state_of, lambda text: report(Notice(f"{stage.label}: {text}")))
    report(Started(stage.label, stage.epochs, start.epoch if start else 0))
    return lambda state: slots.keep(state.epoch, _state_bytes(state)), start


def stored(artifacts: ArtifactStore, kept: Kept) -> bytes:
    """The content of a kept artifact. Raises `DataError` where it is damaged or gone."""
    content = read_artifact(artifacts, kept.artifact_id)
    if content is None or sha256(content) != kept.sha256:
        raise DataError(
            f"the artifact {kept.artifact_id} is damaged or gone; run the study again, which makes it anew"
        )
    return content


@lru_cache(maxsize=1)
def _load(name: str, data_dir: str | None, held_out: float) -> Data:
    return load_data(name, Path(data_dir) if data_dir else None, held_out)


def stage_data(stage: Stage) -> Data:
    """The data of a stage; a worker keeps the last it loaded."""
    subject = stage.subject
    data = _load(subject.data, subject.data_dir, subject.held_out)
    if data.sha256 != subject.data_digest:
        raise DataError(
            f"data '{subject.data}' changed while the study ran: its SHA-256 was {subject.data_digest}, "
            f"is now {data.sha256}"
        )
    return data


# Checkpoints are read and written as files by their own module; artifact stores take bytes.


def _state_bytes(state: TrainingState) -> bytes:
    from bitwatt.training import save_checkpoint

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "checkpoint"
        save_checkpoint(path, state)
        return path.read_bytes()


def _state_of(content: bytes) -> TrainingState:
    from bitwatt.training import load_checkpoint

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "checkpoint"
        path.write_bytes(content)
        return load_checkpoint(path)
