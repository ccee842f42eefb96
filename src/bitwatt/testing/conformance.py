"""How a check says that a subject breaks its contract; needs no test runner."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


class ConformanceError(AssertionError):
    """A contract is broken; the message says whose, where, and what was expected."""


def require(holds: bool, subject: object, message: str) -> None:
    """Raise `ConformanceError` unless it holds."""
    if not holds:
        raise ConformanceError(f"{subject}: {message}")


def same(subject: object, what: str, given: ArrayLike, got: ArrayLike, expected: ArrayLike) -> None:
    """Require equality, element by element; the message shows the first input whose answer differs."""
    given, got, expected = np.broadcast_arrays(given, got, expected)
    bad = np.flatnonzero(got != expected)
    if len(bad):
        i = bad[0]
        raise ConformanceError(
            f"{subject}: {what}: {given.flat[i]} gave {got.flat[i]}, expected {expected.flat[i]}"
        )


def refusal(subject: object, function: Callable[[NDArray[Any]], object], argument: NDArray[Any]) -> str:
    """The message of the `ValueError` with which a bad argument must be refused."""
    try:
        function(argument)
    except ValueError as error:
        return str(error)
    raise ConformanceError(f"{subject}: {function.__name__}({argument.tolist()}) must raise a ValueError")
