"""What each ONNX operator becomes: a function from the node's call to its value, or a `RequestError`.

Each follows the operator's text at https://onnx.ai/onnx/operators, over all versions that files are found in.
"""

from __future__ import annotations

import operator
from collections.abc import Callable

from torch import nn

from bitwatt.errors import RequestError
from bitwatt.onnx_import import activations, elementwise, layers, shaping
from bitwatt.onnx_import.building import Call
from bitwatt.onnx_import.pooling import POOLINGS
from bitwatt.onnx_import.values import Value


def _same(call: Call) -> Value:
    return call.value()


def _dropout(call: Call) -> Value:
    if call.outputs > 1 or call.number(2, "training mode"):
        raise RequestError("is in training mode; export the model in evaluation mode")
    return call.value()


OPERATORS: dict[str, Callable[[Call], Value]] = {
    "Add": elementwise.binary(operator.add, commutes=True),
    "BatchNormalization": layers.normalise,
    "Cast": shaping.cast,
    "Clip": activations.clip,
    "Concat": elementwise.concat,
    "Conv": layers.conv,
    "Div": elementwise.binary(operator.truediv, commutes=False),
    "Dropout": _dropout,
    "Flatten": shaping.flatten,
    "Gemm": layers.gemm,
    "HardSigmoid": activations.hard_sigmoid,
    "HardSwish": activations.module(nn.Hardswish),
    "Identity": _same,
    "LeakyRelu": activations.leaky_relu,
    "LogSoftmax": activations.softmax(nn.LogSoftmax),
    "MatMul": layers.matmul,
    "Mul": elementwise.binary(operator.mul, commutes=True),
    "PRelu": activations.prelu,
    "Pad": shaping.pad,
    "Relu": activations.module(nn.ReLU),
    "Reshape": shaping.reshape,
    "Softmax": activations.softmax(nn.Softmax),
    "Squeeze": shaping.squeeze,
    "Sub": elementwise.binary(operator.sub, commutes=False),
    "Sum": elementwise.total,
    "Transpose": shaping.transpose,
    "Unsqueeze": shaping.unsqueeze,
    **POOLINGS,
}
