"""The module under construction: its graph, its layers, and what each ONNX name stands for so far."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import fx, nn

from bitwatt.errors import RequestError
from bitwatt.onnx_import.values import NO_PADS, Constant, Value, plain_axes
from bitwatt.onnx_import.weighted import Drawing

if TYPE_CHECKING:
    from onnx import NodeProto


@dataclass(frozen=True, eq=False)
class Call:
    """One node to be translated: its operands (None where one is left out), and its attributes by name."""

    building: Building
    name: str
    operands: tuple[Value | Constant | None, ...]
    attributes: Mapping[str, Any]
    outputs: int
    opset: int

    def value(self, index: int = 0) -> Value:
        """The operand that the images decide. Raises `RequestError` where it is constant or missing."""
        operand = self.operands[index] if index < len(self.operands) else None
        if not isinstance(operand, Value):
            raise RequestError(f"its operand {index + 1} must depend on the images")
        return operand

    def constant(self, index: int, what: str) -> Constant | None:
        """The constant operand, None where it is left out. Raises `RequestError` where it is no constant."""
        operand = self.operands[index] if index < len(self.operands) else None
        if isinstance(operand, Value):
            raise RequestError(f"its {what} must be constant")
        return operand

    def numbers(self, index: int, what: str) -> tuple[int, ...] | None:
        """A constant operand's whole numbers; None where it is left out."""
        found = self.constant(index, what)
        if found is None:
            return None
        if not found.known:
            raise RequestError(f"its {what} is needed, but the file does not hold it")
        return tuple(int(number) for number in found.array.reshape(-1))

    def number(self, index: int, what: str) -> float | None:
        """A constant operand of one element; None where it is left out."""
        found = self.constant(index, what)
        if found is None:
            return None
        if not found.known or found.array.size != 1:
            raise RequestError(f"its {what} must be one number, and in the file")
        return float(found.array.reshape(()))


class Building:
    """names: what ONNX's names stand for. read: those that something reads, the output included."""

    def __init__(self, read: set[str]) -> None:
        self.graph = fx.Graph()
        self.modules = nn.Module()
        self.names: dict[str, Value | Constant] = {}
        self.drawing = Drawing()
        self.read = read

    def call(self, node: NodeProto, opset: int) -> Call:
        """The node with its operands looked up."""
        from onnx import helper

        attributes = {entry.name: helper.get_attribute_value(entry) for entry in node.attribute}
        texts = {k: v.decode(errors="replace") if isinstance(v, bytes) else v for k, v in attributes.items()}
        operands = tuple(self.names[name] if name else None for name in node.input)
        name = node.name or f"{node.op_type}_{node.output[0]}"
        used = [index for index, output in enumerate(node.output) if output in self.read]
        return Call(self, name, operands, texts, max(used, default=0) + 1, opset)

    def layer(self, name: str, module: nn.Module, value: Value) -> Value:
        """`module` applied to a value that is ONNX's as it stands; what comes out is so too."""
        value = self.settled(value)
        path = self._free(name)
        self.modules.add_module(path, module)
        shape = shape_of(module, value.shape, name)
        return Value(self.graph.call_module(path, (value.node,)), shape, plain_axes(shape))

    def pointwise(self, name: str, module: nn.Module, value: Value) -> Value:
        """`module` applied to every number: axes and order stay."""
        value = self.padded(value)
        path = self._free(name)
        self.modules.add_module(path, module)
        return replace(value, node=self.graph.call_module(path, (value.node,)))

    def function(self, function: Callable[..., Any], arguments: tuple[Any, ...], like: Value) -> Value:
        """A call of a function whose result has the layout of `like`."""
        return replace(like, node=self.graph.call_function(function, arguments), pads=NO_PADS)

    def padded(self, value: Value) -> Value:
        """The value with the zeros that were still to be put around it."""
        if value.pads == NO_PADS:
            return value
        path = self._free("pad")
        self.modules.add_module(path, nn.ZeroPad2d(value.pads))
        shape = shape_of(nn.ZeroPad2d(value.pads), value.shape, path)
        node = self.graph.call_module(path, (value.node,))
        return replace(value, node=node, shape=shape, pads=NO_PADS)

    def settled(self, value: Value) -> Value:
        """The value in ONNX's own axes: where they differ, its data is moved."""
        value = self.padded(value)
        if value.axes == plain_axes(value.shape):
            return value
        node = self.graph.call_method("permute", (value.node, *value.axes))
        return Value(node, value.onnx_shape, plain_axes(value.shape))

    def _free(self, name: str) -> str:
        """A name for a layer: ONNX's, as far as Python allows it, and no other layer's."""
        plain = re.sub(r"\W+", "_", name).strip("_") or "layer"
        plain = f"layer_{plain}" if plain[0].isdigit() or plain in ("input", "images") else plain
        path, number = plain, 2
        while hasattr(self.modules, path):
            path, number = f"{plain}_{number}", number + 1
        return path


def shape_of(module: nn.Module, shape: tuple[int, ...], name: str) -> tuple[int, ...]:
    """The shape that a layer makes of another; nothing is computed. `RequestError` where they do not fit."""
    parameters = {key: value.to("meta") for key, value in module.state_dict().items()}
    try:
        with torch.no_grad():
            made = torch.func.functional_call(module.eval(), parameters, (torch.empty(shape, device="meta"),))
    except (RuntimeError, ValueError) as error:
        raise RequestError(f"does not take a value of shape {shape}: {str(error).splitlines()[0]}") from error
    return tuple(made.shape)
