"""The distilled loss against its formula."""

from __future__ import annotations

import torch
from torch import nn

from bitwatt.training.distillation import answers, distilled_loss

LOGITS = torch.tensor([[1.0, 2.0, 0.5], [0.0, -1.0, 3.0]])
TEACHER = torch.tensor([[0.0, 4.0, 0.5], [1.0, -1.0, 2.0]])
LABELS = torch.tensor([1, 0])


def loss(weight: float, temperature: float, teacher: torch.Tensor | None = TEACHER) -> float:
    return float(
        distilled_loss(LOGITS, LABELS, teacher, weight=weight, temperature=temperature, label_smoothing=0.0)
    )


def test_the_formula() -> None:
    hard = -torch.log_softmax(LOGITS, 1)[[0, 1], LABELS].mean()
    p, q = torch.softmax(TEACHER / 2, 1), torch.softmax(LOGITS / 2, 1)
    soft = (p * (p / q).log()).sum(1).mean() * 4
    assert abs(loss(0.3, 2.0) - float(0.7 * hard + 0.3 * soft)) < 1e-6
    assert abs(loss(1.0, 2.0) - float(soft)) < 1e-6
    assert abs(loss(0.0, 2.0) - float(hard)) < 1e-6
    assert abs(loss(0.3, 2.0, teacher=None) - float(hard)) < 1e-6


def test_a_student_that_answers_as_its_teacher_has_nothing_to_learn() -> None:
    zero = distilled_loss(TEACHER, LABELS, TEACHER, weight=1.0, temperature=3.0, label_smoothing=0.0)
    assert abs(float(zero)) < 1e-6


def test_answers_are_those_of_evaluation_and_the_mode_is_put_back() -> None:
    teacher = nn.Sequential(nn.Dropout(0.9), nn.Linear(2, 2)).train()
    batches = [torch.randn(3, 2), torch.randn(1, 2)]
    with torch.no_grad():
        expected = teacher[1](torch.cat(batches))
    torch.testing.assert_close(answers(teacher, batches), expected)
    assert teacher.training
