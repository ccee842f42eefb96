"""Run a study: look at everything first, then do what is not done yet, and keep each stage as it ends."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bitwatt.errors import BitwattError, RequestError
from bitwatt.study.collect import collect
from bitwatt.study.events import Event, Listener, Notice, as_json
from bitwatt.study.execute import Execution
from bitwatt.study.expand import expand
from bitwatt.study.lock import folder_lock
from bitwatt.study.opening import open_store
from bitwatt.study.plan import StudyPlan
from bitwatt.study.preflight import check_plan
from bitwatt.study.results import Results, write_results
from bitwatt.study.work import do_stage
from bitwatt.study.worker import Work

RESULTS_NAME = "results.json"
LOG_NAME = "events.jsonl"


class Interrupted(BitwattError):
    """The user stopped the study; what is finished is kept."""


class PointsFailed(BitwattError):
    """Some points failed and the rest are done; the message lists them with their reasons."""


def run_study(
    plan: StudyPlan,
    folder: str | Path,
    *,
    workers: int | None = None,
    storage: str | None = None,
    data_dir: Path | None = None,
    listen: Listener | None = None,
    work: Work = do_stage,
) -> Results:
    """Run a study in `folder`, or go on with it: finished stages are re-used, half-trained ones resumed.

    workers: processes, by default one a core; the results do not depend on it. storage: an SQLAlchemy URL,
    by default SQLite in the folder. data_dir: where downloaded data lies. listen: told of all that happens.
    work: how a stage is done.

    Leaves `results.json`, `study.db`, `artifacts/`, `events.jsonl` and the workers' logs in the folder, and
    returns the results. Raises `RequestError` before any work starts, `Interrupted` on Ctrl-C, `PointsFailed`
    when all else is done.
    """
    folder = Path(folder)
    count = available_cores() if workers is None else workers
    if count < 1:
        raise RequestError(f"workers must be at least 1, got {count}")
    make_writable(folder)
    with _log(folder, listen) as tell, folder_lock(folder, lambda text: tell(Notice(text))):
        checked = check_plan(plan, data_dir)
        stages = expand(plan, checked.subjects)
        store = open_store(folder, plan, checked.data.sha256, storage)
        execution = Execution(stages, store, tell)

        def keep_results() -> Results:
            results = collect(plan, checked.data, stages, store, execution.failures)
            write_results(results, folder / RESULTS_NAME)
            return results

        try:
            execution.run(count, work, folder / "logs", keep_results)
            results = keep_results()
        except KeyboardInterrupt:
            done = sum(point.digest in execution.finished for point in stages.points)
            raise Interrupted(
                f"stopped; {done} of {len(stages.points)} points are finished and kept in '{folder}', and "
                "trainings up to their last epoch. The same command goes on from there"
            ) from None
    if execution.failures:
        raise PointsFailed(
            f"{len(results.failed_points)} of {len(stages.points)} points failed; the others are in "
            f"'{folder}'. The same command tries the failed ones again:\n"
            + "\n".join(f"  {text}" for text in execution.failures.values())
        )
    return results


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


def make_writable(folder: Path) -> None:
    """Make the folder if it is not there. Raises `RequestError` where it cannot be made or written in."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise RequestError(
            f"the folder '{folder}' cannot be written: {error.strerror}; choose another one with --out"
        ) from None


@contextmanager
def _log(folder: Path, listen: Listener | None) -> Iterator[Listener]:
    """A listener that also appends each event, with the time of day, to the log."""
    with open(folder / LOG_NAME, "a", encoding="utf-8", buffering=1) as log:

        def tell(event: Event) -> None:
            log.write(json.dumps({"time": round(time.time(), 3), **as_json(event)}) + "\n")
            if listen is not None:
                listen(event)

        yield tell
