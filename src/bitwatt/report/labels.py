"""Places for the names of points in a picture, so that none covers another or a mark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Box:
    """A rectangle on the page; y grows downwards."""

    left: float
    top: float
    right: float
    bottom: float

    def overlap(self, other: Box) -> float:
        """The area that both cover."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        return max(0.0, width) * max(0.0, height)


# Directions tried, best first: beside the mark, then at its corners, then above and below (where whiskers are).
_DIRECTIONS = ((1, 0), (-1, 0), (1, -1), (1, 1), (-1, -1), (-1, 1), (0, -1), (0, 1))
_DISTANCES = (9.0, 16.0, 26.0)


def place_labels(
    anchors: Sequence[tuple[float, float]],
    sizes: Sequence[tuple[float, float]],
    obstacles: Sequence[Box],
    bounds: Box,
) -> tuple[Box, ...]:
    """A box for each label (width, height) beside its anchor (x, y), within `bounds`, greedily.

    Takes the first place that covers no obstacle and no earlier label, else the one that covers least.
    """
    placed: list[Box] = []
    for (x, y), (width, height) in zip(anchors, sizes, strict=True):
        choices = []
        for distance in _DISTANCES:
            for across, down in _DIRECTIONS:
                left = x + across * distance - (width if across < 0 else width / 2 if across == 0 else 0)
                top = y + down * distance * 0.8 - height / 2
                box = Box(left, top, left + width, top + height)
                outside = width * height - box.overlap(bounds)
                covered = sum(box.overlap(other) for other in (*obstacles, *placed))
                choices.append((covered + 10 * outside, len(choices), box))
        placed.append(min(choices)[2])
    return tuple(placed)
