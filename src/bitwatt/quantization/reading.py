"""Nodes of a traced graph as captured layers, each with what can be said against it."""

from __future__ import annotations

from math import prod
from typing import Any

from torch import Tensor, fx, nn

from bitwatt.quantization.captured import INPUT, Add, CapturedLayer, Concat, input_names
from bitwatt.quantization.functions import FUNCTIONS, METHODS, RESHAPES
from bitwatt.quantization.modules import KINDS, Refusal, convert, is_finite
from bitwatt.quantization.tracing import Tracer, first_line


class GraphReader:
    """Turns the nodes of a traced graph into captured layers."""

    def __init__(self, root: nn.Module, tracer: Tracer) -> None:
        self.root, self.tracer = root, tracer
        self.layers: dict[str, CapturedLayer] = {}
        self.value_of: dict[fx.Node, str] = {}
        self.inputs = list(input_names(len(tracer.example)))
        """Names of those that no placeholder was read for yet."""
        self.offenders: list[str] = []
        self.output = INPUT
        self.result: Tensor | None = None
        self.converted: dict[tuple[nn.Module, tuple[int, ...]], tuple[nn.Module, ...]] = {}
        self.taken = {name for name, _ in root.named_modules()}

    def read(self, node: fx.Node) -> None:
        """Append what the node is."""
        match node.op:
            case "placeholder":
                self.value_of[node] = self.inputs.pop(0)
            case "output":
                self._read_output(node)
            case "call_module" | "call_function" | "call_method":
                operands = [a for a in _nodes(node) if a in self.value_of]
                known = isinstance(self.tracer.values[node], Tensor | tuple | list | None)
                if operands and known:
                    self._read_call(node, operands)

    def reachable(self) -> tuple[CapturedLayer, ...]:
        """The layers that the output depends on, in order."""
        wanted = {self.output}
        for layer in reversed(self.layers.values()):
            if layer.path in wanted:
                wanted.update(layer.inputs)
        return tuple(layer for layer in self.layers.values() if layer.path in wanted)

    def _read_output(self, node: fx.Node) -> None:
        result = node.args[0]
        if not isinstance(result, fx.Node) or result not in self.value_of:
            self.offenders.append("the output: must be one tensor that depends on the images")
            if isinstance(result, tuple | list | dict):  # so that what they depend on is judged too
                found = [a for a in _nodes(node) if a in self.value_of]
                names = tuple(self.value_of[a] for a in found)
                self.layers["output"] = CapturedLayer("output", nn.Identity(), names)
                self.output = "output"
            return
        self.output, self.result = self.value_of[result], self.tracer.values[result]

    def _read_call(self, node: fx.Node, operands: list[fx.Node]) -> None:
        inputs = tuple(self.value_of[operand] for operand in operands)
        path, label = self._names(node)
        try:
            modules = self._modules(node, operands)
        except Refusal as refusal:
            objections = [why for why in (str(refusal),) if why]
            if node.op == "call_module":
                scope = self.tracer.scopes[node]
                opaque = self.tracer.untraceable.get(scope)
                objections = [opaque] if opaque else [*objections, *is_finite(self.root.get_submodule(scope))]
            modules = (nn.Identity(),)
        else:
            objections = [why for module in modules for why in is_finite(module)]
        if path == INPUT:
            objections.append("bears the name that stands for the images; rename it")
        result = inputs[0]
        for position, module in enumerate(modules):
            result = path if position == 0 else self._unused(f"{path}_{type(module).__name__.lower()}")
            self.layers[result] = CapturedLayer(result, module, inputs, tuple(objections), label)
            inputs, objections = (result,), []
        if _changes_its_operand(node, self.root):
            self._overwrite(operands[0], result, label, node)
        self.value_of[node] = result

    def _names(self, node: fx.Node) -> tuple[str, str]:
        """The layer's path, and what errors call it."""
        scope = self.tracer.scopes[node]
        if node.op == "call_module":
            path = scope
            kind = type(self.root.get_submodule(path)).__name__
            uses = sum(name == path or name.startswith(f"{path}#") for name in self.layers)
            return (f"{path}#{uses + 1}" if uses else path), f"'{path}' ({kind})"
        called = node.target if isinstance(node.target, str) else node.target.__name__
        kind = "method" if node.op == "call_method" else "function"
        path = self._unused(f"{scope}.{called.strip('_')}" if scope else called.strip("_"))
        return path, f"in '{scope}', {kind} '{called}'" if scope else f"{kind} '{called}'"

    def _unused(self, path: str) -> str:
        candidate, number = path, 1
        while candidate in self.taken or candidate in self.layers or candidate == INPUT:
            number += 1
            candidate = f"{path}_{number}"
        return candidate

    def _modules(self, node: fx.Node, operands: list[fx.Node]) -> tuple[nn.Module, ...]:
        """What the call is among captured layers; raises `Refusal`."""
        value = self.tracer.values[operands[0]]
        if not isinstance(value, Tensor):  # of an offender, or made by one
            return (nn.Identity(),)
        shape, made = tuple(value.shape), self.tracer.values[node]
        if node.op == "call_module":
            module = self.root.get_submodule(self.tracer.scopes[node])
            if type(module) in KINDS:
                self._refuse_failure(node, shape)
            if type(module) is nn.Flatten:
                return _reshaped(
                    shape,
                    made,
                    f"must flatten from dimension 1 to -1, got {module.start_dim} to {module.end_dim}",
                )
            key = (module, shape)
            if key not in self.converted:
                self.converted[key] = convert(module, shape)
            return self.converted[key]
        if node.target in RESHAPES:
            self._refuse_failure(node, shape)
            return _reshaped(shape, made, None)
        maker = (METHODS if node.op == "call_method" else FUNCTIONS).get(node.target)  # type: ignore[arg-type]
        if maker is None:
            raise Refusal("is not one of the supported layers")
        self._refuse_failure(node, shape)
        if any(a.op != "get_attr" and a not in self.value_of for a in _nodes(node)):
            raise Refusal("reads weights that are computed in the forward; use plain parameters")
        args: tuple[Any, ...] = fx.node.map_arg(node.args, self.tracer.values.__getitem__)
        kwargs: dict[str, Any] = fx.node.map_arg(node.kwargs, self.tracer.values.__getitem__)
        try:
            module = maker(*args, **kwargs)
        except TypeError as error:
            raise Refusal(f"has options that are not supported ({first_line(error)})") from error
        if isinstance(module, Add | Concat):
            if len(operands) < 2 and not (isinstance(module, Concat) and len(args[0]) == 1):
                raise Refusal("must join two values of the network; put a constant into a bias")
            return (module,)
        if len(operands) != 1:
            raise Refusal("has options that depend on the data")
        if isinstance(module, nn.Sequential):  # a pool, flattened
            return (*convert(module[0], shape), module[1])
        return convert(module, shape)

    def _refuse_failure(self, node: fx.Node, shape: tuple[int, ...]) -> None:
        """Raises `Refusal` where the example did not go through; without a word behind an offender."""
        if node in self.tracer.failed:
            before = [self.value_of[a] for a in _nodes(node) if a in self.value_of]
            if any(self.layers[name].objections for name in before if name in self.layers):
                raise Refusal("")
            raise Refusal(f"cannot take a value of shape {shape[1:]}: {self.tracer.failed[node]}")

    def _overwrite(self, operand: fx.Node, result: str, label: str, node: fx.Node) -> None:
        """Whoever reads the operand after it was changed in place reads the result."""
        before, value = self.value_of[operand], self.tracer.values[operand]
        for other, name in list(self.value_of.items()):
            if name == before:
                self.value_of[other] = result
            elif _share_memory(self.tracer.values[other], value) and _is_read_after(other, node):
                self.offenders.append(f"{label}: changes in place what '{name}' is a view of")


def _nodes(node: fx.Node) -> list[fx.Node]:
    """The nodes among the arguments, in order, repetitions kept."""
    found: list[fx.Node] = []
    fx.node.map_arg((node.args, node.kwargs), lambda a: found.append(a) or a)  # type: ignore[func-returns-value]
    return found


def _changes_its_operand(node: fx.Node, root: nn.Module) -> bool:
    if node.op == "call_module":
        module = root
        for name in str(node.target).split(".")[1:]:
            module = getattr(module, name)
        return bool(getattr(module, "inplace", False)) and not isinstance(
            module, nn.modules.dropout._DropoutNd
        )
    name = node.target if isinstance(node.target, str) else node.target.__name__
    in_place = name in ("iadd", "setitem") or (name.endswith("_") and not name.endswith("__"))
    return in_place or bool(node.kwargs.get("inplace", False))


def _share_memory(one: Any, other: Any) -> bool:
    both = isinstance(one, Tensor) and isinstance(other, Tensor)
    return both and one.untyped_storage().data_ptr() == other.untyped_storage().data_ptr()


def _is_read_after(value: fx.Node, node: fx.Node) -> bool:
    return any(user > node for user in value.users)


def _reshaped(shape: tuple[int, ...], made: Any, otherwise: str | None) -> tuple[nn.Module, ...]:
    """Flatten, or nothing, by what became of the shape; raises `Refusal` with `otherwise`."""
    after = tuple(made.shape) if isinstance(made, Tensor) else ()
    sequence, flat_map = (shape[:2] + shape[3:], (*shape[:2], 1, *shape[2:]))
    if after == shape or (len(shape) == 4 and shape[2] == 1 and after == sequence):
        return ()
    if len(shape) == 3 and after == flat_map:
        return ()
    if len(shape) > 2 and after == (shape[0], prod(shape[1:])):
        return (nn.Flatten(),)
    raise Refusal(
        otherwise or f"turns shape {shape} into {after}; only flattening to (count, features) is exact"
    )
