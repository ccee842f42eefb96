"""Data files on disk: where they lie, and whether they are the ones that were published."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bitwatt.datasets.download import RemoteFile, fetch
from bitwatt.errors import DataError

ENVIRONMENT_VARIABLE = "BITWATT_DATA"


def default_data_dir() -> Path:
    """`$BITWATT_DATA`, or `~/.cache/bitwatt` where that is not set."""
    named = os.environ.get(ENVIRONMENT_VARIABLE)
    return Path(named).expanduser() if named else Path.home() / ".cache" / "bitwatt"


def present_or_fetched(file: RemoteFile, folder: Path) -> Path:
    """The path of `file` in `folder`, downloaded if it is not there yet. Raises as `download.fetch` does."""
    path = folder / file.name
    return path if path.exists() else fetch(file, folder)


def present(path: Path, remedy: str) -> Path:
    """`path`, if there is such a file.

    Raises:
        DataError: there is none; `remedy` says what to do.
    """
    if not path.is_file():
        raise DataError(f"data file {path} is missing; {remedy}")
    return path


def is_published(path: Path, file: RemoteFile) -> bool:
    """Whether the file at `path` is, to the bit, the one that was published."""
    if path.stat().st_size != file.size:
        return False
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest() == file.sha256


def provenance(title: str, published: bool) -> str:
    """What `Data.source` says of files that are, or are not, the published ones."""
    return title if published else f"{title} (re-encoded copy: digest differs from the published files)"


def check_labels(labels: npt.NDArray[np.integer], classes: int, path: Path) -> None:
    """Every label from 0 to classes - 1.

    Raises:
        DataError: one is not; the message names the file, the image and the label.
    """
    wrong = np.flatnonzero((labels < 0) | (labels >= classes))
    if len(wrong):
        raise DataError(
            f"data file {path}: label of image {wrong[0]} must be 0 to {classes - 1}, "
            f"found {labels[wrong[0]]}"
        )
