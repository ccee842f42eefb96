"""The training loop, for float networks and quantised ones alike."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from bitwatt.errors import BitwattError, RequestError
from bitwatt.quantization import QuantizedNetwork, refit_weight_exponents
from bitwatt.training.batches import Batches, LabelledImages, epoch_seed
from bitwatt.training.distillation import answers, distilled_loss
from bitwatt.training.recipe import Recipe

DEVICES = ("auto", "cpu", "cuda")


class TrainingData(Protocol):
    """A data set, as training reads it: nothing but its training images."""

    @property
    def train(self) -> LabelledImages:
        """The images to learn from."""


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
    """

    recipe: Recipe
    epoch: int
    model: dict[str, Tensor]
    optimizer: dict[str, Tensor]
    history: tuple[EpochRecord, ...]


@dataclass(frozen=True)
class Progress:
    """Where training is, told after every step: `step` of `steps` of all epochs together are done."""

    step: int
    steps: int
    epoch: int
    loss: float


def train(
    model: nn.Module,
    data: TrainingData,
    recipe: Recipe,
    *,
    teacher: nn.Module | None = None,
    device: str = "auto",
    progress: Callable[[Progress], None] | None = None,
    on_epoch_end: Callable[[TrainingState], None] | None = None,
    start: TrainingState | None = None,
) -> TrainingResult:
    """Train `model` in place by `recipe` on `data.train`; test images are never looked at.

    A `QuantizedNetwork` trains through its rounding, and its shadow weights are kept where gradients reach
    them.

    Args:
        model: gives logits (count, classes) for images (count, ...).
        data: only its training images are read.
        recipe: what to do.
        teacher: a network whose answers are learnt beside the labels (`Recipe.distillation`).
        device: "cpu", "cuda", or "auto" for cuda where there is one; models are put back where they were.
        progress: called after every step.
        on_epoch_end: called with copies after every epoch; what it raises ends training.
        start: such a state, to go on from.

    With one seed and one number of threads the weights come out the same to the bit, interrupted or not, and
    PyTorch's global random state is left alone.

    Raises:
        RequestError: an unknown device, no cuda, no images, labels that the model has no output for, a state
            of another recipe or model.
        BitwattError: the loss became NaN or infinite.
    """
    target = resolve_device(device)
    batches = Batches(data.train, recipe, target)
    home = next(model.parameters()).device
    was_training = model.training
    if teacher is not None:
        teacher_home = next(teacher.parameters()).device
        teacher.to(target)
    model.to(target)
    try:
        with _exact_and_private_randomness(target):
            _check_labels(model, batches, data.train.labels)
            return _run(model, batches, recipe, teacher, progress, on_epoch_end, start)
    finally:
        model.to(home)
        if teacher is not None:
            teacher.to(teacher_home)
        model.train(was_training)


def resolve_device(device: str) -> torch.device:
    """The device of that name; "auto" is cuda where there is one. Raises `RequestError` as `train`."""
    if device not in DEVICES:
        raise RequestError(f"device must be one of {', '.join(DEVICES)}; got '{device}'")
    has_cuda = torch.cuda.is_available()
    if device == "cuda" and not has_cuda:
        raise RequestError("device 'cuda': this PyTorch sees no CUDA device; use 'auto' or 'cpu'")
    return torch.device("cuda" if has_cuda and device != "cpu" else "cpu")


@contextmanager
def _exact_and_private_randomness(device: torch.device) -> Iterator[None]:
    """TF32 off (its 10-bit products are not exact), and global random states put back at the end."""
    cuda = [torch.cuda.current_device()] if device.type == "cuda" else []
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32, cudnn.deterministic
    matmul.allow_tf32, cudnn.allow_tf32, cudnn.deterministic = False, False, True
    try:
        with torch.random.fork_rng(devices=cuda):
            yield
    finally:
        matmul.allow_tf32, cudnn.allow_tf32, cudnn.deterministic = before


def _check_labels(model: nn.Module, batches: Batches, labels: Tensor) -> None:
    logits = answers(model, [batches.plain()[0][:1]])
    least, most = int(labels.min()), int(labels.max())
    if logits.dim() != 2 or least < 0 or most >= logits.shape[1]:
        raise RequestError(
            f"labels go from {least} to {most}, but for one image the model gives shape "
            f"{tuple(logits.shape)}; it must be (1, classes), with a class for every label"
        )


def _run(
    model: nn.Module,
    batches: Batches,
    recipe: Recipe,
    teacher: nn.Module | None,
    progress: Callable[[Progress], None] | None,
    on_epoch_end: Callable[[TrainingState], None] | None,
    start: TrainingState | None,
) -> TrainingResult:
    optimizer = _optimizer(model, recipe)
    history: list[EpochRecord] = []
    if start is not None:
        _restore(model, optimizer, start, recipe)
        history = list(start.history)
    steps = len(batches) * recipe.epochs
    teaches = teacher is not None and recipe.distillation > 0
    taught = (
        answers(teacher, batches.plain()) if teacher and teaches and recipe.augmentation == "none" else None
    )
    quantised = model if isinstance(model, QuantizedNetwork) else None
    for epoch in range(len(history), recipe.epochs):
        if quantised is not None and recipe.refit_scales and epoch > 0:
            refit_weight_exponents(quantised)
        torch.manual_seed(epoch_seed(recipe.seed, epoch))  # dropout; forked above
        model.train()
        total, correct, count = 0.0, 0, 0
        for step, (images, labels, chosen) in enumerate(batches.epoch(epoch), start=len(batches) * epoch):
            rate = recipe.learning_rate_at(step, steps)
            for group in optimizer.param_groups:
                group["lr"] = rate
            told = taught[chosen] if taught is not None else None
            if taught is None and teacher is not None:
                told = answers(teacher, [images])
            optimizer.zero_grad(set_to_none=True)
            logits = model(images)
            loss = distilled_loss(
                logits,
                labels,
                told,
                weight=recipe.distillation,
                temperature=recipe.temperature,
                label_smoothing=recipe.label_smoothing,
            )
            value = float(loss.detach())
            if not math.isfinite(value):
                raise BitwattError(
                    f"training diverged: the loss became {value} in epoch {epoch + 1} of {recipe.epochs}, at "
                    f"learning rate {rate:.3g}; lower Recipe.learning_rate (it is {recipe.learning_rate:g})"
                )
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            if quantised is not None:
                for _, layer in quantised.weighted_layers():
                    layer.clip_shadow_weight()
            total += value * len(labels)
            correct += int((logits.detach().argmax(dim=1) == labels).sum())
            count += len(labels)
            if progress is not None:
                progress(Progress(step + 1, steps, epoch, value))
        history.append(EpochRecord(epoch, total / count, correct / count))
        if on_epoch_end is not None:
            on_epoch_end(_state(model, optimizer, recipe, history))
    return TrainingResult(tuple(history), recipe)


def _optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in trained if p.dim() > 1], "weight_decay": recipe.weight_decay},
        {"params": [p for p in trained if p.dim() <= 1], "weight_decay": 0.0},
    ]
    rate = recipe.learning_rate
    if recipe.optimizer == "adam":
        return torch.optim.Adam(groups, lr=rate, betas=(recipe.momentum, 0.999), fused=True)
    return torch.optim.SGD(
        groups, lr=rate, momentum=recipe.momentum, nesterov=recipe.momentum > 0, fused=True
    )


def _state(
    model: nn.Module, optimizer: torch.optim.Optimizer, recipe: Recipe, history: list[EpochRecord]
) -> TrainingState:
    tensors = {
        f"{name}/{what}": value.detach().cpu().clone()
        for name, parameter in model.named_parameters()
        for what, value in optimizer.state.get(parameter, {}).items()
        if isinstance(value, Tensor)
    }
    weights = {name: value.detach().cpu().clone() for name, value in model.state_dict().items()}
    return TrainingState(recipe, len(history), weights, tensors, tuple(history))


def _restore(
    model: nn.Module, optimizer: torch.optim.Optimizer, start: TrainingState, recipe: Recipe
) -> None:
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
