"""When to give up on a training: by Optuna's median pruner, among the networks that cost no more.

Optuna prunes no study of several objectives, and rightly: a cheap network may be less accurate than most and
still be on the front. Costs are exact before training begins, so a network is compared only with those that
cost no more in any respect; falling behind half of them, it will hardly be on the front.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

FEWEST_RIVALS = 4
"""Networks that must have been trained before any is given up on their account."""


@dataclass(frozen=True)
class Rival:
    """A network trained before, that costs no more: its accuracy, and that after each share of its epochs."""

    accuracy: float
    curve: Mapping[str, float]


def is_hopeless(curve: Mapping[str, float], rivals: Sequence[Rival]) -> bool:
    """Whether the best so far lies below the median of the rivals at the same share of their training.

    curve: accuracy by the share of epochs that are done, as text, in order.
    """
    import optuna
    from optuna.trial import TrialState, create_trial

    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        study = optuna.create_study(
            direction="maximize", pruner=optuna.pruners.MedianPruner(n_startup_trials=FEWEST_RIVALS)
        )
        steps = {step: float(share) for step, share in enumerate(curve)}
        for rival in rivals:
            values = {step: _best_until(rival.curve, share) for step, share in steps.items()}
            study.add_trial(
                create_trial(
                    value=rival.accuracy,
                    params={},
                    distributions={},
                    intermediate_values={step: value for step, value in values.items() if value is not None},
                )
            )
        trial = create_trial(
            state=TrialState.RUNNING,
            params={},
            distributions={},
            intermediate_values=dict(enumerate(curve.values())),
        )
        return study.pruner.prune(study, trial)
    finally:
        optuna.logging.set_verbosity(level)


def _best_until(curve: Mapping[str, float], share: float) -> float | None:
    return max((value for at, value in curve.items() if float(at) <= share + 1e-3), default=None)
