"""Results kept on disk by digest: written atomically, checked when read.

Several processes may share the folder: each writes a file of its own and renames it into place.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import logging
import os
import tempfile
import zlib
from pathlib import Path
from typing import Any

from bitwatt.cache import cache_folder
from bitwatt.errors import DataError

_LOG = logging.getLogger(__name__)


def load_entry(kind: str, digest: str) -> dict[str, Any] | None:
    """The entry stored under `digest`, or None; a damaged entry is logged as a warning and counts as none."""
    path = _path(kind, digest)
    try:
        body = gzip.decompress(path.read_bytes())
        checksum, _, text = body.partition(b"\n")
        if checksum.decode("ascii") != hashlib.sha256(text).hexdigest():
            raise ValueError("its checksum does not fit its content")
        entry = json.loads(text)
        if not isinstance(entry, dict):
            raise ValueError("it does not hold a record")
        return entry
    except FileNotFoundError:
        return None
    except (ValueError, EOFError, OSError, zlib.error) as error:
        _LOG.warning("the cache entry %s is damaged (%s); it is made again", path, error)
        return None


def store_entry(kind: str, digest: str, entry: dict[str, Any]) -> None:
    """Store a JSON record under `digest`.

    Raises `DataError` naming the folder when it cannot be written.
    """
    path = _path(kind, digest)
    text = json.dumps(entry, sort_keys=True).encode()
    body = hashlib.sha256(text).hexdigest().encode() + b"\n" + text
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".writing-")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(gzip.compress(body, compresslevel=3, mtime=0))
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise DataError(
            f"cannot write the cache folder {path.parent}: {error.strerror}; set BITWATT_CACHE to a "
            "folder that can be written"
        ) from None


def _path(kind: str, digest: str) -> Path:
    return cache_folder() / kind / digest[:2] / f"{digest}.json.gz"
