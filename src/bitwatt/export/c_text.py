"""C99 as text: identifiers, integer types, arrays."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from bitwatt.formats import Float32, Format
from bitwatt.program.bounds import Range

_SIGNED = (8, 16, 32, 64)
BYTES = {f"{u}int{bits}_t": bits // 8 for bits in _SIGNED for u in ("", "u")} | {"float": 4}
"""Size of each type."""


def identifier(name: str) -> str:
    """A C identifier made of a name, whatever that is."""
    made = re.sub(r"[^0-9A-Za-z]+", "_", name).strip("_").lower()
    return made if re.match(r"[a-z]", made) else f"network_{made}".rstrip("_")


def integer_type(values: Range) -> str:
    """The narrowest type that holds the integers; unsigned ones only where a signed one is wider.

    Raises `OverflowError` beyond 64 bits.
    """
    for bits in _SIGNED:
        if values.bits <= bits:
            return f"int{bits}_t"
        if values.low >= 0 and values.high < 2**bits:
            return f"uint{bits}_t"
    raise OverflowError(f"no integer type of C99 holds {values.bits} bits")


def format_type(format: Format) -> str:
    """The type of a value of the format."""
    if isinstance(format, Float32):
        return "float"
    return integer_type(Range(format.smallest_integer, format.largest_integer))


def literal(value: int) -> str:
    """An integer constant."""
    return str(value) if abs(value) < 2**31 else f"INT64_C({value})"


def array(ctype: str, name: str, values: NDArray[np.generic]) -> str:
    """The definition of a constant array."""
    flat = values.reshape(-1).tolist()
    words = [f"{float(v).hex()}f" for v in flat] if ctype == "float" else [literal(int(v)) for v in flat]
    return f"static const {ctype} {name}[{len(flat)}] = {{\n{_rows(words)}\n}};\n"


def _rows(words: Iterable[str], width: int = 108) -> str:
    """Words with commas, in lines of at most `width` characters."""
    lines, line = [], "   "
    for word in words:
        if len(line) + len(word) + 2 > width:
            lines.append(line)
            line = "   "
        line += f" {word},"
    return "\n".join([*lines, line])
