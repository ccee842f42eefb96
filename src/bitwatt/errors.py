"""What bitwatt says when it cannot do what was asked.

The command line turns a `RequestError` into exit status 2 (the request was wrong) and any other
`BitwattError` into exit status 1 (the work failed); neither shows a traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class BitwattError(Exception):
    """The work failed: the message says what, where, and what to do about it."""


class RequestError(BitwattError, ValueError):
    """The request was wrong: the message names the field, what is allowed, and the value it got."""


class DataError(BitwattError):
    """A data file is missing, truncated or altered; the message names the file and what was expected."""


class UnsupportedError(RequestError):
    """A layer, operator or shape that bitwatt cannot treat exactly; the message gives its path and why."""


class ToolError(BitwattError):
    """An outside tool is missing or failed; the message names it and gives its last lines."""


def unknown_name(
    kind: str, got: str, allowed: Iterable[str], *, near: Iterable[str] | None = None
) -> RequestError:
    """The error for a name that is not in a list: lists what is allowed and the nearest match.

    `near` are the names to match, where what is allowed are ranges of names.

    >>> print(unknown_name("network", "LeNett", ["lenet", "alex"]))
    unknown network 'LeNett'; did you mean 'lenet'? Allowed: lenet, alex
    """
    names = list(allowed)
    by_lower = {name.lower(): name for name in (names if near is None else near)}
    nearest = difflib.get_close_matches(got.lower(), by_lower, n=1, cutoff=0.5)
    hint = f"; did you mean '{by_lower[nearest[0]]}'?" if nearest else "."
    return RequestError(f"unknown {kind} '{got}'{hint} Allowed: {', '.join(names)}")
