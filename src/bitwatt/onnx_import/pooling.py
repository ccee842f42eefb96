"""Pooling operators: over windows, over the whole map, and means over its axes."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from bitwatt.errors import RequestError
from bitwatt.onnx_import.building import Call
from bitwatt.onnx_import.values import Value, plain_axes
from bitwatt.onnx_import.windows import Window, read_window, torch_ceil_mode

_MAX: dict[int, type[nn.Module]] = {1: nn.MaxPool1d, 2: nn.MaxPool2d}
_AVERAGE: dict[int, type[nn.Module]] = {1: nn.AvgPool1d, 2: nn.AvgPool2d}


def _read(call: Call) -> tuple[Value, Window, tuple[int, ...]]:
    value = call.building.settled(call.value())
    lengths = value.shape[2:]
    if len(lengths) not in _MAX:
        raise RequestError(f"is over {len(lengths)} axes; one or two are supported")
    window = read_window(call.attributes, tuple(call.attributes["kernel_shape"]), lengths)
    if any(2 * before > kernel for before, kernel in zip(window.before, window.kernel, strict=True)):
        raise RequestError(f"pads {window.before} are more than half of the kernel {window.kernel}")
    return value, window, lengths


def _max_pool(call: Call) -> Value:
    if call.outputs > 1:
        raise RequestError("gives indices, which are not supported")
    value, window, lengths = _read(call)
    ceil = torch_ceil_mode(window, lengths, bool(call.attributes.get("ceil_mode", 0)))
    if ceil is None:
        raise RequestError(f"pads {window.before} in front and {window.after} behind are not supported")
    module = _MAX[len(lengths)](
        window.kernel,
        window.stride,
        window.before,
        window.dilation,
        ceil_mode=ceil,
    )
    return call.building.layer(call.name, module, value)


def _average_pool(call: Call) -> Value:
    value, window, lengths = _read(call)
    if any(step != 1 for step in window.dilation):
        raise RequestError(f"dilations must be 1, got {window.dilation}")
    counts_padding = bool(call.attributes.get("count_include_pad", 0))
    ceil: bool | None = bool(call.attributes.get("ceil_mode", 0))
    if counts_padding and not window.is_even:
        if len(lengths) != 2:
            raise RequestError("pads a row unevenly; make it even")
        sides = (window.before[1], window.after[1], window.before[0], window.after[0])
        value = call.building.padded(Value(value.node, value.shape, value.axes, None, sides))
        window = Window(window.kernel, window.stride, window.dilation, (0, 0), (0, 0))
    elif not counts_padding:
        ceil = torch_ceil_mode(window, lengths, bool(ceil))
    if ceil is None:
        raise RequestError(f"pads {window.before} in front and {window.after} behind are not supported")
    module = _AVERAGE[len(lengths)](
        window.kernel,
        window.stride,
        window.before,
        ceil_mode=ceil,
        count_include_pad=counts_padding,
    )
    return call.building.layer(call.name, module, value)


def _over_the_map(kinds: dict[int, type[nn.Module]]) -> Callable[[Call], Value]:
    def translate(call: Call) -> Value:
        return _whole(call, call.building.settled(call.value()), kinds)

    return translate


def _whole(call: Call, value: Value, kinds: dict[int, type[nn.Module]]) -> Value:
    lengths = value.shape[2:]
    if len(lengths) not in kinds:
        raise RequestError(f"is over {len(lengths)} axes; one or two are supported")
    kernel = lengths if len(lengths) == 2 else lengths[0]
    plain = Value(value.node, value.shape, plain_axes(value.shape))
    pooled = call.building.layer(call.name, kinds[len(lengths)](kernel), plain)
    return Value(pooled.node, pooled.shape, value.axes)


def _mean(kinds: dict[int, type[nn.Module]]) -> Callable[[Call], Value]:
    """ReduceMean and ReduceMax, where they are over the whole map."""

    def translate(call: Call) -> Value:
        value = call.building.padded(call.value())
        rank = len(value.shape)
        axes = call.attributes.get("axes") or call.numbers(1, "axes")
        if axes is None or {value.axes[int(axis) % rank] for axis in axes} != set(range(2, rank)):
            raise RequestError("must be over the whole map, each channel by itself")
        pooled = _whole(call, value, kinds)
        if call.attributes.get("keepdims", 1):
            return pooled
        plain = Value(pooled.node, pooled.shape, plain_axes(pooled.shape))
        return call.building.layer(f"{call.name}_flat", nn.Flatten(), plain)

    return translate


POOLINGS: dict[str, Callable[[Call], Value]] = {
    "AveragePool": _average_pool,
    "GlobalAveragePool": _over_the_map(_AVERAGE),
    "GlobalMaxPool": _over_the_map(_MAX),
    "MaxPool": _max_pool,
    "ReduceMax": _mean(_MAX),
    "ReduceMean": _mean(_AVERAGE),
}
