"""Learning from a teacher's answers beside the labels (Hinton, Vinyals and Dean 2015, arXiv 1503.02531)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


def distilled_loss(
    logits: Tensor,
    labels: Tensor,
    teacher_logits: Tensor | None,
    *,
    weight: float,
    temperature: float,
    label_smoothing: float,
) -> Tensor:
    """(1 - weight) * cross entropy + weight * temperature**2 * KL(teacher || student), both softened.

    logits, teacher_logits: (count, classes); labels: (count,). The square keeps the gradient's size as the
    temperature changes. Without a teacher, or at weight 0, cross entropy alone.
    """
    if teacher_logits is None or weight == 0:
        return functional.cross_entropy(logits, labels, label_smoothing=label_smoothing)
    soft = functional.kl_div(
        functional.log_softmax(logits / temperature, dim=1),
        functional.log_softmax(teacher_logits / temperature, dim=1),
        reduction="batchmean",
        log_target=True,
    )
    soft = soft * (weight * temperature**2)
    if weight == 1:
        return soft
    hard = functional.cross_entropy(logits, labels, label_smoothing=label_smoothing)
    return (1 - weight) * hard + soft


@torch.no_grad()
def answers(teacher: nn.Module, batches: list[Tensor]) -> Tensor:
    """The teacher's logits for all batches in turn, computed in evaluation mode, which is put back after."""
    was_training = teacher.training
    teacher.eval()
    try:
        return torch.cat([teacher(batch) for batch in batches])
    finally:
        teacher.train(was_training)
