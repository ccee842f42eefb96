"""Run a study: look at everything first, then do what is not done yet, and keep each stage as it ends."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from bitwatt.errors import BitwattError, RequestError
from bitwatt.study.collect import collect
from bitwatt.study.disk import disk_errors
from bitwatt.study.event_log import event_log
from bitwatt.study.events import Listener, Notice
from bitwatt.study.execute import Execution
from bitwatt.study.expand import expand
from bitwatt.study.lock import folder_lock
from bitwatt.study.opening import open_store
from bitwatt.study.plan import StudyPlan
from bitwatt.study.pool import Pool, Workers
from bitwatt.study.preflight import check_plan
from bitwatt.study.results import Results, write_results
from bitwatt.study.spaced import Spaced
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
    ray: str | None = None,
    storage: str | None = None,
    data_dir: Path | None = None,
    listen: Listener | None = None,
    show: Callable[[Results], None] | None = None,
    work: Work = do_stage,
) -> Results:
    """Run a study in `folder`, or go on with it: finished stages are re-used, half-trained ones resumed.

    workers: processes, by default one a core; the results do not depend on it. ray: address of a Ray cluster
    to work on instead, `auto` for the one that this machine is part of, `local` for one of its own. storage:
    an SQLAlchemy URL, by default SQLite in the folder. data_dir: where downloaded data lies. listen: told of
    all that happens. show: given the results so far, at the start and as points end. work: how a stage is
    done.

    Leaves `results.json`, `study.db`, `artifacts/`, `events.jsonl` and the workers' logs in the folder, and
    returns the results. Raises `RequestError` before any work starts, `Interrupted` on Ctrl-C, `PointsFailed`
    when all else is done, `BitwattError` for a full disk or a database that went away.
    """
    folder = Path(folder)
    if workers is not None and workers < 1:
        raise RequestError(f"workers must be at least 1, got {workers}")
    make_writable(folder)
    notices: list[str] = []
    with ExitStack() as open_things:
        open_things.enter_context(disk_errors())
        open_things.enter_context(folder_lock(folder, notices.append))
        tell = open_things.enter_context(event_log(folder / LOG_NAME, listen))

        def notice(text: str) -> None:
            tell(Notice(text))

        for text in notices:
            notice(text)
        cluster = None
        if ray is not None:
            from bitwatt.study.ray_pool import connected

            cluster = open_things.enter_context(connected(ray))
        checked = check_plan(plan, data_dir)
        stages = expand(plan, checked.subjects)
        store = open_things.enter_context(
            open_store(folder, plan, checked.data.sha256, storage, notice=notice)
        )
        execution = Execution(stages, store, tell)

        def keep_results(_: object = None) -> Results:
            results = collect(plan, checked.data, stages, store, execution.failures)
            write_results(results, folder / RESULTS_NAME)
            if show is not None:
                show(results)
            return results

        keep_now_and_then = Spaced(keep_results)

        pool: Workers
        if cluster is not None:
            pool = cluster.pool(workers, plan.threads, work, store.artifacts)
        else:
            pool = Pool(min(workers or available_cores(), execution.left), work, folder / "logs")
        try:
            keep_results()
            execution.run(pool, lambda: keep_now_and_then(None))
            results = keep_results()
        except KeyboardInterrupt:
            keep_results()
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
