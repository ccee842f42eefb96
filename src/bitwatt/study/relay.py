"""A stage on another machine, which shares no disk: files come with the task, and go back as messages."""

from __future__ import annotations

import io
import queue
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from typing import BinaryIO

import bitwatt
from bitwatt.study.artifacts import ArtifactStore, read_artifact
from bitwatt.study.checkpoints import Slots
from bitwatt.study.digest import costing_digest, numerics
from bitwatt.study.worker import Failure, Message, Outcome, Task, Work, result_of


@dataclass(frozen=True)
class Written:
    """The task wrote an artifact; None: removed it."""

    artifact_id: str
    content: bytes | None


class RelayedArtifacts:
    """An `ArtifactStore` in memory that tells of what is written. files: what is there at the start."""

    def __init__(self, files: Mapping[str, bytes], tell: queue.SimpleQueue[Message | Written]) -> None:
        self._files = dict(files)
        self._tell = tell

    def open_reader(self, artifact_id: str) -> BinaryIO:
        """The content of an artifact. Raises `ArtifactNotFound`."""
        if artifact_id not in self._files:
            from optuna.artifacts.exceptions import ArtifactNotFound

            raise ArtifactNotFound(artifact_id)
        return io.BytesIO(self._files[artifact_id])

    def write(self, artifact_id: str, content_body: BinaryIO) -> None:
        """Keep the content, and send it home."""
        self._files[artifact_id] = content_body.read()
        self._tell.put(Written(artifact_id, self._files[artifact_id]))

    def remove(self, artifact_id: str) -> None:
        """Forget it, here and at home."""
        self._files.pop(artifact_id, None)
        self._tell.put(Written(artifact_id, None))


@dataclass(frozen=True)
class Parcel:
    """A task as it is sent: how it is done, the files that it may read, and what must be alike there.

    work: `module:function`; path: where modules of the user's own are looked for besides.
    """

    task: Task
    work: str
    files: Mapping[str, bytes]
    software: Mapping[str, object]
    path: tuple[str, ...]


def software() -> dict[str, object]:
    """What decides results besides the plan. Another version elsewhere would give other bits."""
    return {"bitwatt": bitwatt.__version__, **numerics(), "cost model": costing_digest()[:16]}


def pack(task: Task, work: Work) -> Parcel:
    """A task with its files: what it starts from, and its checkpoints."""
    names = list(Slots(task.artifacts, task.stage.training_digest).names)
    names += [kept.artifact_id for kept in (task.float_weights, task.program) if kept is not None]
    found = {name: read_artifact(task.artifacts, name) for name in names}
    files = {name: content for name, content in found.items() if content is not None}
    return Parcel(task, f"{work.__module__}:{work.__qualname__}", files, software(), tuple(sys.path))


def unpack(parcel: Parcel) -> Iterator[Message | Written]:
    """Do the task where the parcel has come to, and give what happens, in order; last its end."""
    here = software()
    differing = [name for name in here if here[name] != parcel.software.get(name)]
    if differing:
        name = differing[0]
        yield Failure(f"this machine has {name} {here[name]}, the study runs on {parcel.software[name]}", "")
        return
    sys.path.extend(folder for folder in parcel.path if folder not in sys.path)
    module, _, name = parcel.work.partition(":")
    work: Work = getattr(import_module(module), name)
    happened: queue.SimpleQueue[Message | Written] = queue.SimpleQueue()
    task = replace(parcel.task, artifacts=RelayedArtifacts(parcel.files, happened))
    threading.Thread(target=lambda: happened.put(result_of(work, task, happened.put)), daemon=True).start()
    while True:
        message = happened.get()
        yield message
        if isinstance(message, Outcome | Failure):
            return


def put_away(written: Written, artifacts: ArtifactStore) -> None:
    """Do at home what the task did with its artifacts."""
    if written.content is not None:
        artifacts.write(written.artifact_id, io.BytesIO(written.content))
    elif read_artifact(artifacts, written.artifact_id) is not None:
        artifacts.remove(written.artifact_id)
