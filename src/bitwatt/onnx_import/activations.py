"""Operators on single numbers that are not linear, and the closing softmax."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from torch import nn

from bitwatt.errors import RequestError
from bitwatt.onnx_import.building import Call
from bitwatt.onnx_import.values import Value


def module(make: Callable[[], nn.Module]) -> Callable[[Call], Value]:
    """The operator that is a torch module without options."""
    return lambda call: call.building.pointwise(call.name, make(), call.value())


def clip(call: Call) -> Value:
    """A clamp to two constants, or from 0 on."""
    low = call.attributes.get("min", call.number(1, "least value"))
    high = call.attributes.get("max", call.number(2, "largest value"))
    made: nn.Module
    if low is not None and high is not None:
        made = nn.ReLU6() if (low, high) == (0, 6) else nn.Hardtanh(float(low), float(high))
    elif low == 0:
        made = nn.ReLU()
    else:
        raise RequestError(f"must clip on both sides, or from 0 on; got {low} and {high}")
    return call.building.pointwise(call.name, made, call.value())


def prelu(call: Call) -> Value:
    """PRelu with one slope for all channels."""
    slope = call.constant(1, "slope")
    if slope is None or not slope.known or np.unique(slope.array).size != 1:
        raise RequestError("its slope must be one number for all channels, and in the file")
    return call.building.pointwise(call.name, nn.LeakyReLU(float(slope.array.flat[0])), call.value())


def leaky_relu(call: Call) -> Value:
    """LeakyRelu."""
    slope = float(call.attributes.get("alpha", 0.01))
    return call.building.pointwise(call.name, nn.LeakyReLU(slope), call.value())


def hard_sigmoid(call: Call) -> Value:
    """HardSigmoid, where it is clip(x / 6 + 1 / 2), as networks and torch have it."""
    alpha, beta = call.attributes.get("alpha", 0.2), call.attributes.get("beta", 0.5)
    if abs(alpha - 1 / 6) > 1e-6 or beta != 0.5:  # 1/6 in float32, in whatever form it was written
        raise RequestError(f"must be clip(x / 6 + 1 / 2), got alpha {alpha:g} and beta {beta:g}")
    return call.building.pointwise(call.name, nn.Hardsigmoid(), call.value())


def softmax(kind: type[nn.Softmax] | type[nn.LogSoftmax]) -> Callable[[Call], Value]:
    """Softmax or LogSoftmax over the classes. Before opset 13 it flattened from `axis` on: here the same."""

    def translate(call: Call) -> Value:
        value = call.building.padded(call.value())
        default = 1 if call.opset < 13 else -1
        axis = int(call.attributes.get("axis", default)) % len(value.shape)
        rest = [length for position, length in enumerate(value.onnx_shape) if position not in (0, axis)]
        if value.axes[axis] != 1 or any(length != 1 for length in rest):
            raise RequestError("must be over the classes, one set of them an image")
        return call.building.pointwise(call.name, kind(dim=1), value)

    return translate


def hard_swish(call: Call) -> Value | None:
    """x * HardSigmoid(x), as exporters wrote hard-swish before ONNX had it."""
    first, second = call.value(0), call.value(1)
    for value, gate in ((first, second), (second, first)):
        made_by = gate.node.target if gate.node.op == "call_module" else None
        is_gate = made_by is not None and isinstance(
            call.building.modules.get_submodule(str(made_by)), nn.Hardsigmoid
        )
        if is_gate and gate.node.args == (value.node,):
            return call.building.pointwise(call.name, nn.Hardswish(), value)
    return None
