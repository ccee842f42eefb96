"""Run a search: look at everything first, try designs until the trials or the time are over, then report."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bitwatt.errors import BitwattError, RequestError
from bitwatt.study.checkpoints import Slots
from bitwatt.study.events import EpochDone, Failed, Finished, Listener, Notice
from bitwatt.study.lock import folder_lock
from bitwatt.study.pool import Pool, Workers
from bitwatt.study.run import Interrupted, available_cores, make_writable
from bitwatt.study.search.finish import finish
from bitwatt.study.search.front import excesses
from bitwatt.study.search.narrowing import narrower
from bitwatt.study.search.plan import SearchPlan
from bitwatt.study.search.pruning import Rival
from bitwatt.study.search.quantities import ACCURACY
from bitwatt.study.search.space import REFERENCE, Design, Shape, Space, shapes_of
from bitwatt.study.search.store import SearchStore
from bitwatt.study.search.subjects import Subjects, look_at
from bitwatt.study.search.training import TRAINED, Trial, do_trial
from bitwatt.study.stages import FloatStage, Stage
from bitwatt.study.worker import Failure, Message, Outcome, Task

REPEATS = 8
"""Proposals of designs that are known already, after which one is drawn from those that are not."""

RESERVE = 0.08
"""Share of the time that is kept for the test images at the end, 30 s at most."""


class Searching:
    """A search that is going on: what was found of which design, what is being done."""

    def __init__(
        self, subjects: Subjects, space: Space, store: SearchStore, tell: Listener, workers: int, until: float
    ) -> None:
        self.plan = subjects.plan
        self.results: dict[Design, Mapping[str, Any]] = {}
        """The records of designs that were looked at."""
        self.failures: dict[Design, str] = {}
        self._subjects, self._space, self._store, self._tell = subjects, space, store, tell
        self._workers = workers
        self._until = until
        self._keys = {
            design: subjects.point_stage(design).digest
            for design in (*space.designs, *filter(space.add, store.narrowed()))
        }
        self._open: dict[Design, int] = {}  # asked for, not told yet: the trial's number
        self._running: dict[str, Design | Shape] = {}  # by the stage's digest
        self._seconds: dict[str, float] = {}  # of an epoch, by network
        self._random = random.Random(self.plan.seed + len(store.trials()))
        for design, key in self._keys.items():
            kept = store.kept(key)
            if kept is not None:
                self.results[design] = kept["record"]
        self._propose()
        for design in tuple(self.results):
            self._narrow(design)

    @property
    def reference_accuracy(self) -> float:
        """Of the float network, on the validation images."""
        return self._float_accuracy(REFERENCE.shape)

    def run(self, pool: Workers) -> None:
        """Try designs until the trials, the time or the designs are over."""
        while True:
            while pool.is_free and (task := self._next_task()) is not None:
                pool.give(task)
            if not pool.is_busy or time.monotonic() > self._until:
                return
            for task, message in pool.messages():
                self._handle(task.stage, message)

    def _propose(self) -> None:
        """What a killed run was at; at the start, uniform precisions of the network as it is, cheapest first.

        Cheap ones first, since they are the rivals of the dear ones.
        """
        is_new = not self._store.trials()
        for design in self._store.take_over():
            self._store.propose(design)
        if is_new:
            shape = REFERENCE.shape if REFERENCE.shape in shapes_of(self.plan) else shapes_of(self.plan)[0]
            first = self.plan.costs[0]
            designs = [design for design in self._space.designs if design.shape == shape]
            for design in sorted(designs, key=lambda one: self._space.costs(one)[first]):
                self._store.propose(design)

    def _narrow(self, design: Design) -> None:
        """Propose a trained network again with layers narrowed, unless a better one costs no more."""
        record = self.results[design]
        if not self.plan.layer_precisions or record["status"] != TRAINED:
            return
        rivals = self._rivals(design)
        if any(rival.accuracy > record["accuracy"] for rival in rivals):
            return
        uniform = self.results.get(replace(design, layers=()))
        if uniform is not None and record["accuracy"] < uniform["accuracy"] - self.plan.slack:
            return  # this layer, or the one before, is sensitive
        found = narrower(design, self._subjects.works[design.shape], self._space.weights)
        new = [one for one in found if one not in self._keys and self._space.add(one)]
        for one in new:
            self._keys[one] = self._subjects.point_stage(one).digest
            self._store.propose(one)
        if new:
            self._store.keep_narrowed([one for one in self._keys if one.layers])

    def _next_task(self) -> Task | None:
        if time.monotonic() > self._until:
            return None
        if self._missing(REFERENCE.shape):
            return self._float_task(REFERENCE.shape)
        # Asked for ahead of time too, so that a worker does not wait for another's float training.
        while len(self._open) < 2 * self._workers and self._ask():
            pass
        ready = [design for design in self._open if self._keys[design] not in self._running]
        for design in ready:
            if self._has_float(design.shape) and self._has_float(REFERENCE.shape):
                return self._trial_task(design)
        failed = {design.shape for design in self.failures}
        for shape in (
            *(design.shape for design in ready),
            *(one for one in shapes_of(self.plan) if one not in failed),
        ):
            if self._missing(shape) and (ready or not self._has_float(REFERENCE.shape)):
                return self._float_task(shape)
        return None

    def _missing(self, shape: Shape) -> bool:
        """Whether a float training is neither there nor being done."""
        return not self._has_float(shape) and self._subjects.float_stage(shape).digest not in self._running

    def _has_float(self, shape: Shape) -> bool:
        return self._store.kept(self._subjects.float_stage(shape).digest) is not None

    def _float_accuracy(self, shape: Shape) -> float:
        return float(self._store.artifact(self._subjects.float_stage(shape).digest).record["accuracy"])

    def _float_task(self, shape: Shape) -> Task | None:
        stage = self._subjects.float_stage(shape)
        if not self._fits(stage):
            return None
        self._running[stage.digest] = shape
        return Task(stage, self._store.artifacts)

    def _trial_task(self, design: Design) -> Task | None:
        stage = self._subjects.point_stage(design)
        if not self._fits(stage):
            return None
        reference = self._subjects.float_stage(REFERENCE.shape)
        self._running[stage.digest] = design
        return Trial(
            stage,
            self._store.artifacts,
            float_weights=self._store.artifact(stage.float_digest),
            teacher=self._store.artifact(reference.digest),
            teacher_network=reference.subject.network,
            float_accuracy=self._float_accuracy(design.shape),
            rivals=self._rivals(design),
            floor=max(self.reference_accuracy - self.plan.loss, self.plan.budget.get(ACCURACY, 0.0)),
            slack=self.plan.slack,
            pruner=self.plan.pruner,
        )

    def _fits(self, stage: Stage) -> bool:
        """Whether a training is likely to end in time."""
        seconds = self._seconds.get(stage.subject.network, 0.0)
        return time.monotonic() + stage.epochs * seconds <= self._until

    def _rivals(self, design: Design) -> tuple[Rival, ...]:
        costs = self._space.costs(design)
        found = []
        for other, record in self.results.items():
            theirs = self._space.costs(other)
            if record["status"] == TRAINED and all(theirs[name] <= costs[name] for name in self.plan.costs):
                found.append(Rival(record["accuracy"], record["curve"]))
        return tuple(found)

    def _ask(self) -> bool:
        """Ask the sampler for a design that is not known; False where there is none, or enough were seen."""
        if len(self.results) + len(self.failures) + len(self._open) >= self.plan.trials:
            return False
        for _ in range(REPEATS):
            trial = self._store.ask(self._distributions())
            design = self._store.design(trial)
            if design in self._open or design in self.failures or design not in self._keys:
                self._store.fail(trial.number, "over the budget, or being tried")
            elif design in self.results:
                self._tell_result(design, trial.number)
            else:
                self._open[design] = trial.number
                return True
        known = {*self.results, *self.failures, *self._open}
        unseen = [design for design in self._keys if design not in known]
        if not unseen:
            return False
        self._store.propose(self._random.choice(unseen))
        return self._ask()

    def _distributions(self) -> dict[str, Any]:
        from optuna.distributions import CategoricalDistribution

        choices: dict[str, Sequence[float | int | str]] = {
            "width": self.plan.widths,
            "precision": self._space.precisions,
        }
        if self.plan.depths:
            choices["depth"] = self.plan.depths
        return {name: CategoricalDistribution(values) for name, values in choices.items()}

    def _handle(self, stage: Stage, message: Message) -> None:
        match message:
            case Outcome() if isinstance(stage, FloatStage):
                del self._running[stage.digest]
                self._store.keep(stage.digest, "float.safetensors", message)
                Slots(self._store.artifacts, stage.training_digest).clear()
                self._tell(Finished(stage.label, 0.0, message.record["accuracy"], None))
            case Outcome():
                del self._running[stage.digest]
                self._finish(stage, message)
            case Failure():
                shape = self._running.pop(stage.digest)
                self._tell(Failed(stage.label, message.reason, message.traceback))
                if shape == REFERENCE.shape:
                    raise BitwattError(f"{stage.label}: {message.reason}")
                reason = f"{stage.label}: {message.reason}"
                for design, key in self._keys.items():
                    if design.shape == shape or key == stage.digest:
                        self._fail(design, reason)
            case EpochDone():
                self._seconds[stage.subject.network] = message.seconds
                self._tell(message)
            case _:
                self._tell(message)

    def _finish(self, stage: Stage, outcome: Outcome) -> None:
        design = next(one for one, key in self._keys.items() if key == stage.digest)
        self._store.keep(stage.digest, "program.bitwatt", outcome)
        Slots(self._store.artifacts, stage.training_digest).clear()
        self.results[design] = outcome.record
        self._tell_result(design, self._open.pop(design))
        self._narrow(design)
        energy = self._space.costs(design)["energy"]
        status = outcome.record["status"]
        label = stage.label if status == TRAINED else f"{stage.label} ({status})"
        self._tell(Finished(label, 0.0, outcome.record["accuracy"], energy))

    def _fail(self, design: Design, reason: str) -> None:
        """A design is not looked at, in this run."""
        self.failures[design] = reason
        if design in self._open:
            self._store.fail(self._open.pop(design), reason)

    def _tell_result(self, design: Design, number: int) -> None:
        record, costs = self.results[design], self._space.costs(design)
        accuracy = record["accuracy"]
        values = [accuracy if name == ACCURACY else costs[name] for name in self.plan.objectives]
        excess = excesses(accuracy, costs, self.plan.budget)
        self._store.tell(number, values, excess, status=record["status"], design=str(self._keys[design]))


def run_search(
    plan: SearchPlan,
    folder: str | Path,
    *,
    command: str = "",
    workers: int | None = None,
    pool: Workers | None = None,
    storage: str | None = None,
    data_dir: Path | None = None,
    listen: Listener | None = None,
) -> dict[str, Any]:
    """Run a search in `folder`, or go on with it: nothing that was trained is trained again.

    command: the command line that the points' own lines begin with. pool: whoever does `do_trial`, in place
    of processes here. The others are as in `bitwatt.study.run_study`.

    Leaves `search.json`, `study.db` and `artifacts/`, and returns what is in `search.json`. Raises
    `RequestError` before any work starts, among others for a budget that nothing meets; `Interrupted` on
    Ctrl-C; `NothingFound` where no network was trained, or none has the accuracy asked for.
    """
    folder = Path(folder)
    begun = time.monotonic()
    if workers is not None and workers < 1:
        raise RequestError(f"workers must be at least 1, got {workers}")
    count = pool.limit if pool else available_cores() if workers is None else workers
    tell: Listener = listen or (lambda event: None)
    make_writable(folder)
    with folder_lock(folder, lambda text: tell(Notice(text))):
        subjects = look_at(plan, data_dir)
        space = Space(plan, subjects.works, subjects.program)
        for reason, points in space.refused.items():
            tell(Notice(f"{points} points of the space are left out: {reason}"))
        store = SearchStore(folder, plan, subjects.data.sha256, storage)
        seconds = plan.time_s if plan.time_s is not None else float("inf")
        until = begun + seconds - min(30.0, RESERVE * seconds) if plan.time_s else float("inf")
        searching = Searching(subjects, space, store, tell, count, until)
        try:
            with pool or Pool(count, do_trial, folder / "logs") as doing:
                searching.run(doing)
            return finish(searching.results, subjects, space, store, folder, command, data_dir)
        except KeyboardInterrupt:
            raise Interrupted(
                f"stopped; {len(searching.results)} networks were looked at and are kept in '{folder}', and "
                "trainings up to their last epoch. The same command goes on from there"
            ) from None
