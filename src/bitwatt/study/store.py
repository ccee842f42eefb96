"""The study on disk: Optuna's storage holds it, its artifact store the float weights and the programs.

A float stage is an attribute of Optuna's study, a point a trial (values: accuracy, and energy an image in J).
`optuna-dashboard` opens both as they are. Only the holder of the folder writes here; workers see artifacts.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from bitwatt.formats import parse_precision
from bitwatt.study.artifacts import ArtifactStore, read_artifact, sha256
from bitwatt.study.stages import FloatStage, PointStage, Stage
from bitwatt.study.storage_errors import Patience

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial, Trial

_SECONDS_KEPT_EVERY_S = 5.0


@dataclass(frozen=True)
class Kept:
    """What is known of a finished stage: its record, and the artifact that holds its weights or program."""

    record: Mapping[str, Any]
    artifact_id: str
    sha256: str


class Store:
    """An open study, a context manager. `bitwatt.study.opening.open_store` makes one.

    release: gives the connections to the database back.
    """

    def __init__(
        self, study: Study, artifacts: ArtifactStore, patience: Patience, release: Callable[[], None]
    ) -> None:
        self._study = study
        self._ask = patience
        self._release = release
        self.artifacts = artifacts
        attributes = self._ask(lambda: study.user_attrs)
        trials = self._ask(lambda: study.get_trials(deepcopy=False))
        self._floats = {
            name.removeprefix("float:"): _kept(value)
            for name, value in attributes.items()
            if name.startswith("float:")
        }
        self.seconds: dict[str, float] = dict(attributes.get("epoch_seconds", {}))
        """Seconds an epoch took, by `rate_key`: what the time left is reckoned from."""
        self._points: dict[str, Kept] = {}
        self._programs: dict[str, Kept] = {}
        self._running: dict[str, Trial] = {}
        self._seconds_kept = -math.inf  # when they were last written
        self._is_whole: dict[str, bool] = {}  # by artifact, so that each is read once
        for trial in trials:
            self._remember(trial)

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self._release()

    def _remember(self, trial: FrozenTrial) -> None:
        from optuna.trial import Trial, TrialState

        digest = trial.user_attrs.get("digest")
        if digest is None or trial.state == TrialState.FAIL:
            return
        if trial.state == TrialState.RUNNING:
            self._running[digest] = Trial(self._study, trial._trial_id)
        if "result" not in trial.user_attrs:
            return
        kept = _kept(trial.user_attrs["result"])
        self._programs[trial.user_attrs["training_digest"]] = kept
        if trial.state == TrialState.COMPLETE:
            self._points[digest] = kept
        else:  # killed between writing the result and closing the trial
            self._complete(digest, kept)

    def finished(self, stage: Stage) -> Kept | None:
        """What is kept of a stage that is finished, its artifact whole; else None."""
        return self._whole(self._table(stage).get(stage.digest))

    def program(self, stage: PointStage) -> Kept | None:
        """The trained program of a point, from this or an earlier plan, where only costs have changed."""
        return self._whole(self._programs.get(stage.training_digest))

    def float_weights(self, digest: str) -> Kept | None:
        """The weights of the float stage with that digest, if it is finished."""
        return self._floats.get(digest)

    def kept(self, stage: PointStage) -> Kept | None:
        """As `finished`, but its artifact is not looked at again."""
        return self._points.get(stage.digest)

    def was_finished(self, stage: Stage) -> bool:
        """Whether a stage was finished once, whatever has become of its artifact."""
        return stage.digest in self._table(stage)

    def _table(self, stage: Stage) -> dict[str, Kept]:
        return self._floats if isinstance(stage, FloatStage) else self._points

    def _whole(self, kept: Kept | None) -> Kept | None:
        if kept is None:
            return None
        if kept.artifact_id not in self._is_whole:
            content = read_artifact(self.artifacts, kept.artifact_id)
            self._is_whole[kept.artifact_id] = content is not None and sha256(content) == kept.sha256
        return kept if self._is_whole[kept.artifact_id] else None

    def begin(self, stage: Stage) -> None:
        """Say that work on a point has begun: its trial is there for the dashboard, once."""
        if isinstance(stage, FloatStage) or stage.digest in self._running:
            return
        from optuna.distributions import IntDistribution
        from optuna.trial import TrialState, create_trial

        precision = parse_precision(stage.precision)
        bits, seed = IntDistribution(1, 64), IntDistribution(0, 2**32 - 1)
        trial = create_trial(
            state=TrialState.RUNNING,
            params={
                "weight_bits": precision.weights.bits,
                "activation_bits": precision.activations.bits,
                "seed": stage.seed,
            },
            distributions={"weight_bits": bits, "activation_bits": bits, "seed": seed},
            user_attrs={
                "network": stage.subject.network,
                "precision": stage.precision,
                "digest": stage.digest,
                "training_digest": stage.training_digest,
            },
        )
        attempts = itertools.count()
        self._running[stage.digest] = self._ask(
            lambda: self._open_trial(stage.digest, trial, is_first=next(attempts) == 0)
        )

    def _open_trial(self, digest: str, template: FrozenTrial, is_first: bool) -> Trial:
        """The open trial of a point. After the first attempt it may be there: only the answer was lost."""
        from optuna.trial import Trial, TrialState

        def opened() -> Iterator[Trial]:
            for trial in reversed(self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))):
                if trial.user_attrs.get("digest") == digest:
                    yield Trial(self._study, trial._trial_id)

        if is_first or next(opened(), None) is None:
            self._study.add_trial(template)
        return next(opened())

    def finish(self, stage: Stage, record: Mapping[str, Any], content: bytes, seconds: float) -> Kept:
        """Keep a finished stage: what it found, and the bytes of its weights or program."""
        suffix = "float.safetensors" if isinstance(stage, FloatStage) else f"{stage.precision}.bitwatt"
        name = f"{stage.subject.network}-seed{stage.seed}-{suffix}".replace(":", "_").replace("/", "_")
        kept = Kept(dict(record), self._ask(lambda: self._upload(stage, name, content)), sha256(content))
        as_json = {"record": kept.record, "artifact_id": kept.artifact_id, "sha256": kept.sha256}
        if isinstance(stage, FloatStage):
            self._ask(lambda: self._study.set_user_attr(f"float:{stage.digest}", as_json))
            self._floats[stage.digest] = kept
        else:
            trial = self._running[stage.digest]
            self._ask(lambda: _set_attributes(trial, seconds=round(seconds, 3), result=as_json))
            self._complete(stage.digest, kept)
            self._programs[stage.training_digest] = kept
        return kept

    def _complete(self, digest: str, kept: Kept) -> None:
        values = [kept.record["accuracy"], kept.record["energy_j"]]
        trial = self._running[digest]
        self._ask(lambda: self._study.tell(trial, values, skip_if_finished=True))
        del self._running[digest]
        self._points[digest] = kept

    def fail(self, stage: Stage, reason: str, traceback: str) -> None:
        """Mark a point as failed, with the reason. The next run tries again, as a trial of its own."""
        if not isinstance(stage, FloatStage):
            self._close(stage.digest, failure=reason, traceback=traceback)

    def close_abandoned(self, points: Iterable[PointStage]) -> None:
        """Close the trials that a killed run of an earlier plan left open: none of them runs."""
        planned = {point.digest for point in points}
        for digest in self._running.keys() - planned:
            self._close(digest, failure="stopped, and no longer part of the plan")

    def _close(self, digest: str, **attributes: object) -> None:
        from optuna.trial import TrialState

        trial = self._running.pop(digest)
        self._ask(lambda: _set_attributes(trial, **attributes))
        self._ask(lambda: self._study.tell(trial, state=TrialState.FAIL, skip_if_finished=True))

    def keep_seconds(self, key: str, seconds: float) -> None:
        """Remember what an epoch took, for the next run too: written now and then, as writes take time."""
        self.seconds[key] = seconds
        if time.monotonic() - self._seconds_kept >= _SECONDS_KEPT_EVERY_S:
            self._ask(lambda: self._study.set_user_attr("epoch_seconds", self.seconds))
            self._seconds_kept = time.monotonic()

    def _upload(self, stage: Stage, name: str, content: bytes) -> str:
        from optuna.artifacts import upload_artifact

        owner = self._study if isinstance(stage, FloatStage) else self._running[stage.digest]
        with TemporaryDirectory() as folder:
            path = Path(folder) / name
            path.write_bytes(content)
            return upload_artifact(artifact_store=self.artifacts, file_path=str(path), study_or_trial=owner)


def _set_attributes(trial: Trial, **attributes: object) -> None:
    for name, value in attributes.items():
        trial.set_user_attr(name, value)


def _kept(value: Mapping[str, Any]) -> Kept:
    return Kept(value["record"], value["artifact_id"], value["sha256"])
