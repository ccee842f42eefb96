"""Random networks, as a user would write them, to compare every way of executing one.

    for seed in range(200):
        drawn = draw_network(seed)
        program = drawn.program
        expected = reference.logits(program, drawn.images.numpy())
        ...                              # an export, a simulation, compared with that

A network is decided by its seed alone. `kinds` leaves out what an executor does not do yet; a network without
residuals, say, is another one, not the same with a part missing. Nothing is trained: weights, statistics of
normalisations and images are random.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn

from bitwatt.formats import EXHAUSTIBLE_BITS, parse_precision
from bitwatt.program import Program, lower
from bitwatt.quantization import QuantizedNetwork, quantize
from bitwatt.testing.drawn_model import Drawing

KINDS = frozenset(
    {"maps", "sequences", "features", "batch norm", "groups", "dilation", "add", "concat", "pad", "clip"}
    | {"table", "max pool", "average pool", "shared", "mixed", "softmax", "inputs"}
)
"""What a network may be made of, besides convolutions, fully connected layers and ReLU.

maps, sequences, features: what it may read. clip: ReLU6. table: LeakyReLU, Hardsigmoid, Hardswish. shared: a
module that is used twice. mixed: precisions of single layers. inputs: several, where there is "concat"
too.
"""

NARROW = (
    *("fixed8", "fixed4", "fixed2", "binary:fixed8", "ternary:fixed4", "ternary:fixed2", "pow2-3:fixed8"),
    *("fixed4:fixed8", "fixed8:fixed4", "fixed8:ufixed8", "e2m1:e2m1", "pow2-3:e2m1"),
)
"""Precisions at which float32 holds the sums of small networks, so that the module itself is exact."""

WIDE = ("fixed16", "pow2", "binary", "fixed16:fixed8", "e4m3:e4m3", "fixed12:fixed16", "fixed24", "float32")
"""Precisions at which the module rounds, and only the program is exact; float32 has an order of additions."""


@dataclass(frozen=True, eq=False)
class DrawnNetwork:
    """A model in evaluation mode, images for each input, (count, ...), and what `quantize` is given."""

    seed: int
    model: nn.Module
    inputs: tuple[Tensor, ...]
    precision: str
    granularity: str | None
    layers: dict[str, str]

    @property
    def images(self) -> Tensor:
        """Those of the first input."""
        return self.inputs[0]

    @cached_property
    def network(self) -> QuantizedNetwork:
        """The module on the grid, calibrated on the images; in evaluation mode."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # a softmax at the end is left out
            made = quantize(
                self.model,
                self.precision,
                calibration=self.inputs,
                granularity=self.granularity,
                layers=self.layers,
            )
        return made.eval()

    @cached_property
    def program(self) -> Program:
        """What the network is lowered to."""
        return lower(self.network, self.inputs, network=f"drawn{self.seed}")

    def __str__(self) -> str:
        of = f", layers {self.layers}" if self.layers else ""
        return f"network {self.seed}, {self.precision}{of}, {self.granularity} scales:\n{self.model}"


def draw_network(
    seed: int, *, kinds: Iterable[str] = KINDS, precisions: Sequence[str] = (*NARROW, *NARROW, *WIDE)
) -> DrawnNetwork:
    """The network of that seed, made of `kinds`, at one of `precisions`.

    Raises `ValueError` for other kinds than `KINDS`, or none that is read.
    """
    allowed = frozenset(kinds)
    if not allowed <= KINDS or not allowed & {"maps", "sequences", "features"}:
        raise ValueError(
            f"kinds must be some of {sorted(KINDS)}, with one that is read; got {sorted(allowed)}"
        )
    random = np.random.default_rng(seed)
    precision = str(random.choice(precisions))
    if parse_precision(precision).activations.bits > EXHAUSTIBLE_BITS:
        allowed -= {"table"}
    # Drawn from elsewhere, so that a network of one input is the same whether there could be more or not.
    other = np.random.default_rng([seed, 1])
    others = int(other.choice([0, 1, 2], p=[0.75, 0.2, 0.05])) if {"inputs", "concat"} <= allowed else 0
    drawing = Drawing(random, allowed, others)
    drawing.body()
    drawing.head()
    generator = torch.Generator().manual_seed(seed)
    _initialise(drawing.model, generator)
    first, *shapes = drawing.input_shapes
    inputs = [torch.randn(3, *first, generator=generator) * float(2.0 ** random.integers(-4, 5))]
    inputs += [
        torch.randn(3, *shape, generator=generator) * float(2.0 ** other.integers(-4, 5)) for shape in shapes
    ]
    layers = {}
    if "mixed" in allowed and precision != "float32" and random.random() < 0.3:
        layers = drawing.mixed(str(parse_precision(precision).activations))
    granularity = random.choice(["tensor", "channel", "own"])
    return DrawnNetwork(
        seed,
        drawing.model.eval(),
        tuple(inputs),
        precision,
        None if granularity == "own" else str(granularity),
        layers,
    )


@torch.no_grad()
def _initialise(model: nn.Module, generator: torch.Generator) -> None:
    for module in model.modules():
        if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Linear):
            fan_in = module.weight[0].numel()
            module.weight.normal_(0, fan_in**-0.5, generator=generator)
            if module.bias is not None:
                module.bias.normal_(0, 0.5, generator=generator)
        elif isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.weight.uniform_(-1.5, 1.5, generator=generator)
            module.bias.normal_(0, 0.5, generator=generator)
            if module.running_mean is not None and module.running_var is not None:
                module.running_mean.normal_(0, 0.5, generator=generator)
                module.running_var.uniform_(0.25, 2, generator=generator)
