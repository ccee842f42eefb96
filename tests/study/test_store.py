"""What a folder may be used for, and who may use it."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import chains
import engine
import optuna
import pytest
from engine import DATA, PLAN, run_engine

from bitwatt.errors import BitwattError, RequestError
from bitwatt.study.artifacts import FolderArtifacts, read_artifact
from bitwatt.study.lock import FolderInUse, folder_lock
from bitwatt.study.opening import open_store
from bitwatt.study.plan import StudyPlan
from bitwatt.study.run import make_writable
from bitwatt.study.storage_errors import masked

OTHER = PLAN.model_copy(update={"name": "other-toys"})


def refusal(folder: Path, plan: StudyPlan = PLAN, digest: str = DATA.sha256, url: str | None = None) -> str:
    with pytest.raises(BitwattError) as refused:
        open_store(folder, plan, digest, url)
    return str(refused.value)


def test_a_folder_with_another_study_is_refused(tmp_path: Path) -> None:
    open_store(tmp_path, OTHER, DATA.sha256)
    assert refusal(tmp_path) == (
        f"the folder '{tmp_path}' holds another study, 'other-toys'; this one is 'toy-toys'. "
        "Choose another folder with --out"
    )


def test_a_folder_of_other_data_of_the_same_name_is_refused(tmp_path: Path) -> None:
    open_store(tmp_path, PLAN, "1" * 64)
    assert refusal(tmp_path) == (
        f"the folder '{tmp_path}' holds another study: it is of data with SHA-256 '{'1' * 64}', "
        f"this one of '{'0' * 64}'. Choose another folder with --out"
    )


def test_a_store_of_another_schema_is_refused_with_both_versions(tmp_path: Path) -> None:
    open_store(tmp_path, PLAN, DATA.sha256)
    study = optuna.load_study(study_name=PLAN.name, storage=f"sqlite:///{tmp_path / 'study.db'}")
    study.set_user_attr("bitwatt", study.user_attrs["bitwatt"] | {"schema": 99, "version": "7.0"})
    assert refusal(tmp_path) == (
        f"the folder '{tmp_path}' was written by bitwatt 7.0 with store schema 99; this is bitwatt 0.1.0, "
        "which reads schema 1. Use that version, or choose another folder with --out"
    )


def test_an_optuna_study_of_somebody_else_is_refused(tmp_path: Path) -> None:
    foreign = optuna.create_study(study_name=PLAN.name, storage=f"sqlite:///{tmp_path / 'study.db'}")
    foreign.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1)
    assert refusal(tmp_path) == (
        f"the folder '{tmp_path}' holds an Optuna study named 'toy-toys' that bitwatt did not make. "
        "Choose another folder with --out"
    )


def test_a_database_that_is_none_is_said(tmp_path: Path) -> None:
    (tmp_path / "study.db").write_bytes(b"not a database, only some bytes" * 100)
    assert refusal(tmp_path).startswith(
        "the study's database, study.db in the folder, cannot be read or written: file is not a database. "
    )


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (
            "mysql://me:secret@nowhere/db",  # whose driver is not installed
            "mysql://me:***@nowhere/db, cannot be used: No module named 'MySQLdb'. A URL reads ",
        ),
        ("no url, secret", "the given storage URL, cannot be used"),
        (
            "sqlite:////nowhere/at/all/x.db",
            "sqlite:////nowhere/at/all/x.db, cannot be opened: unable to open database file. ",
        ),
    ],
)
def test_a_storage_that_cannot_be_reached_is_said_without_its_password(
    tmp_path: Path, url: str, message: str
) -> None:
    said = refusal(tmp_path, url=url)
    assert said.startswith(f"the study's database, {message}")
    assert "secret" not in said
    assert "secret" not in masked(url)


def test_several_studies_share_a_storage_given_by_url(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'shared.db'}"
    for name, plan in (("a", PLAN), ("b", OTHER)):
        (tmp_path / name).mkdir()
        open_store(tmp_path / name, plan, DATA.sha256, url)
    assert sorted(optuna.get_all_study_names(url)) == ["other-toys", "toy-toys"]


def test_a_trial_killed_between_result_and_end_is_completed_once(tmp_path: Path) -> None:
    run_engine(tmp_path)
    before = (tmp_path / "results.json").read_bytes()
    with sqlite3.connect(tmp_path / "study.db") as database:
        database.execute("update trials set state = 'RUNNING', datetime_complete = null where number = 2")
        database.execute("delete from trial_values where trial_id = 3")
    database.close()
    run_engine(tmp_path)
    trials = optuna.load_study(study_name=PLAN.name, storage=f"sqlite:///{tmp_path / 'study.db'}").trials
    assert len(trials) == 8
    assert {trial.state.name for trial in trials} == {"COMPLETE"}
    assert (tmp_path / "results.json").read_bytes() == before


def test_artifacts_are_replaced_whole(tmp_path: Path) -> None:
    artifacts = FolderArtifacts(tmp_path)
    with open(__file__, "rb") as first:
        artifacts.write("a", first)
    assert read_artifact(artifacts, "a") == Path(__file__).read_bytes()

    class Broken:
        def read(self, size: int) -> bytes:
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        artifacts.write("a", Broken())  # type: ignore[arg-type]
    assert read_artifact(artifacts, "a") == Path(__file__).read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_what_a_kill_left_half_written_is_swept(tmp_path: Path) -> None:
    (tmp_path / ".a.123.partial").write_bytes(b"half")
    FolderArtifacts(tmp_path).sweep()
    assert not list(tmp_path.iterdir())


def test_the_second_run_in_a_folder_is_told_who_holds_it(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from bitwatt.study.lock import folder_lock\n"
        f"with folder_lock(Path({str(tmp_path)!r}), print):\n"
        "    print('held', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(FolderInUse) as refused, folder_lock(tmp_path, print):
        pass
    said = str(refused.value)
    assert said.startswith(f"the folder '{tmp_path}' is in use by process {holder.pid} on ")
    assert said.endswith("; wait for it to end, or choose another folder with --out")
    # A refused run does not disturb the holder's claim.
    assert json.loads((tmp_path / "study.lock").read_text())["pid"] == holder.pid
    holder.kill()
    holder.communicate()
    # Killed, it holds nothing any more; the next one is told.
    notices: list[str] = []
    with folder_lock(tmp_path, notices.append):
        pass
    assert len(notices) == 1
    assert notices[0].startswith(f"the last run here, process {holder.pid} on ")
    assert notices[0].endswith(", ended without closing; going on from what it left")


@pytest.mark.parametrize("error", [None, ValueError])
def test_an_orderly_end_leaves_no_holder(tmp_path: Path, error: type[Exception] | None) -> None:
    notices: list[str] = []
    try:
        with folder_lock(tmp_path, notices.append):
            if error is not None:
                raise error
    except ValueError:
        pass
    with folder_lock(tmp_path, notices.append):
        pass
    assert notices == []


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RequestError) as refused:
        make_writable(tmp_path / "file" / "runs")
    assert str(refused.value) == (
        f"the folder '{tmp_path / 'file' / 'runs'}' cannot be written: Not a directory; "
        "choose another one with --out"
    )


def test_a_changed_cost_model_costs_again_and_trains_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_engine(tmp_path)
    monkeypatch.setattr("engine.COST_MODEL", "another cost model")
    (tmp_path / "trained").write_text("")
    os.environ[chains.TRAINED] = str(tmp_path / "trained")
    try:
        run_engine(tmp_path)
    finally:
        del os.environ[chains.TRAINED]
    assert (tmp_path / "trained").read_text() == ""
    trials = optuna.load_study(study_name=PLAN.name, storage=f"sqlite:///{tmp_path / 'study.db'}").trials
    assert len(trials) == 16
    assert engine.stages_of(PLAN).points[0].digest == trials[8].user_attrs["digest"]
