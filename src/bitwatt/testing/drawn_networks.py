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
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from bitwatt.formats import EXHAUSTIBLE_BITS, parse_precision
from bitwatt.program import Program, lower
from bitwatt.quantization import QuantizedNetwork, quantize

KINDS = frozenset(
    {"maps", "sequences", "features", "batch norm", "groups", "dilation", "add", "concat", "pad", "clip"}
    | {"table", "max pool", "average pool", "shared", "mixed", "softmax"}
)
"""What a network may be made of, besides convolutions, fully connected layers and ReLU.

maps, sequences, features: what it may read. clip: ReLU6. table: LeakyReLU, Hardsigmoid, Hardswish. shared: a
module that is used twice. mixed: precisions of single layers.
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
    """A model in evaluation mode, images for it, (count, ...), and what `quantize` is given."""

    seed: int
    model: nn.Module
    images: Tensor
    precision: str
    granularity: str | None
    layers: dict[str, str]

    @cached_property
    def network(self) -> QuantizedNetwork:
        """The module on the grid, calibrated on the images; in evaluation mode."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # a softmax at the end is left out
            made = quantize(
                self.model,
                self.precision,
                calibration=self.images,
                granularity=self.granularity,
                layers=self.layers,
            )
        return made.eval()

    @cached_property
    def program(self) -> Program:
        """What the network is lowered to."""
        return lower(self.network, self.images[:1], network=f"drawn{self.seed}")

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
    drawing = _Drawing(random, allowed)
    drawing.body()
    drawing.head()
    generator = torch.Generator().manual_seed(seed)
    _initialise(drawing.model, generator)
    shape = drawing.input_shape
    images = torch.randn(3, *shape, generator=generator) * float(2.0 ** random.integers(-4, 5))
    layers = {}
    if "mixed" in allowed and precision != "float32" and random.random() < 0.3:
        layers = drawing.mixed(str(parse_precision(precision).activations))
    granularity = random.choice(["tensor", "channel", "own"])
    return DrawnNetwork(
        seed,
        drawing.model.eval(),
        images,
        precision,
        None if granularity == "own" else str(granularity),
        layers,
    )


Function = Callable[..., Tensor]


class DrawnModel(nn.Module):
    """Steps, each a layer or a function of earlier values; value 0 is the images."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[tuple[str | Function, tuple[int, ...]]] = []

    def add(self, step: nn.Module | Function, inputs: tuple[int, ...], name: str = "") -> int:
        """Append a step; a module gets the name. Returns the number of its value."""
        if isinstance(step, nn.Module):
            self.add_module(name, step)
            self.steps.append((name, inputs))
        else:
            self.steps.append((step, inputs))
        return len(self.steps)

    def forward(self, images: Tensor) -> Tensor:
        """The value of the last step."""
        values = [images]
        for step, inputs in self.steps:
            run = getattr(self, step) if isinstance(step, str) else step
            values.append(run(*(values[index] for index in inputs)))
        return values[-1]

    def extra_repr(self) -> str:
        """What `print` shows."""
        return "; ".join(
            f"{at} = {step if isinstance(step, str) else step.__name__}{inputs}"
            for at, (step, inputs) in enumerate(self.steps, start=1)
        )


class _Drawing:
    """A model while it is drawn: the value made last, and its shape for one image."""

    def __init__(self, random: np.random.Generator, kinds: frozenset[str]) -> None:
        self.random, self.kinds = random, kinds
        self.model = DrawnModel()
        self.value = 0
        self.convolutions: list[tuple[str, tuple[int, ...], tuple[int, ...]]] = []
        self.names = 0
        self.joined = False
        reads = [kind for kind in ("maps", "maps", "sequences", "features") if kind in kinds]
        self.shape: tuple[int, ...]
        match self.pick(reads):
            case "maps":
                self.shape = (self.integer(1, 5), self.integer(4, 9), self.integer(4, 9))
            case "sequences":
                self.shape = (self.integer(1, 5), self.integer(6, 16))
            case _:
                self.shape = (self.integer(2, 24),)
        self.input_shape = self.shape

    def pick(self, options: Sequence[str]) -> str:
        return options[int(self.random.integers(len(options)))]

    def integer(self, low: int, high: int) -> int:
        return int(self.random.integers(low, high + 1))

    def chance(self, probability: float) -> bool:
        return bool(self.random.random() < probability)

    def put(self, step: nn.Module | Function, *others: int) -> None:
        """Append a step that reads the value made last, and others."""
        self.names += 1
        name = f"{type(step).__name__.lower()}{self.names}" if isinstance(step, nn.Module) else ""
        self.value = self.model.add(step, (self.value, *others), name)

    def body(self) -> None:
        """One to three blocks."""
        blocks: list[tuple[str, Callable[[], None]]] = [("", self.layer), ("", self.layer)]
        blocks += [("add", self.residual), ("add", self.residual), ("concat", self.concatenation)]
        blocks += [("max pool", self.max_pool), ("average pool", self.average_pool)]
        blocks += [("pad", self.zero_pad), ("pad", self.zero_pad), ("shared", self.again)]
        usable = [block for kind, block in blocks if not kind or kind in self.kinds]
        if self.chance(0.15):
            self.activation()
        for _ in range(self.integer(1, 3)):
            usable[int(self.random.integers(len(usable)))]()
            if self.chance(0.6):
                self.activation()

    def head(self) -> None:
        """To features, and one or two fully connected layers."""
        if len(self.shape) > 1:
            self.to_features()
        if self.chance(0.5):
            self.weighted(self.integer(2, 12))
            self.activation()
            if "add" in self.kinds and self.chance(0.4):
                self.residual()
        self.weighted(self.integer(2, 6), bare=True)
        if "softmax" in self.kinds and self.chance(0.15):
            self.put(nn.Softmax(1) if self.chance(0.5) else _log_softmax)

    def to_features(self) -> None:
        axes = tuple(range(2, len(self.shape) + 1))
        if "average pool" in self.kinds and self.chance(0.5):
            if self.chance(0.5):
                self.put(_Mean(axes))
            else:
                self.put(nn.AdaptiveAvgPool2d(1) if len(axes) == 2 else nn.AdaptiveAvgPool1d(1))
                self.put(_flatten if self.chance(0.5) else nn.Flatten())
            self.shape = self.shape[:1]
        else:
            self.put(_flatten if self.chance(0.5) else nn.Flatten())
            self.shape = (int(np.prod(self.shape)),)

    def layer(self) -> None:
        self.weighted(self.integer(1, 6))

    def weighted(self, outputs: int, *, same_size: bool = False, bare: bool = False) -> None:
        """A convolution or a fully connected layer, and a normalisation or none."""
        bias = self.chance(0.7)
        if len(self.shape) == 1:
            module: nn.Module = nn.Linear(self.shape[0], outputs, bias)
            self.put(module)
            self.shape = (outputs,)
        else:
            module = self.convolution(outputs, same_size, bias)
            before = self.shape
            self.put(module)
            outputs = module.out_channels
            self.shape = (outputs, *_convolved(module, before))
            if self.shape == before:
                self.convolutions.append((self.model.steps[-1][0], before, self.shape))  # type: ignore[arg-type]
        if "batch norm" in self.kinds and not bare and self.chance(0.4):
            self.put(nn.BatchNorm2d(outputs) if len(self.shape) == 3 else nn.BatchNorm1d(outputs))

    def convolution(self, outputs: int, same_size: bool, bias: bool) -> nn.Conv1d | nn.Conv2d:
        channels, *sizes = self.shape
        groups = 1
        if "groups" in self.kinds and self.chance(0.4):
            groups = channels if self.chance(0.6) else next(g for g in (2, 3, 1) if channels % g == 0)
            outputs = channels if same_size else groups * self.integer(1, 2)
            groups = groups if outputs % groups == 0 else 1
        kernel, stride, padding, dilation = [], [], [], []
        for size in sizes:
            reach = (
                self.integer(0, min(2, (size - 1) // 2)) if same_size else self.integer(0, min(3, size - 1))
            )
            gap = 2 if "dilation" in self.kinds and reach == 2 and self.chance(0.3) else 1
            kernel.append(2 * (reach // gap) + 1 if same_size else reach // gap + 1)
            dilation.append(gap)
            stride.append(1 if same_size else self.integer(1, 2))
            padding.append(gap * (reach // gap) if same_size else self.integer(0, 2))
        options = (tuple(part) for part in (kernel, stride, padding, dilation))
        make: Any = nn.Conv1d if len(sizes) == 1 else nn.Conv2d
        made: nn.Conv1d | nn.Conv2d = make(channels, outputs, *options, groups, bias)
        return made

    def residual(self) -> None:
        """The value and what one or two layers make of it, added; or that and another layer's."""
        start, shape = self.value, self.shape
        for last in range(self.integer(1, 2)):
            if last:
                self.activation()
            self.weighted(shape[0], same_size=True)
        if self.shape != shape:
            return
        after, self.value = self.value, start
        if self.chance(0.3):
            self.weighted(shape[0], same_size=True)
            if self.shape != shape:
                return
        operands = [after, self.value] if self.chance(0.5) else [self.value, after]
        self.value = operands[0]
        self.put(_add if self.chance(0.7) else torch.add, operands[1])

    def concatenation(self) -> None:
        start, shape = self.value, self.shape
        branches = []
        for _ in range(self.integer(2, 3)):
            self.value, self.shape = start, shape
            if self.chance(0.8):
                self.weighted(self.integer(1, 4), same_size=True)
                if self.chance(0.5):
                    self.put(nn.ReLU())
            branches.append((self.value, self.shape))
        self.joined = True
        self.value = branches[0][0]
        self.put(_concat, *(value for value, _ in branches[1:]))
        self.shape = (sum(part[0] for _, part in branches), *shape[1:])

    def again(self) -> None:
        """A convolution that was used before, where one fits."""
        fitting = [name for name, before, _ in self.convolutions if before == self.shape]
        if fitting:
            self.value = self.model.add(
                getattr(self.model, self.pick(fitting)), (self.value,), self.pick(fitting[:1])
            )

    def max_pool(self) -> None:
        self.pool(nn.MaxPool1d, nn.MaxPool2d)

    def average_pool(self) -> None:
        self.pool(nn.AvgPool1d, nn.AvgPool2d)

    def pool(self, line: type[nn.Module], plane: type[nn.Module]) -> None:
        if len(self.shape) == 1:
            return
        sizes = self.shape[1:]
        kernel = tuple(self.integer(1, min(3, size)) for size in sizes)
        stride = tuple(self.integer(1, 3) for _ in sizes)
        padding = tuple(self.integer(0, k // 2) for k in kernel)
        options: dict[str, bool] = {"ceil_mode": self.chance(0.4)}
        if plane is nn.AvgPool2d:
            options["count_include_pad"] = self.chance(0.5)
        self.put((plane if len(sizes) == 2 else line)(kernel, stride, padding, **options))
        self.shape = (self.shape[0], *_after(getattr(self.model, str(self.model.steps[-1][0])), self.shape))

    def zero_pad(self) -> None:
        if len(self.shape) == 1 or max(self.shape[1:]) > 9:
            return
        edges = tuple(self.integer(0, 2) for _ in range(2 * (len(self.shape) - 1)))
        if len(self.shape) == 2:
            self.put(nn.ZeroPad1d(edges))  # type: ignore[arg-type]
            self.shape = (self.shape[0], self.shape[1] + sum(edges))
        else:
            self.put(nn.ZeroPad2d(edges))  # type: ignore[arg-type]
            self.shape = (self.shape[0], self.shape[1] + sum(edges[2:]), self.shape[2] + sum(edges[:2]))

    def activation(self) -> None:
        options: list[nn.Module | Function] = [nn.ReLU(), nn.ReLU(inplace=True), _relu]
        options += [nn.Dropout(0.3), nn.Identity()] if self.chance(0.3) else []
        if "clip" in self.kinds and self.chance(0.4):
            options = [nn.ReLU6(), functional.relu6, nn.Hardtanh(-1.0, 2.0)]
        elif "table" in self.kinds and self.chance(0.4):
            options = [nn.LeakyReLU(0.25), nn.Hardswish(), functional.hardswish, nn.Hardsigmoid()]
        self.put(options[int(self.random.integers(len(options)))])

    def mixed(self, activations: str) -> dict[str, str]:
        """Other precisions for some layers; the same activations where values are concatenated."""
        found = {}
        for name, module in self.model.named_modules():
            if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Linear) and self.chance(0.5):
                weights = self.pick(("fixed8", "fixed4", "ternary", "pow2-3"))
                others = activations if self.joined else self.pick(("fixed8", "fixed6", "fixed4"))
                found[name] = f"{weights}:{others}"
        return found


def _relu(x: Tensor) -> Tensor:
    return functional.relu(x)


def _add(a: Tensor, b: Tensor) -> Tensor:
    return a + b


def _concat(*parts: Tensor) -> Tensor:
    return torch.cat(parts, dim=1)


def _flatten(x: Tensor) -> Tensor:
    return x.view(x.size(0), -1) if x.is_contiguous() else x.reshape(x.shape[0], -1)


def _log_softmax(x: Tensor) -> Tensor:
    return functional.log_softmax(x, dim=-1)


class _Mean:
    """A mean over axes, as a method."""

    __name__ = "mean"

    def __init__(self, axes: tuple[int, ...]) -> None:
        self.axes = axes

    def __call__(self, x: Tensor) -> Tensor:
        return x.mean(self.axes)


def _convolved(module: nn.Module, shape: tuple[int, ...]) -> tuple[int, ...]:
    return _after(module, shape)


@torch.no_grad()
def _after(module: nn.Module, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Lengths of the axes behind the channels."""
    made: Tensor = module(torch.zeros(1, *shape))
    return tuple(made.shape[2:])


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
