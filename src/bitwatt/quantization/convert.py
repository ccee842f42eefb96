"""`quantize`: a float model in, the same model on a precision's grids out."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Protocol

import torch
from torch import Tensor, nn

from bitwatt.errors import RequestError
from bitwatt.formats import Precision, parse_precision
from bitwatt.quantization.assembly import assemble, default_granularity
from bitwatt.quantization.calibration import calibrate
from bitwatt.quantization.capture import capture
from bitwatt.quantization.captured import as_inputs
from bitwatt.quantization.network import QuantizedNetwork

__all__ = ["BATCH_NORM", "GRANULARITIES", "Images", "default_granularity", "quantize"]

GRANULARITIES = ("tensor", "channel")

BATCH_NORM = ("fold", "train")


class Images(Protocol):
    """A split of a data set, as far as calibration looks at it."""

    @property
    def images(self) -> Tensor:
        """float (count, ...), as the model takes them."""


def quantize(
    model: nn.Module,
    precision: str | Precision,
    *,
    calibration: Images | Tensor | Sequence[Tensor],
    granularity: str | None = None,
    batch_norm: str = "fold",
    layers: Mapping[str, str | Precision] | None = None,
) -> QuantizedNetwork:
    """A new module that computes `model` with weights and activations on the grids of `precision`.

    model: any module whose forward is made of what docs/networks.md lists, as modules, functions or methods;
    it is left as it is.
    calibration: images, on which radix points are chosen (labels are not looked at); of a model with several
    inputs the images of each, as many of one as of the other. granularity: one weight
    exponent a "tensor" or an output "channel"; by default per channel for binary and ternary weights, whose
    scale is all the magnitude they have, and per tensor otherwise. layers: precisions of single layers, by a
    pattern on their path, as in {"stem.*": "fixed8"}; "input" is the images', "input#2" a second
    input's. A layer's precision is that of
    its weights and of the activations that leave it; of several patterns that match, the last one counts.
    batch_norm: "fold" puts batch normalisation into the layer before it at once, with its running statistics;
    "train" keeps it alive there, so that training goes on with the statistics of each batch, while evaluation
    and lowering fold the running ones (`freeze_batch_norm` does so for good).

    Warns of what was left out: a softmax at the end. Raises `UnsupportedError` for a model that cannot be
    computed exactly, with all reasons at once; `RequestError` for an unknown precision, granularity or
    batch_norm, a pattern that matches no layer, or calibration images that are none or not finite.
    """
    wanted = parse_precision(precision) if isinstance(precision, str) else precision
    if granularity is not None and granularity not in GRANULARITIES:
        raise RequestError(f"granularity must be one of {', '.join(GRANULARITIES)}; got '{granularity}'")
    if batch_norm not in BATCH_NORM:
        raise RequestError(f"batch_norm must be one of {', '.join(BATCH_NORM)}; got '{batch_norm}'")
    images = as_inputs(calibration if isinstance(calibration, Tensor | Sequence) else calibration.images)
    _require_images(images)
    example = [each[:2] if len(each) > 1 else torch.cat([each, each]) for each in images]
    # Two images, as they tell the count from other lengths.
    captured = capture(model, example, keep_batch_norms=batch_norm == "train")
    network = assemble(captured, wanted, granularity, layers)
    for note in network.notes:
        warnings.warn(note, UserWarning, stacklevel=2)
    network.to(next(model.parameters()).device)
    network.train(model.training)
    calibrate(network, images)
    return network


def _require_images(inputs: tuple[Tensor, ...]) -> None:
    if not inputs or not all(isinstance(images, Tensor) for images in inputs):
        kinds = ", ".join(type(images).__name__ for images in inputs) or "nothing"
        raise RequestError(f"calibration must be images, a tensor for each input; got {kinds}")
    for images in inputs:
        _require_finite_images(images)
    counts = [len(images) for images in inputs]
    if len(set(counts)) > 1:
        raise RequestError(f"calibration needs as many images of each input; got {counts}")


def _require_finite_images(images: Tensor) -> None:
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
