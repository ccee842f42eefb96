"""What a module of the user's is among captured layers, or why it is none.

Each rule takes the module and the shape that it reads, (count, channels, ...), and gives the layer.
"""

from __future__ import annotations

from functools import singledispatch
from math import frexp

import torch
from torch import nn

from bitwatt.errors import UnsupportedError
from bitwatt.quantization.pooling import Pair, pair

Shape = tuple[int, ...]
"""Of what a layer reads, the count of images first."""


class Refusal(UnsupportedError):
    """Why a layer cannot be treated exactly; capture gathers these."""


def convert(module: nn.Module, shape: Shape) -> tuple[nn.Module, ...]:
    """The captured layers, one after the other, that do what `module` does; none for what does nothing.

    Raises `Refusal`.
    """
    if type(module) not in KINDS:
        raise Refusal(_SPECIAL.get(type(module).__name__, "is not one of the supported layers"))
    if module._forward_hooks or module._forward_pre_hooks:
        raise Refusal("has hooks, as pruning and weight normalisation put there; remove them first")
    return _convert(module, shape)


@singledispatch
def _convert(module: nn.Module, shape: Shape) -> tuple[nn.Module, ...]:
    return (type(module)(),)  # ReLU, Hardsigmoid, Hardswish: elementwise, without options but `inplace`


@_convert.register
def _(module: nn.Identity, shape: Shape) -> tuple[nn.Module, ...]:
    return ()


@_convert.register
def _(module: nn.Dropout, shape: Shape) -> tuple[nn.Module, ...]:
    return (nn.Dropout(module.p),)


@_convert.register(nn.Dropout1d)
@_convert.register(nn.Dropout2d)
def _(module: nn.Dropout1d | nn.Dropout2d, shape: Shape) -> tuple[nn.Module, ...]:
    return (nn.Dropout2d(module.p),)


@_convert.register
def _(module: nn.Hardtanh, shape: Shape) -> tuple[nn.Module, ...]:
    return (nn.Hardtanh(float(module.min_val), float(module.max_val)),)


@_convert.register
def _(module: nn.LeakyReLU, shape: Shape) -> tuple[nn.Module, ...]:
    slope = module.negative_slope
    if not 0 < slope <= 1 or frexp(slope)[0] != 0.5:
        raise Refusal(f"negative_slope must be a power of two up to 1, as 0.125 is, got {slope}")
    return (nn.LeakyReLU(slope),)


@_convert.register
def _(module: nn.Linear, shape: Shape) -> tuple[nn.Module, ...]:
    if len(shape) != 2:
        raise Refusal(f"must read (count, inputs), got {shape}; flatten it first")
    return (module,)


@_convert.register
def _(module: nn.Conv2d, shape: Shape) -> tuple[nn.Module, ...]:
    _require_axes(shape, 4)
    _check_padding(module)
    return (module,)


@_convert.register
def _(module: nn.Conv1d, shape: Shape) -> tuple[nn.Module, ...]:
    _require_axes(shape, 3)
    _check_padding(module)
    padding = module.padding if isinstance(module.padding, str) else (0, module.padding[0])
    made = nn.Conv2d(
        module.in_channels,
        module.out_channels,
        (1, module.kernel_size[0]),
        (1, module.stride[0]),
        padding,
        (1, module.dilation[0]),
        module.groups,
        module.bias is not None,
        device="meta",
    )
    made.weight = nn.Parameter(module.weight.detach().unsqueeze(2), module.weight.requires_grad)
    made.bias = module.bias
    return (made,)


def _check_padding(module: nn.Conv1d | nn.Conv2d) -> None:
    if module.padding_mode != "zeros":
        raise Refusal(f"padding_mode must be 'zeros', got '{module.padding_mode}'")
    if resolved_padding(module) is None:
        raise Refusal("padding='same' with an even kernel pads unevenly; pad by numbers")


def resolved_padding(conv: nn.Conv1d | nn.Conv2d) -> Pair | None:
    """Padding as numbers, or None where 'same' would pad unevenly."""
    if conv.padding == "valid":
        return (0, 0)
    if conv.padding == "same":
        total = [d * (k - 1) for d, k in zip(conv.dilation, conv.kernel_size, strict=True)]
        return None if any(t % 2 for t in total) else (total[0] // 2, total[-1] // 2)
    return pair(conv.padding)  # type: ignore[arg-type]


@_convert.register
def _(module: nn.BatchNorm2d, shape: Shape) -> tuple[nn.Module, ...]:
    _require_axes(shape, 4)
    _require_statistics(module)
    return (module,)


@_convert.register
def _(module: nn.BatchNorm1d, shape: Shape) -> tuple[nn.Module, ...]:
    _require_statistics(module)
    if len(shape) == 2:
        return (module,)
    _require_axes(shape, 3)
    made = nn.BatchNorm2d(module.num_features, module.eps, module.momentum, module.affine, device="meta")
    made.weight, made.bias = module.weight, module.bias
    made.running_mean, made.running_var = module.running_mean, module.running_var
    made.num_batches_tracked = module.num_batches_tracked
    return (made.eval(),)


def _require_statistics(module: nn.BatchNorm1d | nn.BatchNorm2d) -> None:
    if module.running_mean is None:
        raise Refusal("has no running statistics, so that it depends on the batch")


@_convert.register
def _(module: nn.MaxPool2d, shape: Shape) -> tuple[nn.Module, ...]:
    _require_axes(shape, 4)
    return _max_pool(module, 2)


@_convert.register
def _(module: nn.MaxPool1d, shape: Shape) -> tuple[nn.Module, ...]:
    _require_axes(shape, 3)
    return _max_pool(module, 1)


def _max_pool(module: nn.MaxPool1d | nn.MaxPool2d, axes: int) -> tuple[nn.Module, ...]:
    if module.return_indices:
        raise Refusal("return_indices must be False")
    if pair(module.dilation) != (1, 1):
        raise Refusal(f"dilation must be 1, got {module.dilation}")
    kernel, stride, padding = _pool_options(module, axes)
    return (nn.MaxPool2d(kernel, stride, padding, ceil_mode=module.ceil_mode),)


@_convert.register
def _(module: nn.AvgPool2d, shape: Shape) -> tuple[nn.Module, ...]:
    _require_axes(shape, 4)
    if module.divisor_override is not None:
        raise Refusal(f"divisor_override must be None, got {module.divisor_override}")
    return _average_pool(module, 2)


@_convert.register
def _(module: nn.AvgPool1d, shape: Shape) -> tuple[nn.Module, ...]:
    _require_axes(shape, 3)
    return _average_pool(module, 1)


def _average_pool(module: nn.AvgPool1d | nn.AvgPool2d, axes: int) -> tuple[nn.Module, ...]:
    kernel, stride, padding = _pool_options(module, axes)
    return (nn.AvgPool2d(kernel, stride, padding, module.ceil_mode, module.count_include_pad),)


def _pool_options(
    module: nn.MaxPool1d | nn.MaxPool2d | nn.AvgPool1d | nn.AvgPool2d, axes: int
) -> tuple[Pair, Pair, Pair]:
    """Kernel, stride and padding; of height 1 where the user's pool has one axis."""
    stride = module.kernel_size if module.stride is None else module.stride
    found = pair(module.kernel_size), pair(stride), pair(module.padding)
    if axes == 2:
        return found
    return (1, found[0][1]), (1, found[1][1]), (0, found[2][1])


@_convert.register(nn.AdaptiveAvgPool1d)
@_convert.register(nn.AdaptiveAvgPool2d)
@_convert.register(nn.AdaptiveMaxPool1d)
@_convert.register(nn.AdaptiveMaxPool2d)
def _(module: nn.Module, shape: Shape) -> tuple[nn.Module, ...]:
    axes = 1 if isinstance(module, nn.AdaptiveAvgPool1d | nn.AdaptiveMaxPool1d) else 2
    _require_axes(shape, axes + 2)
    if getattr(module, "return_indices", False):
        raise Refusal("return_indices must be False")
    size: int | tuple[int | None, ...] = module.output_size  # type: ignore[assignment]
    wanted = (size,) * axes if isinstance(size, int) else tuple(size)
    have = shape[2:]
    made = tuple(h if w is None else w for h, w in zip(have, wanted, strict=True))
    if any(h % m for h, m in zip(have, made, strict=True)):
        raise Refusal(f"would take windows of several sizes, from {have} to {made}")
    window = tuple(h // m for h, m in zip(have, made, strict=True))
    kernel = window if axes == 2 else (1, *window)
    maximum = isinstance(module, nn.AdaptiveMaxPool1d | nn.AdaptiveMaxPool2d)
    pool = nn.MaxPool2d if maximum else nn.AvgPool2d
    return (pool(pair(kernel), pair(kernel), (0, 0)),)


@_convert.register
def _(module: nn.ZeroPad2d, shape: Shape) -> tuple[nn.Module, ...]:
    _require_axes(shape, 4)
    return _zero_pad(module.padding)


@_convert.register
def _(module: nn.ZeroPad1d, shape: Shape) -> tuple[nn.Module, ...]:
    _require_axes(shape, 3)
    return _zero_pad((*module.padding, 0, 0))


@_convert.register
def _(module: nn.ConstantPad2d, shape: Shape) -> tuple[nn.Module, ...]:
    _require_axes(shape, 4)
    if module.value != 0:
        raise Refusal(f"pads with {module.value}; only zeros are supported")
    return _zero_pad(module.padding)


def _zero_pad(padding: tuple[int, ...]) -> tuple[nn.Module, ...]:
    """padding: left, right, top, bottom."""
    if min(padding) < 0:
        raise Refusal(f"padding must be at least 0, got {padding}")
    return (nn.ZeroPad2d(padding),) if any(padding) else ()  # type: ignore[arg-type]


@_convert.register
def _(module: nn.Softmax, shape: Shape) -> tuple[nn.Module, ...]:
    return (nn.Softmax(_class_axis(module.dim, shape)),)


@_convert.register
def _(module: nn.LogSoftmax, shape: Shape) -> tuple[nn.Module, ...]:
    return (nn.LogSoftmax(_class_axis(module.dim, shape)),)


def _class_axis(axis: int | None, shape: Shape) -> int:
    if len(shape) != 2 or axis is None or axis % 2 != 1:
        raise Refusal(f"must be over the classes, dim=1 of (count, classes), got dim={axis} of {shape}")
    return 1


def _require_axes(shape: Shape, axes: int) -> None:
    if len(shape) != axes:
        kind = "(count, channels, length)" if axes == 3 else "(count, channels, height, width)"
        raise Refusal(f"must read {kind}, got {shape}")


KINDS: frozenset[type[nn.Module]] = frozenset(
    {nn.ReLU, nn.ReLU6, nn.Hardsigmoid, nn.Hardswish, nn.Flatten}
    | {kind for kind in _convert.registry if kind is not object}
)
"""What `convert` knows, and `nn.Flatten`, which is read by what it does to a shape."""

_SPECIAL: dict[str, str] = {
    **dict.fromkeys(
        ("LayerNorm", "GroupNorm", "InstanceNorm1d", "InstanceNorm2d", "RMSNorm"),
        "divides by a statistic of each image, which no power of two does; use BatchNorm, which is folded",
    ),
    **dict.fromkeys(
        ("ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"),
        "transposed convolutions are not supported; upsample before the network, or use a plain convolution",
    ),
    **dict.fromkeys(
        ("Sigmoid", "Tanh", "GELU", "SiLU", "ELU", "Softplus", "Mish"),
        "is not exact on integers; use ReLU, ReLU6, LeakyReLU, Hardsigmoid or Hardswish",
    ),
}


def is_finite(module: nn.Module) -> list[str]:
    """What of a module's parameters and statistics is NaN or infinite, a sentence each."""
    tensors = [*module.named_parameters(), *module.named_buffers()]
    found = []
    for name, tensor in tensors:
        bad = int((~torch.isfinite(tensor)).sum()) if tensor.is_floating_point() else 0
        if bad:
            found.append(f"{bad} of {tensor.numel()} values of its {name} are NaN or infinite")
    return found
