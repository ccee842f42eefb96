"""`bitwatt study --dry-run`: what is left, on stdout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from bitwatt.cli.output import print_json
from bitwatt.cli.progress import duration

if TYPE_CHECKING:
    from bitwatt.study import StudyPlan


def show_left(
    studies: Sequence[tuple[StudyPlan, Path]],
    workers: int | None,
    storage: str | None,
    data_dir: Path | None,
    json: bool,
) -> None:
    """A line for each study with its folder, and one for all of them; or the same as JSON."""
    from bitwatt.study import study_left

    found = []
    for plan, folder in studies:
        planned, time = study_left(plan, folder, workers=workers, storage=storage, data_dir=data_dir)
        found.append({"study": plan.name, "folder": str(folder), **asdict(planned), **asdict(time)})
        if not json:
            typer.echo(
                f"{plan.name}: {planned.finished_points} of {planned.points} points are finished; "
                f"{planned.epochs_left} epochs to train, {told(time.seconds)}"
            )
    if json:
        print_json(found)
    elif len(found) > 1:
        known = [one["seconds"] for one in found if one["seconds"] is not None]
        rest = "" if len(known) == len(found) else ", and those of which nothing is known yet"
        typer.echo(f"in all {told(sum(known) if known else None)}{rest}")


def told(seconds: float | None) -> str:
    """In words; None where no epoch has been timed."""
    return "for how long is known after the first epoch" if seconds is None else f"about {duration(seconds)}"
