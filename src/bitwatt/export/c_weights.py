"""Weights in C: at their true width where a code is one, two or four bits, else in the narrowest type.

A code of fewer than eight bits, and of a power of two, is decoded by a table that stays in the first cache; a
fixed-point weight of five bits or more is a number of C already, which costs nothing to decode.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bitwatt.export.c_text import BYTES, array, integer_type
from bitwatt.formats import Fixed, Float32, Format
from bitwatt.program.bounds import Range

FIELDS = (1, 2, 4, 8)


@dataclass(frozen=True)
class StoredWeights:
    """The definition, the expression of the weight at an index `n`, and bytes."""

    text: str
    at: str
    bytes: int


def store_weights(name: str, weight: NDArray[np.generic], format: Format) -> StoredWeights:
    """weight: integers of the format, or float32 numbers, in the order in which they are read."""
    if isinstance(format, Float32):
        return StoredWeights(array("float", name, weight), f"{name}[{{n}}]", 4 * weight.size)
    is_number = isinstance(format, Fixed) and format.bits > 4
    if is_number or format.bits > FIELDS[-1]:
        low, high = int(weight.min()), int(weight.max())
        ctype = integer_type(
            Range(format.smallest_integer, format.largest_integer) if is_number else Range(low, high)
        )
        return StoredWeights(array(ctype, name, weight), f"{name}[{{n}}]", BYTES[ctype] * weight.size)
    table = _decoded(format)
    ctype = integer_type(Range(int(table.min()), int(table.max())))
    codes = format.encode(np.ldexp(weight.astype(np.float64), format.unit_exponent))
    field = next(bits for bits in FIELDS if bits >= format.bits)
    packed = _packed(codes.reshape(-1), field)
    at = f"{name}_values[{_code(name, field)}]"
    text = array(ctype, f"{name}_values", table) + array("uint8_t", name, packed)
    return StoredWeights(text, at, len(packed) + BYTES[ctype] * len(table))


def _decoded(format: Format) -> NDArray[np.int64]:
    """The integer of each code word; 0 for reserved ones."""
    table = np.zeros(2**format.bits, dtype=np.int64)
    table[format.codes()] = format.integers(format.codes())
    return table


def _packed(codes: NDArray[np.int64], field: int) -> NDArray[np.uint8]:
    """Codes in fields of a byte, the first in the lowest bits."""
    per_byte = 8 // field
    padded = np.zeros(-(-len(codes) // per_byte) * per_byte, dtype=np.int64)
    padded[: len(codes)] = codes
    shifts = field * np.arange(per_byte)
    packed: NDArray[np.uint8] = (padded.reshape(-1, per_byte) << shifts).sum(axis=1).astype(np.uint8)
    return packed


def _code(name: str, field: int) -> str:
    """The code at index n."""
    if field == 8:
        return f"{name}[{{n}}]"
    per_byte = 8 // field
    whole = per_byte.bit_length() - 1
    return f"{name}[({{n}}) >> {whole}] >> (({{n}}) & {per_byte - 1}) * {field} & {2**field - 1}"
