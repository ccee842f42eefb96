"""A running study on stderr: bars with the time left, or plain lines where it is no terminal."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, TaskID, TextColumn
from rich.text import Text

from bitwatt.study.events import EpochDone, Event, Failed, Finished, Notice, Planned, Started, TimeLeft


class _TimeLeftColumn(ProgressColumn):
    """The engine's own estimate, which knows of every stage to come; a bar's rate does not."""

    def render(self, task: object) -> Text:
        return Text(str(getattr(task, "fields", {}).get("left", "")), style="cyan")


class StudyDisplay:
    """A listener to a study's events; a context manager around the study."""

    def __init__(self, name: str) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._is_terminal = self._console.is_terminal
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=30),
            TextColumn("{task.fields[done]}", markup=False),
            _TimeLeftColumn(),
            console=self._console,
            disable=not self._is_terminal,
        )
        self._whole = self._progress.add_task(name, total=None, done="looking at network and data", left="")
        self._bars: dict[str, TaskID] = {}
        self._stages = 0
        self._over = 0
        self._left = ""

    def __enter__(self) -> StudyDisplay:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for bar in self._bars.values():
            self._progress.remove_task(bar)
        self._progress.stop()

    def __call__(self, event: Event) -> None:
        """Show an event."""
        match event:
            case Planned():
                self._stages, self._over = event.stages, event.finished
                kept = f"; {event.finished} are there already" if event.finished else ""
                self._say(f"{event.stages} stages{kept}; {event.epochs_left} epochs to train")
            case Started():
                self._begin(event)
            case EpochDone():
                self._epoch(event)
            case Finished():
                self._end(event.stage)
                self._say(_finished_line(event))
            case Failed():
                self._end(event.stage)
                self._say(f"FAILED {event.stage}: {event.reason}")
            case Notice():
                self._say(f"note: {event.text}")
            case TimeLeft():
                self._tell_left(event)
        self._progress.update(
            self._whole,
            total=self._stages or None,
            completed=self._over,
            done=f"{self._over} of {self._stages} stages" if self._stages else "",
            left=self._left,
        )

    def _tell_left(self, event: TimeLeft) -> None:
        is_first = not self._left
        self._left = "" if event.seconds is None else f"about {duration(event.seconds)} left"
        if is_first and event.seconds:
            self._say(self._left)

    def _begin(self, event: Started) -> None:
        if event.first_epoch:
            self._say(f"{event.stage}: goes on after epoch {event.first_epoch} of {event.epochs}")
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
        if not self._is_terminal:
            left = f"; {self._left}" if self._left else ""
            self._say(f"{event.stage}: epoch {event.epoch} of {event.epochs}, {event.seconds:.1f} s{left}")

    def _end(self, stage: str) -> None:
        self._over += 1
        if stage in self._bars:
            self._progress.remove_task(self._bars.pop(stage))

    def _say(self, text: str) -> None:
        self._progress.console.print(text, markup=False, soft_wrap=True)


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
