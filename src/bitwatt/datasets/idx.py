"""IDX, the file format of MNIST: a magic number, the sizes, then the bytes (http://yann.lecun.com/exdb/mnist)."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bitwatt.errors import DataError

UNSIGNED_BYTE = 0x08


def decompress(path: Path) -> bytes:
    """The contents of a gzip file, its own checksum and length verified.

    Raises:
        DataError: the file is no gzip file, or is truncated or altered.
    """
    try:
        return gzip.decompress(path.read_bytes())
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(
            f"data file {path} ({path.stat().st_size} bytes) is truncated or altered: {error}; "
            "put a good copy in its place, or delete it to have it downloaded"
        ) from error


def parse(contents: bytes, path: Path, shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    """The array in the decompressed `contents` of the IDX file `path`.

    Args:
        contents: the decompressed bytes.
        path: the file they came from, for the error.
        shape: the shape it must have.

    Raises:
        DataError: header or length do not fit that shape.
    """
    header = struct.pack(f">HBB{len(shape)}I", 0, UNSIGNED_BYTE, len(shape), *shape)
    if contents[: len(header)] != header:
        raise DataError(
            f"data file {path} is not an IDX file of unsigned bytes of shape {shape}: "
            f"expected it to begin with {header.hex()}, found {contents[: len(header)].hex()}"
        )
    expected = len(header) + math.prod(shape)
    if len(contents) != expected:
        raise DataError(
            f"data file {path} must hold {expected} bytes once decompressed, found {len(contents)}"
        )
    return np.frombuffer(contents, np.uint8, offset=len(header)).reshape(shape)
