"""A training state on disk: safetensors and JSON behind a line with a digest. Nothing is unpickled.

    bitwatt-checkpoint 1 SHA256-OF-THE-REST
    safetensors, whose metadata holds recipe, epoch and history as JSON

A file is written beside its place, flushed to the disk and then renamed, so that at any moment the old one or
the new one is there whole.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import tempfile
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from bitwatt.errors import DataError, RequestError
from bitwatt.training.recipe import Recipe
from bitwatt.training.state import EpochRecord, TrainingState

MAGIC = "bitwatt-checkpoint"
VERSION = 1


def save_checkpoint(path: Path | str, state: TrainingState) -> None:
    """Write `state` to `path`, atomically.

    Raises:
        OSError: the folder is not there or not writable, or the disk is full; no part of a file is left.
    """
    path = Path(path)
    content = encode_checkpoint(state)
    descriptor, beside = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise
    _flush_folder(path.parent)


def encode_checkpoint(state: TrainingState) -> bytes:
    """The bytes that `save_checkpoint` writes, for stores that are no folders."""
    tensors = {f"model/{name}": value.contiguous() for name, value in state.model.items()}
    tensors |= {f"optimizer/{name}": value.contiguous() for name, value in state.optimizer.items()}
    tensors |= {f"methods/{name}": value.contiguous() for name, value in state.methods.items()}
    about = {
        "recipe": state.recipe.to_dict(),
        "epoch": state.epoch,
        "history": [record.to_dict() for record in state.history],
    }
    payload = save(tensors, metadata={"bitwatt": json.dumps(about, sort_keys=True)})
    return f"{MAGIC} {VERSION} {hashlib.sha256(payload).hexdigest()}\n".encode() + payload


def _flush_folder(folder: Path) -> None:
    """Make the rename itself last through a power cut, where the system can."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def load_checkpoint(path: Path | str) -> TrainingState:
    """The state that `save_checkpoint` wrote.

    Raises:
        FileNotFoundError: there is no such file.
        DataError: the file is damaged, cut short, not a checkpoint or of a newer version; the message says
            which, so that the caller can fall back to an older one.
    """
    return decode_checkpoint(Path(path).read_bytes(), str(path))


def decode_checkpoint(content: bytes, name: str) -> TrainingState:
    """The state in these bytes; `name` is what errors call them. Raises `DataError` as `load_checkpoint`."""
    header, newline, payload = content.partition(b"\n")
    words = header.split(b" ")
    if not newline or len(words) != 3 or words[0] != MAGIC.encode():
        raise DataError(f"'{name}' is not a bitwatt checkpoint; delete it, or go on from an older one")
    version, digest = words[1].decode("ascii", "replace"), words[2].decode("ascii", "replace")
    if version != str(VERSION):
        raise DataError(
            f"checkpoint '{name}' has format {version}, this bitwatt reads {VERSION}; "
            "use the bitwatt that wrote it"
        )
    found = hashlib.sha256(payload).hexdigest()
    if found != digest:
        raise DataError(
            f"checkpoint '{name}' is damaged: its digest is {found}, its header says {digest}; "
            "delete it, or go on from an older one"
        )
    try:
        return _read(payload)
    except (SafetensorError, KeyError, TypeError, ValueError, RequestError) as error:
        raise DataError(f"checkpoint '{name}' does not hold a training state: {error}") from error


def _read(payload: bytes) -> TrainingState:
    (length,) = struct.unpack("<Q", payload[:8])
    about = json.loads(json.loads(payload[8 : 8 + length])["__metadata__"]["bitwatt"])
    tensors = load(payload)

    def under(prefix: str) -> dict[str, Tensor]:
        return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}

    return TrainingState(
        recipe=Recipe.from_dict(about["recipe"]),
        epoch=int(about["epoch"]),
        model=under("model/"),
        optimizer=under("optimizer/"),
        history=tuple(EpochRecord(**record) for record in about["history"]),
        methods=under("methods/"),
    )
