"""What an output stage does with a pooling window."""

from __future__ import annotations

from enum import IntEnum


class Pooling(IntEnum):
    """The value of the output stage's `pooling` port."""

    NONE = 0
    MAX = 1
    AVERAGE = 2

    @staticmethod
    def bits() -> int:
        """Width of the port."""
        return 2
