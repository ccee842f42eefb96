"""Studies on a real PostgreSQL server: as on SQLite, whoever is killed, and however the server goes away."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import engine
import postgres
import pytest
from engine import PLAN, command_line, run_engine
from kills import check_undoubled, kill_until_done, results_in
from optuna.trial import TrialState

from bitwatt.cli.app import run
from bitwatt.errors import BitwattError, RequestError
from bitwatt.study.events import EpochDone, Event, Notice

MISSING = postgres.missing()
pytestmark = [pytest.mark.postgres, pytest.mark.skipif(MISSING is not None, reason=str(MISSING))]


@pytest.fixture(scope="module")
def server() -> Iterator[postgres.Server]:
    with postgres.server() as running:
        yield running


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The results on SQLite."""
    folder = tmp_path_factory.mktemp("undisturbed")
    run_engine(folder)
    return results_in(folder)


@pytest.fixture
def url(server: postgres.Server) -> str:
    server.start()  # a test that failed may have left it stopped
    return server.new_database()


def test_killed_and_resumed_the_results_are_those_on_sqlite(
    undisturbed: bytes, url: str, tmp_path: Path
) -> None:
    hits = kill_until_done(tmp_path, engine.command(tmp_path, 2, storage=url), kills=2, seed=3)
    assert hits > 0
    assert results_in(tmp_path) == undisturbed
    check_undoubled(postgres.trials(url, PLAN.name))
    assert not (tmp_path / "study.db").exists()


def test_a_server_that_is_started_again_is_waited_for(
    server: postgres.Server, undisturbed: bytes, url: str, tmp_path: Path
) -> None:
    notices: list[str] = []
    stops = iter([server.stop])

    def disturb(event: Event) -> None:
        if isinstance(event, EpochDone):
            next(stops, lambda: None)()
        elif isinstance(event, Notice):
            notices.append(event.text)
            server.start()

    run_engine(tmp_path, storage=url, listen=disturb)
    assert len(notices) == 1
    assert notices[0].startswith("the study's database cannot be reached (")
    assert notices[0].endswith("); trying again for 60 s")
    assert results_in(tmp_path) == undisturbed
    check_undoubled(postgres.trials(url, PLAN.name))


def test_a_server_that_stays_away_ends_the_study_which_goes_on_when_it_is_back(
    server: postgres.Server, undisturbed: bytes, url: str, tmp_path: Path
) -> None:
    epochs: list[EpochDone] = []

    def stop(event: Event) -> None:
        if isinstance(event, EpochDone):
            epochs.append(event)
            if len(epochs) == 4:
                server.stop()

    with pytest.raises(BitwattError) as ended:
        run_engine(tmp_path, storage=url, listen=stop, patience_s=0.5)
    server.start()
    said = str(ended.value)
    assert said.startswith(
        f"the study's database, {url.replace(postgres.PASSWORD, '***')}, cannot be read or written: "
    )
    assert "\n" not in said
    assert said.endswith("What is finished is kept; run again to go on")
    assert not isinstance(ended.value, RequestError)
    run_engine(tmp_path, storage=url)
    assert results_in(tmp_path) == undisturbed
    trials = postgres.trials(url, PLAN.name)
    check_undoubled([trial for trial in trials if trial.state != TrialState.FAIL])


def test_the_study_of_another_folder_is_not_gone_on_with(url: str, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    run_engine(first, storage=url)
    with pytest.raises(RequestError) as refused:
        run_engine(second, storage=url)
    assert f"whose weights and programs are in the folder '{first}' of the machine '" in str(refused.value)
    # Moved, it is the same folder still.
    first.rename(tmp_path / "moved")
    run_engine(tmp_path / "moved", storage=url)


@pytest.mark.parametrize("wrong", ["password", "database", "port"])
def test_a_server_that_cannot_be_used_is_said_in_one_line_without_the_password(
    server: postgres.Server, wrong: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    secret = "not-for-others"
    url, reason = {
        "password": (server.url(secret), 'password authentication failed for user "tester"'),
        "database": (server.url(database="nowhere"), 'database "nowhere" does not exist'),
        "port": (server.url(secret).replace(str(server.port), "1"), "Connection refused"),
    }[wrong]
    arguments = ["--network", "tiny:network", "--data", "tiny:bars", "--precisions", "fixed8"]
    assert run(["study", *arguments, "--out", str(tmp_path), "--storage", url]) == 2
    shown = capfd.readouterr()
    last = shown.err.splitlines()[-1]
    assert last.startswith("bitwatt: the study's database, postgresql+psycopg://tester:***@127.0.0.1:")
    assert reason in last
    assert last.endswith("Check host, port, user, password and database")
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    for password in (secret, postgres.PASSWORD):
        assert password not in shown.err + shown.out
        assert password.encode() not in written


def test_a_whole_real_study_killed_once(url: str, tmp_path: Path) -> None:
    """Real training, by the command line: killed in the middle on PostgreSQL, once through on SQLite."""
    (tmp_path / "study.toml").write_text(
        'name = "tiny"\nnetwork = "tiny:network"\ndata = "tiny:bars"\nprecisions = ["fixed8"]\n'
        "[pretraining]\nepochs = 3\nbatch_size = 32\n[retraining]\nepochs = 3\nbatch_size = 32\n"
    )
    arguments = ["study", str(tmp_path / "study.toml"), "--workers", "1", "--out"]
    assert run([*arguments, str(tmp_path / "sqlite")]) == 0
    stored = [*arguments, str(tmp_path / "stored"), "--storage", url]
    process = subprocess.Popen(command_line(stored), stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if "fixed8, seed 0: epoch 1 of 3, " in line:
            break
    else:
        pytest.fail("it ended before it could be killed")
    process.kill()
    process.communicate()
    assert run(stored) == 0
    assert results_in(tmp_path / "stored") == results_in(tmp_path / "sqlite")
