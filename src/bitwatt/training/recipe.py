"""How a network is trained, as one frozen record: the same recipe and seed give the same weights."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from bitwatt.errors import RequestError, unknown_name
from bitwatt.formats import parse_precisions

Optimizer = Literal["sgd", "adam"]
Schedule = Literal["one-cycle", "cosine", "constant"]
Augmentation = Literal["none", "shift", "shift+flip"]
Start = Literal["given", "scratch"]
Rounding = Literal["nearest", "stochastic"]
WeightMap = Literal["straight-through", "piecewise-affine"]

CHOICES: dict[str, tuple[str, ...]] = {
    "optimizer": get_args(Optimizer),
    "schedule": get_args(Schedule),
    "augmentation": get_args(Augmentation),
    "start": get_args(Start),
    "rounding": get_args(Rounding),
    "weight_map": get_args(WeightMap),
    "gradient_rounding": get_args(Rounding),
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
    "narrowing_share": (0, 1, False),
    "scale_rate": (0, 1, False),
    "anneal_share": (0, 1, False),
    "steepness": (0.01, 1000, False),
    "gradient_bits": (0, 24, True),
    "averaging": (0, 0.999999, False),
}

SWITCHES = ("refit_scales", "refit_activations", "learn_scales", "match_outputs")

QUANTISED_ONLY = (
    "start", "refit_activations", "narrowing", "learn_scales", "weight_map", "rounding", "gradient_bits",
    "match_outputs",
)  # fmt: skip
"""Fields that choose a method for quantised networks; `refit_scales`, too, but a float network ignores it."""

_ROUNDS = "both decide how weights are rounded while training"
_FITS = "scales that are learnt are not fitted anew"
_ONCE = "scales that were matched once would be fitted to the weights anew"
EXCLUSIVE = (
    ("weight_map", "rounding", _ROUNDS),
    ("weight_map", "learn_scales", _ROUNDS),
    ("rounding", "learn_scales", _ROUNDS),
    ("learn_scales", "refit_scales", _FITS),
    ("learn_scales", "refit_activations", _FITS),
    ("learn_scales", "narrowing", _FITS),
    ("match_outputs", "refit_scales", _ONCE),
    ("match_outputs", "refit_activations", _ONCE),
    ("match_outputs", "narrowing", _ONCE),
)
"""Fields of which only one may be set, and why."""


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
        seed: of the order of the images, of augmentation, of dropout and of stochastic rounding.

    Methods for quantised networks, each with its source in its file in `bitwatt.training.methods`:
        start: "scratch" draws first weights in the place of those given; "given" trains on from them.
        refit_activations: choose the radix points of weights and activations anew, on training images, at
            the start of every epoch but the first.
        narrowing: precisions to go through first, with commas: "fixed16,fixed8"; the network's own is last.
        narrowing_share: share of the epochs that those get, equally.
        weight_map: "straight-through" rounds weights from the first step; "piecewise-affine" (PARQ) lets
            them slide onto the grid over the first `anneal_share` of all steps.
        steepness: of the sigmoid along which they do.
        rounding: of weights and activations in the forward pass of training; evaluation is to nearest.
        learn_scales: learn the logarithms of weights' and activations' scales, kept powers of two (TQT).
        scale_rate: highest rate of those logarithms; it follows `schedule`.
        gradient_bits: round the gradients of layers' sums to so many bits; 0 leaves them.
        gradient_rounding: how.
        match_outputs: choose weights' scales, before training, that give each layer's sums the size they had
            in float, in the place of those nearest to the weights.

    For any network:
        averaging: decay of the moving average of all weights that replaces them in the end; 0 for none.

    Raises:
        RequestError: a value is out of its range (the message gives field, range and value), or two methods
            exclude each other.
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
    start: Start = "given"
    refit_activations: bool = False
    narrowing: str = ""
    narrowing_share: float = 0.5
    weight_map: WeightMap = "straight-through"
    anneal_share: float = 0.75
    steepness: float = 10.0
    rounding: Rounding = "nearest"
    learn_scales: bool = False
    scale_rate: float = 0.01
    gradient_bits: int = 0
    gradient_rounding: Rounding = "stochastic"
    averaging: float = 0.0
    match_outputs: bool = False

    def __post_init__(self) -> None:
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise unknown_name(f"Recipe.{name}", str(getattr(self, name)), choices)
        for name, (least, most, whole) in RANGES.items():
            _require(name, getattr(self, name), least, most, whole)
        for name in SWITCHES:
            if not isinstance(getattr(self, name), bool):
                raise RequestError(f"Recipe.{name} must be true or false, got {getattr(self, name)!r}")
        self._check_methods()

    def _check_methods(self) -> None:
        if not isinstance(self.narrowing, str):
            raise RequestError(
                f"Recipe.narrowing must be precisions with commas between them, got {self.narrowing!r}"
            )
        if self.narrowing:
            try:
                parse_precisions(self.narrowing)
            except RequestError as error:
                raise RequestError(f"Recipe.narrowing: {error}") from None
        if self.gradient_bits == 1:
            raise RequestError("Recipe.gradient_bits must be 0, or 2 or more: a sign bit and one beside it")
        decisive = self.decisive()
        for one, other, why in EXCLUSIVE:
            if one in decisive and other in decisive:
                raise RequestError(f"Recipe.{one} and Recipe.{other} exclude each other: {why}")

    def quantised_only(self) -> list[str]:
        """The fields that are set to a method for quantised networks alone."""
        decisive = self.decisive()
        return [name for name in QUANTISED_ONLY if name in decisive]

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
