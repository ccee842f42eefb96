"""The constants of a graph: initialisers, and what nodes make of constants alone.

Exporters compute shapes and reorder weights in the graph itself. Such nodes are evaluated once, by ONNX's own
reference implementation; a constant whose data is absent keeps its shape, and so does what is made of it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from bitwatt.errors import RequestError
from bitwatt.onnx_import.file import check_size
from bitwatt.onnx_import.values import Array, Constant

if TYPE_CHECKING:
    from onnx import NodeProto

FOLDED = frozenset(
    {
        "Add", "Cast", "Ceil", "Concat", "Constant", "ConstantOfShape", "Div", "Equal", "Floor", "Gather",
        "Identity", "Mul", "Neg", "Pow", "ReduceProd", "Reshape", "Shape", "Slice", "Sqrt", "Squeeze", "Sub",
        "Transpose", "Unsqueeze", "Where",
    }
)  # fmt: skip
"""What is evaluated on constants. Only broadcasting makes much of little here, and it is checked."""


def absent(shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> Constant:
    """A constant without data; it takes no memory, however large."""
    return Constant(np.broadcast_to(np.zeros((), dtype), shape), known=False)


def fold(node: NodeProto, inputs: list[Constant], opset: int) -> Constant:
    """What the node makes of constants; `RequestError` where that is too large, or ONNX says it is wrong."""
    if node.op_type == "ConstantOfShape":
        return _constant_of_shape(node, inputs)
    shapes = [constant.array.shape for constant in inputs]
    if node.op_type in {"Add", "Div", "Equal", "Mul", "Pow", "Sub", "Where"}:
        try:
            together = np.broadcast_shapes(*shapes)
        except ValueError as error:
            raise RequestError(f"shapes {shapes} do not go together") from error
        check_size("its result", together)
    known = all(constant.known for constant in inputs)
    with np.errstate(all="ignore"):
        result = _evaluate(node, [constant.array for constant in inputs], opset)
    return Constant(result, known) if known else absent(result.shape, result.dtype)


def _evaluate(node: NodeProto, inputs: list[Array], opset: int) -> Array:
    import onnx
    from onnx.reference import ReferenceEvaluator

    names = [name for name in node.input if name]
    graph = onnx.helper.make_graph(
        [node],
        "constant",
        [onnx.helper.make_empty_tensor_value_info(name) for name in dict.fromkeys(names)],
        [onnx.helper.make_empty_tensor_value_info(node.output[0])],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)])
    try:
        (result,) = ReferenceEvaluator(model).run(None, dict(zip(names, inputs, strict=True)))
    except Exception as error:  # whatever numpy raises on operands that a file put together
        raise RequestError(f"its constant operands do not go together: {error}") from error
    return np.asarray(result)


def _constant_of_shape(node: NodeProto, inputs: list[Constant]) -> Constant:
    from onnx import numpy_helper

    if not inputs or not inputs[0].known:
        raise RequestError("its shape must be known")
    shape = tuple(int(length) for length in inputs[0].array.reshape(-1))
    check_size("its result", shape)
    values = [numpy_helper.to_array(entry.t) for entry in node.attribute if entry.name == "value"]
    value = values[0].reshape(()) if values and math.prod(values[0].shape) == 1 else np.float32(0)
    return Constant(np.broadcast_to(value, shape))
