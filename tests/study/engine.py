"""The study engine on stages made by hand, in this process or in one that is there to be killed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from unittest import mock

from chains import chain_work

from bitwatt.study import expand as expanding
from bitwatt.study.collect import collect
from bitwatt.study.events import Event, Listener, Notice
from bitwatt.study.execute import Execution
from bitwatt.study.lock import folder_lock
from bitwatt.study.opening import open_store
from bitwatt.study.plan import StudyPlan
from bitwatt.study.pool import Pool, Workers
from bitwatt.study.results import DataRecord, Results, write_results
from bitwatt.study.stages import Stages, Subject
from bitwatt.study.store import Store
from bitwatt.study.worker import Work
from bitwatt.training import Recipe

PLAN = StudyPlan(
    networks=("toy",),
    data="toys",
    precisions=("float32", "fixed8", "fixed4", "binary"),
    seeds=(0, 1),
    pretraining=Recipe(epochs=3),
    retraining=Recipe(epochs=2),
)
LONG = StudyPlan.of(
    **PLAN.model_dump(exclude={"pretraining", "retraining"}),
    pretraining=Recipe(epochs=12),
    retraining=Recipe(epochs=10),
)
COST_MODEL = "one cost model"
DATA = DataRecord(name="toys", train=4, test=4, sha256="0" * 64, source="toys made for tests")


def stages_of(plan: StudyPlan, data_digest: str = DATA.sha256) -> Stages:
    subjects = {
        (name, seed): Subject(name, f"weights of {seed}", plan.data, data_digest)
        for name in plan.networks
        for seed in plan.seeds
    }
    # A cost model that is edited while these tests run must not look like a change of the plan.
    with mock.patch.object(expanding, "costing_digest", return_value=COST_MODEL):
        return expanding.expand(plan, subjects)


def run_engine(
    folder: Path,
    *,
    plan: StudyPlan = PLAN,
    workers: int = 1,
    work: Work = chain_work,
    listen: Listener | None = None,
    storage: str | None = None,
    patience_s: float = 60.0,
    pool: Callable[[Store], Workers] | None = None,
) -> tuple[Results, Execution, Store]:
    """As `bitwatt.study.run_study`, of stages made by hand."""
    folder.mkdir(exist_ok=True)

    def tell(event: Event) -> None:
        if listen is not None:
            listen(event)

    planned = stages_of(plan)

    def notice(text: str) -> None:
        tell(Notice(text))

    with folder_lock(folder, notice):
        opened = open_store(folder, plan, DATA.sha256, storage, notice=notice, patience_s=patience_s)
        with opened as store:
            execution = Execution(planned, store, tell)

            def keep() -> Results:
                results = collect(plan, DATA, planned, store, execution.failures)
                write_results(results, folder / "results.json")
                return results

            execution.run(pool(store) if pool else Pool(workers, work, folder / "logs"), keep)
            return keep(), execution, store


def command(
    folder: Path, workers: int, work: str = "chain_work", plan: str = "PLAN", storage: str | None = None
) -> list[str]:
    """The command that runs the engine as a process of its own, to be killed."""
    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r});"
        "from pathlib import Path; import chains, engine;"
        f"engine.run_engine(Path({str(folder)!r}), workers={workers}, work=chains.{work},"
        f"plan=engine.{plan}, storage={storage!r})"
    )
    return [sys.executable, "-c", code]


def command_line(arguments: list[str]) -> list[str]:
    """The command `bitwatt`, with the tiny network of these tests on its path."""
    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r});"
        "from bitwatt.cli import main; main(sys.argv[1:])"
    )
    return [sys.executable, "-c", code, *arguments]
