"""Accuracy counts the first of equal logits, and refuses what it cannot count."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from bitwatt.errors import RequestError
from bitwatt.program import Evaluation, evaluate

NEEDS = "evaluate needs one or more images and as many labels"


def split(images, labels):
    return SimpleNamespace(images=torch.tensor(images, dtype=torch.float32), labels=torch.tensor(labels))


def test_of_equal_logits_the_lowest_class_wins(linear_program):
    program = linear_program([[0], [1], [1]])
    found = evaluate(program, split([[1.0], [1.0], [0.0], [-1.0]], [1, 2, 0, 0]))
    assert found == Evaluation(correct=3, count=4)
    assert found.accuracy == 0.75


def test_channels_of_different_scales_are_compared_as_reals(linear_program):
    program = linear_program([[3], [1]], weight_exponent=(0, 2))
    assert evaluate(program, split([[1.0]], [1])).correct == 1


@pytest.mark.parametrize("batch", (1, 2, 3, 100))
def test_batches(linear_program, batch):
    program = linear_program([[1], [-1]])
    images = [[1.0], [-1.0], [1.0], [-2.0], [0.0]]
    assert evaluate(program, split(images, [0, 1, 1, 1, 0]), batch=batch) == Evaluation(4, 5)


def test_modules_are_evaluated_as_used_and_left_as_they_were():
    class Moody(nn.Module):
        def forward(self, x):
            assert not torch.is_grad_enabled()
            return x if not self.training else -x

    module = Moody().train()
    assert evaluate(module, split([[0.0, 1.0], [1.0, 0.0]], [1, 0])) == Evaluation(2, 2)
    assert module.training


@pytest.mark.parametrize(
    "images, labels, batch, message",
    [
        ([], [], 1, "evaluate needs one or more images and as many labels; got 0 images and 0 labels"),
        (
            [[1.0]],
            [0, 1],
            1,
            "evaluate needs one or more images and as many labels; got 1 images and 2 labels",
        ),
        ([[1.0]], [0], 0, "batch must be at least 1, got 0"),
    ],
)
def test_refusals(linear_program, images, labels, batch, message):
    with pytest.raises(RequestError) as error:
        evaluate(linear_program([[1]]), split(images, labels), batch=batch)
    assert str(error.value) == message


def test_logits_must_be_a_row_for_each_image():
    with pytest.raises(RequestError) as error:
        evaluate(nn.Identity(), split([[[1.0]]], [0]))
    assert str(error.value) == "logits must be (count, classes), got shape (1, 1, 1)"
