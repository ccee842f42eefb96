"""Captured layers made fewer: batch normalisation into the layer before it, zero padding into the next."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import torch
from torch import Tensor, nn

from bitwatt.quantization.batch_norm import Norm, fold
from bitwatt.quantization.captured import CapturedLayer
from bitwatt.quantization.modules import resolved_padding
from bitwatt.quantization.pooling import Pair

Layers = tuple[CapturedLayer, ...]


def readers_of(layers: Layers) -> dict[str, list[CapturedLayer]]:
    """The layers that read each value; one that reads it twice is there twice."""
    found: dict[str, list[CapturedLayer]] = {}
    for layer in layers:
        for name in layer.inputs:
            found.setdefault(name, []).append(layer)
    return found


def fold_batch_norms(layers: Layers, *, keep: bool = False) -> Layers:
    """Each normalisation inside the layer with weights before it, with its running statistics (see `fold`).

    A normalisation of maps that stands elsewhere becomes a depthwise 1 x 1 convolution; one of features has
    to stand behind a Linear, and is left (its objection is `objections_to_batch_norms`). keep: beside the
    layer's own weights instead of inside, as `CapturedLayer.norm`.
    """
    readers, last = readers_of(layers), layers[-1].path
    makers = {layer.path: layer for layer in layers}
    folded: dict[tuple[nn.Module, nn.Module], nn.Module] = {}
    changed: dict[str, CapturedLayer] = {}
    renamed: dict[str, str] = {}
    for layer in layers:
        norm = layer.module
        if not isinstance(norm, Norm):
            continue
        before = makers.get(layer.inputs[0])
        if (
            before is not None
            and _folds(before, norm)
            and readers[before.path] == [layer]
            and before.path != last
        ):
            key = (before.module, norm)
            if keep:
                changed[before.path] = replace(before, norm=norm)
            else:
                if key not in folded:
                    folded[key] = _folded(cast(nn.Conv2d | nn.Linear, before.module), norm)
                changed[before.path] = replace(before, module=folded[key])
            renamed[layer.path] = before.path
        elif isinstance(norm, nn.BatchNorm2d):
            key = (norm, norm)
            if key not in folded:
                identity = _depthwise_identity(norm)
                folded[key] = identity if keep else _folded(identity, norm)
            changed[layer.path] = replace(layer, module=folded[key], norm=norm if keep else None)
    return _renamed([changed.get(x.path, x) for x in layers if x.path not in renamed], renamed)


def objections_to_batch_norms(layers: Layers) -> list[str]:
    """What of the normalisations cannot be folded, a sentence each."""
    makers = {layer.path: layer for layer in layers}
    readers = readers_of(layers)
    return [
        f"{layer.label}: must follow a Linear whose value nothing else reads"
        for layer in layers
        if isinstance(layer.module, nn.BatchNorm1d)
        and not (
            isinstance(getattr(makers.get(layer.inputs[0]), "module", None), nn.Linear)
            and len(readers[layer.inputs[0]]) == 1
        )
    ]


def fold_zero_pads(layers: Layers) -> Layers:
    """Even zero padding inside the convolutions that read it, where nothing else does."""
    readers = readers_of(layers)
    pads = {
        layer.path: layer
        for layer in layers
        if isinstance(layer.module, nn.ZeroPad2d) and _is_even(layer.module) and readers.get(layer.path)
        and all(isinstance(reader.module, nn.Conv2d) for reader in readers[layer.path])
    }  # fmt: skip
    kept = []
    for layer in layers:
        if layer.path in pads:
            continue
        if isinstance(layer.module, nn.Conv2d) and layer.inputs[0] in pads:
            left, _, top, _ = cast(tuple[int, int, int, int], pads[layer.inputs[0]].module.padding)
            layer = replace(layer, module=_padded(layer.module, (top, left)))
        kept.append(layer)
    return _renamed(kept, {path: pad.inputs[0] for path, pad in pads.items()})


def _renamed(layers: list[CapturedLayer], renamed: dict[str, str]) -> Layers:
    """Layers that read a value which is gone read what took its place."""

    def current(name: str) -> str:
        while name in renamed:
            name = renamed[name]
        return name

    return tuple(replace(layer, inputs=tuple(current(name) for name in layer.inputs)) for layer in layers)


def _folds(before: CapturedLayer, norm: Norm) -> bool:
    wanted = nn.Conv2d if isinstance(norm, nn.BatchNorm2d) else nn.Linear
    return isinstance(before.module, wanted)


def _folded(layer: nn.Conv2d | nn.Linear, norm: Norm) -> nn.Conv2d | nn.Linear:
    with torch.no_grad():
        return _like(layer, *fold(layer.weight, layer.bias, norm))


def _like(layer: nn.Conv2d | nn.Linear, weight: Tensor, bias: Tensor) -> nn.Conv2d | nn.Linear:
    made: nn.Conv2d | nn.Linear
    if isinstance(layer, nn.Linear):
        made = nn.Linear(layer.in_features, layer.out_features, device="meta")
    else:
        made = _convolution(layer, layer.padding)
    made.weight, made.bias = nn.Parameter(weight), nn.Parameter(bias)
    return made


def _padded(conv: nn.Conv2d, more: Pair) -> nn.Conv2d:
    own = resolved_padding(conv)
    if own is None:
        raise ValueError("capture refuses uneven padding")
    made = _convolution(conv, (own[0] + more[0], own[1] + more[1]))
    made.weight, made.bias = conv.weight, conv.bias
    return made


def _convolution(conv: nn.Conv2d, padding: str | tuple[int, ...]) -> nn.Conv2d:
    """Of the same shape, without numbers yet."""
    return nn.Conv2d(
        conv.in_channels,
        conv.out_channels,
        cast(Pair, conv.kernel_size),
        cast(Pair, conv.stride),
        cast(Pair, padding),
        cast(Pair, conv.dilation),
        conv.groups,
        device="meta",
    )


def _depthwise_identity(norm: nn.BatchNorm2d) -> nn.Conv2d:
    channels, mean = norm.num_features, cast(Tensor, norm.running_mean)
    made = nn.Conv2d(channels, channels, 1, groups=channels, bias=False, device="meta")
    ones = torch.ones(channels, 1, 1, 1, device=mean.device, dtype=mean.dtype)
    made.weight = nn.Parameter(ones, requires_grad=False)  # beside a live normalisation gamma does its work
    return made


def _is_even(pad: nn.ZeroPad2d) -> bool:
    left, right, top, bottom = pad.padding
    return (left, top) == (right, bottom)
