"""Files and folders that are there whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from bitwatt.errors import RequestError


def write_file(path: Path, content: bytes) -> Path:
    """Write `content`: the file is there whole, or as it was. Raises `RequestError` where it cannot be."""
    if path.is_dir():
        raise RequestError(f"cannot write {path}: it is a folder; name a file")
    with _beside(path) as aside:
        made = Path(aside) / path.name
        _written(made, content)
        made.replace(path)
    return path


def write_folder(path: Path, files: Mapping[str, bytes]) -> tuple[Path, ...]:
    """Write a new folder, whole or not at all; files: contents by name.

    Raises `RequestError` for a folder that is not empty, or cannot be written.
    """
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise RequestError(f"{path} is there and not empty; name a folder that is not, or empty it")
    with _beside(path) as aside:
        made = Path(aside) / path.name
        made.mkdir()
        for name, content in files.items():
            _written(made / name, content)
        made.replace(path)  # an empty one is replaced
    return tuple(path / name for name in files)


def _beside(path: Path) -> tempfile.TemporaryDirectory[str]:
    """A folder on the same file system, from which renaming is atomic."""
    if not path.name:
        raise RequestError(f"cannot write '{path}': name a file or folder in it")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-")
    except OSError as error:
        raise RequestError(
            f"cannot write {path}: {error.strerror}; name a place that you may write"
        ) from None


def _written(path: Path, content: bytes) -> None:
    with path.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
