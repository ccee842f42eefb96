"""Content digests: two things with the same digest give the same results."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import bitwatt

NUMERICS = 1
"""Raised by whoever changes what training, quantisation or execution computes: points are then redone."""

# What a cost follows from. Costs take milliseconds, so any edit of these redoes them.
_COSTING = ("costing", "hardware", "technology")
_COSTING_SUFFIXES = {".py", ".csv", ".json", ".toml"}


def digest_of(*parts: object) -> str:
    """SHA-256 (hex) of the parts as canonical JSON. Raises `TypeError` for what JSON cannot hold."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def numerics() -> dict[str, Any]:
    """What, besides the plan, decides the bits of a training: bitwatt's own numerics and torch's version."""
    return {"numerics": NUMERICS, "torch": version("torch")}


@cache
def costing_digest() -> str:
    """Digest of the package's cost model and its tables."""
    root = Path(bitwatt.__file__).parent
    return digest_of_files(root, (path for part in _COSTING for path in (root / part).rglob("*")))


def digest_of_files(root: Path, paths: Iterable[Path]) -> str:
    """Digest of the names (relative to `root`) and contents of source and table files, in any order."""
    found = hashlib.sha256()
    for path in sorted(path for path in paths if path.suffix in _COSTING_SUFFIXES):
        found.update(path.relative_to(root).as_posix().encode() + b"\0")
        found.update(hashlib.sha256(path.read_bytes()).digest())
    return found.hexdigest()
