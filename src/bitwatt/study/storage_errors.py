"""What a database throws, in one sentence that holds no password."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from bitwatt.errors import BitwattError, RequestError


def masked(url: str) -> str:
    """An SQLAlchemy URL without its password, for people to read."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        return make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        return "the given storage URL"


@contextmanager
def storage_errors(url: str | None = None) -> Iterator[None]:
    """Turn what a database throws into one sentence. Never prints credentials."""
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import ArgumentError, SQLAlchemyError

    where = f"the study's database, {masked(url) if url else 'study.db in the folder'},"
    try:
        yield
    except (ArgumentError, ImportError) as error:
        raise RequestError(
            f"{where} cannot be used: {_first_line(error)}. A URL reads DIALECT://USER@HOST/DATABASE, "
            "and its driver must be installed"
        ) from None
    except (StorageInternalError, SQLAlchemyError) as error:
        cause = error.__cause__ or error
        raise BitwattError(
            f"{where} cannot be read or written: {_first_line(cause)}. "
            "Is the disk full, the server down, or the file damaged? What is finished is kept; "
            "run again to go on"
        ) from None


def _first_line(error: BaseException) -> str:
    text = str(getattr(error, "orig", None) or error).strip()
    return text.splitlines()[0] if text else type(error).__name__
