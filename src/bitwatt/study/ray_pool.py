"""Stages on a Ray cluster. Where a machine is lost, another goes on from the last epoch.

Only this process touches the study's folder and its database; machines of the cluster need no disk in common.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from bitwatt.errors import RequestError
from bitwatt.study.artifacts import ArtifactStore
from bitwatt.study.events import Notice
from bitwatt.study.relay import Parcel, Written, pack, put_away, unpack
from bitwatt.study.worker import OUT_OF_MEMORY, Failure, Message, Outcome, Task, Work

LOCAL = "local"
"""The address of a cluster of this machine's own, that ends with the study."""

TRIES = 3
"""How often a stage is begun whose machine or process is lost."""


@contextmanager
def connected(address: str) -> Iterator[Cluster]:
    """A Ray cluster: `HOST:PORT`, `auto`, or `local`. Raises `RequestError` where there is none."""
    try:
        import ray
    except ImportError:
        raise RequestError("--ray needs the package ray: pip install 'bitwatt[ray]'") from None
    _check_address(address)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # a study calls nobody
    former = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(
            None if address == LOCAL else address,
            include_dashboard=False if address == LOCAL else None,
            log_to_driver=False,
            logging_level="critical",
        )
    except (ConnectionError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        raise _unreachable(
            address, next(iter(str(error).strip().splitlines()), type(error).__name__)
        ) from None
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, former)  # Ray's own would end the process without a word
    try:
        yield Cluster()
    finally:
        ray.shutdown()


def _check_address(address: str) -> None:
    """Look whether anybody listens there: Ray itself would try for ten minutes and more."""
    if address in (LOCAL, "auto"):
        return
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise _unreachable(address, "that is no address")
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except (OSError, OverflowError) as error:
        raise _unreachable(address, str(getattr(error, "strerror", None) or error)) from None


def _unreachable(address: str, reason: str) -> RequestError:
    return RequestError(
        f"the Ray cluster '{address}' cannot be reached: {reason.rstrip('.')}. --ray takes HOST:PORT of a "
        "running cluster (ray start --head), 'auto', or 'local'"
    )


class Cluster:
    """A cluster that this process is connected to."""

    def pool(self, workers: int | None, threads: int, work: Work, artifacts: ArtifactStore) -> RayPool:
        """Workers of `threads` cores each, by default as many as the cluster has cores for."""
        import ray

        cores = int(ray.cluster_resources().get("CPU", 0))
        if cores < threads:
            raise RequestError(f"the Ray cluster has {cores} cores; a point of this study takes {threads}")
        return RayPool(workers or cores // threads, work, artifacts)


@dataclass(eq=False)
class _Job:
    task: Task
    messages: Any  # Ray's generator of references
    begun: int = 1


class RayPool:
    """`Workers` on a Ray cluster. artifacts: where what the tasks write is kept, on this machine."""

    def __init__(self, limit: int, work: Work, artifacts: ArtifactStore) -> None:
        import ray

        self.limit = limit
        self._work = work
        self._artifacts = artifacts
        self._jobs: list[_Job] = []
        # Ray would try again by itself, but from the files that it was given at first.
        self._remote = ray.remote(num_returns="streaming", max_retries=0)(_unpack)

    def __enter__(self) -> RayPool:
        return self

    def __exit__(self, *_: object) -> None:
        import ray

        for job in self._jobs:
            ray.cancel(job.messages, force=True)
        self._jobs.clear()

    @property
    def is_free(self) -> bool:
        """Whether another task may be given."""
        return len(self._jobs) < self.limit

    @property
    def is_busy(self) -> bool:
        """Whether any task is being done."""
        return bool(self._jobs)

    def give(self, task: Task) -> None:
        """Send a task to the cluster. Only while `is_free`."""
        self._jobs.append(_Job(task, self._send(task)))

    def _send(self, task: Task) -> Any:
        needs = {"num_cpus": task.stage.threads, "num_gpus": int(task.stage.device == "cuda")}
        return self._remote.options(name=task.stage.label, **needs).remote(pack(task, self._work))

    def messages(self) -> Iterator[tuple[Task, Message]]:
        """Wait for something to happen, and give what did: events, then one Outcome or Failure a task."""
        import ray

        ready, _ = ray.wait([job.messages for job in self._jobs], num_returns=1)
        for job in [job for job in self._jobs if job.messages in ready]:
            try:
                message = ray.get(next(job.messages))
            except (ray.exceptions.RayError, StopIteration) as error:
                yield job.task, self._lost(job, error)
                continue
            if isinstance(message, Written):
                put_away(message, self._artifacts)
                continue
            if isinstance(message, Outcome | Failure):
                self._jobs.remove(job)
            yield job.task, message

    def _lost(self, job: _Job, error: Exception) -> Notice | Failure:
        """Begin a stage again whose machine is lost; what cannot be mended by that is its failure."""
        import ray

        reason = _reason(error)
        lost = (
            ray.exceptions.NodeDiedError,
            ray.exceptions.WorkerCrashedError,
            ray.exceptions.ObjectLostError,
        )
        if isinstance(error, (*lost, StopIteration)) and job.begun < TRIES:
            job.begun += 1
            job.messages = self._send(job.task)
            return Notice(f"{job.task.stage.label}: {reason}; another goes on from its last epoch")
        self._jobs.remove(job)
        if isinstance(error, ray.exceptions.OutOfMemoryError):
            reason = OUT_OF_MEMORY
        return Failure(reason, str(error))


def _reason(error: Exception) -> str:
    kind = type(error).__name__
    if kind == "WorkerCrashedError":
        return "its process on the cluster was killed, as by a system without memory"
    if kind in ("NodeDiedError", "ObjectLostError", "StopIteration"):
        return "its machine of the cluster was lost"
    return f"{kind}: {str(error).strip().splitlines()[-1]}"


def _unpack(parcel: Parcel) -> Iterator[Message | Written]:
    yield from unpack(parcel)
