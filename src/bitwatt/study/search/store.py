"""The search on disk: Optuna's storage holds the trials, its artifact store the weights and the programs.

A trial is a design with its objectives. What was found of a training, which several trials could share, is an
attribute of the study under the digest of all that decides it. `optuna-dashboard` opens it as it is.
"""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bitwatt
from bitwatt.errors import RequestError
from bitwatt.study.artifacts import FolderArtifacts, read_artifact, sha256
from bitwatt.study.search.plan import SearchPlan
from bitwatt.study.search.quantities import ACCURACY
from bitwatt.study.search.space import Design
from bitwatt.study.storage_errors import masked, storage_errors
from bitwatt.study.store import Kept
from bitwatt.study.worker import Outcome

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial, Trial

SCHEMA = 1
_HEADER = "bitwatt-search"
_LAYERS, _NARROWED = "layers", "narrowed"


class SearchStore:
    """An open search."""

    def __init__(self, folder: Path, plan: SearchPlan, data_digest: str, url: str | None) -> None:
        """Open the search of `plan` in `folder`, or start it.

        Raises `RequestError` for a folder that holds another, `BitwattError` for a database out of reach.
        """
        import optuna

        self._url = url
        self.artifacts = FolderArtifacts(folder / "artifacts")
        self.artifacts.sweep()
        header = {
            "schema": SCHEMA,
            "version": bitwatt.__version__,
            "data_sha256": data_digest,
            "objectives": list(plan.objectives),
            "space": {name: list(getattr(plan, name)) for name in ("precisions", "widths", "depths")}
            | ({"layers": dict(plan.layers)} if plan.layers else {}),
        }
        self._layers = dict(plan.layers)
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        logging.getLogger("alembic").setLevel(logging.WARNING)
        with storage_errors(url):
            storage = optuna.storages.RDBStorage(url or f"sqlite:///{(folder / 'study.db').resolve()}")
            self.study: Study = optuna.create_study(
                storage=storage,
                study_name=plan.name,
                directions=["maximize" if name == ACCURACY else "minimize" for name in plan.objectives],
                load_if_exists=True,
            )
            found = self.study.user_attrs.get(_HEADER)
            if found is None and self.study.get_trials(deepcopy=False):
                found = {"schema": "of a study, not of a search"}
            if found is None:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                    self.study.set_metric_names(list(plan.objectives))
                self.study.set_user_attr(_HEADER, header)
            else:
                _check(found, header, f"the folder '{folder}'" if url is None else masked(url))
            self.study.set_user_attr("plan", plan.as_json())
            self.study.sampler = _sampler(plan, len(self.study.get_trials(deepcopy=False)))
            self._attributes: dict[str, Any] = dict(self.study.user_attrs)

    def kept(self, digest: str) -> Mapping[str, Any] | None:
        """What was found under that digest; None where nothing was, or its artifact is damaged or gone."""
        value: Mapping[str, Any] | None = self._attributes.get(digest)
        if value is not None and value["sha256"] is not None:
            content = read_artifact(self.artifacts, value["artifact_id"])
            if content is None or sha256(content) != value["sha256"]:
                return None
        return value

    def artifact(self, digest: str) -> Kept:
        """The weights or the program under that digest."""
        value = self._attributes[digest]
        return Kept(value["record"], value["artifact_id"], value["sha256"])

    def keep(self, digest: str, name: str, outcome: Outcome) -> None:
        """Keep what a training found, and its weights or program where there are."""
        artifact_id, content = f"{digest[:32]}-{name}", outcome.content
        if content:
            self.artifacts.write(artifact_id, io.BytesIO(content))
        found = sha256(content) if content else None
        self.keep_value(digest, {"record": dict(outcome.record), "artifact_id": artifact_id, "sha256": found})

    def value(self, key: str) -> Any:
        """An attribute of the study, or None."""
        return self._attributes.get(key)

    def keep_value(self, key: str, value: Any) -> None:
        """Keep an attribute of the study."""
        with storage_errors(self._url):
            self.study.set_user_attr(key, value)
        self._attributes[key] = value

    def trials(self) -> list[FrozenTrial]:
        """All trials."""
        with storage_errors(self._url):
            return self.study.get_trials(deepcopy=False)

    def ask(self, distributions: Mapping[str, BaseDistribution]) -> Trial:
        """The next trial."""
        with storage_errors(self._url):
            return self.study.ask(dict(distributions))

    def propose(self, design: Design) -> None:
        """Have this design asked for next.

        The layers that have precisions of their own are no parameter of the sampler's: it could not list them
        beforehand.
        """
        parameters = {"width": design.width, "precision": design.precision}
        if design.depth:
            parameters["depth"] = design.depth
        own = {_LAYERS: dict(design.layers)} if dict(design.layers) != self._layers else None
        with storage_errors(self._url):
            self.study.enqueue_trial(parameters, user_attrs=own)

    def design(self, trial: Trial | FrozenTrial) -> Design:
        """The design that a trial means."""
        parameters = trial.params
        layers = trial.user_attrs.get(_LAYERS, self._layers)
        return Design(
            parameters["width"], parameters.get("depth", 0), parameters["precision"], tuple(layers.items())
        )

    def narrowed(self) -> list[Design]:
        """The designs that were ever derived from others, layer by layer, in order."""
        return [
            Design(width, depth, precision, tuple((pattern, own) for pattern, own in layers))
            for width, depth, precision, layers in self.value(_NARROWED) or ()
        ]

    def keep_narrowed(self, designs: Sequence[Design]) -> None:
        """Keep which designs were derived."""
        self.keep_value(_NARROWED, [astuple(design) for design in designs])

    def tell(
        self, number: int, values: Sequence[float], excess: Mapping[str, float], **attributes: Any
    ) -> None:
        """End a trial. excess: by which share each limit of the budget is exceeded; negative where kept."""
        from optuna.trial import Trial

        with storage_errors(self._url):
            trial = Trial(self.study, self.trials()[number]._trial_id)
            for name, share in excess.items():
                trial.set_constraint(name, share)
            for name, value in attributes.items():
                trial.set_user_attr(name, value)
            self.study.tell(number, list(values))

    def fail(self, number: int, reason: str) -> None:
        """End a trial without values."""
        from optuna.trial import Trial, TrialState

        with storage_errors(self._url):
            Trial(self.study, self.trials()[number]._trial_id).set_user_attr("failure", reason)
            self.study.tell(number, state=TrialState.FAIL)

    def take_over(self) -> list[Design]:
        """Close the trials that a killed run left open; their designs, to be asked for again."""
        from optuna.trial import TrialState

        left = [trial for trial in self.trials() if trial.state == TrialState.RUNNING]
        for trial in left:
            self.fail(trial.number, "stopped in the middle; tried again")
        return [self.design(trial) for trial in left if trial.params]


def _sampler(plan: SearchPlan, trials: int) -> BaseSampler:
    """The plan's sampler. A search that goes on draws other numbers than it began with."""
    import optuna

    seed = plan.seed + trials
    if plan.sampler == "tpe":
        return optuna.samplers.TPESampler(seed=seed)
    if plan.sampler == "nsga2":
        return optuna.samplers.NSGAIISampler(seed=seed)
    return optuna.samplers.RandomSampler(seed=seed)


def _check(found: Mapping[str, Any], header: Mapping[str, Any], where: str) -> None:
    if found["schema"] != header["schema"]:
        raise RequestError(
            f"{where} holds a store of schema {found['schema']} under this name; this bitwatt writes "
            f"searches of schema {header['schema']}. Choose another folder with --out"
        )
    for key, what in (("data_sha256", "data"), ("objectives", "objectives"), ("space", "space")):
        if found[key] != header[key]:
            raise RequestError(
                f"{where} holds a search with other {what}, {found[key]}; this one has {header[key]}. "
                "Choose another folder with --out"
            )
