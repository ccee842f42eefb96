"""Rows as they are sent to the tile: words of a few bits each, packed, and repeated without being copied."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.int64]
"""Code words, or signed integers, in int64."""

Bytes = NDArray[np.uint8]
"""Packed rows, (rows, bytes), least significant byte first."""


@dataclass(frozen=True, eq=False)
class RowStream:
    """Rows of words in the order in which they are sent: (rows, words a row).

    Each run of `block` rows is sent `repeats` times before the next one is.
    """

    rows: Words
    block: int
    repeats: int = 1

    def __len__(self) -> int:
        """Rows that are sent."""
        return len(self.rows) * self.repeats

    def expanded(self) -> Words:
        """Every row that is sent, written out: (len(self), words a row)."""
        blocks = self.rows.reshape(-1, self.block, self.rows.shape[-1])
        return np.repeat(blocks, self.repeats, axis=0).reshape(-1, self.rows.shape[-1])


def once(rows: Words) -> RowStream:
    """Rows that are each sent once."""
    return RowStream(rows, max(len(rows), 1))


def row_bytes(bits: int) -> int:
    """Bytes of a packed row: 1, 2, 4 or 8, and multiples of 4 beyond 64 bits, as Verilator has ports."""
    if bits > 64:
        return 4 * -(-bits // 32)
    return next(size for size in (1, 2, 4, 8) if bits <= 8 * size)


def pack(*fields: tuple[Words, int]) -> Bytes:
    """Rows of packed words. fields: (words, bits of each), the first in the lowest bits; words are (rows, n).

    Words are taken modulo 2**bits; a width beyond 64 bits extends the sign.
    """
    if len(fields) == 1 and fields[0][1] in (8, 16, 32):
        words, bits = fields[0]
        packed = np.ascontiguousarray(words.astype(f"<u{bits // 8}")).view(np.uint8)
    else:
        packed = np.packbits(
            np.concatenate([_bits(*field) for field in fields], axis=1), axis=1, bitorder="little"
        )
    size = row_bytes(sum(words.shape[1] * bits for words, bits in fields))
    return np.pad(packed, ((0, 0), (0, size - packed.shape[1])))


def unpack(packed: Bytes, bits: int, count: int) -> Words:
    """The first `count` unsigned words of `bits` bits, at most 63, in each packed row: (rows, count)."""
    if bits in (8, 16, 32):
        words: Words = np.ascontiguousarray(packed).view(f"<u{bits // 8}")[:, :count].astype(np.int64)
        return words
    flags = np.unpackbits(packed, axis=1, bitorder="little")[:, : bits * count]
    return flags.reshape(len(packed), count, bits).astype(np.int64) @ (1 << np.arange(bits, dtype=np.int64))


def _bits(words: Words, bits: int) -> NDArray[np.uint8]:
    """(rows, words * bits), lowest bit first."""
    places = np.minimum(np.arange(bits), 63)
    return ((words[:, :, None] >> places) & 1).astype(np.uint8).reshape(len(words), words.shape[1] * bits)
