"""Places for the names of points in a picture, so that none covers another or a mark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Mark:
    """A point with its whisker, from `top` to `bottom`, and its name; y grows downwards."""

    x: float
    y: float
    top: float
    bottom: float
    text: str


@dataclass(frozen=True)
class Label:
    """Where a name goes: the baseline's `x` and the middle `y`, and which end of the text `x` is."""

    x: float
    y: float
    anchor: Literal["start", "middle", "end"]


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


# Directions tried, best first: beside the mark, at its corners, then above and below (where whiskers are).
_DIRECTIONS = ((1, 0), (-1, 0), (1, -1), (1, 1), (-1, -1), (-1, 1), (0, -1), (0, 1))
_DISTANCES = (0.75, 1.15, 1.8)
"""How far off they are tried, in heights of a label."""


def place_labels(
    anchors: Sequence[tuple[float, float]],
    sizes: Sequence[tuple[float, float]],
    obstacles: Sequence[Box],
    bounds: Box,
) -> tuple[Box, ...]:
    """A box for each label (width, height) beside its anchor (x, y), within `bounds`, greedily.

    Takes the first place that covers no obstacle and no earlier label, and is not so near another anchor
    that it could be taken for that one's; else the one that covers least.
    """
    placed: list[Box] = []
    for (x, y), (width, height) in zip(anchors, sizes, strict=True):
        near = [
            Box(ax - height, ay - height, ax + height, ay + height)
            for ax, ay in anchors
            if ax != x or ay != y
        ]
        choices: list[tuple[float, int, Box]] = []
        for distance in (height * times for times in _DISTANCES):
            for across, down in _DIRECTIONS:
                left = x + across * distance - (width if across < 0 else width / 2 if across == 0 else 0)
                top = y + down * distance * 0.8 - height / 2
                box = Box(left, top, left + width, top + height)
                outside = width * height - box.overlap(bounds)
                covered = sum(box.overlap(other) for other in (*obstacles, *placed, *near))
                # Rounded, so that places that differ by an error of floating point are equally good.
                choices.append((round(covered + 10 * outside, 3), len(choices), box))
        placed.append(min(choices)[2])
    return tuple(placed)


def label_marks(
    marks: Sequence[Mark], front: Sequence[tuple[float, float]], character: float, height: float, bounds: Box
) -> tuple[Label, ...]:
    """A label for each mark, clear of marks, whiskers and the stepped line through `front` (left to right).

    `character`: width of a character, `height`: of a line of text, in the units of the picture.
    """
    size = height * 0.42
    obstacles = [Box(m.x - size, m.y - size, m.x + size, m.y + size) for m in marks]
    obstacles += [Box(m.x - 1, m.top, m.x + 1, m.bottom) for m in marks]
    ends = [x for x, _ in front[1:]] + [bounds.right]
    obstacles += [Box(x, y - 1, end, y + 1) for (x, y), end in zip(front, ends, strict=False)]
    places = place_labels(
        [(m.x, m.y) for m in marks], [(len(m.text) * character, height) for m in marks], obstacles, bounds
    )
    return tuple(_anchored(place, mark.x) for place, mark in zip(places, marks, strict=True))


def _anchored(place: Box, mark: float) -> Label:
    # From the side of the mark outwards, so that a narrower font does not leave a gap.
    middle = (place.top + place.bottom) / 2
    if place.left >= mark:
        return Label(place.left, middle, "start")
    if place.right <= mark:
        return Label(place.right, middle, "end")
    return Label((place.left + place.right) / 2, middle, "middle")
