"""Nodes and constants of an ONNX graph, as it grows."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import ArrayLike, NDArray
from onnx import TensorProto, helper, numpy_helper

import bitwatt
from bitwatt.program.program import Program

OPSET, IR_VERSION = 21, 10
"""The first whose QuantizeLinear makes integers of 16 bits, and the oldest file version that it may have."""

Value = str
"""Name of a tensor of the graph."""


class GraphBuilder:
    """A graph that takes `images` and gives `logits`; tensors are called after the program's values.

    inputs: by the names of the program's inputs, the tensors that hold them: `images`, `images_2`, ...
    """

    def __init__(self, program: Program) -> None:
        self._program = program
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}
        self.inputs: dict[str, Value] = dict(
            zip(program.input_shapes, tensor_names(len(program.input_shapes)), strict=True)
        )
        self._names: set[str] = {*self.inputs.values(), "logits"}

    def node(self, kind: str, *inputs: Value, name: str, domain: str = "", **attributes: Any) -> Value:
        """Append a node with one output; the output's name, which begins with `name`."""
        made = self._fresh(name)
        self._nodes.append(
            helper.make_node(kind, list(inputs), [made], name=made, domain=domain, **attributes)
        )
        return made

    def constant(self, value: ArrayLike, dtype: Any, name: str) -> Value:
        """A constant tensor; its name. Equal ones are kept once."""
        array = np.asarray(value, dtype=dtype)
        proto = numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape))
        key = f"{proto.data_type} {tuple(proto.dims)} {hash(proto.raw_data)}"
        for known, other in self._constants.items():
            if known.endswith(key) and other.raw_data == proto.raw_data:
                return other.name
        proto.name = self._fresh(name)
        self._constants[f"{len(self._constants)} {key}"] = proto
        return proto.name

    def clamp(self, x: Value, low: ArrayLike, high: ArrayLike, dtype: Any, name: str) -> Value:
        """x brought between two ends.

        By Max and Min: onnxruntime (1.32) drops a Clip before QuantizeLinear where their ends differ by less
        than the epsilon of float32, which they all do where scales are small.
        """
        least, most = (self.constant(end, dtype, f"{name}/end") for end in (low, high))
        return self.node("Min", self.node("Max", x, least, name=f"{name}/least"), most, name=name)

    def cast(self, x: Value, dtype: int, name: str) -> Value:
        """A Cast to a type of `TensorProto`."""
        return self.node("Cast", x, name=f"{name}/cast", to=dtype)

    def model(
        self,
        output: Value,
        dtype: int,
        note: str,
        *domains: str,
        count: int | str = "count",
    ) -> bytes:
        """The checked model, whose output is `output`, of type `dtype`; count: of images, or its name."""
        self._nodes.append(helper.make_node("Identity", [output], ["logits"], name="logits"))
        program = self._program
        shape = program.types[program.output].shape
        images = [
            helper.make_tensor_value_info(self.inputs[name], TensorProto.FLOAT, [count, *lengths])
            for name, lengths in program.input_shapes.items()
        ]
        graph = helper.make_graph(
            self._nodes,
            "bitwatt",
            images,
            [helper.make_tensor_value_info("logits", dtype, [count, *shape])],
            list(self._constants.values()),
        )
        opsets = [helper.make_opsetid("", OPSET)]
        opsets += [helper.make_opsetid(domain, 1) for domain in domains]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
        model.producer_name, model.producer_version = "bitwatt", bitwatt.__version__
        model.doc_string = note
        helper.set_model_props(model, {"network": program.network, "precision": program.precision})
        onnx.checker.check_model(model, full_check=not domains)
        content: bytes = model.SerializeToString()
        return content

    def _fresh(self, name: str) -> Value:
        made, number = name, 1
        while made in self._names:
            number += 1
            made = f"{name}.{number}"
        self._names.add(made)
        return made


def tensor_names(inputs: int) -> tuple[Value, ...]:
    """What the inputs of a graph are called."""
    return ("images", *(f"images_{place}" for place in range(2, inputs + 1)))


def per_channel(values: NDArray[Any], channel_axes: int) -> NDArray[Any]:
    """One value a channel, shaped to be broadcast over (count, channels, height, width) or (count, channels).

    channel_axes: axes of the value for one image: 3 or 1.
    """
    return values.reshape(-1, *[1] * (channel_axes - 1))
