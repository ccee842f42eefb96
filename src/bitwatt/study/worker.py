"""A worker process: takes stages from its parent one at a time, and dies when the parent does.

It holds no state that matters: what is worth keeping goes to the artifact store, or back over the pipe.
"""

from __future__ import annotations

import os
import queue
import re
import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from bitwatt.errors import BitwattError
from bitwatt.study.artifacts import ArtifactStore
from bitwatt.study.disk import disk_trouble
from bitwatt.study.events import Event
from bitwatt.study.stages import Stage
from bitwatt.study.store import Kept


@dataclass(frozen=True)
class Task:
    """A stage to do. float_weights: what it starts from. program: its own, where only costs are left."""

    stage: Stage
    artifacts: ArtifactStore
    float_weights: Kept | None = None
    program: Kept | None = None


@dataclass(frozen=True)
class Outcome:
    """What a stage found (JSON values), and the bytes of its weights or its program."""

    record: Mapping[str, Any]
    content: bytes


@dataclass(frozen=True)
class Failure:
    """Why a stage failed: one sentence for people, and the traceback for whoever mends it.

    ends_study: it is not the stage's own, and every other would fail of it too: a full disk.
    """

    reason: str
    traceback: str
    ends_study: bool = False


Report = Callable[[Event], None]
Work = Callable[[Task, Report], Outcome]
"""How a stage is done. A function of a module: workers import it by its name."""

OUT_OF_MEMORY = "it ran out of memory; try fewer workers"

Message = Event | Outcome | Failure


def serve(descriptor: int) -> None:
    """Take the work, then task after task, over the connection with that file descriptor, until it closes."""
    connection = Connection(descriptor)
    work: Work = connection.recv()
    tasks: queue.SimpleQueue[Task] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(connection, tasks), daemon=True).start()
    while True:
        connection.send(result_of(work, tasks.get(), connection.send))


def _receive(connection: Connection, tasks: queue.SimpleQueue[Task]) -> None:
    """Runs beside the work, so that the parent's end is noticed in the middle of a training too."""
    try:
        while True:
            tasks.put(connection.recv())
    except (EOFError, OSError):
        os._exit(0)
    except (
        BaseException
    ):  # a task that cannot be unpickled: without this thread the process would wait for ever
        traceback.print_exc()
        os._exit(1)


def result_of(work: Work, task: Task, report: Report) -> Outcome | Failure:
    """Do a task; whatever it throws is its failure."""
    try:
        return work(task, report)
    except MemoryError:
        return Failure(OUT_OF_MEMORY, traceback.format_exc())
    except BitwattError as error:
        return Failure(str(error), traceback.format_exc())
    except OSError as error:
        trouble = disk_trouble(error)
        return Failure(trouble or _named(error), traceback.format_exc(), ends_study=trouble is not None)
    except Exception as error:  # whatever a user's network or data throws is that point's failure
        # torch has no exception of its own for this on the CPU, and one that is a RuntimeError on a GPU.
        is_memory = isinstance(error, RuntimeError) and re.search(
            "can't allocate memory|out of memory", str(error)
        )
        return Failure(OUT_OF_MEMORY if is_memory else _named(error), traceback.format_exc())


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
