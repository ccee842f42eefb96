"""Something done so seldom that it takes a small share of the time, however long it has come to take."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

SHARE = 0.05
"""Of the time, at most, goes into what is spaced."""


class Spaced(Generic[T]):
    """An action on a value, left out where the last one was too recent for its duration."""

    def __init__(self, action: Callable[[T], object], clock: Callable[[], float] = time.monotonic) -> None:
        self._action = action
        self._clock = clock
        self._not_before = clock()

    def __call__(self, value: T) -> None:
        """Do it, if it is time."""
        begun = self._clock()
        if begun >= self._not_before:
            self._action(value)
            self._not_before = begun + (self._clock() - begun) / SHARE
