"""Weights rounded together: each rounding is made up for by the weights that are still to be rounded.

The method is that of optimal brain surgery, column by column: E. Frantar et al., GPTQ, arXiv 2210.17323 (its
order by diagonal and its Cholesky form included), for any number format that has a nearest value. It
minimises, layer by layer, the squared error of the sums over the images, where

- the float network's sums are the aim, and what is multiplied is what the quantised network really delivers
  to the layer, with the errors of all layers before: the float weights are first taken to where they meet the
  aim best (least squares), and are then rounded;
- sums are centred: a bias makes up for their mean exactly, so that bias correction is part of it;
- the exponent of the weights is the one that loses least of this error, not of the weights' own;
- at the end every weight is looked at again, in turn, with all others as they are (coordinate descent).

Against AdaRound (M. Nagel et al., arXiv 2004.10568), which descends along gradients between the two nearest
values for thousands of steps, it is closed, takes seconds, and rounds to grids of any spacing.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bitwatt.formats import Format
from bitwatt.quantization.network import QuantizedLayer, QuantizedNetwork
from bitwatt.quantization.post_training.observing import (
    BATCH,
    bare,
    channels_in_front,
    evenly,
    float_twin,
    groups,
    patches,
    reads,
)
from bitwatt.quantization.rounding import round_to_grid
from bitwatt.quantization.scale import CHANNEL_SPREAD, LARGEST_EXPONENT, power_of_two, weight_exponents

IMAGES = 512
"""That are looked at, at most."""

DAMPING = 0.01
"""Added to the diagonal of the second moments, as a share of its mean: GPTQ's own."""

PASSES = 4
"""Over all weights of a layer at the end, at most."""

CANDIDATES = (1, 0, -1, -2)
"""Exponents that are tried, relative to the one that loses least of the weights themselves."""


@torch.no_grad()
def round_together(network: QuantizedNetwork, images: Tensor, twin: QuantizedNetwork | None = None) -> None:
    """Round the weights of `network`, in place: shadow weights then lie on the grid, and biases fit them.

    images: (count, ...), as the network takes them. twin: the float network to be met, by default the shadow
    weights as they are. float32 networks stay as they are.
    """
    if network.precision.is_float:
        return
    chosen = evenly(images, IMAGES)
    met = float_twin(network, chosen) if twin is None else twin
    was_training = network.training
    network.eval()
    for name, layer in network.weighted_layers():
        _round_layer(layer, _moments(network, met, name, chosen))
    network.train(was_training)


@dataclass(frozen=True, eq=False)
class _Moments:
    """Over all positions: of the operands x in real units, and of the sums t that are aimed at; float64.

    covariance: (groups, inputs, inputs) of x. aim: (groups, outputs, inputs), covariance of t with x.
    mean_x: (groups, inputs); mean_t: (outputs,), without any bias in it but the float network's.
    """

    covariance: Tensor
    aim: Tensor
    mean_x: Tensor
    mean_t: Tensor


def _moments(network: QuantizedNetwork, twin: QuantizedNetwork, name: str, images: Tensor) -> _Moments:
    layer: QuantizedLayer = network.layer(name)  # type: ignore[assignment]  # one with weights
    aimed: QuantizedLayer = twin.layer(name)  # type: ignore[assignment]
    unit = float(power_of_two(layer.input_exponent))
    count = 0
    sums: list[Tensor] = []
    for batch in torch.split(images, BATCH):
        x = patches(layer, reads(network, name, batch)).to(torch.float64) * unit
        with bare(aimed):
            wanted = channels_in_front(aimed(reads(twin, name, batch))).to(torch.float64)
        t = wanted.reshape(groups(layer), -1, wanted.shape[1])
        parts = [x.transpose(1, 2) @ x, t @ x, x.sum(dim=1), t.sum(dim=2)]
        sums = parts if not sums else [a + b for a, b in zip(sums, parts, strict=True)]
        count += x.shape[1]
    square, mixed, x_sum, t_sum = (part / count for part in sums)
    return _Moments(
        covariance=square - x_sum[:, :, None] * x_sum[:, None, :],
        aim=mixed - t_sum[:, :, None] * x_sum[:, None, :],
        mean_x=x_sum,
        mean_t=t_sum.flatten(),
    )


def _round_layer(layer: QuantizedLayer, moments: _Moments) -> None:
    shape = layer.weight.shape
    grouped, inputs = moments.mean_x.shape
    weight = layer.weight.to(torch.float64).reshape(grouped, -1, inputs)
    damped = moments.covariance.clone()
    diagonal = damped.diagonal(dim1=1, dim2=2)
    diagonal += DAMPING * diagonal.mean(dim=1, keepdim=True).clamp(min=1e-12)
    # Where the damped least squares lie: the float weights, moved by what they miss of the aim.
    missed = moments.aim - weight @ moments.covariance
    best = weight + torch.linalg.solve(damped, missed, left=False)
    start = weight_exponents(best.reshape(shape).to(torch.float32), layer.weight_format, layer.granularity)
    losses, rounded, exponents = [], [], []
    for step in CANDIDATES:
        exponent = (start + step).clamp(-LARGEST_EXPONENT, LARGEST_EXPONENT)
        scale = power_of_two(exponent).to(torch.float64).expand(shape[0]).reshape(grouped, -1, 1)
        found = compensated(best, damped, scale, layer.weight_format)
        error = found - best
        losses.append(((error @ damped) * error).sum(dim=2).flatten())
        rounded.append(found.reshape(shape[0], inputs))
        exponents.append(exponent)
    loss = torch.stack(losses)
    if layer.granularity == "tensor":
        chosen = loss.sum(dim=1).argmin().expand(shape[0])
    else:
        chosen = _within_spread(loss, torch.stack(exponents))
    rows = torch.arange(shape[0])
    result = torch.stack(rounded)[chosen, rows]
    layer.weight_exponent.copy_(
        torch.stack(exponents).expand(-1, shape[0])[chosen, rows][: layer.weight_exponent.numel()]
    )
    layer.weight.copy_(result.reshape(shape).to(torch.float32))
    by_group = result.reshape(grouped, -1, inputs)
    bias = moments.mean_t - (by_group * moments.mean_x[:, None, :]).sum(dim=2).flatten()
    if layer.bias is None:
        layer.bias = nn.Parameter(torch.zeros(shape[0]))
    layer.bias.copy_(bias.to(torch.float32))


def _within_spread(loss: Tensor, exponents: Tensor) -> Tensor:
    """Each channel's best candidate among those no more than `CHANNEL_SPREAD` below the highest chosen."""
    top = exponents.gather(0, loss.argmin(dim=0, keepdim=True)).amax()
    return loss.masked_fill(exponents < top - CHANNEL_SPREAD, torch.inf).argmin(dim=0)


def compensated(weight: Tensor, moments: Tensor, scale: Tensor, format: Format) -> Tensor:
    """The weights on the grid scale * integers, one column after the other, each making up for those before.

    weight: (groups, outputs, inputs). moments: positive definite (groups, inputs, inputs); what is kept small
    is error @ moments @ error. scale: (groups, outputs, 1). Columns that weigh most come first.
    """
    order = moments.diagonal(dim1=1, dim2=2).argsort(dim=1, descending=True)
    result = torch.empty_like(weight)
    for group, columns in enumerate(order):
        inverse = torch.linalg.inv(moments[group][columns][:, columns])
        factor = torch.linalg.cholesky(inverse, upper=True)
        left = weight[group][:, columns].clone()
        step = scale[group][:, 0]
        done = torch.empty_like(left)
        for column in range(left.shape[1]):
            done[:, column] = round_to_grid(left[:, column] / step, format) * step
            error = (left[:, column] - done[:, column]) / factor[column, column]
            left[:, column + 1 :] -= error[:, None] * factor[column, column + 1 :]
        result[group][:, columns] = done
        _descend(result[group], weight[group], moments[group], step, format)
    return result


def _descend(found: Tensor, weight: Tensor, moments: Tensor, step: Tensor, format: Format) -> None:
    """Each weight of `found` to the grid value that is best beside the others, in place, until none moves.

    No move makes the error larger: along one weight it is a parabola, and the grid's nearest value to its
    lowest point is best.
    """
    error = found - weight
    for _ in range(PASSES):
        moved = False
        for column in range(found.shape[1]):
            lowest = found[:, column] - error @ moments[column] / moments[column, column]
            better = round_to_grid(lowest / step, format) * step
            if not torch.equal(better, found[:, column]):
                error[:, column] += better - found[:, column]
                found[:, column] = better
                moved = True
        if not moved:
            break
