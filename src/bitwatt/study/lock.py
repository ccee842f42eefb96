"""One run a folder: a lock that the operating system drops when its holder dies, however it dies."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bitwatt.errors import BitwattError

LOCK_NAME = "study.lock"


class FolderInUse(BitwattError):
    """Another run holds the folder; the message says who."""


@contextmanager
def folder_lock(folder: Path, notice: Callable[[str], None]) -> Iterator[None]:
    """Hold `folder` for this process.

    Raises `FolderInUse` while a living process holds it. A former holder that ended without letting go
    (killed, or the machine restarted) is taken over from, and `notice` is told.
    """
    descriptor = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FolderInUse(
                f"the folder '{folder}' is in use by {_holder(descriptor)}; wait for it to end, "
                "or choose another folder with --out"
            ) from None
        former = _holder(descriptor)
        if former is not None:
            notice(f"the last run here, {former}, ended without closing; going on from what it left")
        since = time.strftime("%Y-%m-%d %H:%M:%S")
        _write(descriptor, {"pid": os.getpid(), "host": socket.gethostname(), "since": since})
        try:
            yield
        finally:  # an orderly end, even by an exception, leaves no holder behind
            _write(descriptor, None)
    finally:
        os.close(descriptor)


def _holder(descriptor: int) -> str | None:
    text = os.pread(descriptor, 4096, 0)
    if not text.strip():
        return None
    try:
        record = json.loads(text)
        return f"process {record['pid']} on {record['host']} since {record['since']}"
    except (ValueError, KeyError, TypeError):
        return "a process that did not finish writing its name"


def _write(descriptor: int, record: dict[str, object] | None) -> None:
    os.ftruncate(descriptor, 0)
    if record is not None:
        os.pwrite(descriptor, json.dumps(record).encode(), 0)
