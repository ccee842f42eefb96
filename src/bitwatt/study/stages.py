"""The stages of a study, as plain records: a float training a network and seed, and the points that need it.

Nothing here or in what it imports loads torch, so that a worker is there in a moment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bitwatt.study.tile_plan import TilePlan


def named(network: str, method: str) -> str:
    """How results and people name a network trained by a method; the network alone where there is none."""
    return f"{network}, {method}" if method else network


@dataclass(frozen=True)
class Subject:
    """A network and its data, with digests of what they are: the names alone could come to mean another."""

    network: str
    network_digest: str
    data: str
    data_digest: str
    held_out: float = 0.0
    data_dir: str | None = None
    """Where the data lies; not part of any digest."""

    def identity(self) -> list[str]:
        """What of it decides results."""
        return [self.network, self.network_digest, self.data, self.data_digest]


@dataclass(frozen=True)
class FloatStage:
    """The float training of a network: the start of every point of its seed, and their teacher."""

    subject: Subject
    seed: int
    recipe: Mapping[str, Any]
    threads: int
    device: str
    digest: str

    @property
    def training_digest(self) -> str:
        """What its weights follow from: all of it."""
        return self.digest

    @property
    def label(self) -> str:
        """How people are told of it."""
        return f"{self.subject.network} float training, seed {self.seed}"

    @property
    def epochs(self) -> int:
        """Epochs it trains for."""
        return int(self.recipe["epochs"])


@dataclass(frozen=True)
class PointStage:
    """A network at a precision: trained from the float stage, lowered, evaluated, costed.

    method: its name in the plan; empty where the plan compares none. recipe: fields of a
    `bitwatt.training.Recipe`; None where there is nothing to train: float32 is the float
    stage's own result. layers: precisions of single layers, by patterns on their paths. training_digest: what
    the program and its accuracy follow from; digest: that and what the costs follow from.
    """

    subject: Subject
    precision: str
    seed: int
    recipe: Mapping[str, Any] | None
    threads: int
    device: str
    float_digest: str
    tile: TilePlan
    presets: tuple[str, ...]
    technology: str
    training_digest: str
    digest: str
    method: str = ""
    layers: Mapping[str, str] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """How people are told of it."""
        own = "".join(f", {pattern} {precision}" for pattern, precision in self.layers.items())
        return f"{named(self.subject.network, self.method)} {self.precision}{own}, seed {self.seed}"

    @property
    def epochs(self) -> int:
        """Epochs it trains for."""
        return int(self.recipe["epochs"]) if self.recipe else 0


Stage = FloatStage | PointStage


@dataclass(frozen=True)
class Stages:
    """All stages of a plan. Points are in the order in which results list them."""

    floats: tuple[FloatStage, ...]
    points: tuple[PointStage, ...]
