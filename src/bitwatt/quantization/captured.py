"""Layers of a captured network, as modules on floating-point numbers: the vocabulary of capture.

Maps have four axes throughout: a one-dimensional layer of the user's is the two-dimensional one of height 1.
Besides PyTorch's modules there are the two that join values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from bitwatt.quantization.batch_norm import Norm

INPUT = "input"
"""Name of the value that holds the images. A layer of the model may not be called so."""

Inputs = Tensor | Sequence[Tensor]
"""Images of a network with one input, or those of each of several, as many of each."""


def input_names(count: int) -> tuple[str, ...]:
    """Names of the values that hold the images of each input: "input", "input#2", ..."""
    return (INPUT, *(f"{INPUT}#{place}" for place in range(2, count + 1)))


def as_inputs(images: Inputs) -> tuple[Tensor, ...]:
    """The images of each input."""
    return (images,) if isinstance(images, Tensor) else tuple(images)


@dataclass(frozen=True)
class CapturedLayer:
    """One layer of the user's model: its path there, the module itself, the names of the values it reads.

    path: of the module; a function's is its name in the module that calls it, and a later use of a module
    has "#2", "#3" ... behind. objections: why it cannot be treated exactly; label: what errors call it.
    norm: a batch normalisation of its value that is kept alive.
    """

    path: str
    module: nn.Module
    inputs: tuple[str, ...]
    objections: tuple[str, ...] = field(default=(), compare=False)
    label: str = field(default="", compare=False)
    norm: Norm | None = None


class Add(nn.Module):
    """The sum of two values of one shape."""

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """first + second."""
        return first + second


class Concat(nn.Module):
    """Values one after the other along the channels."""

    def forward(self, *parts: Tensor) -> Tensor:
        """(count, channels of all, ...)."""
        return torch.cat(parts, dim=1)


def as_maps(images: Tensor) -> Tensor:
    """Sequences (count, channels, length) as maps of height 1; other ranks as they are."""
    return images.unsqueeze(2) if images.dim() == 3 else images


@torch.no_grad()
def run(layers: tuple[CapturedLayer, ...], images: Inputs) -> Tensor:
    """What the captured layers make of images, in floating point: the value of the last one."""
    given = as_inputs(images)
    values = {name: as_maps(each) for name, each in zip(input_names(len(given)), given, strict=True)}
    for layer in layers:
        value = layer.module(*(values[name] for name in layer.inputs))
        values[layer.path] = value if layer.norm is None else layer.norm(value)
    return values[layers[-1].path]
