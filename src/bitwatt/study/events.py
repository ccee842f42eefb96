"""What happens while a study runs, as records: for a progress display, a log, or anyone else who listens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Planned:
    """Once, before work starts: stages there are, those that an earlier run has finished, epochs to train.

    points, finished_points: likewise of the points alone, without the float trainings that they start from.
    """

    stages: int
    finished: int
    epochs_left: int
    points: int
    finished_points: int


@dataclass(frozen=True)
class Started:
    """A worker took a stage. first_epoch: where it goes on; 0 at the start."""

    stage: str
    epochs: int
    first_epoch: int


@dataclass(frozen=True)
class EpochDone:
    """An epoch of a stage is done (counted from 1) in that many seconds."""

    stage: str
    epoch: int
    epochs: int
    seconds: float


@dataclass(frozen=True)
class Finished:
    """A stage is done and kept. accuracy, energy_j: of a point, None for a float training."""

    stage: str
    seconds: float
    accuracy: float | None
    energy_j: float | None


@dataclass(frozen=True)
class Failed:
    """A stage failed, for that reason; the others go on."""

    stage: str
    reason: str
    traceback: str = ""
    is_point: bool = True


@dataclass(frozen=True)
class TimeLeft:
    """What is left, in seconds; None before anything is known."""

    seconds: float | None


@dataclass(frozen=True)
class Notice:
    """Something to know: a damaged checkpoint, a former run that was killed."""

    text: str


Event = Planned | Started | EpochDone | Finished | Failed | TimeLeft | Notice
Listener = Callable[[Event], None]


def as_json(event: Event) -> dict[str, object]:
    """The event as JSON values, its kind first."""
    return {"event": type(event).__name__, **asdict(event)}
