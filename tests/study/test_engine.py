"""Whatever happens to a run, the results are those of an undisturbed one."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import chains
import engine
import optuna
import pytest
from engine import PLAN, run_engine
from kills import check_undoubled, kill_until_done, results_in, wait_for_work
from optuna.trial import TrialState

from bitwatt.study.events import EpochDone, Event, Failed, Notice, Planned, Started


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    run_engine(folder, workers=1)
    return folder


def trials_of(folder: Path) -> list[optuna.trial.FrozenTrial]:
    url = f"sqlite:///{folder / 'study.db'}"
    return optuna.load_study(study_name=PLAN.name, storage=url).trials


@pytest.mark.parametrize("workers", [2, 4])
def test_results_do_not_depend_on_the_number_of_workers(
    undisturbed: Path, tmp_path: Path, workers: int
) -> None:
    run_engine(tmp_path, workers=workers)
    assert results_in(tmp_path) == results_in(undisturbed)


def test_points_come_in_the_order_of_the_plan(undisturbed: Path) -> None:
    results, _, _ = run_engine(undisturbed)
    found = [(point.seed, point.precision) for point in results.points]
    assert found == [(seed, precision) for seed in PLAN.seeds for precision in PLAN.precisions]


def test_a_finished_study_does_no_work_again(undisturbed: Path) -> None:
    events: list[Event] = []
    before = results_in(undisturbed)
    run_engine(undisturbed, listen=events.append)
    assert Planned(stages=8, finished=8, epochs_left=0, points=8, finished_points=8) in events
    assert not [event for event in events if isinstance(event, Started)]
    assert results_in(undisturbed) == before
    assert len(trials_of(undisturbed)) == 8


def test_one_trial_a_point_with_accuracy_and_energy(undisturbed: Path) -> None:
    trials = trials_of(undisturbed)
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 8
    for trial in trials:
        record = trial.user_attrs["result"]["record"]
        assert trial.values == [record["accuracy"], record["energy_j"]]
        assert (
            trial.params["weight_bits"]
            == {"float32": 32, "fixed8": 8, "fixed4": 4, "binary": 1}[trial.user_attrs["precision"]]
        )


def test_more_precisions_redo_nothing(undisturbed: Path, tmp_path: Path) -> None:
    small = PLAN.model_copy(update={"precisions": ("fixed8",)})
    run_engine(tmp_path, plan=small)
    events: list[Event] = []
    run_engine(tmp_path, listen=events.append)
    begun = [event.stage for event in events if isinstance(event, Started)]
    assert sorted(begun) == sorted(
        f"toy {precision}, seed {seed}" for precision in ("float32", "fixed4", "binary") for seed in (0, 1)
    )
    assert results_in(tmp_path) == results_in(undisturbed)


def test_a_trial_left_by_a_killed_run_of_another_plan_is_closed(tmp_path: Path) -> None:
    class Killed(BaseException):
        pass

    def kill(event: Event) -> None:
        if isinstance(event, Started) and "fixed8" in event.stage:
            raise Killed

    with pytest.raises(Killed):
        run_engine(tmp_path, listen=kill)
    only_float = PLAN.model_copy(update={"precisions": ("float32",)})
    run_engine(tmp_path, plan=only_float)
    left = {t.user_attrs["precision"]: t for t in trials_of(tmp_path) if t.state != TrialState.COMPLETE}
    assert {trial.state for trial in left.values()} == {TrialState.FAIL}
    assert left["fixed8"].user_attrs["failure"] == "stopped, and no longer part of the plan"


def test_killed_three_times(undisturbed: Path, tmp_path: Path) -> None:
    hits = kill_until_done(tmp_path, engine.command(tmp_path, 2), kills=3, seed=1)
    assert hits > 0
    assert results_in(tmp_path) == results_in(undisturbed)
    check_undoubled(trials_of(tmp_path))


@pytest.mark.slow
@pytest.mark.timeout(1500)  # twenty starts, on a machine that may be busy
def test_killed_twenty_times(tmp_path: Path) -> None:
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    run_engine(undisturbed, plan=engine.LONG)
    command = engine.command(killed, 2, "steady_work", "LONG")
    hits = kill_until_done(killed, command, kills=20, seed=2)
    assert hits >= 15
    assert results_in(killed) == results_in(undisturbed)
    check_undoubled(trials_of(killed))


def test_workers_die_with_their_parent(tmp_path: Path) -> None:
    process = subprocess.Popen(engine.command(tmp_path, 1, "slow_work"))
    wait_for_work(tmp_path, process)
    children = _children(process.pid)
    assert children
    process.kill()
    process.wait()
    deadline = time.monotonic() + 10
    while any(Path(f"/proc/{child}").exists() for child in children):
        assert time.monotonic() < deadline, "a worker outlived its parent by ten seconds"
        time.sleep(0.05)


def _children(pid: int) -> list[int]:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        if text.strip():
            return [int(word) for word in text.split()]
        time.sleep(0.02)
    return []


def test_a_damaged_checkpoint_is_said_and_the_one_before_it_used(undisturbed: Path, tmp_path: Path) -> None:
    stages = engine.stages_of(PLAN)
    slots = f"checkpoint-{stages.floats[0].digest[:32]}"

    class Stopped(Exception):
        pass

    def stop_after_two(event: Event) -> None:
        if isinstance(event, EpochDone) and event.epoch == 2:
            raise Stopped

    with pytest.raises(Stopped):
        run_engine(tmp_path, listen=stop_after_two)
    newest = max((tmp_path / "artifacts").glob(f"{slots}-*"), key=lambda path: path.read_bytes())
    newest.write_bytes(newest.read_bytes()[:7])
    events: list[Event] = []
    run_engine(tmp_path, listen=events.append)
    notices = [event.text for event in events if isinstance(event, Notice)]
    assert len(notices) == 1
    assert notices[0].startswith(
        f"toy float training, seed 0: checkpoint {newest.name} cannot be used (not a chain"
    )
    assert "the training goes on from epoch " in notices[0]
    first = next(event for event in events if isinstance(event, Started))
    assert first.first_epoch >= 1
    assert results_in(tmp_path) == results_in(undisturbed)


def test_checkpoints_of_finished_stages_are_not_kept(undisturbed: Path) -> None:
    assert not list((undisturbed / "artifacts").glob("checkpoint-*"))


def test_a_damaged_program_is_made_again(undisturbed: Path, tmp_path: Path) -> None:
    _, _, store = run_engine(tmp_path)
    kept = store.kept(engine.stages_of(PLAN).points[1])
    assert kept is not None
    (tmp_path / "artifacts" / kept.artifact_id).write_bytes(b"something else")
    events: list[Event] = []
    run_engine(tmp_path, listen=events.append)
    assert Notice("toy fixed8, seed 0: what was kept of it is damaged or gone; it is done again") in events
    assert [event.stage for event in events if isinstance(event, Started)] == ["toy fixed8, seed 0"]
    assert results_in(tmp_path) == results_in(undisturbed)


def test_a_failed_point_is_marked_and_the_others_go_on(undisturbed: Path, tmp_path: Path) -> None:
    events: list[Event] = []
    results, execution, _ = run_engine(tmp_path, workers=2, work=chains.failing_work, listen=events.append)
    assert results.failed_points == [
        f"toy {precision}, seed {seed}" for seed in (0, 1) for precision in ("fixed4", "binary")
    ]
    assert [(point.precision, point.seed) for point in results.points] == [
        (precision, seed) for seed in (0, 1) for precision in ("float32", "fixed8")
    ]
    reasons = {event.stage: event.reason for event in events if isinstance(event, Failed)}
    assert reasons["toy fixed4, seed 0"] == "training diverged: the loss became nan"
    assert reasons["toy binary, seed 1"] == (
        "its process was killed (SIGKILL), as the system does when memory runs out; try fewer workers"
    )
    assert len(execution.failures) == 4
    failed = [trial for trial in trials_of(tmp_path) if trial.state == TrialState.FAIL]
    assert {trial.user_attrs["failure"] for trial in failed} == set(reasons.values())
    # The next run tries them again, and nothing else.
    events.clear()
    run_engine(tmp_path, listen=events.append)
    assert sorted(event.stage for event in events if isinstance(event, Started)) == sorted(
        results.failed_points
    )
    assert results_in(tmp_path) == results_in(undisturbed)


def test_points_of_a_failed_float_training_fail_with_it(tmp_path: Path) -> None:
    events: list[Event] = []
    results, _, _ = run_engine(tmp_path, work=chains.failing_float_work, listen=events.append)
    reasons = {event.stage: event.reason for event in events if isinstance(event, Failed)}
    assert reasons["toy float training, seed 1"] == "ZeroDivisionError: division by zero"
    assert reasons["toy fixed8, seed 1"] == "toy float training, seed 1 failed, which it starts from"
    assert len(results.points) == 4
    assert len(reasons) == 5


def test_an_interrupt_leaves_within_two_seconds_with_workers_running(tmp_path: Path) -> None:
    class Clock:
        sent = 0.0

    def interrupt(event: Event) -> None:
        if isinstance(event, Started):
            Clock.sent = time.monotonic()
            os.kill(os.getpid(), signal.SIGINT)

    # Tests that are run in the background ignore SIGINT.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            run_engine(tmp_path, workers=2, work=chains.slow_work, listen=interrupt)
    finally:
        signal.signal(signal.SIGINT, before)
    assert time.monotonic() - Clock.sent < 2
