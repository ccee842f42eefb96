"""Artifacts: files kept by name, written whole or not at all."""

from __future__ import annotations

import hashlib
import io
import os
import secrets
import shutil
from pathlib import Path
from typing import BinaryIO, Protocol


class ArtifactStore(Protocol):
    """Optuna's protocol of an artifact store: a folder here, S3 or Google's where machines share a study."""

    def open_reader(self, artifact_id: str) -> BinaryIO:
        """The content of an artifact. Raises `optuna.artifacts.exceptions.ArtifactNotFound`."""
        ...

    def write(self, artifact_id: str, content_body: BinaryIO) -> None:
        """Keep the content under that name, in place of what it held."""
        ...

    def remove(self, artifact_id: str) -> None:
        """Forget it. Raises `ArtifactNotFound`."""
        ...


class FolderArtifacts:
    """Optuna's `FileSystemArtifactStore`, but a kill in the middle of a write leaves the old content."""

    def __init__(self, folder: Path) -> None:
        from optuna.artifacts import FileSystemArtifactStore

        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._files = FileSystemArtifactStore(folder)

    def open_reader(self, artifact_id: str) -> BinaryIO:
        """The content of an artifact. Raises `ArtifactNotFound`."""
        return self._files.open_reader(artifact_id)

    def write(self, artifact_id: str, content_body: BinaryIO) -> None:
        """Keep the content, on the disk before this returns."""
        partial = self._folder / f".{artifact_id}.{os.getpid()}.partial"
        try:
            with open(partial, "wb") as file:
                shutil.copyfileobj(content_body, file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(partial, self._folder / artifact_id)
        finally:
            partial.unlink(missing_ok=True)

    def remove(self, artifact_id: str) -> None:
        """Forget it. Raises `ArtifactNotFound`."""
        self._files.remove(artifact_id)

    def identity(self) -> str:
        """What tells this folder from every other, wherever it is mounted or moved to."""
        name = ".identity"
        found = read_artifact(self, name)
        if found is None:
            found = secrets.token_hex(16).encode()
            self.write(name, io.BytesIO(found))
        return found.decode()

    def sweep(self) -> None:
        """Delete what killed runs left half written. Only for the holder of the folder."""
        for partial in self._folder.glob(".*.partial"):
            partial.unlink(missing_ok=True)


def read_artifact(artifacts: ArtifactStore, artifact_id: str) -> bytes | None:
    """The content, or None where there is none."""
    from optuna.artifacts.exceptions import ArtifactNotFound

    try:
        with artifacts.open_reader(artifact_id) as file:
            return file.read()
    except ArtifactNotFound:
        return None


def sha256(content: bytes) -> str:
    """SHA-256 of the content, hex."""
    return hashlib.sha256(content).hexdigest()
