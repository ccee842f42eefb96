"""A running study on stderr: bars with the time left, plain lines for a log, or JSON lines for machines."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, TaskID, TextColumn
from rich.text import Text

from bitwatt.cli.arguments import ProgressMode
from bitwatt.study.event_log import event_line
from bitwatt.study.events import EpochDone, Event, Failed, Finished, Notice, Planned, Started, TimeLeft
from bitwatt.study.results import PointRecord, Results


class Display(Protocol):
    """A listener to a study's events; a context manager around the study."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def __call__(self, event: Event) -> None:
        """Show an event."""
        ...

    def show(self, results: Results) -> None:
        """Show what is found so far."""
        ...


def display(mode: ProgressMode, name: str) -> Display:
    """The display of a study with that name."""
    match mode:
        case ProgressMode.JSON:
            return JsonLines()
        case ProgressMode.NONE:
            return Silence()
        case ProgressMode.AUTO:
            return StudyDisplay(name)
        case _:
            return StudyDisplay(name, bars=mode is ProgressMode.BARS)


class Silence:
    """Shows nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def __call__(self, event: Event) -> None:
        """Nothing."""

    def show(self, results: Results) -> None:
        """Nothing."""


class JsonLines(Silence):
    """Each event as a line of JSON, as in `events.jsonl`."""

    def __call__(self, event: Event) -> None:
        """Write an event."""
        sys.stderr.write(event_line(event))
        sys.stderr.flush()


class _TimeLeftColumn(ProgressColumn):
    """The engine's own estimate, which knows of every stage to come; a bar's rate does not."""

    def render(self, task: object) -> Text:
        return Text(str(getattr(task, "fields", {}).get("left", "")), style="cyan")


class StudyDisplay:
    """Bars, one for the study and one a stage that runs, with lines above them; or the lines alone."""

    def __init__(self, name: str, bars: bool | None = None) -> None:
        self._console = Console(stderr=True, highlight=False, force_terminal=True if bars else None)
        self._has_bars = self._console.is_terminal if bars is None else bars
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=30),
            TextColumn("{task.fields[done]}", markup=False),
            _TimeLeftColumn(),
            console=self._console,
            disable=not self._has_bars,
        )
        self._whole = self._progress.add_task(name, total=None, done="looking at network and data", left="")
        self._bars: dict[str, TaskID] = {}
        self._points = self._done = self._failed = 0
        self._stages = self._over = 0
        self._left = ""
        self._best = ""

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for bar in self._bars.values():
            self._progress.remove_task(bar)
        self._progress.stop()

    def __call__(self, event: Event) -> None:
        """Show an event."""
        match event:
            case Planned():
                self._plan(event)
            case Started():
                self._begin(event)
            case EpochDone():
                self._epoch(event)
            case Finished():
                self._end(event.stage)
                is_point = event.accuracy is not None
                self._done += is_point
                self._say(_finished_line(event) + (f"; {self._counts()}" if is_point else ""))
            case Failed():
                self._end(event.stage)
                self._failed += event.is_point
                self._say(f"FAILED {event.stage}: {event.reason}")
            case Notice():
                self._say(f"note: {event.text}")
            case TimeLeft():
                self._tell_left(event)
        self._update()

    def show(self, results: Results) -> None:
        """Show the best point so far beside the time left."""
        if results.points:
            self._best = f"best {_best_line(max(results.points, key=_by_accuracy))}"
            self._update()

    def _update(self) -> None:
        self._progress.update(
            self._whole,
            total=self._stages or None,
            completed=self._over,
            done=self._counts() + f", {len(self._bars)} running" if self._stages else "",
            left="; ".join(filter(None, (self._left, self._best))),
        )

    def _counts(self) -> str:
        failed = f", {self._failed} failed" if self._failed else ""
        return f"{self._done} of {self._points} points{failed}"

    def _plan(self, event: Planned) -> None:
        self._stages, self._over = event.stages, event.finished
        self._points, self._done = event.points, event.finished_points
        kept = f"; {event.finished} are there already" if event.finished else ""
        self._say(f"{event.stages} stages{kept}; {event.epochs_left} epochs to train")

    def _tell_left(self, event: TimeLeft) -> None:
        is_first = not self._left
        self._left = "" if event.seconds is None else f"about {duration(event.seconds)} left"
        if is_first and event.seconds:
            self._say(self._left)

    def _begin(self, event: Started) -> None:
        if event.first_epoch:
            self._say(f"{event.stage}: goes on after epoch {event.first_epoch} of {event.epochs}")
        if event.stage in self._bars:  # begun again elsewhere
            self._progress.remove_task(self._bars.pop(event.stage))
        self._bars[event.stage] = self._progress.add_task(
            f"  {event.stage}",
            total=event.epochs or None,
            completed=event.first_epoch,
            done=f"epoch {event.first_epoch} of {event.epochs}" if event.epochs else "",
            left="",
        )

    def _epoch(self, event: EpochDone) -> None:
        bar = self._bars[event.stage]
        self._progress.update(bar, completed=event.epoch, done=f"epoch {event.epoch} of {event.epochs}")
        if not self._has_bars:
            left = f"; {self._left}" if self._left else ""
            self._say(f"{event.stage}: epoch {event.epoch} of {event.epochs}, {event.seconds:.1f} s{left}")

    def _end(self, stage: str) -> None:
        self._over += 1
        if stage in self._bars:
            self._progress.remove_task(self._bars.pop(stage))

    def _say(self, text: str) -> None:
        self._progress.console.print(text, markup=False, soft_wrap=True)


def _by_accuracy(point: PointRecord) -> tuple[float, float]:
    return point.accuracy, -point.energy_j


def _best_line(point: PointRecord) -> str:
    return f"{point.accuracy:.2%} at {point.energy_j * 1e6:.3g} uJ ({point.network} {point.precision})"


def _finished_line(event: Finished) -> str:
    found = ""
    if event.accuracy is not None and event.energy_j is not None:
        found = f": accuracy {event.accuracy:.2%}, {event.energy_j * 1e6:.3g} uJ an image"
    return f"{event.stage} done in {duration(event.seconds)}{found}"


def duration(seconds: float) -> str:
    """Seconds as people say them: `8 s`, `2 min 05 s`, `3 h 20 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
