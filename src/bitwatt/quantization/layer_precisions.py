"""Which layer has which precision: patterns on paths, each of which must match something."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

from bitwatt.errors import RequestError
from bitwatt.formats import Precision, parse_precision


def layer_precisions(
    paths: Iterable[str], default: Precision, patterns: Mapping[str, str | Precision] | None
) -> dict[str, Precision]:
    """The precision of every path; of several patterns that match, the last one counts.

    Raises `RequestError` for a pattern that matches no path, which names the nearest one, and for floating
    point beside integers.
    """
    known = list(paths)
    found = dict.fromkeys(known, default)
    for pattern, wanted in (patterns or {}).items():
        precision = parse_precision(wanted) if isinstance(wanted, str) else wanted
        matching = [path for path in known if fnmatchcase(path, pattern)]
        if not matching:
            near = difflib.get_close_matches(pattern, known, n=1, cutoff=0.0)
            hint = f"; the nearest is '{near[0]}'" if near else ""
            raise RequestError(
                f"layers: pattern '{pattern}' matches no layer{hint}. Layers: {', '.join(known)}"
            )
        if precision.is_float != default.is_float:
            raise RequestError(
                f"layers: '{pattern}' is {precision} and the network {default}; float32 is all or nothing"
            )
        found.update(dict.fromkeys(matching, precision))
    return found
