"""Do the stages of a study, each when what it builds on is there and a process is free, and keep them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from bitwatt.errors import BitwattError
from bitwatt.study.checkpoints import Slots
from bitwatt.study.estimate import BESIDE_EPOCHS, Left, rate_key, seconds_left
from bitwatt.study.events import EpochDone, Failed, Finished, Listener, Notice, Planned, Started, TimeLeft
from bitwatt.study.pool import Workers
from bitwatt.study.spaced import Spaced
from bitwatt.study.stages import FloatStage, PointStage, Stage, Stages
from bitwatt.study.store import Store
from bitwatt.study.worker import Failure, Message, Outcome, Task


class Execution:
    """A run that is going on: what is finished, what failed and why, what is being done."""

    def __init__(self, stages: Stages, store: Store, tell: Listener) -> None:
        store.close_abandoned(stages.points)
        self._store = store
        self._tell = tell
        self.finished = {point.digest for point in stages.points if self._is_finished(point)}
        self.failures: dict[str, str] = {}
        """Reasons, by the digest of the stage."""
        self._running: dict[str, float] = {}  # digest -> when it was begun
        self._in_epochs: dict[str, float] = {}  # digest -> seconds of its epochs in this run
        self._epochs_done: dict[str, int] = {}
        left = (point for point in stages.points if point.digest not in self.finished)
        needed = {point.float_digest for point in left if not store.program(point)}
        floats = tuple(stage for stage in stages.floats if stage.digest in needed)
        self.finished |= {stage.digest for stage in floats if self._is_finished(stage)}
        self._stages: tuple[Stage, ...] = (*floats, *stages.points)
        self._already = len(self.finished)

    def _is_finished(self, stage: Stage) -> bool:
        if self._store.finished(stage) is not None:
            return True
        if self._store.was_finished(stage):
            self._tell(Notice(f"{stage.label}: what was kept of it is damaged or gone; it is done again"))
        return False

    @property
    def left(self) -> int:
        """Stages that are neither finished nor failed."""
        return len(self._left())

    def planned(self) -> Planned:
        """What there is to do and what is done, before any work starts."""
        left = self._left()
        points = [stage.digest for stage in self._stages if isinstance(stage, PointStage)]
        return Planned(
            stages=len(left) + self._already,
            finished=self._already,
            epochs_left=sum(self._epochs(stage) for stage in left),
            points=len(points),
            finished_points=len(self.finished.intersection(points)),
        )

    def run(self, workers: Workers, point_kept: Callable[[], object]) -> None:
        """Do all that is left; `point_kept` is called after each point.

        Raises `BitwattError` for what would fail every stage, such as a full disk.
        """
        self._tell(self.planned())
        # A thousand stages take a while to look through.
        tell_time_left = Spaced[int](lambda limit: self._tell(self.time_left(limit)))
        tell_time_left(workers.limit)
        with workers as pool:
            while True:
                for stage in self._ready():
                    if not pool.is_free:
                        break
                    self._begin(stage, pool)
                if not pool.is_busy:
                    return
                for task, message in pool.messages():
                    self._handle(task.stage, message)
                    if isinstance(message, Outcome) and isinstance(task.stage, PointStage):
                        point_kept()
                    tell_time_left(pool.limit)

    def _left(self) -> list[Stage]:
        return [s for s in self._stages if s.digest not in self.finished and s.digest not in self.failures]

    def _ready(self) -> Iterator[Stage]:
        for stage in self._left():
            needs = self._needs(stage)
            if stage.digest not in self._running and (needs is None or needs in self.finished):
                yield stage

    def _needs(self, stage: Stage) -> str | None:
        """The float stage that a stage waits for; None where its program is there and only costs are left."""
        if isinstance(stage, FloatStage) or self._store.program(stage):
            return None
        return stage.float_digest

    def _epochs(self, stage: Stage) -> int:
        """Epochs to train; none where the program is there and only costs are left."""
        return 0 if isinstance(stage, PointStage) and self._store.program(stage) else stage.epochs

    def _begin(self, stage: Stage, pool: Workers) -> None:
        self._store.begin(stage)
        self._running[stage.digest] = time.monotonic()
        start = program = None
        if isinstance(stage, PointStage):
            program = self._store.program(stage)
            start = None if program else self._store.float_weights(stage.float_digest)
        pool.give(Task(stage, self._store.artifacts, start, program))

    def _handle(self, stage: Stage, message: Message) -> None:
        match message:
            case Outcome():
                seconds = time.monotonic() - self._running.pop(stage.digest)
                kept = self._store.finish(stage, message.record, message.content, seconds)
                self.finished.add(stage.digest)
                if isinstance(stage, PointStage):
                    beside = seconds - self._in_epochs.get(stage.digest, 0.0)
                    self._store.keep_seconds(BESIDE_EPOCHS, beside)
                Slots(self._store.artifacts, stage.training_digest).clear()
                found = kept.record
                self._tell(Finished(stage.label, seconds, found.get("accuracy"), found.get("energy_j")))
            case Failure(ends_study=True):
                raise BitwattError(message.reason)
            case Failure():
                del self._running[stage.digest]
                self._fail(stage, message.reason, message.traceback)
            case EpochDone():
                self._epochs_done[stage.digest] = message.epoch
                self._in_epochs[stage.digest] = self._in_epochs.get(stage.digest, 0.0) + message.seconds
                self._store.keep_seconds(_rate_key(stage), message.seconds)
                self._tell(message)
            case Started():
                self._epochs_done[stage.digest] = message.first_epoch
                self._tell(message)
            case _:
                self._tell(message)

    def _fail(self, stage: Stage, reason: str, traceback: str) -> None:
        self.failures[stage.digest] = f"{stage.label}: {reason}"
        self._store.fail(stage, reason, traceback)
        self._tell(Failed(stage.label, reason, traceback, isinstance(stage, PointStage)))
        if isinstance(stage, FloatStage):
            for point in self._left():
                if self._needs(point) == stage.digest:
                    self._store.begin(point)
                    self._fail(point, f"{stage.label} failed, which it starts from", "")

    def time_left(self, workers: int) -> TimeLeft:
        """How long that many processes will take."""
        left = [
            Left(
                stage.digest,
                self._needs(stage),
                self._epochs(stage) - self._epochs_done.get(stage.digest, 0),
                stage.subject.network,
                _rate_key(stage),
            )
            for stage in self._left()
        ]
        return TimeLeft(seconds_left(left, self._store.seconds, workers))


def _rate_key(stage: Stage) -> str:
    return rate_key(stage.subject.network, None if isinstance(stage, FloatStage) else stage.precision)
