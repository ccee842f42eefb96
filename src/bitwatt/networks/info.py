"""What is known of a network without building it, and how one is described."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

Scale = Callable[[int], int]
"""Channels or hidden neurons of the published network -> those of the one asked for."""


@dataclass(frozen=True)
class NetworkInfo:
    """What is known of a network without building it.

    Attributes:
        name: the name that `create` takes.
        input_shape: channels, height and width of one image; one length where the input is a row of numbers.
        classes: the number of outputs.
        source: where the architecture was published.
        note: what bitwatt had to decide itself; empty where the source settles everything.
    """

    name: str
    input_shape: tuple[int, ...]
    classes: int
    source: str
    note: str = ""


Entry = tuple[NetworkInfo, Callable[[Scale], nn.Sequential]]
"""A network of the catalogue: what is known of it, and what builds it without weights."""
