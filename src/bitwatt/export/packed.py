"""A whole program with its weights at their true width: a fixed4 weight takes half a byte.

    bytes 0 to 7      `bitwatt` and the version of the layout, 1
    bytes 8 to 11     length of the header, little endian
    then              the header, JSON in UTF-8
    then              arrays, one after the other, each starting on a byte
    last 32 bytes     SHA-256 of everything before them

The header is the program as `bitwatt.program.file.describe` says it, where an operation names an array, and
`arrays`: for each name its shape, the bits of an element, and the kind of element. Elements follow each other
without gaps, the first in the lowest bits of the first byte. Kinds: `code`, code words of the operation's
weight format; `integer`, two's complement; `float32`, its bits.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwatt.errors import BitwattError, DataError, RequestError
from bitwatt.formats import Float32, Format, parse_format
from bitwatt.hardware.streams import pack, unpack
from bitwatt.program.file import describe, restore
from bitwatt.program.program import Program

MAGIC = b"bitwatt\x01"
LENGTH_BYTES, DIGEST_BYTES = 4, 32


def packed_files(program: Program) -> dict[str, bytes]:
    """The one file of the form."""
    return {"program.packed": to_packed(program)}


def to_packed(program: Program) -> bytes:
    """The file's content; the same program always gives the same bytes."""
    described, arrays = describe(program)
    formats = _weight_formats(described)
    entries: dict[str, Any] = {}
    parts = []
    for name, array in arrays.items():
        kind, bits, words = _words(array, formats.get(name))
        entries[name] = {"shape": array.shape, "bits": bits, "kind": kind}
        parts.append(_packed(words.reshape(-1), bits))
    header = json.dumps({**described, "arrays": entries}, separators=(",", ":")).encode()
    body = b"".join((MAGIC, len(header).to_bytes(LENGTH_BYTES, "little"), header, *parts))
    return body + hashlib.sha256(body).digest()


def read_packed(path: str | Path) -> Program:
    """The program in a packed file, bit for bit the one that was written.

    Raises `RequestError` for a file that cannot be read; `DataError` for one that is none, of a newer layout,
    truncated or altered.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise RequestError(f"cannot read a packed program from '{path}': {error.strerror}") from error
    return from_packed(content, str(path))


def from_packed(content: bytes, name: str = "packed program") -> Program:
    """The program in a file's content; raises as `read_packed` does."""
    start = len(MAGIC) + LENGTH_BYTES
    if content[: len(MAGIC) - 1] != MAGIC[:-1]:
        raise DataError(f"'{name}' is no packed program of bitwatt: it does not begin with {MAGIC[:-1]!r}")
    if content[len(MAGIC) - 1 : len(MAGIC)] != MAGIC[-1:]:
        raise DataError(f"'{name}' has another layout than version {MAGIC[-1]}; read it with a newer bitwatt")
    if len(content) < start + DIGEST_BYTES:
        raise DataError(f"'{name}' is truncated: {len(content)} bytes are there")
    body, digest = content[:-DIGEST_BYTES], content[-DIGEST_BYTES:]
    if hashlib.sha256(body).digest() != digest:
        raise DataError(f"'{name}' is truncated or was altered: its SHA-256 is not the one at its end")
    length = int.from_bytes(content[len(MAGIC) : start], "little")
    try:
        return _restored(body[start : start + length], body[start + length :])
    except (BitwattError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(f"'{name}' holds no program: {error}") from error


def _restored(header: bytes, payload: bytes) -> Program:
    described = json.loads(header)
    formats = _weight_formats(described)
    arrays: dict[str, NDArray[np.generic]] = {}
    offset = 0
    for name, entry in described["arrays"].items():
        shape, bits = tuple(entry["shape"]), entry["bits"]
        size = -(-prod(shape) * bits // 8)
        words = _unpacked(payload[offset : offset + size], bits, prod(shape))
        arrays[name] = _array(words, entry["kind"], bits, formats.get(name)).reshape(shape)
        offset += size
    return restore(described, arrays)


def _weight_formats(described: Mapping[str, Any]) -> dict[str, Format]:
    """The format of each array of weights, by the array's name."""
    return {
        op["weight"]: parse_format(op["weight_format"]) for op in described["ops"] if "weight_format" in op
    }


def _words(array: NDArray[np.generic], format: Format | None) -> tuple[str, int, NDArray[np.int64]]:
    """Kind, bits and words of an array's elements."""
    if array.dtype.kind == "f":
        return "float32", 32, array.astype("<f4").view("<u4").astype(np.int64)
    integers = array.astype(np.int64)
    if format is not None and not isinstance(format, Float32):
        codes = format.encode(np.ldexp(integers.astype(np.float64), format.unit_exponent))
        return "code", format.bits, codes
    ends = (int(integers.min(initial=0)), int(integers.max(initial=0)))
    return "integer", max((n if n >= 0 else ~n).bit_length() + 1 for n in ends), integers


def _array(words: NDArray[np.int64], kind: str, bits: int, format: Format | None) -> NDArray[np.generic]:
    match kind:
        case "float32":
            return words.astype("<u4").view("<f4").astype(np.float32)
        case "code" if format is not None:
            return format.integers(words)
        case "integer":
            sign = np.int64(1) << np.int64(bits - 1)
            return (words ^ sign) - sign if bits < 64 else words
    raise ValueError(f"an array's elements are of kind {kind!r}")


def _packed(words: NDArray[np.int64], bits: int) -> bytes:
    row: bytes = pack((words.reshape(1, -1), bits)).tobytes()
    return row[: -(-words.size * bits // 8)]  # the padding of a port is left away


def _unpacked(packed: bytes, bits: int, count: int) -> NDArray[np.int64]:
    if len(packed) != -(-count * bits // 8):
        raise ValueError("an array ends beyond the file")
    whole = packed.ljust(-(-len(packed) // 8) * 8, b"\0")
    words: NDArray[np.int64] = unpack(np.frombuffer(whole, np.uint8).reshape(1, -1), bits, count)[0]
    return words
