"""A random model: blocks that fit the shape of the value made last, written as a user would write them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

Function = Callable[..., Tensor]


class DrawnModel(nn.Module):
    """Steps, each a layer or a function of earlier values; the first values are the images of each input."""

    def __init__(self, inputs: int = 1) -> None:
        super().__init__()
        self.inputs = inputs
        self.steps: list[tuple[str | Function, tuple[int, ...]]] = []

    def add(self, step: nn.Module | Function, inputs: tuple[int, ...], name: str = "") -> int:
        """Append a step; a module gets the name. Returns the number of its value."""
        if isinstance(step, nn.Module):
            self.add_module(name, step)
            self.steps.append((name, inputs))
        else:
            self.steps.append((step, inputs))
        return self.inputs - 1 + len(self.steps)

    def forward(self, *images: Tensor) -> Tensor:
        """The value of the last step."""
        values = list(images)
        for step, inputs in self.steps:
            run = getattr(self, step) if isinstance(step, str) else step
            values.append(run(*(values[index] for index in inputs)))
        return values[-1]

    def extra_repr(self) -> str:
        """What `print` shows."""
        return "; ".join(
            f"{at} = {step if isinstance(step, str) else step.__name__}{inputs}"
            for at, (step, inputs) in enumerate(self.steps, start=self.inputs)
        )


class Drawing:
    """A model while it is drawn: the value made last, and its shape for one image.

    others: inputs besides the first. They are joined to the network before its body, or in its head.
    """

    def __init__(self, random: np.random.Generator, kinds: frozenset[str], others: int = 0) -> None:
        self.random, self.kinds = random, kinds
        self.model = DrawnModel(1 + others)
        self.value = 0
        self.convolutions: list[tuple[str, tuple[int, ...], tuple[int, ...]]] = []
        self.names = 0
        self.joined = self.flattened = False
        reads = [kind for kind in ("maps", "maps", "sequences", "features") if kind in kinds]
        self.shape: tuple[int, ...]
        match self._pick(reads):
            case "maps":
                self.shape = (self._integer(1, 5), self._integer(4, 9), self._integer(4, 9))
            case "sequences":
                self.shape = (self._integer(1, 5), self._integer(6, 16))
            case _:
                self.shape = (self._integer(2, 24),)
        self.input_shapes: list[tuple[int, ...]] = [self.shape, *[()] * others]
        waiting = range(1, 1 + others)
        self.early = [place for place in waiting if self._chance(0.4)]
        self.late = [place for place in waiting if place not in self.early]

    def _pick(self, options: Sequence[str]) -> str:
        return options[int(self.random.integers(len(options)))]

    def _integer(self, low: int, high: int) -> int:
        return int(self.random.integers(low, high + 1))

    def _chance(self, probability: float) -> bool:
        return bool(self.random.random() < probability)

    def put(self, step: nn.Module | Function, *others: int) -> None:
        """Append a step that reads the value made last, and others."""
        self.names += 1
        name = f"{type(step).__name__.lower()}{self.names}" if isinstance(step, nn.Module) else ""
        self.value = self.model.add(step, (self.value, *others), name)

    def body(self) -> None:
        """One to three blocks."""
        blocks: list[tuple[str, Callable[[], None]]] = [("", self._layer), ("", self._layer)]
        blocks += [("add", self.residual), ("add", self.residual), ("concat", self._concatenation)]
        blocks += [("max pool", self._max_pool), ("average pool", self._average_pool)]
        blocks += [("pad", self._zero_pad), ("pad", self._zero_pad), ("shared", self.again)]
        usable = [block for kind, block in blocks if not kind or kind in self.kinds]
        for place in self.early:
            self._join(place, self.shape)
        if self._chance(0.15):
            self._activation()
        for _ in range(self._integer(1, 3)):
            usable[int(self.random.integers(len(usable)))]()
            if self._chance(0.6):
                self._activation()

    def head(self) -> None:
        """To features, and one or two fully connected layers."""
        if len(self.shape) > 1:
            self._to_features()
        for place in self.late:
            self._join_features(place)
        if self._chance(0.5):
            self.weighted(self._integer(2, 12))
            self._activation()
            if "add" in self.kinds and self._chance(0.4):
                self.residual()
        self.weighted(self._integer(2, 6), bare=True)
        if "softmax" in self.kinds and self._chance(0.15):
            self.put(nn.Softmax(1) if self._chance(0.5) else _log_softmax)

    def _join(self, place: int, shape: tuple[int, ...]) -> None:
        """An input that is added as it is to the value made last, of that shape, or concatenated to it."""
        if self._adds():
            self.input_shapes[place] = shape
            self.put(_add, place)
            return
        self.input_shapes[place] = (self._integer(1, 4), *shape[1:])
        self.joined = True
        self.put(_concat, place)
        self.shape = (shape[0] + self.input_shapes[place][0], *shape[1:])

    def _adds(self) -> bool:
        """Whether an input is added, not concatenated; to a flattened map nothing else can be."""
        return "add" in self.kinds and not self.flattened and self._chance(0.4)

    def _join_features(self, place: int) -> None:
        """An input that is joined as it is, or through layers of its own, maybe from maps."""
        if self._chance(0.3):
            self._join(place, self.shape)
            return
        first, features, adds = self.value, self.shape[0], self._adds()
        options = [(self._integer(2, 9),), (self._integer(1, 3), self._integer(2, 5), self._integer(2, 5))]
        self.value, self.shape = place, options[int(self._chance(0.4) and "maps" in self.kinds)]
        self.input_shapes[place] = self.shape
        if len(self.shape) > 1:
            self.weighted(self._integer(1, 4))
            self._activation()
            self._to_features()
        self.weighted(features if adds else self._integer(2, 6))
        made, self.value = self.value, first
        self.put(_add if adds else _concat, made)
        self.joined |= not adds
        self.shape = (features,) if adds else (features + self.shape[0],)

    def _to_features(self) -> None:
        axes = tuple(range(2, len(self.shape) + 1))
        if "average pool" in self.kinds and self._chance(0.5):
            if self._chance(0.5):
                self.put(_Mean(axes))
            else:
                self.put(nn.AdaptiveAvgPool2d(1) if len(axes) == 2 else nn.AdaptiveAvgPool1d(1))
                self.put(_flatten if self._chance(0.5) else nn.Flatten())
            self.shape = self.shape[:1]
        else:
            self.put(_flatten if self._chance(0.5) else nn.Flatten())
            self.shape = (int(np.prod(self.shape)),)
            self.flattened = True

    def _layer(self) -> None:
        self.weighted(self._integer(1, 6))

    def weighted(self, outputs: int, *, same_size: bool = False, bare: bool = False) -> None:
        """A convolution or a fully connected layer, and a normalisation or none."""
        bias = self._chance(0.7)
        if len(self.shape) == 1:
            module: nn.Module = nn.Linear(self.shape[0], outputs, bias)
            self.put(module)
            self.shape = (outputs,)
        else:
            module = self._convolution(outputs, same_size, bias)
            before = self.shape
            self.put(module)
            outputs = module.out_channels
            self.shape = (outputs, *_convolved(module, before))
            if self.shape == before:
                self.convolutions.append((self.model.steps[-1][0], before, self.shape))  # type: ignore[arg-type]
        if "batch norm" in self.kinds and not bare and self._chance(0.4):
            self.put(nn.BatchNorm2d(outputs) if len(self.shape) == 3 else nn.BatchNorm1d(outputs))

    def _convolution(self, outputs: int, same_size: bool, bias: bool) -> nn.Conv1d | nn.Conv2d:
        channels, *sizes = self.shape
        groups = 1
        if "groups" in self.kinds and self._chance(0.4):
            groups = channels if self._chance(0.6) else next(g for g in (2, 3, 1) if channels % g == 0)
            outputs = channels if same_size else groups * self._integer(1, 2)
            groups = groups if outputs % groups == 0 else 1
        kernel, stride, padding, dilation = [], [], [], []
        for size in sizes:
            reach = (
                self._integer(0, min(2, (size - 1) // 2)) if same_size else self._integer(0, min(3, size - 1))
            )
            gap = 2 if "dilation" in self.kinds and reach == 2 and self._chance(0.3) else 1
            kernel.append(2 * (reach // gap) + 1 if same_size else reach // gap + 1)
            dilation.append(gap)
            stride.append(1 if same_size else self._integer(1, 2))
            padding.append(gap * (reach // gap) if same_size else self._integer(0, 2))
        options = (tuple(part) for part in (kernel, stride, padding, dilation))
        make: Any = nn.Conv1d if len(sizes) == 1 else nn.Conv2d
        made: nn.Conv1d | nn.Conv2d = make(channels, outputs, *options, groups, bias)
        return made

    def residual(self) -> None:
        """The value and what one or two layers make of it, added; or that and another layer's."""
        start, shape = self.value, self.shape
        for last in range(self._integer(1, 2)):
            if last:
                self._activation()
            self.weighted(shape[0], same_size=True)
        if self.shape != shape:
            return
        after, self.value = self.value, start
        if self._chance(0.3):
            self.weighted(shape[0], same_size=True)
            if self.shape != shape:
                return
        operands = [after, self.value] if self._chance(0.5) else [self.value, after]
        self.value = operands[0]
        self.put(_add if self._chance(0.7) else torch.add, operands[1])

    def _concatenation(self) -> None:
        start, shape = self.value, self.shape
        branches = []
        for _ in range(self._integer(2, 3)):
            self.value, self.shape = start, shape
            if self._chance(0.8):
                self.weighted(self._integer(1, 4), same_size=True)
                if self._chance(0.5):
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
                getattr(self.model, self._pick(fitting)), (self.value,), self._pick(fitting[:1])
            )

    def _max_pool(self) -> None:
        self._pool(nn.MaxPool1d, nn.MaxPool2d)

    def _average_pool(self) -> None:
        self._pool(nn.AvgPool1d, nn.AvgPool2d)

    def _pool(self, line: type[nn.Module], plane: type[nn.Module]) -> None:
        if len(self.shape) == 1:
            return
        sizes = self.shape[1:]
        kernel = tuple(self._integer(1, min(3, size)) for size in sizes)
        stride = tuple(self._integer(1, 3) for _ in sizes)
        padding = tuple(self._integer(0, k // 2) for k in kernel)
        options: dict[str, bool] = {"ceil_mode": self._chance(0.4)}
        if plane is nn.AvgPool2d:
            options["count_include_pad"] = self._chance(0.5)
        self.put((plane if len(sizes) == 2 else line)(kernel, stride, padding, **options))
        self.shape = (self.shape[0], *_after(getattr(self.model, str(self.model.steps[-1][0])), self.shape))

    def _zero_pad(self) -> None:
        if len(self.shape) == 1 or max(self.shape[1:]) > 9:
            return
        edges = tuple(self._integer(0, 2) for _ in range(2 * (len(self.shape) - 1)))
        if len(self.shape) == 2:
            self.put(nn.ZeroPad1d(edges))  # type: ignore[arg-type]
            self.shape = (self.shape[0], self.shape[1] + sum(edges))
        else:
            self.put(nn.ZeroPad2d(edges))  # type: ignore[arg-type]
            self.shape = (self.shape[0], self.shape[1] + sum(edges[2:]), self.shape[2] + sum(edges[:2]))

    def _activation(self) -> None:
        options: list[nn.Module | Function] = [nn.ReLU(), nn.ReLU(inplace=True), _relu]
        options += [nn.Dropout(0.3), nn.Identity()] if self._chance(0.3) else []
        if "clip" in self.kinds and self._chance(0.4):
            options = [nn.ReLU6(), functional.relu6, nn.Hardtanh(-1.0, 2.0)]
        elif "table" in self.kinds and self._chance(0.4):
            options = [nn.LeakyReLU(0.25), nn.Hardswish(), functional.hardswish, nn.Hardsigmoid()]
        self.put(options[int(self.random.integers(len(options)))])

    def mixed(self, activations: str) -> dict[str, str]:
        """Other precisions for some layers; the same activations where values are concatenated."""
        found = {}
        for name, module in self.model.named_modules():
            if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Linear) and self._chance(0.5):
                weights = self._pick(("fixed8", "fixed4", "ternary", "pow2-3"))
                others = activations if self.joined else self._pick(("fixed8", "fixed6", "fixed4"))
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
