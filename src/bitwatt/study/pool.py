"""A pool of worker processes. Any may die, for example when memory runs out, and takes one stage with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Protocol, Self

from bitwatt.study.worker import Failure, Message, Outcome, Task, Work

# The parent's path, so that a user's own `module:function` is found where the parent would find it.
_START = "import sys; sys.path[:] = {path!r}; from bitwatt.study.worker import serve; serve({descriptor})"


class Workers(Protocol):
    """Whoever does the stages: processes here, or a cluster. A context manager; leaving it ends what runs."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    @property
    def limit(self) -> int:
        """How many tasks are done at a time."""
        ...

    @property
    def is_free(self) -> bool:
        """Whether a task given now is begun now."""
        ...

    @property
    def is_busy(self) -> bool:
        """Whether any task is being done."""
        ...

    def give(self, task: Task) -> None:
        """Begin a task. Only while `is_free`."""
        ...

    def messages(self) -> Iterator[tuple[Task, Message]]:
        """Wait for something to happen, and give what did: events, then one Outcome or Failure a task."""
        ...


@dataclass(eq=False)
class _Worker:
    process: subprocess.Popen[bytes]
    connection: Connection
    log: Path
    task: Task | None = field(default=None)


class Pool:
    """Processes that do `work` on tasks. Use as a context manager; leaving it kills what still runs.

    Not multiprocessing's: a fresh interpreter that does not import the caller's main module, so that a study
    may be run from a script without a main guard or from a notebook; and a death takes one task with it.
    """

    def __init__(self, workers: int, work: Work, logs: Path) -> None:
        self._work = work
        self._logs = logs
        self.limit = workers
        self._workers: list[_Worker] = []
        self._started = 0

    def __enter__(self) -> Pool:
        self._logs.mkdir(parents=True, exist_ok=True)
        # All at once: torch takes seconds to load, and the later ones do it while the first one works.
        for _ in range(self.limit):
            self._start()
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.process.kill()
        for worker in self._workers:
            worker.process.wait()
            worker.connection.close()
        self._workers.clear()

    @property
    def is_free(self) -> bool:
        """Whether a task given now is begun now."""
        return sum(worker.task is not None for worker in self._workers) < self.limit

    @property
    def is_busy(self) -> bool:
        """Whether any task is being done."""
        return any(worker.task is not None for worker in self._workers)

    def give(self, task: Task) -> None:
        """Begin a task. Only while `is_free`."""
        worker = next((worker for worker in self._workers if worker.task is None), None)
        if worker is None:
            worker = self._start()
        worker.task = task
        try:
            worker.connection.send(task)
        except BrokenPipeError:  # it died while idle: `messages` reports that, with the reason
            return

    def messages(self) -> Iterator[tuple[Task, Message]]:
        """Wait for something to happen, and give what did: events, then one Outcome or Failure a task."""
        for ready in wait([worker.connection for worker in self._workers]):
            worker = next(worker for worker in self._workers if worker.connection is ready)
            try:
                message = worker.connection.recv()
            except (EOFError, OSError):
                task = worker.task
                reason = self._bury(worker)
                if task is not None:
                    yield task, reason
                continue
            task = worker.task
            if task is None:
                raise RuntimeError(f"worker {worker.process.pid} answered without a task")
            if isinstance(message, Outcome | Failure):
                worker.task = None
            yield task, message

    def _start(self) -> _Worker:
        ours, theirs = Pipe()
        log = self._logs / f"worker-{self._started}.log"
        self._started += 1
        command = _START.format(path=sys.path, descriptor=theirs.fileno())
        with open(log, "wb") as stderr:
            process = subprocess.Popen(
                [sys.executable, "-c", command],
                stdin=subprocess.DEVNULL,
                stdout=stderr,
                stderr=stderr,
                pass_fds=[theirs.fileno()],
                # Ctrl-C in a terminal goes to the whole group; only the parent decides what it means.
                start_new_session=True,
                env=os.environ | {"PYTHONUNBUFFERED": "1"},
            )
        theirs.close()
        # Its module, and torch with it, is loaded now, not when the first task comes.
        ours.send(self._work)
        worker = _Worker(process, ours, log)
        self._workers.append(worker)
        return worker

    def _bury(self, worker: _Worker) -> Failure:
        self._workers.remove(worker)
        worker.connection.close()
        worker.process.kill()  # it has closed its end, so whatever is left of it is of no use
        status = worker.process.wait()
        return Failure(_cause_of_death(status), _tail(worker.log))


def _cause_of_death(status: int) -> str:
    if status == -signal.SIGKILL:
        return "its process was killed (SIGKILL), as the system does when memory runs out; try fewer workers"
    if status < 0:
        return f"its process was killed by {signal.Signals(-status).name}"
    return f"its process ended with status {status}"


def _tail(log: Path, lines: int = 20) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
