"""Folders that are costly to make, kept on disk by the digest of all that decides what is in them.

Several processes may share them: each makes a folder of its own and renames it into place. The digests of a
folder's files are kept in it and checked before use.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from bitwatt.errors import DataError

_LOG = logging.getLogger(__name__)
_MANIFEST = "sha256.json"


def cache_folder() -> Path:
    """`$BITWATT_CACHE`, or `~/.cache/bitwatt`."""
    chosen = os.environ.get("BITWATT_CACHE")
    return Path(chosen) if chosen else Path.home() / ".cache" / "bitwatt"


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
        aside = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".making-"))
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
