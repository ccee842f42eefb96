"""Fetch a file over HTTP: progress, resumed where a connection breaks, checked, and put in place in one step.

The bytes go to `FILE.part`. Where the connection breaks, the rest is asked for with a `Range` header, of the
next mirror in turn. `FILE` appears only once size and SHA-256 are right; after an error neither is left. Only
an interrupt (Ctrl-C, a killed process) leaves `FILE.part`, and the next call goes on from there.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import time
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from bitwatt.errors import DataError, RequestError

CHUNK_BYTES = 1 << 18
TIMEOUT_S = 30
PAUSES_S = (0, 1, 2, 4)
"""Waited before each try. A try that brought new bytes starts the count anew."""

Progress = Callable[[int], None]
"""Told the number of bytes that are there, each time it grows."""


@dataclass(frozen=True)
class RemoteFile:
    """A file that is published somewhere.

    Attributes:
        name: its file name.
        urls: where it is served, the first to be asked first.
        size: its length in bytes.
        sha256: its digest.
    """

    name: str
    urls: tuple[str, ...]
    size: int
    sha256: str


def fetch(file: RemoteFile, folder: Path, pauses_s: Sequence[float] = PAUSES_S) -> Path:
    """Download `file` into `folder`, with a progress bar on stderr, and return its path.

    Args:
        file: what to fetch.
        folder: where to put it; made where it does not exist.
        pauses_s: seconds to wait before each try.

    Raises:
        RequestError: the folder cannot be written.
        DataError: no mirror served the file, or what came has another size or digest. Nothing is left behind.
    """
    target, part = folder / file.name, folder / f"{file.name}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        part.touch()
    except OSError as error:
        raise RequestError(
            f"data folder {folder} cannot be written ({error.strerror}); name another with --data-dir"
        ) from error
    try:
        with _progress_bar(file) as told:
            _fill(file, part, pauses_s, told)
        found = _sha256(part)
        if found != file.sha256:
            raise DataError(
                f"{file.name} from {file.urls[0]} has SHA-256 {found}, expected {file.sha256}; "
                f"it was thrown away. Try again, or put a good copy at {target}"
            )
        os.replace(part, target)
    except Exception:
        part.unlink(missing_ok=True)
        raise
    return target


def _fill(file: RemoteFile, part: Path, pauses_s: Sequence[float], told: Progress) -> None:
    """Bring `part` to the file's full length, asking the mirrors in turn."""
    mirrors, failures, reason = deque(file.urls), 0, ""
    while (before := part.stat().st_size) != file.size:
        if failures == len(pauses_s) or not mirrors:
            raise DataError(
                f"could not download {file.name}: {reason}; got {before} of {file.size} bytes. "
                f"Check the network, or put the file at {part.with_suffix('')} yourself"
            )
        time.sleep(pauses_s[failures])
        url = mirrors.popleft()
        try:
            _go_on(url, file, part, told)
        except _NoUse as error:
            reason = f"{url} {error}"
            continue
        except (OSError, http.client.HTTPException) as error:
            reason = f"{url} failed ({error})"
        else:
            reason = f"{url} ended early"
        mirrors.append(url)
        failures = 0 if part.stat().st_size > before else failures + 1


class _NoUse(Exception):
    """The mirror does not have the file that was published: asking it again is of no use."""


def _go_on(url: str, file: RemoteFile, part: Path, told: Progress) -> None:
    """One request for the bytes that `part` lacks, appended to it."""
    have = part.stat().st_size
    if have > file.size:  # left by another version of the file
        have = 0
    headers = {"User-Agent": "bitwatt", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    try:
        response = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        with error:
            if error.code in (403, 404, 410, 416):
                raise _NoUse(f"answered {error.code} {error.reason}") from error
            raise
    with response:
        if response.status != http.client.PARTIAL_CONTENT:
            have = 0  # the server sends the whole file again
        rest = response.headers.get("Content-Length")
        if rest is not None and have + int(rest) != file.size:
            raise _NoUse(f"has a file of {have + int(rest)} bytes, expected {file.size}")
        with part.open("r+b") as out:
            out.truncate(have)
            out.seek(have)
            _copy(response, out, have, file.size, told)


def _copy(response: BinaryIO, out: BinaryIO, have: int, size: int, told: Progress) -> None:
    while have < size:
        chunk = response.read(min(CHUNK_BYTES, size - have))
        if not chunk:
            return
        out.write(chunk)
        have += len(chunk)
        told(have)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _progress_bar(file: RemoteFile) -> Iterator[Progress]:
    """A bar on stderr while the file comes in; one line where stderr is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    if not console.is_terminal:
        console.print(f"downloading {file.name} ({file.size / 1e6:.1f} MB)")
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Bar(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(file.name, total=file.size)
        yield lambda have: bar.update(task, completed=have)
