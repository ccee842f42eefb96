"""What of a study is left to do, without doing any of it."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from bitwatt.study.events import Event, Planned, TimeLeft
from bitwatt.study.execute import Execution
from bitwatt.study.expand import expand
from bitwatt.study.lock import folder_lock
from bitwatt.study.opening import open_store
from bitwatt.study.plan import StudyPlan
from bitwatt.study.preflight import check_plan
from bitwatt.study.run import available_cores


def study_left(
    plan: StudyPlan,
    folder: str | Path,
    *,
    workers: int | None = None,
    storage: str | None = None,
    data_dir: Path | None = None,
) -> tuple[Planned, TimeLeft]:
    """What `run_study` would do in `folder`, and how long it would take, from what epochs took so far there.

    A training that was stopped counts in full, though it would go on from its last epoch. Raises as
    `run_study` does before any work starts, so for a folder that a run is busy in, too.
    """
    folder = Path(folder)
    checked = check_plan(plan, data_dir)
    with ExitStack() as open_things:
        if storage is None and not (folder / "study.db").exists():
            folder = Path(open_things.enter_context(TemporaryDirectory()))  # nothing is done, nothing is made
        open_things.enter_context(folder_lock(folder, _unheard))
        store = open_things.enter_context(open_store(folder, plan, checked.data.sha256, storage))
        execution = Execution(expand(plan, checked.subjects), store, _unheard)
        return execution.planned(), execution.time_left(workers or available_cores())


def _unheard(event: Event | str) -> None:
    """What a run would tell of, it will tell."""
