"""The training loop, for float networks and quantised ones alike."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from bitwatt.errors import BitwattError, RequestError, UnsupportedError
from bitwatt.quantization import QuantizedNetwork
from bitwatt.quantization.convolution import channels_first_where_astray
from bitwatt.training.batches import Batches, LabelledImages, epoch_seed
from bitwatt.training.device import exact_and_private_randomness, resolve_device
from bitwatt.training.distillation import answers, distilled_loss
from bitwatt.training.methods import Method, methods_of
from bitwatt.training.recipe import Recipe
from bitwatt.training.state import EpochRecord, TrainingResult, TrainingState, restore, state_of


class TrainingData(Protocol):
    """A data set, as training reads it: nothing but its training images."""

    @property
    def train(self) -> LabelledImages:
        """The images to learn from."""


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
            of another recipe or model, a method for quantised networks where `model` is none.
        UnsupportedError: a method that cannot be used on this network, a model of several inputs.
        BitwattError: the loss became NaN or infinite.
    """
    target = resolve_device(device)
    _require_one_input(model)
    batches = Batches(data.train, recipe, target)
    home = next(model.parameters()).device
    was_training = model.training
    if teacher is not None:
        teacher_home = next(teacher.parameters()).device
        teacher.to(target)
    model.to(target)
    try:
        with exact_and_private_randomness(target), channels_first_where_astray(model):
            _check_labels(model, batches, data.train.labels)
            methods = methods_of(model, recipe, data.train.images)
            try:
                return _run(model, batches, recipe, methods, teacher, progress, on_epoch_end, start)
            finally:
                for method in reversed(methods):
                    method.detach()
    finally:
        model.to(home)
        if teacher is not None:
            teacher.to(teacher_home)
        model.train(was_training)


def _require_one_input(model: nn.Module) -> None:
    """Data sets have images and labels, and nothing for a second input."""
    if _takes_several_inputs(model):
        raise UnsupportedError(
            f"training gives a model one input, the images; {type(model).__name__} takes several. Train it "
            "yourself, as any PyTorch module, and quantise it after"
        )


def _takes_several_inputs(model: nn.Module) -> bool:
    if isinstance(model, QuantizedNetwork):
        return len(model.input_quantizers) > 1
    try:
        inspect.signature(model.forward).bind(None)
    except TypeError:
        return True
    except ValueError:  # a traced module has no signature
        return False
    return False


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
    methods: list[Method],
    teacher: nn.Module | None,
    progress: Callable[[Progress], None] | None,
    on_epoch_end: Callable[[TrainingState], None] | None,
    start: TrainingState | None,
) -> TrainingResult:
    optimizer = _optimizer(model, recipe)
    history: list[EpochRecord] = []
    kept = {name: tensor for method in methods for name, tensor in method.tensors.items()}
    if start is not None:
        restore(model, optimizer, start, recipe, kept)
        history = list(start.history)
    else:
        for method in methods:
            method.begin()
    steps = len(batches) * recipe.epochs
    teaches = teacher is not None and recipe.distillation > 0
    taught = (
        answers(teacher, batches.plain()) if teacher and teaches and recipe.augmentation == "none" else None
    )
    quantised = model if isinstance(model, QuantizedNetwork) else None
    for epoch in range(len(history), recipe.epochs):
        for method in methods:
            method.before_epoch(epoch)
        torch.manual_seed(epoch_seed(recipe.seed, epoch))  # dropout, stochastic rounding; forked above
        model.train()
        total, correct, count = 0.0, 0, 0
        for step, (images, labels, chosen) in enumerate(batches.epoch(epoch), start=len(batches) * epoch):
            rate = recipe.learning_rate_at(step, steps)
            for group in optimizer.param_groups:
                group["lr"] = rate
            for method in methods:
                method.before_step(step, steps)
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
            for method in methods:
                method.after_step(step, steps)
            total += value * len(labels)
            correct += int((logits.detach().argmax(dim=1) == labels).sum())
            count += len(labels)
            if progress is not None:
                progress(Progress(step + 1, steps, epoch, value))
        history.append(EpochRecord(epoch, total / count, correct / count))
        if on_epoch_end is not None:
            on_epoch_end(state_of(model, optimizer, recipe, history, kept))
    for method in methods:
        method.finish()
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
