"""Accuracy: how many images of a split a program, or a module, puts into the right class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from bitwatt.errors import RequestError
from bitwatt.program.program import Program


class Split(Protocol):
    """Images and their labels, as `bitwatt.datasets` has them."""

    @property
    def images(self) -> Tensor:
        """(count, ...) float."""

    @property
    def labels(self) -> Tensor:
        """(count,) int64."""


@dataclass(frozen=True)
class Evaluation:
    """`correct` images of `count`."""

    correct: int
    count: int

    @property
    def accuracy(self) -> float:
        """correct / count, from 0 to 1."""
        return self.correct / self.count


def evaluate(subject: Program | nn.Module, split: Split, *, batch: int = 256) -> Evaluation:
    """How many images of `split` get the largest logit in the class of their label.

    Of equal logits the lowest class wins. A module is evaluated as it would be used: in evaluation mode, on
    the device that it is on, and left as it was; `batch` images at a time.

    Raises `RequestError` for no images, another number of labels, a batch below 1, or logits that are not
    (count, classes); and as the subject does.
    """
    images, labels = split.images, split.labels
    if len(images) == 0 or len(labels) != len(images):
        raise RequestError(
            "evaluate needs one or more images and as many labels; "
            f"got {len(images)} images and {len(labels)} labels"
        )
    if batch < 1:
        raise RequestError(f"batch must be at least 1, got {batch}")
    correct = 0
    for first in range(0, len(images), batch):
        chunk = slice(first, first + batch)
        correct += int((classes(subject, images[chunk]) == labels[chunk].cpu().numpy()).sum())
    return Evaluation(correct, len(images))


def classes(subject: Program | nn.Module, images: Tensor) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """The class of each image; of equal logits the lowest."""
    logits = subject(images) if isinstance(subject, Program) else _logits(subject, images)
    if logits.dim() != 2:
        raise RequestError(f"logits must be (count, classes), got shape {tuple(logits.shape)}")
    # numpy's argmax takes the first of equals; PyTorch's promises nothing.
    found: np.ndarray[tuple[int], np.dtype[np.int64]] = logits.cpu().numpy().argmax(axis=1)
    return found


def _logits(module: nn.Module, images: Tensor) -> Tensor:
    was_training = module.training
    parameter = next(module.parameters(), None)
    module.eval()
    try:
        with torch.no_grad():
            result: Tensor = module(images if parameter is None else images.to(parameter.device))
    finally:
        module.train(was_training)
    return result
