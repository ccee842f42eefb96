"""A model's forward as a graph of calls, each with the value that it has for an example.

Traced by `torch.fx` rather than `torch.export`. fx leaves a layer whole (its path, its options, its module),
which is what errors, per-layer precisions and state dictionaries are called by, where export gives ATen
calls; it goes on after what it cannot trace, so that all offenders can be named at once; and it takes
milliseconds. What export does better is done here too: the example runs beside the trace, so that shapes
are plain numbers (`x.view(x.size(0), -1)`, `if x.shape[2] > 1`), while control flow on the data is refused.
"""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor, fx, nn

ROOT = "model"
"""Where the user's model lies in the module that is traced."""


class Called(nn.Module):
    """Calls the model with the images of each input, whatever else it could take."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, *images: Tensor) -> Any:
        """What the model makes of the images."""
        return self.model(*images)


class Valued(fx.Proxy):
    """A symbolic value that also knows what it is for the example; None where that could not be computed."""

    value: Any = None

    @property
    def shape(self) -> Any:
        """As of a tensor, and so are the others."""
        return self._known("shape")

    @property
    def ndim(self) -> Any:
        """Number of dimensions."""
        return self._known("ndim")

    @property
    def dtype(self) -> Any:
        """Type of the elements."""
        return self._known("dtype")

    @property
    def device(self) -> Any:
        """Where it lies."""
        return self._known("device")

    def size(self, *dimension: int) -> Any:
        """Lengths of all dimensions, or of one."""
        return (
            self.value.size(*dimension) if isinstance(self.value, Tensor) else self._call("size", dimension)
        )

    def dim(self) -> Any:
        """Number of dimensions."""
        return self._known("ndim")

    def is_contiguous(self, *options: Any, **named: Any) -> Any:
        """Whether its elements lie in order."""
        return self.value.is_contiguous(*options, **named)

    def is_floating_point(self) -> Any:
        """Whether its elements are floating point."""
        return self.value.is_floating_point()

    def numel(self) -> Any:
        """Number of elements."""
        return self.value.numel() if isinstance(self.value, Tensor) else self._call("numel", ())

    def __len__(self) -> int:
        if self.value is None:
            return int(super().__len__())
        return len(self.value)

    def _known(self, name: str) -> Any:
        return getattr(self.value, name) if isinstance(self.value, Tensor) else fx.proxy.Attribute(self, name)

    def _call(self, name: str, arguments: tuple[Any, ...]) -> Any:
        return self.tracer.create_proxy("call_method", name, (self, *arguments), {})


class Tracer(fx.Tracer):
    """Traces through the user's own modules, takes PyTorch's whole, notes and skips what cannot be traced.

    values: of every node for the example. untraceable: why, by the path of a module that is taken whole for
    that. failed: why the example could not go through a node. scopes: path of the module a node is in.
    """

    def __init__(self, example: tuple[Tensor, ...]) -> None:
        super().__init__()
        self.example = example
        self.values: dict[fx.Node, Any] = {}
        self.untraceable: dict[str, str] = {}
        self.failed: dict[fx.Node, str] = {}
        self.scopes: dict[fx.Node, str] = {}
        self.running = False
        """True while the example goes through a node: modules then run, and are not traced."""

    def create_args_for_root(self, root_fn: Any, is_module: bool, concrete_args: Any = None) -> Any:
        """`Called.forward`, and a placeholder for the images of each input."""
        names = ("images", *(f"images_{place}" for place in range(2, len(self.example) + 1)))
        return root_fn, [self.root, *(self.create_proxy("placeholder", name, (), {}) for name in names)]

    def proxy(self, node: fx.Node) -> Valued:
        """A proxy with a value."""
        return Valued(node, self)

    def create_proxy(self, kind: str, target: Any, args: Any, kwargs: Any, *others: Any, **named: Any) -> Any:
        """The proxy, with the value that it stands for."""
        made = super().create_proxy(kind, target, args, kwargs, *others, **named)
        self.scopes[made.node] = relative(target if kind == "call_module" else self.scope.module_path)
        if isinstance(made, Valued):
            made.value = self.values[made.node] = self._value(made.node, kind, target, args, kwargs)
        return made

    def call_module(self, m: nn.Module, forward: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The module traced through, or one node where it cannot be."""
        if self.running:
            return forward(*args, **kwargs)
        stack = dict(self.module_stack)
        try:
            return super().call_module(m, forward, args, kwargs)
        except Exception as error:  # whatever the user's forward raises on a symbolic value
            if isinstance(m, Called) or self.path_of_module(m) == ROOT:
                raise
            self.module_stack.clear()
            self.module_stack.update(stack)
            path = self.path_of_module(m)
            self.untraceable[relative(path)] = untraceable(error)
            return self.create_proxy("call_module", path, args, kwargs)

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Any]) -> Any:
        """A parameter as a node of the graph."""
        return attr_val if self.running else super().getattr(attr, attr_val, parameter_proxy_cache)

    def _value(self, node: fx.Node, kind: str, target: Any, args: Any, kwargs: Any) -> Any:
        if kind == "placeholder":
            return self.example[sum(known.op == "placeholder" for known in self.values)]
        if kind == "output":
            return None
        given, named = (fx.node.map_aggregate(part, _plain) for part in (args, kwargs))
        if any(a is _UNKNOWN for a in _leaves((given, named))):
            return None
        if target is nn.functional.dropout:  # as in evaluation
            return given[0] if given else named["input"]
        self.running = True
        try:
            match kind:
                case "get_attr":
                    return _attribute(self.root, target)
                case "call_function":
                    return target(*given, **named)
                case "call_method":
                    return getattr(given[0], target)(*given[1:], **named)
                case _:
                    return self.root.get_submodule(target)(*given, **named)
        except Exception as error:  # whatever PyTorch, or the user's module, raises on these shapes
            self.failed[node] = first_line(error)
            return None
        finally:
            self.running = False


def trace(model: nn.Module, example: tuple[Tensor, ...]) -> tuple[fx.Graph, Tracer]:
    """The graph of `model`, run on `example`, a tensor for each input, as in evaluation.

    The model is left as it was.

    Raises whatever its forward raises, where it cannot be traced at all.
    """
    tracer = Tracer(example)
    training = {module: module.training for module in model.modules()}
    try:
        model.eval()
        with torch.no_grad(), torch.random.fork_rng(devices=[]), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of layers that are refused here with a reason
            return tracer.trace(Called(model)), tracer
    finally:
        for module, mode in training.items():
            module.training = mode


def relative(path: str) -> str:
    """A path of the module that is traced, as one of the user's model."""
    return path.removeprefix(ROOT).removeprefix(".")


def untraceable(error: Exception) -> str:
    """Why a forward could not be traced."""
    return f"its forward depends on the data's values or shape ({first_line(error)})"


def first_line(error: Exception) -> str:
    """Of an error's message; its type where it has none."""
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


_UNKNOWN = object()


def _plain(argument: Any) -> Any:
    if not isinstance(argument, fx.Proxy):
        return argument
    value = getattr(argument, "value", None)
    return _UNKNOWN if value is None else value


def _leaves(nested: Any) -> list[Any]:
    found: list[Any] = []
    fx.node.map_aggregate(nested, lambda a: found.append(a))
    return found


def _attribute(root: nn.Module, path: str) -> Any:
    value: Any = root
    for name in path.split("."):
        value = getattr(value, name)
    return value
