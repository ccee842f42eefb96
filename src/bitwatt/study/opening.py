"""Open a study's store, or start it; refuse what is another's."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bitwatt
from bitwatt.errors import RequestError
from bitwatt.study.artifacts import FolderArtifacts
from bitwatt.study.storage_errors import masked, storage_errors
from bitwatt.study.store import Store

if TYPE_CHECKING:
    from optuna import Study
    from optuna.storages import BaseStorage

    from bitwatt.study.plan import StudyPlan

STORE_SCHEMA = 1
"""Version of what is written below; a store of another version is refused."""

_HEADER = "bitwatt"
_METRICS = ["accuracy", "energy_j"]


def open_store(folder: Path, plan: StudyPlan, data_digest: str, url: str | None = None) -> Store:
    """Open the study of `plan` in `folder`, or start it.

    url: an SQLAlchemy URL of the database; SQLite in the folder by default. Raises `RequestError` for a
    folder that holds another study or one of another schema, `BitwattError` for a database that cannot be
    reached.
    """
    header = {
        "schema": STORE_SCHEMA,
        "version": bitwatt.__version__,
        "study": plan.name,
        "networks": list(plan.networks),
        "data": plan.data,
        "data_sha256": data_digest,
    }
    import optuna

    artifacts = FolderArtifacts(folder / "artifacts")
    artifacts.sweep()
    with storage_errors(url):
        storage = _connect(folder, url)
        study = _open_study(storage, plan.name, folder if url is None else None)
        found = study.user_attrs.get(_HEADER)
        where = f"the folder '{folder}'" if url is None else masked(url)
        if found is None and study.get_trials(deepcopy=False):
            raise RequestError(
                f"{where} holds an Optuna study named '{plan.name}' that bitwatt did not make. "
                "Choose another folder with --out"
            )
        if found is None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                study.set_metric_names(_METRICS)
            study.set_user_attr("plan", plan.as_json())
            study.set_user_attr(_HEADER, header)
        else:
            _check_header(where, found, header)
            study.set_user_attr("plan", plan.as_json())
    return Store(study, artifacts, url)


def _connect(folder: Path, url: str | None) -> BaseStorage:
    import optuna
    from optuna.storages import RDBStorage

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    return RDBStorage(url or f"sqlite:///{(folder / 'study.db').resolve()}")


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
