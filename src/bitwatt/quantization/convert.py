"""`quantize`: a float model in, the same model on a precision's grids out."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn

from bitwatt.errors import RequestError
from bitwatt.formats import Binary, Format, Precision, Ternary, parse_precision
from bitwatt.quantization.calibration import calibrate
from bitwatt.quantization.capture import CapturedLayer, capture, resolved_padding
from bitwatt.quantization.input_stage import InputQuantizer
from bitwatt.quantization.layers import QuantizedConv2d, QuantizedLinear
from bitwatt.quantization.network import Node, QuantizedNetwork
from bitwatt.quantization.pooling import QuantizedAvgPool2d

GRANULARITIES = ("tensor", "channel")


class Images(Protocol):
    """A split of a data set, as far as calibration looks at it."""

    @property
    def images(self) -> Tensor:
        """float (count, ...), as the model takes them."""


def quantize(
    model: nn.Module,
    precision: str | Precision,
    *,
    calibration: Images | Tensor,
    granularity: str | None = None,
) -> QuantizedNetwork:
    """A new module that computes `model` with weights and activations on the grids of `precision`.

    model: made of Conv2d, Linear, ReLU, MaxPool2d, AvgPool2d, Flatten, Dropout, Identity in one chain; it is
    left as it is. calibration: images, on which radix points are chosen (labels are not looked at).
    granularity: one weight exponent a "tensor" or an output "channel"; by default per channel for binary and
    ternary weights, whose scale is all the magnitude they have, and per tensor otherwise.

    Raises `UnsupportedError` for a model that cannot be computed exactly, with all reasons at once;
    `RequestError` for an unknown precision or granularity, or calibration images that are none or not finite.
    """
    wanted = parse_precision(precision) if isinstance(precision, str) else precision
    layers = capture(model)
    chosen = granularity if granularity is not None else default_granularity(wanted.weights)
    if chosen not in GRANULARITIES:
        raise RequestError(f"granularity must be one of {', '.join(GRANULARITIES)}; got '{chosen}'")
    images = calibration if isinstance(calibration, Tensor) else calibration.images
    _require_images(images)
    network = _build(layers, wanted, chosen)
    network.to(next(model.parameters()).device)
    network.train(model.training)
    calibrate(network, images)
    return network


def default_granularity(weights: Format) -> str:
    """How many scales a weight tensor gets where nobody says."""
    return "channel" if isinstance(weights, Binary | Ternary) else "tensor"


def _require_images(images: Tensor) -> None:
    if images.dim() < 2 or images.shape[0] == 0:
        raise RequestError(
            f"calibration needs at least one image, as a tensor (count, ...); got shape {tuple(images.shape)}"
        )
    if not images.is_floating_point():
        raise RequestError(
            f"calibration images must be floating point, as the model takes them; got {images.dtype}"
        )
    bad = int((~torch.isfinite(images)).flatten(1).any(dim=1).sum())
    if bad:
        raise RequestError(f"calibration: {bad} of {images.shape[0]} images hold NaN or infinite values")


def _build(layers: tuple[CapturedLayer, ...], precision: Precision, granularity: str) -> QuantizedNetwork:
    grid = precision.activations
    last = _last_with_sums(layers)
    nodes: list[Node] = []
    modules: dict[str, nn.Module] = {}
    renamed: dict[str, str] = {}  # value that a layer swallowed -> that layer
    taken = 0
    for position, layer in enumerate(layers):
        inputs = tuple(renamed.get(name, name) for name in layer.inputs)
        if position < taken:
            renamed[layer.path] = inputs[0]
            continue
        source = layer.module
        if isinstance(source, nn.Conv2d | nn.Linear):
            relu, pool, taken = _absorbed(layers, position + 1)
            output = None if position == last else grid
            modules[layer.path] = _weighted(source, precision.weights, output, granularity, relu, pool)
        elif isinstance(source, nn.AvgPool2d):
            modules[layer.path] = QuantizedAvgPool2d(source, grid)
        else:
            modules[layer.path] = _copy(source)
        nodes.append(Node(layer.path, inputs))
    return QuantizedNetwork(precision, InputQuantizer(grid), tuple(nodes), modules)


def _weighted(
    source: nn.Conv2d | nn.Linear,
    weights: Format,
    output: Format | None,
    granularity: str,
    relu: bool,
    pool: nn.MaxPool2d | None,
) -> nn.Module:
    if isinstance(source, nn.Linear):
        return QuantizedLinear(source, weights, output, granularity=granularity, relu=relu, pool=pool)
    padding = resolved_padding(source)
    if padding is None:
        raise ValueError("capture refuses uneven padding")
    return QuantizedConv2d(
        source, weights, output, padding=padding, granularity=granularity, relu=relu, pool=pool
    )


def _last_with_sums(layers: tuple[CapturedLayer, ...]) -> int | None:
    """Position of the layer whose sums are the logits; None where something that needs a grid follows it."""
    for position in reversed(range(len(layers))):
        if isinstance(layers[position].module, nn.Conv2d | nn.Linear):
            return position
        if not isinstance(layers[position].module, nn.Flatten | nn.Dropout):
            return None
    return None


def _absorbed(layers: tuple[CapturedLayer, ...], start: int) -> tuple[bool, nn.MaxPool2d | None, int]:
    """ReLU and one max pooling from `start` on, in either order, and where what follows them begins."""
    relu, pool = False, None
    for position in range(start, len(layers)):
        module = layers[position].module
        if isinstance(module, nn.ReLU):
            relu = True
        elif isinstance(module, nn.MaxPool2d) and pool is None:
            pool = nn.MaxPool2d(module.kernel_size, module.stride, module.padding, ceil_mode=module.ceil_mode)
        else:
            return relu, pool, position
    return relu, pool, len(layers)


def _copy(source: nn.Module) -> nn.Module:
    match source:
        case nn.ReLU():
            return nn.ReLU()
        case nn.MaxPool2d():
            return nn.MaxPool2d(source.kernel_size, source.stride, source.padding, ceil_mode=source.ceil_mode)
        case nn.Flatten():
            return nn.Flatten()
        case nn.Dropout():
            return nn.Dropout(source.p)
        case _:
            raise ValueError(f"capture lets no {type(source).__name__} through")
