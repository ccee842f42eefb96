"""A disk that is full or broken, in one sentence: not a point's failure, but the end of the run."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from bitwatt.errors import BitwattError

_TROUBLES = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO}


def disk_trouble(error: OSError) -> str | None:
    """The sentence, where the error is the disk's; else None."""
    if error.errno not in _TROUBLES:
        return None
    where = f" ({error.filename})" if error.filename else ""
    return (
        f"the disk cannot be written: {error.strerror}{where}. What is finished is kept; "
        "make room, and the same command goes on"
    )


@contextmanager
def disk_errors() -> Iterator[None]:
    """Turn an error of the disk into a `BitwattError`."""
    try:
        yield
    except OSError as error:
        trouble = disk_trouble(error)
        if trouble is None:
            raise
        raise BitwattError(trouble) from None
