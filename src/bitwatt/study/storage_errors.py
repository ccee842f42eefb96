"""What a database throws, in one sentence that holds no password; and patience with one that is away."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from bitwatt.errors import BitwattError, RequestError

T = TypeVar("T")

PATIENCE_S = 60.0
"""How long a database may be away while a study runs: time enough for a server to start again."""

_LONGEST_PAUSE_S = 5.0


def masked(url: str) -> str:
    """An SQLAlchemy URL without its password, for people to read."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        return make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        return "the given storage URL"


@contextmanager
def storage_errors(url: str | None = None, *, opening: bool = False) -> Iterator[None]:
    """Turn what a database throws into one sentence. Never prints credentials.

    opening: nothing is done yet, so that a URL of a database that cannot be reached is a wrong request.
    """
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import ArgumentError, SQLAlchemyError

    where = f"the study's database, {masked(url) if url else 'study.db in the folder'},"
    try:
        yield
    except (ArgumentError, ImportError) as error:
        raise RequestError(
            f"{where} cannot be used: {_first_line(error.__cause__ or error)}. A URL reads "
            "DIALECT://USER@HOST/DATABASE, and its driver must be installed (PostgreSQL's: bitwatt[postgres])"
        ) from None
    except (StorageInternalError, SQLAlchemyError) as error:
        reason = _first_line(error.__cause__ or error)
        if opening and url is not None:
            raise RequestError(
                f"{where} cannot be opened: {reason}. Check host, port, user, password and database"
            ) from None
        raise BitwattError(
            f"{where} cannot be read or written: {reason}. "
            "Is the disk full, the server down, or the file damaged? What is finished is kept; "
            "run again to go on"
        ) from None


class Patience:
    """Does what it is given with a database, again and again while that cannot be reached.

    Whatever it is given must be repeatable: an answer that was lost may stand for work that was done.
    """

    def __init__(
        self, url: str | None, notice: Callable[[str], None], patience_s: float = PATIENCE_S
    ) -> None:
        self._url = url
        self._notice = notice
        self._patience_s = patience_s

    def __call__(self, action: Callable[[], T]) -> T:
        """What `action` gives. Raises `BitwattError`, in one sentence, once patience is at its end."""
        with storage_errors(self._url):
            give_up = time.monotonic() + self._patience_s
            pause = 0.25
            while True:
                try:
                    return action()
                except Exception as error:
                    left = give_up - time.monotonic()
                    if left <= 0 or not _is_away(error):
                        raise
                    if pause == 0.25:
                        reason = _first_line(error.__cause__ or error)
                        self._notice(
                            f"the study's database cannot be reached ({reason}); "
                            f"trying again for {self._patience_s:.0f} s"
                        )
                time.sleep(min(pause, left))
                pause = min(2 * pause, _LONGEST_PAUSE_S)


def _is_away(error: Exception) -> bool:
    """Whether the database may be back in a moment: a lost server, or SQLite that another reader locks."""
    from sqlalchemy.exc import InterfaceError, OperationalError

    cause = error if isinstance(error, OperationalError | InterfaceError) else error.__cause__
    if not isinstance(cause, OperationalError | InterfaceError):
        return False
    return "sqlite" not in type(cause.orig).__module__ or "locked" in str(cause.orig)


def _first_line(error: BaseException) -> str:
    text = str(getattr(error, "orig", None) or error).strip()
    return text.splitlines()[0].rstrip(".") if text else type(error).__name__
