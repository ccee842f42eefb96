"""A PostgreSQL server for tests: in a folder of its own, as a user without rights, on a free port."""

from __future__ import annotations

import importlib.util
import itertools
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import optuna
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial

PASSWORD = "kept-to-itself"


def missing() -> str | None:
    """What of the server or its driver is not installed; None where both are."""
    if _program("initdb") is None:
        return "PostgreSQL is not installed (Debian's package postgresql)"
    if importlib.util.find_spec("psycopg") is None:
        return "psycopg is not installed (the extra `postgres`)"
    return None


def _program(name: str) -> str | None:
    found = shutil.which(name)
    if found is None:  # where Debian has them, for several versions side by side
        found = next(map(str, sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)), None)
    return found


class Server:
    """A server that may be stopped and started again."""

    def __init__(self, folder: Path, port: int, user: str | None) -> None:
        self._folder = folder
        self._user = user
        self._numbers = itertools.count()
        self._runs = False
        self.port = port

    def url(self, password: str = PASSWORD, database: str = "postgres") -> str:
        return f"postgresql+psycopg://tester:{password}@127.0.0.1:{self.port}/{database}"

    def new_database(self) -> str:
        """The URL of one that is empty."""
        import psycopg

        name = f"database_{next(self._numbers)}"
        with psycopg.connect(self.url().replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute(f"create database {name}")
        return self.url(database=name)

    def start(self) -> None:
        """Start it, unless it runs."""
        if self._runs:
            return
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
        log = str(self._folder / "log")
        self._call("pg_ctl", "-D", str(self._folder / "data"), "-l", log, "-o", options, "-w", "start")
        self._runs = True

    def stop(self) -> None:
        """At once, as a machine that is switched off; nothing, where it does not run."""
        if not self._runs:
            return
        self._runs = False
        self._call("pg_ctl", "-D", str(self._folder / "data"), "-m", "immediate", "-w", "stop")

    def make(self) -> None:
        secret = self._folder / "password"
        secret.write_text(PASSWORD)
        if self._user is not None:  # PostgreSQL refuses to run as root
            shutil.chown(self._folder, self._user)
        self._call(
            "initdb", "-D", str(self._folder / "data"), "-U", "tester", "-A", "scram-sha-256",
            "--pwfile", str(secret), "--no-sync", "--locale", "C", "--encoding", "UTF8",
        )  # fmt: skip

    def _call(self, name: str, *arguments: str) -> None:
        # Its output to a file: the server inherits it, and would hold a pipe open for as long as it runs.
        with open(self._folder / f"{name}.out", "wb") as output:
            status = subprocess.run(
                [_program(name) or name, *arguments], stdout=output, stderr=output, cwd="/", user=self._user
            ).returncode
        if status != 0:
            raise RuntimeError(f"{name} failed: {(self._folder / f'{name}.out').read_text()}")


@contextmanager
def server() -> Iterator[Server]:
    """A running server; nothing of it is left."""
    folder = Path(tempfile.mkdtemp(prefix="bitwatt-postgres-"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    made = Server(folder, port, "nobody" if os.getuid() == 0 else None)
    try:
        made.make()
        made.start()
        try:
            yield made
        finally:
            made.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def trials(url: str, study: str) -> list[FrozenTrial]:
    """The trials of a study, by Optuna itself; no connection stays open."""
    storage = RDBStorage(url)
    try:
        return optuna.load_study(study_name=study, storage=storage).trials
    finally:
        storage.engine.dispose()
