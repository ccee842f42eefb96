"""Where bitwatt keeps what is costly to make again."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """`$BITWATT_CACHE`, or `~/.cache/bitwatt`."""
    chosen = os.environ.get("BITWATT_CACHE")
    return Path(chosen) if chosen else Path.home() / ".cache" / "bitwatt"
