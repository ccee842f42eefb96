"""How a network is trained, as one frozen record: the same recipe and seed give the same weights."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from bitwatt.errors import RequestError, unknown_name

Optimizer = Literal["sgd", "adam"]
Schedule = Literal["one-cycle", "cosine", "constant"]
Augmentation = Literal["none", "shift", "shift+flip"]

CHOICES: dict[str, tuple[str, ...]] = {
    "optimizer": get_args(Optimizer),
    "schedule": get_args(Schedule),
    "augmentation": get_args(Augmentation),
}

# Field -> least and largest allowed value, and whether it must be whole.
RANGES: dict[str, tuple[float, float, bool]] = {
    "epochs": (0, 100_000, True),
    "batch_size": (1, 1_000_000, True),
    "learning_rate": (0, 1000, False),
    "momentum": (0, 1, False),
    "weight_decay": (0, 1, False),
    "warmup": (0, 1, False),
    "label_smoothing": (0, 1, False),
    "shift": (0, 1000, True),
    "distillation": (0, 1, False),
    "temperature": (0.01, 1000, False),
    "seed": (0, 2**63 - 1, True),
}


@dataclass(frozen=True)
class Recipe:
    """What `train` does.

    Attributes:
        epochs: passes over the training images.
        batch_size: images a step; the last step of an epoch takes what is left.
        learning_rate: the highest that the schedule reaches.
        optimizer: "sgd" with Nesterov momentum, or "adam".
        momentum: of SGD; Adam's first moment decays by it too.
        weight_decay: L2 penalty on weights, not on biases.
        schedule: "one-cycle" rises linearly over the first `warmup` of all steps and falls to zero along a
            half cosine; "cosine" only falls; "constant" stays.
        warmup: the part of "one-cycle" that rises.
        label_smoothing: probability that is spread evenly over all classes.
        augmentation: "shift" moves every image by up to `shift` pixels each way (the border is repeated),
            "shift+flip" also mirrors half of them left to right.
        shift: pixels.
        distillation: weight of the teacher's softened answer in the loss, 0 to 1; nothing without a teacher.
        temperature: by which both answers are softened.
        refit_scales: choose the weights' radix points anew at the start of every epoch but the first.
        seed: of the order of the images, of augmentation and of dropout.

    Raises:
        RequestError: a value is out of its range; the message gives field, range and value.
    """

    epochs: int
    batch_size: int = 64
    learning_rate: float = 0.05
    optimizer: Optimizer = "sgd"
    momentum: float = 0.9
    weight_decay: float = 0.0
    schedule: Schedule = "one-cycle"
    warmup: float = 0.2
    label_smoothing: float = 0.0
    augmentation: Augmentation = "none"
    shift: int = 2
    distillation: float = 0.5
    temperature: float = 3.0
    refit_scales: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise unknown_name(f"Recipe.{name}", str(getattr(self, name)), choices)
        for name, (least, most, whole) in RANGES.items():
            _require(name, getattr(self, name), least, most, whole)
        if not isinstance(self.refit_scales, bool):
            raise RequestError(f"Recipe.refit_scales must be true or false, got {self.refit_scales!r}")

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, strings and booleans, in the order of the fields."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Recipe:
        """The recipe of these values; fields that are left out take their default.

        Raises:
            RequestError: `epochs` is missing, a field is unknown (the nearest is named), or a value is wrong.
        """
        known = [field.name for field in fields(cls)]
        for name in values:
            if name not in known:
                raise unknown_name("field of a recipe", name, known)
        if "epochs" not in values:
            raise RequestError("a recipe needs 'epochs'")
        return cls(**values)

    def decisive(self) -> dict[str, Any]:
        """The fields that are not at their default, and `epochs`: what names this recipe for good.

        A field that bitwatt gains later is at its default in every recipe of today, and so changes no digest.
        """
        return {
            field.name: value
            for field in fields(self)
            if (value := getattr(self, field.name)) != field.default
        }

    @property
    def digest(self) -> str:
        """SHA-256 over what is decisive, the same on every machine."""
        return hashlib.sha256(json.dumps(self.decisive(), sort_keys=True).encode()).hexdigest()

    def learning_rate_at(self, step: int, steps: int) -> float:
        """The rate of step 0 .. steps-1; a function of the step alone, so that training can be resumed."""
        if self.schedule == "constant":
            return self.learning_rate
        rising = self.warmup * steps if self.schedule == "one-cycle" else 0.0
        if step < rising:
            return self.learning_rate * (step + 1) / (math.floor(rising) + 1)
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - rising) / max(steps - rising, 1)))


def _require(name: str, value: object, least: float, most: float, whole: bool) -> None:
    kinds = (int,) if whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, kinds) or not least <= value <= most:
        kind = "a whole number" if whole else "a number"
        raise RequestError(f"Recipe.{name} must be {kind} from {least} to {most}, got {value!r}")
