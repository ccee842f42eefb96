"""Narrowing step by step: through wider precisions to the one that is asked for (16, 8, then 4 bits).

Each step starts near where the last one ended, so that no single rounding is a large one (Zhuang, Shen, Tan,
Liu and Reid 2018, arXiv 1711.00205: "progressive quantization").
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from bitwatt.formats import Precision
from bitwatt.quantization import QuantizedNetwork
from bitwatt.quantization.calibration import calibrate
from bitwatt.quantization.regrid import set_precision
from bitwatt.training.methods.method import Method


def narrowing(
    network: QuantizedNetwork, steps: Sequence[Precision], share: float, epochs: int, images: Tensor
) -> Method:
    """`steps` share the first `share` of the epochs equally; the rest is the network's own precision's.

    At every change radix points are fitted anew on `images` (count, ...).
    """
    target = network.precision
    plan = precision_of_epochs(steps, target, share, epochs)
    begun = False

    def begin() -> None:
        nonlocal begun
        begun = True

    def before_epoch(epoch: int) -> None:
        nonlocal begun
        changes = plan[epoch] != (plan[epoch - 1] if epoch else target)
        resumed, begun = not begun, True
        if changes:
            set_precision(network, plan[epoch])
            calibrate(network, images)
        elif resumed:  # the exponents came back with the state
            set_precision(network, plan[epoch])

    def detach() -> None:
        set_precision(network, target)

    return Method(begin=begin, before_epoch=before_epoch, detach=detach)


def precision_of_epochs(
    steps: Sequence[Precision], target: Precision, share: float, epochs: int
) -> list[Precision]:
    """The precision of each epoch; a step may get none where epochs are few, the target gets at least one."""
    narrowed = min(round(share * epochs), epochs - 1)
    return [steps[epoch * len(steps) // narrowed] if epoch < narrowed else target for epoch in range(epochs)]
