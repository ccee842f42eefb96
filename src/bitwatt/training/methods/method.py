"""What a training method does beside the loop: functions that the loop calls at its joints."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from torch import Tensor


def _nothing(*_: int) -> None:
    """For the joints at which a method has nothing to do."""


@dataclass(frozen=True, eq=False)
class Method:
    """A training method at work on one network.

    begin: once, before the first epoch; not where training goes on from a state.
    before_epoch: with the epoch, from 0. on a resumed run the first call is with the epoch gone on with.
    before_step: with the step and the number of steps, both of all epochs together.
    after_step: likewise, when the optimiser has stepped and the shadow weights are clipped.
    finish: when all epochs are done: what is left in the network is what the method found.
    detach: at the end, however training ended: roundings are put back.
    tensors: what is kept in a training state and copied back in place; beside them all follows from the step.
    """

    begin: Callable[[], None] = _nothing
    before_epoch: Callable[[int], None] = _nothing
    before_step: Callable[[int, int], None] = _nothing
    after_step: Callable[[int, int], None] = _nothing
    finish: Callable[[], None] = _nothing
    detach: Callable[[], None] = _nothing
    tensors: Mapping[str, Tensor] = field(default_factory=dict)
