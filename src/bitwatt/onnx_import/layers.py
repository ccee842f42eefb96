"""Operators with weights: convolutions, matrix products, batch normalisation."""

from __future__ import annotations

import torch

from bitwatt.errors import RequestError
from bitwatt.onnx_import.building import Call
from bitwatt.onnx_import.values import NO_PADS, Constant, Value
from bitwatt.onnx_import.weighted import as_float, convolution, linear, normalisation
from bitwatt.onnx_import.windows import Window, read_window


def conv(call: Call) -> Value:
    """Conv over one axis or two; padding that is uneven becomes a layer of its own."""
    value, weight = call.value(), call.constant(1, "weight")
    bias = call.constant(2, "bias")
    if weight is None or weight.array.ndim != len(value.shape):
        raise RequestError("its weight must have as many axes as its input")
    if weight.array.ndim not in (3, 4):
        raise RequestError(f"is over {weight.array.ndim - 2} axes; one or two are supported")
    if value.axes != tuple(range(len(value.shape))):
        value = call.building.settled(value)
    kernel = tuple(weight.array.shape[2:])
    window = read_window(call.attributes, kernel, value.onnx_shape[2:])
    together = _with_pads(window, value)
    if together.is_even:
        value, window = Value(value.node, value.shape, value.axes), together
    elif not window.is_even:
        value = call.building.padded(Value(value.node, value.shape, value.axes, None, _outer(together)))
        none = (0,) * len(kernel)
        window = Window(window.kernel, window.stride, window.dilation, none, none)
    filters = call.building.drawing.weight(call.name, weight)
    return call.building.layer(
        call.name,
        convolution(window, filters, _bias(bias, len(filters)), int(call.attributes.get("group", 1))),
        value,
    )


def _with_pads(window: Window, value: Value) -> Window:
    """The window with the zeros that already lie around the value."""
    if value.pads == NO_PADS:
        return window
    left, right, top, bottom = value.pads
    before = (window.before[0] + top, window.before[1] + left)
    after = (window.after[0] + bottom, window.after[1] + right)
    return Window(window.kernel, window.stride, window.dilation, before, after)


def _outer(window: Window) -> tuple[int, int, int, int]:
    if len(window.kernel) == 1:
        raise RequestError("pads a row unevenly; make it even")
    return window.before[1], window.after[1], window.before[0], window.after[0]


def _bias(constant: Constant | None, outputs: int) -> torch.Tensor | None:
    """The bias as a vector; zeros where its data is absent."""
    if constant is None:
        return None
    if constant.array.size not in (1, outputs):
        raise RequestError(f"its bias has shape {constant.array.shape}, for {outputs} outputs")
    return as_float(constant).reshape(-1).expand(outputs).clone()


def gemm(call: Call) -> Value:
    """Gemm with a constant weight, as fully connected layers are written."""
    value, weight = call.value(), call.constant(1, "weight")
    if call.attributes.get("transA", 0):
        raise RequestError("transA must be 0")
    if weight is None or weight.array.ndim != 2:
        raise RequestError("its weight must have two axes")
    array = weight.array if call.attributes.get("transB", 0) else weight.array.T
    return _full(call, value, Constant(array, weight.known), call.constant(2, "bias"))


def matmul(call: Call) -> Value:
    """MatMul with a constant weight; the Add behind it is folded later."""
    value, weight = call.value(), call.constant(1, "weight")
    if weight is None or weight.array.ndim != 2:
        raise RequestError("its second operand must be a constant of two axes, a layer's weight")
    return _full(call, value, Constant(weight.array.T, weight.known), None)


def _full(call: Call, value: Value, weight: Constant, bias: Constant | None) -> Value:
    if len(value.shape) != 2:
        raise RequestError(f"its input must be flattened before, it has shape {value.onnx_shape}")
    filters = call.building.drawing.weight(call.name, weight) * float(call.attributes.get("alpha", 1.0))
    order = value.order
    if order is not None and filters.shape[1] == len(order):
        placed = torch.empty_like(filters)
        placed[:, torch.from_numpy(order)] = filters
        filters = placed
    vector = _bias(bias, len(filters))
    if vector is not None:
        vector = vector * float(call.attributes.get("beta", 1.0))
    plain = Value(value.node, value.shape, value.axes)
    return call.building.layer(call.name, linear(filters.contiguous(), vector), plain)


def normalise(call: Call) -> Value:
    """BatchNormalization in evaluation mode."""
    value = call.value()
    if call.attributes.get("training_mode", 0) or call.outputs > 1:
        raise RequestError("is in training mode; export the model in evaluation mode")
    parts = [call.constant(index, "parameters") for index in range(1, 5)]
    channels = value.onnx_shape[1] if len(value.shape) > 1 else 0
    if any(part is None or part.array.shape != (channels,) for part in parts):
        raise RequestError(f"its four parameters must have {channels} elements each, one a channel")
    values = [
        as_float(part) if part.known else torch.full((channels,), 1.0 if index in (0, 3) else 0.0)
        for index, part in enumerate(parts)
        if part is not None
    ]
    eps = float(call.attributes.get("epsilon", 1e-5))
    scale, shift, mean, variance = values
    return call.building.layer(
        call.name, normalisation(len(value.shape), scale, shift, mean, variance, eps), value
    )
