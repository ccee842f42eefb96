"""`events.jsonl`: all that happened, a JSON object a line, for machines. No line is ever there by half."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bitwatt.study.events import Event, Listener, as_json


def event_line(event: Event) -> str:
    """The event as a line of JSON, with the time of day (s since 1970)."""
    return json.dumps({"time": round(time.time(), 3), **as_json(event)}) + "\n"


@contextmanager
def event_log(path: Path, listen: Listener | None) -> Iterator[Listener]:
    """A listener that appends each event to the file, then tells `listen`. Only for the folder's holder."""
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)

    def tell(event: Event) -> None:
        _append(descriptor, event_line(event).encode())
        if listen is not None:
            listen(event)

    try:
        _drop_half_a_line(descriptor)
        yield tell
    finally:
        os.close(descriptor)


def _append(descriptor: int, line: bytes) -> None:
    before = os.fstat(descriptor).st_size
    try:
        written = os.write(descriptor, line)
        if written < len(line):  # the disk is full; the second attempt says so
            os.write(descriptor, line[written:])
    except OSError:
        os.ftruncate(descriptor, before)
        raise


def _drop_half_a_line(descriptor: int) -> None:
    """What a kill in the middle of a write, by a machine that went down, left at the end."""
    size = os.fstat(descriptor).st_size
    tail = os.pread(descriptor, 1 << 20, max(0, size - (1 << 20)))
    os.ftruncate(descriptor, size - len(tail) + tail.rfind(b"\n") + 1)
