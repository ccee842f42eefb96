"""Folders that are costly to make, kept on disk by the digest of all that decides what is in them.

Several processes may share them: each makes a folder of its own and renames it into place. The digests of a
folder's files are kept in it and checked before use. What a process that was killed leaves half made is
removed by the next one that makes something.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import platform
import re
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from bitwatt.cache import cache_folder
from bitwatt.errors import DataError

_LOG = logging.getLogger(__name__)
_MANIFEST = "sha256.json"
_MAKING = ".making-"
_ABANDONED_S = 24 * 3600
"""Age at which a half made folder is nobody's, whoever made it."""


def cached(kind: str, digest: str, make: Callable[[Path], None]) -> Path:
    """The folder of that digest; where there is none, an empty one that `make` has filled.

    A damaged one is made again, and a warning logged. Nothing is kept where `make` raises. Raises `DataError`
    where the cache cannot be written.
    """
    folder = cache_folder() / kind / digest
    if folder.exists():
        if _is_whole(folder):
            return folder
        _LOG.warning("the cache entry %s is damaged; it is made again", folder)
        shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(folder.parent)
        aside = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f"{_MAKING}{_here()}.{os.getpid()}."))
    except OSError as error:
        raise DataError(
            f"cannot write the cache folder {folder.parent}: {error.strerror}; set BITWATT_CACHE to a folder "
            "that can be written"
        ) from None
    try:
        make(aside)
        (aside / _MANIFEST).write_text(json.dumps(_digests(aside)))
        try:
            aside.rename(folder)
        except OSError:
            if not _is_whole(folder):  # else another process was quicker, and its folder is as good
                raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return folder


def _here() -> str:
    """This machine's name, for folders on a file system that several share."""
    return re.sub(r"[^A-Za-z0-9-]", "-", platform.node()) or "machine"


def _remove_abandoned(parent: Path) -> None:
    for folder in parent.glob(f"{_MAKING}*"):
        machine, process, _ = [*folder.name.removeprefix(_MAKING).split("."), "", ""][:3]
        with suppress(OSError):  # another may be removing it
            old = time.time() - folder.stat().st_mtime > _ABANDONED_S
            if old or (machine == _here() and process.isdecimal() and not _runs(int(process))):
                shutil.rmtree(folder, ignore_errors=True)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass  # another user's
    return True


def _digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != _MANIFEST
    }


def _is_whole(folder: Path) -> bool:
    try:
        return bool(json.loads((folder / _MANIFEST).read_text()) == _digests(folder))
    except (OSError, ValueError):
        return False
