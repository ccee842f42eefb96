"""What training has done so far, and all that is needed to go on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

import torch
from torch import Tensor, nn

from bitwatt.errors import RequestError
from bitwatt.training.recipe import Recipe


@dataclass(frozen=True)
class EpochRecord:
    """One finished epoch: mean loss and accuracy over its training steps, as they were while training."""

    epoch: int
    loss: float
    accuracy: float

    def to_dict(self) -> dict[str, float]:
        """Plain numbers."""
        return asdict(self)


@dataclass(frozen=True)
class TrainingResult:
    """What training leaves besides the trained weights."""

    history: tuple[EpochRecord, ...]
    recipe: Recipe


@dataclass(frozen=True, eq=False)
class TrainingState:
    """Everything that is needed to go on after an epoch, as copies on the CPU.

    Attributes:
        recipe: what is being done.
        epoch: epochs that are finished.
        model: the module's state_dict.
        optimizer: its tensors, named "PARAMETER/WHAT".
        history: the finished epochs.
        methods: tensors of training methods, by name.
    """

    recipe: Recipe
    epoch: int
    model: dict[str, Tensor]
    optimizer: dict[str, Tensor]
    history: tuple[EpochRecord, ...]
    methods: dict[str, Tensor] = field(default_factory=dict)


def state_of(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    recipe: Recipe,
    history: list[EpochRecord],
    methods: Mapping[str, Tensor],
) -> TrainingState:
    """Where training is now, copied."""
    tensors = {
        f"{name}/{what}": value.detach().cpu().clone()
        for name, parameter in model.named_parameters()
        for what, value in optimizer.state.get(parameter, {}).items()
        if isinstance(value, Tensor)
    }
    weights = {name: value.detach().cpu().clone() for name, value in model.state_dict().items()}
    kept = {name: value.detach().cpu().clone() for name, value in methods.items()}
    return TrainingState(recipe, len(history), weights, tensors, tuple(history), kept)


@torch.no_grad()
def restore(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    start: TrainingState,
    recipe: Recipe,
    methods: Mapping[str, Tensor],
) -> None:
    """Put model, optimiser and methods where they were. Raises `RequestError` for a state of other ones."""
    if start.recipe != recipe:
        changed = [
            f"{name} was {old!r}, is {new!r}"
            for (name, old), new in zip(
                start.recipe.to_dict().items(), recipe.to_dict().values(), strict=True
            )
            if old != new
        ]
        raise RequestError(f"cannot go on from a state of another recipe: {'; '.join(changed)}")
    try:
        model.load_state_dict(start.model)
    except RuntimeError as error:
        raise RequestError(f"cannot go on from a state of another model: {error}") from error
    parameters = dict(model.named_parameters())
    for key, value in start.optimizer.items():
        name, _, what = key.rpartition("/")
        parameter = parameters[name]
        if value.shape == parameter.shape:  # in the parameter's memory layout, as it was
            held = torch.empty_like(parameter, requires_grad=False).copy_(value)
        else:
            held = value.clone()
        optimizer.state[parameter][what] = held
    for name, tensor in methods.items():
        tensor.copy_(start.methods[name])
