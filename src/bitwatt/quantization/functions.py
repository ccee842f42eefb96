"""Functions and methods as the modules that do the same, so that one set of rules judges both.

Each entry takes the arguments of the call, tensors replaced by their values for the example, and gives the
module that reads the first of them. Parameters have PyTorch's names, since a call may use them.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from bitwatt.quantization.captured import Add, Concat
from bitwatt.quantization.modules import Refusal

Maker = Callable[..., nn.Module]
"""Arguments of a call to the module that does the same."""

Lengths = int | Sequence[int]


def _relu(input: Tensor, inplace: bool = False) -> nn.Module:
    return nn.ReLU()


def _relu6(input: Tensor, inplace: bool = False) -> nn.Module:
    return nn.ReLU6()


def _hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> nn.Module:
    return nn.Hardtanh(min_val, max_val)


def _clamp(input: Tensor, min: float | None = None, max: float | None = None) -> nn.Module:
    if min == 0 and max is None:
        return nn.ReLU()
    if not isinstance(min, int | float) or not isinstance(max, int | float):
        raise Refusal(f"must clamp to two numbers, got min={min}, max={max}")
    return nn.Hardtanh(min, max)


def _leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> nn.Module:
    return nn.LeakyReLU(negative_slope)


def _hardsigmoid(input: Tensor, inplace: bool = False) -> nn.Module:
    return nn.Hardsigmoid()


def _hardswish(input: Tensor, inplace: bool = False) -> nn.Module:
    return nn.Hardswish()


def _dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> nn.Module:
    return nn.Dropout(p)


def _max_pool(kind: type[nn.MaxPool1d] | type[nn.MaxPool2d]) -> Maker:
    def make(
        input: Tensor,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        ceil_mode: bool = False,
        return_indices: bool = False,
    ) -> nn.Module:
        return kind(kernel_size, stride or None, padding, dilation, return_indices, ceil_mode)

    return make


def _average_pool_2d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> nn.Module:
    return nn.AvgPool2d(kernel_size, stride or None, padding, ceil_mode, count_include_pad, divisor_override)


def _average_pool_1d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> nn.Module:
    return nn.AvgPool1d(kernel_size, stride or kernel_size, padding, ceil_mode, count_include_pad)


def _adaptive(kind: type[nn.Module]) -> Maker:
    def make(input: Tensor, output_size: Any, return_indices: bool = False) -> nn.Module:
        if return_indices:
            raise Refusal("return_indices must be False")
        return kind(output_size)

    return make


def _pad(input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> nn.Module:
    if mode != "constant" or value:
        raise Refusal(f"must pad with zeros, got mode '{mode}' and value {value}")
    if len(pad) not in (2, 4) or len(pad) > 2 * (input.dim() - 2):
        raise Refusal(f"must pad the last one or two axes of a map, got {tuple(pad)}")
    if input.dim() == 3:
        return nn.ZeroPad1d(tuple(pad))  # type: ignore[arg-type]
    return nn.ZeroPad2d((*pad, 0, 0)[:4])  # type: ignore[arg-type]


def _over_maps(maximum: bool) -> Maker:
    def make(input: Tensor, dim: Any = None, keepdim: bool = False, **others: Any) -> nn.Module:
        axes = sorted(axis % input.dim() for axis in ([dim] if isinstance(dim, int) else dim or ()))
        if input.dim() not in (3, 4) or not axes or axes[0] < 2 or others.get("dtype") is not None:
            raise Refusal(f"must be over the axes behind the channels, got dim={dim} of {tuple(input.shape)}")
        if len(axes) < input.dim() - 2 and not keepdim:
            raise Refusal("over one axis of a map must keep it (keepdim=True)")
        kernel = tuple(input.shape[axis] if axis in axes else 1 for axis in range(2, input.dim()))
        kinds: dict[tuple[bool, int], Any] = {
            (False, 1): nn.AvgPool1d,
            (False, 2): nn.AvgPool2d,
            (True, 1): nn.MaxPool1d,
            (True, 2): nn.MaxPool2d,
        }
        pool = kinds[maximum, len(kernel)](kernel)
        return pool if keepdim else nn.Sequential(pool, nn.Flatten())

    return make


def _softmax(kind: type[nn.Softmax] | type[nn.LogSoftmax]) -> Maker:
    def make(input: Tensor, dim: int | None = None, *others: Any, **named: Any) -> nn.Module:
        return kind(dim)

    return make


def _conv(kind: Any) -> Maker:
    def make(
        input: Tensor,
        weight: Tensor,
        bias: Tensor | None = None,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
    ) -> nn.Module:
        outputs, inputs, *kernel = weight.shape
        made = kind(
            *(inputs * groups, outputs, tuple(kernel)), stride, padding, dilation, groups, device="meta"
        )
        return _with(made, weight, bias)

    return make


def _linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> nn.Module:
    return _with(nn.Linear(weight.shape[1], weight.shape[0], device="meta"), weight, bias)


def _batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> nn.Module:
    if training or running_mean is None or running_var is None:
        raise Refusal("must use running statistics (training=False)")
    kind = nn.BatchNorm2d if input.dim() == 4 else nn.BatchNorm1d
    made = _with(kind(len(running_mean), eps, momentum, device="meta"), weight, bias)
    made.register_buffer("running_mean", running_mean)
    made.register_buffer("running_var", running_var)
    return made.eval()


def _with(module: nn.Module, weight: Tensor | None, bias: Tensor | None) -> nn.Module:
    for name, value in (("weight", weight), ("bias", bias)):
        held = value if value is None or isinstance(value, nn.Parameter) else nn.Parameter(value)
        module.register_parameter(name, held)
    return module


def _add(input: Any, other: Any, *, alpha: float = 1, out: None = None) -> nn.Module:
    if not isinstance(input, Tensor) or not isinstance(other, Tensor) or alpha != 1:
        raise Refusal("must add two values of the network; put a constant into a bias")
    if input.shape != other.shape:
        raise Refusal(f"must add values of one shape, got {tuple(input.shape)} and {tuple(other.shape)}")
    return Add()


def _concat(tensors: Sequence[Tensor], dim: int = 0) -> nn.Module:
    if tensors[0].dim() < 2 or dim % tensors[0].dim() != 1:
        raise Refusal(f"must join along the channels (dim=1), got dim={dim}")
    return Concat()


FUNCTIONS: dict[Any, Maker] = {
    **dict.fromkeys((functional.relu, torch.relu, functional.relu_, torch.relu_), _relu),
    functional.relu6: _relu6,
    **dict.fromkeys((functional.hardtanh, functional.hardtanh_), _hardtanh),
    **dict.fromkeys((torch.clamp, torch.clamp_, torch.clip), _clamp),
    **dict.fromkeys((functional.leaky_relu, functional.leaky_relu_), _leaky_relu),
    functional.hardsigmoid: _hardsigmoid,
    functional.hardswish: _hardswish,
    **dict.fromkeys((functional.dropout, torch.dropout), _dropout),
    functional.dropout2d: lambda input, p=0.5, training=True, inplace=False: nn.Dropout2d(p),
    **dict.fromkeys((functional.max_pool1d, torch.max_pool1d), _max_pool(nn.MaxPool1d)),
    **dict.fromkeys((functional.max_pool2d, torch.max_pool2d), _max_pool(nn.MaxPool2d)),
    functional.avg_pool1d: _average_pool_1d,
    functional.avg_pool2d: _average_pool_2d,
    functional.adaptive_avg_pool1d: _adaptive(nn.AdaptiveAvgPool1d),
    functional.adaptive_avg_pool2d: _adaptive(nn.AdaptiveAvgPool2d),
    functional.adaptive_max_pool1d: _adaptive(nn.AdaptiveMaxPool1d),
    functional.adaptive_max_pool2d: _adaptive(nn.AdaptiveMaxPool2d),
    functional.pad: _pad,
    torch.mean: _over_maps(maximum=False),
    torch.amax: _over_maps(maximum=True),
    **dict.fromkeys((functional.softmax, torch.softmax), _softmax(nn.Softmax)),
    **dict.fromkeys((functional.log_softmax, torch.log_softmax), _softmax(nn.LogSoftmax)),
    **dict.fromkeys((functional.conv1d, torch.conv1d), _conv(nn.Conv1d)),
    **dict.fromkeys((functional.conv2d, torch.conv2d), _conv(nn.Conv2d)),
    functional.linear: _linear,
    functional.batch_norm: _batch_norm,
    **dict.fromkeys((operator.add, operator.iadd, torch.add), _add),
    **dict.fromkeys((torch.cat, torch.concat, torch.concatenate), _concat),
}

METHODS: dict[str, Maker] = {
    **dict.fromkeys(("relu", "relu_"), _relu),
    **dict.fromkeys(("clamp", "clamp_", "clip"), _clamp),
    **dict.fromkeys(("add", "add_"), _add),
    "mean": _over_maps(maximum=False),
    "amax": _over_maps(maximum=True),
    "softmax": _softmax(nn.Softmax),
    "log_softmax": _softmax(nn.LogSoftmax),
}

RESHAPES: frozenset[Any] = frozenset(
    {torch.flatten, torch.reshape, torch.squeeze, torch.unsqueeze}
    | {"flatten", "view", "reshape", "squeeze", "unsqueeze", "contiguous", "clone", "detach", "float", "to"}
    | {"view_as", "reshape_as", "type_as"}
)
"""What is judged by the shape that comes out."""
