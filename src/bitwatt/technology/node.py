"""The process node of a library, by its name: liberty has no field for it."""

from __future__ import annotations

import re

from bitwatt.errors import RequestError

#: What names of open libraries begin with or contain, and their node in nm.
_KNOWN = (("nangate", 45), ("freepdk45", 45), ("sky130", 130), ("gf180", 180), ("sg13g2", 130), ("asap7", 7))
_IN_WORDS = re.compile(r"(\d+(?:\.\d+)?)\s*nm", re.IGNORECASE)


def library_node_nm(library: str) -> float:
    """The node in nm that a library's name tells.

    Raises `RequestError` where it tells none.
    """
    lower = library.lower()
    for part, node in _KNOWN:
        if part in lower:
            return node
    match = _IN_WORDS.search(library)
    if match is None:
        raise RequestError(f"the library '{library}' does not say its node; give it, as in --node 65")
    return float(match[1])
