"""How long a study will still take, from what its epochs took so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean

BESIDE_EPOCHS = "beside epochs"
"""Key of the seconds a stage takes beside its epochs: quantising, lowering, evaluating."""

BESIDE_EPOCHS_S = 2.0
"""Those seconds before any stage has ended, as on LeNet with 2,000 test images."""


@dataclass(frozen=True)
class Left:
    """A stage that is not finished: its digest, what it waits for, epochs left, and the key of its rate."""

    digest: str
    needs: str | None
    epochs: float
    network: str
    rate_key: str


def rate_key(network: str, precision: str | None) -> str:
    """What epochs of like duration have in common; precision None: the float training."""
    return f"{network} {precision or 'float training'}"


def seconds_left(stages: Sequence[Left], epoch_seconds: Mapping[str, float], workers: int) -> float | None:
    """Seconds until the last of `stages` ends, on `workers` processes; None where nothing is known yet.

    epoch_seconds: seconds of an epoch by `rate_key`, and `BESIDE_EPOCHS`. A stage without a rate of its own
    takes the mean of its network's; stages are dealt out in order, each when a process and what it needs are
    there.
    """
    beside = epoch_seconds.get(BESIDE_EPOCHS, BESIDE_EPOCHS_S)
    free = [0.0] * workers
    done_at: dict[str, float] = {}
    for stage in stages:
        rate = _rate(stage, epoch_seconds)
        if rate is None:
            return None
        worker = min(range(workers), key=free.__getitem__)
        start = max(free[worker], done_at.get(stage.needs or "", 0.0))
        free[worker] = done_at[stage.digest] = start + stage.epochs * rate + beside
    return max(free, default=0.0)


def _rate(stage: Left, epoch_seconds: Mapping[str, float]) -> float | None:
    if stage.epochs == 0:
        return 0.0
    if stage.rate_key in epoch_seconds:
        return epoch_seconds[stage.rate_key]
    of_network = [s for key, s in epoch_seconds.items() if key.startswith(stage.network + " ")]
    return mean(of_network) if of_network else None
