"""What a layer of a quantised network reads, and the sums it forms, in real units."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import torch
from torch import Tensor, nn

from bitwatt.formats import parse_precision
from bitwatt.quantization.calibration import calibrate
from bitwatt.quantization.layers import QuantizedConv2d, QuantizedLinear
from bitwatt.quantization.network import QuantizedLayer, QuantizedNetwork
from bitwatt.quantization.regrid import set_precision

BATCH = 32
"""Images that pass a network at a time: their patches are held in memory."""


class _Stop(Exception):
    """Ends a forward pass at the layer that is looked at."""


def float_twin(network: QuantizedNetwork, images: Tensor) -> QuantizedNetwork:
    """The same network in float32, its weights the shadow weights as they are now."""
    twin = copy.deepcopy(network)
    set_precision(twin, parse_precision("float32"))
    calibrate(twin, images[:1])
    return twin.eval()


def evenly(images: Tensor, most: int) -> Tensor:
    """At most so many of the images, spread evenly over all, in float32."""
    return images[:: max(1, -(-len(images) // most))].to(torch.float32)


@torch.no_grad()
def reads(network: QuantizedNetwork, name: str, images: Tensor) -> Tensor:
    """What the layer of that name reads for these images, first operand only: integers, held in float32."""
    found: list[Tensor] = []

    def stop(layer: nn.Module, operands: tuple[Tensor, ...]) -> None:
        found.append(operands[0])
        raise _Stop

    handle = network.layer(name).register_forward_pre_hook(stop)
    try:
        network(images)
    except _Stop:
        pass
    finally:
        handle.remove()
    return found[0]


@contextmanager
def bare(layer: QuantizedLayer) -> Iterator[None]:
    """Within it the layer gives its sums in real units: not pooled, not rounded, without ReLU."""
    kept = layer.output_format, layer.relu, layer.pool, layer.output_exponent.clone()
    layer.output_format, layer.relu, layer.pool = None, False, None
    layer.output_exponent.zero_()
    try:
        yield
    finally:
        layer.output_format, layer.relu, layer.pool = kept[:3]
        layer.output_exponent.copy_(kept[3])


def channels_in_front(sums: Tensor) -> Tensor:
    """Sums (count, outputs, ...) as (outputs, everything else)."""
    return sums.transpose(0, 1).flatten(1)


def patches(layer: QuantizedLayer, x: Tensor) -> Tensor:
    """The operands of every sum: (groups, positions, inputs of a sum), in the units of x.

    x: what the layer reads, (count, channels, height, width) or (count, inputs).
    """
    if isinstance(layer, QuantizedLinear):
        return x[None]
    unfolded = torch.nn.functional.unfold(
        x, layer.weight.shape[2:], layer.dilation, layer.padding, layer.stride
    )
    count, _, positions = unfolded.shape
    grouped = unfolded.reshape(count, layer.groups, -1, positions)
    return grouped.permute(1, 0, 3, 2).reshape(layer.groups, count * positions, -1)


def weighted(network: QuantizedNetwork, name: str) -> QuantizedLayer:
    """The layer of that name, which has weights."""
    return cast(QuantizedLayer, network.layer(name))


def groups(layer: QuantizedLayer) -> int:
    """Of a convolution; 1 for a fully connected layer."""
    return layer.groups if isinstance(layer, QuantizedConv2d) else 1
