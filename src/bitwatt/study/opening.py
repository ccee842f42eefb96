"""Open a study's store, or start it; refuse what is another's."""

from __future__ import annotations

import logging
import socket
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bitwatt
from bitwatt.errors import RequestError
from bitwatt.study.artifacts import FolderArtifacts
from bitwatt.study.storage_errors import PATIENCE_S, Patience, masked, storage_errors
from bitwatt.study.store import Store

if TYPE_CHECKING:
    from optuna import Study
    from optuna.storages import BaseStorage, RDBStorage

    from bitwatt.study.plan import StudyPlan

STORE_SCHEMA = 1
"""Version of what is written below; a store of another version is refused."""

_HEADER = "bitwatt"
_HOME = "home"
_METRICS = ["accuracy", "energy_j"]


def open_store(
    folder: Path,
    plan: StudyPlan,
    data_digest: str,
    url: str | None = None,
    *,
    notice: Callable[[str], None] = lambda text: None,
    patience_s: float = PATIENCE_S,
) -> Store:
    """Open the study of `plan` in `folder`, or start it.

    url: an SQLAlchemy URL of the database; SQLite in the folder by default. notice: told of waits for it, of
    `patience_s` at most, once the study runs. Raises `RequestError` for a folder that holds another study or
    one of another schema, one that is not the study's own, and a URL that cannot be opened; `BitwattError`
    for a damaged database.
    """
    header = {
        "schema": STORE_SCHEMA,
        "version": bitwatt.__version__,
        "study": plan.name,
        "networks": list(plan.networks),
        "data": plan.data,
        "data_sha256": data_digest,
    }
    artifacts = FolderArtifacts(folder / "artifacts")
    artifacts.sweep()
    with storage_errors(url, opening=True):
        storage = _connect(folder, url)
        try:
            study = _open_study(storage, plan.name, folder if url is None else None)
            where = f"the folder '{folder}'" if url is None else masked(url)
            _claim(study, header, plan, where)
            if url is not None:
                _check_home(study, artifacts, folder, where)
            return Store(study, artifacts, Patience(url, notice, patience_s), storage.engine.dispose)
        except BaseException:
            storage.engine.dispose()
            raise


def _claim(study: Study, header: Mapping[str, Any], plan: StudyPlan, where: str) -> None:
    """Check that a study that is there already is this one; write what it is where it is new."""
    import optuna

    found = study.user_attrs.get(_HEADER)
    if found is not None:
        _check_header(where, found, header)
        study.set_user_attr("plan", plan.as_json())
        return
    if study.get_trials(deepcopy=False):
        raise RequestError(
            f"{where} holds an Optuna study named '{plan.name}' that bitwatt did not make. "
            "Choose another folder with --out"
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study.set_metric_names(_METRICS)
    study.set_user_attr("plan", plan.as_json())
    study.set_user_attr(_HEADER, header)


def _check_home(study: Study, artifacts: FolderArtifacts, folder: Path, where: str) -> None:
    """A study in a shared database has one folder, whose lock lets one run at a time write to both."""
    home = study.user_attrs.get(_HOME)
    if home is None:
        place = {"id": artifacts.identity(), "host": socket.gethostname(), "folder": str(folder.resolve())}
        study.set_user_attr(_HOME, place)
    elif home["id"] != artifacts.identity():
        raise RequestError(
            f"{where} holds the study '{study.study_name}', whose weights and programs are in the folder "
            f"'{home['folder']}' of the machine '{home['host']}'; '{folder}' is another one. Give that "
            "folder with --out (elsewhere by a shared file system), or name the study differently"
        )


def _connect(folder: Path, url: str | None) -> RDBStorage:
    import optuna
    from optuna.storages import RDBStorage

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    if url is None:
        return RDBStorage(f"sqlite:///{(folder / 'study.db').resolve()}")
    # A connection is looked at before it is used, so that one to a server that was started again is renewed.
    return RDBStorage(_with_limits(url), engine_kwargs={"pool_pre_ping": True})


def _with_limits(url: str) -> str:
    """The URL, with limits to how long PostgreSQL's driver waits for a network that is gone: else, hours."""
    from sqlalchemy.engine import make_url

    parsed = make_url(url)
    if parsed.get_backend_name() != "postgresql":
        return url
    limits = {"connect_timeout": "10", "tcp_user_timeout": "30000"}  # s; ms (libpq's parameters)
    return parsed.update_query_dict({**limits, **parsed.query}).render_as_string(hide_password=False)


def _open_study(storage: BaseStorage, name: str, folder: Path | None) -> Study:
    import optuna

    present = optuna.get_all_study_names(storage)
    if folder is not None and present and name not in present:
        raise RequestError(
            f"the folder '{folder}' holds another study, {_listing(present)}; this one is '{name}'. "
            "Choose another folder with --out"
        )
    # Hypervolumes and suggestions are never asked for here; the sampler only has to exist.
    return optuna.create_study(
        storage=storage,
        study_name=name,
        directions=["maximize", "minimize"],
        load_if_exists=True,
        sampler=optuna.samplers.RandomSampler(seed=0),
    )


def _listing(names: list[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)


def _check_header(where: str, found: Mapping[str, Any], header: Mapping[str, Any]) -> None:
    if found.get("schema") != header["schema"]:
        raise RequestError(
            f"{where} was written by bitwatt {found.get('version')} with store schema {found.get('schema')}; "
            f"this is bitwatt {header['version']}, which reads schema {header['schema']}. "
            "Use that version, or choose another folder with --out"
        )
    for key, what in (("data", "data"), ("data_sha256", "data with SHA-256")):
        if found.get(key) != header[key]:
            raise RequestError(
                f"{where} holds another study: it is of {what} '{found.get(key)}', this one of "
                f"'{header[key]}'. Choose another folder with --out"
            )
